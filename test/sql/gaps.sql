-- What documents lack. Guides of trained.sql, none of them approved: of guides 2001 to 2020 the first step was taken out, of 2021 to
-- 2040 a step between two others, the rest is whole.
CREATE TABLE holed AS
    SELECT guide + 2000 AS guide, step, words, picture, place FROM step
     WHERE guide <= 60 AND CASE WHEN guide <= 20 THEN place > 0 WHEN guide <= 40 THEN place <> 2 ELSE true END;
SELECT xmcoh.attach_source('guides', 'holed', document => 'guide', item => 'step', text => 'words', image => 'picture',
    "position" => 'place');
CREATE VIEW gap AS
    SELECT m.*, document::int - 2000 AS guide
      FROM xmcoh.missing_steps('guides', n => 5, source => 'holed', documents => ARRAY(SELECT DISTINCT guide::text FROM holed)) AS m;

-- A first step is always told by its words; the place before the first step is the likeliest where it is missing, and only there.
SELECT CASE WHEN guide <= 20 THEN 'first' WHEN guide <= 40 THEN 'between' ELSE 'none' END AS missing, count(*) AS documents,
       bool_and(probability > 0.4) AS likely, bool_and(probability < 0.1) AS unlikely
  FROM gap WHERE after_item IS NULL AND coalesce(candidate, 1) = 1 GROUP BY 1 ORDER BY 1;
-- Nothing tells a step between two others apart, so there is no probability, and a reason; the score stays.
SELECT CASE WHEN after_item IS NULL THEN 'first' WHEN before_item IS NULL THEN 'last' ELSE 'between' END AS place,
       bool_and(probability IS NULL) AS no_probability, bool_and(score IS NOT NULL) AS score,
       bool_and(reason IS NULL) AS no_reason, bool_and(reason ~ '^cannot tell: AUROC 0\.\d\d \[0\.\d\d, 0\.\d\d\]$') AS cannot_tell
  FROM gap GROUP BY 1 ORDER BY 1;
-- One more place than steps, the likeliest first; probabilities of a document are at most 1 together.
SELECT bool_and(places = steps + 1) AS places, bool_and(total <= 1) AS total
  FROM (SELECT guide, count(DISTINCT (after_item, before_item)) AS places,
               (SELECT count(*) FROM holed AS h WHERE h.guide = gap.guide + 2000) AS steps,
               sum(probability) FILTER (WHERE candidate = 1) AS total FROM gap GROUP BY guide) AS d;
SELECT bool_and(probability <= before OR before IS NULL) AS falls
  FROM (SELECT probability, lag(probability) OVER (PARTITION BY document ORDER BY row) AS before
          FROM (SELECT *, row_number() OVER () AS row FROM gap) AS g) AS g;
-- Candidates: steps of approved guides, of different texts, the most similar first; none that the guide has already. What was taken
-- out is the first step of an approved guide, which is the same guide with its first step.
SELECT bool_and(candidate_document::int <= 120) AS approved, bool_and(similarity BETWEEN -1 AND 1) AS similarity,
       bool_and(candidate_text = words) AS text, count(*) = count(DISTINCT (document, after_item, before_item, candidate_text)) AS distinct_texts
  FROM gap LEFT JOIN step AS s ON (s.guide::text, s.step::text) = (candidate_document, candidate_item);
SELECT count(*) AS there FROM gap JOIN holed AS h ON h.guide::text = document AND h.words = candidate_text;
SELECT count(DISTINCT guide) AS guides, bool_and(similarity < before) AS falls
  FROM (SELECT *, lag(similarity, 1, 2) OVER (PARTITION BY document, after_item, before_item ORDER BY candidate) AS before FROM gap) AS g
 WHERE guide <= 20 AND after_item IS NULL;
SELECT avg((candidate_text ~ '^open')::int) > 0.9 AS opens, bool_or(candidate_text = words) FILTER (WHERE guide = 3) AS found
  FROM gap JOIN step AS s USING (guide) WHERE guide <= 20 AND after_item IS NULL AND s.place = 0 AND candidate = 1;
-- n says how many; 0: the document alone is read
SELECT n, count(*) AS rows, count(candidate) AS candidates, count(DISTINCT after_item) AS places
  FROM unnest('{0,1,4}'::int[]) AS n, xmcoh.missing_steps('guides', '2007', n, 'holed') GROUP BY n ORDER BY n;
SELECT count(*) FROM xmcoh.missing_steps('guides', 'none');
-- what people decided is approved, too; a document whose order is not approved gives no candidates
CREATE TABLE decided AS SELECT 'a' AS guide, p AS step, ARRAY['wash', 'rinse', 'dry', 'iron'] AS w, p AS place FROM generate_series(1, 4) AS p;
CREATE VIEW laundry AS
    SELECT g || n AS guide, step, w[step] || ' the shirt' AS words, NULL::real[] AS picture, place
      FROM decided, (VALUES ('a', 1), ('b', 2)) AS v (g, n) WHERE g = 'a' OR step <> 2;
SELECT xmcoh.attach_source('guides', 'laundry', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT after_item, before_item, candidate_text = 'rinse the shirt' AS found
  FROM xmcoh.missing_steps('guides', 'b2', 1, 'laundry') WHERE after_item = '1';
SELECT xmcoh.approve_order('guides', 'a1') > 0 AS approved;
SELECT after_item, before_item, candidate_document, candidate_item, candidate_text, round(similarity::numeric, 3) AS similarity
  FROM xmcoh.missing_steps('guides', 'b2', 1, 'laundry') WHERE after_item = '1';
SELECT xmcoh.detach_source('guides', 'laundry'), xmcoh.detach_source('guides', 'holed');

-- A version whose weights are all 0 was measured at nothing.
SELECT xmcoh.attach_source('blind', 'step', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT DISTINCT probability, score, reason FROM xmcoh.missing_steps('blind', '7', 0, 'step');
SELECT xmcoh.detach_source('blind', 'step');

-- Errors.
SELECT * FROM xmcoh.missing_steps('guides', NULL);
SELECT * FROM xmcoh.missing_steps('guides', '1', documents => '{1}');
SELECT * FROM xmcoh.missing_steps('guides', '1', NULL);
SELECT * FROM xmcoh.missing_steps('guides', '1', -1);
SELECT * FROM xmcoh.missing_steps('guides', '1', 101);
SELECT * FROM xmcoh.missing_steps('nobody', '1');
SELECT * FROM xmcoh.missing_photos('guides', NULL);
SELECT * FROM xmcoh.missing_photos('guides', '1', 101);

-- ---- photos ----

-- Manuals of guidance.sql, with photos in rows of their own: the photo of the step at place 1 is missing in 121 to 130, and the others have
-- all. Album 1 holds the missing photos among others that belong to nothing.
CREATE TABLE bare AS SELECT * FROM loose WHERE NOT (manual <= 130 AND place = 1 AND picture IS NOT NULL);
SELECT xmcoh.attach_source('album', 'bare', document => 'manual', item => 'item', text => 'words', image => 'picture');
CREATE TABLE shoebox AS SELECT 'album ' || place AS album, item, picture FROM loose WHERE manual BETWEEN 121 AND 124 AND picture IS NOT NULL;
SELECT xmcoh.attach_source('album', 'shoebox', document => 'album', item => 'item', image => 'picture');
SELECT manual <= 130 AS missing, count(*) AS steps, bool_and(m.document IS NOT NULL) AS named, bool_and(probability_missing > 0.5) AS sure
  FROM bare AS b LEFT JOIN xmcoh.missing_photos('album', source => 'bare', documents => ARRAY(SELECT DISTINCT manual::text FROM bare)) AS m
    ON (m.document, m.item) = (b.manual::text, b.item) WHERE place = 1 AND words IS NOT NULL GROUP BY 1 ORDER BY 1;
-- The photo is in the pool: it is found there, with the best ones first.
SELECT m.document, m.candidate, m.photo_document, m.photo_item = p.item AS found, m.probability > 0.5 AS sure
  FROM (SELECT DISTINCT manual FROM bare WHERE manual BETWEEN 121 AND 124) AS d,
       xmcoh.missing_photos('album', d.manual::text, 2, 'shoebox', 'bare') AS m
  JOIN bare AS b ON b.item = m.item JOIN loose AS p ON p.manual = b.manual AND p.place = b.place AND p.picture IS NOT NULL
 WHERE b.place = 1 AND candidate = 1 ORDER BY 1, 2;
SELECT bool_and(probability <= before) AS falls, bool_and(probability BETWEEN 0 AND 1) AS probability, max(candidate) AS candidates
  FROM (SELECT *, lag(probability, 1, 1) OVER (PARTITION BY document, item ORDER BY candidate) AS before
          FROM xmcoh.missing_photos('album', n => 5, pool_source => 'shoebox', source => 'bare', documents => '{121,122,123}')) AS m;
-- Without a pool, and with n 0, the steps are named alone. A photo of the document itself comes before the pool.
SELECT n, pool, count(*) = count(DISTINCT item) AS one_row, count(candidate) AS candidates
  FROM (VALUES (3, NULL), (0, 'shoebox'::regclass)) AS v (n, pool), xmcoh.missing_photos('album', '121', v.n, v.pool, 'bare') GROUP BY 1, 2 ORDER BY 1;
INSERT INTO bare SELECT 121, 'p foreign', NULL, photo(11, 5), NULL;
SELECT DISTINCT photo_document FROM xmcoh.missing_photos('album', '121', 3, 'shoebox', 'bare');

-- is_complete of several documents: the same answers.
SELECT complete, count(*), bool_and(complete = xmcoh.is_complete('album', document, 'bare')) AS same,
       bool_and(complete = NOT EXISTS (SELECT FROM xmcoh.alignment('album', document, 'bare') AS a WHERE text_item IS NULL OR image_item IS NULL)) AS alike
  FROM xmcoh.is_complete('album', ARRAY(SELECT DISTINCT manual::text FROM bare), 'bare') GROUP BY 1 ORDER BY 1;
SELECT * FROM xmcoh.is_complete('album', '{none}'::text[], 'bare');
SELECT xmcoh.detach_source('album', 'bare'), xmcoh.detach_source('album', 'shoebox');
DROP TABLE bare, shoebox, holed CASCADE;
DROP VIEW laundry;
DROP TABLE decided;
