\set ON_ERROR_STOP on
\pset footer off
\pset null '-'
\timing off
\echo
\echo '================================================================================================'
\echo ' xmcoh: the order of documents whose steps are texts and pictures, learned inside PostgreSQL'
\echo '================================================================================================'
\echo
\echo '1. A workshop keeps its work instructions in an ordinary table: a text and a photo for each step.'
\echo '   (A photo is an embedding of 32 numbers here, as any image encoder gives. pgvector columns would do as well.)'
\echo

CREATE EXTENSION xmcoh;

CREATE TABLE work_step (
    manual_id   text NOT NULL,
    step_no     int  NOT NULL,
    step_id     int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    language    text NOT NULL,
    instruction text,
    photo       real[],
    approved    boolean NOT NULL DEFAULT false      -- has somebody confirmed the order of this manual?
);

\echo
\echo '   The 400 instructions in English and Japanese are made up from templates (doc/demo/generate.sql).'
\echo '   A foreman has approved the order of 240; nobody has looked at the other 160.'
\echo
\ir generate.sql
SELECT demo_generate(400);
ANALYZE work_step;

SELECT language, count(DISTINCT manual_id) AS manuals, count(*) AS steps, count(photo) AS photos,
       count(DISTINCT manual_id) FILTER (WHERE approved) AS approved_manuals
  FROM work_step GROUP BY language ORDER BY language;

SELECT step_no, instruction, photo[1:3] AS photo_begins
  FROM work_step WHERE manual_id = (SELECT manual_id FROM work_step WHERE language = 'en' AND NOT approved ORDER BY step_id LIMIT 1)
 ORDER BY step_no;
SELECT step_no, instruction
  FROM work_step WHERE manual_id = (SELECT manual_id FROM work_step WHERE language = 'ja' AND NOT approved ORDER BY step_id LIMIT 1)
 ORDER BY step_no;

\echo
\echo '2. A model, and where its documents are. The model reads words and photos, and learns from approved manuals only.'
\echo

SELECT xmcoh.create_model('manuals', image_dim => 32);
CREATE VIEW approved_step AS SELECT * FROM work_step WHERE approved;
SELECT xmcoh.attach_source('manuals', 'approved_step', document => 'manual_id', item => 'step_id', text => 'instruction',
                           image => 'photo', "position" => 'step_no', approved => 'all');

\echo
\echo '3. Training runs in a background worker; train() returns at once. training_progress shows how far the training is.'
\echo

SELECT xmcoh.train('manuals') AS job \gset
SELECT pg_sleep(0.7);
SELECT job_id, model, state, phase, epoch, epochs, done, total, held_out_loss FROM xmcoh.training_progress;
CALL xmcoh.wait_for_job(:job, timeout => '600 s');
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM xmcoh.job WHERE state = 'succeeded') THEN
        RAISE EXCEPTION 'training did not succeed: %', (SELECT message FROM xmcoh.job);
    END IF;
END $$;
SELECT model, version, deployed, pg_size_pretty(bytes::bigint) AS size, documents, round(held_out_tau::numeric, 3) AS held_out_tau
  FROM xmcoh.versions;

\echo
\echo '4. Order the 160 manuals that nobody has approved. The model has seen neither their steps nor their order.'
\echo '   Their stored order happens to be right, so the recovered order can be compared with it.'
\echo

CREATE VIEW open_step AS SELECT * FROM work_step WHERE NOT approved;
SELECT xmcoh.attach_source('manuals', 'open_step', document => 'manual_id', item => 'step_id', text => 'instruction',
                           image => 'photo', "position" => 'step_no');

CREATE TABLE recovered AS
    SELECT document, item::int AS step_id, "position", stored_position FROM xmcoh.order_documents('manuals', 'open_step');

SELECT document, array_agg(stored_position::int ORDER BY "position") AS true_places_in_recovered_order,
       round(xmcoh.kendall_tau(array_agg(step_id ORDER BY "position"), array_agg(step_id ORDER BY stored_position))::numeric, 2) AS tau
  FROM recovered GROUP BY document ORDER BY tau, document LIMIT 12;

\echo
\echo '   These were the twelve worst of 160. Figures over all 160, by each kind of evidence, with 95% intervals and what'
\echo '   a random order gets:'
\echo

SELECT modality, guidance, documents, round(acc::numeric, 3) AS acc, round(pmr::numeric, 3) AS pmr, round(tau::numeric, 3) AS tau,
       format('[%s, %s]', round(tau_low::numeric, 3), round(tau_high::numeric, 3)) AS "tau 95%",
       round(random_acc::numeric, 3) AS random_acc, round(random_pmr::numeric, 4) AS random_pmr,
       round(random_tau::numeric, 3) AS random_tau
  FROM xmcoh.evaluate('manuals', 'open_step');

\echo
\echo '5. A manual whose order was disturbed. Coherence, an aggregate, is the expected Kendall tau between the stored order and'
\echo '   the true one. Coherence needs no approved order, so a trigger or a dashboard can ask for it.'
\echo

CREATE TABLE disturbed AS SELECT * FROM open_step
 WHERE manual_id IN ((SELECT manual_id FROM open_step WHERE language = 'en' GROUP BY manual_id HAVING count(*) = 7 ORDER BY 1 LIMIT 1),
                     (SELECT manual_id FROM open_step WHERE language = 'ja' GROUP BY manual_id HAVING count(*) = 7 ORDER BY 1 LIMIT 1));

SELECT manual_id, round(xmcoh.coherence('manuals', step_no, instruction, photo)::numeric, 3) AS coherence_before
  FROM disturbed GROUP BY manual_id;

UPDATE disturbed SET step_no = CASE step_no WHEN 1 THEN 6 WHEN 6 THEN 1 WHEN 2 THEN 4 WHEN 4 THEN 2 ELSE step_no END;

SELECT manual_id, round(xmcoh.coherence('manuals', step_no, instruction, photo)::numeric, 3) AS coherence_after
  FROM disturbed GROUP BY manual_id;

\echo
\echo '   The open manuals that most deserve a look:'
\echo

SELECT manual_id, count(*) AS steps, round(xmcoh.coherence('manuals', step_no, instruction, photo)::numeric, 3) AS coherence
  FROM open_step GROUP BY manual_id ORDER BY 3, 1 LIMIT 5;

\echo
\echo '6. Restore the order: an aggregate gives the order, a window function gives each step its place.'
\echo

SELECT manual_id, array_agg(step_id ORDER BY step_no) AS stored, xmcoh.recover_order('manuals', step_id, instruction, photo) AS recovered
  FROM disturbed GROUP BY manual_id;

SELECT manual_id, step_no AS stored_place, xmcoh.recovered_position('manuals', instruction, photo) OVER (PARTITION BY manual_id) AS place,
       instruction
  FROM disturbed ORDER BY manual_id, place;

\echo
\echo '7. Photos without order beside a manual whose steps are in order. xmcoh infers which photo shows which step; the stored'
\echo '   order of the steps then puts the photos in order. One manual, with its photos put between its steps:'
\echo

CREATE VIEW heap AS
    SELECT manual_id, 's' || step_id AS item, instruction, NULL::real[] AS photo, step_no FROM open_step WHERE instruction IS NOT NULL
    UNION ALL
    SELECT manual_id, 'p' || md5(step_id::text), NULL, photo, NULL FROM open_step WHERE photo IS NOT NULL;
SELECT xmcoh.attach_source('manuals', 'heap', document => 'manual_id', item => 'item', text => 'instruction', image => 'photo',
                           "position" => 'step_no');
SELECT o."position" AS place, coalesce(h.instruction, '(photo of step ' || w.step_no || ')') AS step_or_photo
  FROM xmcoh.order_documents('manuals', 'heap', guidance => 'stored') AS o
  JOIN heap AS h ON (h.manual_id, h.item) = (o.document, o.item) LEFT JOIN open_step AS w ON o.item = 'p' || md5(w.step_id::text)
 WHERE o.document = (SELECT manual_id FROM disturbed WHERE language = 'en' LIMIT 1) ORDER BY 1;

\echo
\echo '   All 160: Kendall tau of the photos'' order by the photos alone, by the scores of the steps, by the steps'' stored order.'
\echo

SELECT CASE WHEN o.evidence = 'image' THEN 'photos alone' WHEN o.guidance = 'soft' THEN 'guided by scores' ELSE 'guided by the stored order' END
           AS photos, round(avg(tau)::numeric, 3) AS tau
  FROM (SELECT e.evidence, e.guidance, document,
               xmcoh.kendall_tau(array_agg(o.item ORDER BY o."position"), array_agg(o.item ORDER BY w.step_no)) AS tau
          FROM (VALUES ('image', 'soft'), ('image guided', 'soft'), ('image guided', 'stored')) AS e (evidence, guidance),
               xmcoh.order_documents('manuals', 'heap', e.evidence, e.guidance) AS o
          JOIN open_step AS w ON o.item = 'p' || md5(w.step_id::text) GROUP BY 1, 2, 3) AS o
 GROUP BY o.evidence, o.guidance ORDER BY 2;
SELECT xmcoh.detach_source('manuals', 'heap');      -- the same manuals as above: training must not read them twice

\echo
\echo '   What is missing? Of 40 of these manuals one photo each got lost among the files of the camera; other photos were never taken.'
\echo '   missing_photos names the steps that are likelier to have no photo than any one photo, and photos of the camera that may be it.'
\echo

CREATE TABLE lost AS
    SELECT DISTINCT ON (manual_id) manual_id, step_id, photo FROM open_step
     WHERE photo IS NOT NULL AND instruction IS NOT NULL
       AND manual_id IN (SELECT manual_id FROM open_step GROUP BY manual_id ORDER BY md5(manual_id) LIMIT 40)
     ORDER BY manual_id, md5(step_id::text);
CREATE VIEW camera AS SELECT 'camera' AS manual_id, 'p' || md5(step_id::text) AS item, photo FROM lost;
CREATE VIEW folder AS SELECT * FROM heap WHERE manual_id IN (SELECT manual_id FROM lost) AND item NOT IN (SELECT item FROM camera);
SELECT xmcoh.attach_source('manuals', 'folder', document => 'manual_id', item => 'item', text => 'instruction', image => 'photo',
                           "position" => 'step_no');
SELECT xmcoh.attach_source('manuals', 'camera', document => 'manual_id', item => 'item', image => 'photo');
CREATE TABLE hint AS
    SELECT m.document, w.instruction, m.probability_missing, m.candidate, m.probability, p.manual_id || ', step ' || p.step_no AS photo_of,
           CASE WHEN l.step_id IS NOT NULL THEN 'lost' WHEN w.photo IS NULL THEN 'never taken' ELSE 'is there' END AS truth,
           p.step_id = l.step_id AS right_photo
      FROM xmcoh.missing_photos('manuals', documents => ARRAY(SELECT manual_id FROM lost), source => 'folder', pool_source => 'camera') AS m
      JOIN open_step AS w ON 's' || w.step_id = m.item LEFT JOIN lost AS l USING (step_id)
      LEFT JOIN open_step AS p ON 'p' || md5(p.step_id::text) = m.photo_item;
SELECT document, instruction AS "this step has no photo", round(probability_missing::numeric, 2) AS probability, truth,
       photo_of AS "likeliest photo of the camera", round(h.probability::numeric, 2) AS "its probability"
  FROM hint AS h WHERE candidate = 1 ORDER BY probability_missing DESC, document LIMIT 5;

\echo
\echo '   All 40: of the hints above 0.7 most are right, of the others half; the right photo of a lost one is often not the first.'
\echo

SELECT probability_missing > 0.7 AS "above 0.7", count(*) FILTER (WHERE candidate = 1) AS hints,
       count(*) FILTER (WHERE candidate = 1 AND truth <> 'is there') AS "right", count(*) FILTER (WHERE candidate = 1 AND truth = 'lost') AS lost,
       count(*) FILTER (WHERE right_photo AND candidate = 1) AS "right photo first", count(*) FILTER (WHERE right_photo) AS "among three"
  FROM hint GROUP BY 1 ORDER BY 1 DESC;
SELECT xmcoh.detach_source('manuals', 'folder'), xmcoh.detach_source('manuals', 'camera');

\echo
\echo '   Missing steps: the last step of a manual is cut off. At the ends the version has learned what a manual begins and ends with. Between'
\echo '   two steps it has not, since each manual of this workshop leaves out some: there missing_steps says that it cannot tell.'
\echo

CREATE VIEW cut AS SELECT * FROM open_step AS o WHERE manual_id IN (SELECT manual_id FROM disturbed)
    AND step_no < (SELECT max(step_no) FROM open_step WHERE manual_id = o.manual_id);
SELECT xmcoh.detach_source('manuals', 'open_step');
SELECT xmcoh.attach_source('manuals', 'cut', document => 'manual_id', item => 'step_id', text => 'instruction', image => 'photo',
                           "position" => 'step_no');
SELECT document, CASE WHEN after_item IS NULL THEN 'before the first step' WHEN before_item IS NULL THEN 'after the last step'
                      ELSE 'between two steps' END AS place, count(*) AS places, round(max(probability)::numeric, 3) AS probability, reason,
       min(candidate_text) FILTER (WHERE probability > 0.5) AS "such as"
  FROM xmcoh.missing_steps('manuals', source => 'cut', documents => ARRAY(SELECT DISTINCT manual_id FROM disturbed), n => 1)
 GROUP BY document, place, reason ORDER BY document, place DESC;
SELECT xmcoh.detach_source('manuals', 'cut');
SELECT xmcoh.attach_source('manuals', 'open_step', document => 'manual_id', item => 'step_id', text => 'instruction',
                           image => 'photo', "position" => 'step_no');

\echo
\echo '8. One question at a time: which of two steps comes first, and which evidence says so? Scores are log-odds.'
\echo

SELECT round(xmcoh.precedes('manuals', 'Switch off the machine and pull the plug.', NULL,
                            'Plug it in and start a short test.', NULL)::numeric, 3) AS "P(switch off before test)";
SELECT round(xmcoh.precedes('manuals', 'プラグを差し込み、試運転を行う。', NULL,
                            '装置の電源を切り、プラグを抜く。', NULL)::numeric, 3) AS "P(test before switch off), Japanese";

SELECT item_a, item_b, round(text::numeric, 2) AS text, round(image::numeric, 2) AS image, round(fused::numeric, 2) AS fused,
       round(probability::numeric, 3) AS probability
  FROM xmcoh.pair_scores('manuals', (SELECT min(manual_id) FROM disturbed), 'open_step')
 ORDER BY probability DESC LIMIT 10;

\echo
\echo '9. What is wrong, and how sure is that? Drafts of a new edition: twelve manuals, in two of which steps have changed places. A pair'
\echo '   counts as violated at a confidence at which at most one in ten manuals in right order would be suspected.'
\echo

CREATE TABLE draft AS SELECT 'D-' || manual_id AS manual_id, step_id + 100000 AS step_id, language, step_no, instruction, photo
  FROM open_step WHERE manual_id IN (SELECT manual_id FROM disturbed UNION
      (SELECT manual_id FROM open_step GROUP BY manual_id HAVING count(*) > 5 ORDER BY md5(manual_id) LIMIT 10));
UPDATE draft SET step_no = CASE step_no WHEN 1 THEN 6 WHEN 6 THEN 1 WHEN 2 THEN 4 WHEN 4 THEN 2 ELSE step_no END
 WHERE manual_id IN (SELECT 'D-' || manual_id FROM disturbed);
SELECT xmcoh.attach_source('manuals', 'draft', document => 'manual_id', item => 'step_id', text => 'instruction',
                           image => 'photo', "position" => 'step_no');
SELECT document, items, round(coherence::numeric, 2) AS coherence, round(gain::numeric, 2) AS gain, violated_pairs, verdict,
       b.instruction AS "this step belongs", a.instruction AS "before this one", round(worst_probability::numeric, 3) AS probability
  FROM xmcoh.check_documents('manuals', 'draft', "precision" => 0.9) AS c
  LEFT JOIN draft AS b ON b.step_id::text = c.worst_before LEFT JOIN draft AS a ON a.step_id::text = c.worst_after
 ORDER BY gain DESC LIMIT 4;

\echo
\echo '   Why? A sentence about the surest pair of each of the two manuals, in its own language; and the parts of that pair''s score,'
\echo '   in log-odds, which sum to it.'
\echo

SELECT e.verdict, e.explanation
  FROM (SELECT DISTINCT manual_id, language FROM draft WHERE manual_id IN (SELECT 'D-' || manual_id FROM disturbed)) AS d,
       xmcoh.explain_document('manuals', d.manual_id, 'draft', "precision" => 0.9, n => 1, language => d.language) AS e ORDER BY d.language;
SELECT p.modality, p.kind, p.feature, d.instruction AS "in step", round(p.contribution::numeric, 2) AS contribution
  FROM xmcoh.explain_document('manuals', (SELECT 'D-' || min(manual_id) FROM disturbed), 'draft', "precision" => 0.9, n => 1) AS e,
       xmcoh.explain('manuals', (SELECT 'D-' || min(manual_id) FROM disturbed), e.before_item, e.after_item, top => 4, source => 'draft') AS p
  LEFT JOIN draft AS d ON d.step_id::text = p.item ORDER BY abs(p.contribution) DESC;

\echo
\echo '   The table is guarded: who saves a wrong order gets an error at the end of the transaction, in words.'
\echo

UPDATE draft SET step_no = w.step_no FROM open_step AS w WHERE w.step_id + 100000 = draft.step_id;
SELECT xmcoh.enforce_order('manuals', 'draft', on_violation => 'error', "precision" => 0.9);
DO $$
DECLARE
    manual text;
BEGIN
    FOR manual IN SELECT 'D-' || manual_id FROM disturbed GROUP BY 1 ORDER BY 1 LOOP
        BEGIN
            UPDATE draft SET step_no = CASE step_no WHEN 1 THEN 6 WHEN 6 THEN 1 ELSE step_no END WHERE manual_id = manual;
            SET CONSTRAINTS ALL IMMEDIATE;
            RAISE EXCEPTION 'the guard let a wrong order pass';
        EXCEPTION WHEN check_violation THEN
            RAISE NOTICE '%', SQLERRM;
        END;
    END LOOP;
END $$;

\echo
\echo '   What is worth a person''s time? The pairs that teach most, over many manuals; claim_reviews gives each reviewer others.'
\echo

SELECT rank, document, before_text AS "this step first", after_text AS "then this one?", round(probability::numeric, 2) AS probability, reason
  FROM xmcoh.review_queue('manuals', 4, 'open_step') ORDER BY rank;
SELECT rank, document, before_item, after_item FROM xmcoh.claim_reviews('manuals', 2, lease => '15 min', source => 'open_step') ORDER BY rank;

\echo
\echo '   People have the last word. A foreman decides that one manual does it the other way round; the decision is on record, and'
\echo '   rules every order, check and guard from now on.'
\echo

SELECT xmcoh.approve('manuals', d.manual_id, before => d.last, after => d.first, note => 'on this machine the counter comes first') AS decision
  FROM (SELECT 'D-' || min(manual_id) AS manual_id FROM disturbed) AS m,
       LATERAL (SELECT m.manual_id, (array_agg(step_id ORDER BY step_no))[6]::text AS last, (array_agg(step_id ORDER BY step_no))[1]::text AS first
                  FROM draft WHERE draft.manual_id = m.manual_id) AS d;
SELECT decision_id, document, kind, decided_by::text, round(probability::numeric, 3) AS "shown probability", note FROM xmcoh.decision;
SELECT "position" AS place, instruction FROM xmcoh.order_documents('manuals', 'draft', documents => ARRAY[(SELECT 'D-' || min(manual_id) FROM disturbed)])
  JOIN draft ON step_id::text = item ORDER BY 1;
SELECT xmcoh.unenforce_order('manuals', 'draft');
SELECT xmcoh.detach_source('manuals', 'draft');

\echo
\echo '10. A version is one safetensors file. SQL exports and imports it. The copy gives the same orders.'
\echo

SELECT xmcoh.import_model('copy', xmcoh.export_model('manuals')) AS imported_version;
SELECT xmcoh.deploy('copy', 1);
SELECT pg_size_pretty(length(xmcoh.export_model('copy'))::bigint) AS size,
       xmcoh.export_model('copy') = xmcoh.export_model('manuals') AS same_bytes,
       left(xmcoh.inspect_weights(xmcoh.export_model('copy'))::text, 80) AS metadata_begins;
SELECT bool_and(m.recovered = c.recovered) AS same_orders
  FROM (SELECT manual_id, xmcoh.recover_order('manuals', step_id, instruction, photo) AS recovered FROM open_step GROUP BY manual_id) AS m
  JOIN (SELECT manual_id, xmcoh.recover_order('copy', step_id, instruction, photo) AS recovered FROM open_step GROUP BY manual_id) AS c
 USING (manual_id);

\echo
\echo '11. Retraining. The foreman approves 50 more manuals. The new version is compared with the deployed one. During the training'
\echo '   its worker is terminated. The job continues from its last checkpoint, to the same result as without the interruption.'
\echo

UPDATE work_step SET approved = true
 WHERE manual_id IN (SELECT manual_id FROM work_step WHERE NOT approved GROUP BY manual_id ORDER BY md5(manual_id) LIMIT 50);

SET xmcoh.training_workers = 2;         -- two processes compute each minibatch
SET xmcoh.checkpoint_interval = 0;      -- after every epoch, since this is over so soon
SELECT xmcoh.train('manuals', on_success => 'challenge') AS job \gset
DO $$ BEGIN
    FOR look IN 1 .. 1000 LOOP
        EXIT WHEN EXISTS (SELECT FROM xmcoh.job_checkpoint);
        PERFORM pg_sleep(0.02);
    END LOOP;
END $$;
SELECT pg_terminate_backend(worker_pid) AS terminated FROM xmcoh.job WHERE job_id = :job;
CALL xmcoh.wait_for_job(:job, timeout => '600 s');
SELECT xmcoh.resume_job(:job);
CALL xmcoh.wait_for_job(:job, timeout => '600 s');

SELECT job_id, old_state, new_state, reason FROM xmcoh.job_transition WHERE job_id = :job ORDER BY transition_id;
\x on
SELECT job_id, state, reason, version, deployed, champion, round(difference::numeric, 3) AS difference FROM xmcoh.job_history WHERE job_id = :job;
SELECT * FROM xmcoh.model_overview WHERE model = 'manuals';
\x off

\echo
\echo '   A schedule does that every night (this server has shared_preload_libraries = ''xmcoh''):'
\echo

SELECT xmcoh.schedule_training('manuals', '0 3 * * *', timezone => 'Europe/Berlin', on_success => 'challenge') AS schedule;
SELECT schedule_id, model, cron, timezone, next_run IS NOT NULL AS will_run, on_success FROM xmcoh.schedule_overview;

\echo
\echo '12. What does the pilot say? Figures come from the approved manuals, each scored by models that had learned nothing from it.'
\echo '   By language here; any column of the sources can say which process, line or author a document belongs to.'
\echo

SELECT "group" AS language, documents, round(acc::numeric, 2) AS "steps in place", round(pmr::numeric, 2) AS "manuals right",
       round(neighbours::numeric, 2) AS "neighbours right", round(tau::numeric, 3) AS tau,
       format('[%s, %s]', round(tau_low::numeric, 3), round(tau_high::numeric, 3)) AS "tau 95%"
  FROM xmcoh.evaluate('manuals', by => 'language') WHERE modality = 'fused' ORDER BY 1;

\echo
\echo '   How much may pass without a person, if at least 90% of what passes must be right? Whole orders, and single pairs:'
\echo

SELECT level, documents, round(share::numeric, 3) AS "may pass", format('[%s, %s]', round(share_low::numeric, 3), round(share_high::numeric, 3)) AS "95%",
       round(precision_reached::numeric, 3) AS precision_reached, coalesce(remark, '') AS remark
  FROM (VALUES ('document'), ('pair')) AS l (level), xmcoh.coverage('manuals', "precision" => 0.9, level => l.level);

\echo
\echo '   What would more approvals bring? A study, a job in the background, trains on parts of what is approved. Its last row is an extrapolation.'
\echo

SELECT xmcoh.study_learning_curve('manuals', '{40,80,160}', samples => 2) AS study \gset
CALL xmcoh.wait_for_job(:study, timeout => '600 s');
SELECT size AS approved, samples, round(tau::numeric, 3) AS tau, format('[%s, %s]', round(tau_low::numeric, 3), round(tau_high::numeric, 3)) AS "tau 95%",
       round(pmr::numeric, 2) AS "manuals right", extrapolated
  FROM xmcoh.learning_curve ORDER BY extrapolated, size;

\echo
\echo '   The same in the manager''s units: 30 minutes a manual by hand, 2 minutes a decision, 50 an hour, 400 manuals a month.'
\echo

SELECT measure, round(value::numeric, 2) AS value, unit, sentence
  FROM xmcoh.pilot_report('manuals', minutes_per_document => 30, minutes_per_review => 2, cost_per_hour => 50, documents_per_month => 400);

\echo
\echo '   In production: a snapshot of all documents for the dashboards, alerts with limits, and the state of each document, kept up to date.'
\echo

SELECT coalesce("group", 'all') AS language, documents, round(coherence::numeric, 3) AS coherence, round(suspect::numeric, 3) AS suspect,
       round(unsure::numeric, 3) AS unsure, round(unknown_words::numeric, 3) AS unknown_words
  FROM xmcoh.snapshot_quality('manuals', by => 'language') ORDER BY "group" NULLS FIRST;
SELECT xmcoh.set_alert_limit('manuals', 'suspect', 0.005);
SELECT alert, round(value::numeric, 3) AS value, "limit", sentence FROM xmcoh.alert;
SELECT * FROM xmcoh.refresh_document_state('manuals', 'open_step');
SELECT verdict, count(*) AS manuals, round(avg(coherence)::numeric, 3) AS coherence FROM xmcoh.document_state GROUP BY verdict ORDER BY 1;

\echo
\echo '   Pictures are SVG, and the report is one HTML page: xmcoh report manuals --html >report.html'
\echo

SELECT what, length(xmcoh.picture('manuals', what, CASE WHEN what IN ('pairs', 'order') THEN (SELECT min(manual_id) FROM open_step) END)) AS characters
  FROM (VALUES ('pairs'), ('order'), ('reliability'), ('learning'), ('quality')) AS p (what);
SELECT length(r) AS characters, substring(r FROM '<title>[^<]*</title>') AS title
  FROM xmcoh.report('manuals', minutes_per_document => 30, minutes_per_review => 2, cost_per_hour => 50, documents_per_month => 400) AS r;

\if :{?has_encoder}
\ir log.sql
\else
\echo
\echo '****  13 is skipped: a log and its manual. It needs the files of a text encoder, which pip could not install. ENCODER=folder names'
\echo '****  a folder that has them.'
\endif

\echo
\echo '14. Remove everything.'
\echo

SELECT xmcoh.drop_model('copy');
SELECT xmcoh.drop_model('manuals', discard_decisions => true);
DROP VIEW camera, folder, cut;
DROP TABLE recovered, disturbed, draft, lost, hint;
DROP VIEW heap, open_step, approved_step;
DROP TABLE work_step, demo_template;
DROP FUNCTION demo_generate(int), demo_photo(float8, float8[], float8[], float8), demo_normal(), demo_choose(text);
DROP EXTENSION xmcoh;
