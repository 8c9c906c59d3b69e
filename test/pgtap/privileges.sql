-- Tests the privileges of roles. alice and bob own models, carol is a member of alice's team, dave has no grants.
BEGIN;
SELECT * FROM no_plan();

-- PUBLIC
SELECT is_empty($$SELECT c.oid::regclass, a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a
                   WHERE c.relnamespace = 'xmcoh'::regnamespace AND a.grantee = 0$$, 'PUBLIC has no privilege on any relation');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
                   WHERE p.pronamespace IN ('xmcoh'::regnamespace, 'xmcoh_internal'::regnamespace) AND a.grantee = 0
                     AND p.proname NOT IN ('kendall_tau', 'perfect_match', 'position_accuracy', 'bootstrap_mean', 'paired_bootstrap')$$,
                'PUBLIC may call nothing but metrics');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'xmcoh'::regnamespace
                     AND p.proname IN ('kendall_tau', 'perfect_match', 'position_accuracy', 'bootstrap_mean', 'paired_bootstrap')
                     AND NOT has_function_privilege('public', p.oid, 'EXECUTE')$$,
                'and all of those');

CREATE ROLE alice;
CREATE ROLE bob;
CREATE ROLE carol;
CREATE ROLE dave;
CREATE ROLE "Team Ärger";
GRANT "Team Ärger" TO alice, carol;
SELECT lives_ok($$SELECT xmcoh.grant_usage('alice'), xmcoh.grant_usage('bob'), xmcoh.grant_usage('carol'),
                         xmcoh.grant_usage('"Team Ärger"')$$, 'grant_usage');
GRANT CREATE ON SCHEMA public TO alice, bob;

-- a model of a team, created under the team's role
SET ROLE "Team Ärger";
SELECT lives_ok($$SELECT xmcoh.create_model('team')$$, 'a role whose name needs quotes creates a model');
SET ROLE alice;
SELECT lives_ok($$SELECT xmcoh.create_model('hers')$$, 'so does alice');
CREATE TABLE public.step AS SELECT m AS manual, s AS step, 'step ' || s AS said FROM generate_series(1, 20) AS m, generate_series(1, 3) AS s;
SELECT lives_ok($$SELECT xmcoh.attach_source('hers', 'public.step', 'manual', 'step', text => 'said', "position" => 'step', approved => 'all')$$,
                'and attaches her table');
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '1', '1', '2' FROM xmcoh.model WHERE name = 'hers';
SELECT results_eq($$SELECT name FROM xmcoh.model ORDER BY name$$, ARRAY['hers', 'team'], 'alice sees her model and her team''s');
SELECT results_eq($$SELECT model, owner FROM xmcoh.model_overview WHERE model = 'team'$$, $$VALUES ('team', '"Team Ärger"')$$,
                  'which the team owns');
SELECT lives_ok($$SELECT xmcoh.train('hers')$$, 'alice trains her model');   -- rolled back below, so no worker starts
SELECT results_eq($$SELECT state FROM xmcoh.job WHERE model = 'hers'$$, ARRAY['queued'], 'and sees the job');

-- Only functions and workers write the rows of jobs, versions and schedules. Even the owner of the model cannot write them.
SELECT throws_ok(format('%s xmcoh.%I %s', command, t, rest), '42501', 'permission denied for table ' || t, format('alice cannot %s %s', command, t))
  FROM unnest(ARRAY['model', 'model_version', 'deployment', 'source_record', 'pair_source_record', 'decision', 'job_record', 'job_transition',
                    'training_metric', 'learning_curve_record', 'schedule', 'job_checkpoint', 'model_grant_record', 'encoder', 'encoder_chunk', 'encoder_grant_record', 'guard_record', 'violation_record', 'review_claim_record', 'review_lock',
                    'document_state_source', 'document_state_record', 'quality_snapshot_record', 'alert_limit_record', 'alert_state']) AS t,
       (VALUES ('INSERT INTO', 'DEFAULT VALUES'), ('DELETE FROM', ''), ('TRUNCATE', ''), ('LOCK', 'IN ROW EXCLUSIVE MODE')) AS c (command, rest);
SELECT throws_ok(format('UPDATE %s SET %I = DEFAULT', attrelid::regclass, attname), '42501', 'permission denied for table ' || relname,
                 format('nor write %s.%s', relname, attname))
  FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
  WHERE relnamespace = 'xmcoh'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped;
SELECT throws_ok(format('SELECT nextval(%L)', oid::regclass), '42501', NULL, format('nor take a number of %s', relname))
  FROM pg_class WHERE relnamespace = 'xmcoh'::regnamespace AND relkind = 'S';
SELECT throws_ok($$SELECT FROM xmcoh.job_checkpoint$$, '42501', NULL, 'a checkpoint she does not even see');
SELECT throws_ok($$SELECT FROM xmcoh.review_claim_record$$, '42501', NULL, 'nor the row of a claim');
SELECT throws_ok($$SELECT FROM xmcoh.document_state_record$$, '42501', NULL, 'nor that of the state of a document, but by the view');
SELECT throws_ok(format('SELECT FROM xmcoh.%I', t), '42501', NULL, 'nor the table ' || t)
  FROM unnest(ARRAY['encoder', 'encoder_chunk', 'encoder_grant_record']) AS t;
SELECT throws_ok($$SELECT FROM xmcoh.review_lock FOR UPDATE$$, '42501', NULL, 'nor does she lock claims');
-- alice approves pairs by INSERT. The server sets approved_by and approved_at.
SELECT throws_ok(format($$INSERT INTO xmcoh.approved_pair (model_id, document, before, after, %s) SELECT model_id, '1', '2', '3', %s FROM xmcoh.model$$, c, v), '42501', NULL,
                 format('she cannot give %s', c)) FROM (VALUES ('approved_by', 'current_user'), ('approved_at', 'now()')) AS x (c, v);
SELECT throws_ok($$DELETE FROM xmcoh.approved_pair$$, '55000', NULL, 'pairs are not deleted');
SELECT throws_ok($$LOCK xmcoh.approved_pair$$, '42501', NULL, 'nor is the table locked');
SELECT is(xmcoh.withdraw_pair('hers', '1', '1', '2'), true, 'they are withdrawn');
SELECT is(xmcoh.withdraw_pair('hers', '1', '1', '2'), false, 'once');
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '1', '1', '2' FROM xmcoh.model WHERE name = 'hers';
SELECT results_eq($$SELECT approved_by::text COLLATE "default" FROM xmcoh.approved_pair$$, ARRAY['alice'], 'approved by her');
-- Decisions name the role that makes them, and the one that had logged in. No argument says so.
SELECT lives_ok($$SELECT xmcoh.approve('hers', '3', '1', '2', 'checked'), xmcoh.decide('hers', '3', '2', '3', 'either'), xmcoh.approve_order('hers', '4'),
                         set_config('test.decision', xmcoh.decide('hers', '3', '1', '3', 'skip')::text, true)$$, 'alice decides');
SELECT results_eq($$SELECT DISTINCT decided_by, logged_in_as, decided_at FROM xmcoh.decision$$, $$SELECT name 'alice', session_user, now()$$, 'and the server writes who and when');
SELECT lives_ok($$SELECT xmcoh.withdraw(current_setting('test.decision')::bigint)$$, 'she withdraws');
SELECT results_eq($$SELECT decided_by, logged_in_as FROM xmcoh.decision WHERE kind = 'withdrawal' AND document = '3'$$, $$SELECT name 'alice', session_user$$, 'who did that is written, too');
SELECT throws_ok($$SELECT xmcoh.drop_model('hers')$$, '2BP01', NULL, 'her model is not dropped with what was decided');

SET ROLE carol;
SELECT results_eq($$SELECT name FROM xmcoh.model ORDER BY name$$, ARRAY['team'], 'carol sees the team''s model only');
SELECT lives_ok($$SELECT xmcoh.alter_model('team', options => '{"epochs": 2}')$$, 'and changes it');

-- bob has no rights on alice's models
SET ROLE bob;
SELECT is_empty($$SELECT FROM xmcoh.model$$, 'bob sees no model');
SELECT is_empty($$SELECT FROM xmcoh.source$$, 'no source');
SELECT is_empty($$SELECT FROM xmcoh.approved_pair$$, 'no approved pair');
SELECT is_empty($$SELECT FROM xmcoh.decision$$, 'no decision');
SELECT throws_ok(statement, '42501', 'permission denied for model "hers"', 'bob cannot: ' || statement) FROM unnest(ARRAY[
    $$SELECT xmcoh.approve('hers', '1', '2', '3')$$, $$SELECT xmcoh.approve_order('hers', '1')$$, $$SELECT xmcoh.decide('hers', '1', '2', '3', 'skip')$$,
    $$SELECT xmcoh.decide('hers', '1', '2', '3', 'maybe')$$, $$SELECT xmcoh.stale_approval('hers')$$]) AS statement;
SELECT throws_ok($$SELECT xmcoh.withdraw(current_setting('test.decision')::bigint)$$, '42704', NULL, 'the decision that bob would withdraw does not exist for him');
SELECT is_empty($$SELECT FROM xmcoh.job_record$$, 'no job');
SELECT is_empty($$SELECT FROM xmcoh.schedule$$, 'no schedule');
SELECT is_empty($$SELECT FROM xmcoh.schedule_overview$$, 'nor in the overview');
SELECT throws_ok($$SELECT xmcoh.schedule_training('hers', '0 3 * * *')$$, '42501', 'permission denied for model "hers"', 'bob cannot schedule its training');
SELECT throws_ok($$SELECT xmcoh.unschedule_training('hers')$$, '42501', 'permission denied for model "hers"', 'nor unschedule it');
SELECT is_empty($$SELECT FROM xmcoh.job$$, 'no job in the view');
SELECT is_empty($$SELECT FROM xmcoh.versions$$, 'no version');
SELECT throws_ok($$SELECT xmcoh.train('hers')$$, '42501', 'permission denied for model "hers"', 'bob cannot train it');
SELECT throws_ok($$SELECT xmcoh.alter_model('hers', options => '{}')$$, '42501', 'permission denied for model "hers"', 'nor alter it');
SELECT throws_ok($$SELECT xmcoh.drop_model('hers')$$, '42501', 'permission denied for model "hers"', 'nor drop it');
SELECT throws_ok($$SELECT xmcoh.deploy('hers', 1)$$, '42501', 'permission denied for model "hers"', 'nor deploy');
SELECT throws_ok($$SELECT xmcoh.rollback('hers')$$, '42501', 'permission denied for model "hers"', 'nor roll back');
SELECT throws_ok($$SELECT xmcoh.export_model('hers')$$, '42501', 'permission denied for model "hers"', 'nor export');
SELECT throws_ok($$SELECT xmcoh.attach_source('hers', 'public.step', 'manual', 'step', text => 'said')$$, '42501',
                 'permission denied for model "hers"', 'nor attach a source');
SELECT throws_ok($$SELECT xmcoh.detach_source('hers', 'public.step')$$, '42501', 'permission denied for model "hers"', 'nor detach one');
SELECT throws_ok($$SELECT xmcoh.attach_pairs('hers', 'public.step', 'manual', 'step', 'said')$$, '42501',
                 'permission denied for model "hers"', 'nor attach pairs');
SELECT throws_ok($$SELECT xmcoh.create_model('hers')$$, '42710', 'model "hers" already exists', 'nor take its name');

-- bob has no access by the number of an object, and cannot insert into approved_pair for alice's model
RESET ROLE;
INSERT INTO xmcoh.schedule (model_id, cron, active) SELECT model_id, '@daily', false FROM xmcoh.model WHERE name = 'hers';
SELECT set_config('test.hers', model_id::text, true) FROM xmcoh.model WHERE name = 'hers';
SELECT set_config('test.job', job_id::text, true) FROM xmcoh.job_record;
SELECT set_config('test.schedule', schedule_id::text, true) FROM xmcoh.schedule;
SET ROLE bob;
SELECT throws_ok($$SELECT xmcoh.cancel_job(current_setting('test.job')::int)$$, '42704', NULL, 'bob cannot cancel a job of hers');
SELECT throws_ok($$CALL xmcoh.wait_for_job(current_setting('test.job')::int)$$, '42704', NULL, 'nor wait for it');
SELECT throws_ok($$SELECT xmcoh.resume_job(current_setting('test.job')::int)$$, '42704', NULL, 'nor resume it');
SELECT throws_ok($$SELECT xmcoh.alter_schedule(current_setting('test.schedule')::int, active => true)$$, '42704', NULL, 'nor alter her schedule');
SELECT throws_ok($$SELECT xmcoh.unschedule_training(current_setting('test.schedule')::int)$$, '42704', NULL, 'nor remove it');
SELECT throws_ok($$SELECT xmcoh.withdraw_pair('hers', '1', '1', '2')$$, '42501', NULL, 'nor withdraw her approval');
SELECT throws_ok($$INSERT INTO xmcoh.approved_pair (model_id, document, before, after) VALUES (current_setting('test.hers')::int, '1', '1', '3')$$, '42501',
                 format('permission denied for model %s', current_setting('test.hers')), 'nor approve for her');
SELECT throws_ok($$SELECT xmcoh.grant_model('hers', 'bob', 'own')$$, '42501', NULL, 'nor give himself a level');
-- A schedule trains with the rights of its creator, here the superuser. So the owner of the model cannot alter the schedule.
SET ROLE alice;
SELECT throws_ok($$SELECT xmcoh.alter_schedule(current_setting('test.schedule')::int, active => true)$$, '42501', NULL, 'alice cannot alter what another has scheduled');
RESET ROLE;
UPDATE xmcoh.schedule SET submitted_by = 'role alice';
SET ROLE alice;
SELECT lives_ok($$SELECT xmcoh.alter_schedule(current_setting('test.schedule')::int, active => true)$$, 'but what she has');
RESET ROLE;

-- sources
SET ROLE bob;
SELECT lives_ok($$SELECT xmcoh.create_model('his')$$, 'bob creates a model of his own');
SELECT throws_ok($$SELECT xmcoh.attach_source('his', 'public.step', 'manual', 'step', text => 'said')$$, '42501',
                 'permission denied for table step', 'but cannot attach what he cannot read');
SELECT throws_ok($$SELECT xmcoh.attach_pairs('his', 'public.step', 'manual', 'step', 'said')$$, '42501',
                 'permission denied for table step', 'nor take pairs from it');
SELECT throws_ok($$SELECT xmcoh.alter_model('his', new_owner => 'alice')$$, '42501', NULL, 'nor give his model to a role he is not in');
SELECT throws_ok($$SELECT xmcoh.grant_usage('dave')$$, '42501', NULL, 'nor grant usage');
SET ROLE carol;
SELECT lives_ok($$SELECT xmcoh.create_model('gift'), xmcoh.alter_model('gift', new_owner => '"Team Ärger"')$$, 'carol gives one to her team');
SET ROLE alice;
SELECT lives_ok($$SELECT xmcoh.drop_model('gift')$$, 'where alice may drop it');

-- No user can write the history of a job, not even the owner of the job.
SET ROLE alice;
SELECT results_eq($$SELECT new_state FROM xmcoh.job_transition WHERE job_id = current_setting('test.job')::int$$, ARRAY['queued'], 'alice sees how her job went');
SELECT throws_ok($$INSERT INTO xmcoh.job_transition (job_id, new_state) VALUES (current_setting('test.job')::int, 'succeeded')$$, '42501',
                 'permission denied for table job_transition', 'but cannot add to it');
SELECT throws_ok($$UPDATE xmcoh.job_transition SET reason = 'bob'$$, '42501', 'permission denied for table job_transition', 'nor change it');
SELECT throws_ok($$DELETE FROM xmcoh.job_transition$$, '42501', 'permission denied for table job_transition', 'nor forget it');
SELECT throws_ok($$SELECT xmcoh_internal.note_transition()$$, '42501', NULL, 'nor call the trigger''s function');
SET ROLE bob;
SELECT is_empty($$SELECT FROM xmcoh.job_transition$$, 'bob sees nothing of it');
RESET ROLE;

-- A view runs with the privileges of its owner, so no role may write through a view.
SELECT is_empty($$SELECT c.oid::regclass, r FROM pg_class AS c, unnest(ARRAY['alice', 'bob', 'carol', 'dave', 'Team Ärger', 'pg_monitor', 'public']) AS r
                   WHERE relnamespace = 'xmcoh'::regnamespace AND relkind = 'v' AND has_any_column_privilege(r, c.oid, 'INSERT, UPDATE') AND has_table_privilege(r, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')$$,
                'nobody can write through a view');

-- A member of pg_monitor owns no model and has no grants, but sees the status of all models.
INSERT INTO xmcoh.model_version (model_id, version, sha256, weights, report)
    SELECT model_id, 1, encode(sha256('w'), 'hex'), 'w', '{"fused": {"tau": 0.5}}' FROM xmcoh.model WHERE name = 'hers';
SELECT xmcoh.deploy('hers', 1);
INSERT INTO xmcoh.job_record (model_id, kind, state, queue_id, worker_pid, worker_started_at)
    SELECT model_id, 'study', 'running', 'another', 0, '2020-01-01' FROM xmcoh.model WHERE name = 'team';   -- its worker has died
INSERT INTO xmcoh.learning_curve_record (job_id, size, sample, approved, taught, measured, sums, fingerprint)
    SELECT job_id, 20, 1, 40, 20, 20, array_fill(1::float8, '{320}'), 0 FROM xmcoh.job_record WHERE kind = 'study';
INSERT INTO xmcoh.training_metric (job_id, round, phase, modality, epoch, metric, value)
    SELECT job_id, 1, 'text teaches image', 'image', 0, 'documents', 5 FROM xmcoh.job_record WHERE job_id = current_setting('test.job')::int;
INSERT INTO xmcoh.encoder (name, owner, sha256, bytes, family, dim, layers, heads, vocabulary, max_tokens, parameters, pooling, normalised)
    VALUES ('hers', 'role alice', repeat('0', 64), 1, 'bert', 2, 1, 1, 5, 8, 10, 'mean', true);
SET ROLE alice;
SELECT xmcoh.grant_encoder('hers', '"Team Ärger"');
RESET ROLE;
CREATE ROLE eve;
CREATE ROLE mallory NOINHERIT;
GRANT pg_monitor TO eve, mallory;
SELECT lives_ok($$SELECT xmcoh.grant_usage('mallory')$$, '(mallory monitors, but has not taken that role, and was granted usage)');
SET ROLE eve;
SELECT results_eq($$SELECT model FROM xmcoh.model_overview ORDER BY 1$$, ARRAY['hers', 'his', 'team'], 'who monitors reads model_overview');
SELECT results_eq($$SELECT model, state FROM xmcoh.job ORDER BY 1$$, $$VALUES ('hers', 'queued'), ('team', 'interrupted')$$, 'job, and the truth there');
SELECT results_eq($$SELECT model, state FROM xmcoh.job_history$$, $$VALUES ('team', 'interrupted')$$, 'job_history');
SELECT results_eq($$SELECT model FROM xmcoh.training_progress ORDER BY 1$$, ARRAY['hers', 'team'], 'training_progress');
SELECT results_eq($$SELECT documents FROM xmcoh.training_round$$, ARRAY[5], 'training_round');
SELECT results_eq($$SELECT model, size, tau FROM xmcoh.learning_curve$$, $$VALUES ('team', 20, 1::float8)$$, 'learning_curve');
SELECT results_eq($$SELECT model, version, deployed, bytes FROM xmcoh.versions$$, $$VALUES ('hers', 1, true, 1)$$, 'versions');
SELECT results_eq($$SELECT new_state FROM xmcoh.job_transition$$, ARRAY['queued'], 'job_transition');
SELECT results_eq($$SELECT model, cron FROM xmcoh.schedule_overview$$, $$VALUES ('hers', '@daily')$$, 'schedule_overview');
SELECT throws_ok(format('SELECT FROM xmcoh.%I', t), '42501', 'permission denied for table ' || t, 'but not the table ' || t)
  FROM unnest(ARRAY['model', 'model_version', 'deployment', 'source_record', 'pair_source_record', 'decision', 'job_record', 'training_metric', 'learning_curve_record', 'schedule',
                    'encoder', 'encoder_chunk', 'encoder_grant_record']) AS t;
SELECT results_eq($$SELECT encoder, owner FROM xmcoh.encoders$$, $$VALUES ('hers', 'alice')$$, 'encoders');
SELECT results_eq($$SELECT encoder, role FROM xmcoh.encoder_grants$$, $$VALUES ('hers', '"Team Ärger"')$$, 'encoder_grants');
SELECT throws_ok($$SELECT xmcoh.embed('hers', 'cut')$$, '42501', 'permission denied for function embed', 'nor vectors');
SELECT throws_ok('SELECT FROM xmcoh.approved_pair', '42501', 'permission denied for view approved_pair', 'nor approved pairs');
SELECT throws_ok($$SELECT xmcoh.export_model('hers')$$, '42501', 'permission denied for function export_model', 'nor weights');
SELECT throws_ok($$SELECT xmcoh.order_documents('hers')$$, '42501', 'permission denied for function order_documents', 'nor documents');
SELECT results_eq($$SELECT tau FROM xmcoh.version_figures WHERE model = 'hers' AND evidence = 'fused'$$, ARRAY[0.5::float8], 'version_figures');
SELECT throws_ok($$SELECT FROM public.step$$, '42501', 'permission denied for table step', 'nor texts');
SELECT throws_ok(statement, '42501', NULL, 'nor changes anything: ' || statement)
  FROM unnest(ARRAY[$$SELECT xmcoh.train('hers')$$, $$SELECT xmcoh.study_learning_curve('hers')$$, $$SELECT xmcoh.cancel_job(1)$$, $$SELECT xmcoh.deploy('hers', 1)$$,
      $$SELECT xmcoh.rollback('hers')$$, $$SELECT xmcoh.prune_versions('hers')$$, $$SELECT xmcoh.drop_model('hers')$$,
      $$DELETE FROM xmcoh.job_transition$$, $$UPDATE xmcoh.visible_model SET name = 'mine'$$]) AS statement;
RESET ROLE;
SELECT set_eq($$SELECT DISTINCT proname::text COLLATE "default" FROM pg_proc WHERE pronamespace = 'xmcoh'::regnamespace AND has_function_privilege('eve', oid, 'EXECUTE')$$,
              ARRAY['kendall_tau', 'perfect_match', 'position_accuracy', 'bootstrap_mean', 'paired_bootstrap', 'report_number', 'report_integer'],
              'of the functions, what everybody may call and what views evaluate');
SET ROLE mallory;
SELECT throws_ok($$SELECT FROM xmcoh.model_overview$$, '42501', NULL, 'a member that does not inherit has to take the role first');
SET ROLE bob;
SELECT results_eq($$SELECT model FROM xmcoh.model_overview$$, ARRAY['his'], 'who does not monitor sees in the views what is his');
SELECT is_empty($$SELECT FROM xmcoh.versions$$, 'no version');
SELECT is_empty($$SELECT FROM xmcoh.training_progress$$, 'no progress');
SELECT is_empty($$SELECT FROM xmcoh.training_round$$, 'no round');
SELECT is_empty($$SELECT FROM xmcoh.learning_curve$$, 'no learning curve');
SELECT is_empty($$SELECT FROM xmcoh.job_history$$, 'no history');
SELECT is_empty($$SELECT FROM xmcoh.previous_deployment$$, 'no deployment');
SELECT throws_ok($$SELECT xmcoh.prune_versions('hers')$$, '42501', 'permission denied for model "hers"', 'nor does he prune versions of hers');
RESET ROLE;
INSERT INTO xmcoh.job_record (model_id, state, message, error_code) VALUES (current_setting('test.hers')::int, 'failed', 'secret', '22P02')
    RETURNING set_config('test.failed', job_id::text, true);
-- An error message may contain values of rows.
SET ROLE eve;
SELECT results_eq($$SELECT message FROM xmcoh.job WHERE job_id = current_setting('test.failed')::int$$, ARRAY['error 22P02; its text is for who may train the model'],
                  'who monitors is told the code of an error, not its text');
SELECT is_empty($$SELECT FROM xmcoh.job_transition WHERE reason LIKE '%secret%'$$, 'nor does its history tell');
SET ROLE alice;
SELECT results_eq($$SELECT message FROM xmcoh.job WHERE job_id = current_setting('test.failed')::int$$, ARRAY['secret'], 'the owner is told');
RESET ROLE;
-- A member of pg_monitor who owns a model can change only that model.
RESET ROLE;
GRANT pg_monitor TO carol;
SET ROLE carol;
SELECT results_eq($$SELECT model FROM xmcoh.model_overview ORDER BY 1$$, ARRAY['hers', 'his', 'team'], 'carol monitors as well: she sees all');
SELECT results_eq($$SELECT name FROM xmcoh.model$$, ARRAY['team'], 'and owns what she owned');
SELECT throws_ok($$SELECT xmcoh.deploy('hers', 1)$$, '42501', 'permission denied for model "hers"', 'she cannot deploy hers');
SELECT throws_ok($$SELECT xmcoh.export_model('hers')$$, '42501', 'permission denied for model "hers"', 'nor export it');
SELECT throws_ok($$SELECT xmcoh.cancel_job(current_setting('test.job')::int)$$, '42704', NULL, 'nor cancel its job');
RESET ROLE;

-- levels: each level includes the lower levels
CREATE ROLE lena;
CREATE ROLE crew;
GRANT crew TO lena;
SELECT xmcoh.grant_usage('lena');
CREATE TEMP TABLE act (level text, statement text);
GRANT SELECT ON act TO PUBLIC;
INSERT INTO act VALUES
    ('score', $$SELECT model FROM xmcoh.model_overview WHERE model = 'hers'$$), ('score', $$SELECT xmcoh.export_model('hers')$$),
    ('score', $$SELECT xmcoh.model_id('hers')$$),
    ('review', $$INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT xmcoh.model_id('hers'), '2', '1', '2'$$),
    ('review', $$SELECT xmcoh.withdraw_pair('hers', '2', '1', '2')$$),
    ('review', $$SELECT xmcoh.approve('hers', '2', '1', '2')$$), ('review', $$SELECT xmcoh.approve_order('hers', '2')$$),
    ('review', $$SELECT xmcoh.decide('hers', '2', '1', '2', 'either')$$), ('review', $$SELECT xmcoh.withdraw(current_setting('test.decision')::bigint)$$),
    ('review', $$SELECT FROM xmcoh.decision$$), ('review', $$SELECT count(*) FROM xmcoh.stale_approval('hers')$$),
    ('review', $$SELECT count(*) FROM xmcoh.claim_reviews('hers', 0)$$), ('review', $$SELECT count(*) FROM xmcoh.review_agreement('hers')$$),
    ('review', $$SELECT FROM xmcoh.review_claim$$),
    ('train', $$SELECT xmcoh.deploy('hers', 1)$$), ('train', $$SELECT xmcoh.cancel_job(current_setting('test.failed')::int)$$),
    ('train', $$SELECT xmcoh.unschedule_training('hers')$$), ('train', $$SELECT xmcoh.set_alert_limit('hers', 'age', 3)$$),
    ('score', $$SELECT FROM xmcoh.alert_limit$$),
    ('own', $$SELECT xmcoh.alter_model('hers', options => '{}')$$), ('own', $$SELECT xmcoh.prune_versions('hers')$$),
    ('own', $$SELECT xmcoh.attach_pairs('hers', 'public.step', 'manual', 'step', 'said')$$),
    ('own', $$SELECT xmcoh.detach_source('hers', 'step')$$), ('own', $$SELECT xmcoh.grant_model('hers', 'bob', 'score')$$),
    ('own', $$SELECT xmcoh.revoke_model('hers', 'bob')$$), ('own', $$SELECT xmcoh.drop_model('hers', discard_decisions => true)$$);
INSERT INTO xmcoh.review_claim_record (model_id, document, before_item, after_item, probability, value, reason, claimed_by, claimed_until)
    VALUES (current_setting('test.hers')::int, '1', '2', '3', 0.5, 1, 'uncertain', 'alice', 'infinity');
CREATE FUNCTION pg_temp.succeeds(statement text) RETURNS boolean LANGUAGE plpgsql AS $f$
DECLARE
    n bigint;
BEGIN
    BEGIN
        EXECUTE statement;
        GET DIAGNOSTICS n = ROW_COUNT;
        RAISE EXCEPTION USING ERRCODE = 'XXUND', MESSAGE = n::text;     -- undo it
    EXCEPTION WHEN SQLSTATE 'XXUND' THEN
        RETURN SQLERRM::bigint > 0;
    WHEN insufficient_privilege OR undefined_object THEN
        RETURN false;
    END;
END $f$;
SELECT has_table_privilege('lena', 'public.step', 'SELECT');
GRANT SELECT ON public.step TO lena;
CREATE TEMP TABLE found (given text, level text, statement text, succeeds boolean);
GRANT ALL ON found TO PUBLIC;
SET ROLE lena;
INSERT INTO found SELECT NULL, a.*, pg_temp.succeeds(statement) FROM act AS a;
SET ROLE alice;
SELECT xmcoh.grant_model('hers', 'crew', 'score');
SET ROLE lena;
INSERT INTO found SELECT 'score', a.*, pg_temp.succeeds(statement) FROM act AS a;
SET ROLE alice;
SELECT xmcoh.grant_model('hers', 'crew', 'review');
SET ROLE lena;
INSERT INTO found SELECT 'review', a.*, pg_temp.succeeds(statement) FROM act AS a;
SET ROLE alice;
SELECT xmcoh.grant_model('hers', 'crew', 'train');
SET ROLE lena;
INSERT INTO found SELECT 'train', a.*, pg_temp.succeeds(statement) FROM act AS a;
SET ROLE alice;
SELECT xmcoh.grant_model('hers', 'crew', 'own');
SET ROLE lena;
INSERT INTO found SELECT 'own', a.*, pg_temp.succeeds(statement) FROM act AS a;
SELECT results_eq($$SELECT model, role, level, granted_by::text COLLATE "default" FROM xmcoh.model_grants$$, $$VALUES ('hers', 'crew', 'own', 'alice')$$, 'model_grants says who has what');
RESET ROLE;
SELECT is(f.succeeds, f.level = ANY ((ARRAY['score', 'review', 'train', 'own'])[1:array_position(ARRAY['score', 'review', 'train', 'own'], f.given)]) AND f.given IS NOT NULL,
          format('level %s: %s', coalesce(f.given, 'none'), f.statement)) FROM found AS f;
-- A claim of a role that is gone, or that may not decide any more, is not in force.
SELECT results_eq($$SELECT claimed_by FROM xmcoh.review_claim$$, ARRAY['alice'::name], 'alice has claimed a pair');
UPDATE xmcoh.review_claim_record SET claimed_by = 'no such role';
SELECT is_empty($$SELECT FROM xmcoh.review_claim$$, 'a role that is gone holds nothing');
UPDATE xmcoh.review_claim_record SET claimed_by = 'bob';
SELECT is_empty($$SELECT FROM xmcoh.review_claim$$, 'nor does one without the level');
-- A decision is about a document that the reviewer may read.
REVOKE SELECT ON public.step FROM lena;
SET ROLE lena;
SELECT throws_ok($$SELECT xmcoh.approve('hers', '2', '1', '2')$$, '42501', 'permission denied for table step', 'nobody decides about documents without reading them');
SELECT throws_ok($$SELECT FROM xmcoh.stale_approval('hers')$$, '42501', 'permission denied for table step', 'nor learns what has changed there');
RESET ROLE;
GRANT SELECT ON public.step TO lena;
SELECT ok(xmcoh.revoke_model('hers', 'crew'), 'a level is taken back');
SET ROLE lena;
SELECT throws_ok($$SELECT xmcoh.model_id('hers')$$, '42501', NULL, 'and nothing is left of it');
RESET ROLE;
SELECT throws_ok($$SELECT xmcoh.grant_model('hers', 'crew', 'shout')$$, '22023', NULL, 'there are four levels');

-- After revoke_usage the role can be dropped. Its models then belong to the owner of the extension, never to another role.
SET ROLE lena;
SELECT xmcoh.create_model('left behind');
RESET ROLE;
SELECT xmcoh.grant_model('left behind', 'crew', 'score');
SELECT xmcoh.revoke_usage('lena');
REVOKE SELECT ON public.step FROM lena;
REVOKE ALL ON found, act FROM PUBLIC;
SET ROLE lena;
SELECT throws_ok($$SELECT xmcoh.create_model('another')$$, '42501', NULL, 'without usage no model is made');
RESET ROLE;
SELECT lives_ok('DROP ROLE lena', 'the role is dropped');
CREATE ROLE lena;
SELECT xmcoh.grant_usage('lena');
SET ROLE lena;
SELECT is_empty($$SELECT FROM xmcoh.model$$, 'a later role of that name has none of it');
RESET ROLE;
SELECT results_eq($$SELECT owner FROM xmcoh.model_overview WHERE model = 'left behind'$$,
                  $$SELECT quote_ident(extowner::regrole::text) FROM pg_extension WHERE extname = 'xmcoh'$$, 'the owner of the extension has it');
SELECT lives_ok($$SELECT xmcoh.drop_model('left behind')$$, 'and drops it');

-- no grant at all
SET ROLE dave;
SELECT throws_ok($$SELECT xmcoh.train('hers')$$, '42501', 'permission denied for function train', 'dave may call no function');
SELECT throws_ok($$SELECT xmcoh.model_exists('hers')$$, '42501', 'permission denied for function model_exists', 'not even to look');
SELECT throws_ok($$SELECT FROM xmcoh.model$$, '42501', 'permission denied for table model', 'and read no table');
SELECT throws_ok($$SELECT FROM xmcoh.model_overview$$, '42501', 'permission denied for view model_overview', 'and no view');
RESET ROLE;

-- The code of a relation never runs as a role that does not exist.
SELECT throws_ok(format($$SELECT xmcoh_internal.probe_pairs('pg_catalog.pg_class', 'relname', 'relname', 'relkind', %s)$$, role), '42704',
                 'invalid role OID: 0', format('a relation is not read as role %s', role)) FROM unnest(ARRAY['0', 'NULL']) AS role;

SELECT * FROM finish();
ROLLBACK;
