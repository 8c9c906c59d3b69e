-- citus.sql - what README calls, on tables that are distributed if :distributed is on. citus.sh runs the script on a coordinator of
-- Citus and on one plain server, and compares the outputs byte for byte. So every query has one order of rows.
\set ON_ERROR_STOP off
SET client_min_messages = warning;
SET timezone = 'UTC';

\if :setup
CREATE TABLE work_step (manual_id text, step_id text, step_no int NOT NULL, instruction text, photo_embedding real[], approved boolean NOT NULL,
    PRIMARY KEY (manual_id, step_id));
CREATE TABLE manual_text (manual_id text, step_key text, step_no int, instruction text);
CREATE TABLE photo (manual_id text, photo_key text, embedding real[]);
CREATE TABLE checked_pair (manual text, first_step text, then_step text);
CREATE TABLE sheet (sheet_id int PRIMARY KEY, texts text[]);
\if :distributed
SELECT create_distributed_table('work_step', 'manual_id');
SELECT create_distributed_table('manual_text', 'manual_id', colocate_with => 'work_step');
SELECT create_distributed_table('photo', 'manual_id', colocate_with => 'work_step');
SELECT create_distributed_table('checked_pair', 'manual');
SELECT create_distributed_table('sheet', 'sheet_id');
\endif
INSERT INTO work_step
SELECT 'M' || 100 + m, substr('dbface', p, 1), CASE WHEN m > 130 THEN p * 5 % 7 ELSE p END,
       format((ARRAY['Switch off the %s.', 'Open the cover of the %s.', 'Take out the old %2$s.', 'Clean the inside.',
                     'Fit the new %2$s.', 'Close the cover and test the %s.'])[p],
              (ARRAY['pump', 'fan', 'drill', 'press', 'lathe'])[1 + m % 5], (ARRAY['seal', 'filter', 'belt'])[1 + m % 3]),
       (SELECT array_agg((p = k)::int + 0.8 * sin(m * p * k)) FROM generate_series(1, 6) AS k)::real[],
       m <= 120
  FROM generate_series(1, 140) AS m, generate_series(1, 6) AS p;
INSERT INTO manual_text SELECT 'N0' || n, 's' || p, p, (ARRAY['Switch off the fan.', 'Open the cover of the fan.', 'Clean the inside.'])[p]
  FROM generate_series(1, 3) AS n, generate_series(1, 3) AS p;
INSERT INTO photo SELECT 'N0' || n, 'p' || p, (SELECT array_agg((2 * p - 1 = k)::int + 0.8 * sin(n * p * k)) FROM generate_series(1, 6) AS k)::real[]
  FROM generate_series(1, 3) AS n, generate_series(1, 2) AS p;
INSERT INTO checked_pair SELECT 'M' || 100 + m, 'd', 'b' FROM generate_series(121, 125) AS m;
SELECT xmcoh.create_model('manuals', image_dim => 6);
SELECT xmcoh.attach_source('manuals', 'work_step', document => 'manual_id', item => 'step_id', text => 'instruction',
                           image => 'photo_embedding', "position" => 'step_no', approved => 'approved');
SELECT xmcoh.attach_pairs('manuals', 'checked_pair', document => 'manual', before => 'first_step', after => 'then_step');
SELECT xmcoh.approve('manuals', 'M231', before => 'd', after => 'b', note => 'as the data sheet says') > 0,
       xmcoh.decide('manuals', 'M231', 'f', 'a', 'either') > 0, xmcoh.withdraw(xmcoh.approve_order('manuals', 'M231', '{d,b,f,a,c,e}'), 'trial') > 0;
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) VALUES (xmcoh.model_id('manuals'), 'M231', 'b', 'f');
SELECT xmcoh.withdraw_pair('manuals', 'M231', 'b', 'f');
SELECT xmcoh.train('manuals', options => '{"epochs": 20}') AS job \gset
CALL xmcoh.wait_for_job(:job);
\echo == weights
SELECT version, sha256 FROM xmcoh.versions;
SELECT xmcoh.create_model('texts');
SELECT xmcoh.import_encoder('tiny', pg_read_binary_file(:'encoder' || '/model.safetensors'), pg_read_file(:'encoder' || '/config.json'),
                            pg_read_file(:'encoder' || '/tokenizer.json')) > 0, xmcoh.create_model('stories', encoder => 'tiny') > 0;
SELECT xmcoh.attach_source('stories', 'work_step', document => 'manual_id', item => 'step_id', text => 'instruction', "position" => 'step_no',
                           approved => 'approved');
SELECT xmcoh.train('stories', options => '{"epochs": 2}') AS job \gset
CALL xmcoh.wait_for_job(:job);
SELECT xmcoh.import_model('copy', xmcoh.export_model('manuals'));
SELECT xmcoh.deploy('copy', 1);
\else

-- ---- rows of tables: Citus sends these calls to the nodes ----
\echo == coherence
SELECT manual_id, xmcoh.coherence('manuals', step_no, instruction, photo_embedding) FROM work_step GROUP BY manual_id ORDER BY manual_id;
SELECT manual_id, xmcoh.coherence('manuals', step_no, instruction, photo_embedding) < 0.5 AS look_at_it FROM work_step WHERE NOT approved
 GROUP BY manual_id ORDER BY manual_id;
SELECT approved, avg(c)::numeric(12, 9) FROM (SELECT approved, xmcoh.coherence('copy', step_no, instruction, photo_embedding, NULL, 'text') AS c
  FROM work_step GROUP BY manual_id, approved) AS s GROUP BY approved ORDER BY approved;
\echo == coherence over rows of several nodes
SELECT xmcoh.coherence('manuals', step_no, instruction, NULL) FROM work_step WHERE (manual_id, step_id) IN (('M121', 'd'), ('M122', 'b'), ('M123', 'f')) ;
\echo == recover_order
SELECT manual_id, xmcoh.recover_order('manuals', step_id, instruction, photo_embedding) AS restored FROM work_step GROUP BY manual_id ORDER BY manual_id;
SELECT xmcoh.recover_order('manuals', step_id, instruction, photo_embedding, NULL, 'text') AS by_text FROM work_step WHERE manual_id = 'M231';
\echo == recovered_position
SELECT manual_id, step_id, step_no, xmcoh.recovered_position('manuals', instruction, photo_embedding) OVER (PARTITION BY manual_id) FROM work_step
 ORDER BY manual_id, step_id;
\echo == precedes, order_score
SELECT a.manual_id, a.step_id, b.step_id, xmcoh.precedes('manuals', a.instruction, a.photo_embedding, b.instruction, b.photo_embedding),
       xmcoh.order_score('manuals', a.instruction, a.photo_embedding, b.instruction, b.photo_embedding)
  FROM work_step AS a JOIN work_step AS b USING (manual_id) WHERE a.step_id < b.step_id AND manual_id > 'M220' ORDER BY 1, 2, 3;
SELECT xmcoh.precedes('manuals', 'Switch off the pump.', NULL, 'Close the cover and test the pump.', NULL);
\echo == embed, and a model with a text encoder
SELECT manual_id, step_id, md5(xmcoh.embed('tiny', instruction)::text) FROM work_step WHERE manual_id < 'M111' ORDER BY 1, 2;
SELECT manual_id, xmcoh.coherence('stories', step_no, instruction, NULL) FROM work_step GROUP BY manual_id ORDER BY manual_id;
\echo == order_coherence, order_holds
SELECT manual_id, xmcoh.order_coherence('manuals', array_agg(instruction ORDER BY step_no)), xmcoh.order_holds('manuals', array_agg(instruction ORDER BY step_no))
  FROM work_step GROUP BY manual_id ORDER BY manual_id;
\echo == kendall_tau, perfect_match, position_accuracy, bootstrap_mean
SELECT avg(xmcoh.kendall_tau(o, s))::numeric(12, 9), avg(xmcoh.perfect_match(o, s)::int)::numeric(12, 9), avg(xmcoh.position_accuracy(o, s))::numeric(12, 9)
  FROM (SELECT xmcoh.recover_order('manuals', step_id, instruction, photo_embedding) AS o, array_agg(step_id ORDER BY step_no) AS s
          FROM work_step WHERE approved GROUP BY manual_id) AS d;
SELECT xmcoh.bootstrap_mean(array_agg(c ORDER BY manual_id)), xmcoh.paired_bootstrap(array_agg(c ORDER BY manual_id), array_agg(t ORDER BY manual_id))
  FROM (SELECT manual_id, xmcoh.coherence('manuals', step_no, instruction, photo_embedding) AS c,
               xmcoh.coherence('manuals', step_no, instruction, photo_embedding, NULL, 'text') AS t FROM work_step GROUP BY manual_id) AS d;
\echo == model_exists, in a query on rows, too
SELECT xmcoh.model_exists('manuals'), xmcoh.model_exists('nothing');
SELECT DISTINCT xmcoh.model_exists('copy') FROM work_step;
SELECT DISTINCT xmcoh.model_id('copy') = 3 FROM work_step;

-- ---- whole sources: the coordinator reads them ----
\echo == order_documents
SELECT * FROM xmcoh.order_documents('manuals') ORDER BY document, "position";
SELECT * FROM xmcoh.order_documents('manuals', documents => '{M231,M240}', evidence => 'image guided', guidance => 'stored') ORDER BY 1, 3;
\echo == order_documents beside rows
WITH o AS MATERIALIZED (SELECT * FROM xmcoh.order_documents('manuals', 'work_step'))
SELECT o."position", w.step_no AS stored, w.instruction FROM o JOIN work_step AS w ON (w.manual_id, w.step_id) = (o.document, o.item)
 ORDER BY o.document, o."position";
WITH o AS MATERIALIZED (SELECT * FROM xmcoh.order_documents('manuals', 'work_step', documents => '{M231}'))
SELECT o."position", w.step_no AS stored, w.instruction FROM o JOIN work_step AS w ON (w.manual_id, w.step_id) = (o.document, o.item)
 ORDER BY o."position";
\echo == pair_scores
SELECT * FROM xmcoh.pair_scores('manuals', 'M231') ORDER BY item_a, item_b;
\echo == check_documents, check_groups
SELECT * FROM xmcoh.check_documents('manuals') ORDER BY document;
SELECT * FROM xmcoh.check_groups('manuals', photos => true);
\echo == explain, explain_document, model_words
SELECT * FROM xmcoh.explain('manuals', 'M232', 'd', 'a', top => 10);
SELECT * FROM xmcoh.explain_document('manuals', 'M232', n => 5);
SELECT * FROM xmcoh.explain_document('manuals', 'M232', n => 1, language => 'ja');
SELECT * FROM xmcoh.model_words('manuals', 20);
\echo == stale_approval, review_queue, claim_reviews
SELECT document, kind, order_changed, changed, gone FROM xmcoh.stale_approval('manuals') ORDER BY decision_id;
SELECT * FROM xmcoh.review_queue('manuals', 20);
SELECT count(*) FROM xmcoh.claim_reviews('manuals', 2, lease => '15 min');
SELECT count(*) FROM xmcoh.claim_reviews('manuals', 0);
\echo == alignment, is_complete, missing_steps, missing_photos
SELECT xmcoh.attach_source('manuals', 'manual_text', document => 'manual_id', item => 'step_key', text => 'instruction', "position" => 'step_no');
SELECT xmcoh.attach_source('manuals', 'photo', document => 'manual_id', item => 'photo_key', image => 'embedding', documents_of => 'manual_text');
SELECT * FROM xmcoh.alignment('manuals', 'N02') ORDER BY 2, 3;
SELECT * FROM xmcoh.is_complete('manuals', '{N01,N02,N03}'::text[]) ORDER BY 1;
SELECT * FROM xmcoh.missing_steps('manuals', 'M231', 3);
SELECT * FROM xmcoh.missing_photos('manuals', 'N02');
SELECT xmcoh.detach_source('manuals', 'photo'), xmcoh.detach_source('manuals', 'manual_text');
\echo == evaluate, coverage, pilot_report
SELECT * FROM xmcoh.evaluate('manuals');
SELECT * FROM xmcoh.evaluate('manuals', 'work_step', guidance => 'paper');
SELECT * FROM xmcoh.coverage('manuals', "precision" => 0.9);
SELECT * FROM xmcoh.pilot_report('manuals', minutes_per_document => 20, minutes_per_review => 2, cost_per_hour => 60, documents_per_month => 400);
\echo == states, snapshots, pictures, report
SELECT documents, items, coherence, suspect FROM xmcoh.snapshot_quality('manuals');
SELECT * FROM xmcoh.refresh_document_state('manuals');
SELECT verdict, count(*) FROM xmcoh.document_state GROUP BY verdict ORDER BY verdict;
SELECT md5(xmcoh.picture('manuals', 'order', 'M232')), md5(xmcoh.picture('manuals', 'pairs', 'M232')), md5(xmcoh.picture('manuals', 'quality'));
SELECT length(xmcoh.report('manuals', documents => 3)) > 1000;
\echo == study_learning_curve
SELECT xmcoh.study_learning_curve('manuals', '{12,24}', samples => 1, options => '{"epochs": 2}') AS job \gset
CALL xmcoh.wait_for_job(:job);
SELECT size, samples, tau, acc, pmr FROM xmcoh.learning_curve ORDER BY extrapolated, size;
\echo == versions
SELECT xmcoh.train('manuals', options => '{"epochs": 3}', on_success => 'keep') AS job \gset
CALL xmcoh.wait_for_job(:job);
SELECT xmcoh.deploy('manuals', 2, wait => true);
SELECT xmcoh.rollback('manuals');
SELECT md5(xmcoh.export_model('manuals')), xmcoh.inspect_weights(xmcoh.export_model('manuals')) - 'bytes';
SELECT xmcoh.prune_versions('manuals', keep => 1) > -1;
SELECT version, sha256 FROM xmcoh.versions ORDER BY model, version;
SELECT xmcoh.alter_model('copy', new_name => 'spare'), xmcoh.drop_model('spare');

-- ---- guards: by call, and by a constraint on rows that are whole documents ----
\echo == validate_document
CALL xmcoh.validate_document('manuals', 'M121');
CALL xmcoh.validate_document('manuals', 'M231');
BEGIN;
INSERT INTO work_step SELECT 'Z1', step_id, step_no, instruction, photo_embedding, false FROM work_step WHERE manual_id = 'M232';
CALL xmcoh.validate_document('manuals', 'Z1');
COMMIT;
SELECT count(*) FROM work_step WHERE manual_id = 'Z1';
BEGIN;
INSERT INTO work_step SELECT 'Z2', step_id, step_no, instruction, photo_embedding, false FROM work_step WHERE manual_id = 'M121';
CALL xmcoh.validate_document('manuals', 'Z2');
COMMIT;
SELECT count(*) FROM work_step WHERE manual_id = 'Z2';
\echo == a CHECK constraint with order_holds
ALTER TABLE sheet ADD CONSTRAINT steps_in_order CHECK (xmcoh.order_holds('manuals', texts)) NOT VALID;
INSERT INTO sheet SELECT n, ARRAY['Switch off the fan.', 'Open the cover of the fan.'] FROM generate_series(1, 40) AS n;
\set VERBOSITY sqlstate
INSERT INTO sheet VALUES (101, ARRAY['Close the cover and test the fan.', 'Switch off the fan.']);
UPDATE sheet SET texts = ARRAY['Close the cover and test the fan.', 'Switch off the fan.'] WHERE sheet_id = 7;
\set VERBOSITY default
SELECT count(*) FROM sheet;
\echo == rights: a role with level score on one model
SELECT xmcoh.grant_model('manuals', 'dashboard', 'score');
GRANT SELECT ON work_step TO dashboard;
SELECT xmcoh.create_model('secret', image_dim => 6) > 0, xmcoh.import_model('secret', xmcoh.export_model('manuals'));
SELECT xmcoh.deploy('secret', 1, wait => true);
\endif
