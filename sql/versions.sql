-- versions.sql - versions of models: stored, deployed, rolled back, pruned, exported

CREATE VIEW xmcoh.versions WITH (security_barrier = true) AS
    SELECT m.name AS model, v.version, v.version IS NOT DISTINCT FROM m.deployed_version AS deployed, v.sha256,
           octet_length(v.weights) AS bytes, xmcoh.report_integer(v.report, 'documents') AS documents,
           xmcoh.report_number(v.report, 'fused', 'tau') AS held_out_tau, v.job_id, v.created_at,
           xmcoh.report_integer(v.report, 'groups') AS groups, xmcoh.report_integer(v.report, 'largest_group') AS largest_group,
           xmcoh.report_integer(v.report, 'held_out_groups') AS held_out_groups,
           xmcoh.report_integer(v.report, 'measured_documents') AS measured_documents,
           xmcoh.report_integer(v.report, 'measured_groups') AS measured_groups,
           xmcoh.report_number(v.report, 'known_groups', 'fused', 'tau') AS known_tau,
           xmcoh.report_integer(v.report, 'known_groups', 'documents') AS known_documents
    FROM xmcoh.model_version AS v JOIN xmcoh.visible_model AS m USING (model_id);
COMMENT ON VIEW xmcoh.versions IS 'Versions of each model: size in bytes, SHA-256, approved documents read for training (held-out ones included), held-out Kendall tau of the fused order';
COMMENT ON COLUMN xmcoh.versions.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.versions.version IS 'number of the version';
COMMENT ON COLUMN xmcoh.versions.deployed IS 'whether this version is deployed';
COMMENT ON COLUMN xmcoh.versions.sha256 IS 'SHA-256 of the weights, in hexadecimal';
COMMENT ON COLUMN xmcoh.versions.bytes IS 'size of the weights';
COMMENT ON COLUMN xmcoh.versions.documents IS 'approved documents that training read, held-out ones included';
COMMENT ON COLUMN xmcoh.versions.held_out_tau IS 'Kendall tau of the fused order on documents that the version was not trained on';
COMMENT ON COLUMN xmcoh.versions.job_id IS 'job that made the version; NULL: imported';
COMMENT ON COLUMN xmcoh.versions.created_at IS 'when the version was made';
COMMENT ON COLUMN xmcoh.versions.groups IS 'number of groups of approved documents at the training; a document without a group counts as one. NULL: no source named groups';
COMMENT ON COLUMN xmcoh.versions.largest_group IS 'number of approved documents in the largest group';
COMMENT ON COLUMN xmcoh.versions.held_out_groups IS 'number of groups that were held out';
COMMENT ON COLUMN xmcoh.versions.measured_documents IS 'number of approved documents on which held_out_tau was measured, each by a model that did not learn from it: all if training was cross-fitted, else the held-out ones';
COMMENT ON COLUMN xmcoh.versions.measured_groups IS 'number of groups of measured_documents; a document without a group counts as one';
COMMENT ON COLUMN xmcoh.versions.known_tau IS 'Kendall tau on new documents of known groups: the model had learned from other documents of their groups. held_out_tau is for new groups. NULL: too few groups have several documents, or training was not cross-fitted';
COMMENT ON COLUMN xmcoh.versions.known_documents IS 'number of approved documents on which known_tau was measured';

CREATE VIEW xmcoh.version_figures WITH (security_barrier = true) AS
    SELECT m.name AS model, v.version, e.evidence, xmcoh.report_integer(v.report, 'measured_documents') AS measured_documents,
           xmcoh.report_number(v.report, e.evidence, 'tau') AS tau, xmcoh.report_number(v.report, e.evidence, 'tau_low') AS tau_low,
           xmcoh.report_number(v.report, e.evidence, 'tau_high') AS tau_high,
           xmcoh.report_number(v.report, e.evidence, 'pair_accuracy') AS pair_accuracy,
           xmcoh.report_number(v.report, e.evidence, 'calibration_error') AS calibration_error,
           xmcoh.report_number(v.report, e.evidence, 'confident') AS confident,
           xmcoh.report_integer(v.report, 'known_groups', 'documents') AS known_documents,
           xmcoh.report_integer(v.report, 'known_groups', 'groups') AS known_groups,
           xmcoh.report_number(v.report, 'known_groups', e.evidence, 'tau') AS known_tau,
           xmcoh.report_number(v.report, 'known_groups', e.evidence, 'tau_low') AS known_tau_low,
           xmcoh.report_number(v.report, 'known_groups', e.evidence, 'tau_high') AS known_tau_high,
           xmcoh.report_number(v.report, 'known_groups', e.evidence, 'pair_accuracy') AS known_pair_accuracy,
           xmcoh.report_number(v.report, 'known_groups', e.evidence, 'calibration_error') AS known_calibration_error,
           xmcoh.report_number(v.report, 'known_groups', e.evidence, 'confident') AS known_confident
    FROM xmcoh.model_version AS v JOIN xmcoh.visible_model AS m USING (model_id) JOIN xmcoh.model AS r USING (model_id),
         LATERAL (VALUES ('text', r.words OR r.text_dim > 0), ('image', r.image_dim > 0), ('fused', true)) AS e (evidence, is_read)
    WHERE e.is_read AND jsonb_typeof(v.report -> e.evidence) = 'object';
COMMENT ON VIEW xmcoh.version_figures IS 'Figures of each version on approved documents not learned from, before rounds, one row per evidence: Kendall tau with 95% interval, share of pairs in the right order, calibration error, share of pairs with p or 1 - p >= option precision. known_...: new documents of known groups';
COMMENT ON COLUMN xmcoh.version_figures.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.version_figures.version IS 'number of the version';
COMMENT ON COLUMN xmcoh.version_figures.evidence IS 'text, image or fused';
COMMENT ON COLUMN xmcoh.version_figures.measured_documents IS 'number of approved documents on which the figures were measured, each by a model that did not learn from it';
COMMENT ON COLUMN xmcoh.version_figures.tau IS 'mean Kendall tau of the recovered orders';
COMMENT ON COLUMN xmcoh.version_figures.tau_low IS 'lower end of its 95% interval';
COMMENT ON COLUMN xmcoh.version_figures.tau_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.version_figures.pair_accuracy IS 'share of pairs in the right order';
COMMENT ON COLUMN xmcoh.version_figures.calibration_error IS 'expected calibration error of the probabilities';
COMMENT ON COLUMN xmcoh.version_figures.confident IS 'share of pairs with p or 1 - p >= option precision';
COMMENT ON COLUMN xmcoh.version_figures.known_documents IS 'number of documents on which the figures known_... were measured';
COMMENT ON COLUMN xmcoh.version_figures.known_groups IS 'number of their groups';
COMMENT ON COLUMN xmcoh.version_figures.known_tau IS 'tau on new documents of known groups';
COMMENT ON COLUMN xmcoh.version_figures.known_tau_low IS 'lower end of its 95% interval';
COMMENT ON COLUMN xmcoh.version_figures.known_tau_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.version_figures.known_pair_accuracy IS 'pair_accuracy on new documents of known groups';
COMMENT ON COLUMN xmcoh.version_figures.known_calibration_error IS 'calibration_error on new documents of known groups';
COMMENT ON COLUMN xmcoh.version_figures.known_confident IS 'confident on new documents of known groups';

-- A rollback skips deployments of the version that is deployed now, and of versions that do not exist any more.
CREATE VIEW xmcoh.previous_deployment WITH (security_barrier = true) AS
    SELECT DISTINCT ON (m.model_id) m.model_id, d.deployment_id, d.version
    FROM xmcoh.visible_model AS m JOIN xmcoh.deployment AS d USING (model_id) JOIN xmcoh.model_version AS v USING (model_id, version)
    WHERE d.rolled_back_at IS NULL AND d.version <> m.deployed_version
    ORDER BY m.model_id, d.deployment_id DESC;
COMMENT ON VIEW xmcoh.previous_deployment IS 'Internal: the deployment of each model that xmcoh.rollback would go back to; no row: none';

CREATE FUNCTION xmcoh_internal.store_version(model_id integer, weights bytea, job_id integer, report jsonb) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    new_version integer;
BEGIN
    PERFORM xmcoh.inspect_weights(weights);
    PERFORM FROM xmcoh.model AS m WHERE m.model_id = store_version.model_id FOR NO KEY UPDATE;    -- one new version of a model at a time
    -- No number is used twice, even after versions were pruned, because deployments and jobs refer to versions by number.
    INSERT INTO xmcoh.model_version AS v (model_id, version, sha256, weights, job_id, report)
        SELECT model_id, 1 + greatest(0, (SELECT max(x.version) FROM xmcoh.model_version AS x WHERE x.model_id = store_version.model_id),
                                      (SELECT max(x.version) FROM xmcoh.deployment AS x WHERE x.model_id = store_version.model_id),
                                      (SELECT max(x.version) FROM xmcoh.job_record AS x WHERE x.model_id = store_version.model_id)),
               encode(sha256(weights), 'hex'), weights, job_id, report
        RETURNING v.version INTO new_version;
    RETURN new_version;
END $$;
COMMENT ON FUNCTION xmcoh_internal.store_version(integer, bytea, integer, jsonb) IS 'Internal: checks weights in full and stores them as the next version of a model';

-- The functions that deploy notify, not a trigger: restoring a dump inserts rows into xmcoh.deployment, too, and deploys nothing.
--
-- NOTIFY fails at commit when the server's queue of notifications is full, and any role can fill it. No job or deployment must fail for that
-- reason, so none notifies when the queue is half full.

CREATE FUNCTION xmcoh_internal.may_notify() RETURNS boolean
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    RETURN pg_notification_queue_usage() < 0.5;
COMMENT ON FUNCTION xmcoh_internal.may_notify() IS 'Internal: whether the queue of notifications has room; if not, no notification is sent';

CREATE FUNCTION xmcoh_internal.notify_deployment(model text, version integer, previous integer, rollback boolean) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT pg_notify('xmcoh', json_build_object('event', 'deployment', 'model', left(model, 200), 'version', version,
                                                    'previous', previous, 'rollback', rollback)::text)
        WHERE xmcoh_internal.may_notify();
    END;
COMMENT ON FUNCTION xmcoh_internal.notify_deployment(text, integer, integer, boolean) IS
    'Internal: NOTIFY on channel xmcoh, such as {"event": "deployment", "model": "manuals", "version": 4, "previous": 3, "rollback": false}; previous is null for a first deployment. Names are cut off after 200 characters. Every role can listen and notify: take an event as a hint to look';

-- A node reports what it has applied and flushed. After a restart of a node or its connection its slot is inactive for some seconds.
CREATE FUNCTION xmcoh_internal.wait_for_nodes() RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written pg_lsn := pg_current_wal_lsn();
    connected_at timestamptz := clock_timestamp();
    behind name[];
    gone name[];
BEGIN
    LOOP
        SELECT array_agg(s.slot_name ORDER BY s.slot_name), array_agg(s.slot_name ORDER BY s.slot_name) FILTER (WHERE NOT s.active)
            INTO behind, gone FROM pg_replication_slots AS s
            WHERE s.database = current_database() AND s.plugin = 'pgoutput' AND s.slot_name ~ '^xmcoh_.*_[0-9a-f]{8}$'
              AND (s.confirmed_flush_lsn < written OR s.wal_status = 'lost');
        EXIT WHEN behind IS NULL;
        IF gone IS NULL THEN
            connected_at := clock_timestamp();
        ELSIF clock_timestamp() > connected_at + interval '10 s' THEN
            RAISE object_not_in_prerequisite_state USING
                MESSAGE = 'a node that has copies of the models is not connected',
                DETAIL = format('Replication slots: %s.', array_to_string(gone, ', ')),
                HINT = '`xmcoh cluster status` shows the nodes. Without wait, the node gets the version when the node connects.';
        END IF;
        PERFORM pg_sleep(0.02);
    END LOOP;
END $$;
COMMENT ON FUNCTION xmcoh_internal.wait_for_nodes() IS 'Internal: waits until all nodes of `xmcoh cluster` have what was committed before the call. Error: object_not_in_prerequisite_state (a node has not been connected for 10 s)';

CREATE FUNCTION xmcoh_internal.deploy(caller oid, model text, version integer, wait boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer;
    m xmcoh.model;
BEGIN
    IF wait THEN    -- before the lock: a training of the model can store its version meanwhile
        PERFORM xmcoh_internal.model_id(caller, deploy.model, 'train');
        PERFORM xmcoh_internal.refuse_elsewhere('deploy a version');
        PERFORM xmcoh_internal.wait_for_nodes();
    END IF;
    id := xmcoh_internal.lock_model(caller, deploy.model, 'train', 'deploy a version');
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id;
    PERFORM FROM xmcoh.model_version AS v WHERE v.model_id = m.model_id AND v.version = deploy.version;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" has no version %s', deploy.model, deploy.version),
            HINT = 'xmcoh.versions lists the versions of each model.';
    END IF;
    IF m.deployed_version = deploy.version THEN
        RAISE NOTICE 'version % of model "%" is already deployed', deploy.version, deploy.model;
        RETURN;
    END IF;
    UPDATE xmcoh.model AS x SET deployed_version = deploy.version WHERE x.model_id = m.model_id;
    INSERT INTO xmcoh.deployment (model_id, version, deployed_by) VALUES (m.model_id, deploy.version, pg_get_userbyid(caller));
    PERFORM xmcoh_internal.notify_deployment(m.name, deploy.version, m.deployed_version, false);
END $$;
COMMENT ON FUNCTION xmcoh_internal.deploy(oid, text, integer, boolean) IS 'Internal: xmcoh.deploy';
CREATE FUNCTION xmcoh.deploy(model text, version integer, wait boolean DEFAULT false) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.deploy(text, integer, boolean) IS 'Deploys a version at commit; sessions then score by it; channel xmcoh gets {"event": "deployment", ...}. wait: waits, up to statement_timeout, until all nodes of `xmcoh cluster` have it. Needs level train. Errors: undefined_object, insufficient_privilege, object_not_in_prerequisite_state';

CREATE FUNCTION xmcoh_internal.rollback(caller oid, model text) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.lock_model(caller, rollback.model, 'train', 'roll back a deployment');
    m xmcoh.model;
    earlier record;
BEGIN
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id;
    SELECT d.* INTO earlier FROM xmcoh.previous_deployment AS d WHERE d.model_id = m.model_id;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('model "%s" has no earlier deployment to go back to', rollback.model),
            DETAIL = 'Versions that were pruned cannot be deployed again.',
            HINT = 'xmcoh.versions lists the versions that xmcoh.deploy can deploy.';
    END IF;
    UPDATE xmcoh.deployment AS d SET rolled_back_at = now()
        WHERE d.model_id = m.model_id AND d.rolled_back_at IS NULL AND d.deployment_id > earlier.deployment_id;
    UPDATE xmcoh.model AS x SET deployed_version = earlier.version WHERE x.model_id = m.model_id;
    PERFORM xmcoh_internal.notify_deployment(m.name, earlier.version, m.deployed_version, true);
    RETURN earlier.version;
END $$;
COMMENT ON FUNCTION xmcoh_internal.rollback(oid, text) IS 'Internal: xmcoh.rollback';
CREATE FUNCTION xmcoh.rollback(model text) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.rollback(text) IS 'Undoes the last deployment of a model and gives the version that is deployed again; listeners on channel xmcoh get an event as for xmcoh.deploy. Needs level train. Errors: undefined_object, insufficient_privilege, object_not_in_prerequisite_state';

CREATE FUNCTION xmcoh_internal.prune_versions(caller oid, model text, keep integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.model_id(caller, prune_versions.model, 'own');
    pruned integer;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('prune versions');
    IF keep IS NULL OR keep < 1 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('keep is %s, but must be 1 or more', coalesce(keep::text, 'NULL'));
    END IF;
    -- A job whose worker has ended unnoticed keeps no version.
    PERFORM xmcoh_internal.reconcile_job(j.job_id) FROM xmcoh.job_record AS j
        WHERE j.model_id = id AND xmcoh_internal.is_active(j.state);
    -- The row is updated, not only locked: a deployment under an older snapshot, which still sees the deleted versions, then fails.
    UPDATE xmcoh.model AS m SET deployed_version = m.deployed_version WHERE m.model_id = id;
    DELETE FROM xmcoh.model_version AS v
        WHERE v.model_id = id
          AND v.version < (SELECT min(n.version) FROM (SELECT x.version FROM xmcoh.model_version AS x WHERE x.model_id = id
                                                       ORDER BY x.version DESC LIMIT prune_versions.keep) AS n)
          AND NOT EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = id AND m.deployed_version = v.version)
          AND NOT EXISTS (SELECT FROM xmcoh.previous_deployment AS d WHERE d.model_id = id AND d.version = v.version)
          AND NOT EXISTS (SELECT FROM xmcoh.job_record AS j WHERE j.model_id = id AND j.champion = v.version
                              AND xmcoh_internal.is_active(j.state));
    GET DIAGNOSTICS pruned = ROW_COUNT;
    DELETE FROM xmcoh.learning_curve_record AS c USING xmcoh.job_record AS j
        WHERE j.job_id = c.job_id AND j.model_id = id AND NOT xmcoh_internal.is_active(j.state)
          AND j.job_id NOT IN (SELECT x.job_id FROM xmcoh.job_record AS x WHERE x.model_id = id AND x.kind = 'study'
                                   AND EXISTS (SELECT FROM xmcoh.learning_curve_record AS y WHERE y.job_id = x.job_id AND y.measured > 0)
                               ORDER BY x.job_id DESC LIMIT prune_versions.keep);
    PERFORM xmcoh.sweep_cache();
    RETURN pruned;
END $$;
COMMENT ON FUNCTION xmcoh_internal.prune_versions(oid, text, integer) IS 'Internal: xmcoh.prune_versions';
CREATE FUNCTION xmcoh.prune_versions(model text, keep integer DEFAULT 5) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.prune_versions(text, integer) IS
    'Deletes old versions of a model and gives their number. Kept: the newest `keep`, the deployed one, that of xmcoh.rollback, one that a job compares with; of learning curves the newest `keep`. Needs level own. Errors: undefined_object, insufficient_privilege, invalid_parameter_value (keep below 1)';

CREATE FUNCTION xmcoh_internal.check_keep(caller oid, model_id integer, keep integer) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF check_keep.keep < 1 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('keep is %s, but must be 1 or more', check_keep.keep);
    ELSIF check_keep.keep IS NOT NULL THEN
        PERFORM xmcoh_internal.model_id(caller, m.name, 'own') FROM xmcoh.model AS m WHERE m.model_id = check_keep.model_id;
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.check_keep(oid, integer, integer) IS 'Internal: an error unless a schedule of this role may prune versions; keep NULL: it does not';

CREATE FUNCTION xmcoh_internal.prune_after_job(job_id integer, role oid) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j record;
BEGIN
    SELECT m.name, r.keep, xmcoh_internal.may(m.owner, m.model_id, 'own', role) AS may_prune INTO j
        FROM xmcoh.job_record AS r JOIN xmcoh.model AS m USING (model_id)
        WHERE r.job_id = prune_after_job.job_id AND r.keep IS NOT NULL AND r.kind = 'training' AND r.state = 'succeeded';
    IF NOT FOUND THEN
        RETURN;
    ELSIF j.may_prune THEN
        PERFORM xmcoh_internal.prune_versions(role, j.name, j.keep);
    ELSE
        UPDATE xmcoh.job_record AS r SET message = r.message || '; no version was pruned, because the role of the schedule has not level own'
            WHERE r.job_id = prune_after_job.job_id;
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.prune_after_job(integer, oid) IS 'Internal: prunes versions as the schedule of a successful training asks for';

CREATE FUNCTION xmcoh.export_model(model text, version integer DEFAULT NULL) RETURNS bytea
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh.model_id(export_model.model);
    wanted integer := version;
    blob bytea;
BEGIN
    IF wanted IS NULL THEN
        SELECT m.deployed_version INTO wanted FROM xmcoh.model AS m WHERE m.model_id = id;
        IF wanted IS NULL THEN
            RAISE object_not_in_prerequisite_state USING
                MESSAGE = format('model "%s" has no deployed version', export_model.model),
                HINT = 'Train the model with xmcoh.train, or deploy a version with xmcoh.deploy.';
        END IF;
    END IF;
    SELECT v.weights INTO blob FROM xmcoh.model_version AS v
        WHERE v.model_id = id AND v.version = wanted;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" has no version %s', export_model.model, wanted),
            HINT = 'xmcoh.versions lists the versions of each model.';
    END IF;
    RETURN blob;
END $$;
COMMENT ON FUNCTION xmcoh.export_model(text, integer) IS 'A version (NULL: the deployed one) as a safetensors file. Needs level score. Errors: undefined_object, insufficient_privilege, object_not_in_prerequisite_state (no deployed version)';

CREATE FUNCTION xmcoh_internal.name_of_encoder(caller oid, sha256 text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_name text;
BEGIN
    IF name_of_encoder.sha256 IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT e.name INTO found_name FROM xmcoh.encoder AS e
        WHERE e.sha256 = name_of_encoder.sha256 AND xmcoh_internal.may_encoder(e.owner, e.encoder_id, 'use', caller)
        ORDER BY e.encoder_id LIMIT 1;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = format('these weights need the encoder with SHA-256 %s', name_of_encoder.sha256),
            DETAIL = 'No such encoder that the current role may use is in this database.',
            HINT = 'Import the encoder with xmcoh.import_encoder or "xmcoh encoder load", or have its owner call xmcoh.grant_encoder.';
    END IF;
    RETURN found_name;
END $$;
COMMENT ON FUNCTION xmcoh_internal.name_of_encoder(oid, text) IS 'Internal: name of an encoder with this SHA-256 that the caller may use; NULL for NULL. Error: undefined_object';

CREATE FUNCTION xmcoh_internal.import_model(caller oid, model text, weights bytea) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    description jsonb := xmcoh.inspect_weights(weights);
    image_dim integer := (description ->> 'image_dim')::integer;
    text_dim integer := (description ->> 'text_dim')::integer;
    words boolean := (description ->> 'words')::boolean;
    m xmcoh.model;
    id integer;
    encoder text;               -- SHA-256 of the model's encoder
    image_encoder text;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('import a model');
    IF NOT xmcoh.model_exists(import_model.model) THEN
        PERFORM xmcoh_internal.create_model(caller, import_model.model, image_dim, text_dim, words, description -> 'options',
                                            xmcoh_internal.name_of_encoder(caller, description ->> 'encoder'),
                                            xmcoh_internal.name_of_encoder(caller, description ->> 'image_encoder'));
    END IF;
    id := xmcoh_internal.lock_model(caller, import_model.model, 'own', 'import a model');
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id;
    IF (image_dim, text_dim, words) IS DISTINCT FROM (m.image_dim, m.text_dim, m.words) THEN
        RAISE data_exception USING MESSAGE = format('these weights read other inputs than model "%s"', import_model.model),
            DETAIL = format('Weights: image_dim %s, text_dim %s, words %s. Model: image_dim %s, text_dim %s, words %s.',
                            image_dim, text_dim, words, m.image_dim, m.text_dim, m.words),
            HINT = 'Import the weights under a new name.';
    END IF;
    SELECT x.sha256, y.sha256 INTO encoder, image_encoder
        FROM (SELECT) AS one LEFT JOIN xmcoh.encoder AS x ON x.encoder_id = m.encoder_id
             LEFT JOIN xmcoh.encoder AS y ON y.encoder_id = m.image_encoder_id;
    IF (encoder, image_encoder) IS DISTINCT FROM (description ->> 'encoder', description ->> 'image_encoder') THEN
        RAISE data_exception USING MESSAGE = format('these weights were trained with other encoders than model "%s" has', import_model.model),
            DETAIL = format('SHA-256 of the weights'' encoders: %s for texts, %s for images. Of the model''s: %s and %s.',
                            coalesce(description ->> 'encoder', 'none'), coalesce(description ->> 'image_encoder', 'none'),
                            coalesce(encoder, 'none'), coalesce(image_encoder, 'none')),
            HINT = 'Import the weights under a new name.';
    END IF;
    RETURN xmcoh_internal.store_version(m.model_id, weights, NULL, '{}');
END $$;
COMMENT ON FUNCTION xmcoh_internal.import_model(oid, text, bytea) IS 'Internal: xmcoh.import_model';
CREATE FUNCTION xmcoh.import_model(model text, weights bytea) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.import_model(text, bytea) IS
    'Stores a safetensors file of xmcoh.export_model as the next version of a model, which is created if missing; gives the version, not deployed. Needs level own and the encoders of the weights. Errors: data_corrupted, data_exception (other inputs or encoders), undefined_object, insufficient_privilege';
