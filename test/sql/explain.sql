-- Why a score is what it is: explain, explain_document, model_words.
-- The guides of trained.sql again, with other keys and not approved: two neighbours are swapped in guide 3, guide 11 is reversed.
CREATE TABLE draft AS
    SELECT guide + 1000 AS guide, step, words, picture,
           CASE WHEN guide = 3 AND place IN (2, 3) THEN 5 - place WHEN guide = 11 THEN -place ELSE place END AS place
      FROM step WHERE guide <= 20;
SELECT xmcoh.attach_source('guides', 'draft', document => 'guide', item => 'step', text => 'words', image => 'picture',
    "position" => 'place');

-- All rows sum to the fused score, whatever `top` is, in both directions.
SELECT top, count(*) AS pairs, bool_and(abs(s.fused - e.sum) < 1e-4 AND abs(s.fused + r.sum) < 1e-4) AS complete, max(e.words) AS words
  FROM (VALUES (0), (3), (1000)) AS t (top), xmcoh.pair_scores('guides', source => 'draft', documents => '{1003,1011,1012}') AS s,
       LATERAL (SELECT sum(contribution), count(*) FILTER (WHERE kind = 'word') AS words
                  FROM xmcoh.explain('guides', s.document, s.item_a, s.item_b, top)) AS e,
       LATERAL (SELECT sum(contribution) FROM xmcoh.explain('guides', s.document, s.item_b, s.item_a, top, 'draft')) AS r
 GROUP BY 1 ORDER BY 1;

-- The words of a pair stand in the texts of their items.
SELECT bool_and(CASE WHEN feature ~ '^(first words?|words): ' THEN true
                     ELSE position(rtrim(feature, '.') IN lower(d.words)) > 0 END) AS in_their_text, count(*) > 5 AS some
  FROM xmcoh.explain('guides', '1003', '1', '2', 100) AS e JOIN draft AS d ON d.guide = 1003 AND d.step::text = e.item
 WHERE kind = 'word';
SELECT feature, item FROM xmcoh.explain('guides', '1003', (SELECT step::text FROM draft WHERE guide = 1003 AND place = 0),
    (SELECT step::text FROM draft WHERE guide = 1003 AND place = 4), 3) WHERE kind = 'word' AND feature !~ 'other|first' AND contribution > 0;
-- A word of both texts is named with the words beside it. Nothing else tells the order here: "a" is said before "the".
CREATE TABLE noun AS
    SELECT g AS guide, g * 10 + s * CASE WHEN g % 2 = 0 THEN 1 ELSE -1 END AS step, s AS place,
           CASE s WHEN 1 THEN 'see a ' ELSE 'see the ' END || (ARRAY['bolt', 'cover', 'filter', 'gasket', 'nozzle'])[1 + g % 5] || ' now' AS words
      FROM generate_series(1, 60) AS g, generate_series(1, 2) AS s;
SELECT xmcoh.create_model('nouns') IS NOT NULL AS created;
SELECT xmcoh.attach_source('nouns', 'noun', document => 'guide', item => 'step', text => 'words', "position" => 'place', approved => 'all');
SELECT xmcoh.train('nouns') AS job \gset
CALL xmcoh.wait_for_job(:job, timeout => '100 s');
SELECT kind, feature, item, contribution > 0 AS for_a FROM xmcoh.explain('nouns', '2', '21', '22') WHERE kind = 'shared word';
SELECT kind, feature, item, contribution > 0 AS for_a FROM xmcoh.explain('nouns', '2', '22', '21', 0) WHERE kind = 'shared word';
SELECT abs(sum(contribution) - min(fused)) < 1e-4 AS complete FROM xmcoh.explain('nouns', '2', '21', '22'), xmcoh.pair_scores('nouns', '2')
 WHERE item_a = '21' AND item_b = '22';
CREATE TABLE noun_draft AS SELECT 'D' AS guide, step, 3 - place AS place, words FROM noun WHERE guide = 2;
SELECT xmcoh.attach_source('nouns', 'noun_draft', document => 'guide', item => 'step', text => 'words', "position" => 'place');
SELECT explanation FROM xmcoh.explain_document('nouns', 'D', 'noun_draft');
SELECT explanation FROM xmcoh.explain_document('nouns', 'D', 'noun_draft', language => 'ja');
SELECT xmcoh.drop_model('nouns');
DROP TABLE noun, noun_draft;
-- A network has parts of its inputs; `top` bounds them as it bounds words.
SELECT DISTINCT modality, feature, item IS NULL AS of_others FROM xmcoh.explain('guides', '1003', '1', '2', 100) WHERE kind = 'network' ORDER BY 1, 2;
SELECT DISTINCT modality, kind, feature FROM xmcoh.explain('guides', '1003', '1', '2', 0) WHERE feature ~ '^other' ORDER BY 1, 2;
-- the order of the rows: by size, what is left last
SELECT bool_and(abs(contribution) <= before) FILTER (WHERE feature IS DISTINCT FROM 'other words') AS falls, max(n) FILTER (WHERE feature = 'other words') = max(n) AS last
  FROM (SELECT *, lag(abs(contribution)) OVER (ORDER BY n) AS before FROM xmcoh.explain('guides', '1003', '1', '2', 4)
          WITH ORDINALITY AS e (modality, kind, feature, item, contribution, n)) AS e;

-- What was decided is told, and changes no score.
CREATE TEMPORARY TABLE before_decision AS SELECT sum(contribution) FROM xmcoh.explain('guides', '1004', '1', '2');
SELECT xmcoh.decide('guides', '1004', '2', '1', 'before') AS decision \gset
SELECT kind, feature, contribution FROM xmcoh.explain('guides', '1004', '1', '2') LIMIT 1;
SELECT abs(sum(e.contribution) - min(b.sum)) < 1e-6 AS same FROM xmcoh.explain('guides', '1004', '1', '2') AS e, before_decision AS b;
SELECT fused IS NOT NULL AS fused, approved FROM xmcoh.pair_scores('guides', '1004', 'draft') WHERE item_a = '1' AND item_b = '2';
SELECT verdict, before_item, after_item, probability, explanation ~ '\(approved\)\.$' AS approved
  FROM xmcoh.explain_document('guides', '1004') WHERE verdict = 'violated' AND probability = 1;
SELECT xmcoh.withdraw(:decision) > 0 AS withdrawn;

-- Documents: the pairs that the guard and check_documents call violated.
SELECT document, c.violated_pairs, e.violated, e.sure
  FROM xmcoh.check_documents('guides', 'draft') AS c, LATERAL (
       SELECT count(*) FILTER (WHERE verdict = 'violated') AS violated, bool_and(probability > 0.5) AS sure
         FROM xmcoh.explain_document('guides', c.document, n => 1000)) AS e
 WHERE e.violated > 0 OR c.violated_pairs > 0 ORDER BY 1;
SELECT e.verdict, before_item = c.worst_before AND after_item = c.worst_after AS worst, before_position > after_position AS turned, before_text, after_text,
       abs(probability - c.worst_probability) < 1e-6 AS same, text_share > 0 AND image_share > 0 AS both_modalities, words_for && ARRAY['fit', 'turn'] AS words_for
  FROM xmcoh.check_documents('guides', 'draft', '{1003}') AS c, xmcoh.explain_document('guides', '1003', 'draft', n => 1) AS e;
SELECT count(*) FROM xmcoh.explain_document('guides', '1011', n => 4);
SELECT count(*) FROM xmcoh.explain_document('guides', '1005') WHERE verdict = 'violated';
-- a precision that no confidence keeps: all are doubtful
SELECT DISTINCT verdict FROM xmcoh.explain_document('guides', '1011', "precision" => 0.9999);

-- Sentences. The order of the reasons depends on their size, so they are sorted here.
SELECT l AS language, array_agg(clause ORDER BY clause COLLATE "C") AS clauses
  FROM unnest('{en,ja}'::text[]) AS l, xmcoh.explain_document('guides', '1011', n => 1, language => l) AS e,
       regexp_split_to_table(regexp_replace(e.explanation, '[01]\.\d\d', 'P'), ', because |, | and |、|から') AS clause GROUP BY 1 ORDER BY 1;

-- The words of a model: the verbs of the first steps and of the last ones.
SELECT direction, count(*), bool_and(rank <= 5) AS ranked, bool_and((effect > 0) = (direction = 'back')) AS effect, bool_and(items > 0) AS items,
       bool_or(word = CASE direction WHEN 'front' THEN 'open' ELSE 'pack' END) AS verb
  FROM xmcoh.model_words('guides', 5) GROUP BY 1 ORDER BY 1;
SELECT w.items = (SELECT count(*) FROM draft WHERE words ~ '^open ') AS counted FROM xmcoh.model_words('guides', 5, 'draft') AS w WHERE word = 'open';
SELECT count(*) FROM xmcoh.model_words('guides', 0);

-- Errors.
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' / ' || nullif(hint, ''), '');
END $$;
SELECT try(format('SELECT * FROM %s', call)) FROM unnest(ARRAY[
    $$xmcoh.explain('guides', 'none', '1', '2')$$, $$xmcoh.explain('guides', '1003', '1', '99')$$, $$xmcoh.explain('guides', '1003', '1', '1')$$,
    $$xmcoh.explain('guides', '1003', '1', NULL)$$, $$xmcoh.explain('guides', NULL, '1', '2')$$, $$xmcoh.explain(NULL, '1003', '1', '2')$$,
    $$xmcoh.explain('guides', '1003', '1', '2', -1)$$, $$xmcoh.explain('guides', '1003', '1', '2', source => 'pg_class')$$,
    $$xmcoh.explain('none', '1003', '1', '2')$$,
    $$xmcoh.explain_document('guides', 'none')$$, $$xmcoh.explain_document('guides', NULL)$$, $$xmcoh.explain_document('guides', '1003', n => 1001)$$,
    $$xmcoh.explain_document('guides', '1003', language => 'fr')$$, $$xmcoh.explain_document('guides', '1003', "precision" => 1)$$,
    $$xmcoh.model_words('guides', 2000)$$, $$xmcoh.model_words(NULL)$$]) AS call;

-- A text of one word of 100,000 letters, one of signs alone, one with characters that normalisation changes.
CREATE TABLE strange (guide text, step text, words text, picture real[], place integer);
SET client_min_messages = warning;
INSERT INTO strange VALUES ('s', 'long', repeat('w', 100000), NULL, 1), ('s', 'signs', '... ---', NULL, 2), ('s', 'micro', 'OPEN the 10 µm ½ ﬁlter', NULL, 3),
    ('s', 'none', NULL, NULL, 4);
SELECT xmcoh.attach_source('guides', 'strange', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT a.step, b.step, max(length(feature)) <= 80 AS clipped, coalesce(sum(contribution), 0) BETWEEN -100 AND 100 AS finite
  FROM strange AS a JOIN strange AS b ON a.place < b.place, LATERAL xmcoh.explain('guides', 's', a.step, b.step, 100) AS e GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) >= 0 AS answered FROM xmcoh.explain_document('guides', 's');
RESET client_min_messages;
SELECT xmcoh.detach_source('guides', 'strange'), xmcoh.detach_source('guides', 'draft');
DROP TABLE draft, strange;
DROP FUNCTION try(text);
