-- Setting d (settings.sql lists the settings), and rounds: in documents that are not approved but hold both modalities, each
-- modality is labelled by the other.
CREATE EXTENSION xmcoh;
CREATE TABLE step AS
    SELECT g AS guide, p AS step, g <= 60 AS approved,
           (ARRAY['open', 'check', 'turn', 'press', 'close'])[p] || ' part ' || (g * 7 + p * 3) % 10 AS words,
           -- one number tells the step's place; the others differ from picture to picture
           ARRAY[p * 0.2 + ('x' || substr(md5(g || '-' || p), 1, 4))::bit(16)::integer / 65536.0] ||
               ARRAY(SELECT ((g * 131 + p * 37 + k * k * 17 + g * k * 7) % 101) / 101.0 FROM generate_series(1, 15) AS k)::real[] AS picture
      FROM generate_series(1, 300) AS g, generate_series(1, 5) AS p;
SELECT xmcoh.create_model('guides', image_dim => 16, options => '{"d_model": 16, "heads": 2, "feed_forward": 32, "hash_bits": 12,
    "epochs": 10}') IS NOT NULL AS created;
SELECT xmcoh.attach_source('guides', 'step', document => 'guide', item => 'step', text => 'words', image => 'picture',
    "position" => 'step', approved => 'approved');

-- Without rounds these documents teach only the alignment.
SELECT xmcoh.train('guides') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT count(*) FROM xmcoh.training_round;
SELECT report -> 'documents' AS documents, report -> 'pool_documents' AS pool FROM xmcoh.model_version WHERE version = 1;
SELECT done = total AS done, regexp_replace(message, '\d+ documents, \d+ of', 'N documents, N of') FROM xmcoh.job WHERE job_id = :job;

-- With a round the words, which are more accurate, teach the pictures. Held-out documents are still approved ones.
SELECT xmcoh.train('guides', '{"rounds": 1}') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT state, round, done = total AS done FROM xmcoh.job WHERE job_id = :job;
SELECT round, lesson, pupil, documents, selected BETWEEN 0.3 AND 1 AS selected, threshold BETWEEN 0.5 AND 0.9 AS threshold,
       selected_precision > 0.9 AS precise, pool_agreement > 0.6 AS agree,
       difference_low <= tau_after - tau_before AND tau_after - tau_before <= difference_high AS interval,
       fused_difference_low <= fused_tau_after - fused_tau_before AND fused_tau_after - fused_tau_before <= fused_difference_high AS fused_interval,
       guided_tau_before > 0.5 AND guided_tau_after > 0.5 AND guided_tau_after <> tau_after AS guided, flips BETWEEN 0.01 AND 0.5 AS flips, agreement_after > 0.5 AS agreement, kept
  FROM xmcoh.training_round WHERE job_id = :job;
-- The selected pairs are right as often as required (the pool's order is known here, and the guide is the same as before).
SELECT option, default_value FROM xmcoh.options() WHERE option IN ('precision', 'unselected', 'folds') ORDER BY option;
WITH pair AS (
    SELECT greatest(p, 1 - p) AS confidence, (p > 0.5) = (item_a::int < item_b::int) AS is_right
      FROM (SELECT DISTINCT guide FROM step WHERE NOT approved) AS d, xmcoh.pair_scores('guides', guide::text) AS s,
           LATERAL (SELECT 1 / (1 + exp(-s.text)) AS p) AS probability)
SELECT avg(is_right::int) BETWEEN 0.87 AND 1 AS precise
  FROM pair, xmcoh.training_round WHERE job_id = :job AND confidence >= threshold;
SELECT report -> 'documents' AS documents, report -> 'pool_documents' AS pool FROM xmcoh.model_version WHERE version = 2;
SELECT sum(documents) FROM xmcoh.evaluate('guides', guidance => 'hard') WHERE modality = 'fused'
EXCEPT SELECT (report ->> 'held_out_documents')::int FROM xmcoh.model_version WHERE version = 2;
SELECT DISTINCT round, phase FROM xmcoh.training_metric WHERE job_id = :job AND metric = 'train_loss' ORDER BY 1, 2;

-- A large pool is sampled, with the same sample each time; or the pool is limited to some sources.
SELECT xmcoh.train('guides', '{"pool_documents": 50, "epochs": 2}', 'keep') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
CREATE TABLE other_step AS SELECT * FROM step WHERE guide > 200;
DELETE FROM step WHERE guide > 200;
INSERT INTO step SELECT * FROM other_step ORDER BY random();
SELECT xmcoh.train('guides', '{"pool_documents": 50, "epochs": 2}', 'keep') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT report -> 'pool_documents' AS pool, sha256 = lag(sha256) OVER (ORDER BY version) AS same
  FROM xmcoh.model_version WHERE version > 2 ORDER BY version;
SELECT xmcoh.attach_source('guides', 'other_step', document => 'guide', item => 'step', text => 'words', image => 'picture');
DELETE FROM step WHERE guide > 200;
SELECT xmcoh.train('guides', '{"epochs": 1}', 'keep', unlabelled => '{other_step}') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT xmcoh.train('guides', '{"epochs": 1}', 'keep', unlabelled => '{step}') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT xmcoh.train('guides', '{"epochs": 1}', 'keep', rounds => 1, "precision" => 0.8, unlabelled => '{}') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT xmcoh.train('guides', '{"epochs": 1, "pool_documents": 0}', 'keep', rounds => 1) AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT options, unlabelled, report -> 'documents' AS documents, report -> 'pool_documents' AS pool
  FROM xmcoh.job JOIN xmcoh.model_version USING (version) WHERE version > 4 ORDER BY version;
SELECT xmcoh.detach_source('guides', 'other_step');
INSERT INTO step SELECT * FROM other_step;
DROP TABLE other_step;

-- Documents that hold one modality only are not used.
UPDATE step SET picture = NULL WHERE guide > 100;
SELECT xmcoh.train('guides', rounds => 2) AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT report -> 'pool_documents' AS pool FROM xmcoh.model_version WHERE version = 9;
SELECT max(documents) AS labelled FROM xmcoh.training_round WHERE job_id = :job;

DROP TABLE step;
DROP EXTENSION xmcoh;
