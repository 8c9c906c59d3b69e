-- Setting b (settings.sql lists the settings): photos are unordered and not linked to the steps. A step's text is a verb, which
-- tells its place, and a subject. The step's photo shows only the subject. So photos can be ordered only by the text of the step
-- that they show.
CREATE FUNCTION photo(subject integer, noise integer) RETURNS real[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg((k = subject)::integer + (noise * 31 + k * 17) % 13 * 0.02 ORDER BY k)::real[]
      FROM generate_series(0, 11) AS k $$;
CREATE TABLE manual AS
    SELECT g AS manual, (p * 5 + g) % n AS step, p AS place, (g * 5 + p * 7) % 12 AS subject,
           (ARRAY['open', 'check', 'fit', 'turn', 'press', 'close', 'clean', 'pack'])[1 + p * 8 / n] || ' the ' ||
           (ARRAY['valve', 'screw', 'seal', 'pump', 'hose', 'motor', 'filter', 'sensor', 'cable', 'spring', 'gauge',
               'panel'])[1 + (g * 5 + p * 7) % 12] AS words
      FROM generate_series(1, 140) AS g, LATERAL (SELECT (ARRAY[4, 6, 7, 8])[1 + g % 4] AS n) AS size,
          generate_series(0, n - 1) AS p;
CREATE VIEW linked AS SELECT manual, step, place, words, photo(subject, manual + step) AS picture FROM manual WHERE manual <= 120;
SELECT xmcoh.create_model('album', image_dim => 12,
       options => '{"d_model": 16, "heads": 2, "feed_forward": 32, "hash_bits": 12, "bag_dim": 0, "bilinear_dim": 0, "epochs": 15,
    "align_dim": 16, "align_learning_rate": 0.01}') IS NOT NULL AS created;
SELECT xmcoh.attach_source('album', 'linked', document => 'manual', item => 'step', text => 'words', image => 'picture',
    "position" => 'place', approved => 'all');
SELECT xmcoh.train('album') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT alignment ->> 'documents' AS documents, (alignment ->> 'accuracy')::float8 > 0.9 AS accuracy,
       (alignment ->> 'chance')::float8 < 0.2 AS chance
  FROM (SELECT report -> 'alignment' AS alignment FROM xmcoh.model_version JOIN xmcoh.model USING (model_id) WHERE name = 'album')
    AS report;

-- Texts and photos are in separate rows. Keys do not tell the order.
CREATE TABLE loose AS
    SELECT manual, 't' || md5(manual || words) AS item, words, NULL::real[] AS picture, place FROM manual WHERE manual > 120
    UNION ALL
    SELECT manual, 'p' || md5('photo' || manual || words), NULL, photo(subject, manual * 3 + step), place FROM manual
     WHERE manual > 120;
SELECT xmcoh.attach_source('album', 'loose', document => 'manual', item => 'item', text => 'words', image => 'picture');

-- The order of the photos by themselves, and with the help of the texts.
SELECT evidence, avg(tau) > 0.9 AS right, avg(tau) BETWEEN -0.4 AND 0.4 AS guessed
  FROM (SELECT evidence, document, xmcoh.kendall_tau(array_agg(item ORDER BY o.position),
                                                     array_agg(item ORDER BY l.place)) AS tau
          FROM (VALUES ('image'), ('fused')) AS e (evidence), xmcoh.order_documents('album', 'loose', evidence) AS o
          JOIN loose AS l USING (item) WHERE picture IS NOT NULL GROUP BY 1, 2) AS each GROUP BY 1 ORDER BY 1;
-- One order of texts and photos together: the text and the photo of a step are neighbours or nearly so.
SELECT avg(abs(t.position - p.position)) < 1.5 AS together
  FROM (SELECT o.*, manual, place, picture IS NULL AS is_text FROM xmcoh.order_documents('album', 'loose') AS o
          JOIN loose USING (item)) AS t JOIN
       (SELECT o.*, manual, place, picture IS NULL AS is_text FROM xmcoh.order_documents('album', 'loose') AS o
          JOIN loose USING (item)) AS p USING (manual, place) WHERE t.is_text AND NOT p.is_text;
-- Which photo shows which step.
SELECT count(*) AS texts, avg((t.place = p.place)::integer) > 0.95 AS right, bool_and(a.probability > 0.5) AS sure,
       bool_and(inferred) AS inferred
  FROM (SELECT DISTINCT manual FROM loose) AS m, xmcoh.alignment('album', m.manual::text, 'loose') AS a
  JOIN loose AS t ON t.item = text_item LEFT JOIN loose AS p ON p.item = image_item;
-- Missing and foreign photos by line: one step of line 1 has lost its photo, line 0 has a photo of another manual too much.
CREATE VIEW by_line AS
    SELECT l.*, 'line ' || manual % 2 AS line FROM loose AS l WHERE NOT (manual = 121 AND place = 1 AND words IS NULL)
    UNION ALL
    SELECT 122, 'foreign', NULL, photo((SELECT min(k) FROM generate_series(0, 11) AS k WHERE k NOT IN (SELECT subject FROM manual WHERE manual = 122)), 1),
           9, 'line 0';
\set VERBOSITY terse
SELECT xmcoh.attach_source('album', 'by_line', document => 'manual', item => 'item', text => 'words', image => 'picture');
\set VERBOSITY default
SELECT g."group", g.documents, g.missing_photos > 0 AS missing, g.foreign_photos > 0 AS "foreign", a.missing = g.missing_photos AND a."foreign" = g.foreign_photos AS same
  FROM xmcoh.check_groups('album', 'line', 'by_line', photos => true) AS g
  JOIN (SELECT 'line ' || document::integer % 2 AS line, count(*) FILTER (WHERE image_item IS NULL) AS missing, count(*) FILTER (WHERE text_item IS NULL) AS "foreign"
          FROM xmcoh.alignment('album', source => 'by_line', documents => (SELECT array_agg(DISTINCT manual::text) FROM by_line)) GROUP BY 1) AS a ON a.line = g."group";
SELECT bool_and(missing_photos IS NULL AND foreign_photos IS NULL) AS not_counted FROM xmcoh.check_groups('album', 'line', 'by_line');
SELECT xmcoh.detach_source('album', 'by_line');
DROP VIEW by_line;
-- The scores of a pair: solo, guided, all.
SELECT bool_and((text IS NULL) = (text_guided IS NULL) AND (image IS NULL) = (image_guided IS NULL)) AS both_or_none,
       bool_and(text_guided IS NULL OR text_guided = fused) AS text, bool_and(image_guided IS NULL OR image_guided = fused) AS image,
       count(*) AS pairs, count(text) AS texts, count(image) AS images
  FROM xmcoh.pair_scores('album', '121', 'loose');

-- The parts of a score: of words, of photos, and of the counterparts that the alignment finds. They sum to it.
SELECT count(*) AS pairs, bool_and(abs(s.fused - e.sum) < 1e-4) AS complete
  FROM xmcoh.pair_scores('album', '121', 'loose') AS s, LATERAL (SELECT sum(contribution) FROM xmcoh.explain('album', '121', s.item_a, s.item_b)) AS e;
SELECT item_a ~ '^p' AS photo_a, item_b ~ '^p' AS photo_b, modality, kind, bool_and(feature ~ '^([tp][0-9a-f]{32} \([01]\.\d\d\)(, )?){1,2}$') AS guided_by,
       bool_and(item IN (item_a, item_b)) AS item
  FROM xmcoh.pair_scores('album', '121', 'loose') AS s, LATERAL xmcoh.explain('album', '121', s.item_a, s.item_b) AS e
 WHERE feature NOT LIKE 'other%' AND modality = 'text' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
-- the likeliest counterpart is that of xmcoh.alignment
SELECT bool_and(e.via = a.text_item) AS right
  FROM xmcoh.alignment('album', '121', 'loose') AS a,
       LATERAL (SELECT item_b AS other FROM xmcoh.pair_scores('album', '121', 'loose') WHERE item_b ~ '^t' AND item_b <> a.text_item LIMIT 1) AS o,
       LATERAL (SELECT split_part(feature, ' ', 1) AS via FROM xmcoh.explain('album', '121', a.image_item, other)
                 WHERE kind = 'guided' AND modality = 'text' AND feature NOT LIKE 'other%' ORDER BY abs(contribution) DESC LIMIT 1) AS e
 WHERE a.probability > 0.9;

-- Every kind of evidence is judged under every rule, over the photos, the texts, or all items. The alignment is not known here,
-- so argument alignment makes no difference.
CREATE VIEW placed AS SELECT manual, item, words, picture, 2 * place + (picture IS NOT NULL)::int AS place FROM loose;
SELECT xmcoh.attach_source('album', 'placed', document => 'manual', item => 'item', text => 'words', image => 'picture',
    "position" => 'place');
SELECT g AS rule, modality, guidance, documents, items, tau > 0.9 AS right, tau BETWEEN -0.4 AND 0.4 AS guessed,
       round(random_acc::numeric, 3) AS random_acc, calibration_error < 0.15 AS calibrated
  FROM unnest('{soft,hard,uncalibrated,paper}'::text[]) AS g, xmcoh.evaluate('album', 'placed', g);
SELECT g AS rule, count(*) AS rows, bool_and(to_jsonb(i) = to_jsonb(k)) AS same
  FROM unnest('{soft,hard,uncalibrated,paper}'::text[]) AS g, xmcoh.evaluate('album', 'placed', g, 'inferred') AS i
  JOIN LATERAL xmcoh.evaluate('album', 'placed', g) AS k USING (modality, guidance) GROUP BY 1 ORDER BY 1;
-- Rows that hold both modalities: with the known alignment, and with an inferred alignment, which is harder.
CREATE VIEW fresh AS
    SELECT manual, step, place, words, photo(subject, manual * 3 + step) AS picture FROM manual WHERE manual > 120;
SELECT xmcoh.attach_source('album', 'fresh', document => 'manual', item => 'step', text => 'words', image => 'picture',
    "position" => 'place');
SELECT a AS alignment, g AS rule, modality, guidance, documents, items, tau > 0.9 AS right, tau BETWEEN -0.4 AND 0.4 AS guessed
  FROM unnest('{known,inferred}'::text[]) AS a, unnest('{soft,hard,uncalibrated,paper}'::text[]) AS g,
       xmcoh.evaluate('album', 'fresh', g, a);
-- The scores of one pair by each rule. Solo scores are equal under every rule except uncalibrated; the paper's rounds add up.
SELECT count(*) AS pairs, bool_and(abs(text_guided - fused) < 1e-9 AND abs(image_guided - fused) < 1e-9) AS one
  FROM xmcoh.pair_scores('album', '125', 'fresh');
-- (Without the bilinear term, whose score is not a column.)
SELECT bool_and(abs(fused - text - image) < 1e-4 * (1 + abs(fused))) AS sum
  FROM xmcoh.pair_scores('album', '125', 'fresh', guidance => 'uncalibrated');
SELECT rounds, count(p.fused) AS fused, count(p.probability) AS probability, bool_and(p.text = k.text AND p.image = k.image) AS solo,
       count(*) > 0 AS pairs, bool_and(abs(p.image_guided - t * k.text - i * k.image) < 1e-4 * (1 + abs(p.image_guided))) AS added_up
  FROM (VALUES (1, 1.0, 1.0), (2, 2.25, 1.25)) AS r (rounds, t, i),
       xmcoh.pair_scores('album', '125', 'fresh', guidance => 'paper', rounds => rounds) AS p
  JOIN xmcoh.pair_scores('album', '125', 'fresh') AS k USING (item_a, item_b)
 WHERE abs(k.text) > 4 AND abs(k.image) < 1 GROUP BY 1 ORDER BY 1;
-- An order by one modality contains the items that have the modality.
SELECT e AS evidence, count(*) AS items, count(DISTINCT document) AS documents, bool_and(o.item LIKE left(e, 1) || '%') AS own,
       max(o.position) AS longest
  FROM unnest('{text,text guided}'::text[]) AS e, xmcoh.order_documents('album', 'loose', e) AS o GROUP BY 1 ORDER BY 1;
SELECT e AS evidence, g AS rule, avg(tau) > 0.9 AS right
  FROM (SELECT e, g, document, xmcoh.kendall_tau(array_agg(item ORDER BY o.position), array_agg(item ORDER BY l.place)) AS tau
          FROM unnest('{image guided,text guided}'::text[]) AS e, unnest('{hard,paper}'::text[]) AS g,
               xmcoh.order_documents('album', 'loose', e, g, 'inferred', rounds => 1) AS o JOIN loose AS l USING (item)
         GROUP BY 1, 2, 3) AS each GROUP BY 1, 2 ORDER BY 1, 2;
-- Values that do not exist are refused.
SELECT * FROM xmcoh.evaluate('album', guidance => 'none such');
SELECT * FROM xmcoh.evaluate('album', alignment => 'perfect');
SELECT * FROM xmcoh.evaluate('album', rounds => 0);
SELECT * FROM xmcoh.pair_scores('album', '125', guidance => 'paper', rounds => 11);
SELECT * FROM xmcoh.order_documents('album', 'loose', guidance => 'paper');
SELECT * FROM xmcoh.order_documents('album', 'loose', 'fused', alignment => 'inferred');
SELECT * FROM xmcoh.order_documents('album', 'loose', 'guided');
SELECT count(*) AS defaults FROM xmcoh.order_documents('album', 'loose', NULL, NULL, NULL, NULL);
SELECT xmcoh.detach_source('album', 'placed');

-- The texts have a stored order, the photos have none. Photos are ordered by the stored order, whatever the texts' own scores say
-- (here the opposite). The places of the photos among the texts follow; the texts stay in their stored order.
CREATE VIEW manual_and_photos AS SELECT manual, item, words, picture, CASE WHEN picture IS NULL THEN -place END AS place FROM loose;
SELECT xmcoh.attach_source('album', 'manual_and_photos', document => 'manual', item => 'item', text => 'words', image => 'picture',
    "position" => 'place');
SELECT g AS rule, avg(tau) > 0.9 AS as_stored, avg(tau) < -0.9 AS as_scored, count(stored) AS stored
  FROM (SELECT g, document, xmcoh.kendall_tau(array_agg(item ORDER BY o.position), array_agg(item ORDER BY -l.place)) AS tau,
               max(stored_position) AS stored
          FROM unnest('{soft,stored}'::text[]) AS g, xmcoh.order_documents('album', 'manual_and_photos', 'image guided', g) AS o
          JOIN loose AS l USING (item) GROUP BY 1, 2) AS each GROUP BY 1 ORDER BY 1;
WITH o AS (SELECT o.*, l.place, picture IS NULL AS is_text, row_number() OVER (PARTITION BY manual, picture IS NULL ORDER BY l.place DESC) AS turn
             FROM xmcoh.order_documents('album', 'manual_and_photos', guidance => 'stored') AS o JOIN loose AS l USING (item))
SELECT (SELECT count(*) FROM o) AS items, (SELECT count(*) FROM o WHERE is_text AND stored_position <> -place) AS other,
       (SELECT avg(tau) FROM (SELECT xmcoh.kendall_tau(array_agg(item ORDER BY position), array_agg(item ORDER BY stored_position)) AS tau
                                FROM o WHERE is_text GROUP BY document) AS t) AS texts,
       (SELECT avg(abs(t.position - p.position)) < 1.5 FROM o AS t JOIN o AS p USING (document, turn) WHERE t.is_text AND NOT p.is_text) AS together;
SELECT bool_and(p.text = s.text) AS solo, bool_and(p.probability > 0.999999) FILTER (WHERE a.place > b.place AND p.text IS NOT NULL) AS decided,
       bool_and(p.image_guided > 0) FILTER (WHERE a.place > b.place) AS photos
  FROM xmcoh.pair_scores('album', '125', 'manual_and_photos', guidance => 'stored') AS p
  JOIN xmcoh.pair_scores('album', '125', 'manual_and_photos') AS s USING (item_a, item_b)
  JOIN loose AS a ON a.item = item_a JOIN loose AS b ON b.item = item_b;
-- The figures of rule stored on rows with both modalities, stored backwards, link ignored; with a known link, a row's stored order decides.
CREATE VIEW backwards AS
    SELECT manual, step, -place AS place, words, photo(subject, manual * 3 + step) AS picture FROM manual WHERE manual > 120;
SELECT xmcoh.attach_source('album', 'backwards', document => 'manual', item => 'step', text => 'words', image => 'picture',
    "position" => 'place');
SELECT a AS alignment, modality, guidance, documents, items, tau > 0.9 AS as_stored, tau BETWEEN -0.4 AND 0.4 AS guessed, tau < -0.9 AS as_scored
  FROM unnest('{known,inferred}'::text[]) AS a, xmcoh.evaluate('album', 'backwards', 'stored', a);
-- Rows with a stored order decide against any number of contradicting rows without one.
CREATE VIEW two_placed AS
    SELECT manual, step, words, NULL::real[] AS picture, CASE place WHEN 0 THEN 1 WHEN 7 THEN 0 END AS place FROM manual
     WHERE manual > 120 AND manual % 4 = 3;
SELECT xmcoh.attach_source('album', 'two_placed', document => 'manual', item => 'step', text => 'words', image => 'picture',
    "position" => 'place');
SELECT g AS rule, count(*) AS items, max(o.position) AS longest, bool_and(last.position < first.position) AS as_stored
  FROM unnest('{soft,stored}'::text[]) AS g, xmcoh.order_documents('album', 'two_placed', guidance => g) AS o
  JOIN LATERAL xmcoh.order_documents('album', 'two_placed', guidance => g) AS first ON first.document = o.document AND first.stored_position = 1
  JOIN LATERAL xmcoh.order_documents('album', 'two_placed', guidance => g) AS last ON last.document = o.document AND last.stored_position = 0
 GROUP BY 1 ORDER BY 1;
-- No document is judged when only some of its rows have a stored order.
SELECT DISTINCT documents FROM xmcoh.evaluate('album', 'manual_and_photos', 'stored');
SELECT xmcoh.detach_source('album', s) FROM unnest('{manual_and_photos,fresh,backwards,two_placed}'::text[]) AS s;
DROP VIEW placed, fresh, manual_and_photos, backwards, two_placed;

-- Setting e: a missing photo, and a photo of something else.
UPDATE loose SET manual = 1000 FROM manual WHERE loose.manual = 122 AND manual.manual = 122 AND picture IS NOT NULL
    AND loose.place = 2 AND manual.place = 2;
SELECT t.place AS step_without_photo, probability > 0.5 AS sure FROM xmcoh.alignment('album', '122', 'loose')
  JOIN loose AS t ON item = text_item WHERE image_item IS NULL;
INSERT INTO loose SELECT 123, 'foreign', NULL, photo(subject, 5) FROM generate_series(0, 11) AS subject
 WHERE subject NOT IN (SELECT subject FROM manual WHERE manual = 123) ORDER BY subject LIMIT 1;
SELECT text_item, image_item, probability > 0.5 AS sure, inferred FROM xmcoh.alignment('album', '123', 'loose')
 WHERE text_item IS NULL OR image_item IS NULL;
SELECT document, xmcoh.is_complete('album', document, 'loose') FROM unnest('{121,122,123,none such}'::text[]) AS document;
SELECT count(*) AS complete FROM (SELECT DISTINCT manual FROM linked) AS m WHERE xmcoh.is_complete('album', manual::text);
-- A document with texts only, with one photo only, with rows that hold both, and a missing document.
DELETE FROM loose WHERE manual = 124 AND picture IS NOT NULL;
SELECT count(*), count(image_item) AS matched, min(probability) AS least FROM xmcoh.alignment('album', '124', 'loose');
SELECT text_item, image_item IS NOT NULL AS image, probability FROM xmcoh.alignment('album', '1000', 'loose');
SELECT * FROM xmcoh.alignment('album', '4', 'linked') ORDER BY text_item;
SELECT * FROM xmcoh.alignment('album', 'none such');

-- Missing photos: that of the step at place 1 is missing in 621 to 630, and 631 to 640 have all. Albums hold the missing ones.
CREATE TABLE bare AS
    SELECT manual + 500 AS manual, 't' || md5(manual || words) AS item, words, NULL::real[] AS picture, place, subject FROM manual WHERE manual > 120
    UNION ALL
    SELECT manual + 500, 'p' || md5(manual || words), NULL, photo(subject, manual * 3 + step), place, subject FROM manual
     WHERE manual > 120 AND NOT (manual <= 130 AND place = 1);
SELECT xmcoh.attach_source('album', 'bare', document => 'manual', item => 'item', text => 'words', image => 'picture');
CREATE TABLE shoebox AS
    SELECT 'album ' || manual % 4 AS album, 's' || manual AS item, photo(subject, manual * 3 + step) AS picture, subject FROM manual
     WHERE manual BETWEEN 121 AND 130 AND place = 1;
SELECT xmcoh.attach_source('album', 'shoebox', document => 'album', item => 'item', image => 'picture');
SELECT manual <= 630 AND place = 1 AS missing, count(*) AS steps, count(m.document) AS named, bool_and(probability_missing > 0.5) AS sure
  FROM bare AS b LEFT JOIN xmcoh.missing_photos('album', source => 'bare', documents => ARRAY(SELECT DISTINCT manual::text FROM bare)) AS m
    ON (m.document, m.item) = (b.manual::text, b.item) WHERE words IS NOT NULL GROUP BY 1 ORDER BY 1;
-- The photo is in an album, and is found there, among all albums.
SELECT count(*) AS steps, avg((s.subject = b.subject)::int) > 0.8 AS found, count(DISTINCT photo_document) AS albums
  FROM xmcoh.missing_photos('album', NULL, 2, 'shoebox', 'bare', ARRAY(SELECT DISTINCT manual::text FROM bare)) AS m
  JOIN bare AS b ON b.item = m.item JOIN shoebox AS s ON s.item = photo_item WHERE candidate = 1;
SELECT bool_and(probability <= before) AS falls, bool_and(probability BETWEEN 0 AND 1) AS probability, max(candidate) AS candidates,
       bool_and(total < 1.000001) AS one_photo
  FROM (SELECT *, lag(probability, 1, 1) OVER (PARTITION BY document, item ORDER BY candidate) AS before,
               sum(probability) OVER (PARTITION BY document, item) AS total
          FROM xmcoh.missing_photos('album', n => 5, pool_source => 'shoebox', source => 'bare', documents => '{621,622,623}')) AS m;
-- More photos than are aligned together: those of the last chunk compete with the best of the first one.
INSERT INTO shoebox SELECT 'more ' || k / 100, 'm' || k, photo(4, k), 4 FROM generate_series(1, 700) AS k;
SELECT photo_document, s.subject = b.subject AS found
  FROM xmcoh.missing_photos('album', '622', 1, 'shoebox', 'bare') AS m JOIN bare AS b ON b.item = m.item JOIN shoebox AS s ON s.item = photo_item;
-- Without a pool, and with n 0, the steps are named alone.
SELECT n, pool, count(*) AS rows, count(candidate) AS candidates
  FROM (VALUES (3, NULL), (0, 'shoebox'::regclass)) AS v (n, pool), xmcoh.missing_photos('album', '621', v.n, v.pool, 'bare') GROUP BY 1, 2 ORDER BY 1;
-- A pool whose photos show steps of its own gives none.
SELECT count(*) AS rows, count(candidate) AS candidates FROM xmcoh.missing_photos('album', '622', 3, 'bare', 'bare');
-- is_complete of several documents: the same answers.
SELECT complete, count(*), bool_and(complete = xmcoh.is_complete('album', document, 'bare')) AS same,
       bool_and(complete = NOT EXISTS (SELECT FROM xmcoh.alignment('album', document, 'bare') AS a
                                        WHERE text_item IS NULL OR image_item IS NULL)) AS alike
  FROM xmcoh.is_complete('album', ARRAY(SELECT DISTINCT manual::text FROM bare), 'bare') GROUP BY 1 ORDER BY 1;
SELECT * FROM xmcoh.is_complete('album', '{none}'::text[], 'bare');
SELECT xmcoh.detach_source('album', 'bare'), xmcoh.detach_source('album', 'shoebox');
DROP TABLE bare, shoebox;

-- Errors: no document; a version that was trained on no row with both modalities.
SELECT * FROM xmcoh.alignment('album', NULL);
SELECT * FROM xmcoh.alignment(NULL, '1');
SELECT xmcoh.is_complete('album', NULL);
CREATE VIEW apart AS
    SELECT manual, 2 * step AS item, words, NULL::real[] AS picture, place FROM linked
    UNION ALL SELECT manual, 2 * step + 1, NULL, picture, place + 0.5 FROM linked;
SELECT xmcoh.create_model('apart', image_dim => 12, options => '{"d_model": 8, "heads": 2, "feed_forward": 8, "hash_bits": 8,
    "bag_dim": 0, "epochs": 1}') IS NOT NULL AS created;
SELECT xmcoh.attach_source('apart', 'apart', document => 'manual', item => 'item', text => 'words', image => 'picture',
    "position" => 'place', approved => 'all');
SELECT xmcoh.train('apart') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT * FROM xmcoh.alignment('apart', '5');
SELECT xmcoh.is_complete('apart', '5', 'apart');
SELECT * FROM xmcoh.missing_photos('apart', '5');
SELECT * FROM xmcoh.is_complete('apart', '{5}'::text[]);
SELECT count(*) AS pairs FROM xmcoh.pair_scores('apart', '5') WHERE text IS NULL AND image IS NULL AND fused = 0;
SELECT xmcoh.drop_model('apart'), xmcoh.drop_model('album');
DROP VIEW apart, linked;
DROP TABLE loose, manual;
DROP FUNCTION photo(integer, integer);
