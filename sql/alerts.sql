-- alerts.sql - what needs somebody's attention: alerts of each model, their limits, and events when one opens or closes

CREATE FUNCTION xmcoh_internal.alert_kinds(OUT alert text, OUT usual double precision, OUT below boolean, OUT description text)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        VALUES ('age', 180::float8, false, 'days since the deployed version was made'),
               ('training', 0, false, 'failed or rejected trainings since the last successful one'),
               ('snapshot', 0, false, 'failed snapshots since the last successful one'),
               ('agreement', 0, true, 'agreement of people with the model; opens when its whole interval lies below the limit'),
               ('promise', 0.05, false, 'what the probabilities promised, less the upper end of the interval of agreement'),
               ('drift', 0.2, false, 'coherence_drift; opens only beyond drift_by_chance'),
               ('stale', 0.1, false, 'share of documents that have changed since people decided about them'),
               ('suspect', 0.2, false, 'share of suspect documents'),
               ('unknown_words', 0.2, false, 'share of words that the model has never seen');
    END;
COMMENT ON FUNCTION xmcoh_internal.alert_kinds() IS 'Internal: the alerts: default limit, whether a value below the limit opens the alert, and what the value is';

CREATE FUNCTION xmcoh_internal.percent(share double precision) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN round(100 * share) || '%';
COMMENT ON FUNCTION xmcoh_internal.percent(double precision) IS 'Internal: a share in percent, for a sentence';

CREATE VIEW xmcoh.alert_limit WITH (security_barrier = true) AS
    SELECT m.name AS model, k.alert, coalesce(l.value, k.usual) AS value, k.usual AS default_value, k.description, l.set_by, l.set_at
    FROM xmcoh.visible_model AS m CROSS JOIN xmcoh_internal.alert_kinds() AS k
        LEFT JOIN xmcoh.alert_limit_record AS l ON l.model_id = m.model_id AND l.alert = k.alert;
COMMENT ON VIEW xmcoh.alert_limit IS 'Limit of each alert of each model (xmcoh.set_alert_limit). An alert opens when its value is above the limit; alert agreement when below';
COMMENT ON COLUMN xmcoh.alert_limit.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.alert_limit.alert IS 'name of the alert';
COMMENT ON COLUMN xmcoh.alert_limit.value IS 'limit in force; Infinity, or 0 for alert agreement: the alert never opens';
COMMENT ON COLUMN xmcoh.alert_limit.default_value IS 'limit where none was set';
COMMENT ON COLUMN xmcoh.alert_limit.description IS 'what the value of the alert is';
COMMENT ON COLUMN xmcoh.alert_limit.set_by IS 'role that set the limit; NULL: nobody did';
COMMENT ON COLUMN xmcoh.alert_limit.set_at IS 'when';

-- What each alert measures now. A row without a value is left out: nothing is known.
CREATE VIEW xmcoh.alert_measure WITH (security_barrier = true) AS
    SELECT m.model_id, a.alert, a.value, coalesce(l.value, k.usual) AS "limit",
           CASE WHEN k.below THEN a.upper < coalesce(l.value, k.usual)
                ELSE a.value > greatest(coalesce(l.value, k.usual), a.chance) END AS is_open,
           a.since, s.taken_at, a.sentence
    FROM xmcoh.model AS m
        LEFT JOIN LATERAL (SELECT x.version, x.created_at, extract(epoch FROM now() - x.created_at)::float8 / 86400 AS days FROM xmcoh.model_version AS x
            WHERE x.model_id = m.model_id AND x.version = m.deployed_version AND isfinite(x.created_at)) AS v ON true
        LEFT JOIN LATERAL (SELECT x.* FROM xmcoh.quality_snapshot_record AS x
            WHERE x.model_id = m.model_id AND x.by IS NULL AND x.version = m.deployed_version ORDER BY x.snapshot_id DESC LIMIT 1) AS s ON true
        LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE j.kind = 'training') AS trainings,
                                  min(j.finished_at) FILTER (WHERE j.kind = 'training') AS training_since,
                                  count(*) FILTER (WHERE j.kind = 'snapshot') AS snapshots,
                                  min(j.finished_at) FILTER (WHERE j.kind = 'snapshot') AS snapshot_since
            FROM xmcoh.job_record AS j
            WHERE j.model_id = m.model_id AND j.state IN ('failed', 'rejected')
              AND j.job_id > coalesce((SELECT max(x.job_id) FROM xmcoh.job_record AS x
                    WHERE x.model_id = m.model_id AND x.kind = j.kind AND x.state = 'succeeded'), 0)) AS f ON true
        CROSS JOIN LATERAL (VALUES
            ('age', v.days, NULL::float8, NULL::float8, v.created_at, format('Version %s was made %s days ago.', v.version, floor(v.days))),
            ('training', f.trainings, NULL, NULL, f.training_since,
                format('Failed or rejected trainings since the last successful one: %s.', f.trainings)),
            ('snapshot', f.snapshots, NULL, NULL, f.snapshot_since, format('Failed snapshots since the last successful one: %s.', f.snapshots)),
            ('agreement', s.agreement, s.agreement_high, NULL, NULL,
                format('People agree with version %s on %s of the pairs that they have decided (95%% interval %s to %s).', s.version,
                       xmcoh_internal.percent(s.agreement), xmcoh_internal.percent(s.agreement_low), xmcoh_internal.percent(s.agreement_high))),
            ('promise', s.promised - s.agreement_high, NULL, NULL, NULL,
                format('Version %s promised to be right about %s of the pairs that people have decided, and is right about at most %s.', s.version,
                       xmcoh_internal.percent(s.promised), xmcoh_internal.percent(s.agreement_high))),
            ('drift', s.coherence_drift, NULL, s.drift_by_chance, NULL,
                format('The distribution of coherence differs by %s from that in the first snapshot of version %s.',
                       xmcoh_internal.percent(s.coherence_drift), s.version)),
            ('stale', s.stale, NULL, NULL, NULL,
                format('%s of the documents have changed since people decided about them.', xmcoh_internal.percent(s.stale))),
            ('suspect', s.suspect, NULL, NULL, NULL, format('%s of the documents are suspect.', xmcoh_internal.percent(s.suspect))),
            ('unknown_words', s.unknown_words, NULL, NULL, NULL,
                format('%s of the words are unknown to version %s.', xmcoh_internal.percent(s.unknown_words), s.version)))
            AS a (alert, value, upper, chance, since, sentence)
        JOIN xmcoh_internal.alert_kinds() AS k ON k.alert = a.alert
        LEFT JOIN xmcoh.alert_limit_record AS l ON l.model_id = m.model_id AND l.alert = a.alert
    WHERE a.value IS NOT NULL;
COMMENT ON VIEW xmcoh.alert_measure IS 'Internal: the value of each alert of each model, the limit, and whether the alert is open now; read xmcoh.alert';

-- Version by version: an alert about a version begins when its limit was passed, the other ones when they were found.
CREATE VIEW xmcoh.alert WITH (security_barrier = true) AS
    SELECT m.name AS model, a.alert, CASE WHEN a.alert = 'age' THEN a.since + a."limit" * interval '1 day'
                                          ELSE coalesce(a.since, s.opened_at, a.taken_at) END AS since,
           a.value, a."limit", a.sentence
    FROM xmcoh.alert_measure AS a JOIN xmcoh.visible_model AS m USING (model_id)
        LEFT JOIN xmcoh.alert_state AS s ON s.model_id = a.model_id AND s.alert = a.alert
    WHERE a.is_open;
COMMENT ON VIEW xmcoh.alert IS 'Alerts that are open now: an old version, failed jobs, and, by the last snapshot of the deployed version, agreement of people, drift, documents that changed after decisions, suspect documents and unknown words. Limits: xmcoh.alert_limit. Channel xmcoh notifies when one opens or closes';
COMMENT ON COLUMN xmcoh.alert.model IS 'model that the alert is about';
COMMENT ON COLUMN xmcoh.alert.alert IS 'name of the alert; xmcoh.alert_limit describes the alerts';
COMMENT ON COLUMN xmcoh.alert.since IS 'when the alert opened';
COMMENT ON COLUMN xmcoh.alert.value IS 'what is measured now';
COMMENT ON COLUMN xmcoh.alert."limit" IS 'limit that the value has passed';
COMMENT ON COLUMN xmcoh.alert.sentence IS 'what is measured, as a sentence';

-- ---- events ----

CREATE FUNCTION xmcoh_internal.notify_alert(model_id integer, alert text, opened boolean) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT pg_notify('xmcoh', json_build_object('event', 'alert', 'model', left(m.name, 200), 'alert', notify_alert.alert,
                                                    'open', opened, 'value', a.value, 'limit', a."limit")::text)
        FROM xmcoh.model AS m LEFT JOIN xmcoh.alert_measure AS a ON a.model_id = m.model_id AND a.alert = notify_alert.alert
        WHERE m.model_id = notify_alert.model_id AND xmcoh_internal.may_notify();
    END;
COMMENT ON FUNCTION xmcoh_internal.notify_alert(integer, text, boolean) IS
    'Internal: NOTIFY on channel xmcoh, such as {"event": "alert", "model": "manuals", "alert": "drift", "open": true, "value": 0.31, "limit": 0.2}; value and limit are null where nothing is measured any more';

-- Whoever may have changed what an alert measures calls this: snapshots, ends of jobs, new limits, and the schedule worker, for time passes.
-- A row that somebody else has locked is passed over.
CREATE FUNCTION xmcoh_internal.refresh_alerts(model_id integer DEFAULT NULL) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    changed record;
    changes integer := 0;
BEGIN
    BEGIN
        PERFORM xmcoh_internal.refuse_elsewhere('write down alerts');
    EXCEPTION WHEN read_only_sql_transaction OR object_not_in_prerequisite_state THEN
        RETURN 0;       -- the server that writes the models tells
    END;
    FOR changed IN
        DELETE FROM xmcoh.alert_state AS s USING (
                SELECT x.model_id, x.alert FROM xmcoh.alert_state AS x
                WHERE (refresh_alerts.model_id IS NULL OR x.model_id = refresh_alerts.model_id)
                  AND NOT EXISTS (SELECT FROM xmcoh.alert_measure AS a
                      WHERE a.model_id = x.model_id AND a.alert = x.alert AND a.is_open)
                FOR UPDATE SKIP LOCKED) AS gone
            WHERE s.model_id = gone.model_id AND s.alert = gone.alert RETURNING s.model_id, s.alert
    LOOP
        PERFORM xmcoh_internal.notify_alert(changed.model_id, changed.alert, false);
        changes := changes + 1;
    END LOOP;
    FOR changed IN
        INSERT INTO xmcoh.alert_state AS s (model_id, alert)
            SELECT a.model_id, a.alert FROM xmcoh.alert_measure AS a
            WHERE (refresh_alerts.model_id IS NULL OR a.model_id = refresh_alerts.model_id) AND a.is_open
              AND NOT EXISTS (SELECT FROM xmcoh.alert_state AS x WHERE x.model_id = a.model_id AND x.alert = a.alert)
            ORDER BY a.model_id, a.alert
            ON CONFLICT DO NOTHING RETURNING s.model_id, s.alert
    LOOP
        PERFORM xmcoh_internal.notify_alert(changed.model_id, changed.alert, true);
        changes := changes + 1;
    END LOOP;
    RETURN changes;
END $$;
COMMENT ON FUNCTION xmcoh_internal.refresh_alerts(integer) IS 'Internal: notifies of the alerts of a model (NULL: of all models) that have opened or closed since the last call; gives their number. Does nothing on a standby and on a subscriber';

-- ---- limits ----

CREATE FUNCTION xmcoh_internal.set_alert_limit(caller oid, model text, alert text, value double precision) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer;
BEGIN
    id := xmcoh_internal.lock_model(caller, set_alert_limit.model, 'train', 'set the limit of an alert');
    IF NOT EXISTS (SELECT FROM xmcoh_internal.alert_kinds() AS k WHERE k.alert = set_alert_limit.alert) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('there is no alert %s', coalesce('"' || set_alert_limit.alert || '"', 'NULL')),
            HINT = format('The alerts are %s.', (SELECT string_agg(k.alert, ', ') FROM xmcoh_internal.alert_kinds() AS k));
    ELSIF set_alert_limit.value < 0 OR set_alert_limit.value = 'NaN' THEN
        RAISE invalid_parameter_value USING MESSAGE = format('the limit of an alert is %s, but must be 0 or more', set_alert_limit.value);
    END IF;
    DELETE FROM xmcoh.alert_limit_record AS l WHERE l.model_id = id AND l.alert = set_alert_limit.alert;
    INSERT INTO xmcoh.alert_limit_record (model_id, alert, value, set_by)
        SELECT id, set_alert_limit.alert, set_alert_limit.value, pg_get_userbyid(caller) WHERE set_alert_limit.value IS NOT NULL;
    PERFORM xmcoh_internal.refresh_alerts(id);
END $$;
COMMENT ON FUNCTION xmcoh_internal.set_alert_limit(oid, text, text, double precision) IS 'Internal: xmcoh.set_alert_limit';
CREATE FUNCTION xmcoh.set_alert_limit(model text, alert text, value double precision) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.set_alert_limit(text, text, double precision) IS
    'Sets the limit of an alert of a model (xmcoh.alert_limit lists them); NULL: the default; ''Infinity'', or 0 for alert agreement: the alert never opens. Needs level train. Errors: undefined_object, insufficient_privilege, invalid_parameter_value';
