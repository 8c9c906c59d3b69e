-- Schedules as SQL shows them: due times, in time zones of the server, and what is refused without
-- shared_preload_libraries. (The jobs: test/tap/020_launcher.pl. The whole syntax: test/unit/test_cron.c.)
CREATE EXTENSION xmcoh;
SET TIME ZONE 'UTC';
CREATE FUNCTION pg_temp.fails(statement text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
-- the next n runs
CREATE FUNCTION pg_temp.runs(cron text, after timestamptz, zone text, n integer) RETURNS timestamptz[] LANGUAGE plpgsql AS $$
DECLARE
    run timestamptz := after;
    runs timestamptz[];
BEGIN
    FOR k IN 1 .. n LOOP
        run := xmcoh.next_run(cron, run, zone);
        runs := runs || run;
    END LOOP;
    RETURN runs;
END $$;

-- in a time zone
SELECT xmcoh.next_run('0 3 * * *', '2024-05-01 12:00', 'UTC'), xmcoh.next_run('0 3 * * *', '2024-05-01 12:00', 'Asia/Tokyo'),
       xmcoh.next_run('0 3 * * *', '2024-05-01 12:00', 'america/new_york');
SELECT xmcoh.next_run('@monthly', '2024-05-01', 'UTC'), xmcoh.next_run('0 0 $ * *', '2024-02-01', 'UTC'),
       xmcoh.next_run('*/15 8-17 * * mon-fri', '2024-05-03 17:45', 'UTC'), xmcoh.next_run('10 seconds', '2024-05-01 00:00:00.5', 'UTC');
SELECT xmcoh.next_run('* * * * *', '2024-05-01 00:00:59.999999', 'UTC'), xmcoh.next_run('* * * * *', '1999-12-31 23:58:59.5', 'UTC');
SELECT xmcoh.next_run('0 3 * * *') > now() AS later, xmcoh.next_run('0 3 * * *') < now() + interval '1 day 1 second' AS soon;
SET TIME ZONE 'Asia/Tokyo';
SELECT xmcoh.next_run('0 3 * * *', '2024-05-01 12:00');
SET TIME ZONE 'UTC';

-- Summer time. In Berlin 02:00 to 03:00 is skipped on 31 March 2024 and shown twice on 27 October; in Beirut and Havana
-- it happens at midnight.
SELECT pg_temp.runs('30 2 * * *', '2024-03-30', 'Europe/Berlin', 3) AS skipped, pg_temp.runs('30 2 * * *', '2024-10-26', 'Europe/Berlin', 3) AS repeated;
SELECT pg_temp.runs('30 * * * *', '2024-03-31', 'Europe/Berlin', 3) AS skipped, pg_temp.runs('30 * * * *', '2024-10-27', 'Europe/Berlin', 3) AS repeated;
SELECT pg_temp.runs('@daily', '2024-03-30', 'Asia/Beirut', 3) AS skipped, pg_temp.runs('@daily', '2024-11-02', 'America/Havana', 3) AS repeated;
SELECT pg_temp.runs('30 2 * * *', '2024-03-09 12:00', 'America/New_York', 2) AS skipped, pg_temp.runs('15 2 * * *', '2024-10-05', 'Australia/Lord_Howe', 2) AS half_an_hour;
SELECT xmcoh.next_run('0 12 30 12 *', '2011-12-29', 'Pacific/Apia') AS no_such_day;
-- Dates in the far future, where the zone's last rules apply; a zone given by its rule.
SELECT pg_temp.runs('30 2 * * *', '2099-03-28', 'Europe/Berlin', 2) AS later, pg_temp.runs('30 2 * * *', '2024-03-30', 'CET-1CEST,M3.5.0,M10.5.0/3', 2) AS rule;

-- a whole year, hour by hour: the number of runs is the number of days or hours
SELECT zone, count(*) FILTER (WHERE kind = 'daily') AS daily, count(*) FILTER (WHERE kind = 'hourly') AS hourly
  FROM (VALUES ('UTC'), ('Europe/Berlin'), ('America/New_York'), ('Australia/Lord_Howe')) AS z (zone),
       LATERAL (WITH RECURSIVE run (kind, cron, at) AS (
            SELECT kind, cron, xmcoh.next_run(cron, '2023-12-31 23:59:59'::timestamp AT TIME ZONE zone, zone)
              FROM (VALUES ('daily', '30 2 * * *'), ('hourly', '0 * * * *')) AS k (kind, cron)
            UNION ALL SELECT kind, cron, xmcoh.next_run(cron, at, zone) FROM run WHERE at < '2024-12-31 23:00'::timestamp AT TIME ZONE zone)
        SELECT kind FROM run WHERE at < '2025-01-01'::timestamp AT TIME ZONE zone) AS runs
 GROUP BY zone ORDER BY zone;

-- schedules that are refused
SELECT * FROM pg_temp.fails($$SELECT xmcoh.next_run('0 25 * * *')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.next_run('0 0 30 2 *')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.next_run('@reboot')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.next_run('')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.next_run('0 3 * * *', now(), 'Europe/Atlantis')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.next_run('0 3 * * *', 'infinity')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.next_run('0 3 1 1 *', '294276-12-31 23:59')$$);
SELECT xmcoh.next_run(NULL, now(), 'UTC'), xmcoh.next_run('0 3 * * *', NULL, 'UTC');

-- Without a launcher no schedule can be created. Other errors are reported first.
SELECT xmcoh.create_model('manuals', options => '{"epochs": 2}') > 0 AS created;
CREATE TABLE step AS SELECT m AS manual, s AS step, 'do ' || s AS words FROM generate_series(1, 20) AS m, generate_series(1, 3) AS s;
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.schedule_training('nothing', '0 3 * * *')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.schedule_training(NULL, '0 3 * * *')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.schedule_training('manuals', NULL)$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.schedule_training('manuals', '0 3 * * *', options => NULL)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.schedule_training('manuals', '0 3 * * *')$$);
SELECT xmcoh.attach_source('manuals', 'step', 'manual', 'step', text => 'words', "position" => 'step', approved => 'all');
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.schedule_training('manuals', '0 3 * *')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.schedule_training('manuals', '0 3 * * *', 'Mars')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.schedule_training('manuals', '0 3 * * *', options => '{"epoch": 2}')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.schedule_training('manuals', '0 3 * * *', on_success => 'shout')$$);
SELECT xmcoh.launcher_is_loaded();
SELECT * FROM pg_temp.fails($$SELECT xmcoh.schedule_training('manuals', '0 3 * * *')$$);

-- The table exists without a launcher too (a dump may contain rows), and its view works.
INSERT INTO xmcoh.schedule (schedule_id, model_id, cron, timezone, created_at) OVERRIDING SYSTEM VALUE
    SELECT 100 + row_number() OVER (), model_id, cron, zone, '2024-01-01'
      FROM xmcoh.model, (VALUES ('0 3 * * *', 'UTC'), ('nonsense', 'UTC'), ('0 3 * * *', 'Mars'), ('7 seconds', 'UTC')) AS v (cron, zone);
SELECT schedule_id, model, cron, timezone, active, next_run = xmcoh.next_run('0 3 * * *') AS at_three, next_run IS NULL AS never,
       next_run < clock_timestamp() + interval '1 s' AS overdue, last_run, last_job, last_state, running, message
  FROM xmcoh.schedule_overview ORDER BY 1;
SELECT xmcoh.alter_schedule(101, cron => '@weekly', timezone => 'Asia/Tokyo', options => '{"epochs": 3}', on_success => 'keep', active => false);
SELECT cron, timezone, options, on_success, active FROM xmcoh.schedule WHERE schedule_id = 101;
SELECT xmcoh.alter_schedule(101, active => true);
SELECT cron, timezone, options, on_success, active FROM xmcoh.schedule WHERE schedule_id = 101;
SELECT xmcoh.alter_schedule(101, unlabelled => '{step}');
SELECT unlabelled, options FROM xmcoh.schedule_overview WHERE schedule_id = 101;
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.alter_schedule(101, unlabelled => '{pg_class}')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.alter_schedule(101, cron => '@never')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.alter_schedule(101, options => '[]')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.alter_schedule(1)$$);
-- Versions may be pruned after a training, by an owner; snapshots have other arguments than trainings.
SELECT xmcoh.alter_schedule(101, keep => 3);
SELECT kind, keep, by FROM xmcoh.schedule_overview WHERE schedule_id = 101;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.alter_schedule(101, keep => 0)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.alter_schedule(101, by => 'line')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.schedule_training('manuals', '0 3 * * *', keep => 0)$$);
INSERT INTO xmcoh.schedule (schedule_id, model_id, kind, cron, timezone, keep) OVERRIDING SYSTEM VALUE
    SELECT 200 + n, model_id, 'snapshot', '@daily', 'UTC', 400 FROM xmcoh.model, generate_series(1, 2) AS n;
SELECT xmcoh.alter_schedule(201, cron => '@weekly', by => 'manual', keep => 10);
SELECT schedule_id, kind, cron, by, keep, running FROM xmcoh.schedule_overview WHERE kind = 'snapshot' ORDER BY 1;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.alter_schedule(201, on_success => 'keep')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.alter_schedule(201, keep => 1)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.unschedule_training(201)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.schedule_snapshot('manuals', '@daily')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.schedule_snapshot('manuals', '@daily', keep => 1)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.schedule_snapshot('manuals', NULL)$$);
SELECT xmcoh.unschedule(201);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.unschedule(201)$$);
SELECT xmcoh.unschedule_training(101);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.unschedule_training(101)$$);
SELECT xmcoh.unschedule_training('manuals');
SELECT xmcoh.unschedule_training('manuals');
SELECT schedule_id FROM xmcoh.schedule;
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.unschedule_training('nothing')$$);
INSERT INTO xmcoh.schedule (model_id, cron) SELECT model_id, '@daily' FROM xmcoh.model;
SELECT xmcoh.drop_model('manuals');
SELECT count(*) AS schedules FROM xmcoh.schedule;
SELECT * FROM pg_temp.fails($$SELECT xmcoh_internal.schedule_changed()$$);

SHOW xmcoh.max_running_jobs;
SHOW xmcoh.max_running_jobs_per_role;
SHOW xmcoh.nice;
SELECT name, context, vartype, min_val, max_val, boot_val FROM pg_settings WHERE name IN ('xmcoh.max_running_jobs', 'xmcoh.nice') ORDER BY name;

DROP TABLE step;
DROP EXTENSION xmcoh;
