-- schedules.sql - trainings and snapshots on schedule

CREATE FUNCTION xmcoh.launcher_is_loaded() RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_launcher_is_loaded' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.launcher_is_loaded() IS 'Whether this server has the launcher, which runs schedules: true when shared_preload_libraries names xmcoh';

CREATE FUNCTION xmcoh.next_run(cron text, after timestamptz DEFAULT now(), timezone text DEFAULT current_setting('TimeZone'))
    RETURNS timestamptz AS 'MODULE_PATHNAME', 'xmcoh_next_run' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.next_run(text, timestamptz, text) IS
    'Next time of a cron schedule after a given time: five fields as in crontab(5) ($ is the last day of the month), @hourly, @daily, @weekly, @monthly, @yearly, or N seconds; an error if the schedule is not understood or never comes due';

CREATE FUNCTION xmcoh_internal.schedule_next_run(cron text, timezone text, since timestamptz) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'xmcoh_schedule_next_run' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION xmcoh_internal.schedule_next_run(text, text, timestamptz) IS 'Internal: when a schedule that was made or last due at a given time comes due from now on; NULL: never';

CREATE FUNCTION xmcoh_internal.schedule_changed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'xmcoh_schedule_changed' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.schedule_changed() IS 'Internal: wakes the launcher when this transaction commits';

CREATE TRIGGER schedule_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON xmcoh.schedule
    FOR EACH STATEMENT EXECUTE FUNCTION xmcoh_internal.schedule_changed();

CREATE FUNCTION xmcoh_internal.check_schedule(cron text, timezone text, statement text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    zone text := coalesce(check_schedule.timezone, current_setting('TimeZone'));
BEGIN
    IF check_schedule.cron IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'cron must not be NULL';
    END IF;
    PERFORM xmcoh.next_run(check_schedule.cron, now(), zone);
    IF NOT xmcoh.launcher_is_loaded() THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'this server has no launcher that would run a schedule',
            DETAIL = 'xmcoh is not in shared_preload_libraries.',
            HINT = format('Set shared_preload_libraries = ''xmcoh'' and restart the server; or, with pg_cron: SELECT cron.schedule(%L, %s);',
                check_schedule.cron, '$$' || check_schedule.statement || '$$');
    END IF;
    RETURN zone;
END $body$;
COMMENT ON FUNCTION xmcoh_internal.check_schedule(text, text, text) IS 'Internal: the time zone of a schedule; an error unless this server can run it. statement: what pg_cron would run instead';

CREATE FUNCTION xmcoh_internal.schedule_training(caller oid, model text, cron text, timezone text, options jsonb, on_success text,
                                                 unlabelled regclass[], keep integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    c record := xmcoh_internal.check_training(caller, schedule_training.model, schedule_training.options, schedule_training.on_success,
                                              schedule_training.unlabelled);
    new_id integer;
BEGIN
    PERFORM xmcoh_internal.check_keep(caller, c.model_id, schedule_training.keep);
    timezone := xmcoh_internal.check_schedule(schedule_training.cron, schedule_training.timezone,
                                              format('SELECT xmcoh.train(%L)', schedule_training.model));
    INSERT INTO xmcoh.schedule AS s (model_id, cron, timezone, options, on_success, unlabelled, source_definition, submitted_by, keep)
        VALUES (c.model_id, schedule_training.cron, timezone, schedule_training.options, schedule_training.on_success,
                c.sources, xmcoh_internal.source_definition(c.model_id), xmcoh_internal.role_ref(caller), schedule_training.keep)
        RETURNING s.schedule_id INTO new_id;
    RETURN new_id;
END $body$;
COMMENT ON FUNCTION xmcoh_internal.schedule_training(oid, text, text, text, jsonb, text, regclass[], integer) IS 'Internal: xmcoh.schedule_training';
CREATE FUNCTION xmcoh.schedule_training(model text, cron text, timezone text DEFAULT NULL, options jsonb DEFAULT '{}',
                                        on_success text DEFAULT 'deploy', unlabelled regclass[] DEFAULT NULL,
                                        keep integer DEFAULT NULL) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.schedule_training(text, text, text, jsonb, text, regclass[], integer) IS
    'Trains a model by a cron schedule (xmcoh.next_run) as the current role; gives the schedule''s number. timezone NULL: TimeZone. keep: then prunes versions (level own). Skipped while sources are defined otherwise. Needs level train. Errors: as xmcoh.train, object_not_in_prerequisite_state (no launcher)';

CREATE FUNCTION xmcoh_internal.schedule_snapshot(caller oid, model text, cron text, timezone text, by text, keep integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.check_snapshot(caller, schedule_snapshot.model, schedule_snapshot.by, schedule_snapshot.keep);
    zone text := xmcoh_internal.check_schedule(schedule_snapshot.cron, schedule_snapshot.timezone,
                                               format('SELECT xmcoh.snapshot_quality(%L)', schedule_snapshot.model));
    new_id integer;
BEGIN
    INSERT INTO xmcoh.schedule AS s (model_id, kind, cron, timezone, source_definition, submitted_by, by, keep)
        VALUES (id, 'snapshot', schedule_snapshot.cron, zone, xmcoh_internal.source_definition(id), xmcoh_internal.role_ref(caller),
                schedule_snapshot.by, schedule_snapshot.keep)
        RETURNING s.schedule_id INTO new_id;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.schedule_snapshot(oid, text, text, text, text, integer) IS 'Internal: xmcoh.schedule_snapshot';
CREATE FUNCTION xmcoh.schedule_snapshot(model text, cron text, timezone text DEFAULT NULL, by text DEFAULT NULL, keep integer DEFAULT 400)
    RETURNS integer AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.schedule_snapshot(text, text, text, text, integer) IS
    'Takes a snapshot (xmcoh.snapshot_quality) by a cron schedule (xmcoh.next_run), as the current role; gives the schedule''s number. timezone NULL: TimeZone. Skipped while sources are defined otherwise. Needs level train. Errors: as xmcoh.queue_snapshot, object_not_in_prerequisite_state (no launcher)';

CREATE FUNCTION xmcoh_internal.alter_schedule(caller oid, schedule_id integer, cron text, timezone text, options jsonb, on_success text,
                                              active boolean, unlabelled regclass[], by text, keep integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s xmcoh.schedule;
    model text;
    owner oid;
    sources xmcoh.object_ref[];
BEGIN
    SELECT x.* INTO s FROM xmcoh.schedule AS x JOIN xmcoh.model AS m USING (model_id)
        WHERE x.schedule_id = alter_schedule.schedule_id AND xmcoh_internal.may(m.owner, m.model_id, 'train', caller)
        FOR NO KEY UPDATE OF x;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('schedule %s does not exist', alter_schedule.schedule_id);
    END IF;
    owner := xmcoh_internal.object_oid(s.submitted_by);
    IF owner IS NULL OR NOT xmcoh_internal.may_become(caller, owner) THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied for schedule %s', s.schedule_id),
            DETAIL = format('Its jobs have the rights of role %s, which made it.', coalesce(xmcoh_internal.object_name(s.submitted_by), '?')),
            HINT = 'Remove it with xmcoh.unschedule, and make one of your own.';
    END IF;
    s.cron := coalesce(alter_schedule.cron, s.cron);
    s.timezone := coalesce(alter_schedule.timezone, s.timezone);
    s.options := coalesce(alter_schedule.options, s.options);
    s.on_success := coalesce(alter_schedule.on_success, s.on_success);
    s."by" := coalesce(alter_schedule.by, s."by");
    s.keep := coalesce(alter_schedule.keep, s.keep);
    SELECT m.name INTO model FROM xmcoh.model AS m WHERE m.model_id = s.model_id;
    IF s.kind = 'training' AND alter_schedule.by IS NOT NULL
       OR s.kind = 'snapshot' AND (alter_schedule.options, alter_schedule.on_success, alter_schedule.unlabelled) IS DISTINCT FROM (NULL, NULL, NULL) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('schedule %s is for jobs of kind %s', s.schedule_id, s.kind),
            DETAIL = 'Trainings have options, on_success and unlabelled; snapshots have by.';
    ELSIF s.kind = 'training' THEN
        sources := (xmcoh_internal.check_training(caller, model, s.options, s.on_success, alter_schedule.unlabelled)).sources;
        PERFORM xmcoh_internal.check_keep(caller, s.model_id, s.keep);
    ELSE
        PERFORM xmcoh_internal.check_snapshot(caller, model, s."by", s.keep);
    END IF;
    PERFORM xmcoh.next_run(s.cron, now(), s.timezone);
    UPDATE xmcoh.schedule AS x SET cron = s.cron, timezone = s.timezone, options = s.options, on_success = s.on_success,
        unlabelled = coalesce(sources, x.unlabelled), active = coalesce(alter_schedule.active, x.active), by = s."by", keep = s.keep,
        source_definition = xmcoh_internal.source_definition(s.model_id) WHERE x.schedule_id = s.schedule_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.alter_schedule(oid, integer, text, text, jsonb, text, boolean, regclass[], text, integer) IS 'Internal: xmcoh.alter_schedule';
CREATE FUNCTION xmcoh.alter_schedule(schedule_id integer, cron text DEFAULT NULL, timezone text DEFAULT NULL,
                                     options jsonb DEFAULT NULL, on_success text DEFAULT NULL, active boolean DEFAULT NULL,
                                     unlabelled regclass[] DEFAULT NULL, by text DEFAULT NULL, keep integer DEFAULT NULL)
    RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.alter_schedule(integer, text, text, jsonb, text, boolean, regclass[], text, integer) IS
    'Changes a schedule; active => false pauses it; NULL changes nothing. The schedule goes on as the role that made it, on the sources as defined now. For members of that role, with level train. Errors: undefined_object, insufficient_privilege, and those of xmcoh.schedule_training';

CREATE FUNCTION xmcoh_internal.unschedule(caller oid, schedule_id integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM xmcoh.schedule AS s USING xmcoh.model AS m
        WHERE s.schedule_id = unschedule.schedule_id AND m.model_id = s.model_id
          AND xmcoh_internal.may(m.owner, m.model_id, 'train', caller);
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('schedule %s does not exist', unschedule.schedule_id);
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.unschedule(oid, integer) IS 'Internal: xmcoh.unschedule';
CREATE FUNCTION xmcoh.unschedule(schedule_id integer) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.unschedule(integer) IS 'Removes a schedule of trainings or snapshots; a job that the schedule has started goes on. Needs level train. Error: undefined_object';

CREATE FUNCTION xmcoh_internal.unschedule_training(caller oid, schedule_id integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM xmcoh.schedule AS s JOIN xmcoh.model AS m USING (model_id)
        WHERE s.schedule_id = unschedule_training.schedule_id AND s.kind <> 'training'
          AND xmcoh_internal.may(m.owner, m.model_id, 'train', caller);
    IF FOUND THEN
        RAISE undefined_object USING MESSAGE = format('schedule %s is not one of trainings', unschedule_training.schedule_id),
            HINT = format('Remove it with xmcoh.unschedule(%s).', unschedule_training.schedule_id);
    END IF;
    PERFORM xmcoh_internal.unschedule(caller, unschedule_training.schedule_id);
END $$;
COMMENT ON FUNCTION xmcoh_internal.unschedule_training(oid, integer) IS 'Internal: xmcoh.unschedule_training';
CREATE FUNCTION xmcoh.unschedule_training(schedule_id integer) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.unschedule_training(integer) IS 'Removes a schedule of trainings; a job that the schedule has started goes on. Needs level train. Error: undefined_object';

CREATE FUNCTION xmcoh_internal.unschedule_training(caller oid, model text) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.model_id(caller, unschedule_training.model, 'train');
    removed integer;
BEGIN
    DELETE FROM xmcoh.schedule AS s WHERE s.model_id = id AND s.kind = 'training';
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;
COMMENT ON FUNCTION xmcoh_internal.unschedule_training(oid, text) IS 'Internal: xmcoh.unschedule_training';
CREATE FUNCTION xmcoh.unschedule_training(model text) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.unschedule_training(text) IS 'Removes all schedules of trainings of a model and gives their number. Needs level train. Errors: undefined_object, insufficient_privilege';

CREATE VIEW xmcoh.schedule_overview WITH (security_barrier = true) AS
    SELECT s.schedule_id, m.name AS model, s.kind, s.cron, s.timezone, s.active,
           CASE WHEN s.active THEN xmcoh_internal.schedule_next_run(s.cron, s.timezone, greatest(s.created_at, s.last_run_at)) END AS next_run,
           s.last_run_at AS last_run, s.last_job_id AS last_job, j.state AS last_state,
           EXISTS (SELECT FROM xmcoh.job AS r WHERE r.model = m.name AND (r.kind = 'snapshot') = (s.kind = 'snapshot')
               AND xmcoh_internal.is_active(r.state)) AS running,
           coalesce(s.message, j.message) AS message, s.options, s.on_success,
           xmcoh_internal.object_names(s.unlabelled) AS unlabelled, s.by, s.keep,
           xmcoh_internal.object_name(s.submitted_by) AS submitted_by
    FROM xmcoh.schedule AS s JOIN xmcoh.visible_model AS m USING (model_id) LEFT JOIN xmcoh.job AS j ON j.job_id = s.last_job_id;
COMMENT ON VIEW xmcoh.schedule_overview IS 'Schedules of trainings and snapshots: next run, last run, the last job and its state, whether the model has an active job that keeps the schedule from starting one, and why the last run started no job or how its job ended';
COMMENT ON COLUMN xmcoh.schedule_overview.schedule_id IS 'number of the schedule';
COMMENT ON COLUMN xmcoh.schedule_overview.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.schedule_overview.kind IS 'kind of the jobs: training or snapshot';
COMMENT ON COLUMN xmcoh.schedule_overview.cron IS 'when the schedule comes due, in cron syntax (xmcoh.next_run)';
COMMENT ON COLUMN xmcoh.schedule_overview.timezone IS 'time zone of cron';
COMMENT ON COLUMN xmcoh.schedule_overview.active IS 'false: the schedule is paused';
COMMENT ON COLUMN xmcoh.schedule_overview.next_run IS 'when the schedule comes due next; NULL: paused';
COMMENT ON COLUMN xmcoh.schedule_overview.last_run IS 'when the schedule came due last';
COMMENT ON COLUMN xmcoh.schedule_overview.last_job IS 'last job that the schedule started';
COMMENT ON COLUMN xmcoh.schedule_overview.last_state IS 'state of that job';
COMMENT ON COLUMN xmcoh.schedule_overview.running IS 'whether the model has an active job that keeps the schedule from starting one';
COMMENT ON COLUMN xmcoh.schedule_overview.message IS 'why the last run started no job, or how its job ended';
COMMENT ON COLUMN xmcoh.schedule_overview.options IS 'options of the trainings';
COMMENT ON COLUMN xmcoh.schedule_overview.on_success IS 'what happens to a trained version: deploy, challenge or keep';
COMMENT ON COLUMN xmcoh.schedule_overview.unlabelled IS 'sources whose documents without approved pairs are read; NULL: all';
COMMENT ON COLUMN xmcoh.schedule_overview.by IS 'column of the sources that snapshots are taken by; NULL: none';
COMMENT ON COLUMN xmcoh.schedule_overview.keep IS 'versions that are kept after a successful training (NULL: all), or snapshots that are kept';
COMMENT ON COLUMN xmcoh.schedule_overview.submitted_by IS 'role that made the schedule and whose rights its jobs have';
