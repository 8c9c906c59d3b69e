-- Scores of two items.
SELECT xmcoh.precedes('guides', 'open part 1', NULL, 'pack part 9', NULL) > 0.95 AS by_text,
       xmcoh.precedes('guides', NULL, '{0,0.5,0.5,1}', NULL, '{0.9,0.5,0.5,1}') > 0.8 AS by_image,
       xmcoh.precedes('guides', 'open part 1', '{0,0.5,0.5,1}', 'pack part 9', '{0.9,0.5,0.5,1}') > 0.95 AS by_both,
       xmcoh.precedes('guides', 'pack part 9', '{0.9,0.5,0.5,1}', 'open part 1', '{0,0.5,0.5,1}') < 0.05 AS turned;
SELECT round(xmcoh.precedes('guides', a, NULL, b, NULL)::numeric + xmcoh.precedes('guides', b, NULL, a, NULL)::numeric,
       6) AS sum,
       abs(xmcoh.order_score('guides', a, NULL, b, NULL) + xmcoh.order_score('guides', b, NULL, a,
           NULL)) < 1e-5 AS antisymmetric,
       abs(1 / (1 + exp(-xmcoh.order_score('guides', a, NULL, b, NULL))) - xmcoh.precedes('guides', a, NULL, b,
           NULL)) < 1e-12 AS log_odds
  FROM (VALUES ('fit part 3', 'close part 3'), ('turn part 1', 'check part 8')) AS pair (a, b);
-- a modality that one item lacks does not count; a text and an image cannot be compared
SELECT xmcoh.precedes('guides', 'open part 1', NULL, NULL, '{0.9,0.5,0.5,1}') AS nothing_common;
-- text that is not in the training data, empty text, another script
SELECT xmcoh.precedes('guides', '', NULL, 'open part 1', NULL) BETWEEN 0 AND 1 AS empty,
       xmcoh.precedes('guides', 'まず開ける', NULL, '最後に包む', NULL) BETWEEN 0 AND 1 AS japanese;
-- this model does not read text embeddings and ignores them
SELECT xmcoh.precedes('guides', 'open', NULL, 'pack', NULL, '{1,2,3}', NULL) = xmcoh.precedes('guides', 'open', NULL,
       'pack', NULL) AS not_read;
SELECT provolatile, proparallel, proisstrict FROM pg_proc
       WHERE oid IN ('xmcoh.precedes'::regproc, 'xmcoh.order_score'::regproc);
-- all weights zero: every score is 0
SELECT xmcoh.precedes('blind', 'open', '{0,0,0,1}', 'pack', '{1,0,0,1}'),
       xmcoh.order_score('blind', 'open', NULL, 'pack', NULL);

-- Whole sources.
SELECT count(*) AS items, count(DISTINCT document) AS documents,
       avg((position = stored_position + 1)::int)::numeric(4,2) > 0.95 AS good
  FROM xmcoh.order_documents('guides');
SELECT document, array_agg(item ORDER BY position) = (SELECT array_agg(step::text ORDER BY place) FROM step
       WHERE guide = 7) AS right
  FROM xmcoh.order_documents('guides', 'step') WHERE document = '7' GROUP BY document;
SELECT count(*) AS differing FROM (SELECT document, array_agg(item ORDER BY position) AS o
       FROM xmcoh.order_documents('guides') GROUP BY document) AS bulk
  JOIN (SELECT guide::text AS document, xmcoh.recover_order('guides', step, words, picture)::text[] AS o FROM step
      GROUP BY guide) AS one USING (document)
 WHERE bulk.o <> one.o;
SELECT evidence, avg((position = stored_position + 1)::int) > 0.9 AS good
       FROM (VALUES ('text'), ('image'), ('fused')) AS e (evidence),
       xmcoh.order_documents('guides', evidence => evidence) GROUP BY evidence ORDER BY evidence;
SELECT * FROM xmcoh.order_documents('guides', evidence => 'smell');
SELECT count(*), min(position), max(position) FROM xmcoh.order_documents('guides') WHERE document = '5';
-- documents are ordered by their keys
SELECT bool_and(document >= before COLLATE "C")
       FROM (SELECT document, lag(document) OVER () AS before FROM xmcoh.order_documents('guides')) AS d
       WHERE before IS NOT NULL;

-- A second source: all sources, or the named one; no stored order.
CREATE TABLE note AS SELECT 'n' || guide AS id, step AS item, words FROM step WHERE guide <= 3;
SELECT xmcoh.attach_source('guides', 'note', document => 'id', item => 'item', text => 'words');
SELECT count(*) FILTER (WHERE document LIKE 'n%') AS notes, count(*) FILTER (WHERE document NOT LIKE 'n%') AS steps,
       count(stored_position) AS stored FROM xmcoh.order_documents('guides');
SELECT count(*) AS notes FROM xmcoh.order_documents('guides', 'note');
SELECT count(*) FROM xmcoh.order_documents('guides', 'pg_class');
SELECT xmcoh.detach_source('guides', 'note');

-- The confidence in an order is the probability that all its neighbours stand so.
SELECT count(*) AS documents, bool_and(abs(ln(o.confidence) - p.log) < 1e-6) AS product, bool_and(o.confidence BETWEEN 0 AND 1) AS probability
       FROM (SELECT document, count(*) AS items, min(confidence) AS confidence FROM xmcoh.order_documents('guides')
             GROUP BY document HAVING min(confidence) = max(confidence)) AS o,
       LATERAL (SELECT sum(ln(CASE WHEN f.item = s.item_a THEN s.probability ELSE 1 - s.probability END)) AS log, count(*) AS n
                  FROM (SELECT item, lead(item) OVER (ORDER BY position) AS next
                          FROM xmcoh.order_documents('guides', documents => ARRAY[o.document])) AS f
                  JOIN xmcoh.pair_scores('guides', o.document) AS s ON (s.item_a, s.item_b) IN ((f.item, f.next), (f.next, f.item))) AS p
       WHERE p.n = o.items - 1;

-- Every pair of a document.
SELECT count(*) AS pairs, bool_and(item_a::int < item_b::int) AS by_key,
       bool_and(abs(1 / (1 + exp(-fused)) - probability) < 1e-12) AS calibrated,
       count(text) AS text, count(image) AS image FROM xmcoh.pair_scores('guides', '7');
SELECT bool_and((probability > 0.5) = (a.place < b.place)) AS right FROM xmcoh.pair_scores('guides', '7') AS p
  JOIN step AS a ON a.guide = 7 AND a.step = item_a::int JOIN step AS b ON b.guide = 7 AND b.step = item_b::int;
SELECT * FROM xmcoh.pair_scores('guides', 'none such');
-- for an item without a picture the image score is NULL, and the text alone decides
CREATE TABLE half AS SELECT 1 AS guide, step AS item, words, CASE WHEN step > 1 THEN picture END AS picture FROM step
    WHERE guide = 5;
SELECT xmcoh.attach_source('guides', 'half', document => 'guide', item => 'item', text => 'words', image => 'picture');
SELECT item_a, image IS NULL AS no_image, bool_and(text IS NOT NULL AND fused IS NOT NULL) AS rest
       FROM xmcoh.pair_scores('guides', '1', 'half') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT xmcoh.detach_source('guides', 'half');
DROP TABLE half, note;

-- Evaluation of measured documents (guided evidence: of held-out ones), then of a whole source, compared with the metrics on arrays.
SELECT modality, guidance, documents BETWEEN 10 AND 40 AS held_out, documents = 120 AS all, acc > 0.9 AS acc, pmr > 0.7 AS pmr,
       tau > 0.9 AS tau,
       acc BETWEEN acc_low AND acc_high AND pmr BETWEEN pmr_low AND pmr_high
       AND tau BETWEEN tau_low AND tau_high AS intervals,
       random_tau FROM xmcoh.evaluate('guides');
-- (the same guides with other keys, so that the version has not seen them)
CREATE VIEW renamed AS SELECT 'r' || guide AS guide, step, place, words, picture FROM step;
SELECT xmcoh.attach_source('guides', 'renamed', document => 'guide', item => 'step', text => 'words', image => 'picture',
       "position" => 'place');
SELECT modality, guidance, documents, items, round(random_acc::numeric, 4) AS random_acc,
       random_pmr BETWEEN 0.01 AND 0.012 AS random_pmr FROM xmcoh.evaluate('guides', 'renamed');
SELECT abs(e.tau - m.tau) < 1e-9 AS tau, abs(e.acc - m.acc) < 1e-9 AS acc, abs(e.pmr - m.pmr) < 1e-9 AS pmr
  FROM xmcoh.evaluate('guides', 'renamed') AS e,
       (SELECT avg(xmcoh.kendall_tau(o, t)) AS tau, avg(xmcoh.perfect_match(o, t)::int) AS pmr,
           sum(xmcoh.position_accuracy(o, t) * cardinality(t)) / sum(cardinality(t)) AS acc
          FROM (SELECT xmcoh.recover_order('guides', step, words, picture) AS o, array_agg(step ORDER BY place) AS t
              FROM step GROUP BY guide) AS d) AS m
 WHERE e.modality = 'fused';
-- the calibration error, by its definition: 15 bins of p, |share right - mean p| of each
SELECT abs(e.calibration_error - m.error) < 1e-6 AS calibration_error, e.calibration_error > 0 AS some
  FROM xmcoh.evaluate('guides', 'renamed') AS e,
       (SELECT sum(abs(excess)) / sum(n) AS error
          FROM (SELECT count(*) AS n, sum(((p > 0.5) = (a.place < b.place))::int - greatest(p, 1 - p)) AS excess
                  FROM (SELECT DISTINCT guide FROM step) AS g, xmcoh.pair_scores('guides', guide::text, 'step') AS s
                  JOIN step AS a ON a.step = item_a::int JOIN step AS b ON b.step = item_b::int,
                       LATERAL (SELECT 1 / (1 + exp(-image)) AS p) AS p
                 WHERE a.guide = g.guide AND b.guide = g.guide
                 GROUP BY least(floor((greatest(p, 1 - p) - 0.5) * 30), 14)) AS bin) AS m
 WHERE modality = 'image' AND guidance = 'solo';
SELECT xmcoh.detach_source('guides', 'renamed');
-- A modality is judged by the items that hold it, as if there were no other items.
CREATE TABLE part AS SELECT 'p' || guide AS guide, step, place, words, CASE WHEN step % 3 <> 0 AND guide > 20 THEN picture END AS picture FROM step;
SELECT xmcoh.attach_source('guides', 'part', document => 'guide', item => 'step', text => 'words', image => 'picture',
       "position" => 'place');
SELECT e.modality, e.guidance, e.documents = m.documents AND e.items = m.items AS counted, abs(e.tau - m.tau) < 1e-9 AS tau,
       abs(e.acc - m.acc) < 1e-9 AS acc, abs(e.pmr - m.pmr) < 1e-9 AS pmr, abs(e.random_acc - m.random_acc) < 1e-9 AS random_acc
  FROM xmcoh.evaluate('guides', 'part') AS e
  JOIN (SELECT evidence, count(*) AS documents, sum(cardinality(t)) AS items, avg(xmcoh.kendall_tau(o, t)) AS tau,
               sum(xmcoh.position_accuracy(o, t) * cardinality(t)) / sum(cardinality(t)) AS acc,
               avg(xmcoh.perfect_match(o, t)::int) AS pmr, count(*) / sum(cardinality(t))::float8 AS random_acc
          FROM (SELECT e AS evidence, document, array_agg(item ORDER BY position) AS o, array_agg(item ORDER BY stored_position) AS t
                  FROM unnest('{text,image,text guided,image guided,fused}'::text[]) AS e, xmcoh.order_documents('guides', 'part', e)
                 GROUP BY 1, 2) AS d GROUP BY 1) AS m
    ON evidence = CASE e.guidance WHEN 'guided' THEN e.modality || ' guided' ELSE e.modality END;
SELECT xmcoh.detach_source('guides', 'part');
DROP TABLE part;
DROP VIEW renamed;
-- A model with zero weights scores at chance, although the items are numbered in their true order: ties are broken
-- at random.
CREATE TABLE numbered AS SELECT g AS guide, i AS step, 'part ' || g || ' ' || i AS words
    FROM generate_series(1, 1500) g, generate_series(1, 5) i;
SELECT xmcoh.attach_source('blind', 'numbered', document => 'guide', item => 'step', text => 'words',
       "position" => 'step');
SELECT modality, guidance, documents, abs(tau) < 0.05 AS tau_is_0, abs(acc - random_acc) < 0.03 AS acc_is_chance,
       abs(pmr - random_pmr) < 0.01 AS pmr_is_chance,
       tau_low < 0 AND tau_high > 0 AS nothing_there FROM xmcoh.evaluate('blind', 'numbered');
-- the rows that hold one item only count for Acc and PMR, not for tau
CREATE TABLE single AS SELECT 1 AS guide, 1 AS step, 'open' AS words;
SELECT xmcoh.attach_source('blind', 'single', document => 'guide', item => 'step', text => 'words',
       "position" => 'step');
SELECT modality, guidance, documents, items, acc, pmr, tau, random_tau, calibration_error FROM xmcoh.evaluate('blind', 'single');
-- an imported version has no held-out documents
SELECT * FROM xmcoh.evaluate('blind');
SELECT xmcoh.detach_source('blind', 'numbered');
SELECT xmcoh.detach_source('blind', 'single');
DROP TABLE numbered, single;

-- Each command uses the version that is deployed at this command, also after a rollback.
SELECT xmcoh.import_model('guides', blind(xmcoh.export_model('guides'))) AS blind_version;
CREATE FUNCTION p() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN xmcoh.precedes('guides', 'open', NULL, 'pack',
    NULL) > 0.9; END $$;
DO $$
BEGIN
    RAISE INFO 'before: %', p();
    PERFORM xmcoh.deploy('guides', 2);
    RAISE INFO 'deployed: %', p();
    BEGIN
        PERFORM xmcoh.deploy('guides', 1);
        RAISE INFO 'back: %', p();
        RAISE 'undo';
    EXCEPTION WHEN raise_exception THEN
        RAISE INFO 'undone: %', p();
    END;
    FOR i IN 1..2 LOOP
        PERFORM xmcoh.deploy('guides', 3 - i);
        RAISE INFO 'loop, version %: %', 3 - i, p();
    END LOOP;
END $$;
BEGIN;
SELECT xmcoh.deploy('guides', 2);
SELECT p() AS in_transaction;
ROLLBACK;
SELECT p() AS after_rollback;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT p();
SAVEPOINT s;
SELECT xmcoh.deploy('guides', 2);
SELECT p() AS deployed;
ROLLBACK TO s;
SELECT p() AS undone;
COMMIT;
DROP FUNCTION p;
DELETE FROM xmcoh.model_version WHERE version = 2 AND model_id = xmcoh.model_id('guides');
-- more models in one query than a session keeps open
-- (the change is in the last number before the record of documents, which takes 12 bytes for each)
SELECT xmcoh.import_model('m' || i, set_byte(w, length(w) - 3 - 12 * taught, i))
       FROM (SELECT xmcoh.export_model('guides') AS w, (report ->> 'documents')::int AS taught
               FROM xmcoh.model_version WHERE version = 1 AND model_id = xmcoh.model_id('guides')) AS w, generate_series(1, 12) AS i;
SELECT xmcoh.deploy('m' || i, 1) FROM generate_series(1, 12) AS i;
SELECT count(*) FILTER (WHERE xmcoh.precedes('m' || (i % 12 + 1), 'open', NULL, 'pack', NULL) > 0.9)
       FROM generate_series(1, 48) AS i;
SELECT count(*) FILTER (WHERE xmcoh.precedes('m' || (i % 12 + 1), 'open', NULL, 'pack', NULL) > 0.9)
       FROM generate_series(1, 48) AS i;
SELECT count(*) AS kept FROM pg_backend_memory_contexts WHERE name = 'xmcoh model';
SELECT xmcoh.drop_model('m' || i) FROM generate_series(1, 12) AS i;
-- documents are told apart by the bytes of their keys, also under a collation that makes two keys equal
CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE cased (d text COLLATE no_case, i integer, t text);
INSERT INTO cased SELECT CASE WHEN i < 3 THEN 'Doc' ELSE 'doc' END, i, 'open part ' || i FROM generate_series(1, 4) AS i;
SELECT xmcoh.attach_source('guides', 'cased', document => 'd', item => 'i', text => 't');
SELECT item_a, item_b FROM xmcoh.pair_scores('guides', 'doc', 'cased');
SELECT document COLLATE "C" AS document, count(*) FROM xmcoh.order_documents('guides', 'cased') GROUP BY 1 ORDER BY 1;
SELECT xmcoh.detach_source('guides', 'cased');
DROP TABLE cased;
DROP COLLATION no_case;
