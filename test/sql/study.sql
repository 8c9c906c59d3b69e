-- Studies of learning curves as SQL shows them. (Interruptions: test/tap/015_study.pl; the mathematics: test/unit/test_learning_curve.c.)
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
CREATE PROCEDURE study(model text, sizes integer[] DEFAULT NULL, samples integer DEFAULT 3, options jsonb DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE
    started integer := xmcoh.study_learning_curve(model, sizes, samples, options);
    ended text;
BEGIN
    COMMIT;
    CALL xmcoh.wait_for_job(started, '180 s', ended);
    RAISE INFO '%: %', ended, (SELECT message FROM xmcoh.job WHERE job_id = started);
END $$;
-- Of each size: cells, what was taught at least and at most, and whether all approved documents were taught or measured.
CREATE VIEW cells AS
    SELECT size, count(*) AS cells, min(taught) AS taught_least, max(taught) AS taught_most, bool_and(taught + measured = approved) AS all_others,
           bool_and(tau BETWEEN -1 AND 1 AND acc BETWEEN 0 AND 1 AND pmr BETWEEN 0 AND 1) AS figures, count(coverage) AS coverages
      FROM xmcoh.learning_curve_record WHERE job_id = (SELECT max(job_id) FROM xmcoh.learning_curve_record) GROUP BY size ORDER BY size;
-- of each row: whether each figure lies in its interval
CREATE VIEW curve AS
    SELECT model, size, samples, extrapolated, tau_low <= tau AND tau <= tau_high AS tau, acc_low <= acc AND acc <= acc_high AS acc,
           pmr_low <= pmr AND pmr <= pmr_high AS pmr, coverage_low <= coverage AND coverage <= coverage_high AS coverage FROM xmcoh.learning_curve ORDER BY 1, 2;

-- Each document has a few words that show where a step stands, out of many; so it matters how many documents teach.
CREATE TABLE step AS
    SELECT m AS manual, s AS step, 'w' || s * 100 + (m * 7 + s) % 20 || ' v' || (m * 31 + s * 17) % 50 AS instruction, m / 4 AS line, m <= 100 AS ok
      FROM generate_series(1, 120) AS m, generate_series(1, 4) AS s;
SELECT xmcoh.create_model('manuals', options => '{"hash_bits": 10}') > 0 AS created;

-- refused at once
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.study_learning_curve('nothing')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.study_learning_curve('manuals')$$);
SELECT xmcoh.attach_source('manuals', 'step', 'manual', 'step', text => 'instruction', "position" => 'step', approved => 'ok');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.study_learning_curve('manuals', samples => 0)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.study_learning_curve('manuals', samples => NULL)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.study_learning_curve('manuals', '{}')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.study_learning_curve('manuals', '{20,11}')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.study_learning_curve('manuals', '{20,NULL}')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.study_learning_curve('manuals', ARRAY(SELECT generate_series(12, 32)))$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.study_learning_curve('manuals', options => '{"sizes": 3}')$$);
SELECT state FROM pg_temp.fails($$SET TRANSACTION READ ONLY; SELECT xmcoh.study_learning_curve('manuals')$$);
SELECT count(*) AS jobs FROM xmcoh.job;

-- refused when the documents are read: sizes that leave nothing to measure on, too few documents
CALL study('manuals', '{20,97}');
UPDATE step SET ok = manual <= 15;
CALL study('manuals');
SELECT count(*) AS cells FROM xmcoh.learning_curve_record;
SELECT * FROM curve;
UPDATE step SET ok = manual <= 100;

-- the default sizes, and the row for twice as many approved documents
CALL study('manuals');
SELECT * FROM cells;
SELECT * FROM curve;
SELECT kind, state, phase, done = total AS done, version FROM xmcoh.job WHERE job_id = (SELECT max(job_id) FROM xmcoh.job);
SELECT kind, state, version FROM xmcoh.job_history ORDER BY job_id DESC LIMIT 1;
SELECT count(*) AS versions FROM xmcoh.model_version;
-- more documents teach more: the last size is better than the first one
SELECT (max(tau) FILTER (WHERE size = 80)) > max(tau) FILTER (WHERE size = 20) AS grows FROM xmcoh.learning_curve;
-- again: the same to the bit
CREATE TABLE first AS SELECT size, sample, sums FROM xmcoh.learning_curve_record;
CALL study('manuals');
SELECT count(*) AS cells, bool_and(c.sums = f.sums) AS same FROM first AS f JOIN xmcoh.learning_curve_record AS c USING (size, sample)
  WHERE c.job_id = (SELECT max(job_id) FROM xmcoh.job);
-- another seed draws other documents
CALL study('manuals', '{20,20}', 1, '{"seed": 7}');
SELECT bool_or(c.sums = f.sums) AS same FROM first AS f JOIN xmcoh.learning_curve_record AS c USING (size, sample)
  WHERE c.job_id = (SELECT max(job_id) FROM xmcoh.job);
-- one size is no curve, and the newest study is shown
SELECT * FROM curve;

-- groups: whole ones teach
SELECT xmcoh.detach_source('manuals', 'step');
SELECT xmcoh.attach_source('manuals', 'step', 'manual', 'step', text => 'instruction', "position" => 'step', approved => 'ok', "group" => 'line');
CALL study('manuals', '{14,30,50}', 2);
SELECT * FROM cells;
-- of one group there is nothing to measure on
UPDATE step SET line = 1;
CALL study('manuals', '{14}', 1);
SELECT size, sample, taught, measured, tau, coverage FROM xmcoh.learning_curve_record WHERE job_id = (SELECT max(job_id) FROM xmcoh.job);
SELECT * FROM curve;

-- a wrong row has no effect on others
INSERT INTO xmcoh.learning_curve_record (job_id, size, sample, approved, taught, measured, sums, fingerprint)
    SELECT max(job_id), -5, 1, 0, 0, 5, array_fill('NaN'::float8, '{320}'), 0 FROM xmcoh.learning_curve;
SELECT * FROM curve;
SELECT state FROM pg_temp.fails($$UPDATE xmcoh.learning_curve_record SET sums = '{1,2}'$$);

-- pruning keeps the newest curves; dropping the model takes them all
SELECT count(DISTINCT job_id) AS studies FROM xmcoh.learning_curve_record;
SELECT xmcoh.prune_versions('manuals', 2);
SELECT count(DISTINCT job_id) AS studies, min(job_id) = (SELECT max(job_id) - 2 FROM xmcoh.job) AS newest FROM xmcoh.learning_curve_record;
SELECT xmcoh.drop_model('manuals');
SELECT count(*) AS rows FROM xmcoh.learning_curve_record;
DROP VIEW curve, cells;
DROP TABLE step, first;
DROP PROCEDURE study;
DROP EXTENSION xmcoh;
