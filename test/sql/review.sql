-- The review queue, claims of one reviewer, and how far reviewers agree. test/tap/023_reviewers.pl has claims of many.
-- The guides of trained.sql again, with other keys and not approved: two neighbours are swapped in guide 3, one step of guide 7 is
-- moved to the end, guide 11 is reversed; guide 20 has no stored order.
CREATE TABLE draft AS
    SELECT guide + 2000 AS guide, step, words, picture,
           CASE WHEN guide = 3 AND place IN (2, 3) THEN 5 - place
                WHEN guide = 7 AND place = 1 THEN 100
                WHEN guide = 11 THEN -place
                WHEN guide <> 20 THEN place END AS place
      FROM step WHERE guide <= 40;
SELECT xmcoh.attach_source('guides', 'draft', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
CREATE FUNCTION nth(guide integer, place integer) RETURNS text LANGUAGE sql AS $$
    SELECT s.step::text FROM step AS s WHERE s.guide = nth.guide - 2000 AND s.place = nth.place $$;

-- Twenty rows by default, in the order of their value; few of one document; each in the order that the model thinks.
CREATE TEMP TABLE queue AS SELECT * FROM xmcoh.review_queue('guides', source => 'draft');
SELECT count(*), count(DISTINCT document) > 5 AS various, max(rank), bool_and(probability >= 0.5) AS likelier FROM queue;
SELECT max(n) <= 3 AS few FROM (SELECT count(*) AS n FROM queue GROUP BY document) AS d;
SELECT count(*) AS out_of_order FROM queue AS a JOIN queue AS b ON b.rank = a.rank + 1 WHERE a.value < b.value;
SELECT bool_and(q.before_text = b.words AND q.after_text = a.words) AS texts, bool_and(abs(q.probability - p.p) < 1e-3) AS probabilities
  FROM queue AS q JOIN draft AS b ON b.guide::text = q.document AND b.step::text = q.before_item
  JOIN draft AS a ON a.guide::text = q.document AND a.step::text = q.after_item,
  LATERAL (SELECT CASE WHEN s.item_a = q.before_item THEN s.probability ELSE 1 - s.probability END AS p
           FROM xmcoh.pair_scores('guides', q.document, 'draft') AS s WHERE q.before_item IN (s.item_a, s.item_b) AND q.after_item IN (s.item_a, s.item_b)) AS p;
-- 'correct': the pairs that check_documents suspects come first
SELECT document, count(*), bool_and(reason = 'suspect') AS suspect FROM xmcoh.review_queue('guides', 7, 'draft', 'correct') GROUP BY 1 ORDER BY 1;
-- documents approved in their source are not asked about; a document without a stored order can only teach
SELECT count(*) FROM xmcoh.review_queue('guides', source => 'step');
SELECT (SELECT count(*) FROM xmcoh.review_queue('guides', documents => '{2020}')) AS learn, (SELECT count(*) FROM xmcoh.review_queue('guides', documents => '{2020}', strategy => 'correct')) AS correct;
SELECT count(*) FROM xmcoh.review_queue('guides', 1000, documents => '{2003,2004,none}') GROUP BY document ORDER BY document;

-- What is decided is not asked, nor what follows.
SELECT xmcoh.approve('guides', '2004', nth(2004, p), nth(2004, p + 1)) IS NOT NULL AS approved FROM generate_series(0, 1) AS p;
SELECT count(*) AS pairs, bool_or(nth(2004, 3) IN (before_item, after_item)) AS with_the_last, bool_and(nth(2004, 3) IN (before_item, after_item)) AS all_with_the_last
  FROM xmcoh.review_queue('guides', documents => '{2004}');
SELECT xmcoh.decide('guides', '2004', nth(2004, p), nth(2004, 3), 'either') IS NOT NULL AS decided FROM generate_series(0, 2) AS p;
SELECT count(*) FROM xmcoh.review_queue('guides', documents => '{2004}');
-- 'skip' comes last, until a text of the pair changes
SELECT xmcoh.approve('guides', '2012', nth(2012, p), nth(2012, p + 1)) IS NOT NULL AS approved FROM generate_series(1, 2) AS p;
SELECT xmcoh.decide('guides', '2012', nth(2012, 0), nth(2012, 1), 'skip') AS skipped \gset
SELECT document, before_item = nth(2012, 0) AND after_item = nth(2012, 1) AS the_pair, rank = last AS last
  FROM (SELECT q.*, max(rank) OVER () AS last FROM xmcoh.review_queue('guides', 10000, 'draft') AS q) AS q WHERE reason = 'skipped';
BEGIN;
UPDATE draft SET words = words || ' please' WHERE guide = 2012 AND place = 0;
SELECT count(*) FILTER (WHERE reason = 'skipped') AS skipped FROM xmcoh.review_queue('guides', 10000, 'draft');
ROLLBACK;
SELECT xmcoh.withdraw(:skipped) IS NOT NULL AS withdrawn;
SELECT count(*) FILTER (WHERE reason = 'skipped') AS skipped FROM xmcoh.review_queue('guides', 10000, 'draft');
-- pictures in the reverse order of the words, and no stored order
BEGIN;
UPDATE draft AS d SET picture = o.picture FROM step AS o WHERE d.guide = 2020 AND o.guide = 20 AND o.place = 3 - (SELECT s.place FROM step AS s WHERE s.guide = 20 AND s.step = d.step);
SELECT DISTINCT reason FROM xmcoh.review_queue('guides', documents => '{2020}');
ROLLBACK;
-- a document that has changed: the pairs whose texts have changed are asked again, until they are decided again or follow
SELECT xmcoh.approve_order('guides', '2008') IS NOT NULL AS approved;
SELECT count(*) FROM xmcoh.review_queue('guides', documents => '{2008}');
UPDATE draft SET words = words || ' twice' WHERE guide = 2008 AND place = 3;
SELECT reason, bool_and(nth(2008, 3) IN (before_item, after_item)) AS with_the_changed FROM xmcoh.review_queue('guides', documents => '{2008}') GROUP BY 1;
SELECT xmcoh.approve('guides', '2008', nth(2008, 2), nth(2008, 3)) IS NOT NULL AS approved;
SELECT count(*) FROM xmcoh.review_queue('guides', documents => '{2008}');

-- claims: what is asked again, with what is left
SELECT rank, c.document = q.document AS as_in_queue, c.value = q.value AS same_value, claimed_until - now() BETWEEN '50 min' AND '70 min' AS an_hour
  FROM xmcoh.claim_reviews('guides', 3, lease => '1 hour', source => 'draft') AS c JOIN xmcoh.review_queue('guides', 3, 'draft') AS q USING (rank) ORDER BY 1;
SELECT model, claimed_by = current_user AS by_me, count(*) FROM xmcoh.review_claim GROUP BY 1, 2;
SELECT count(*) FROM xmcoh.claim_reviews('guides', 2, source => 'draft', strategy => 'correct');
SELECT count(*) FROM xmcoh.review_claim;
SELECT xmcoh.decide('guides', document, before_item, after_item, 'before') IS NOT NULL AS decided FROM xmcoh.review_claim;
SELECT count(*) FROM xmcoh.review_claim;
-- a claimed pair that an approved order decides, or of an item that is gone, is given back
SELECT document AS claimed, before_item, after_item FROM xmcoh.claim_reviews('guides', 1, source => 'draft') \gset
BEGIN;
SELECT count(*) FROM xmcoh.claim_reviews('guides', 1000, source => 'draft') WHERE document = :'claimed' AND before_item = :'before_item' AND after_item = :'after_item';
SELECT xmcoh.approve_order('guides', :'claimed') IS NOT NULL AS approved;
SELECT count(*) FROM xmcoh.claim_reviews('guides', 1000, source => 'draft') WHERE document = :'claimed';
SELECT count(*) FROM xmcoh.review_claim WHERE document = :'claimed';
ROLLBACK;
BEGIN;
DELETE FROM draft WHERE guide::text = :'claimed' AND step::text = :'before_item';
SELECT count(*) FROM xmcoh.claim_reviews('guides', 1000, source => 'draft') WHERE :'before_item' IN (before_item, after_item) AND document = :'claimed';
ROLLBACK;
SELECT count(*) FROM xmcoh.claim_reviews('guides', 0);
SELECT count(*) FROM xmcoh.review_claim;
-- one document whose key is too long for an index keeps nobody from claiming pairs of others; nobody could decide about it
BEGIN;
CREATE VIEW long_key AS
    SELECT CASE guide WHEN 2003 THEN (SELECT string_agg(md5(n::text), '' ORDER BY n) FROM generate_series(1, 100) AS n) ELSE 'short' END AS guide, step, words, picture, place
      FROM draft WHERE guide IN (2003, 2007);
SELECT xmcoh.attach_source('guides', 'long_key', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT document, count(*) FROM xmcoh.review_queue('guides', source => 'long_key') GROUP BY 1;
SELECT document, count(*) FROM xmcoh.claim_reviews('guides', source => 'long_key') GROUP BY 1;
ROLLBACK;

-- ---- agreement ----

CREATE ROLE xmcoh_ann;
CREATE ROLE xmcoh_bob;
SELECT xmcoh.grant_usage(r), xmcoh.grant_model('guides', r, 'review') FROM unnest('{xmcoh_ann,xmcoh_bob}'::regrole[]) AS r;
GRANT SELECT ON draft, step TO xmcoh_ann, xmcoh_bob;
SET client_min_messages = warning;
SELECT xmcoh.create_model('kappa', image_dim => 4) IS NOT NULL AS created;
RESET client_min_messages;
SELECT xmcoh.grant_model('kappa', r, 'review') FROM unnest('{xmcoh_ann,xmcoh_bob}'::regrole[]) AS r;
SELECT xmcoh.attach_source('kappa', 'draft', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT * FROM xmcoh.review_agreement('kappa');
-- Twelve documents, one pair of each: Bob says the same about ten, the contrary about one, and 'either' about one.
SET ROLE xmcoh_ann;
SELECT count(xmcoh.approve('kappa', g::text, nth(g, 0), nth(g, 1))) FROM generate_series(2021, 2032) AS g;
SELECT count(*) FROM xmcoh.decision WHERE decided_by = 'xmcoh_ann';
SET ROLE xmcoh_bob;
SELECT xmcoh.withdraw(decision_id, 'I think otherwise') IS NOT NULL AS withdrawn FROM xmcoh.decision WHERE decided_by = 'xmcoh_ann' AND document IN ('2031', '2032');
SELECT count(DISTINCT xmcoh.decide('kappa', g::text, nth(g, 0), nth(g, 1), CASE g WHEN 2031 THEN 'after' WHEN 2032 THEN 'either' ELSE 'before' END)) FROM generate_series(2021, 2032) AS g;
-- an equal answer is a row, once, but not in force; it is the first one that is
SELECT count(xmcoh.approve('kappa', g::text, nth(g, 0), nth(g, 1))) FROM generate_series(2021, 2022) AS g;
SELECT decided_by, kind, withdrawn_by IS NULL AS in_force, count(*) FROM xmcoh.decision WHERE kind <> 'withdrawal' AND model_id = xmcoh.model_id('kappa') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT approved_by, count(*) FROM xmcoh.approved_pair WHERE model_id = xmcoh.model_id('kappa') GROUP BY 1 ORDER BY 1;
SELECT reviewer, against, other, pairs, documents, round(agreement::numeric, 4) AS agreement, round(kappa::numeric, 4) AS kappa, round(kappa_low::numeric, 4) AS low,
       round(kappa_high::numeric, 4) AS high FROM xmcoh.review_agreement('kappa');
-- by hand: chance is (1 - 0) (1 - 1/12) / 2 = 0.4583, so kappa is (10/12 - 0.4583) / (1 - 0.4583)
SELECT round((10 / 12.0 - 11 / 24.0) / (1 - 11 / 24.0), 4) AS kappa;
-- an answer that its reviewer withdraws does not count, the last one of several does; other texts are another question
SELECT xmcoh.withdraw(max(decision_id)) IS NOT NULL AS withdrawn FROM xmcoh.decision WHERE decided_by = 'xmcoh_bob' AND document = '2032' AND model_id = xmcoh.model_id('kappa');
SELECT reviewer, against, other, pairs, round(kappa::numeric, 4) AS kappa FROM xmcoh.review_agreement('kappa') WHERE other IS NOT NULL;
SELECT xmcoh.decide('kappa', '2032', nth(2032, 0), nth(2032, 1), 'before') IS NOT NULL AS decided;
SELECT reviewer, against, other, pairs, round(kappa::numeric, 4) AS kappa FROM xmcoh.review_agreement('kappa') WHERE other IS NOT NULL;
RESET ROLE;
UPDATE draft SET words = words || ' again' WHERE guide = 2021;
SET ROLE xmcoh_bob;
SELECT xmcoh.approve('kappa', '2021', nth(2021, 0), nth(2021, 1)) IS NOT NULL AS approved;
SELECT pairs, documents, round(kappa::numeric, 4) AS kappa FROM xmcoh.review_agreement('kappa') WHERE other IS NOT NULL;
SET ROLE xmcoh_ann;
SELECT xmcoh.approve('kappa', '2021', nth(2021, 0), nth(2021, 1)) IS NOT NULL AS approved;
SELECT pairs, documents, round(kappa::numeric, 4) AS kappa FROM xmcoh.review_agreement('kappa') WHERE other IS NOT NULL;
-- with the model that was shown, which is right here
RESET ROLE;
SELECT xmcoh.import_model('kappa', xmcoh.export_model('guides', 1));
SELECT xmcoh.deploy('kappa', 1);
SET ROLE xmcoh_ann;
SELECT count(xmcoh.decide('kappa', g::text, nth(g, 0), nth(g, 2), CASE WHEN g < 2038 THEN 'before' WHEN g = 2038 THEN 'after' ELSE 'either' END)) FROM generate_series(2033, 2040) AS g;
SELECT against, other, pairs, documents, round(agreement::numeric, 4) AS agreement, round(kappa::numeric, 4) AS kappa FROM xmcoh.review_agreement('kappa') WHERE against = 'model';

-- ---- who may; arguments ----

RESET ROLE;
SELECT xmcoh.grant_model('guides', 'xmcoh_bob', 'score');
SET ROLE xmcoh_bob;
SELECT count(*) FROM xmcoh.order_documents('guides', 'draft', documents => '{2001}');
SELECT * FROM xmcoh.review_queue('guides');
SELECT * FROM xmcoh.claim_reviews('guides');
SELECT * FROM xmcoh.review_agreement('guides');
RESET ROLE;
SELECT count(*) FROM xmcoh.claim_reviews('guides', 2, source => 'draft');
SET ROLE xmcoh_bob;
SELECT count(*) FROM xmcoh.review_claim;
RESET ROLE;
REVOKE SELECT ON draft FROM xmcoh_ann;
SET ROLE xmcoh_ann;
SELECT count(*) FROM xmcoh.review_claim;
SELECT * FROM xmcoh.review_queue('guides', source => 'draft');
SELECT * FROM xmcoh.claim_reviews('guides', source => 'draft');
TABLE xmcoh.review_claim_record;
RESET ROLE;
SELECT * FROM xmcoh.review_queue(NULL);
SELECT * FROM xmcoh.review_queue('none');
SELECT * FROM xmcoh.review_queue('guides', 0);
SELECT * FROM xmcoh.review_queue('guides', 10001);
SELECT * FROM xmcoh.review_queue('guides', strategy => 'all');
SELECT * FROM xmcoh.review_queue('guides', documents => '{1,NULL}');
SELECT * FROM xmcoh.claim_reviews(NULL);
SELECT * FROM xmcoh.claim_reviews('none');
SELECT * FROM xmcoh.claim_reviews('guides', NULL);
SELECT * FROM xmcoh.claim_reviews('guides', 1001);
SELECT * FROM xmcoh.claim_reviews('guides', lease => '2 days');
SELECT * FROM xmcoh.claim_reviews('guides', lease => '1000 years -359999 days');    -- a day if all months had 30 days
SELECT * FROM xmcoh.claim_reviews('guides', lease => '-1 s');
SELECT * FROM xmcoh.claim_reviews('guides', lease => NULL);
SELECT * FROM xmcoh.review_agreement('none');
SELECT * FROM xmcoh.review_agreement(NULL);
SET client_min_messages = warning;
SELECT xmcoh.create_model('untrained') IS NOT NULL AS created;
SELECT * FROM xmcoh.review_queue('untrained');
SELECT xmcoh.drop_model(m, discard_decisions => true) FROM unnest('{untrained,kappa}'::text[]) AS m;
SELECT count(*) FROM xmcoh.claim_reviews('guides', 0);
RESET client_min_messages;
SELECT xmcoh.revoke_model('guides', r), xmcoh.revoke_usage(r) FROM unnest('{xmcoh_ann,xmcoh_bob}'::regrole[]) AS r;
SELECT xmcoh.detach_source('guides', 'draft');
DROP TABLE draft, queue;
DROP FUNCTION nth(integer, integer);
DROP OWNED BY xmcoh_ann, xmcoh_bob;
DROP ROLE xmcoh_ann, xmcoh_bob;
