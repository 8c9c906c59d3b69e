-- Who may do what. Roles: alice and bob own models, carol belongs to alice's team, dave was never granted anything.
BEGIN;
SELECT * FROM no_plan();

-- PUBLIC
SELECT is_empty($$SELECT c.oid::regclass, a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a
                   WHERE c.relnamespace = 'xmcoh'::regnamespace AND a.grantee = 0$$, 'PUBLIC has no privilege on any relation');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
                   WHERE p.pronamespace = 'xmcoh'::regnamespace AND a.grantee = 0
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

-- a model of a team, made under the team's role
SET ROLE "Team Ärger";
SELECT lives_ok($$SELECT xmcoh.create_model('team')$$, 'a role whose name needs quotes creates a model');
SET ROLE alice;
SELECT lives_ok($$SELECT xmcoh.create_model('hers')$$, 'so does alice');
CREATE TABLE public.step AS SELECT m AS manual, s AS step, 'step ' || s AS said FROM generate_series(1, 20) AS m, generate_series(1, 3) AS s;
SELECT lives_ok($$SELECT xmcoh.attach_source('hers', 'public.step', 'manual', 'step', text => 'said', "position" => 'step', approved => 'all')$$,
                'and attaches her table');
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '1', '1', '2' FROM xmcoh.model WHERE name = 'hers';
SELECT results_eq($$SELECT name FROM xmcoh.model ORDER BY name$$, ARRAY['hers', 'team'], 'alice sees her model and her team''s');
SELECT results_eq($$SELECT name, owner::text FROM xmcoh.model WHERE name = 'team'$$, $$VALUES ('team', '"Team Ärger"')$$,
                  'which the team owns');
SELECT lives_ok($$SELECT xmcoh.train('hers')$$, 'alice trains her model');   -- rolled back below, so no worker starts
SELECT results_eq($$SELECT state FROM xmcoh.job WHERE model = 'hers'$$, ARRAY['queued'], 'and sees the job');

-- what a job and a version say of themselves cannot be forged, not even by who owns the model
SELECT throws_ok($$UPDATE xmcoh.job_record SET submitted_by = 'bob'$$, '42501', 'permission denied for table job_record',
                 'alice cannot say that somebody else submitted her job');
SELECT throws_ok($$UPDATE xmcoh.job_record SET login_role = 'bob'$$, '42501', 'permission denied for table job_record',
                 'nor as whom the session had logged in');
SELECT throws_ok($$INSERT INTO xmcoh.job_record (model_id, login_role) SELECT model_id, 'bob' FROM xmcoh.model$$, '42501',
                 'permission denied for table job_record', 'nor write a job with another login');
INSERT INTO xmcoh.job_checkpoint (job_id, chunk, data) SELECT job_id, 0, 'x' FROM xmcoh.job_record;
SELECT isnt_empty($$SELECT FROM xmcoh.job_checkpoint$$, 'she sees her job''s checkpoint');
SELECT throws_ok($$UPDATE xmcoh.job_record SET model_id = model_id$$, '42501', 'permission denied for table job_record',
                 'nor give it to another model');
SELECT throws_ok($$INSERT INTO xmcoh.job_record (model_id, submitted_by, state) SELECT model_id, 'bob', 'interrupted' FROM xmcoh.model$$,
                 '42501', 'permission denied for table job_record', 'nor write one in another''s name');
SELECT lives_ok($$INSERT INTO xmcoh.schedule (model_id, cron) SELECT model_id, '0 3 * * *' FROM xmcoh.model WHERE name = 'hers'$$,
                'she can write a schedule');
SELECT results_eq($$SELECT concat_ws(' ', submitted_by, login_role = quote_ident(session_user)::regrole) FROM xmcoh.schedule$$, ARRAY['alice t'],
                  'which bears her name, and that of who had logged in');
SELECT throws_ok($$INSERT INTO xmcoh.schedule (model_id, cron, submitted_by) SELECT model_id, '0 3 * * *', 'bob' FROM xmcoh.model$$,
                 '42501', 'permission denied for table schedule', 'she cannot schedule in another''s name');
SELECT throws_ok($$INSERT INTO xmcoh.schedule (model_id, cron, login_role) SELECT model_id, '0 3 * * *', 'bob' FROM xmcoh.model$$,
                 '42501', 'permission denied for table schedule', 'nor as if another had logged in');
SELECT throws_ok(format($$UPDATE xmcoh.schedule SET %I = %1$I$$, attname), '42501', 'permission denied for table schedule',
                 format('nor change the %s of a schedule', attname))
  FROM pg_attribute WHERE attrelid = 'xmcoh.schedule'::regclass AND attnum > 0
    AND attname NOT IN ('cron', 'timezone', 'options', 'on_success', 'unlabelled', 'active');
SELECT lives_ok($$SELECT xmcoh.alter_schedule(schedule_id, cron => '@daily', active => false) FROM xmcoh.schedule$$, 'she can alter hers');
SELECT throws_ok($$UPDATE xmcoh.model_version SET weights = '', sha256 = encode(sha256(''), 'hex')$$, '42501',
                 'permission denied for table model_version', 'nor change a version');

SET ROLE carol;
SELECT results_eq($$SELECT name FROM xmcoh.model ORDER BY name$$, ARRAY['team'], 'carol sees the team''s model only');
SELECT lives_ok($$SELECT xmcoh.alter_model('team', options => '{"epochs": 2}')$$, 'and changes it');

-- bob has nothing to do with alice's models
SET ROLE bob;
SELECT is_empty($$SELECT FROM xmcoh.model$$, 'bob sees no model');
SELECT is_empty($$SELECT FROM xmcoh.source$$, 'no source');
SELECT is_empty($$SELECT FROM xmcoh.approved_pair$$, 'no approved pair');
SELECT is_empty($$SELECT FROM xmcoh.job_record$$, 'no job');
SELECT is_empty($$SELECT FROM xmcoh.schedule$$, 'no schedule');
SELECT is_empty($$SELECT FROM xmcoh.schedule_overview$$, 'nor in the overview');
SELECT throws_ok($$SELECT xmcoh.schedule_training('hers', '0 3 * * *')$$, '42501', 'permission denied for model "hers"', 'bob cannot schedule its training');
SELECT throws_ok($$SELECT xmcoh.unschedule_training('hers')$$, '42501', 'permission denied for model "hers"', 'nor unschedule it');
SELECT is_empty($$SELECT FROM xmcoh.job$$, 'no job in the view');
SELECT is_empty($$SELECT FROM xmcoh.job_checkpoint$$, 'no checkpoint');
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

-- not by writing into the tables either
RESET ROLE;
SELECT set_config('test.hers', model_id::text, true) FROM xmcoh.model WHERE name = 'hers';
SELECT set_config('test.job', job_id::text, true) FROM xmcoh.job_record;
SET ROLE bob;
SELECT throws_ok($$SELECT xmcoh.cancel_job(current_setting('test.job')::int)$$, '42704', NULL, 'bob cannot cancel a job of hers');
SELECT throws_ok($$CALL xmcoh.wait_for_job(current_setting('test.job')::int)$$, '42704', NULL, 'nor wait for it');
SELECT throws_ok($$SELECT xmcoh.resume_job(current_setting('test.job')::int)$$, '42704', NULL, 'nor resume it');
SELECT throws_ok($$INSERT INTO xmcoh.job_checkpoint (job_id, chunk, data) VALUES (current_setting('test.job')::int, 1, 'x')$$, '42501', NULL,
                 'nor give it a checkpoint');
SELECT throws_ok(format($$INSERT INTO xmcoh.%s (model_id, %s) VALUES (current_setting('test.hers')::int, %s)$$, t, columns, "values"), '42501',
                 format('new row violates row-level security policy for table "%s"', t), format('bob cannot write %s of hers', t))
  FROM (VALUES ('source', 'relation, document, item', '''public.step'', ''a'', ''b'''),
               ('pair_source', 'relation, document, before, after', '''public.step'', ''a'', ''b'', ''c'''),
               ('approved_pair', 'document, before, after', '''1'', ''1'', ''2'''),
               ('deployment', 'version', '1'),
               ('model_version', 'version, sha256, weights', format('1, %L, ''''', repeat('0', 64))),
               ('schedule', 'cron', '''@daily'''),
               ('job_record', 'options', '''{}''')) AS x (t, columns, "values");
SELECT throws_ok($$INSERT INTO xmcoh.model (name, owner) VALUES ('for alice', 'alice')$$, '42501', NULL, 'bob cannot make a model for alice');
UPDATE xmcoh.model SET options = '{}';
DELETE FROM xmcoh.model;
RESET ROLE;
SELECT results_eq($$SELECT name FROM xmcoh.model ORDER BY name$$, ARRAY['hers', 'team'], 'deleting everything, bob deletes nothing');

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

-- What happened to a job is nobody's to write, not even its owner's.
SET ROLE alice;
SELECT results_eq($$SELECT new_state FROM xmcoh.job_transition WHERE job_id = current_setting('test.job')::int$$, ARRAY['queued'], 'alice sees how her job went');
SELECT throws_ok($$INSERT INTO xmcoh.job_transition (job_id, new_state) VALUES (current_setting('test.job')::int, 'succeeded')$$, '42501',
                 'permission denied for table job_transition', 'but cannot add to it');
SELECT throws_ok($$UPDATE xmcoh.job_transition SET reason = 'bob'$$, '42501', 'permission denied for table job_transition', 'nor change it');
SELECT throws_ok($$DELETE FROM xmcoh.job_transition$$, '42501', 'permission denied for table job_transition', 'nor forget it');
SELECT throws_ok($$SELECT xmcoh.note_transition()$$, '0A000', NULL, 'nor call the trigger''s function');
SET ROLE bob;
SELECT is_empty($$SELECT FROM xmcoh.job_transition$$, 'bob sees nothing of it');
RESET ROLE;

-- A view runs with its owner's privileges: nobody must write through one.
SELECT is_empty($$SELECT c.oid::regclass, r FROM pg_class AS c, unnest(ARRAY['alice', 'bob', 'carol', 'dave', 'Team Ärger', 'pg_monitor', 'public']) AS r
                   WHERE relnamespace = 'xmcoh'::regnamespace AND relkind = 'v' AND has_table_privilege(r, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')$$,
                'nobody can write through a view');

-- Who monitors owns no model, was never granted anything here, and sees how all of them do.
INSERT INTO xmcoh.model_version (model_id, version, sha256, weights) SELECT model_id, 1, encode(sha256('w'), 'hex'), 'w' FROM xmcoh.model WHERE name = 'hers';
SELECT xmcoh.deploy('hers', 1);
INSERT INTO xmcoh.job_record (model_id, state, queue_id, worker_pid, worker_started_at)
    SELECT model_id, 'running', 'another', 0, '2020-01-01' FROM xmcoh.model WHERE name = 'team';   -- its worker has died
INSERT INTO xmcoh.training_metric (job_id, round, phase, modality, epoch, metric, value)
    SELECT job_id, 1, 'text teaches image', 'image', 0, 'documents', 5 FROM xmcoh.job_record WHERE job_id = current_setting('test.job')::int;
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
SELECT results_eq($$SELECT model, version, deployed, bytes FROM xmcoh.versions$$, $$VALUES ('hers', 1, true, 1)$$, 'versions');
SELECT results_eq($$SELECT new_state FROM xmcoh.job_transition$$, ARRAY['queued'], 'job_transition');
SELECT results_eq($$SELECT model, cron FROM xmcoh.schedule_overview$$, $$VALUES ('hers', '@daily')$$, 'schedule_overview');
SELECT throws_ok(format('SELECT FROM xmcoh.%I', t), '42501', 'permission denied for table ' || t, 'but not the table ' || t)
  FROM unnest(ARRAY['model', 'model_version', 'deployment', 'source', 'pair_source', 'approved_pair', 'job_record', 'training_metric', 'schedule']) AS t;
SELECT throws_ok($$SELECT xmcoh.export_model('hers')$$, '42501', 'permission denied for function export_model', 'nor weights');
SELECT throws_ok($$SELECT xmcoh.order_documents('hers')$$, '42501', 'permission denied for function order_documents', 'nor documents');
SELECT throws_ok($$SELECT FROM public.step$$, '42501', 'permission denied for table step', 'nor texts');
SELECT throws_ok(statement, '42501', NULL, 'nor changes anything: ' || statement)
  FROM unnest(ARRAY[$$SELECT xmcoh.train('hers')$$, $$SELECT xmcoh.cancel_job(1)$$, $$SELECT xmcoh.deploy('hers', 1)$$,
      $$SELECT xmcoh.rollback('hers')$$, $$SELECT xmcoh.prune_versions('hers')$$, $$SELECT xmcoh.drop_model('hers')$$,
      $$DELETE FROM xmcoh.job_transition$$, $$UPDATE xmcoh.visible_model SET name = 'mine'$$]) AS statement;
RESET ROLE;
SELECT set_eq($$SELECT DISTINCT proname::text COLLATE "default" FROM pg_proc WHERE pronamespace = 'xmcoh'::regnamespace AND has_function_privilege('eve', oid, 'EXECUTE')$$,
              ARRAY['job_state', 'schedule_next_run', 'kendall_tau', 'perfect_match', 'position_accuracy', 'bootstrap_mean', 'paired_bootstrap'],
              'of the functions, what the views need and what everybody may call');
SET ROLE mallory;
SELECT is_empty($$SELECT FROM xmcoh.model_overview$$, 'a member that has not taken the role sees nothing');
SET ROLE bob;
SELECT results_eq($$SELECT model FROM xmcoh.model_overview$$, ARRAY['his'], 'who does not monitor sees in the views what is his');
SELECT is_empty($$SELECT FROM xmcoh.versions$$, 'no version');
SELECT is_empty($$SELECT FROM xmcoh.training_progress$$, 'no progress');
SELECT is_empty($$SELECT FROM xmcoh.training_round$$, 'no round');
SELECT is_empty($$SELECT FROM xmcoh.job_history$$, 'no history');
SELECT is_empty($$SELECT FROM xmcoh.previous_deployment$$, 'no deployment');
SELECT throws_ok($$SELECT xmcoh.prune_versions('hers')$$, '42501', 'permission denied for model "hers"', 'nor does he prune versions of hers');
RESET ROLE;
INSERT INTO xmcoh.job_record (model_id, state, message) VALUES (current_setting('test.hers')::int, 'failed', 'secret')
    RETURNING set_config('test.failed', job_id::text, true);
SET ROLE bob;
SELECT results_eq($$SELECT real_state, real_message FROM xmcoh.job_state(current_setting('test.failed')::int, 'running', NULL, now(), '', 0, '2020-01-01')$$,
                  $$VALUES ('interrupted', 'worker died (crash or termination)')$$, 'asked of a job that is not his, job_state does not look');
SET ROLE alice;
SELECT results_eq($$SELECT real_state, real_message FROM xmcoh.job_state(current_setting('test.failed')::int, 'running', NULL, now(), '', 0, '2020-01-01')$$,
                  $$VALUES ('running', NULL)$$, 'asked of her own it does, and takes an older snapshot at its word');

-- Both: who monitors and owns a model changes that model only.
RESET ROLE;
GRANT pg_monitor TO carol;
SET ROLE carol;
SELECT results_eq($$SELECT model FROM xmcoh.model_overview ORDER BY 1$$, ARRAY['hers', 'his', 'team'], 'carol monitors as well: she sees all');
SELECT results_eq($$SELECT name FROM xmcoh.model$$, ARRAY['team'], 'and owns what she owned');
SELECT throws_ok($$SELECT xmcoh.deploy('hers', 1)$$, '42501', 'permission denied for model "hers"', 'she cannot deploy hers');
SELECT throws_ok($$SELECT xmcoh.export_model('hers')$$, '42501', 'permission denied for model "hers"', 'nor export it');
SELECT throws_ok($$SELECT xmcoh.cancel_job(current_setting('test.job')::int)$$, '42704', NULL, 'nor cancel its job');
SELECT is_empty($$UPDATE xmcoh.job_record SET state = 'failed' WHERE job_id = current_setting('test.job')::int RETURNING 1$$, 'nor end it');
RESET ROLE;

-- no grant at all
SET ROLE dave;
SELECT throws_ok($$SELECT xmcoh.train('hers')$$, '42501', 'permission denied for function train', 'dave may call no function');
SELECT throws_ok($$SELECT xmcoh.model_exists('hers')$$, '42501', 'permission denied for function model_exists', 'not even to look');
SELECT throws_ok($$SELECT FROM xmcoh.model$$, '42501', 'permission denied for table model', 'and read no table');
SELECT throws_ok($$SELECT FROM xmcoh.model_overview$$, '42501', 'permission denied for view model_overview', 'and no view');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
