-- monitor.sql - what happened: events, and views for dashboards

CREATE FUNCTION xmcoh_internal.note_transition() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM xmcoh_internal.check_trigger(TG_RELID);
    INSERT INTO xmcoh.job_transition (job_id, old_state, new_state, reason, worker_pid, worker_started_at)
        VALUES (NEW.job_id, OLD.state, NEW.state, xmcoh_internal.public_message(NEW.message, NEW.error_code, false), NEW.worker_pid, NEW.worker_started_at);
    PERFORM pg_notify('xmcoh', json_build_object('event', 'job', 'job_id', NEW.job_id, 'kind', NEW.kind, 'model', left(m.name, 200),
                                                 'state', NEW.state, 'version', NEW.version)::text)
        FROM xmcoh.model AS m WHERE m.model_id = NEW.model_id AND xmcoh_internal.may_notify();
    RETURN NULL;
END $$;
COMMENT ON FUNCTION xmcoh_internal.note_transition() IS
    'Internal: writes each change of a job''s state to xmcoh.job_transition and sends NOTIFY on channel xmcoh, such as {"event": "job", "job_id": 7, "kind": "training", "model": "manuals", "state": "succeeded", "version": 4}. Names are cut off after 200 characters; no free text: every role can listen';

-- Jobs that a restored dump inserts were submitted in another database, so they are no event here.
CREATE TRIGGER submitted AFTER INSERT ON xmcoh.job_record FOR EACH ROW WHEN (NEW.queue_id = xmcoh_internal.queue_id())
    EXECUTE FUNCTION xmcoh_internal.note_transition();
CREATE TRIGGER transition AFTER UPDATE OF state ON xmcoh.job_record FOR EACH ROW WHEN (OLD.state <> NEW.state)
    EXECUTE FUNCTION xmcoh_internal.note_transition();

CREATE VIEW xmcoh.job_history WITH (security_barrier = true) AS
    SELECT j.job_id, j.model, j.kind, j.state, j.message AS reason, j.submitted_by, j.on_success, j.created_at, j.started_at,
           j.finished_at, coalesce(j.started_at, j.finished_at) - j.created_at AS waited,
           CASE WHEN j.started_at IS NULL THEN interval '0' ELSE j.finished_at - j.started_at END AS duration,
           j.version, EXISTS (SELECT FROM xmcoh.deployment AS d WHERE d.model_id = r.model_id AND d.version = r.version) AS deployed,
           CASE WHEN j.version IS NOT NULL THEN j.held_out_tau END AS held_out_tau,
           xmcoh.report_number(v.report, 'fused', 'tau_low') AS held_out_tau_low,
           xmcoh.report_number(v.report, 'fused', 'tau_high') AS held_out_tau_high,
           r.champion,
           xmcoh.report_number(v.report, 'challenge', 'difference') AS difference,
           xmcoh.report_number(v.report, 'challenge', 'difference_low') AS difference_low,
           xmcoh.report_number(v.report, 'challenge', 'difference_high') AS difference_high
    FROM xmcoh.job AS j JOIN xmcoh.job_record AS r USING (job_id)
        LEFT JOIN xmcoh.model_version AS v ON v.model_id = r.model_id AND v.version = r.version
    WHERE NOT xmcoh_internal.is_active(j.state);
COMMENT ON VIEW xmcoh.job_history IS 'Jobs that are over: kind, how and why, waiting time and duration (NULL: end unknown), the version made (NULL: none), whether the version was ever deployed, held-out Kendall tau of the fused order with its 95% interval (NULL: no version, or pruned), and the comparison of on_success => ''challenge''';
COMMENT ON COLUMN xmcoh.job_history.job_id IS 'number of the job';
COMMENT ON COLUMN xmcoh.job_history.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.job_history.kind IS 'training, study or snapshot';
COMMENT ON COLUMN xmcoh.job_history.state IS 'succeeded, rejected, failed, cancelled or interrupted';
COMMENT ON COLUMN xmcoh.job_history.submitted_by IS 'role that asked for the job';
COMMENT ON COLUMN xmcoh.job_history.on_success IS 'deploy, challenge or keep';
COMMENT ON COLUMN xmcoh.job_history.created_at IS 'when the job was submitted';
COMMENT ON COLUMN xmcoh.job_history.started_at IS 'when its last worker began; NULL: none did';
COMMENT ON COLUMN xmcoh.job_history.finished_at IS 'when the job ended';
COMMENT ON COLUMN xmcoh.job_history.version IS 'version that the job made; NULL: none';
COMMENT ON COLUMN xmcoh.job_history.held_out_tau IS 'Kendall tau of the fused order on documents that the version was not trained on';
COMMENT ON COLUMN xmcoh.job_history.held_out_tau_low IS 'lower end of its 95% interval';
COMMENT ON COLUMN xmcoh.job_history.held_out_tau_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.job_history.difference_low IS 'lower end of the 95% interval of difference';
COMMENT ON COLUMN xmcoh.job_history.difference_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.job_history.reason IS 'outcome of the job, or its error';
COMMENT ON COLUMN xmcoh.job_history.waited IS 'time from submission until a worker began';
COMMENT ON COLUMN xmcoh.job_history.duration IS 'time from the workers begin to the end; NULL: interrupted at an unknown time';
COMMENT ON COLUMN xmcoh.job_history.deployed IS 'whether the version was ever deployed';
COMMENT ON COLUMN xmcoh.job_history.champion IS 'deployed version that the new one was compared with (on_success => challenge)';
COMMENT ON COLUMN xmcoh.job_history.difference IS 'held-out Kendall tau, new version minus champion; difference_low and difference_high: its 95% interval';

CREATE VIEW xmcoh.model_overview WITH (security_barrier = true) AS
    SELECT m.name AS model, m.owner, m.deployed_version, clock_timestamp() - v.created_at AS age, d.deployed_at, d.deployed_by,
           xmcoh.report_number(v.report, 'fused', 'tau') AS held_out_tau,
           xmcoh.report_number(v.report, 'fused', 'tau_low') AS held_out_tau_low,
           xmcoh.report_number(v.report, 'fused', 'tau_high') AS held_out_tau_high,
           xmcoh.report_integer(v.report, 'documents') AS documents,
           (SELECT count(*) FROM xmcoh.pair_in_force AS p WHERE p.model_id = m.model_id
                AND p.approved_at > coalesce(trained.started_at, v.created_at, '-infinity')) AS pairs_approved_since,
           xmcoh.report_number(v.report, 'fused', 'confident') AS confident,
           xmcoh.report_number(v.report, 'fused', 'confident') - xmcoh.report_number(before.report, 'fused', 'confident') AS confident_drift,
           (SELECT count(*) FROM xmcoh.model_version AS x WHERE x.model_id = m.model_id) AS versions,
           last.job_id AS last_job, last.state AS last_job_state, active.job_id AS active_job,
           (SELECT e.name FROM xmcoh.encoder AS e WHERE e.encoder_id = r.encoder_id) AS encoder,
           (SELECT e.name FROM xmcoh.encoder AS e WHERE e.encoder_id = r.image_encoder_id) AS image_encoder
    FROM xmcoh.visible_model AS m JOIN xmcoh.model AS r USING (model_id)
        LEFT JOIN xmcoh.model_version AS v ON v.model_id = m.model_id AND v.version = m.deployed_version
        LEFT JOIN xmcoh.job_record AS trained ON trained.job_id = v.job_id AND trained.model_id = m.model_id
        LEFT JOIN xmcoh.previous_deployment AS p ON p.model_id = m.model_id
        LEFT JOIN xmcoh.model_version AS before ON before.model_id = m.model_id AND before.version = p.version
        LEFT JOIN LATERAL (SELECT x.deployed_at, x.deployed_by FROM xmcoh.deployment AS x
                           WHERE x.model_id = m.model_id AND x.version = m.deployed_version AND x.rolled_back_at IS NULL
                           ORDER BY x.deployment_id DESC LIMIT 1) AS d ON true
        LEFT JOIN LATERAL (SELECT x.job_id, x.state FROM xmcoh.job AS x WHERE x.model = m.name AND x.kind = 'training'
                           ORDER BY x.job_id DESC LIMIT 1) AS last ON true
        LEFT JOIN LATERAL (SELECT x.job_id FROM xmcoh.job AS x WHERE x.model = m.name AND x.kind <> 'snapshot'
                           AND xmcoh_internal.is_active(x.state)) AS active ON true;
COMMENT ON VIEW xmcoh.model_overview IS 'One row per model: age and quality of the deployed version (NULL: none, or imported), approved pairs since, number of versions, last training, and the training or study that is queued or running now (NULL: none)';
COMMENT ON COLUMN xmcoh.model_overview.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.model_overview.owner IS 'role whose members own the model';
COMMENT ON COLUMN xmcoh.model_overview.deployed_version IS 'version that is deployed; NULL: none';
COMMENT ON COLUMN xmcoh.model_overview.deployed_at IS 'when that version was deployed';
COMMENT ON COLUMN xmcoh.model_overview.deployed_by IS 'role that deployed it';
COMMENT ON COLUMN xmcoh.model_overview.held_out_tau_low IS 'lower end of the 95% interval of held_out_tau';
COMMENT ON COLUMN xmcoh.model_overview.held_out_tau_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.model_overview.versions IS 'number of versions that are stored';
COMMENT ON COLUMN xmcoh.model_overview.last_job_state IS 'state of the last training';
COMMENT ON COLUMN xmcoh.model_overview.age IS 'time since the deployed version was made';
COMMENT ON COLUMN xmcoh.model_overview.held_out_tau IS 'Kendall tau of the fused order on held-out approved documents; NULL: none deployed, or imported';
COMMENT ON COLUMN xmcoh.model_overview.documents IS 'approved documents of the training, held-out ones included';
COMMENT ON COLUMN xmcoh.model_overview.pairs_approved_since IS 'pairs decided (xmcoh.approved_pair) since the deployed version read its documents (all, if none is deployed). Pairs in your own tables have no time and do not count';
COMMENT ON COLUMN xmcoh.model_overview.confident IS 'share of held-out pairs with p or 1 - p >= option precision';
COMMENT ON COLUMN xmcoh.model_overview.confident_drift IS 'confident less that of the version that was deployed before';
COMMENT ON COLUMN xmcoh.model_overview.active_job IS 'training or study that is queued or running now; NULL: none';
COMMENT ON COLUMN xmcoh.model_overview.last_job IS 'last training';
COMMENT ON COLUMN xmcoh.model_overview.encoder IS 'text encoder of the texts; NULL: none';
COMMENT ON COLUMN xmcoh.model_overview.image_encoder IS 'text encoder of the texts that stand for images; NULL: none';
