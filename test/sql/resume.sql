-- Resuming as SQL shows it: errors, records, and training that starts anew. (Interruptions: test/tap/005_resume.pl.)
CREATE EXTENSION xmcoh;
CREATE FUNCTION pg_temp.fails(statement text) RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
CREATE ROLE regress_xmcoh_team;
CREATE ROLE regress_xmcoh_ann IN ROLE regress_xmcoh_team;
CREATE ROLE regress_xmcoh_bea IN ROLE regress_xmcoh_team;
SELECT xmcoh.grant_usage(r::regrole) FROM unnest('{regress_xmcoh_team,regress_xmcoh_ann,regress_xmcoh_bea}'::text[]) AS r;

SHOW xmcoh.checkpoint_interval;
-- PostgreSQL 17 words the message otherwise.
\set VERBOSITY sqlstate
SET xmcoh.checkpoint_interval = -1;
\set VERBOSITY default
SET xmcoh.checkpoint_interval = '1min';
SHOW xmcoh.checkpoint_interval;

SELECT xmcoh.create_model('manuals', options => '{"d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "epochs": 2}') > 0 AS created;
CREATE TABLE step AS
    SELECT m AS manual, s AS step, (ARRAY['unpack', 'mount', 'test'])[s] AS instruction FROM generate_series(1, 40) AS m, generate_series(1, 3) AS s;
SELECT xmcoh.attach_source('manuals', 'step', 'manual', 'step', text => 'instruction', "position" => 'step', approved => 'all');
CREATE PROCEDURE wait(id integer) LANGUAGE plpgsql AS $$
DECLARE
    ended text;
BEGIN
    CALL xmcoh.wait_for_job(id, '180 s', ended);
    RAISE INFO '%', ended;
    RAISE INFO '%', (SELECT concat_ws('; ', regexp_replace(message, '\d+ documents, \d+', 'N documents, N'), 'attempts ' || attempts,
            'checkpoint ' || (SELECT count(*) FROM xmcoh.job_checkpoint AS c WHERE c.job_id = id)) FROM xmcoh.job WHERE job_id = id);
END $$;

-- Rows that interrupted workers leave. No process has pid 0.
CREATE PROCEDURE job(id integer, state text, checkpoint bytea) LANGUAGE sql AS $$
    INSERT INTO xmcoh.job_record (job_id, model_id, state, started_at, worker_pid, worker_started_at) OVERRIDING SYSTEM VALUE
        SELECT id, model_id, state, now(), 0, '2020-01-01' FROM xmcoh.model WHERE name = 'manuals';
    INSERT INTO xmcoh.job_checkpoint (job_id, chunk, data) SELECT id, 0, checkpoint WHERE checkpoint IS NOT NULL;
$$;

-- calls that are refused
SELECT * FROM pg_temp.fails('SELECT xmcoh.resume_job(-1)');
CALL job(1001, 'interrupted', 'x');
SELECT * FROM pg_temp.fails('SET TRANSACTION READ ONLY; SELECT xmcoh.resume_job(1001)');
UPDATE xmcoh.job_record SET state = 'running', worker_pid = pid, worker_started_at = backend_start
  FROM pg_stat_activity WHERE pid = pg_backend_pid() AND job_id = 1001;
SELECT * FROM pg_temp.fails('SELECT xmcoh.resume_job(1001)');
CALL job(1002, 'interrupted', NULL);
SELECT * FROM pg_temp.fails('SELECT xmcoh.resume_job(1002)');
UPDATE xmcoh.job_record SET state = 'interrupted' WHERE job_id = 1001;
SELECT job_id, chunk FROM xmcoh.job_checkpoint;

-- ending a job for good deletes its checkpoint
UPDATE xmcoh.job_record SET state = 'cancelled' WHERE job_id = 1001;
SELECT count(*) AS checkpoints FROM xmcoh.job_checkpoint;
SELECT * FROM pg_temp.fails('SELECT xmcoh.resume_job(1001)');
INSERT INTO xmcoh.job_checkpoint (job_id, chunk, data) VALUES (1001, 0, 'x');
UPDATE xmcoh.job_record SET state = 'succeeded' WHERE job_id = 1001;
SELECT message FROM pg_temp.fails('SELECT xmcoh.resume_job(1001)');
INSERT INTO xmcoh.job_checkpoint (job_id, chunk, data) VALUES (1001, 0, 'x');
UPDATE xmcoh.job_record SET state = 'rejected' WHERE job_id = 1001;
INSERT INTO xmcoh.job_checkpoint (job_id, chunk, data) VALUES (1001, 0, 'x');
UPDATE xmcoh.job_record SET state = 'failed' WHERE job_id = 1001;
SELECT count(*) AS checkpoints FROM xmcoh.job_checkpoint;

-- a dead worker's job is reconciled first; ROLLBACK restores the row
UPDATE xmcoh.job_record SET state = 'running' WHERE job_id = 1002;
BEGIN;
SELECT xmcoh.resume_job(1002);
SELECT state, message, worker_pid, resumed_at IS NOT NULL AS resumed FROM xmcoh.job WHERE job_id = 1002;
SELECT message, hint FROM pg_temp.fails('SELECT xmcoh.resume_job(1002)');
ROLLBACK;
SELECT state, message FROM xmcoh.job WHERE job_id = 1002;

-- only the submitter may resume: the job runs with the submitter's privileges
SET ROLE regress_xmcoh_team;
SELECT xmcoh.create_model('team') > 0 AS created;
SET ROLE regress_xmcoh_ann;
RESET ROLE;
INSERT INTO xmcoh.job_record (model_id, state, submitted_by)
    SELECT model_id, 'interrupted', 'role regress_xmcoh_ann' FROM xmcoh.model WHERE name = 'team';
SET ROLE regress_xmcoh_bea;
SELECT state, regexp_replace(message, '\d+', 'N') AS message, detail FROM pg_temp.fails('SELECT xmcoh.resume_job(max(job_id)) FROM xmcoh.job_record');
SELECT state, message FROM pg_temp.fails('SELECT xmcoh.resume_job(1002)');
SELECT * FROM pg_temp.fails($$UPDATE xmcoh.job_record SET login_role = 'role regress_xmcoh_team'$$);
SELECT * FROM pg_temp.fails($$UPDATE xmcoh.job_record SET settings = '{}'$$);
SET ROLE regress_xmcoh_ann;
BEGIN;
SELECT xmcoh.resume_job(max(job_id)) FROM xmcoh.job_record;
ROLLBACK;
RESET ROLE;

-- without a valid checkpoint, training starts anew, and the job's message says so
SELECT xmcoh.resume_job(1002);
CALL wait(1002);
CALL job(1003, 'interrupted', 'This has been a checkpoint once, before somebody wrote this text into it.');
SELECT xmcoh.resume_job(1003);
CALL wait(1003);
SELECT count(DISTINCT sha256) AS results FROM xmcoh.model_version;

-- the settings of the submitting session that a job records
SET xmcoh.checkpoint_interval = 7;
DO $$
DECLARE
    started integer := xmcoh.train('manuals', on_success => 'keep');
BEGIN
    COMMIT;
    CALL wait(started);
    RAISE INFO '%', (SELECT format('%s, slices %s, login role is the session''s: %s', settings, slices, xmcoh_internal.object_oid(login_role) = quote_ident(session_user)::regrole)
        FROM xmcoh.job_record WHERE job_id = started);
END $$;
SELECT count(DISTINCT sha256) AS results FROM xmcoh.model_version;

DROP EXTENSION xmcoh;
DROP TABLE step;
DROP PROCEDURE wait, job;
DROP OWNED BY regress_xmcoh_team, regress_xmcoh_ann, regress_xmcoh_bea;
DROP ROLE regress_xmcoh_team, regress_xmcoh_ann, regress_xmcoh_bea;
