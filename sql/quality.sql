-- quality.sql - snapshots of the quality of documents: taken by call, by a job or by a schedule, and shown over time

CREATE FUNCTION xmcoh_internal.measure_quality(caller oid, model text, by text) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'xmcoh_measure_quality' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.measure_quality(oid, text, text) IS 'Internal: checks all documents of a model as this role: the version, and figures of the whole and of each group. Errors: those of xmcoh.check_documents, program_limit_exceeded (more than 1000 groups)';

CREATE FUNCTION xmcoh_internal.drift(a bigint[], b bigint[]) RETURNS double precision
    AS 'MODULE_PATHNAME', 'xmcoh_drift' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.drift(bigint[], bigint[]) IS 'Internal: Kolmogorov-Smirnov statistic of two histograms over the same bins; NULL: one is empty, or they have other bins';
CREATE FUNCTION xmcoh_internal.drift_by_chance(a bigint[], b bigint[]) RETURNS double precision
    AS 'MODULE_PATHNAME', 'xmcoh_drift_by_chance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.drift_by_chance(bigint[], bigint[]) IS 'Internal: the statistic above which one in a hundred pairs of samples of one population lies; NULL: one is empty';

CREATE FUNCTION xmcoh_internal.check_snapshot(caller oid, model text, by text, keep integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('take a snapshot');
    id := xmcoh_internal.model_id(caller, check_snapshot.model, 'train');
    IF check_snapshot.keep IS NULL OR check_snapshot.keep < 2 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('keep is %s, but must be 2 or more', coalesce(check_snapshot.keep::text, 'NULL'));
    ELSIF check_snapshot.by = '' OR octet_length(check_snapshot.by) > 63 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'by must be the name of a column';
    END IF;
    PERFORM FROM xmcoh.source_record AS s WHERE s.model_id = id;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('model "%s" has no source of documents', check_snapshot.model),
            HINT = 'Attach one with xmcoh.attach_source.';
    END IF;
    PERFORM xmcoh_internal.pin_sources(id);
    RETURN id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.check_snapshot(oid, text, text, integer) IS 'Internal: the number of the model; an error unless the caller may take a snapshot with these arguments';

CREATE FUNCTION xmcoh_internal.deployed_since(model_id integer, version integer) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN coalesce((SELECT max(d.deployed_at) FROM xmcoh.deployment AS d WHERE d.model_id = deployed_since.model_id
                         AND d.version = deployed_since.version AND d.rolled_back_at IS NULL), '-infinity');
COMMENT ON FUNCTION xmcoh_internal.deployed_since(integer, integer) IS 'Internal: when a version was deployed, the last time that was not rolled back';

-- The first snapshot of each version that still exists stays: later ones are compared with it.
CREATE FUNCTION xmcoh_internal.prune_snapshots(model_id integer, by text, keep integer) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        DELETE FROM xmcoh.quality_snapshot_record AS s
            WHERE s.model_id = prune_snapshots.model_id AND s.by IS NOT DISTINCT FROM prune_snapshots.by
              AND s.taken_at < (SELECT min(k.taken_at) FROM (SELECT DISTINCT x.taken_at FROM xmcoh.quality_snapshot_record AS x
                    WHERE x.model_id = prune_snapshots.model_id AND x.by IS NOT DISTINCT FROM prune_snapshots.by
                    ORDER BY x.taken_at DESC LIMIT keep) AS k)
              AND NOT (EXISTS (SELECT FROM xmcoh.model_version AS v WHERE v.model_id = s.model_id AND v.version = s.version)
                       AND NOT EXISTS (SELECT FROM xmcoh.quality_snapshot_record AS e
                            WHERE e.model_id = s.model_id AND e.version = s.version AND e.by IS NOT DISTINCT FROM s.by
                              AND e."group" IS NOT DISTINCT FROM s."group" AND e.snapshot_id < s.snapshot_id));
    END;
COMMENT ON FUNCTION xmcoh_internal.prune_snapshots(integer, text, integer) IS 'Internal: deletes snapshots by one column (NULL: of the whole) but the newest `keep` and the first of each version';

CREATE FUNCTION xmcoh_internal.store_snapshot(caller oid, model_id integer, by text, keep integer, measured jsonb) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    measured_version integer := (measured ->> 'version')::integer;
    taken timestamptz := clock_timestamp();
BEGIN
    PERFORM FROM xmcoh.model AS m WHERE m.model_id = store_snapshot.model_id FOR KEY SHARE;     -- the model is not dropped
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model %s does not exist', store_snapshot.model_id);
    END IF;
    INSERT INTO xmcoh.quality_snapshot_record (model_id, version, taken_at, taken_by, by, "group", documents, items, coherence, gain,
            suspect, unsure, stale, violations_open, confident, coherence_drift, drift_by_chance, unknown_words, decisions, agreement,
            agreement_low, agreement_high, promised, coherences)
        SELECT store_snapshot.model_id, measured_version, taken, pg_get_userbyid(caller), g.by, g."group", g.documents, g.items, g.coherence,
               g.gain, g.suspect, g.unsure, g.stale, g.violations_open, g.confident,
               xmcoh_internal.drift(first.coherences, g.coherences), xmcoh_internal.drift_by_chance(first.coherences, g.coherences),
               g.unknown_words, g.decisions, g.agreement, g.agreement_low, g.agreement_high, g.promised, g.coherences
        FROM (SELECT CASE WHEN r."group" IS NOT NULL THEN store_snapshot.by END AS by, r.*
              FROM jsonb_to_recordset(measured -> 'groups') AS r ("group" text, documents integer, items bigint, coherence float8,
                gain float8, suspect float8, unsure float8, stale float8, violations_open integer, confident float8,
                unknown_words float8, decisions bigint, agreement float8, agreement_low float8, agreement_high float8, promised float8,
                coherences bigint[])) AS g
            LEFT JOIN LATERAL (SELECT s.coherences FROM xmcoh.quality_snapshot_record AS s
                WHERE s.model_id = store_snapshot.model_id AND s.version = measured_version
                  AND s.by IS NOT DISTINCT FROM g.by AND s."group" IS NOT DISTINCT FROM g."group"
                ORDER BY s.snapshot_id LIMIT 1) AS first ON true
        ORDER BY g."group" COLLATE "C" NULLS FIRST;
    PERFORM xmcoh_internal.prune_snapshots(store_snapshot.model_id, NULL, store_snapshot.keep);
    IF store_snapshot.by IS NOT NULL THEN
        PERFORM xmcoh_internal.prune_snapshots(store_snapshot.model_id, store_snapshot.by, store_snapshot.keep);
    END IF;
    PERFORM xmcoh_internal.refresh_alerts(store_snapshot.model_id);
    RETURN taken;
END $$;
COMMENT ON FUNCTION xmcoh_internal.store_snapshot(oid, integer, text, integer, jsonb) IS 'Internal: stores what xmcoh_internal.measure_quality gave, compares with the first snapshot of the version, prunes, and opens and closes alerts; gives the time of the snapshot';

CREATE VIEW xmcoh.quality_snapshot WITH (security_barrier = true) AS
    SELECT m.name AS model, s.version, s.taken_at, s.by, s."group", s.documents, s.items, s.coherence, s.gain, s.suspect, s.unsure,
           s.violations_open, s.confident, s.coherence_drift, s.unknown_words, s.decisions, s.agreement, s.agreement_low,
           s.agreement_high, s.stale, s.promised, s.drift_by_chance, s.taken_by, s.snapshot_id
    FROM xmcoh.quality_snapshot_record AS s JOIN xmcoh.visible_model AS m USING (model_id) JOIN xmcoh.model AS x USING (model_id)
    WHERE s."group" IS NULL OR xmcoh_internal.may(x.owner, x.model_id, 'review');
COMMENT ON VIEW xmcoh.quality_snapshot IS 'Quality of the documents of each model at points in time (xmcoh.snapshot_quality): a row for the whole, with "group" NULL, and a row for each group if the snapshot was taken by a column (shown on level review). doc/method.md defines the figures';
COMMENT ON COLUMN xmcoh.quality_snapshot.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.quality_snapshot.version IS 'version that was deployed and scored the documents';
COMMENT ON COLUMN xmcoh.quality_snapshot.taken_at IS 'when the snapshot was taken; the same in all its rows';
COMMENT ON COLUMN xmcoh.quality_snapshot.by IS 'column of the sources that names the group; NULL: the row is of the whole';
COMMENT ON COLUMN xmcoh.quality_snapshot."group" IS 'group of documents; NULL: the whole, which also holds documents without a group';
COMMENT ON COLUMN xmcoh.quality_snapshot.documents IS 'number of documents that were read';
COMMENT ON COLUMN xmcoh.quality_snapshot.items IS 'number of their items';
COMMENT ON COLUMN xmcoh.quality_snapshot.coherence IS 'mean over documents of the coherence of the stored order, the expected Kendall tau; NULL: no document has a stored order';
COMMENT ON COLUMN xmcoh.quality_snapshot.gain IS 'mean over documents of what the best order would gain in coherence';
COMMENT ON COLUMN xmcoh.quality_snapshot.suspect IS 'share of documents with a stored order that are suspect at precision 0.95 (xmcoh.check_documents)';
COMMENT ON COLUMN xmcoh.quality_snapshot.unsure IS 'share of documents with a stored order whose verdict is unsure';
COMMENT ON COLUMN xmcoh.quality_snapshot.violations_open IS 'documents that a guard has found in a wrong order, neither accepted nor resolved (xmcoh.violation)';
COMMENT ON COLUMN xmcoh.quality_snapshot.confident IS 'share of pairs whose order the model is sure of at precision 0.95, or that people decided';
COMMENT ON COLUMN xmcoh.quality_snapshot.coherence_drift IS 'Kolmogorov-Smirnov distance of the documents'' coherences from those in the first snapshot of this version, 0 to 1; NULL: this is the first one';
COMMENT ON COLUMN xmcoh.quality_snapshot.unknown_words IS 'estimated share of words that neither a labelled pair nor a text of the training had; NULL: the model does not tell';
COMMENT ON COLUMN xmcoh.quality_snapshot.decisions IS 'decisions of people since this version was deployed';
COMMENT ON COLUMN xmcoh.quality_snapshot.agreement IS 'share of pairs decided under this version whose order the model had right. People choose what they look at, often doubtful pairs, so this is no estimate for all pairs; compare with promised. NULL: none was decided';
COMMENT ON COLUMN xmcoh.quality_snapshot.agreement_low IS 'lower end of the 95% interval of agreement over documents; NULL: answers about one document only';
COMMENT ON COLUMN xmcoh.quality_snapshot.agreement_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.quality_snapshot.stale IS 'share of documents that have changed since people decided about them';
COMMENT ON COLUMN xmcoh.quality_snapshot.promised IS 'mean probability that the model gave its own answers about the pairs of agreement; a calibrated model agrees as often';
COMMENT ON COLUMN xmcoh.quality_snapshot.drift_by_chance IS 'coherence_drift that one in a hundred pairs of samples of one population exceeds';
COMMENT ON COLUMN xmcoh.quality_snapshot.taken_by IS 'role as which the documents were read';
COMMENT ON COLUMN xmcoh.quality_snapshot.snapshot_id IS 'number of the row, in the order of time';

CREATE FUNCTION xmcoh_internal.snapshot_quality(caller oid, model text, by text, keep integer) RETURNS SETOF xmcoh.quality_snapshot
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    id integer := xmcoh_internal.check_snapshot(caller, snapshot_quality.model, snapshot_quality.by, snapshot_quality.keep);
    taken timestamptz;
BEGIN
    taken := xmcoh_internal.store_snapshot(caller, id, snapshot_quality.by, snapshot_quality.keep,
                                           xmcoh_internal.measure_quality(caller, snapshot_quality.model, snapshot_quality.by));
    RETURN QUERY SELECT s.* FROM xmcoh.quality_snapshot AS s
        WHERE s.model = snapshot_quality.model AND s.taken_at = taken ORDER BY s.snapshot_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.snapshot_quality(oid, text, text, integer) IS 'Internal: xmcoh.snapshot_quality';
CREATE FUNCTION xmcoh.snapshot_quality(model text, by text DEFAULT NULL, keep integer DEFAULT 400) RETURNS SETOF xmcoh.quality_snapshot
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10;
COMMENT ON FUNCTION xmcoh.snapshot_quality(text, text, integer) IS
    'Checks all documents of a model and stores figures in xmcoh.quality_snapshot: of all and, by a column of the sources, of each group. Keeps the newest `keep` snapshots and the first of each version. Needs level train. Errors: as check_documents, invalid_parameter_value, program_limit_exceeded';

CREATE FUNCTION xmcoh_internal.queue_snapshot(caller oid, model text, by text, keep integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.check_snapshot(caller, queue_snapshot.model, queue_snapshot.by, queue_snapshot.keep);
BEGIN
    PERFORM FROM xmcoh.model AS m WHERE m.model_id = id AND m.deployed_version IS NOT NULL;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('model "%s" has no deployed version', queue_snapshot.model),
            HINT = 'Train the model with xmcoh.train, or deploy a version with xmcoh.deploy.';
    END IF;
    RETURN xmcoh_internal.submit_job(caller, id, 'snapshot', jsonb_build_object('by', queue_snapshot.by, 'keep', queue_snapshot.keep));
END $$;
COMMENT ON FUNCTION xmcoh_internal.queue_snapshot(oid, text, text, integer) IS 'Internal: xmcoh.queue_snapshot';
CREATE FUNCTION xmcoh.queue_snapshot(model text, by text DEFAULT NULL, keep integer DEFAULT 400) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.queue_snapshot(text, text, integer) IS
    'Takes a snapshot (xmcoh.snapshot_quality) in the background after commit, as the current role; gives the job. Needs level train. Errors: undefined_object, insufficient_privilege, object_not_in_prerequisite_state (no source, no deployed version), object_in_use (a snapshot is being taken)';
