-- What documents lack. Guides of trained.sql, none of them approved: of guides 3001 to 3020 the first step was taken out, of 3021 to
-- 3040 a step between two others, the rest is whole.
CREATE TABLE holed AS
    SELECT guide + 3000 AS guide, step, words, picture, place FROM step
     WHERE guide <= 60 AND CASE WHEN guide <= 20 THEN place > 0 WHEN guide <= 40 THEN place <> 2 ELSE true END;
SELECT xmcoh.attach_source('guides', 'holed', document => 'guide', item => 'step', text => 'words', image => 'picture',
    "position" => 'place');
CREATE VIEW gap AS
    SELECT m.*, document::int - 3000 AS guide
      FROM xmcoh.missing_steps('guides', n => 5, source => 'holed', documents => ARRAY(SELECT DISTINCT guide::text FROM holed)) AS m;

-- A first step is always told by its words; the place before the first step is the likeliest where it is missing, and only there.
SELECT CASE WHEN guide <= 20 THEN 'first' WHEN guide <= 40 THEN 'between' ELSE 'none' END AS missing, count(*) AS documents,
       bool_and(probability > 0.4) AS likely, bool_and(probability < 0.1) AS unlikely
  FROM gap WHERE after_item IS NULL AND coalesce(candidate, 1) = 1 GROUP BY 1 ORDER BY 1;
-- One more place than steps, the likeliest first; probabilities of a document are at most 1 together.
SELECT bool_and(places = steps + 1) AS places, bool_and(total <= 1) AS total
  FROM (SELECT guide, count(DISTINCT (after_item, before_item)) AS places,
               (SELECT count(*) FROM holed AS h WHERE h.guide = gap.guide + 3000) AS steps,
               sum(probability) FILTER (WHERE candidate = 1) AS total FROM gap GROUP BY guide) AS d;
SELECT bool_and(probability <= before OR before IS NULL) AS falls
  FROM (SELECT probability, lag(probability) OVER (PARTITION BY document ORDER BY row) AS before
          FROM (SELECT *, row_number() OVER () AS row FROM gap) AS g) AS g;
-- Candidates: steps of approved guides, of different texts, the most similar first; none that the guide has already. What was taken
-- out stands in an approved guide, the same one with its first step.
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
  FROM unnest('{0,1,4}'::int[]) AS n, xmcoh.missing_steps('guides', '3007', n, 'holed') GROUP BY n ORDER BY n;
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
-- Sources are read as the caller: the one that is asked about, and for candidates all of them.
CREATE ROLE gap_reader;
SELECT xmcoh.grant_usage('gap_reader'), xmcoh.grant_model('guides', 'gap_reader', 'score');
SET ROLE gap_reader;
SELECT count(*) FROM xmcoh.missing_steps('guides', '3007', 0, 'holed');
RESET ROLE;
GRANT SELECT ON holed TO gap_reader;
SET ROLE gap_reader;
SELECT count(*) FROM xmcoh.missing_steps('guides', '3007', 0, 'holed');
SELECT count(*) FROM xmcoh.missing_steps('guides', '3007', 1, 'holed');
SELECT count(*) FROM xmcoh.missing_photos('guides', '3007', 1, 'step', 'holed');
RESET ROLE;
SELECT xmcoh.detach_source('guides', 'laundry'), xmcoh.detach_source('guides', 'holed');
DROP OWNED BY gap_reader;
SELECT xmcoh.revoke_model('guides', 'gap_reader'), xmcoh.revoke_usage('gap_reader');
DROP ROLE gap_reader;

-- A version whose weights are all 0 was measured at nothing.
SELECT xmcoh.attach_source('blind', 'step', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT DISTINCT probability, score, reason FROM xmcoh.missing_steps('blind', '7', 0, 'step');
SELECT xmcoh.detach_source('blind', 'step');

-- Of texts that are drawn at random nothing tells a gap: no probability, and a reason; the score stays. Candidates are given all the same.
CREATE TABLE noise AS SELECT d, p, left(md5(d || '/' || p), 2) || ' ' || left(md5(p || ' ' || d), 2) AS words
  FROM generate_series(1, 60) AS d, generate_series(1, 5) AS p;
SELECT xmcoh.create_model('noise', options => '{"d_model": 8, "heads": 2, "feed_forward": 8, "hash_bits": 10, "bag_dim": 0, "epochs": 1}') IS NOT NULL AS created;
SELECT xmcoh.attach_source('noise', 'noise', document => 'd', item => 'p', text => 'words', "position" => 'p', approved => 'all');
SELECT xmcoh.train('noise') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT count(*) AS rows, count(probability) AS probabilities, count(score) AS scores, count(candidate) AS candidates,
       bool_and(reason ~ '^cannot tell: AUROC 0\.\d\d \[0\.\d\d, 0\.\d\d\]$') AS cannot_tell
  FROM xmcoh.missing_steps('noise', '7', 1);
SELECT xmcoh.drop_model('noise');
DROP TABLE noise;

-- Errors.
SELECT * FROM xmcoh.missing_steps('guides', NULL);
SELECT * FROM xmcoh.missing_steps('guides', '1', documents => '{1}');
SELECT * FROM xmcoh.missing_steps('guides', '1', NULL);
SELECT * FROM xmcoh.missing_steps('guides', '1', -1);
SELECT * FROM xmcoh.missing_steps('guides', '1', 101);
SELECT * FROM xmcoh.missing_steps('nobody', '1');
SELECT * FROM xmcoh.missing_photos('guides', NULL);
SELECT * FROM xmcoh.missing_photos('guides', '1', 101);
DROP VIEW gap, laundry;
DROP TABLE holed, decided;

