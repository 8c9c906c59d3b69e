-- Champion and challenger, old versions, events, and the views of all this. (Notifications: isolation/events and TAP tests.)
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
-- Trains and returns how the job ended; the numbers of a comparison as signs and relations.
CREATE PROCEDURE try(options jsonb DEFAULT '{}', on_success text DEFAULT 'challenge') LANGUAGE plpgsql AS $$
DECLARE
    started integer := xmcoh.train('guides', options, on_success);
    ended text;
    c jsonb;
BEGIN
    COMMIT;
    CALL xmcoh.wait_for_job(started, '180 s', ended);
    RAISE INFO '%, version %, deployed %: %', ended, (SELECT version FROM xmcoh.job WHERE job_id = started),
        (SELECT deployed_version FROM xmcoh.model WHERE name = 'guides'),
        (SELECT regexp_replace(regexp_replace(message, '-?\d\.\d{3}', 'X', 'g'), '\d+ (documents|of them)', 'N \1', 'g') FROM xmcoh.job WHERE job_id = started);
    SELECT report -> 'challenge' INTO c FROM xmcoh.model_version WHERE job_id = started;
    IF c ->> 'compared' = 'true' THEN
        RAISE INFO 'champion %, held out from both %, rejected %; lost %, interval around the difference %, documents %', c ->> 'champion',
            c ->> 'held_out_from_both', c ->> 'rejected', (c ->> 'difference')::float8 < 0,
            (c ->> 'difference')::float8 BETWEEN (c ->> 'difference_low')::float8 AND (c ->> 'difference_high')::float8
                AND abs((c ->> 'tau')::float8 - (c ->> 'champion_tau')::float8 - (c ->> 'difference')::float8) < 1e-9,
            (c ->> 'documents')::int >= 4;
    ELSE
        RAISE INFO '%', coalesce(c::text, 'no comparison');
    END IF;
END $$;

CREATE TABLE step AS
    SELECT g AS guide, (p * 3 + g) % 5 AS step, p AS place, (ARRAY['open', 'fit', 'turn', 'press', 'close'])[1 + p] || ' part ' || g % 7 AS words
      FROM generate_series(1, 80) AS g, generate_series(0, 4) AS p;
SELECT xmcoh.create_model('guides', options => '{"d_model": 8, "heads": 2, "feed_forward": 8, "hash_bits": 10, "bag_dim": 0, "bilinear_dim": 0,
    "epochs": 12}') IS NOT NULL AS created;
SELECT xmcoh.attach_source('guides', 'step', document => 'guide', item => 'step', text => 'words', "position" => 'place', approved => 'all');
SELECT model, deployed_version, age, deployed_at, documents, pairs_approved_since, confident, confident_drift, versions, last_job, last_job_state, active_job
  FROM xmcoh.model_overview;

-- champion and challenger: no version is deployed
CALL try();
-- as good as the deployed version
CALL try();
-- A worse version is rejected and kept: in all but the held-out documents two steps have changed places. The deployed version stays.
SET client_min_messages = warning;
CREATE TABLE taught AS SELECT guide FROM generate_series(1, 80) AS guide WHERE (SELECT sum(documents) = 0
    FROM xmcoh.evaluate('guides', guidance => 'hard', documents => ARRAY[guide::text]));
RESET client_min_messages;
UPDATE step SET place = 3 - place WHERE place IN (1, 2) AND guide IN (TABLE taught);
CALL try('{"seed": 1}');
SELECT state, phase, done = total AS done, finished_at IS NOT NULL AS finished FROM xmcoh.job WHERE version = 3;
SELECT deployed, (report #>> '{challenge,difference}')::float8 < -0.1 AS worse FROM xmcoh.versions JOIN xmcoh.model_version USING (version) WHERE version = 3;
-- The margin is the loss that is allowed.
CALL try('{"challenge_margin": 1}');
SELECT version, rolled_back_at IS NULL AS stands FROM xmcoh.deployment ORDER BY deployment_id;
-- Every version is better than such a one.
UPDATE step SET place = 3 - place WHERE place IN (1, 2) AND guide IN (TABLE taught);
CALL try();
-- 'keep' and 'deploy' do no comparison.
CALL try('{}', 'keep');
CALL try('{}', 'deploy');
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train('guides', '{"challenge_margin": 2}')$$);
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.train('guides', '{"challenge_margin": -0.1}')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('guides', on_success => 'champion')$$);

-- Documents held out by chance from one training only: another seed holds out others. If too few remain, all are used.
CALL try('{"seed": 5, "held_out": 0.5}');
CALL try('{"seed": 6, "held_out": 0.05}');
-- An imported version does not say which documents it was trained on.
SELECT xmcoh.import_model('guides', xmcoh.export_model('guides')) AS version \gset
SELECT xmcoh.deploy('guides', :version);
CALL try();

-- A champion that cannot be compared (damaged, other inputs, deleted) does not cause the new version to be lost.
ALTER TABLE xmcoh.model_version DROP CONSTRAINT model_version_check;
UPDATE xmcoh.model_version SET weights = set_byte(weights, length(weights) - 1, 127), sha256 = repeat('0', 64)
 WHERE version = (SELECT deployed_version FROM xmcoh.model);
CALL try();
SELECT xmcoh.import_model('pictures', xmcoh.export_model('guides')) AS version;
UPDATE xmcoh.model SET image_dim = 2, deployed_version = NULL WHERE name = 'guides';
CALL try();
UPDATE xmcoh.model SET image_dim = 0 WHERE name = 'guides';
CALL try();
DELETE FROM xmcoh.model_version WHERE version = (SELECT deployed_version FROM xmcoh.model WHERE name = 'guides');
CALL try();
SELECT xmcoh.drop_model('pictures');

-- the views after all this
SELECT job_id, state, version, deployed, held_out_tau IS NOT NULL AS tau, held_out_tau_low <= held_out_tau AND held_out_tau <= held_out_tau_high AS interval,
       champion, difference_low <= difference_high AS difference, reason IS NOT NULL AS reason, submitted_by = current_user::text AS by_me,
       on_success, waited >= '0' AS waited, duration > '0' AS duration
  FROM xmcoh.job_history ORDER BY job_id;
SELECT model, owner = current_user::text AS mine, deployed_version, age > '0' AS age, deployed_at > now() - interval '1 hour' AS deployed_at,
       deployed_by = current_user AS by_me, held_out_tau > 0.9 AS tau, held_out_tau_low <= held_out_tau AS low, held_out_tau <= held_out_tau_high AS high,
       documents, pairs_approved_since, confident BETWEEN 0.5 AND 1 AS confident, confident_drift IS NOT NULL AS drift, versions,
       last_job = (SELECT max(job_id) FROM xmcoh.job) AS last_job, last_job_state, active_job
  FROM xmcoh.model_overview;
INSERT INTO xmcoh.decision (model_id, document, kind, items, decided_by, logged_in_as, decided_at)
    SELECT model_id, '1', 'before', ARRAY[a, b], current_user, session_user, at
    FROM xmcoh.model, (VALUES ('1', '2', now()), ('2', '3', now()), ('3', '4', '2020-01-01')) AS x (a, b, at);
SELECT pairs_approved_since FROM xmcoh.model_overview;

-- The report of a version has the share of confident pairs. A lower required precision gives more confident pairs.
SELECT xmcoh.train('guides', '{"precision": 0.5}', 'keep') AS job \gset
CALL xmcoh.wait_for_job(:job, '180 s');
SELECT (report #>> '{fused,confident}')::float8 AS fused, (report #>> '{text,confident}')::float8 AS text FROM xmcoh.model_version WHERE job_id = :job;

-- every change of state is recorded, whatever made the change
SELECT t.old_state, t.new_state, t.reason IS NOT NULL AS reason, t.worker_pid = j.worker_pid AS worker, t.worker_started_at = j.worker_started_at AS started,
       t.changed_at BETWEEN j.created_at AND j.finished_at + interval '1 s' AS at
  FROM xmcoh.job_transition AS t JOIN xmcoh.job_record AS j USING (job_id) WHERE job_id = :job ORDER BY transition_id;
SELECT j.state, count(*) FROM xmcoh.job_record AS j WHERE j.state IS DISTINCT FROM
       (SELECT t.new_state FROM xmcoh.job_transition AS t WHERE t.job_id = j.job_id ORDER BY transition_id DESC LIMIT 1) GROUP BY 1;
BEGIN;
SELECT xmcoh.train('guides') AS job \gset
SELECT xmcoh.cancel_job(:job);
SELECT old_state, new_state, reason, worker_pid FROM xmcoh.job_transition WHERE job_id = :job ORDER BY transition_id;
UPDATE xmcoh.job_record SET state = 'cancelled' WHERE job_id = :job;      -- no change
UPDATE xmcoh.job_record SET message = 'other' WHERE job_id = :job;
SELECT count(*) FROM xmcoh.job_transition WHERE job_id = :job;
ROLLBACK;
SELECT count(*) FROM xmcoh.job_transition WHERE job_id = :job;
-- as a restored dump writes the row
INSERT INTO xmcoh.job_record (job_id, model_id, state, created_at, queue_id, started_at, worker_pid, worker_started_at) OVERRIDING SYSTEM VALUE
    SELECT 1000, model_id, 'running', '2020-01-01', 'another', '2020-01-01', 0, '2020-01-01' FROM xmcoh.model;
SELECT count(*) FROM xmcoh.job_transition WHERE job_id = 1000;
SELECT last_job, last_job_state, active_job FROM xmcoh.model_overview;     -- no session has recorded the end of the job yet
SELECT state, waited, duration, version, deployed FROM xmcoh.job_history WHERE job_id = 1000;
CALL xmcoh.wait_for_job(1000);
SELECT old_state, new_state, reason, worker_pid FROM xmcoh.job_transition WHERE job_id = 1000;
DELETE FROM xmcoh.job_record WHERE job_id = 1000;
DELETE FROM xmcoh.job_transition WHERE job_id = 1000;

-- A name may be longer than the payload of a notification.
BEGIN;
SELECT xmcoh.create_model(repeat(E'\u0001', 20000)) IS NOT NULL AS created;
INSERT INTO xmcoh.job_record (model_id) SELECT max(model_id) FROM xmcoh.model;
INSERT INTO xmcoh.model_version (model_id, version, sha256, weights) SELECT max(model_id), 1, '', '' FROM xmcoh.model;
SELECT xmcoh.deploy(repeat(E'\u0001', 20000), 1);
COMMIT;
SELECT xmcoh.drop_model(repeat(E'\u0001', 20000));

-- old versions: 12 versions of a model; versions 1, 2, 3, 4 were deployed
SELECT xmcoh.create_model('old') AS old \gset
INSERT INTO xmcoh.model_version (model_id, version, sha256, weights) SELECT :old, v, '', '' FROM generate_series(1, 12) AS v;
SELECT xmcoh.deploy('old', v) FROM generate_series(1, 4) AS v;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.prune_versions('old', 0)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.prune_versions('old', NULL)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.prune_versions('older')$$);
SELECT d.version FROM xmcoh.previous_deployment AS d WHERE d.model_id = :old;
-- the champion of a running job is kept; the second job has ended, but its row does not say so yet
BEGIN;
INSERT INTO xmcoh.job_record (model_id, champion) VALUES (:old, 2);
SELECT xmcoh.prune_versions('old', keep => 10);
SELECT array_agg(version ORDER BY version) FROM xmcoh.versions WHERE model = 'old';
ROLLBACK;
BEGIN;
INSERT INTO xmcoh.job_record (model_id, champion, queue_id) VALUES (:old, 2, 'another');
SELECT xmcoh.prune_versions('old', keep => 10);
SELECT array_agg(version ORDER BY version) FROM xmcoh.versions WHERE model = 'old';
SELECT state FROM xmcoh.job_record WHERE model_id = :old;
ROLLBACK;
SELECT xmcoh.prune_versions('old', keep => 100), xmcoh.prune_versions('old'), xmcoh.prune_versions('old');
SELECT array_agg(version ORDER BY version) FROM xmcoh.versions WHERE model = 'old';
SELECT xmcoh.prune_versions('old', 1);
SELECT version, deployed FROM xmcoh.versions WHERE model = 'old' ORDER BY version;
-- The history stays, but rollback skips deleted versions. A version number is not used again.
SELECT version, rolled_back_at IS NOT NULL AS rolled_back FROM xmcoh.deployment WHERE model_id = :old ORDER BY deployment_id;
SELECT xmcoh.rollback('old');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.rollback('old')$$);
SELECT xmcoh.deploy('old', 12), xmcoh.deploy('old', 4), xmcoh.deploy('old', 12);
DELETE FROM xmcoh.model_version WHERE model_id = :old AND version = 4;
SELECT xmcoh.rollback('old');
SELECT version, rolled_back_at IS NOT NULL AS rolled_back FROM xmcoh.deployment WHERE model_id = :old ORDER BY deployment_id;
SELECT deployed_version, confident_drift FROM xmcoh.model_overview WHERE model = 'old';
DELETE FROM xmcoh.model_version WHERE model_id = :old AND version <> 3;
SELECT xmcoh.import_model('old', xmcoh.export_model('guides'));
SELECT xmcoh.prune_versions('old', 1);

-- Two versions are compared on all documents that both measured. If these are too few to tell, on_doubt decides.
CALL try('{}', 'deploy');
CALL try();
SELECT (c ->> 'documents')::integer, c -> 'too_few_to_tell' AS too_few
  FROM (SELECT report -> 'challenge' AS c FROM xmcoh.model_version WHERE model_id = xmcoh.model_id('guides') ORDER BY version DESC LIMIT 1) AS r;
CALL try('{"challenge_documents": 1000}');
CALL try('{"challenge_documents": 1000, "on_doubt": 1}');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('guides', on_doubt => 'wait')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('guides', '{"on_doubt": 0}', on_doubt => 'keep')$$);

DROP PROCEDURE try;
DROP TABLE step;
DROP EXTENSION xmcoh;
