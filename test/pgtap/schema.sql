-- Tests rules for every object of the extension, and the volatility, parallel and strict labels of the model and job functions.
BEGIN;
SELECT * FROM no_plan();

CREATE TEMP VIEW member AS
    SELECT d.classid, d.objid FROM pg_depend AS d
     WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
       AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'xmcoh');
CREATE TEMP VIEW member_relation AS
    SELECT c.* FROM pg_class AS c JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;
CREATE TEMP VIEW member_function AS
    SELECT p.* FROM pg_proc AS p JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

SELECT is((SELECT nspname::text FROM pg_namespace AS n JOIN pg_extension AS e ON e.extnamespace = n.oid WHERE extname = 'xmcoh'),
          'xmcoh', 'all of it lives in schema xmcoh');
SELECT is_empty($$SELECT oid::regclass FROM member_relation WHERE relnamespace <> 'xmcoh'::regnamespace$$, 'no relation elsewhere');
SELECT is_empty($$SELECT oid::regprocedure FROM member_function WHERE pronamespace NOT IN ('xmcoh'::regnamespace, 'xmcoh_internal'::regnamespace)$$,
                'functions there, and in the schema of internal ones');

SELECT tables_are('xmcoh', ARRAY['model', 'model_grant_record', 'encoder', 'encoder_chunk', 'encoder_grant_record', 'model_version', 'deployment', 'source_record', 'pair_source_record', 'decision', 'job_record',
                                 'job_transition', 'job_checkpoint', 'training_metric', 'learning_curve_record', 'schedule', 'guard_record', 'violation_record', 'review_claim_record', 'review_lock',
                                 'document_state_source', 'document_state_record', 'quality_snapshot_record', 'alert_limit_record', 'alert_state']);
SELECT views_are('xmcoh', ARRAY['visible_model', 'model_grants', 'encoders', 'encoder_grants', 'source', 'pair_source', 'pair_in_force', 'approved_pair', 'versions', 'version_figures', 'previous_deployment', 'visible_job', 'job', 'training_progress',
                                'training_round', 'learning_curve', 'job_history', 'model_overview', 'schedule_overview', 'guard', 'violation', 'claim_in_force', 'review_claim',
                                'document_state', 'quality_snapshot', 'alert_limit', 'alert_measure', 'alert']);

-- comments
SELECT is_empty($$SELECT oid::regprocedure FROM member_function WHERE coalesce(obj_description(oid, 'pg_proc'), '') = ''$$,
                'every function has a comment');
SELECT is_empty($$SELECT oid::regclass FROM member_relation WHERE relkind IN ('r', 'v') AND coalesce(obj_description(oid, 'pg_class'), '') = ''$$,
                'every table and view has a comment');

-- What users read: views that xmcoh_user may read, besides those that only other views need.
CREATE TEMP VIEW user_column AS
    SELECT v.oid::regclass AS view, a.attname, a.attnum, a.atttypid FROM member_relation AS v JOIN pg_attribute AS a ON a.attrelid = v.oid AND a.attnum > 0
     WHERE v.relkind = 'v' AND has_table_privilege('xmcoh_user', v.oid, 'SELECT') AND obj_description(v.oid, 'pg_class') NOT LIKE 'Internal: %';
SELECT cmp_ok((SELECT count(DISTINCT view) FROM user_column), '>=', 19::bigint, 'users read many views');
SELECT is_empty($$SELECT view, attname FROM user_column WHERE coalesce(col_description(view, attnum), '') = ''$$, 'every column of these has a comment');
SELECT is_empty($$SELECT view, attname, atttypid::regtype FROM user_column WHERE atttypid <> ALL ('{bool,int4,int8,float8,numeric,text,name,timestamptz,interval,jsonb,text[]}'::regtype[])$$,
                'and a plain type, which every client knows');

-- search_path, security
SELECT is_empty($$SELECT f.oid::regprocedure FROM member_function AS f JOIN pg_language AS l ON l.oid = f.prolang
                   WHERE l.lanname NOT IN ('c', 'internal') AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (f.proconfig), false)$$,
                'every function that is not in C pins its search_path');
SELECT results_eq($$SELECT proname::text COLLATE "default" FROM member_function WHERE prosecdef ORDER BY 1$$, ARRAY['before_approval', 'model_exists'],
                  'two functions run with their owner''s privileges as such: the one refuses approvals on a subscriber, the other tells that a name is taken');
-- Views run with the privileges of their owner, who bypasses row-level security. So each view must read through visible_model.
SELECT is_empty($$SELECT oid::regclass FROM member_relation WHERE relkind = 'v' AND NOT coalesce('security_barrier=true' = ANY (reloptions), false)$$,
                'every view is a security barrier');
SELECT is_empty($$WITH RECURSIVE used (view, relation) AS (
                      SELECT r.ev_class, d.refobjid FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass
                          AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
                          JOIN member_relation AS v ON v.oid = r.ev_class AND v.relkind = 'v'
                      UNION SELECT u.view, d.refobjid FROM used AS u JOIN pg_rewrite AS r ON r.ev_class = u.relation
                          JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass)
                  SELECT oid::regclass FROM member_relation WHERE relkind = 'v' AND oid <> ALL ('{xmcoh.visible_model,xmcoh.pair_in_force,xmcoh.approved_pair,xmcoh.claim_in_force,xmcoh.encoders,xmcoh.alert_measure}'::regclass[])
                      AND oid NOT IN (SELECT view FROM used WHERE relation IN ('xmcoh.visible_model'::regclass, 'xmcoh.encoders'::regclass))$$,
                'and reads through visible_model or encoders');
SELECT matches(pg_get_viewdef('xmcoh.visible_model'), 'WHERE .*may.*owner.*score.*OR pg_has_role.*pg_monitor', 'which asks who is asking');
SELECT matches(pg_get_viewdef('xmcoh.encoders'), 'WHERE .*may_encoder.*owner.*use.*OR pg_has_role.*pg_monitor', 'as encoders does');
-- The level for approved pairs is higher than that of visible_model.
SELECT matches(pg_get_viewdef('xmcoh.approved_pair'), 'WHERE .*EXISTS.*may.*owner.*review', 'approved_pair asks for level review');
SELECT is_empty($$SELECT a.grantee::regrole FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid IN ('xmcoh.pair_in_force'::regclass, 'xmcoh.claim_in_force'::regclass, 'xmcoh.alert_measure'::regclass) AND a.grantee <> c.relowner$$,
                'and the view below it, which asks nobody, is for nobody; nor are those below review_claim and alert');
SELECT matches(pg_get_viewdef('xmcoh.review_claim'), 'WHERE .*may.*owner.*review', 'which asks for level review, too');
SELECT is_empty($$SELECT oid::regclass FROM member_relation WHERE relkind = 'r' AND NOT relrowsecurity$$,
                'every table has row-level security');
SELECT is_empty($$SELECT r.oid::regclass FROM member_relation AS r WHERE relkind = 'r'
                   AND has_any_column_privilege('xmcoh_user', r.oid, 'SELECT, INSERT, UPDATE')
                   AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = r.oid)$$,
                'and a policy, where anybody may read or write it');

-- dumps
-- What a process writes while a dump is being restored must not be in the dump: its rows would collide.
SELECT set_eq($$SELECT relname::text FROM member_relation WHERE relkind IN ('r', 'S')
                   AND oid <> ALL ((SELECT extconfig FROM pg_extension WHERE extname = 'xmcoh')::oid[])$$,
              ARRAY['job_checkpoint', 'review_claim_record', 'review_lock', 'document_state_source', 'document_state_record', 'alert_state'],
              'pg_dump saves every table and sequence but checkpoints, claims and their locks, states of documents and of alerts');

-- storage, references
SELECT is((SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'xmcoh.model_version'::regclass AND attname = 'weights'), 'e',
          'weights are stored uncompressed and out of line');
SELECT is((SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'xmcoh.job_checkpoint'::regclass AND attname = 'data'), 'e',
          'and so are checkpoints');
SELECT is((SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'xmcoh.encoder_chunk'::regclass AND attname = 'data'), 'e',
          'and files of encoders');
SELECT is_empty($$SELECT conname FROM pg_constraint WHERE connamespace = 'xmcoh'::regnamespace AND contype = 'f'$$,
                'no foreign keys: a restore in several processes must not meet one');

-- labels: volatility, parallel, strict
CREATE TEMP TABLE label (name text, volatility text, parallel text, strict boolean);
INSERT INTO label VALUES
    ('options', 'i', 's', true), ('check_options', 'i', 's', true), ('inspect_weights', 'i', 's', true),
    ('model_exists', 's', 's', true), ('model_id', 's', 's', false), ('level_rank', 'i', 's', true),
    ('export_model', 's', 's', false),
    ('create_model', 'v', 'u', false), ('alter_model', 'v', 'u', false), ('drop_model', 'v', 'u', true),
    ('attach_source', 'v', 'u', false), ('detach_source', 'v', 'u', true), ('attach_pairs', 'v', 'u', true),
    ('detach_pairs', 'v', 'u', true), ('grant_model', 'v', 'u', true), ('revoke_model', 'v', 'u', true), ('withdraw_pair', 'v', 'u', true),
    ('approve', 'v', 'u', false), ('approve_order', 'v', 'u', false), ('decide', 'v', 'u', false), ('withdraw', 'v', 'u', false), ('stale_approval', 's', 'r', false),
    ('review_queue', 's', 'r', false), ('claim_reviews', 'v', 'u', false), ('review_agreement', 's', 'r', true),
     ('deploy', 'v', 'u', true), ('rollback', 'v', 'u', true),
    ('import_encoder', 'v', 'u', false), ('drop_encoder', 'v', 'u', true), ('grant_encoder', 'v', 'u', true), ('revoke_encoder', 'v', 'u', true),
    ('import_model', 'v', 'u', true), ('prune_versions', 'v', 'u', false),
    ('revoke_usage', 'v', 'u', true), ('worker_is_alive', 'v', 'r', true), ('job_state', 'v', 'u', false), ('queue_id', 's', 's', false),
    ('train', 'v', 'u', false),
    ('wait_for_job', 'v', 'u', false), ('cancel_job', 'v', 'u', true),
    ('resume_job', 'v', 'u', true),
    ('report_number', 'i', 's', true), ('report_integer', 'i', 's', true),
    ('launcher_is_loaded', 's', 's', true), ('next_run', 's', 's', true), ('schedule_next_run', 'v', 'r', true),
    ('schedule_changed', 'v', 'u', false), ('schedule_training', 'v', 'u', false), ('alter_schedule', 'v', 'u', false),
    ('schedule_snapshot', 'v', 'u', false), ('unschedule', 'v', 'u', true), ('snapshot_quality', 'v', 'u', false), ('queue_snapshot', 'v', 'u', false),
    ('set_alert_limit', 'v', 'u', false), ('grant_usage', 'v', 'u', true);
SELECT is(concat_ws(' ', f.provolatile, f.proparallel, f.proisstrict), concat_ws(' ', l.volatility, l.parallel, l.strict),
          format('%s: volatility, parallel, strict', l.name))
  FROM label AS l LEFT JOIN member_function AS f ON f.proname = l.name
      AND (f.pronamespace = 'xmcoh'::regnamespace OR l.name IN ('level_rank', 'job_state', 'queue_id', 'schedule_next_run', 'schedule_changed'));
SELECT results_eq($$SELECT provolatile::text, proparallel::text, proisstrict FROM member_function WHERE proname = 'unschedule_training' AND pronamespace = 'xmcoh'::regnamespace$$,
                  $$VALUES ('v', 'u', true), ('v', 'u', true)$$, 'unschedule_training: volatility, parallel, strict, in two forms');
SELECT results_eq($$SELECT provolatile::text, proparallel::text, proisstrict, procost >= 10000 FROM member_function WHERE proname = 'embed'$$,
                  $$VALUES ('s', 's', true, true), ('s', 's', true, true)$$, 'embed: volatility, parallel, strict, a high cost, in two forms');
SELECT is_empty($$SELECT oid::regprocedure FROM member_function WHERE provolatile = 'v' AND proparallel = 's'$$,
                'nothing volatile claims to be parallel safe');

SELECT * FROM finish();
ROLLBACK;
