-- Setting a (settings.sql lists the settings): both modalities in every row.
-- A small trained model, which later tests use (metrics, scores, aggregates, bad_input): guides of 4 to 8
-- steps. The verb of a step, and the first number of its picture, tell the order. The numbers of the items
-- do not tell the order.
CREATE EXTENSION xmcoh;
CREATE TABLE step AS
    SELECT g AS guide, (p * 5 + g) % n AS step, p AS place,
           (ARRAY['open', 'check', 'fit', 'turn', 'press', 'close', 'clean',
               'pack'])[1 + p * 8 / n] || ' part ' || (g * 7 + p * 3) % 10 AS words,
           ARRAY[p::real / n + (g * 31 + p * 17) % 10 * 0.002, (g * 13 + p * 7) % 10 * 0.1,
               (g * 3 + p * 29) % 10 * 0.1, 1]::real[] AS picture
      FROM generate_series(1, 120) AS g, LATERAL (SELECT (ARRAY[4, 6, 7, 8])[1 + g % 4] AS n) AS size,
          generate_series(0, n - 1) AS p;
SELECT count(DISTINCT guide) AS guides, count(*) AS steps, count(DISTINCT (guide, step)) AS distinct_steps FROM step;

SELECT xmcoh.create_model('guides', image_dim => 4,
       options => '{"d_model": 16, "heads": 2, "feed_forward": 32, "hash_bits": 12,
    "bag_dim": 0, "epochs": 30, "batch_documents": 8, "dropout": 0.1,
    "learning_rate": 0.005, "find_groups": 0}') IS NOT NULL AS created;
SELECT xmcoh.attach_source('guides', 'step', document => 'guide', item => 'step', text => 'words', image => 'picture',
    "position" => 'place', approved => 'all');
SELECT xmcoh.train('guides') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT model, version, deployed, documents FROM xmcoh.versions;

-- The same model with all weights 0: every score is 0, so the order shows how ties are broken.
CREATE FUNCTION blind(weights bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT substr(weights, 1, head) || decode(repeat('00', length(weights) - head), 'hex')
      FROM (SELECT 8 + get_byte(weights, 0) + 256 * get_byte(weights, 1) + 65536 * get_byte(weights,
          2)) AS size (head) $$;
SELECT xmcoh.import_model('blind', blind(xmcoh.export_model('guides')));
SELECT xmcoh.deploy('blind', 1);
