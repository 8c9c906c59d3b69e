-- quality_run.sql - one run (psql variable: run): train without a round and judge, then again with a round if there is a pool.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT quality.model_of(r) AS model, format('{"seed": %s}', seed) AS options, size IS NOT NULL AND setting = 'as they are' AS has_pool
  FROM quality.run AS r WHERE run = :run \gset
SELECT xmcoh.create_model(:'model', image_dim => 256, text_dim => 256);
SELECT quality.attach(r, 'train') FROM quality.run AS r WHERE run = :run;
\ir guides_train.sql
UPDATE quality.run SET phase_0 = (SELECT finished_at - started_at FROM xmcoh.job WHERE job_id = :job) WHERE run = :run;
SELECT quality.judge(r, false) FROM quality.run AS r WHERE run = :run;
SELECT quality.check(r) FROM quality.run AS r WHERE run = :run;
SELECT quality.find_gaps(r) FROM quality.run AS r WHERE run = :run;

\if :has_pool
    -- For every pair of the pool, each modality's log-odds that the step with the smaller place is first.
    SELECT format('quality.%I', 'train ' || :run) AS train \gset
    CREATE TEMPORARY TABLE pool_pair AS
        SELECT CASE WHEN a.step_no < b.step_no THEN p.text ELSE -p.text END AS text,
               CASE WHEN a.step_no < b.step_no THEN p.image ELSE -p.image END AS image
          FROM quality.document AS d, xmcoh.pair_scores(:'model', d.guide_id, :'train'::regclass) AS p,
               guides.step AS a, guides.step AS b
         WHERE d.run = :run AND NOT d.approved AND (a.guide_id, a.step_key) = (d.guide_id, p.item_a)
           AND (b.guide_id, b.step_key) = (d.guide_id, p.item_b);
    SELECT clock_timestamp() AS started \gset
    SELECT count(*) FROM xmcoh.order_documents(:'model', :'train'::regclass, 'text');
    UPDATE quality.run SET scoring = clock_timestamp() - :'started'::timestamptz WHERE run = :run;

    SELECT format('{"seed": %s, "rounds": 1}', seed) AS options FROM quality.run WHERE run = :run \gset
    \ir guides_train.sql
    UPDATE quality.run SET with_round = (SELECT finished_at - started_at FROM xmcoh.job WHERE job_id = :job) WHERE run = :run;
    SELECT quality.judge(r, true) FROM quality.run AS r WHERE run = :run;
    INSERT INTO quality.round
        SELECT :run, t.pupil, t.documents, t.threshold, t.selected, t.estimated, t.agreement, t.kept, s.*
          FROM (SELECT pupil, documents, threshold, selected, selected_precision AS estimated, pool_agreement AS agreement, kept
                  FROM xmcoh.training_round WHERE job_id = :job) AS t,
               -- The guides of the folds, whose average labelled the pool, are not kept. The version gives nearly the same scores, but is
               -- more confident. So the most confident pairs of the version are judged, as many as were selected.
               LATERAL (SELECT count(*), count(*) FILTER (WHERE place <= t.selected * pairs),
                               count(*) FILTER (WHERE place <= t.selected * pairs AND s > 0)
                          FROM (SELECT s, row_number() OVER (ORDER BY abs(s) DESC) AS place, count(*) OVER () AS pairs
                                  FROM (SELECT CASE t.pupil WHEN 'image' THEN text ELSE image END AS s FROM pool_pair) AS p
                                 WHERE s IS NOT NULL) AS p) AS s (pairs, chosen, correct);
\endif
SELECT xmcoh.drop_model(:'model');
