-- quality_gaps_table.sql - the tables of what missing_steps and missing_photos find, for quality_table.sql

-- A mean with its 95% interval over repositories: the variance is that of the sums of the deviations of each repository.
CREATE FUNCTION pg_temp.over_groups(value float8[], repository text[]) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s [%s, %s]', to_char(mean, 'FM0.000'), to_char(greatest(mean - 1.96 * sqrt(v) / n, 0), 'FM0.000'),
                  to_char(least(mean + 1.96 * sqrt(v) / n, 1), 'FM0.000'))
      FROM (SELECT max(mean) AS mean, sum(deviation ^ 2) AS v, sum(documents) AS n
              FROM (SELECT max(mean) AS mean, sum(x - mean) AS deviation, count(*) AS documents
                      FROM (SELECT u.*, avg(x) OVER () AS mean FROM unnest(value, repository) AS u (x, g)) AS u GROUP BY g) AS d) AS s $$;

-- Of each gap, the share of the places of its kind without one that have a lower score; its mean is the AUROC. Likewise of photos.
CREATE TEMPORARY TABLE beaten AS
    SELECT split, guides.size_of(size) AS size, what, guide_id, repository, value
      FROM (SELECT run, what, guide_id, lacks,
                   (count(*) FILTER (WHERE NOT lacks) OVER (PARTITION BY run, what ORDER BY score
                        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP)
                    + count(*) FILTER (WHERE NOT lacks) OVER (PARTITION BY run, what, score) / 2.0)::float8
                   / count(*) FILTER (WHERE NOT lacks) OVER (PARTITION BY run, what) AS value
              FROM (SELECT run, kind AS what, guide_id, is_gap AS lacks, score FROM quality.gap
                    UNION ALL SELECT run, 'photo', guide_id, is_bare, probability FROM quality.bare) AS a) AS b
      JOIN quality.gapped USING (guide_id) JOIN quality.run USING (run) WHERE lacks;
CREATE TEMPORARY TABLE auroc AS
    SELECT split, size, what, pg_temp.over_groups(array_agg(value ORDER BY guide_id), array_agg(repository ORDER BY guide_id)) AS auroc
      FROM beaten GROUP BY 1, 2, 3;

\echo '## Whether a step is missing'
\echo 'One step was taken out of half of the test documents. AUROC: the probability that its place has a larger score than a place of'
\echo 'the same kind where nothing was taken out; 0.5 is chance; 95% intervals over repositories. Told: the share of the versions that'
\echo 'give a probability at all. Of these, the mean probability where something is missing and where not, and how often a step is'
\echo 'missing among the places with the highest tenth of probabilities.'
\echo
SELECT split, size, what AS place, auroc AS "AUROC", to_char(told, 'FM0.00') AS told,
       to_char(mean_gap, 'FM0.000') AS "probability, missing", to_char(mean_other, 'FM0.000') AS "not missing",
       to_char(share, 'FM0.000') AS "missing, of all", to_char(top, 'FM0.000') AS "of the top tenth"
  FROM auroc
  JOIN (SELECT split, guides.size_of(size) AS size, kind AS what, avg((probability IS NOT NULL)::int) AS told,
               avg(probability) FILTER (WHERE is_gap) AS mean_gap, avg(probability) FILTER (WHERE NOT is_gap) AS mean_other,
               avg(is_gap::int) AS share, avg(is_gap::int) FILTER (WHERE tenth = 1 AND probability IS NOT NULL) AS top
          FROM (SELECT *, ntile(10) OVER (PARTITION BY run, kind ORDER BY probability DESC NULLS LAST) AS tenth FROM quality.gap) AS g
          JOIN quality.run USING (run) GROUP BY 1, 2, 3) AS p USING (split, size, what)
 ORDER BY split DESC, pg_temp.rank_of(size), what;

\echo '## Which step is missing'
\echo 'Candidates for the place of the step that was taken out: the share of documents of which one of the first 1, 3, 10 has the same'
\echo 'text, or shares at least half of its words. To be found: an approved document has the same text. By chance the shares are'
\echo 'below 0.005.'
\echo
SELECT split, size, to_char(avg(known::int), 'FM0.000') AS "to be found",
       pg_temp.over_groups(array_agg(same_1 ORDER BY guide_id), array_agg(repository ORDER BY guide_id)) AS "same text, 1",
       to_char(avg(same_3), 'FM0.000') AS "3", to_char(avg(same_10), 'FM0.000') AS "10",
       pg_temp.over_groups(array_agg(near_1 ORDER BY guide_id), array_agg(repository ORDER BY guide_id)) AS "half of the words, 1",
       to_char(avg(near_3), 'FM0.000') AS "3 ",
       pg_temp.over_groups(array_agg(near_10 ORDER BY guide_id), array_agg(repository ORDER BY guide_id)) AS "10 "
  FROM (SELECT run, guide_id, coalesce(bool_or(same AND candidate <= 1), false)::int::float8 AS same_1,
               coalesce(bool_or(same AND candidate <= 3), false)::int::float8 AS same_3, coalesce(bool_or(same), false)::int::float8 AS same_10,
               coalesce(bool_or(near AND candidate <= 1), false)::int::float8 AS near_1,
               coalesce(bool_or(near AND candidate <= 3), false)::int::float8 AS near_3, coalesce(bool_or(near), false)::int::float8 AS near_10
          FROM quality.gap_candidate GROUP BY 1, 2) AS c
  JOIN quality.gap_known USING (run, guide_id) JOIN quality.gapped USING (guide_id)
  JOIN (SELECT run, split, guides.size_of(size) AS size FROM quality.run) AS r USING (run)
 GROUP BY split, size ORDER BY split DESC, pg_temp.rank_of(size);

\echo '## Missing photos'
\echo 'Photos in rows of their own, and one photo taken away from half of the documents. AUROC: the probability that its step has a'
\echo 'larger probability of no photo than another step (0 where missing_photos does not name the step). Named: the share of the steps'
\echo 'without a photo that missing_photos names, and of the others. Found: rows that hold both, and one step without its photo; the'
\echo 'share of these photos among the first 1, 3, 10 of all that were taken away. Chance is 1, 3, 10 divided by the photos. Probability:'
\echo 'the mean probability of the first candidate, which should be the share found first.'
\echo
SELECT split, size, auroc AS "AUROC", named AS "named, no photo", others AS "named, others", found_1 AS "found, 1", found_3 AS "3",
       found_10 AS "10", first AS probability, photos
  FROM auroc
  JOIN (SELECT split, guides.size_of(size) AS size, to_char(avg(named::int) FILTER (WHERE is_bare), 'FM0.000') AS named,
               to_char(avg(named::int) FILTER (WHERE NOT is_bare), 'FM0.000') AS others
          FROM quality.bare JOIN quality.run USING (run) GROUP BY 1, 2) AS b USING (split, size)
  JOIN (SELECT split, guides.size_of(size) AS size, avg(photos)::int AS photos, to_char(avg(first), 'FM0.000') AS first,
               pg_temp.over_groups(array_agg(coalesce(rank <= 1, false)::int::float8 ORDER BY guide_id), array_agg(repository ORDER BY guide_id)) AS found_1,
               pg_temp.over_groups(array_agg(coalesce(rank <= 3, false)::int::float8 ORDER BY guide_id), array_agg(repository ORDER BY guide_id)) AS found_3,
               pg_temp.over_groups(array_agg(coalesce(rank <= 10, false)::int::float8 ORDER BY guide_id), array_agg(repository ORDER BY guide_id)) AS found_10
          FROM quality.photo JOIN quality.gapped USING (guide_id) JOIN quality.run USING (run) GROUP BY 1, 2) AS p USING (split, size)
 WHERE what = 'photo' ORDER BY split DESC, pg_temp.rank_of(size);
