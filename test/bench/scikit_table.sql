-- scikit_table.sql - reads the scores of scikit.py (psql variable: scores, a file) and prints the comparison; quality.sh converts the
-- tables to Markdown.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
\pset footer off
\pset border 2

-- What scikit.py writes: a step with a larger score stands earlier.
CREATE TEMPORARY TABLE score (run int, by text, guide_id text, step_key text, score float8);
\set copy_scores '\\copy score FROM ' :'scores' ' (FORMAT csv)'
:copy_scores
INSERT INTO scikit.result
    SELECT run, by, guide_id, xmcoh.kendall_tau(array_agg(step_key ORDER BY score DESC, step_key), array_agg(step_key ORDER BY step_no))
      FROM score JOIN guides.step USING (guide_id, step_key) GROUP BY run, by, guide_id;

-- Each document's tau, averaged over samples, and the group over which intervals are taken.
CREATE TEMPORARY TABLE figure AS
    SELECT split, guides.size_of(size) AS size, by, guide_id, CASE split WHEN 'repository' THEN repository ELSE guide_id END AS cluster,
           avg(tau) AS tau
      FROM scikit.result JOIN scikit.run USING (run)
      JOIN (SELECT guide_id, min(repository) AS repository FROM guides.step GROUP BY 1) AS r USING (guide_id)
     WHERE tau IS NOT NULL GROUP BY 1, 2, 3, 4, 5;

-- The mean over documents with its 95% interval: 1000 bootstrap replicates over groups.
CREATE FUNCTION pg_temp.interval_of(cluster text[], tau float8[], format text) RETURNS text LANGUAGE sql VOLATILE AS $$
    WITH seed AS MATERIALIZED (SELECT setseed(0.5)),
    g AS (SELECT array_agg(total ORDER BY c) AS total, array_agg(n ORDER BY c) AS n
            FROM (SELECT c, sum(t) AS total, count(*) AS n FROM unnest(cluster, tau) AS u (c, t) GROUP BY c) AS x, seed),
    draw AS MATERIALIZED (SELECT r, 1 + floor(random() * cardinality(n))::int AS k
                            FROM g, generate_series(1, 1000) AS r, generate_series(1, cardinality(n))),
    replicate AS (SELECT sum(total[k]) / sum(n[k]) AS mean FROM draw, g GROUP BY r)
    SELECT format('%s [%s, %s]', to_char((SELECT avg(t) FROM unnest(tau) AS t), format), to_char(p[1], format), to_char(p[2], format))
      FROM (SELECT percentile_cont('{0.025,0.975}'::float8[]) WITHIN GROUP (ORDER BY mean) AS p FROM replicate) AS q $$;

CREATE TEMPORARY TABLE shown AS
    SELECT split, size, by, pg_temp.interval_of(array_agg(cluster ORDER BY guide_id), array_agg(tau ORDER BY guide_id), 'FM0.000') AS shown
      FROM figure GROUP BY 1, 2, 3;
INSERT INTO shown
    SELECT split, size, b.by || ' less ' || a.by, regexp_replace(s, '^.*(\[\+(?!0\.000)|, -(?!0\.000)).*$', '**\&**')
      FROM (VALUES ('ours, words'), ('ours, words and embedding')) AS b (by),
           (VALUES ('scikit-learn, words'), ('scikit-learn, three views')) AS a (by),
           LATERAL (SELECT split, size, pg_temp.interval_of(array_agg(x.cluster ORDER BY guide_id), array_agg(x.tau - y.tau ORDER BY guide_id),
                                                            'FMSG0.000') AS s
                      FROM figure AS x JOIN figure AS y USING (split, size, guide_id)
                     WHERE x.by = b.by AND y.by = a.by GROUP BY 1, 2) AS d;

\echo 'Logistic regressions over the differences of two steps, without intercept, on all pairs of the same approved documents: tf-idf of'
\echo 'words and bigrams; of 3 to 5 characters within words; the two words at either edge of a step with its length. The penalty of each'
\echo 'is found by cross-validation over groups. Three views: the mean of their log-odds. Vocabulary and frequencies come from all'
\echo 'training documents, approved or not. Such scores are additive, so the order by score is the one that our decoder would find.'
\echo
\echo 'Groups are repositories where these are held out, for both sides, else documents; so are those of the intervals (1000 bootstrap'
\echo 'replicates). Only texts are read: words, or words and the embedding of 256 numbers, which scikit-learn does not get.'
SELECT format('Folds tested: %s. Samples: %s.', count(DISTINCT fold), max(seed)) AS tested FROM scikit.run \gset
\echo :tested
\echo
SELECT by AS "tau of texts", split || ', ' || size AS "column", shown,
       (split = 'document')::int * 1000000000 + coalesce(substring(size FROM '^\d+')::int, 1000000) AS rank
  FROM shown ORDER BY by ~ ' less ', by !~ '^ours', by ~ 'three views', by ~ 'and embedding', by !~ 'learn, words', by, rank
\crosstabview 1 2 3 4
