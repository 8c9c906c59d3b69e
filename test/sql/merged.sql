-- Texts and photos in two relations: documents_of. A document has the rows of both relations. The result equals the result of one
-- relation with the same rows.
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
-- A step's text is a verb, which tells its place, and a subject. Its photo shows the subject.
CREATE FUNCTION photo(subject integer, noise integer) RETURNS real[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg((k = subject)::integer + (noise * 31 + k * 17) % 13 * 0.02 ORDER BY k)::real[]
      FROM generate_series(0, 11) AS k $$;
CREATE VIEW step AS
    SELECT g AS manual, p AS place, (p * 5 + g) % n AS number, (g * 5 + p * 7) % 12 AS subject,
           (ARRAY['open', 'check', 'fit', 'turn', 'press', 'close', 'clean', 'pack'])[1 + p * 8 / n] || ' the ' ||
           (ARRAY['valve', 'screw', 'seal', 'pump', 'hose', 'motor', 'filter', 'sensor', 'cable', 'spring', 'gauge',
               'panel'])[1 + (g * 5 + p * 7) % 12] AS words
      FROM generate_series(1, 120) AS g, LATERAL (SELECT (ARRAY[4, 6, 7, 8])[1 + g % 4] AS n) AS size,
          generate_series(0, n - 1) AS p;
-- Up to manual 80 a row holds both modalities. Later photos are in a table of their own, which also has manuals of its own.
CREATE TABLE work_step AS
    SELECT manual, 's' || number AS item, words, CASE WHEN manual <= 80 THEN photo(subject, manual + number) END AS picture,
           place::float8, manual % 5 > 0 AS ok
      FROM step;
CREATE TABLE photo AS
    SELECT manual, 'p' || number AS item, photo(subject, manual * 3 + number) AS picture, place::float8, true AS ok FROM step
     WHERE manual > 80
    UNION ALL SELECT 1000, 'p' || k, photo(k, k), k, false FROM generate_series(1, 3) AS k;
CREATE VIEW whole AS
    SELECT * FROM work_step UNION ALL SELECT manual, item, NULL, picture, place, ok FROM photo;
SELECT xmcoh.create_model(model, image_dim => 12,
           options => '{"d_model": 16, "heads": 2, "feed_forward": 32, "hash_bits": 12, "bag_dim": 0, "epochs": 12, "align_dim": 16,
        "align_learning_rate": 0.01, "held_out": 0.2}') IS NOT NULL AS created
  FROM (VALUES ('one'), ('two')) AS m (model);
SELECT xmcoh.attach_source('one', 'whole', document => 'manual', item => 'item', text => 'words', image => 'picture',
    "position" => 'place', approved => 'ok');

-- calls that are refused
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('two', 'photo', 'manual', 'item', image => 'picture', documents_of => 'work_step')$$);
SELECT xmcoh.attach_source('two', 'work_step', document => 'manual', item => 'item', text => 'words', image => 'picture',
    "position" => 'place', approved => 'ok');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('two', 'work_step', 'manual', 'item', text => 'words', documents_of => 'work_step')$$);
SELECT xmcoh.attach_source('two', 'photo', document => 'manual', item => 'item', image => 'picture', "position" => 'place',
    approved => 'ok', documents_of => 'work_step');
SELECT relation, documents_of FROM xmcoh.source ORDER BY documents_of IS NOT NULL, relation DESC;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('two', 'whole', 'manual', 'item', text => 'words', documents_of => 'photo')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.detach_source('two', 'work_step')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('two', unlabelled => '{photo}')$$);
SELECT state FROM pg_temp.fails($$SELECT xmcoh.train('two', unlabelled => '{work_step}', rounds => 11)$$);

-- equal to the bit
SELECT xmcoh.train('one') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT xmcoh.train('two') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT count(DISTINCT sha256) AS weights, count(DISTINCT report) AS reports, min(report ->> 'documents') AS documents,
       min(report ->> 'labelled_pairs') AS labelled_pairs, min(report ->> 'pool_documents') AS pool FROM xmcoh.model_version;
-- A step and its photo have the same place: the pair of these two is not labelled; all other pairs of the document are.
SELECT sum(CASE WHEN manual <= 80 THEN n * (n - 1) / 2 ELSE 2 * n * (n - 1) END) AS labelled_pairs
  FROM (SELECT manual, count(*) AS n FROM work_step WHERE ok GROUP BY 1) AS document;
SELECT count(*) AS items, count(stored_position) AS placed, count(DISTINCT document) AS documents FROM xmcoh.order_documents('two');
SELECT count(*) FROM (SELECT * FROM xmcoh.order_documents('one') EXCEPT SELECT * FROM xmcoh.order_documents('two', 'work_step')) AS other;
SELECT count(*) AS texts, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS other
  FROM xmcoh.alignment('one', '90') AS a FULL JOIN xmcoh.alignment('two', '90', 'work_step') AS b USING (text_item, image_item);
SELECT avg((substr(text_item, 2) = substr(image_item, 2))::integer) > 0.95 AS right
  FROM generate_series(81, 120) AS manual, xmcoh.alignment('two', manual::text) WHERE text_item IS NOT NULL;
SELECT count(*), count(*) FILTER (WHERE item_a ~ 's' AND item_b ~ 'p' OR item_a ~ 'p' AND item_b ~ 's') AS across
  FROM xmcoh.pair_scores('two', '90');
SELECT count(*) AS pairs FROM xmcoh.pair_scores('two', '1000');
SELECT count(*) FROM (SELECT * FROM xmcoh.evaluate('one') EXCEPT SELECT * FROM xmcoh.evaluate('two')) AS other;
SELECT count(*) FROM (SELECT * FROM xmcoh.evaluate('one', 'whole') EXCEPT SELECT * FROM xmcoh.evaluate('two', 'work_step')) AS other;
-- A step and its photo share two places, and are right at both. The order of the two is not judged.
WITH item AS (SELECT *, rank() OVER (PARTITION BY document ORDER BY stored_position) AS first,
                     count(*) OVER (PARTITION BY document, stored_position) AS shared FROM xmcoh.order_documents('two')),
     document AS (SELECT count(*) AS n, sum((o.position BETWEEN first AND first + shared - 1)::integer) AS matches,
                         sum(shared)::float8 / count(*) AS random, factorial(count(*)) / 2 ^ (count(*) FILTER (WHERE shared = 2) / 2) AS orders
                    FROM item AS o GROUP BY document),
     tau AS (SELECT 1 - 2 * avg((a.stored_position > b.stored_position)::integer) FILTER (WHERE a.stored_position <> b.stored_position) AS tau
               FROM item AS a JOIN item AS b USING (document) WHERE a.position < b.position GROUP BY document)
SELECT abs(e.acc - d.acc) < 1e-9 AS acc, abs(e.pmr - d.pmr) < 1e-9 AS pmr, abs(e.tau - t.tau) < 1e-9 AS tau,
       abs(e.random_acc - d.random) < 1e-9 AS random_acc, abs(e.random_pmr - d.random_pmr) < 1e-9 AS random_pmr, d.shared > 0 AS shared
  FROM (SELECT sum(acc * items) / sum(items) AS acc, sum(pmr * documents) / sum(documents) AS pmr, sum(tau * documents) / sum(documents) AS tau,
               sum(random_acc * items) / sum(items) AS random_acc, sum(random_pmr * documents) / sum(documents) AS random_pmr
          FROM xmcoh.evaluate('two', 'work_step') WHERE modality = 'fused') AS e,
       (SELECT sum(matches) / sum(n) AS acc, avg((matches = n)::integer) AS pmr, sum(random) / sum(n) AS random,
               avg(1 / orders) AS random_pmr, sum(random) - count(*) AS shared FROM document) AS d,
       (SELECT avg(tau) AS tau FROM tau) AS t;
SELECT * FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('two', 'photo')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.alignment('two', '90', 'photo')$$);

-- Photos without a stored order have no place, and do not change the documents of the texts.
SELECT xmcoh.detach_source('two', 'photo');
SELECT xmcoh.attach_source('two', 'photo', document => 'manual', item => 'item', image => 'picture', documents_of => 'work_step');
SELECT xmcoh.train('two') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT report ->> 'documents' AS documents, report ->> 'labelled_pairs' AS labelled_pairs FROM xmcoh.model_version JOIN xmcoh.model
 USING (model_id) WHERE name = 'two' AND version = 2;
SELECT sum(n * (n - 1) / 2) AS labelled_pairs FROM (SELECT count(*) AS n FROM work_step WHERE ok GROUP BY manual) AS document;
SELECT count(*) AS items, count(stored_position) AS placed FROM xmcoh.order_documents('two');
-- Photos can be put in the stored order of the texts, even if this order is wrong.
BEGIN;
UPDATE work_step SET place = -place;
SELECT count(*) AS manuals, avg(tau) > 0.9 AS as_stored
  FROM (SELECT xmcoh.kendall_tau(array_agg(o.item ORDER BY o.position), array_agg(o.item ORDER BY -p.place)) AS tau
          FROM xmcoh.order_documents('two', 'work_step', 'image guided', 'stored') AS o JOIN photo AS p ON (p.manual::text, p.item) = (document, o.item)
         WHERE manual BETWEEN 81 AND 120 GROUP BY document) AS t;
ROLLBACK;

-- A document with one row that is not approved, or that has no place, is not approved.
SELECT xmcoh.detach_source('two', 'photo');
SELECT xmcoh.attach_source('two', 'photo', document => 'manual', item => 'item', image => 'picture', "position" => 'place',
    approved => 'ok', documents_of => 'work_step');
BEGIN;
UPDATE photo SET ok = false WHERE manual = 81 AND item = 'p0';
UPDATE photo SET place = NULL WHERE manual = 82 AND item = 'p0';
SELECT xmcoh.train('two', '{"epochs": 1}', 'keep') AS job \gset
COMMIT;
CALL xmcoh.wait_for_job(:job, '180s');
SELECT report ->> 'documents' AS documents FROM xmcoh.model_version JOIN xmcoh.model USING (model_id) WHERE name = 'two' AND version = 3;
SELECT count(*) - count(stored_position) AS without FROM xmcoh.order_documents('two') WHERE document = '82';
SELECT sum(documents) AS documents FROM xmcoh.evaluate('two', 'work_step') WHERE modality = 'fused';

-- bad rows
INSERT INTO photo VALUES (81, 's1', photo(1, 1), 20, true);
SELECT * FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('two')$$);
UPDATE photo SET item = 'p1' WHERE item = 's1';
SELECT * FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('two')$$);
UPDATE photo SET item = 'new', place = 3 WHERE place = 20;
SELECT * FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('two')$$);
UPDATE photo SET manual = 1, place = 1 WHERE item = 'new';    -- in this manual one row holds both modalities
SELECT * FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('two')$$);
UPDATE photo SET picture = NULL WHERE item = 'new';           -- a photo that is not there yet
SELECT count(*) FROM xmcoh.order_documents('two') WHERE document = '1';
UPDATE photo SET manual = NULL WHERE item = 'new';
SELECT * FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('two')$$);
DELETE FROM photo WHERE manual IS NULL;
SELECT count(*) AS items FROM xmcoh.order_documents('two');
DROP VIEW whole;
DROP TABLE photo;
SELECT state, regexp_replace(hint, '\d+', 'N') AS hint FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('two')$$);
SELECT xmcoh.detach_source('two', relation) FROM xmcoh.source WHERE documents_of IS NOT NULL;
SELECT xmcoh.detach_source('two', 'work_step');

DROP TABLE work_step;
DROP VIEW step;
DROP EXTENSION xmcoh;
DROP FUNCTION photo(integer, integer);
