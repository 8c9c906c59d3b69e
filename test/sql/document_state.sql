-- Results of check_documents that are kept and refreshed; and answers of several processes.
\set SHOW_CONTEXT never
-- Documents like those of check.sql, twelve times as many, so that several batches are scored.
CREATE TABLE work AS
    SELECT format('w%s-%s', k, guide) AS guide, step, words, picture, CASE WHEN guide = 11 THEN -place ELSE place END AS place, k
      FROM step, generate_series(1, 12) AS k WHERE guide <= 40;
SELECT xmcoh.attach_source('guides', 'work', document => 'guide', item => 'step', text => 'words', image => 'picture',
    "position" => 'place');

-- ---- xmcoh.scoring_workers: the same answers with any number ----

SET client_min_messages = warning;
CREATE TEMP TABLE checked_0 AS SELECT row_number() OVER () AS k, c.* FROM xmcoh.check_documents('guides', 'work') AS c;
CREATE TEMP TABLE ordered_0 AS SELECT row_number() OVER () AS k, o.* FROM xmcoh.order_documents('guides', 'work') AS o;
SET xmcoh.scoring_workers = 1;
CREATE TEMP TABLE checked_1 AS SELECT row_number() OVER () AS k, c.* FROM xmcoh.check_documents('guides', 'work') AS c;
CREATE TEMP TABLE ordered_1 AS SELECT row_number() OVER () AS k, o.* FROM xmcoh.order_documents('guides', 'work') AS o;
SET xmcoh.scoring_workers = 3;
CREATE TEMP TABLE checked_3 AS SELECT row_number() OVER () AS k, c.* FROM xmcoh.check_documents('guides', 'work') AS c;
CREATE TEMP TABLE ordered_3 AS SELECT row_number() OVER () AS k, o.* FROM xmcoh.order_documents('guides', 'work') AS o;
RESET client_min_messages;
SELECT (SELECT count(*) FROM checked_0) AS documents,
       (SELECT count(*) FROM (TABLE checked_0 EXCEPT TABLE checked_1) AS e) + (SELECT count(*) FROM (TABLE checked_0 EXCEPT TABLE checked_3) AS e) AS differing,
       (SELECT count(*) FROM ordered_0) AS items,
       (SELECT count(*) FROM (TABLE ordered_0 EXCEPT TABLE ordered_1) AS e) + (SELECT count(*) FROM (TABLE ordered_0 EXCEPT TABLE ordered_3) AS e) AS moved;
-- the error is that of one process, of the first document that has one; the rows before it were scored
UPDATE work SET picture = '{3e38,3e38,3e38,3e38}' WHERE guide IN ('w5-20', 'w9-20');
SELECT count(*) FROM xmcoh.check_documents('guides', 'work');
SET xmcoh.scoring_workers = 0;
SELECT count(*) FROM xmcoh.check_documents('guides', 'work');
UPDATE work SET picture = s.picture FROM step AS s WHERE s.guide = 20 AND s.step = work.step AND work.guide IN ('w5-20', 'w9-20');
SET xmcoh.scoring_workers = 2;
SET xmcoh.scoring_workers = 17;

-- ---- refresh_document_state ----

SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
SELECT model, source, verdict, count(*), sum(violated_pairs) > 0 AS violated, bool_and(by_deployed_version) AS deployed,
       bool_and(checked_at = refreshed_at) AS same_time, bool_and(kept_by = current_user) AS mine
  FROM xmcoh.document_state GROUP BY 1, 2, 3 ORDER BY 3;
SELECT count(*) FROM (SELECT document, items, approved, coherence, best_coherence, gain, confident_pairs, violated_pairs, worst_before, worst_after,
                             worst_probability, verdict, moves FROM xmcoh.document_state
                      EXCEPT SELECT document, items, approved, coherence, best_coherence, gain, confident_pairs, violated_pairs, worst_before, worst_after,
                             worst_probability, verdict, moves FROM checked_0) AS e;
-- nothing has changed; one text has; positions have; a document is new, one is gone
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
UPDATE work SET words = words || ' again' WHERE guide = 'w1-1' AND step = 0;
UPDATE work SET place = -place WHERE guide = 'w1-2';
UPDATE work SET guide = 'new' WHERE guide = 'w1-3';
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
SELECT document, verdict FROM xmcoh.document_state WHERE document IN ('w1-2', 'w1-3', 'new') ORDER BY 1;
-- what people decide counts, and so does what they take back
SELECT xmcoh.approve_order('guides', 'w1-2') > 0 AS approved;
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
SELECT document, verdict, approved FROM xmcoh.document_state WHERE document = 'w1-2';
UPDATE work SET words = words || ' again' WHERE guide = 'w1-2' AND step = 0;
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
SELECT document, verdict, approved FROM xmcoh.document_state WHERE document = 'w1-2';
SELECT xmcoh.withdraw(max(decision_id)) IS NOT NULL AS withdrawn FROM xmcoh.decision WHERE document = 'w1-2';
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
SELECT document, verdict, approved FROM xmcoh.document_state WHERE document = 'w1-2';
-- some documents alone: the others are neither read nor removed
UPDATE work SET words = words || ' again' WHERE guide IN ('w2-1', 'w2-2') AND step = 0;
DELETE FROM work WHERE guide IN ('w2-3', 'w2-4');
SELECT * FROM xmcoh.refresh_document_state('guides', 'work', '{w2-1,w2-3,none}');
SELECT count(*), count(*) FILTER (WHERE document = 'w2-4') AS gone FROM xmcoh.document_state;
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
-- another precision, another version
SELECT * FROM xmcoh.refresh_document_state('guides', 'work', '{w3-1,w3-2}', 0.9);
SELECT "precision", count(*) FROM xmcoh.document_state GROUP BY 1 ORDER BY 1;
SELECT xmcoh.import_model('guides', xmcoh.export_model('guides', 1)) AS version \gset
SELECT xmcoh.deploy('guides', :version);
SELECT by_deployed_version, count(*) FROM xmcoh.document_state GROUP BY 1;
SELECT checked > 470 AS checked, unchanged, removed FROM xmcoh.refresh_document_state('guides', 'work');
SELECT xmcoh.rollback('guides');

-- ---- who may ----

SELECT * FROM xmcoh.refresh_document_state(NULL);
SELECT * FROM xmcoh.refresh_document_state('guides', take_over => NULL);
SELECT * FROM xmcoh.refresh_document_state('guides', "precision" => 0.4);
CREATE ROLE state_trainer;
CREATE ROLE state_reviewer;
SELECT xmcoh.grant_usage('state_trainer'), xmcoh.grant_usage('state_reviewer');
SELECT xmcoh.grant_model('guides', 'state_trainer', 'train'), xmcoh.grant_model('guides', 'state_reviewer', 'review');
GRANT SELECT ON work, step TO state_trainer;
ALTER TABLE work ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON work FOR SELECT TO state_trainer USING (k = 12 AND step > 0);
SET ROLE state_reviewer;
SELECT count(*) > 470 AS seen FROM xmcoh.document_state;
SELECT count(*) FROM xmcoh.document_state_record;
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
-- a role that may read few rows neither removes nor overwrites states by what it does not see
SET ROLE state_trainer;
SELECT count(*) FROM xmcoh.check_documents('guides', 'work');
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
SELECT * FROM xmcoh.refresh_document_state('guides', 'work', take_over => true);
RESET ROLE;
SELECT count(*) > 470 AS seen FROM xmcoh.document_state;
-- an owner makes it the keeper, and takes the states back
SELECT xmcoh.grant_model('guides', 'state_trainer', 'own');
SET ROLE state_trainer;
SELECT checked, unchanged, removed > 470 AS removed FROM xmcoh.refresh_document_state('guides', 'work', take_over => true);
SELECT kept_by, count(*) FROM xmcoh.document_state GROUP BY 1;
SELECT * FROM xmcoh.refresh_document_state('guides', 'work', take_over => true);
RESET ROLE;
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
SELECT xmcoh.revoke_model('guides', 'state_trainer'), xmcoh.revoke_model('guides', 'state_reviewer');
SET ROLE state_trainer;
SELECT * FROM xmcoh.refresh_document_state('guides', 'work');
SELECT count(*) FROM xmcoh.document_state;
RESET ROLE;
-- the keeper is dropped: whoever has level train is the next one
SELECT xmcoh.revoke_usage('state_trainer'), xmcoh.revoke_usage('state_reviewer');
DROP OWNED BY state_trainer, state_reviewer;
DROP ROLE state_trainer, state_reviewer;
SELECT kept_by, count(*) FROM xmcoh.document_state GROUP BY 1;
SELECT checked > 470 AS checked, unchanged, removed FROM xmcoh.refresh_document_state('guides', 'work');

-- ---- code of a source ----

-- It runs while nothing is written: a view whose function revokes the level, or drops the model, of the role that reads.
CREATE ROLE state_owner;
SELECT xmcoh.grant_usage('state_owner');
GRANT SELECT ON work TO state_owner;
GRANT CREATE ON SCHEMA public TO state_owner;
SELECT xmcoh.grant_model('guides', 'state_owner', 'score');
ALTER TABLE work DISABLE ROW LEVEL SECURITY;
SET ROLE state_owner;
SELECT xmcoh.create_model('trap', image_dim => 4) IS NOT NULL AS created;
SELECT xmcoh.import_model('trap', xmcoh.export_model('guides', 1));
SELECT xmcoh.deploy('trap', 1);
CREATE FUNCTION spring() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('trap.action', true) = 'drop' THEN
        PERFORM xmcoh.drop_model('trap', if_exists => true);
    ELSIF current_setting('trap.action', true) = 'detach' AND EXISTS (SELECT FROM xmcoh.source WHERE model = 'trap') THEN
        PERFORM xmcoh.detach_source('trap', 'public.trapped');
    ELSIF current_setting('trap.action', true) = 'write' THEN
        INSERT INTO xmcoh.document_state_record SELECT * FROM xmcoh.document_state_record;
    ELSIF current_setting('trap.action', true) = 'become' THEN
        EXECUTE 'RESET ROLE';
    END IF;
    RETURN true;
END $$;
CREATE VIEW trapped AS SELECT * FROM work WHERE k = 1 AND guide IN ('w1-5', 'w1-6') AND (step > 0 OR public.spring());
SELECT xmcoh.attach_source('trap', 'trapped', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT * FROM xmcoh.refresh_document_state('trap');
SET trap.action = 'write';
SELECT * FROM xmcoh.refresh_document_state('trap');
SET trap.action = 'become';
SELECT * FROM xmcoh.refresh_document_state('trap');
SET trap.action = 'detach';
SELECT * FROM xmcoh.refresh_document_state('trap');
RESET trap.action;
SELECT xmcoh.attach_source('trap', 'trapped', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT count(*) FROM xmcoh.document_state WHERE model = 'trap';
SELECT * FROM xmcoh.refresh_document_state('trap');
SET trap.action = 'drop';
SELECT * FROM xmcoh.refresh_document_state('trap');
RESET ROLE;
SELECT count(*) FROM xmcoh.document_state WHERE model = 'trap';
SELECT xmcoh.drop_model('trap');
DROP OWNED BY state_owner;
DROP ROLE state_owner;

-- ---- a source that is renamed, detached; a model that is dropped ----

ALTER TABLE work RENAME TO renamed;
SELECT source, count(*) > 470 AS documents FROM xmcoh.document_state GROUP BY 1;
SELECT checked, unchanged > 470 AS unchanged, removed FROM xmcoh.refresh_document_state('guides', 'renamed');
SELECT xmcoh.create_model('other', image_dim => 4) IS NOT NULL AS created;
SELECT xmcoh.import_model('other', xmcoh.export_model('guides', 1));
SELECT xmcoh.deploy('other', 1);
SELECT xmcoh.attach_source('other', 'renamed', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT checked > 470 AS checked, unchanged, removed FROM xmcoh.refresh_document_state('other');
SELECT model, count(*) > 470 AS documents FROM xmcoh.document_state GROUP BY 1 ORDER BY 1;
SELECT xmcoh.drop_model('other');
SELECT model, count(*) > 470 AS documents FROM xmcoh.document_state GROUP BY 1 ORDER BY 1;
SELECT xmcoh.detach_source('guides', 'renamed');
SELECT count(*) FROM xmcoh.document_state;
SELECT (SELECT count(*) FROM xmcoh.document_state_record) + (SELECT count(*) FROM xmcoh.document_state_source) AS rows;
DROP TABLE renamed;
