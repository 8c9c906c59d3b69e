-- scikit_run.sql - one run (psql variable: run) of the comparison with scikit-learn: trains on the words alone, then with the
-- embedding besides, and judges both. Where repositories are the groups of the split, they are those of the training.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT format('{"seed": %s}', seed) AS options, split = 'repository' AS by_repository FROM scikit.run WHERE run = :run \gset

CREATE FUNCTION pg_temp.attach(model text, part regclass, by_repository boolean) RETURNS void LANGUAGE sql AS $$
    SELECT xmcoh.attach_source(model, part, document => 'guide_id', item => 'step_key', text => 'instruction',
                               text_embedding => CASE WHEN model ~ 'embedding' THEN 'words_embedding' END::name, "position" => 'step_no',
                               approved => CASE WHEN part::text ~ 'train' THEN 'approved' END::name,
                               "group" => CASE WHEN by_repository THEN 'repository' END::name) $$;
SELECT format('scikit.%I', 'train ' || :run) AS train, format('scikit.%I', 'test ' || :run) AS test \gset

\set by 'ours, words'
\set text_dim 0
\ir scikit_model.sql
\set by 'ours, words and embedding'
\set text_dim 256
\ir scikit_model.sql
