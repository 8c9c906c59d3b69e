-- How much may pass without a person (coverage), and what a pilot costs and brings (pilot_report).
-- The guides of trained.sql: their order is easy, and 120 of them were measured.
\pset null '~'
SELECT "group", documents, judged = documents AS judged_documents, share BETWEEN 0.3 AND 1 AS share, share_low < share AND share <= share_high AS interval,
       threshold BETWEEN 0.01 AND 1 AS threshold, precision_reached >= 0.9 AS precise, precision_low < precision_reached AS precision_interval, remark
  FROM xmcoh.coverage('guides', 0.9);
-- the lower the promise, the more may pass; pairs are surer than whole orders
SELECT bool_and(low.share >= high.share) AS monotonous, count(*)
  FROM unnest('{document,pair}'::text[]) AS level, xmcoh.coverage('guides', 0.9, level) AS high, xmcoh.coverage('guides', 0.7, level) AS low;
SELECT p.share >= d.share AS surer, p.judged > d.judged AS more, p.documents = d.documents AS same_documents
  FROM xmcoh.coverage('guides', 0.9, 'pair') AS p, xmcoh.coverage('guides', 0.9) AS d;
-- which errors are found: what check_documents finds, from the threshold on
SELECT documents, share > 0.3 AS found, precision_reached >= 0.85 AS quiet, remark FROM xmcoh.coverage('guides', 0.9, 'violation');
SELECT count(*) AS documents, count(*) FILTER (WHERE d.worst_probability >= c.threshold) <= 12 AS few_suspects
  FROM xmcoh.coverage('guides', 0.9, 'violation') AS c, xmcoh.check_documents('guides', "precision" => 0.9) AS d;
-- a promise for which 120 documents are too few
SELECT documents, share, share_low, threshold, precision_reached, remark FROM xmcoh.coverage('guides', 0.99);
-- NULL is the default
SELECT (SELECT c::text FROM xmcoh.coverage('guides', NULL, NULL) AS c) = (SELECT c::text FROM xmcoh.coverage('guides') AS c) AS defaults;

-- Documents of few groups say little of new groups, however many they are.
CREATE TABLE grouped_step AS SELECT *, guide % 12 AS line FROM step;
SELECT xmcoh.create_model('grouped', options => '{"hash_bits": 12, "bag_dim": 0, "find_groups": 0}') IS NOT NULL AS created;
SELECT xmcoh.attach_source('grouped', 'grouped_step', document => 'guide', item => 'step', text => 'words', "position" => 'place',
    approved => 'all', "group" => 'line');
SELECT xmcoh.train('grouped') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT level, documents, share, remark FROM unnest('{document,pair,violation}'::text[]) AS level, xmcoh.coverage('grouped', 0.95, level);
SELECT documents, share > 0 AS some, remark FROM xmcoh.coverage('grouped', 0.7, 'pair');

-- By a column: the threshold of all, and what it does in each part. Documents that are not in the sources any more belong to none.
SELECT "group", documents, share > 0 AS some, threshold = (SELECT c.threshold FROM xmcoh.coverage('grouped', 0.7, 'pair') AS c) AS same_threshold,
       precision_low IS NULL AS no_interval, remark
  FROM xmcoh.coverage('grouped', 0.7, 'pair', by => 'line') WHERE "group" IN ('0', '7');
SELECT "group", documents, share, remark FROM xmcoh.coverage('grouped', 0.95, by => 'line') WHERE "group" = '0';
SELECT count(*), sum(documents) AS documents, sum(judged) = (SELECT judged FROM xmcoh.coverage('guides', 0.9, 'pair')) AS all_pairs, bool_and(share_low IS NULL) AS no_intervals
  FROM xmcoh.coverage('guides', 0.9, 'pair', 'guide') WHERE "group" IS NOT NULL;
SELECT bool_and(share BETWEEN 0 AND 1) AS shares, bool_and(precision_low IS NULL) AS no_intervals, count(*) FROM xmcoh.coverage('guides', 0.9, 'violation', by => 'guide');
UPDATE grouped_step SET line = 100 + line;
DELETE FROM grouped_step WHERE guide IN (1, 2, 3);
SELECT count(*), sum(documents), min("group"::int) FROM xmcoh.coverage('grouped', 0.7, 'pair', by => 'line');

-- Nothing to go by: a version that was not trained here, a model without a version.
SELECT documents, judged, share, remark FROM xmcoh.coverage('blind');
\set ON_ERROR_STOP off
SELECT * FROM xmcoh.coverage('untrained model');
SELECT * FROM xmcoh.coverage(NULL);
SELECT * FROM xmcoh.coverage('guides', 1);
SELECT * FROM xmcoh.coverage('guides', level => 'step');
SELECT * FROM xmcoh.coverage('guides', by => 'no_column');

-- The report: the rows, and how they depend on each other.
SELECT xmcoh.decide('guides', '1', '1', '2', 'skip') IS NOT NULL AND xmcoh.decide('guides', '1', '1', '3', 'skip') IS NOT NULL AS decided;
CREATE TEMP TABLE pilot AS SELECT * FROM xmcoh.pilot_report('guides', 30, 6, 50, 200);
SELECT measure, unit, value IS NOT NULL AS value, low <= value AND value <= high AS interval FROM pilot;
SELECT measure, abs(value - CASE measure WHEN 'approved_documents' THEN 120 WHEN 'decisions' THEN n WHEN 'effort_hours' THEN n / 10.0 ELSE 5 * n END) < 1e-9 AS right
  FROM pilot, (SELECT count(*) AS n FROM xmcoh.decision WHERE model_id = xmcoh.model_id('guides')) AS d
 WHERE measure IN ('approved_documents', 'decisions', 'effort_hours', 'effort_cost');
SELECT abs(h.value - 100 * d.value) < 1e-9 AS hours, abs(m.value - 50 * h.value) < 1e-9 AS money, abs(b.value - c.value / m.value) < 1e-9 AS months,
       abs(b.low - c.value / m.high) < 1e-9 AS low, abs(b.high - c.value / m.low) < 1e-9 AS high
  FROM pilot AS d, pilot AS h, pilot AS m, pilot AS b, pilot AS c
 WHERE (d.measure, h.measure, m.measure, b.measure, c.measure) = ('documents_passing', 'hours_saved', 'money_saved', 'break_even', 'effort_cost');
SELECT abs(p.value - e.tau) < 1e-9 AS same_tau FROM pilot AS p, xmcoh.version_figures AS e
 WHERE measure = 'tau' AND model = 'guides' AND evidence = 'fused' AND version = (SELECT deployed_version FROM xmcoh.model WHERE name = 'guides');
-- sentences have the figures of their row; figures differ from machine to machine, so digits are left out
SELECT measure, regexp_replace(sentence, '[0-9]+(\.[0-9]+)?', '#', 'g') AS sentence FROM pilot;
SELECT measure, regexp_replace(sentence, '[0-9]+(\.[0-9]+)?', '#', 'g') AS sentence FROM xmcoh.pilot_report('guides', 30, 6, 50, 200, 'ja');
-- too few to tell, and nothing known at all
SELECT measure, value, sentence FROM xmcoh.pilot_report('grouped', 30, 6, 50, 200) WHERE measure NOT IN ('tau', 'acc', 'pmr');
SELECT measure, value, sentence FROM xmcoh.pilot_report('grouped', 30, 6, 50, 200, 'ja') WHERE measure NOT IN ('tau', 'acc', 'pmr');
SELECT measure, value, sentence FROM xmcoh.pilot_report('blind', 30, 6, 50, 200) WHERE measure IN ('approved_documents', 'tau', 'acc', 'pmr');
-- at no cost there is nothing to pay back
SELECT measure, value FROM xmcoh.pilot_report('guides', 30, 0, 50, 0) WHERE measure IN ('effort_cost', 'hours_saved', 'break_even');
SELECT * FROM xmcoh.pilot_report('guides', NULL, 6, 50, 200);
SELECT * FROM xmcoh.pilot_report('guides', 30, -1, 50, 200);
SELECT * FROM xmcoh.pilot_report('guides', 30, 6, 'NaN', 200);
SELECT * FROM xmcoh.pilot_report('guides', 30, 6, 50, 200, 'fr');

-- Level score is enough, and needed. The number of decisions is told to those, too, who may not read them.
CREATE ROLE pilot_reader;
CREATE ROLE pilot_stranger;
SELECT xmcoh.grant_usage('pilot_reader'), xmcoh.grant_usage('pilot_stranger'), xmcoh.grant_model('guides', 'pilot_reader', 'score');
SET ROLE pilot_reader;
SELECT count(*) AS decisions_seen FROM xmcoh.decision;
SELECT measure, value > 1 AS some FROM xmcoh.pilot_report('guides', 30, 6, 50, 200) WHERE measure = 'decisions';
SELECT documents FROM xmcoh.coverage('guides');
SET ROLE pilot_stranger;
SELECT * FROM xmcoh.coverage('guides');
SELECT * FROM xmcoh.pilot_report('guides', 30, 6, 50, 200);
RESET ROLE;
SELECT xmcoh.revoke_model('guides', 'pilot_reader'), xmcoh.revoke_usage('pilot_reader'), xmcoh.revoke_usage('pilot_stranger');
DROP ROLE pilot_reader, pilot_stranger;
SELECT xmcoh.drop_model('grouped');
DROP TABLE grouped_step;
SELECT xmcoh.withdraw(decision_id) > 0 AS withdrawn FROM xmcoh.decision WHERE document = '1' ORDER BY decision_id;
