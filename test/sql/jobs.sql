-- Jobs as SQL shows them: states, waiting, cancelling, approved pairs. (Crashes and restarts: test/tap/001_jobs.pl.)
CREATE EXTENSION xmcoh;
CREATE FUNCTION pg_temp.fails(statement text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
CREATE PROCEDURE try(model text) LANGUAGE plpgsql AS $$
DECLARE
    started integer := xmcoh.train(model);
    ended text;
BEGIN
    COMMIT;
    CALL xmcoh.wait_for_job(started, '180 s', ended);
    RAISE INFO '% %', ended, (SELECT concat_ws('; ', regexp_replace(j.message, 'on \d+ documents, \d+ of', 'on N documents, N of'), 'documents ' || (v.report ->> 'documents'),
            'labelled pairs ' || (v.report ->> 'labelled_pairs'), 'ignored pairs ' || (v.report ->> 'ignored_pairs'))
        FROM xmcoh.job_record AS j LEFT JOIN xmcoh.model_version AS v USING (job_id) WHERE j.job_id = started);
END $$;

SELECT xmcoh.create_model('manuals', options =>
    '{"d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0, "epochs": 2, "held_out": 0.01}') > 0 AS created;
CREATE TABLE step AS
    SELECT m AS manual, s AS step, (ARRAY['unpack', 'mount', 'test'])[s] AS instruction, m <= 7 AS ok
      FROM generate_series(1, 20) AS m, generate_series(1, 3) AS s;

-- train refuses these calls at once
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('nothing')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('manuals')$$);
SELECT xmcoh.attach_source('manuals', 'step', 'manual', 'step', text => 'instruction', "position" => 'step', approved => 'ok');
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train('manuals', '{"epoch": 1}')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train('manuals', '7')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('manuals', on_success => 'shout')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('manuals', '{"rounds": 1}', rounds => 2)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('manuals', '{"rounds": 2, "precision": 0.90}', rounds => 2, "precision" => 0.8)$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train('manuals', '{"precision": 0.90}', "precision" => 0.9, rounds => -1)$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train('manuals', "precision" => 'NaN')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('manuals', unlabelled => '{step,pg_class}')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train('manuals', unlabelled => '{NULL}')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train(NULL)$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train('manuals', NULL, rounds => 1)$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train('manuals', on_success => NULL)$$);
SELECT state FROM pg_temp.fails($$SET TRANSACTION READ ONLY; SELECT xmcoh.train('manuals')$$);
SELECT count(*) AS jobs FROM xmcoh.job;

-- too few approved documents
DO $$
DECLARE
    started integer := xmcoh.train('manuals');
    ended text;
BEGIN
    CALL xmcoh.wait_for_job(started, '180 s', ended);
    RAISE INFO '%', ended;
    RAISE INFO '%', (SELECT message FROM xmcoh.job WHERE job_id = started);
END $$;
CREATE PROCEDURE why(model text) LANGUAGE plpgsql AS $$
DECLARE
    started integer := xmcoh.train(model);
    ended text;
BEGIN
    CALL xmcoh.wait_for_job(started, '180 s', ended);
    RAISE INFO '%: %', ended, (SELECT message FROM xmcoh.job WHERE job_id = started);
END $$;
-- too few because the keys of the pairs match no document
CREATE TABLE misnamed AS SELECT 'manual ' || m AS manual, s AS first, s + 1 AS second FROM generate_series(1, 20) AS m, generate_series(1, 2) AS s;
SELECT xmcoh.attach_pairs('manuals', 'misnamed', 'manual', 'first', 'second');
CALL why('manuals');
UPDATE step SET ok = false;
CALL why('manuals');
UPDATE step SET ok = manual <= 11;
CALL why('manuals');
SELECT xmcoh.detach_pairs('manuals', 'misnamed');
-- enough approved documents, but too few remain for training after the held-out ones
UPDATE step SET ok = manual <= 12;
SELECT xmcoh.alter_model('manuals', '{"held_out": 0.9}');
CALL why('manuals');
SELECT xmcoh.alter_model('manuals', '{"held_out": 0.01}');

-- enough approved documents, but by chance too few held out: the threshold is raised, and stored in the report
UPDATE step SET ok = manual <= 12;
CALL try('manuals');
SELECT report ->> 'held_out_documents' AS held_out, (report ->> 'held_out_threshold')::float8 > 0.01 AS raised FROM xmcoh.model_version;
UPDATE step SET ok = true;
CALL try('manuals');

-- approved pairs count for documents without an approved order, and take precedence over an approved order
UPDATE step SET ok = false WHERE manual = 20;
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '20', '1', '3' FROM xmcoh.model;
CALL try('manuals');
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '1', '3', '1' FROM xmcoh.model;
CREATE TABLE pair (manual int, first int, second int);
INSERT INTO pair VALUES (20, 1, 3), (20, 1, 2), (20, 2, 99), (77, 1, 2), (20, NULL, 2);
SELECT xmcoh.attach_pairs('manuals', 'pair', 'manual', 'first', 'second');
CALL try('manuals');

-- contradictions between pairs, across both places where pairs are stored
INSERT INTO pair VALUES (20, 3, 2), (20, 2, 1), (5, 1, 1);
CALL try('manuals');
INSERT INTO pair SELECT m, s, s % 3 + 1 FROM generate_series(100, 120) AS m, generate_series(1, 3) AS s;
DO $$
DECLARE
    started integer := xmcoh.train('manuals');
    ended text;
BEGIN
    CALL xmcoh.wait_for_job(started, '180 s', ended);
    RAISE INFO '%', ended;
    RAISE INFO 'cycles listed: %', (SELECT count(*) FROM xmcoh.job, regexp_matches(message, 'Document "', 'g') WHERE job_id = started);
END $$;
DELETE FROM pair WHERE manual <> 20 OR (first, second) IN ((3, 2), (2, 1));
CALL try('manuals');

-- waiting
-- a procedure, so that no snapshot is held while it waits: SELECT is refused with a hint
SELECT * FROM pg_temp.fails($$SELECT xmcoh.wait_for_job(xmcoh.train('manuals'))$$);
SELECT * FROM pg_temp.fails($$CALL xmcoh.wait_for_job(-1)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.cancel_job(-1)$$);
CALL xmcoh.wait_for_job(NULL);
BEGIN;
SELECT xmcoh.train('manuals') AS job \gset
SELECT state, regexp_replace(message, '\d+', 'N') AS message, hint FROM pg_temp.fails(format('CALL xmcoh.wait_for_job(%s)', :job));
SELECT state, regexp_replace(message, '\d+', 'N') AS message, regexp_replace(hint, '\d+', 'N', 'g') AS hint
  FROM pg_temp.fails($$SELECT xmcoh.train('manuals')$$);
ROLLBACK;

-- Rows that dead workers leave. No process has pid 0.
SET TIME ZONE 'UTC';
SELECT xmcoh.create_model('old') > 0 AS created;
INSERT INTO xmcoh.job_record (job_id, model_id, state, created_at, started_at, worker_pid, worker_started_at, phase, done, total) OVERRIDING SYSTEM VALUE
    SELECT 1001, model_id, 'running', '2020-01-01', '2020-01-01', 0, '2020-01-01', 'training text', 5, 10 FROM xmcoh.model WHERE name = 'old';
SELECT state, message FROM xmcoh.job WHERE job_id = 1001;
SELECT state, time_left FROM xmcoh.training_progress WHERE job_id = 1001;
SELECT state FROM xmcoh.job_record WHERE job_id = 1001;
CALL xmcoh.wait_for_job(1001);
SELECT state, message, finished_at IS NOT NULL AS finished FROM xmcoh.job_record WHERE job_id = 1001;
SELECT xmcoh.cancel_job(1001);
UPDATE xmcoh.job_record SET state = 'cancelling' WHERE job_id = 1001;
SELECT xmcoh.cancel_job(1001);
SELECT state, message FROM xmcoh.job_record WHERE job_id = 1001;
UPDATE xmcoh.job_record SET state = 'queued', worker_pid = NULL, queue_id = 'another' WHERE job_id = 1001;
SELECT state, message FROM xmcoh.job WHERE job_id = 1001;
UPDATE xmcoh.job_record SET queue_id = DEFAULT, asked_at = now() - interval '70 s' WHERE job_id = 1001;
SELECT state, message FROM xmcoh.job WHERE job_id = 1001;
UPDATE xmcoh.job_record SET asked_at = now() WHERE job_id = 1001;
SELECT state FROM xmcoh.job WHERE job_id = 1001;
CALL xmcoh.wait_for_job(1001, '0 s');
SELECT xmcoh.cancel_job(1001);
SELECT state, message FROM xmcoh.job WHERE job_id = 1001;
SELECT xmcoh.worker_is_alive(0, now()), xmcoh.worker_is_alive(pg_backend_pid(), '2020-01-01'),
       xmcoh.worker_is_alive(pid, backend_start) FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- A pid in a job's row that is not a worker of xmcoh is never signalled, not even that of the own session.
UPDATE xmcoh.job_record SET state = 'running', worker_pid = pid, worker_started_at = backend_start
  FROM pg_stat_activity WHERE pid = pg_backend_pid() AND job_id = 1001;
SELECT xmcoh.cancel_job(1001);
SELECT state FROM xmcoh.job WHERE job_id = 1001;

-- kinds: besides one training or study a model has one snapshot at a time; neither waits for the other
SELECT xmcoh.create_model('kinds', image_dim => 2) IS NOT NULL AS created;
INSERT INTO xmcoh.job_record (model_id, kind) SELECT xmcoh.model_id('kinds'), k FROM unnest('{study,snapshot}'::text[]) AS k;
\set VERBOSITY sqlstate
INSERT INTO xmcoh.job_record (model_id, kind) VALUES (xmcoh.model_id('kinds'), 'holiday');
SELECT xmcoh_internal.submit_job(current_user::regrole, xmcoh.model_id('kinds'), k, '{}') FROM unnest('{training,study}'::text[]) AS k;
SELECT xmcoh_internal.submit_job(current_user::regrole, xmcoh.model_id('kinds'), 'snapshot', '{}');
\set VERBOSITY default
SELECT j.kind, j.state, p.kind, o.last_job, a.kind AS active FROM xmcoh.job AS j JOIN xmcoh.training_progress AS p USING (job_id)
  JOIN xmcoh.model_overview AS o ON o.model = j.model JOIN xmcoh.job AS a ON a.job_id = o.active_job WHERE j.model = 'kinds' ORDER BY 1;
SELECT count(xmcoh.cancel_job(job_id)) AS cancelled FROM xmcoh.job WHERE model = 'kinds';
SELECT kind, state FROM xmcoh.job_history WHERE model = 'kinds' ORDER BY 1;
SELECT xmcoh.drop_model('kinds');

-- the progress is kept
SELECT j.state, j.phase, j.done = j.total AS done, j.train_loss > 0 AS loss, p.elapsed > '0' AS elapsed, p.time_left
  FROM xmcoh.job AS j JOIN xmcoh.training_progress AS p USING (job_id) WHERE j.version = 1;
-- one row for each epoch; of a linear term one, for the penalty that cross-validation chose
SELECT t.phase, t.modality, min(t.epoch) >= 1 AS first, count(*) = CASE t.modality WHEN 'fused' THEN max(t.epoch) ELSE 1 END AS all
  FROM xmcoh.training_metric AS t JOIN xmcoh.job USING (job_id) WHERE version = 1 AND metric = 'train_loss' GROUP BY 1, 2 ORDER BY 1;

DROP PROCEDURE try;
DROP TABLE step, pair;
DROP EXTENSION xmcoh;
