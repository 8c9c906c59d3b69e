-- privileges.sql - privileges and dumps

REVOKE ALL ON ALL TABLES IN SCHEMA xmcoh FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA xmcoh FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA xmcoh FROM PUBLIC;

-- Metrics are plain arithmetic: they are there for everybody.
GRANT USAGE ON SCHEMA xmcoh TO PUBLIC;
DO $$
DECLARE
    metric regprocedure;
BEGIN
    FOR metric IN SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace = 'xmcoh'::regnamespace
            AND proname IN ('kendall_tau', 'perfect_match', 'position_accuracy', 'bootstrap_mean', 'paired_bootstrap')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', metric);
    END LOOP;
END $$;

-- A role sees and changes the models whose owner it is or is a member of, and what hangs on them.
ALTER TABLE xmcoh.model ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.model_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.deployment ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.source ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.pair_source ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.approved_pair ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.job_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.job_transition ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.job_checkpoint ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.training_metric ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.schedule ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON xmcoh.model USING (pg_has_role(owner::oid, 'MEMBER'));
CREATE POLICY owner ON xmcoh.model_version USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = model_version.model_id));
CREATE POLICY owner ON xmcoh.deployment USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = deployment.model_id));
CREATE POLICY owner ON xmcoh.source USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = source.model_id));
CREATE POLICY owner ON xmcoh.pair_source USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = pair_source.model_id));
CREATE POLICY owner ON xmcoh.approved_pair USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = approved_pair.model_id));
CREATE POLICY owner ON xmcoh.job_record USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = job_record.model_id));
CREATE POLICY owner ON xmcoh.job_transition USING (EXISTS (SELECT FROM xmcoh.job_record AS j WHERE j.job_id = job_transition.job_id));
CREATE POLICY owner ON xmcoh.job_checkpoint USING (EXISTS (SELECT FROM xmcoh.job_record AS j WHERE j.job_id = job_checkpoint.job_id));
CREATE POLICY owner ON xmcoh.training_metric USING (EXISTS (SELECT FROM xmcoh.job_record AS j WHERE j.job_id = training_metric.job_id));
CREATE POLICY owner ON xmcoh.schedule USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = schedule.model_id));

-- Who monitors the server sees how every model and job does, but no weights, texts or approved pairs, and changes nothing.
CREATE POLICY monitor ON xmcoh.job_transition FOR SELECT TO pg_monitor USING (true);
GRANT SELECT ON xmcoh.versions, xmcoh.job, xmcoh.training_progress, xmcoh.training_round, xmcoh.job_history, xmcoh.model_overview,
    xmcoh.schedule_overview, xmcoh.visible_job, xmcoh.job_transition TO pg_monitor;
GRANT EXECUTE ON FUNCTION xmcoh.job_state(integer, text, text, timestamptz, text, integer, timestamptz),
    xmcoh.schedule_next_run(text, text, timestamptz) TO pg_monitor;

CREATE FUNCTION xmcoh.grant_usage(role regrole) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_has_role((SELECT extowner FROM pg_extension WHERE extname = 'xmcoh'), 'MEMBER') THEN
        RAISE insufficient_privilege USING MESSAGE = 'only the owner of extension xmcoh can grant its usage';
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA xmcoh TO %s', role);
    EXECUTE format('GRANT EXECUTE ON ALL ROUTINES IN SCHEMA xmcoh TO %s', role);
    EXECUTE format('REVOKE EXECUTE ON FUNCTION xmcoh.grant_usage(regrole) FROM %s', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA xmcoh TO %s', role);
    -- Views run with their owner's privileges: none is to be written through. Nor is what a trigger keeps.
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON xmcoh.job_transition, %s FROM %s', (SELECT string_agg(oid::regclass::text, ', ')
        FROM pg_class WHERE relnamespace = 'xmcoh'::regnamespace AND relkind = 'v'), role);
    -- A version is never changed; and who submitted a job or a schedule, for which model, and with which settings, is what it is.
    EXECUTE format('REVOKE UPDATE ON xmcoh.model_version, xmcoh.job_record, xmcoh.schedule FROM %s', role);
    EXECUTE format('REVOKE INSERT ON xmcoh.job_record, xmcoh.schedule FROM %s', role);
    EXECUTE format('GRANT INSERT (model_id, options, on_success, unlabelled, created_at, settings) ON xmcoh.job_record TO %s', role);
    EXECUTE format('GRANT INSERT (model_id, cron, timezone, options, on_success, unlabelled, active),'
                   ' UPDATE (cron, timezone, options, on_success, unlabelled, active) ON xmcoh.schedule TO %s', role);
    EXECUTE format('GRANT UPDATE (%s) ON xmcoh.job_record TO %s', (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = 'xmcoh.job_record'::regclass AND attnum > 0 AND NOT attisdropped
            AND attname NOT IN ('job_id', 'model_id', 'submitted_by', 'login_role', 'settings', 'created_at')), role);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA xmcoh TO %s', role);
END $$;
COMMENT ON FUNCTION xmcoh.grant_usage(regrole) IS
    'Lets a role create models and use them: functions, tables and sequences of the schema, where row-level security shows it only the models whose owner it is or is a member of';
REVOKE ALL ON FUNCTION xmcoh.grant_usage(regrole) FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('xmcoh.model', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.model_version', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.deployment', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.source', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.pair_source', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.approved_pair', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.job_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.job_transition', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.training_metric', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.schedule', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.model_model_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.deployment_deployment_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.source_source_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.pair_source_pair_source_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.job_record_job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.job_transition_transition_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.schedule_schedule_id_seq', '');
