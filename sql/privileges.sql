-- privileges.sql - privileges and dumps
--
-- Everything that somebody besides the owner may do is listed here, by name. What is not listed is nobody else's: the internal
-- functions, the triggers', and whatever a later version adds and forgets to list. test/tap/040_every_function.pl holds the same
-- list against the catalogue.

REVOKE ALL ON ALL TABLES IN SCHEMA xmcoh FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA xmcoh FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA xmcoh FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA xmcoh_internal FROM PUBLIC;
GRANT USAGE ON SCHEMA xmcoh TO PUBLIC;

-- Metrics are plain arithmetic: they are there for everybody.
GRANT EXECUTE ON FUNCTION xmcoh.kendall_tau(anyarray, anyarray), xmcoh.perfect_match(anyarray, anyarray),
    xmcoh.position_accuracy(anyarray, anyarray), xmcoh.bootstrap_mean(double precision[]),
    xmcoh.paired_bootstrap(double precision[], double precision[]) TO PUBLIC;

-- One role of the whole server stands for "may use xmcoh": membership needs no grants in each database, stays behind in no
-- dump, and does not keep a role from being dropped.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'xmcoh_user') THEN
        CREATE ROLE xmcoh_user;
        COMMENT ON ROLE xmcoh_user IS 'May use xmcoh in every database of the server that has it; see xmcoh.grant_usage';
    ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = 'xmcoh_user'
                  AND (rolsuper OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'role "xmcoh_user" can log in, or has attributes, so it is not the one that xmcoh makes',
            HINT = 'Rename it before you install xmcoh.';
    END IF;
END $$;

-- What its members may read: rows of models that they have the level for, see the policies below.
GRANT SELECT ON xmcoh.model, xmcoh.model_version, xmcoh.deployment, xmcoh.source_record, xmcoh.pair_source_record, xmcoh.decision, xmcoh.approved_pair,
    xmcoh.job_record, xmcoh.job_transition, xmcoh.training_metric, xmcoh.learning_curve_record, xmcoh.schedule,
    xmcoh.visible_model, xmcoh.model_grants, xmcoh.source, xmcoh.pair_source, xmcoh.versions, xmcoh.version_figures, xmcoh.previous_deployment, xmcoh.visible_job,
    xmcoh.job, xmcoh.training_progress, xmcoh.training_round, xmcoh.job_history, xmcoh.model_overview, xmcoh.schedule_overview, xmcoh.learning_curve,
    xmcoh.review_claim, xmcoh.encoders, xmcoh.encoder_grants, xmcoh.quality_snapshot, xmcoh.alert,
    xmcoh.alert_limit
    TO xmcoh_user;
-- Column by column: who approved, and when, is what the server saw. (No DELETE: that would let a member lock the table against all.)
GRANT INSERT (model_id, document, before, after) ON xmcoh.approved_pair TO xmcoh_user;

-- What they may call.
GRANT EXECUTE ON FUNCTION
    xmcoh.options(), xmcoh.check_options(integer, integer, boolean, jsonb), xmcoh.inspect_weights(bytea),
    xmcoh.model_exists(text), xmcoh.model_id(text), xmcoh.create_model(text, integer, integer, boolean, jsonb, text, text),
    xmcoh.alter_model(text, jsonb, text, regrole), xmcoh.drop_model(text, boolean, boolean),
    xmcoh.grant_model(text, regrole, text), xmcoh.revoke_model(text, regrole),
    xmcoh.approve(text, text, text, text, text), xmcoh.approve_order(text, text, text[], text),
    xmcoh.decide(text, text, text, text, text, text), xmcoh.withdraw(bigint, text), xmcoh.withdraw_pair(text, text, text, text), xmcoh.stale_approval(text),
    xmcoh.review_queue(text, integer, regclass, text, text[]), xmcoh.claim_reviews(text, integer, interval, regclass, text, text[]),
    xmcoh.review_agreement(text),
    xmcoh.attach_source(text, regclass, name, name, name, name, name, name, name, regclass, name),
    xmcoh.attach_source(text, regclass, name, name, name[], name, name, name, name, name, regclass), xmcoh.detach_source(text, text),
    xmcoh.attach_pairs(text, regclass, name, name, name), xmcoh.detach_pairs(text, text),
    xmcoh.deploy(text, integer, boolean), xmcoh.rollback(text), xmcoh.prune_versions(text, integer), xmcoh.export_model(text, integer),
    xmcoh.import_model(text, bytea),
    xmcoh.import_encoder(text, bytea, text, text, text, text, text, text), xmcoh.drop_encoder(text, boolean), xmcoh.grant_encoder(text, regrole),
    xmcoh.revoke_encoder(text, regrole), xmcoh.embed(text, text), xmcoh.embed(text, text[]),
    xmcoh.worker_is_alive(integer, timestamptz), xmcoh.train(text, jsonb, text, integer, double precision, regclass[], text, text),
    xmcoh.study_learning_curve(text, integer[], integer, jsonb), xmcoh.cancel_job(integer), xmcoh.resume_job(integer),
    xmcoh.launcher_is_loaded(), xmcoh.next_run(text, timestamptz, text),
    xmcoh.schedule_training(text, text, text, jsonb, text, regclass[], integer), xmcoh.schedule_snapshot(text, text, text, text, integer),
    xmcoh.alter_schedule(integer, text, text, jsonb, text, boolean, regclass[], text, integer), xmcoh.unschedule(integer),
    xmcoh.unschedule_training(integer), xmcoh.unschedule_training(text),
    xmcoh.snapshot_quality(text, text, integer), xmcoh.queue_snapshot(text, text, integer),
    xmcoh.set_alert_limit(text, text, double precision),
    xmcoh.precedes(text, text, real[], text, real[], real[], real[]), xmcoh.order_score(text, text, real[], text, real[], real[], real[]),
    xmcoh.coherence(text, double precision, text, real[]), xmcoh.coherence(text, double precision, text, real[], real[]),
    xmcoh.coherence(text, double precision, text, real[], real[], text),
    xmcoh.recover_order(text, anynonarray, text, real[]), xmcoh.recover_order(text, anynonarray, text, real[], real[]),
    xmcoh.recover_order(text, anynonarray, text, real[], real[], text),
    xmcoh.recovered_position(text, text, real[]), xmcoh.recovered_position(text, text, real[], real[]),
    xmcoh.recovered_position(text, text, real[], real[], text),
    xmcoh.order_documents(text, regclass, text, text, text, integer, text[]),
    xmcoh.pair_scores(text, text, regclass, text, text, integer, text[]), xmcoh.check_documents(text, regclass, text[], double precision, text),
    xmcoh.explain(text, text, text, text, integer, regclass), xmcoh.explain_document(text, text, regclass, double precision, integer, text),
    xmcoh.model_words(text, integer, regclass), xmcoh.picture(text, text, text, text, regclass),
    xmcoh.report(text, text, double precision, double precision, double precision, double precision, integer),
    xmcoh.alignment(text, text, regclass, text[]), xmcoh.is_complete(text, text, regclass),
    xmcoh.is_complete(text, text[], regclass), xmcoh.missing_steps(text, text, integer, regclass, text[]),
    xmcoh.missing_photos(text, text, integer, regclass, regclass, text[]), xmcoh.evaluate(text, regclass, text, text, integer, text[], text),
    xmcoh.coverage(text, double precision, text, text),
    xmcoh.pilot_report(text, double precision, double precision, double precision, double precision, text)
    TO xmcoh_user;

GRANT EXECUTE ON PROCEDURE xmcoh.wait_for_job(integer, interval, text) TO xmcoh_user;

-- The guard. A writer to a guarded table needs no EXECUTE on the function of its triggers; who makes them does.
GRANT EXECUTE ON FUNCTION xmcoh.enforce_order(text, regclass, text, double precision, boolean, boolean), xmcoh.unenforce_order(text, text),
    xmcoh.guard_order(), xmcoh.accept_violation(bigint, text), xmcoh.order_coherence(text, text[], real[], real[]),
    xmcoh.order_holds(text, text[], real[], real[], double precision),
    xmcoh.check_groups(text, text, regclass, text[], double precision, boolean) TO xmcoh_user;
GRANT EXECUTE ON PROCEDURE xmcoh.validate_document(text, text, regclass, double precision, boolean) TO xmcoh_user;
GRANT SELECT ON xmcoh.guard_record, xmcoh.violation_record, xmcoh.guard, xmcoh.violation TO xmcoh_user;

GRANT EXECUTE ON FUNCTION xmcoh.refresh_document_state(text, regclass, text[], double precision, boolean) TO xmcoh_user;
GRANT SELECT ON xmcoh.document_state TO xmcoh_user;

-- Support functions of the aggregates, which take and give what no SQL can make. Citus wants the caller to be allowed to call them.
DO $$
DECLARE
    support regprocedure;
BEGIN
    FOR support IN SELECT DISTINCT f.oid FROM pg_aggregate AS a JOIN pg_proc AS p ON p.oid = a.aggfnoid,
            unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn]) AS f (oid)
        WHERE p.pronamespace = 'xmcoh'::regnamespace AND f.oid <> 0
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO xmcoh_user', support);
    END LOOP;
END $$;

-- What policies and views evaluate for whoever reads: its arguments say all that it knows.
GRANT EXECUTE ON FUNCTION xmcoh_internal.may(xmcoh.object_ref, integer, text), xmcoh_internal.may(xmcoh.object_ref, integer, text, oid),
    xmcoh_internal.may_encoder(xmcoh.object_ref, integer, text), xmcoh_internal.object_name(xmcoh.object_ref),
    xmcoh_internal.object_names(xmcoh.object_ref[]), xmcoh_internal.object_oid(xmcoh.object_ref), xmcoh_internal.owner_name(xmcoh.object_ref),
    xmcoh_internal.what_is_missing(xmcoh.object_ref[]), xmcoh.report_number(jsonb, text[]), xmcoh.report_integer(jsonb, text[]),
    xmcoh_internal.public_message(text, text, boolean), xmcoh_internal.is_active(text),
    xmcoh_internal.job_state(integer, text, text, timestamptz, text, integer, timestamptz),
    xmcoh_internal.schedule_next_run(text, text, timestamptz), xmcoh_internal.guard_triggers(oid, integer),
    xmcoh_internal.share_interval(bigint, bigint),
    xmcoh_internal.learning_curve_points(integer[], integer[], double precision[], integer), xmcoh_internal.alert_kinds(),
    xmcoh_internal.percent(double precision) TO xmcoh_user, pg_monitor;

-- Who monitors the server sees how every model and job does, but no weights, texts or approved pairs, and changes nothing.
GRANT SELECT ON xmcoh.visible_model, xmcoh.versions, xmcoh.version_figures, xmcoh.source, xmcoh.pair_source, xmcoh.model_grants, xmcoh.job, xmcoh.training_progress,
    xmcoh.training_round, xmcoh.job_history, xmcoh.model_overview, xmcoh.schedule_overview, xmcoh.visible_job, xmcoh.job_transition, xmcoh.learning_curve,
    xmcoh.guard, xmcoh.encoders, xmcoh.encoder_grants, xmcoh.quality_snapshot, xmcoh.alert, xmcoh.alert_limit
    TO pg_monitor;

-- ---- rows: by level on the model ----

ALTER TABLE xmcoh.model ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.model_grant_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.model_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.encoder ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.encoder_chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.encoder_grant_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.deployment ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.source_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.pair_source_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.decision ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.review_claim_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.review_lock ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.job_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.job_transition ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.job_checkpoint ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.training_metric ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.learning_curve_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.schedule ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.guard_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.violation_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.document_state_source ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.document_state_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.quality_snapshot_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.alert_limit_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE xmcoh.alert_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY scorer ON xmcoh.model FOR SELECT USING (xmcoh_internal.may(owner, model_id, 'score'));
CREATE POLICY scorer ON xmcoh.model_version FOR SELECT USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = model_version.model_id));
CREATE POLICY scorer ON xmcoh.deployment FOR SELECT USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = deployment.model_id));
CREATE POLICY scorer ON xmcoh.source_record FOR SELECT USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = source_record.model_id));
CREATE POLICY scorer ON xmcoh.pair_source_record FOR SELECT USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = pair_source_record.model_id));
CREATE POLICY scorer ON xmcoh.schedule FOR SELECT USING (EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = schedule.model_id));
CREATE POLICY scorer ON xmcoh.guard_record FOR SELECT USING (EXISTS (SELECT FROM xmcoh.source_record AS s WHERE s.source_id = guard_record.source_id));
CREATE POLICY reviewer ON xmcoh.violation_record FOR SELECT USING (EXISTS (SELECT FROM xmcoh.model AS m
    WHERE m.model_id = violation_record.model_id AND xmcoh_internal.may(m.owner, m.model_id, 'review')));
CREATE POLICY reviewer ON xmcoh.decision FOR SELECT USING (EXISTS (SELECT FROM xmcoh.model AS m
    WHERE m.model_id = decision.model_id AND xmcoh_internal.may(m.owner, m.model_id, 'review')));
CREATE POLICY trainer ON xmcoh.job_record FOR SELECT USING (EXISTS (SELECT FROM xmcoh.model AS m
    WHERE m.model_id = job_record.model_id AND xmcoh_internal.may(m.owner, m.model_id, 'train')));
CREATE POLICY scorer ON xmcoh.job_transition FOR SELECT USING (EXISTS (SELECT FROM xmcoh.visible_job AS j WHERE j.job_id = job_transition.job_id));
CREATE POLICY scorer ON xmcoh.learning_curve_record FOR SELECT USING (EXISTS (SELECT FROM xmcoh.visible_job AS j WHERE j.job_id = learning_curve_record.job_id));
CREATE POLICY trainer ON xmcoh.training_metric FOR SELECT USING (EXISTS (SELECT FROM xmcoh.job_record AS j WHERE j.job_id = training_metric.job_id));

-- ---- who may use xmcoh at all ----

CREATE FUNCTION xmcoh.grant_usage(role regrole) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT xmcoh_user TO %s', role);
END $$;
COMMENT ON FUNCTION xmcoh.grant_usage(regrole) IS
    'Lets a role create models and use models that the role owns or has a level on (xmcoh.grant_model), in all databases of the server: makes the role a member of xmcoh_user. For superusers and the owner of the extension';
CREATE FUNCTION xmcoh.revoke_usage(role regrole) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('REVOKE xmcoh_user FROM %s', role);
END $$;
COMMENT ON FUNCTION xmcoh.revoke_usage(regrole) IS
    'Takes back what xmcoh.grant_usage gave. The role keeps its models. For superusers and the owner of the extension';
REVOKE ALL ON FUNCTION xmcoh.grant_usage(regrole), xmcoh.revoke_usage(regrole) FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('xmcoh.model', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.model_grant_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.model_version', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.encoder', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.encoder_chunk', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.encoder_grant_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.encoder_encoder_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.encoder_grant_record_grant_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.deployment', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.source_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.pair_source_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.decision', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.job_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.job_transition', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.training_metric', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.learning_curve_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.schedule', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.guard_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.violation_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.violation_record_violation_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.quality_snapshot_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.quality_snapshot_record_snapshot_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.alert_limit_record', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.model_model_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.deployment_deployment_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.source_record_source_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.pair_source_record_pair_source_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.decision_decision_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.job_record_job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.job_transition_transition_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.schedule_schedule_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('xmcoh.model_grant_record_grant_id_seq', '');
