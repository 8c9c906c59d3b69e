-- Snapshots of the quality of documents (by call, by a job), and alerts with their limits. (Schedules: tap/024_snapshots.pl.
-- Notifications: isolation/alerts.)
CREATE EXTENSION xmcoh;
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.fails(statement text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;

-- 80 approved guides, and 40 others with one text each that no approved guide has
CREATE TABLE step AS
    SELECT g AS guide, (p * 3 + g) % 5 AS step, p AS place, (ARRAY['open', 'fit', 'turn', 'press', 'close'])[1 + p] || ' part ' || g % 7 AS words,
           g <= 80 AS ok, (ARRAY['welding', 'painting', NULL])[1 + g % 3] AS line
      FROM generate_series(1, 120) AS g, generate_series(0, 4) AS p;
UPDATE step SET words = 'press zyzzyva' || guide WHERE NOT ok AND place = 3;

SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides')$$);
SELECT xmcoh.create_model('guides', options => '{"d_model": 8, "heads": 2, "feed_forward": 8, "bag_dim": 0, "bilinear_dim": 0,
    "epochs": 12}') IS NOT NULL AS created;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides')$$);
SELECT xmcoh.attach_source('guides', 'step', document => 'guide', item => 'step', text => 'words', "position" => 'place', approved => 'ok');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.queue_snapshot('guides')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides', keep => 1)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides', keep => NULL)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides', by => '')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.schedule_snapshot('guides', '0 5 * * *')$$);
SELECT count(*) AS snapshots FROM xmcoh.quality_snapshot;
SELECT alert FROM xmcoh.alert;
SELECT xmcoh.train('guides') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');

-- ---- the figures are those of check_documents ----

-- two steps of 6 guides have changed places
UPDATE step SET place = 3 - place WHERE place IN (0, 3) AND guide BETWEEN 101 AND 106;
CREATE TEMP VIEW expected AS
    SELECT count(*) AS documents, sum(items) AS items, avg(coherence) AS coherence, avg(gain) AS gain,
           avg((verdict = 'suspect')::int) AS suspect, avg((verdict = 'unsure')::int) AS unsure, avg((verdict = 'stale')::int) AS stale,
           sum(confident_pairs) / sum(items * (items - 1) / 2.0) AS confident
      FROM xmcoh.check_documents('guides');
CREATE FUNCTION pg_temp.near(a double precision, b double precision) RETURNS boolean LANGUAGE sql AS $$SELECT abs(a - b) < 1e-9$$;
SELECT model, version, by, "group", s.documents, s.items, s.suspect, s.violations_open, s.coherence_drift, s.decisions, s.agreement, s.promised,
       s.documents = e.documents AND s.items = e.items AS same_documents, pg_temp.near(s.coherence, e.coherence) AS same_coherence,
       pg_temp.near(s.gain, e.gain) AS same_gain, pg_temp.near(s.suspect, e.suspect) AS same_suspect, pg_temp.near(s.unsure, e.unsure) AS same_unsure,
       pg_temp.near(s.confident, e.confident) AS same_confident, taken_at > now() AS taken_now, taken_by = current_user AS mine
  FROM xmcoh.snapshot_quality('guides') AS s, expected AS e;
-- 40 of 1760 words are unknown, and known ones are few among the rows of the table
SELECT unknown_words BETWEEN 40 / 1760.0 AND 41 / 1760.0 AS unknown, (SELECT sum(cardinality(string_to_array(words, ' '))) FROM step) AS words FROM xmcoh.quality_snapshot;

-- ---- decisions and violations ----

-- Four guides are decided as they are stored, and one pair against the model. An order has no probability.
SELECT count(xmcoh.approve('guides', guide::text, a.step::text, b.step::text)) AS approved
  FROM generate_series(91, 94) AS guide, LATERAL (SELECT step FROM step AS s WHERE s.guide = guide.guide AND place = 1) AS a,
       LATERAL (SELECT step FROM step AS s WHERE s.guide = guide.guide AND place = 2) AS b;
SELECT xmcoh.approve('guides', '101', (SELECT step::text FROM step WHERE guide = 101 AND place = 0), (SELECT step::text FROM step WHERE guide = 101 AND place = 3)) > 0 AS approved;
SELECT xmcoh.approve_order('guides', '95') > 0 AS approved, xmcoh.decide('guides', '96', '1', '2', 'skip') > 0 AS skipped;
SELECT xmcoh.withdraw(xmcoh.approve('guides', '97', '1', '2')) > 0 AS withdrawn;
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) VALUES (xmcoh.model_id('guides'), 'elsewhere', '1', '2');
INSERT INTO xmcoh.violation_record (model_id, source, document, version, "precision", message, pairs, found_by, accepted_at)
    SELECT xmcoh.model_id('guides'), 'relation public.step', d, 1, 0.95, '', '[]', 'alice', a
    FROM (VALUES ('102', NULL::timestamptz), ('103', NULL), ('104', now()), ('elsewhere', NULL)) AS v (d, a);
SELECT decisions, agreement, pg_temp.near(promised, (SELECT avg(greatest(probability, 1 - probability)) FROM xmcoh.decision
           WHERE kind = 'before' AND withdrawn_by IS NULL)) AS same_promise, agreement_low BETWEEN 0.2 AND 0.5 AS low, agreement_high BETWEEN 0.9 AND 1 AS high,
       violations_open, coherence_drift > 0 AS drifted, drift_by_chance BETWEEN 0.2 AND 0.22 AS by_chance
  FROM xmcoh.snapshot_quality('guides');
-- a text of a decided guide changes: its decision is stale
UPDATE step SET words = words || ' now' WHERE guide = 91 AND place = 4;
SELECT stale * 120 AS stale FROM xmcoh.snapshot_quality('guides');

-- ---- drift: the Kolmogorov-Smirnov distance from the first snapshot of the version ----

CREATE TEMP TABLE at_first AS SELECT coherence FROM xmcoh.check_documents('guides');
UPDATE step SET place = 4 - place WHERE guide > 80;
CREATE TEMP TABLE bins AS SELECT (b - 100) / 100.0 AS edge FROM generate_series(1, 200) AS b;
SELECT pg_temp.near(s.coherence_drift, d.distance) AS same_distance, s.coherence_drift > s.drift_by_chance AS beyond_chance
  FROM xmcoh.snapshot_quality('guides') AS s, LATERAL (SELECT max(abs(n.share - o.share)) AS distance FROM bins,
       LATERAL (SELECT avg((coherence < edge)::int) AS share FROM xmcoh.check_documents('guides')) AS n,
       LATERAL (SELECT avg((coherence < edge)::int) AS share FROM (SELECT coherence FROM at_first) AS f) AS o) AS d;

-- ---- alerts ----

SELECT alert, value, default_value, description, set_by FROM xmcoh.alert_limit WHERE model = 'guides' ORDER BY alert;
SELECT model, alert, since > (SELECT max(taken_at) FROM xmcoh.quality_snapshot) AS since_the_last, value > "limit" AS above, "limit", sentence
  FROM xmcoh.alert ORDER BY alert;
SELECT alert, opened_at > (SELECT max(taken_at) FROM xmcoh.quality_snapshot) AS opened FROM xmcoh.alert_state ORDER BY alert;
SELECT xmcoh.set_alert_limit('guides', 'drift', 'infinity'), xmcoh.set_alert_limit('guides', 'suspect', 0.5), xmcoh.set_alert_limit('guides', 'stale', 0),
       xmcoh.set_alert_limit('guides', 'agreement', 1), xmcoh.set_alert_limit('guides', 'age', 0);
SELECT alert, value, set_by = current_user AS mine, set_at IS NOT NULL AS set FROM xmcoh.alert_limit WHERE value <> default_value ORDER BY alert;
SELECT alert, since <= now() AS past, "limit", regexp_replace(sentence, '\d+', 'N', 'g') AS sentence FROM xmcoh.alert ORDER BY alert;
SELECT alert FROM xmcoh.alert_state ORDER BY alert;
SELECT xmcoh.set_alert_limit('guides', alert, NULL) FROM xmcoh.alert_limit;
SELECT count(*) AS limits FROM xmcoh.alert_limit_record;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.set_alert_limit('guides', 'noise', 1)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.set_alert_limit('guides', NULL, 1)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.set_alert_limit('guides', 'age', -1)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.set_alert_limit('guides', 'age', 'NaN')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.set_alert_limit('nothing', 'age', 1)$$);
-- Of another version nothing is known: alerts by snapshots close.
SELECT xmcoh.import_model('guides', xmcoh.export_model('guides')) AS version \gset
SELECT xmcoh.deploy('guides', :version);
SELECT alert FROM xmcoh.alert;
SELECT coherence_drift, agreement, decisions, coherence < 0.5 AS low FROM xmcoh.snapshot_quality('guides');
SELECT alert FROM xmcoh.alert;
SELECT alert FROM xmcoh.alert_state ORDER BY alert;

-- failed jobs in a row; a success ends the row
INSERT INTO xmcoh.job_record (model_id, state, kind, finished_at)
    SELECT xmcoh.model_id('guides'), s, k, '2026-01-01' FROM (VALUES ('rejected', 'training'), ('cancelled', 'training'), ('failed', 'training'), ('failed', 'snapshot')) AS v (s, k);
SELECT alert, since = '2026-01-01' AS since, value, "limit", sentence FROM xmcoh.alert WHERE alert IN ('training', 'snapshot') ORDER BY alert;
INSERT INTO xmcoh.job_record (model_id, state, kind) SELECT xmcoh.model_id('guides'), 'succeeded', 'training';
BEGIN;		-- the worker waits for the commit
SELECT xmcoh.queue_snapshot('guides') AS job \gset
SELECT kind, state, options FROM xmcoh.job WHERE job_id = :job;
COMMIT;
CALL xmcoh.wait_for_job(:job, '60s');
SELECT kind, message, phase FROM xmcoh.job WHERE job_id = :job;
SELECT alert FROM xmcoh.alert WHERE alert IN ('training', 'snapshot');

-- ---- growth ----

SELECT version, count(*) FROM xmcoh.quality_snapshot GROUP BY 1 ORDER BY 1;
SELECT min(snapshot_id) AS first FROM xmcoh.quality_snapshot WHERE version = 1 \gset
SELECT count(*) AS rows FROM xmcoh.snapshot_quality('guides', keep => 2);
SELECT version, count(*), min(snapshot_id) = :first AS has_first FROM xmcoh.quality_snapshot GROUP BY 1 ORDER BY 1;
-- the version is gone, so nothing is compared with its first snapshot
DELETE FROM xmcoh.model_version WHERE version = 1;
SELECT count(*) AS rows FROM xmcoh.snapshot_quality('guides', keep => 2);
SELECT version, count(*) FROM xmcoh.quality_snapshot GROUP BY 1 ORDER BY 1;

-- ---- by a column ----

-- Documents whose column is NULL count in the whole alone. The figures of a group are those of its documents.
SELECT by, "group", documents, items, suspect, decisions, violations_open, coherence_drift IS NULL AS first FROM xmcoh.snapshot_quality('guides', by => 'line');
UPDATE step SET place = 4 - place WHERE guide > 100 AND line = 'painting';
SELECT q.by, q."group", q.documents, q.coherence_drift > 0 AS drifted, pg_temp.near(q.coherence, c.coherence) AS same_coherence, pg_temp.near(q.suspect, c.suspect) AS same_suspect
  FROM xmcoh.snapshot_quality('guides', by => 'line') AS q
  LEFT JOIN (SELECT "group", avg(coherence) AS coherence, avg((verdict = 'suspect')::int) AS suspect FROM xmcoh.check_documents('guides', by => 'line')
              GROUP BY 1) AS c ON c."group" = q."group" ORDER BY q.snapshot_id;
SELECT xmcoh.queue_snapshot('guides', by => 'line', keep => 2) AS job \gset
CALL xmcoh.wait_for_job(:job, '60s');
SELECT message FROM xmcoh.job WHERE job_id = :job;
SELECT by, "group", count(*) FROM xmcoh.quality_snapshot GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides', by => 'process')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides', by => 'place')$$);

-- ---- whose documents ----

CREATE ROLE watcher;
CREATE ROLE looker;
SELECT xmcoh.grant_usage('watcher'), xmcoh.grant_usage('looker'), xmcoh.grant_model('guides', 'watcher', 'train'), xmcoh.grant_model('guides', 'looker', 'review');
GRANT SELECT ON step TO watcher;
ALTER TABLE step ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON step TO watcher USING (guide <= 10);
SET ROLE watcher;
SELECT documents, taken_by FROM xmcoh.snapshot_quality('guides');
RESET ROLE;
REVOKE SELECT ON step FROM watcher;
SET ROLE watcher;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides')$$);
SET ROLE looker;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.snapshot_quality('guides')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.queue_snapshot('guides')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.set_alert_limit('guides', 'age', 1)$$);
SELECT count(*) > 0 AS sees, count("group") > 0 AS sees_groups FROM xmcoh.quality_snapshot;
RESET ROLE;
-- names of groups are values of rows, which level score does not show
SELECT xmcoh.grant_model('guides', 'looker', 'score');
SET ROLE looker;
SELECT count(*) > 0 AS sees, count("group") > 0 AS sees_groups FROM xmcoh.quality_snapshot;
RESET ROLE;
SELECT xmcoh.revoke_usage('watcher'), xmcoh.revoke_usage('looker');
SELECT xmcoh.drop_model('guides', discard_decisions => true);
SELECT (SELECT count(*) FROM xmcoh.quality_snapshot_record) AS snapshots, (SELECT count(*) FROM xmcoh.alert_state) AS alerts;
DROP VIEW expected;
DROP TABLE step;
DROP ROLE watcher, looker;
DROP EXTENSION xmcoh;
