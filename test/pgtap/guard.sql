-- Tests who may enforce orders, see and accept violations. alice owns the model, bob the table, carol may score by the model, dave nothing.
BEGIN;
SELECT * FROM no_plan();
SET client_min_messages = error;

CREATE ROLE alice;
CREATE ROLE bob;
CREATE ROLE carol;
CREATE ROLE dave;
SELECT xmcoh.grant_usage(r) FROM unnest(ARRAY['alice', 'bob', 'carol']::regrole[]) AS r;
GRANT CREATE ON SCHEMA public TO bob;
SET ROLE bob;
CREATE TABLE public.task (job int, step int, place int, words text);
GRANT SELECT, INSERT ON public.task TO alice, carol, dave;
SET ROLE alice;
SELECT xmcoh.create_model('line');
SELECT xmcoh.grant_model('line', 'carol', 'score');
SELECT xmcoh.attach_source('line', 'public.task', 'job', 'step', text => 'words', "position" => 'place');

-- level own on the model, and TRIGGER on the table
SELECT throws_ok($$SELECT xmcoh.enforce_order('line', 'public.task')$$, '42501', 'permission denied for table task', 'alice has no TRIGGER privilege on the table');
SELECT is_empty($$SELECT FROM xmcoh.guard$$, 'so there is no guard');
SET ROLE bob;
SELECT throws_ok($$SELECT xmcoh.enforce_order('line', 'public.task')$$, '42501', 'permission denied for model "line"', 'bob has no level on the model');
GRANT TRIGGER ON public.task TO alice;
SET ROLE carol;
SELECT throws_ok($$SELECT xmcoh.enforce_order('line', 'public.task')$$, '42501', 'permission denied for model "line"', 'nor does level score suffice');
SET ROLE alice;
SELECT lives_ok($$SELECT xmcoh.enforce_order('line', 'public.task', 'record')$$, 'alice may, with TRIGGER');
SELECT results_eq($$SELECT source, enforced_by::text COLLATE "default" FROM xmcoh.guard$$, $$VALUES ('public.task', 'alice')$$, 'and is on record');
SELECT throws_ok($$SELECT xmcoh.unenforce_order('line', 'task')$$, '42501', 'must be owner of relation task', 'but she cannot drop a trigger of bob''s table');
SET ROLE bob;
SELECT throws_ok($$SELECT xmcoh.unenforce_order('line', 'task')$$, '42501', 'permission denied for model "line"', 'nor can bob end it without the model');
SELECT is_empty($$SELECT FROM xmcoh.guard$$, 'nor see it');

-- everybody who may write to the table writes: without a level on the model the order is not checked
SET ROLE dave;
SELECT lives_ok($$INSERT INTO public.task VALUES (1, 1, 1, 'open'), (1, 2, 2, 'close')$$, 'dave writes rows');
SELECT lives_ok($$SET CONSTRAINTS ALL IMMEDIATE$$, 'and the transaction goes on');
SET CONSTRAINTS ALL DEFERRED;
SELECT throws_ok($$CREATE TRIGGER mine AFTER INSERT ON public.task FOR EACH ROW EXECUTE FUNCTION xmcoh.guard_order(1)$$, '42501', NULL, 'he makes no triggers of the guard');

-- only the server writes guards and violations
RESET ROLE;
INSERT INTO xmcoh.violation_record (model_id, source, document, version, "precision", message, pairs, found_by)
    SELECT model_id, xmcoh_internal.relation_ref('public.task'::regclass), '1', 1, 0.95, 'step 2 ...', '[]', 'dave' FROM xmcoh.model WHERE name = 'line'
    RETURNING set_config('test.violation', violation_id::text, true);
SET ROLE alice;
SELECT throws_ok(statement, '42501', NULL, 'alice cannot: ' || statement)
  FROM unnest(ARRAY[$$INSERT INTO xmcoh.guard_record DEFAULT VALUES$$, $$UPDATE xmcoh.guard_record SET strict = true$$, $$DELETE FROM xmcoh.guard_record$$,
                    $$INSERT INTO xmcoh.violation_record DEFAULT VALUES$$, $$UPDATE xmcoh.violation_record SET accepted_by = 'bob'$$,
                    $$DELETE FROM xmcoh.violation_record$$, $$LOCK xmcoh.violation_record$$, $$LOCK xmcoh.guard_record IN ROW SHARE MODE$$,
                    $$SELECT xmcoh_internal.record_violation(1, 0::oid, '', 1, 0.9, '', '[]', 0::oid)$$, $$SELECT nextval('xmcoh.violation_record_violation_id_seq')$$]) AS statement;

-- violations hold texts: they are for level review
SELECT results_eq($$SELECT document, state FROM xmcoh.violation$$, $$VALUES ('1', 'open')$$, 'the owner sees violations');
SET ROLE carol;
SELECT is_empty($$SELECT FROM xmcoh.violation$$, 'level score does not');
SELECT is_empty($$SELECT FROM xmcoh.violation_record$$, 'nor in the table');
SELECT throws_ok($$SELECT xmcoh.accept_violation(current_setting('test.violation')::bigint)$$, '42704', NULL, 'nor accepts one');
SELECT isnt_empty($$SELECT FROM xmcoh.guard$$, 'but sees what is enforced');
SET ROLE alice;
SELECT xmcoh.grant_model('line', 'carol', 'review');
SET ROLE carol;
SELECT lives_ok($$SELECT xmcoh.accept_violation(current_setting('test.violation')::bigint, 'so be it')$$, 'level review accepts');
SELECT results_eq($$SELECT state, accepted_by::text COLLATE "default", note FROM xmcoh.violation$$, $$VALUES ('accepted', 'carol', 'so be it')$$, 'who accepted is what the server saw');
SET ROLE bob;
SELECT throws_ok($$SELECT xmcoh.accept_violation(current_setting('test.violation')::bigint)$$, '42704', NULL, 'bob cannot tell whether there is one');
SELECT throws_ok($$CALL xmcoh.validate_document('line', '1')$$, '42501', 'permission denied for model "line"', 'nor validate by the model');
SELECT throws_ok($$SELECT xmcoh.order_holds('line', '{a,b}')$$, '42501', 'permission denied for model "line"', 'nor ask it');
SET ROLE dave;
SELECT throws_ok($$SELECT FROM xmcoh.violation$$, '42501', NULL, 'dave sees nothing');

-- The model goes, and its triggers on a table of another role stay and do nothing.
SET ROLE alice;
SELECT lives_ok($$SELECT xmcoh.drop_model('line')$$, 'the model is dropped');
SELECT results_eq($$SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.task'::regclass$$, ARRAY[3::bigint], 'its triggers are left on bob''s table');
SET ROLE bob;
SELECT lives_ok($$INSERT INTO public.task VALUES (2, 1, 1, 'open')$$, 'and do nothing');
SELECT lives_ok($$SET CONSTRAINTS ALL IMMEDIATE$$, 'at the end either');
RESET ROLE;
SELECT is_empty($$SELECT FROM xmcoh.guard_record$$, 'nothing is left of the guard');
SELECT is_empty($$SELECT FROM xmcoh.violation_record$$, 'nor of violations');

SELECT * FROM finish();
ROLLBACK;
