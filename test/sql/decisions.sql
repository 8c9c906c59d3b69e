-- decisions: approve, approve_order, decide, withdraw, and the approved pairs that follow
CREATE EXTENSION xmcoh;
\set ON_ERROR_STOP off
\pset null '~'
SET client_min_messages = warning;
CREATE TABLE step (manual text, step integer, place integer, words text, PRIMARY KEY (manual, step));
INSERT INTO step SELECT m, s, s, 'step ' || s FROM unnest(ARRAY['A', 'B', 'C']) AS m, generate_series(1, 5) AS s;
SELECT xmcoh.create_model('decisions') > 0 AS created;
SELECT xmcoh.attach_source('decisions', 'step', document => 'manual', item => 'step', text => 'words', "position" => 'place');

-- Runs a statement and shows its value, or its error without numbers of decisions and times, which differ from run to run.
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    message text;
    detail text;
    hint text;
    state text;
BEGIN
    EXECUTE statement INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, state = RETURNED_SQLSTATE;
    RETURN concat_ws(E'\n', state || ' ' || regexp_replace(message, 'decision \d+', 'decision N'), CASE WHEN state <> '23514' THEN nullif(regexp_replace(regexp_replace(detail, 'decision \d+, [^,]+', 'decision N, SOMEBODY', 'g'),
        '\d{4}-\d\d-\d\d [^)]*\)', 'TIME)', 'g'), '') END, nullif(regexp_replace(hint, '\(\d+\)', '(N)'), ''));
END $$;
\set shown 'row_number() OVER (ORDER BY decision_id) AS n, document, kind, items, decided_by = current_user AS by_me, logged_in_as = session_user AS logged_in, decided_at = now() AS now, version, probability, octet_length(seen_order) AS seen, cardinality(seen_items) AS hashes, note, withdrawn_by IS NULL AS in_force'

-- what is written, and by whom
BEGIN;
SELECT xmcoh.approve('decisions', 'A', '1', '2') AS first \gset
SELECT xmcoh.approve('decisions', 'A', before => '2', after => '3', note => 'as the drawing says') > :first AS second;
SELECT xmcoh.decide('decisions', 'A', '5', '3', 'after') > 0 AS third;
SELECT xmcoh.decide('decisions', 'A', '4', '5', 'either') > 0 AS fourth;
SELECT xmcoh.decide('decisions', 'A', '1', '4', 'skip') > 0 AS fifth;
SELECT :shown FROM xmcoh.decision;
SELECT document, before, after, approved_by = current_user AS by_me FROM xmcoh.approved_pair ORDER BY 2, 3;
COMMIT;

-- a decision that is made again is the same one
SELECT xmcoh.approve('decisions', 'A', '1', '2') = :first AS same, xmcoh.decide('decisions', 'A', '2', '1', 'after') = :first AS same_again;
SELECT xmcoh.decide('decisions', 'A', '5', '4', 'either') = xmcoh.decide('decisions', 'A', '4', '5', 'either') AS same_either;
SELECT count(*) FROM xmcoh.decision;

-- contradictions, through a chain of decisions
SELECT try($$SELECT xmcoh.approve('decisions', 'A', '2', '1')$$);
SELECT try($$SELECT xmcoh.approve('decisions', 'A', '3', '1')$$);
SELECT try($$SELECT xmcoh.approve_order('decisions', 'A', '{4,3,2}')$$);
SELECT try($$SELECT xmcoh.decide('decisions', 'A', '1', '3', 'either')$$);
SELECT try($$SELECT xmcoh.approve('decisions', 'A', '4', '5')$$);
SELECT try($$INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT xmcoh.model_id('decisions'), 'A', a, b FROM (VALUES ('3', '4'), ('4', '1')) AS p (a, b)$$);
SELECT try($$INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT xmcoh.model_id('decisions'), 'A', '1', '1'$$);
SELECT count(*) FROM xmcoh.decision;

-- withdrawing
SELECT xmcoh.withdraw(:first, 'a mistake') AS withdrawal \gset
SELECT xmcoh.withdraw(:first) = :withdrawal AS once, withdrawn_by = :withdrawal AS marked FROM xmcoh.decision WHERE decision_id = :first;
SELECT kind, items, note, withdrawn_by FROM xmcoh.decision WHERE decision_id = :withdrawal;
SELECT xmcoh.approve('decisions', 'A', '2', '1') > 0 AS turned;
SELECT try(format('SELECT xmcoh.withdraw(%s)', :withdrawal));
SELECT try('SELECT xmcoh.withdraw(0)');
SELECT try('SELECT xmcoh.withdraw(NULL)');

-- orders: the stored one; with items that share a place; pairs that were decided 'either' stay so
SELECT xmcoh.approve_order('decisions', 'B') > 0 AS stored;
SELECT items, places, probability FROM xmcoh.decision WHERE document = 'B';
SELECT xmcoh.decide('decisions', 'B', '2', '3', 'either') > 0 AS either;
SELECT try($$SELECT xmcoh.decide('decisions', 'B', '1', '5', 'either')$$);
SELECT count(*), bool_or(before = '2' AND after = '3') AS between_either FROM xmcoh.approved_pair WHERE document = 'B';
SELECT try($$SELECT xmcoh.withdraw_pair('decisions', 'B', '1', '2')$$);
SELECT try($$SELECT xmcoh.approve('decisions', 'B', '5', '1')$$);
SELECT xmcoh.approve_order('decisions', 'C', '{5,4,1}', 'only these') > 0 AS given;
SELECT string_agg(before || after, ' ' ORDER BY before, after) FROM xmcoh.approved_pair WHERE document = 'C';

-- what is refused
SELECT try($$SELECT xmcoh.approve('decisions', 'D', '1', '2')$$);
SELECT try($$SELECT xmcoh.approve('decisions', 'A', '1', '6')$$);
SELECT try($$SELECT xmcoh.approve('decisions', 'A', '1', '1')$$);
SELECT try($$SELECT xmcoh.approve('decisions', 'A', '1', NULL)$$);
SELECT try($$SELECT xmcoh.approve('decisions', NULL, '1', '2')$$);
SELECT try($$SELECT xmcoh.approve('nothing', 'A', '1', '2')$$);
SELECT try($$SELECT xmcoh.approve(NULL, 'A', '1', '2')$$);
SELECT try($$SELECT xmcoh.approve_order('decisions', 'A', '{}')$$);
SELECT try($$SELECT xmcoh.approve_order('decisions', 'A', '{1,2,1}')$$);
SELECT try($$SELECT xmcoh.approve_order('decisions', 'A', '{{1,2},{3,4}}')$$);
SELECT try($$SELECT xmcoh.decide('decisions', 'A', '1', '2', 'perhaps')$$);
SELECT try($$SELECT xmcoh.decide('decisions', 'A', '1', '2', NULL)$$);
SELECT try($$UPDATE xmcoh.decision SET decided_by = 'somebody'$$);
SELECT try($$UPDATE xmcoh.decision SET withdrawn_by = NULL$$);
SELECT try($$DELETE FROM xmcoh.decision$$);
SELECT try($$TRUNCATE xmcoh.decision$$);
SELECT try($$INSERT INTO xmcoh.approved_pair (model_id, document, before, after, approved_by) SELECT xmcoh.model_id('decisions'), 'A', '1', '4', 'somebody'$$);
SELECT try($$INSERT INTO xmcoh.approved_pair (model_id, document, before) SELECT xmcoh.model_id('decisions'), 'A', '1'$$);
SELECT try($$INSERT INTO xmcoh.approved_pair (model_id, document, before, after) VALUES (0, 'A', '1', '2')$$);
UPDATE step SET place = NULL WHERE manual = 'C' AND step = 3;
SELECT try($$SELECT xmcoh.approve_order('decisions', 'C')$$);
UPDATE step SET place = 3 WHERE manual = 'C' AND step = 3;

-- inserted pairs: of documents that no source has yet, too; by COPY; the same pair again is no row
INSERT INTO xmcoh.approved_pair (model_id, document, before, after)
  SELECT xmcoh.model_id('decisions'), 'later', '1', '2' RETURNING document, approved_by = current_user AS by_me, approved_at = now() AS now;
WITH again AS (INSERT INTO xmcoh.approved_pair (model_id, document, before, after)
  SELECT xmcoh.model_id('decisions'), 'later', x, y FROM (VALUES ('1', '2'), ('2', '3'), ('2', '3')) AS p (x, y) RETURNING before, after)
SELECT * FROM again;
CREATE TABLE copied AS SELECT xmcoh.model_id('decisions') AS model_id, 'copied' AS document, x::text AS before, (x + 1)::text AS after FROM generate_series(1, 3) AS x;
\copy copied TO 'copied.tmp'
\copy xmcoh.approved_pair (model_id, document, before, after) FROM 'copied.tmp'
\! rm -f copied.tmp
SELECT kind, items, seen_order IS NULL AS not_seen FROM xmcoh.decision WHERE document = 'copied' ORDER BY decision_id;
SELECT xmcoh.withdraw_pair('decisions', 'copied', '1', '2') AS withdrawn, xmcoh.withdraw_pair('decisions', 'copied', '1', '2') AS again;

-- documents that change after a decision
SELECT document, kind, order_changed, changed, gone FROM xmcoh.stale_approval('decisions');
UPDATE step SET words = 'other words' WHERE manual = 'B' AND step = 2;
SELECT document, kind, decided_by = current_user AS by_me, order_changed, changed, gone FROM xmcoh.stale_approval('decisions') ORDER BY document, decision_id;
UPDATE step SET place = 6 - place WHERE manual = 'C';
DELETE FROM step WHERE manual = 'C' AND step = 4;
SELECT document, kind, order_changed, changed, gone FROM xmcoh.stale_approval('decisions') WHERE document = 'C';
DELETE FROM step WHERE manual = 'C';
SELECT document, kind, order_changed, changed, gone FROM xmcoh.stale_approval('decisions') WHERE document = 'C';
-- Approving again replaces the decision.
SELECT xmcoh.approve_order('decisions', 'B') AS again \gset
SELECT kind, withdrawn_by = :again AS replaced FROM xmcoh.decision WHERE document = 'B' ORDER BY decision_id;
SELECT document, kind FROM xmcoh.stale_approval('decisions') WHERE document = 'B';

-- An approved order replaces the decisions that it has the pairs of, if they were made about other texts or, as inserted ones, about none.
INSERT INTO step SELECT 'E', s, s, 'step ' || s FROM generate_series(1, 4) AS s;
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT xmcoh.model_id('decisions'), 'E', x, y FROM (VALUES ('1', '3'), ('2', '4')) AS p (x, y);
SELECT count(xmcoh.approve('decisions', 'E', '1', '2')) FROM generate_series(1, 2);
UPDATE step SET words = 'other words' WHERE manual = 'E' AND step = 4;
SELECT xmcoh.approve('decisions', 'E', '3', '4') > 0 AS approved, xmcoh.approve_order('decisions', 'E', '{1,2,3}') AS replacing \gset
SELECT kind, items, withdrawn_by = :replacing AS replaced FROM xmcoh.decision WHERE document = 'E' ORDER BY decision_id;

-- Items that share a position share a place of the order, and have no order among themselves. Two relations hold the rows here.
CREATE TABLE photo (manual text, photo text, place integer, picture real[]);
INSERT INTO photo VALUES ('F', 'p1', 1, '{0,1}'), ('F', 'p2', 2, '{1,0}');
INSERT INTO step SELECT 'F', s, s, 'step ' || s FROM generate_series(1, 2) AS s;
SELECT xmcoh.create_model('photos', image_dim => 2) > 0 AS created;
SELECT xmcoh.attach_source('photos', 'step', document => 'manual', item => 'step', text => 'words', "position" => 'place');
SELECT xmcoh.attach_source('photos', 'photo', document => 'manual', item => 'photo', image => 'picture', "position" => 'place', documents_of => 'step');
SELECT xmcoh.approve_order('photos', 'F') > 0 AS approved;
SELECT items, places FROM xmcoh.decision WHERE document = 'F';
SELECT string_agg(before || ' ' || after, ', ' ORDER BY before, after) FROM xmcoh.approved_pair WHERE document = 'F';
SELECT xmcoh.approve_order('photos', 'F') = max(decision_id) AS same FROM xmcoh.decision;
UPDATE photo SET place = 3 - place;
SELECT document, kind, order_changed, changed, gone FROM xmcoh.stale_approval('photos');
UPDATE photo SET place = NULL, picture = '{1,1}';
UPDATE photo SET place = 3 - substr(photo, 2)::int;
UPDATE photo SET place = 3 - place;
SELECT count(*) AS for_another_embedding FROM xmcoh.stale_approval('photos');
SELECT xmcoh.drop_model('photos', discard_decisions => true);

-- dropping
SELECT try($$SELECT xmcoh.drop_model('decisions')$$);
SELECT xmcoh.drop_model('decisions', discard_decisions => true);
SELECT count(*) FROM xmcoh.decision;

-- ---- training and evaluation ----

-- Documents with 4 steps each; of 40 the order is known by decisions alone. Nothing in the source is approved.
CREATE TABLE guide (manual integer, step integer, words text);
INSERT INTO guide SELECT m, s, (ARRAY['unpack', 'mount', 'wire', 'test'])[s] || ' part ' || m FROM generate_series(1, 60) AS m, generate_series(1, 4) AS s;
SELECT xmcoh.create_model('guides', options => '{"epochs": 3}') > 0 AS created;
SELECT xmcoh.attach_source('guides', 'guide', document => 'manual', item => 'step', text => 'words', "position" => 'step');
-- labels: the transitive closure of a chain has all six pairs of four items
INSERT INTO xmcoh.approved_pair (model_id, document, before, after)
  SELECT xmcoh.model_id('guides'), m, s, s + 1 FROM generate_series(1, 20) AS m, generate_series(1, 3) AS s;
SELECT count(xmcoh.approve_order('guides', m::text)) FROM generate_series(21, 40) AS m;
-- In document 21 two steps are parallel; in 22 a text has changed, so the order of its other three steps stays; 23 is gone, with 6 pairs.
SELECT xmcoh.decide('guides', '21', '2', '3', 'either') > 0 AS either;
UPDATE guide SET words = 'switch off first' WHERE manual = 22 AND step = 1;
DELETE FROM guide WHERE manual = 23;
-- Of document 41 no order is known, only that two steps are parallel.
SELECT xmcoh.decide('guides', '41', '1', '2', 'either') > 0 AS either;
CREATE PROCEDURE train(stale text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    job integer;
    state text;
    row record;
BEGIN
    job := xmcoh.train('guides', stale => train.stale);
    COMMIT;
    CALL xmcoh.wait_for_job(job, '180 s', state);
    SELECT j.message, v.report INTO row FROM xmcoh.job AS j LEFT JOIN xmcoh.model_version AS v USING (job_id) WHERE job_id = job;
    RAISE INFO '%: % documents, % labelled pairs; %', state, row.report -> 'documents', row.report -> 'labelled_pairs', row.message;
END $$;
SET client_min_messages = notice;
CALL train();
CALL train('ignore');
CALL train('use');
SELECT try($$SELECT xmcoh.train('guides', stale => 'perhaps')$$);
SELECT try($$SELECT xmcoh.train('guides', '{"stale": 1}', stale => 'use')$$);

-- A pair that was decided 'either' counts neither way. The stored order of document 42 is turned round, and all its pairs are free.
CREATE VIEW turned AS SELECT manual, step, 5 - step AS place, words FROM guide WHERE manual IN (42, 43);
SELECT xmcoh.detach_source('guides', 'guide');
SELECT xmcoh.attach_source('guides', 'turned', document => 'manual', item => 'step', text => 'words', "position" => 'place');
\set evaluated 'SELECT documents, items, round(acc::numeric, 3) AS acc, round(pmr::numeric, 3) AS pmr, round(tau::numeric, 3) AS tau, round(random_acc::numeric, 3) AS random_acc, round(random_pmr::numeric, 4) AS random_pmr FROM xmcoh.evaluate(\'guides\', \'turned\') WHERE modality = \'fused\''
SELECT modality, documents FROM xmcoh.evaluate('guides', 'turned');
:evaluated;
SELECT count(xmcoh.decide('guides', '42', a::text, b::text, 'either')) FROM generate_series(1, 4) AS a, generate_series(1, 4) AS b WHERE a < b;
:evaluated;

-- what was shown: the deployed version, and the probability of the pair in the order in which it was decided
SELECT xmcoh.decide('guides', '43', '4', '1', 'before') AS d \gset
SELECT version = (SELECT deployed_version FROM xmcoh.model WHERE name = 'guides') AS version, abs(d.probability - 1 / (1 + exp(p.fused))) < 1e-9 AS probability
  FROM xmcoh.decision AS d, xmcoh.pair_scores('guides', '43') AS p WHERE d.decision_id = :d AND p.item_a = '1' AND p.item_b = '4';
SELECT xmcoh.drop_model('guides', discard_decisions => true);
DROP VIEW turned;
DROP TABLE step, copied, guide, photo;
DROP PROCEDURE train;
DROP FUNCTION try;
DROP EXTENSION xmcoh;
