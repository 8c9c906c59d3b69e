-- Models that use a text encoder: texts, and texts that stand for images, are made into vectors where rows have none.
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

\set family bert
\i test/sql/tiny_encoder.sql
CREATE TABLE published AS SELECT 'tiny' AS name, decode(:'weights', 'base64') AS weights, :'config' AS config, :'tokenizer' AS tokenizer;
\set family xlm-roberta
\i test/sql/tiny_encoder.sql
INSERT INTO published SELECT 'other' AS name, decode(:'weights', 'base64'), :'config', :'tokenizer';
SELECT count(xmcoh.import_encoder(name, weights, config, tokenizer)) AS imported FROM published;

-- ---- create_model ----
SELECT message, hint FROM pg_temp.fails($$SELECT xmcoh.create_model('e', encoder => 'none')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.create_model('e', text_dim => 8, encoder => 'tiny')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.create_model('e', image_dim => 8, image_encoder => 'tiny')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.create_model(NULL, encoder => 'tiny')$$);
-- Small networks, and one job at a time; a guide's steps are told apart by their verbs.
CREATE FUNCTION make_model(model text, words boolean, encoder text, image_encoder text DEFAULT NULL, text_dim integer DEFAULT 0)
    RETURNS boolean LANGUAGE sql AS $$
    SELECT xmcoh.create_model(model, words => words, text_dim => text_dim, encoder => encoder, image_encoder => image_encoder,
           options => '{"d_model": 8, "heads": 2, "feed_forward": 16, "hash_bits": 12, "bag_dim": 0, "epochs": 5, "align_dim": 8,
                        "align_learning_rate": 0.01, "held_out": 0.2}') IS NOT NULL $$;
SELECT make_model('computed', false, 'tiny'), make_model('stored', false, 'tiny', text_dim => 16), make_model('besides', true, 'tiny');
SELECT name, image_dim, text_dim, words, encoder_id IS NOT NULL AS encoder, image_encoder_id FROM xmcoh.model
 WHERE name IN ('computed', 'stored', 'besides') ORDER BY name;

-- ---- sources ----
CREATE TABLE note AS
    SELECT g AS guide, (p * 5 + g) % n AS step, p AS place,
           (ARRAY['draw', 'cut', 'fold', 'glue', 'paint', 'turn', 'wash', 'wrap'])[1 + p * 8 / n] || ' the ' ||
           (ARRAY['box', 'wood', 'paper', 'line', 'part', 'side', 'step'])[1 + (g * 5 + p * 3) % 7] AS words
      FROM generate_series(1, 60) AS g, LATERAL (SELECT (ARRAY[4, 6, 7, 8])[1 + g % 4] AS n) AS size, generate_series(0, n - 1) AS p;
UPDATE note SET words = NULL WHERE guide = 7 AND step = 1;
UPDATE note SET words = '' WHERE guide = 7 AND step = 2;
ALTER TABLE note ADD vector real[];
UPDATE note SET vector = xmcoh.embed('tiny', nullif(words, ''));
CREATE VIEW half AS SELECT guide, step, place, words, CASE WHEN step % 2 = 0 THEN vector END AS vector FROM note;
SELECT xmcoh.attach_source('computed', 'note', 'guide', 'step', text => 'words', "position" => 'place', approved => 'all');
SELECT xmcoh.attach_source('stored', 'note', 'guide', 'step', text_embedding => 'vector', "position" => 'place', approved => 'all');
SELECT xmcoh.attach_source('besides', 'half', 'guide', 'step', text => 'words', text_embedding => 'vector', "position" => 'place', approved => 'all');
-- a text is no embedding, and an image only where the model has an encoder for images
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('computed', 'half', 'guide', 'step', text_embedding => 'words')$$);
SELECT message, hint FROM pg_temp.fails($$SELECT xmcoh.attach_source('computed', 'half', 'guide', 'step', image => 'words')$$);

-- ---- training ----
SELECT xmcoh.train('computed') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT xmcoh.train('stored') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT xmcoh.train('besides') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT model, state, message FROM xmcoh.job WHERE model IN ('computed', 'stored', 'besides') ORDER BY model;
-- Vectors that are computed are, to the bit, those that are stored.
SELECT count(DISTINCT v.sha256) AS weights, count(DISTINCT v.report) AS reports, bool_and(v.report ->> 'encoder' = e.sha256) AS encoder
  FROM xmcoh.model_version AS v JOIN xmcoh.model AS m USING (model_id) JOIN xmcoh.encoder AS e USING (encoder_id) WHERE m.name IN ('computed', 'stored');
SELECT i ->> 'encoder' = e.sha256 AS encoder, i ? 'image_encoder' AS image_encoder, i -> 'text_dim' AS text_dim
  FROM xmcoh.model AS m JOIN xmcoh.encoder AS e USING (encoder_id), xmcoh.inspect_weights(xmcoh.export_model(m.name)) AS i WHERE m.name = 'computed';

-- ---- scoring ----
SELECT count(*) AS pairs, count(DISTINCT document) AS documents FROM xmcoh.pair_scores('computed', documents => '{1,2,3,7}');
SELECT count(*) FROM (SELECT * FROM xmcoh.pair_scores('computed', documents => '{1,2,3,7}') EXCEPT SELECT * FROM xmcoh.pair_scores('stored', documents => '{1,2,3,7}')) AS other;
SELECT count(*) FROM (SELECT * FROM xmcoh.order_documents('computed') EXCEPT SELECT * FROM xmcoh.order_documents('stored')) AS other;
SELECT count(*) FROM (SELECT * FROM xmcoh.check_documents('computed') EXCEPT SELECT * FROM xmcoh.check_documents('stored')) AS other;
SELECT count(*) FROM (SELECT * FROM xmcoh.evaluate('computed') EXCEPT SELECT * FROM xmcoh.evaluate('stored')) AS other;
SELECT count(*) FROM (SELECT * FROM xmcoh.missing_steps('computed', '3', 0) EXCEPT SELECT * FROM xmcoh.missing_steps('stored', '3', 0)) AS other;
SELECT count(*) AS candidates, bool_and(candidate_text = n.words) AS with_text
  FROM xmcoh.missing_steps('computed', '3', 2) AS m JOIN note AS n ON n.guide::text = m.candidate_document AND n.step::text = m.candidate_item;
-- the share of an embedding is told by the words of the text that it is made from, and not where the vector is another one
SELECT modality, kind, feature, item FROM xmcoh.explain('computed', '3', '1', '2') ORDER BY 2, 4, 3;
SELECT modality, kind, feature, item FROM xmcoh.explain('stored', '3', '1', '2') ORDER BY 2, 4, 3;
SELECT kind, feature, item FROM xmcoh.explain('computed', '3', '1', '2', top => 0) ORDER BY 1, 3, 2;
SET client_min_messages = warning;
SELECT count(*) AS pairs, bool_and(abs(s.fused - e.sum) < 1e-4) AS complete
  FROM xmcoh.pair_scores('computed', documents => '{1,2,3,7}') AS s,
       LATERAL (SELECT coalesce(sum(contribution), 0) AS sum FROM xmcoh.explain('computed', s.document, s.item_a, s.item_b)) AS e;
RESET client_min_messages;
-- the words are those of the item's text
SELECT DISTINCT e.feature, n.words ~ ('\m' || e.feature || '\M') AS in_its_text FROM xmcoh.explain('computed', '3', '1', '2') AS e
  JOIN note AS n ON n.guide = 3 AND n.step::text = e.item WHERE e.feature <> 'no single word' ORDER BY 1;
-- NULL and the empty text have no vector
SELECT item_a, item_b, text IS NULL AS no_text, fused FROM xmcoh.pair_scores('computed', '7') WHERE item_a IN ('1', '2') AND item_b IN ('1', '2');
-- The functions on rows compute what the argument lacks, too.
SELECT count(*) AS guides, bool_and(a.coherence = b.coherence AND a.items = b.items) AS same
  FROM (SELECT guide, xmcoh.coherence('computed', place, words, NULL), xmcoh.recover_order('computed', step, words, NULL) AS items FROM note GROUP BY 1) AS a
  JOIN (SELECT guide, xmcoh.coherence('computed', place, NULL, NULL, vector), xmcoh.recover_order('computed', step, NULL, NULL, vector) AS items
          FROM note GROUP BY 1) AS b USING (guide);
SELECT bool_and(a = b) AS same FROM (SELECT xmcoh.recovered_position('computed', words, NULL) OVER w AS a,
    xmcoh.recovered_position('computed', words, NULL, vector) OVER w AS b FROM note WHERE guide <> 7 WINDOW w AS (PARTITION BY guide)) AS places;
SELECT bool_and(xmcoh.precedes('computed', a.words, NULL, b.words, NULL) = xmcoh.precedes('computed', NULL, NULL, NULL, NULL, a.vector, b.vector)) AS same,
       bool_and(abs(xmcoh.precedes('computed', a.words, NULL, b.words, NULL) + xmcoh.precedes('computed', b.words, NULL, a.words, NULL) - 1) < 1e-6) AS antisymmetric
  FROM note AS a JOIN note AS b USING (guide) WHERE guide IN (1, 2) AND a.step <> b.step;
SELECT xmcoh.precedes('computed', NULL, NULL, '', NULL) AS nothing_known;
SELECT xmcoh.order_coherence('computed', array_agg(words ORDER BY place)) = xmcoh.coherence('computed', place, words, NULL) AS same FROM note WHERE guide = 3;
SELECT xmcoh.order_holds('computed', array_agg(words ORDER BY place)) FROM note WHERE guide = 3;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.precedes('computed', 'cut', NULL, 'wash', NULL, '{1,2}', NULL)$$);
-- in a parallel plan, too
CREATE VIEW asked AS SELECT sum(xmcoh.precedes('computed', words, NULL, 'glue the box', NULL)::numeric) AS sum FROM note WHERE words <> '';
SELECT sum FROM asked \gset
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
EXPLAIN (COSTS off) SELECT * FROM asked;
SELECT sum = :sum AS same FROM asked;
COMMIT;
-- a vector that is given counts, and not the text
SELECT xmcoh.order_score('computed', 'cut', NULL, 'wash', NULL, a.vector, b.vector) = xmcoh.order_score('computed', NULL, NULL, NULL, NULL, a.vector, b.vector) AS same
  FROM note AS a JOIN note AS b USING (guide) WHERE guide = 3 AND a.step = 1 AND b.step = 2;
-- words and vectors together
SELECT array_agg(kind) @> '{word,encoder}' AS both FROM xmcoh.explain('besides', '3', '1', '2');
SELECT bool_and(has) FROM (SELECT xmcoh.order_score('besides', a.words, NULL, b.words, NULL) = xmcoh.order_score('besides', a.words, NULL, b.words, NULL, a.vector, b.vector) AS has
  FROM note AS a JOIN note AS b USING (guide) WHERE guide = 2) AS o;

-- ---- fine-tuning ----
SELECT make_model('tuned', true, 'tiny'), make_model('plain', true, NULL);
SELECT xmcoh.attach_source('tuned', 'half', 'guide', 'step', text => 'words', text_embedding => 'vector', "position" => 'place', approved => 'all');
SELECT xmcoh.attach_source('plain', 'note', 'guide', 'step', text => 'words', "position" => 'place', approved => 'all');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('plain', options => '{"fine_tune": 1}')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('tuned', options => '{"fine_tune": 3}')$$);
SELECT xmcoh.train('tuned', options => '{"fine_tune": 2, "adapter_rank": 2, "fine_tune_rate": 0.01}') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT state, message FROM xmcoh.job WHERE model = 'tuned';
-- trained once more, the same weights come out
SELECT xmcoh.train('tuned', options => '{"fine_tune": 2, "adapter_rank": 2, "fine_tune_rate": 0.01}') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT count(*) AS versions, count(DISTINCT sha256) AS weights FROM xmcoh.model_version AS v JOIN xmcoh.model AS m USING (model_id) WHERE m.name = 'tuned';
-- whole layers learn only where the feed-forward network has the usual width
SELECT xmcoh.train('tuned', options => '{"fine_tune": 1, "adapter_rank": 0}') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT message FROM xmcoh.job WHERE job_id = :job;

-- the adapters have learned: without them the network scores otherwise
SELECT i -> 'options' -> 'fine_tune' AS fine_tune FROM xmcoh.inspect_weights(xmcoh.export_model('tuned')) AS i;
SELECT count(*) > 0 AS differ FROM xmcoh.pair_scores('tuned', documents => '{1,2,3}') AS t JOIN xmcoh.pair_scores('besides', documents => '{1,2,3}') AS b USING (document, item_a, item_b) WHERE abs(t.fused - b.fused) > 1e-4;
-- functions on rows and functions on sources score alike, whether a row's own vector is stored or computed
SELECT count(*) AS guides, bool_and(a.items = b.items) AS same
  FROM (SELECT guide::text AS document, xmcoh.recover_order('tuned', step, words, NULL, vector) AS items FROM half WHERE guide < 7 GROUP BY 1) AS a
  JOIN (SELECT document, array_agg(item::integer ORDER BY position) AS items FROM xmcoh.order_documents('tuned', documents => '{1,2,3,4,5,6}') GROUP BY 1) AS b USING (document);
SELECT abs(sum(contribution) - (SELECT fused FROM xmcoh.pair_scores('tuned', '3') WHERE item_a = '1' AND item_b = '2')) < 1e-4 AS sums FROM xmcoh.explain('tuned', '3', '1', '2', top => 1000);
SELECT DISTINCT item, feature FROM xmcoh.explain('tuned', '3', '1', '2') WHERE kind = 'encoder' ORDER BY 1, 2;
SELECT count(*) AS figures, bool_and(tau IS NOT NULL) AS measured FROM xmcoh.evaluate('tuned') WHERE modality = 'text';
SELECT xmcoh.import_model('tuned2', xmcoh.export_model('tuned'));
SELECT xmcoh.deploy('tuned2', 1);
SELECT xmcoh.order_score('tuned2', 'cut the box', NULL, 'wash the box', NULL) = xmcoh.order_score('tuned', 'cut the box', NULL, 'wash the box', NULL) AS same;
-- a version that fine-tunes the encoder is compared with one that does not, by what was measured of both
SELECT xmcoh.train('tuned', on_success => 'challenge') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT state, message ~ 'tau' AS compared FROM xmcoh.job WHERE job_id = :job;
SELECT xmcoh.drop_model(name) FROM unnest('{tuned,tuned2,plain}'::text[]) AS name;

-- ---- texts that stand for images: the lines of a log, and the manual that it follows ----
-- A row of a manual holds a step; a row of the log says what was done, in other words. Up to run 40 a row has both.
CREATE TABLE manual AS
    SELECT guide AS run, 's' || step AS item, coalesce(nullif(words, ''), 'turn it') AS words, place::float8,
           CASE WHEN guide <= 40 THEN 'done: ' || words END AS line FROM note;
CREATE TABLE log AS
    SELECT guide AS run, 'l' || step AS item, coalesce('done: ' || nullif(words, ''), 'nothing') AS line, place::float8,
           xmcoh.embed('other', coalesce('done: ' || nullif(words, ''), 'nothing')) AS vector
      FROM note WHERE guide > 40 AND NOT (guide = 50 AND place = 2);
SELECT make_model('log', true, 'tiny', 'other'), make_model('log2', true, 'tiny', 'other');
SELECT xmcoh.attach_source('log', 'manual', 'run', 'item', text => 'words', image => 'line', "position" => 'place', approved => 'all');
SELECT xmcoh.attach_source('log', 'log', 'run', 'item', image => 'line', documents_of => 'manual', "position" => 'place', approved => 'all');
ALTER TABLE manual ADD vector real[];
UPDATE manual SET vector = xmcoh.embed('other', line);
SELECT xmcoh.attach_source('log2', 'manual', 'run', 'item', text => 'words', image => 'vector', "position" => 'place', approved => 'all');
SELECT xmcoh.attach_source('log2', 'log', 'run', 'item', image => 'vector', documents_of => 'manual', "position" => 'place', approved => 'all');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('log', 'note', 'guide', 'step', image => 'place')$$);
SELECT xmcoh.train('log') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT xmcoh.train('log2') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT model, state, message FROM xmcoh.job WHERE model IN ('log', 'log2') ORDER BY model;
SELECT count(DISTINCT v.sha256) AS weights, count(*) AS versions FROM xmcoh.model_version AS v JOIN xmcoh.model AS m USING (model_id) WHERE m.name IN ('log', 'log2');
SELECT bool_and(substr(text_item, 2) = substr(image_item, 2)) AS right, count(*) FROM generate_series(51, 60) AS run, xmcoh.alignment('log', run::text);
SELECT count(*) FROM (SELECT * FROM xmcoh.alignment('log', documents => '{41,50,60}') EXCEPT SELECT * FROM xmcoh.alignment('log2', documents => '{41,50,60}')) AS other;
-- the words of the lines that stand for images
SELECT modality, feature, item FROM xmcoh.explain('log', '3', 's1', 's2') WHERE kind = 'encoder' AND modality = 'image' ORDER BY 3, 2;
SELECT run, xmcoh.is_complete('log', run::text) FROM generate_series(49, 51) AS run;
SELECT item, photo_item FROM xmcoh.missing_photos('log', '50', 1);
SELECT count(*) AS lines, bool_and(item ~ '^[ls]') FROM xmcoh.order_documents('log', evidence => 'image guided', documents => '{51,52}');
SELECT count(*) FROM (SELECT * FROM xmcoh.order_documents('log', evidence => 'image guided') EXCEPT SELECT * FROM xmcoh.order_documents('log2', evidence => 'image guided')) AS other;
SELECT avg(xmcoh.kendall_tau(items, by_place)) AS tau FROM (
    SELECT array_agg(item ORDER BY position) AS items, array_agg(item ORDER BY stored_position) AS by_place
      FROM xmcoh.order_documents('log', evidence => 'image guided', guidance => 'stored', documents => '{51,52,53,54}') GROUP BY document) AS d;
SELECT count(*) > 0 AS some FROM xmcoh.review_queue('log', 3);
-- in a call, the query embeds the text that stands for an image
SELECT count(*), bool_and(a.items = b.items) AS same
  FROM (SELECT run::text, xmcoh.recover_order('log', item, words, xmcoh.embed('other', line)) AS items FROM manual WHERE run < 5 GROUP BY 1) AS a
  JOIN (SELECT document AS run, array_agg(item ORDER BY position) AS items FROM xmcoh.order_documents('log', documents => '{1,2,3,4}') GROUP BY 1) AS b USING (run);
-- a line without words is no image: the row holds nothing
UPDATE log SET line = '' WHERE run = 60 AND item = 'l0';
SELECT count(*) FILTER (WHERE image_item = 'l0') AS matched FROM xmcoh.alignment('log', '60');

-- ---- who may ----
CREATE ROLE enc_scorer;
CREATE ROLE enc_maker;
SELECT xmcoh.grant_usage('enc_scorer'), xmcoh.grant_usage('enc_maker');
SELECT xmcoh.grant_model('computed', 'enc_scorer', 'score');
GRANT SELECT ON note TO enc_scorer, enc_maker;
SET ROLE enc_scorer;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.embed('tiny', 'cut the box')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.create_model('e', encoder => 'tiny')$$);
SELECT xmcoh.precedes('computed', 'cut the box', NULL, 'wash the box', NULL) BETWEEN 0 AND 1 AS answered;
SELECT count(*) AS items FROM xmcoh.order_documents('computed', documents => '{1,2}');
SELECT xmcoh.coherence('computed', place, words, NULL) IS NOT NULL AS answered FROM note WHERE guide = 2;
SELECT model, encoder, image_encoder FROM xmcoh.model_overview;
RESET ROLE;
SELECT xmcoh.grant_encoder('tiny', 'enc_maker');
SET ROLE enc_maker;
SELECT make_model('hers', false, 'tiny');
SELECT * FROM pg_temp.fails($$SELECT make_model('hers2', false, 'tiny', 'other')$$);
RESET ROLE;
-- what a grant has made stays
SELECT xmcoh.revoke_encoder('tiny', 'enc_maker');
SET ROLE enc_maker;
SELECT xmcoh.attach_source('hers', 'note', 'guide', 'step', text => 'words', "position" => 'place', approved => 'all');
SELECT xmcoh.train('hers') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT count(*) AS items FROM xmcoh.order_documents('hers', documents => '{1,2}');
RESET ROLE;

-- ---- guard ----
CREATE TABLE guarded AS SELECT guide + 1000 AS guide, step, place, words FROM note WHERE guide BETWEEN 11 AND 14;
SELECT xmcoh.attach_source('besides', 'guarded', 'guide', 'step', text => 'words', "position" => 'place');
SELECT xmcoh.enforce_order('besides', 'guarded', on_violation => 'error', "precision" => 0.6);
SELECT count(*) AS violated FROM xmcoh.check_documents('besides', 'guarded', "precision" => 0.6) WHERE violated_pairs > 0;
SELECT state FROM pg_temp.fails($$UPDATE guarded SET place = -place WHERE guide = 1012; SET CONSTRAINTS ALL IMMEDIATE$$);
SELECT state FROM pg_temp.fails($$UPDATE guarded SET words = (ARRAY['wrap', 'wash', 'turn', 'paint', 'glue', 'fold', 'cut', 'draw'])[1 + place] WHERE guide = 1012; SET CONSTRAINTS ALL IMMEDIATE$$);
SELECT xmcoh.unenforce_order('besides', 'guarded');

-- ---- export, import, drop ----
SELECT * FROM pg_temp.fails($$SELECT xmcoh.drop_encoder('other')$$);
SELECT state, message, detail ~ '^SHA-256 of the weights'' encoders: [0-9a-f]{64} for texts, none for images\. Of the model''s: none and none\.$' AS both, hint
  FROM pg_temp.fails($$SELECT xmcoh.import_model('plain', xmcoh.export_model('computed')) FROM xmcoh.create_model('plain', words => false, text_dim => 16)$$);
SELECT xmcoh.import_model('copy', xmcoh.export_model('log'));
SELECT xmcoh.deploy('copy', 1);
SELECT count(*) FILTER (WHERE m.encoder_id = e.encoder_id AND m.image_encoder_id = i.encoder_id) AS same
  FROM xmcoh.model AS m, xmcoh.encoder AS e, xmcoh.encoder AS i WHERE m.name = 'copy' AND e.name = 'tiny' AND i.name = 'other';
SELECT xmcoh.order_score('copy', 'cut', xmcoh.embed('other', 'done: cut'), 'wash', NULL) = xmcoh.order_score('log', 'cut', xmcoh.embed('other', 'done: cut'), 'wash', NULL) AS same;
SELECT xmcoh.import_model('computed', xmcoh.export_model('computed'));
SET ROLE enc_scorer;
SELECT state, regexp_replace(message, '[0-9a-f]{64}', 'S') AS message, detail, hint FROM pg_temp.fails($$SELECT xmcoh.import_model('mine', xmcoh.export_model('computed'))$$);
RESET ROLE;
CREATE TABLE exported AS SELECT xmcoh.export_model('log') AS weights;
SELECT xmcoh.drop_model(name) FROM xmcoh.model WHERE name IN ('log', 'log2', 'copy');
SELECT xmcoh.drop_encoder('other');
SELECT state, regexp_replace(message, '[0-9a-f]{64}', 'S') AS message FROM pg_temp.fails($$SELECT xmcoh.import_model('copy', weights) FROM exported$$);
SELECT xmcoh.model_exists('copy');
-- the same files under another name are the same encoder
SELECT xmcoh.import_encoder('again', weights, config, tokenizer) IS NOT NULL AS imported FROM published WHERE name = 'other';
SELECT xmcoh.import_model('copy', weights) FROM exported;
SELECT xmcoh.deploy('copy', 1);
SELECT encoder, image_encoder FROM xmcoh.model_overview WHERE model = 'copy';
SELECT xmcoh.order_score('copy', 'cut', xmcoh.embed('again', 'done: cut'), 'wash', NULL) IS NOT NULL AS scored;
-- An encoder that did not teach the version is never used. No function can bring this about; a superuser can.
BEGIN;
UPDATE xmcoh.model SET encoder_id = image_encoder_id WHERE name = 'copy';
SELECT state, message, regexp_replace(detail, '[0-9a-f]{64}', 'S', 'g') AS detail, hint FROM pg_temp.fails($$SELECT xmcoh.precedes('copy', 'cut', NULL, 'wash', NULL)$$);
ROLLBACK;

SELECT xmcoh.drop_model(name) FROM xmcoh.model WHERE name IN ('computed', 'stored', 'besides', 'hers', 'copy') ORDER BY name;
SELECT xmcoh.drop_encoder(name) FROM unnest('{tiny,again}'::text[]) AS name;
SELECT xmcoh.revoke_usage('enc_scorer'), xmcoh.revoke_usage('enc_maker');
DROP TABLE published, exported, guarded, manual, log;
DROP VIEW half, asked;
DROP TABLE note;
DROP FUNCTION make_model;
DROP EXTENSION xmcoh;
DROP ROLE enc_scorer, enc_maker;
