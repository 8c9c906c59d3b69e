-- guides_table.sql - the tables of guides.sh.
\set ON_ERROR_STOP on
\pset footer off
\pset border 1

\echo
\echo 'Restored order of test documents, five folds, mean over documents with 95% bootstrap intervals'
SELECT split, variant, evidence, documents, "Acc", "PMR", "tau" FROM (
    SELECT split, variant, evidence, count(*) AS documents,
           guides.interval_of(array_agg(acc ORDER BY guide_id)) AS "Acc", guides.interval_of(array_agg(pmr ORDER BY guide_id)) AS "PMR",
           guides.interval_of(array_agg(tau ORDER BY guide_id)) AS "tau"
      FROM guides.result JOIN guides.run USING (run) GROUP BY split, variant, evidence
    UNION ALL
    SELECT split, 'any', 'random order', count(*), to_char(avg(1.0 / items), 'FM0.000'), to_char(avg(1.0 / factorial(items)), 'FM0.000'), '0.000'
      FROM guides.result JOIN guides.run USING (run) WHERE evidence = 'fused' AND variant = 'words' GROUP BY split) AS t
 ORDER BY array_position('{document,repository,200 approved}', split), array_position('{any,words,words + embedding}', variant),
          array_position('{random order,text,image,fused}', evidence);

\echo 'What the pictures add: fused - text on the same documents'
SELECT split, variant, count(*) AS documents,
       guides.difference_of(array_agg(f.acc ORDER BY guide_id), array_agg(t.acc ORDER BY guide_id)) AS "Acc",
       guides.difference_of(array_agg(f.pmr ORDER BY guide_id), array_agg(t.pmr ORDER BY guide_id)) AS "PMR",
       guides.difference_of(array_agg(f.tau ORDER BY guide_id), array_agg(t.tau ORDER BY guide_id)) AS "tau"
  FROM guides.result AS f JOIN guides.result AS t USING (run, guide_id) JOIN guides.run USING (run)
 WHERE f.evidence = 'fused' AND t.evidence = 'text'
 GROUP BY split, variant ORDER BY array_position('{document,repository,200 approved}', split), variant;

\echo 'Seconds'
SELECT split, variant, count(*) AS models, round(extract(epoch FROM avg(trained)), 1) AS "training, mean",
       round(extract(epoch FROM max(trained)), 1) AS "training, longest", round(extract(epoch FROM avg(ordered)), 1) AS "ordering x 3, mean"
  FROM guides.run GROUP BY split, variant ORDER BY array_position('{document,repository,200 approved}', split), variant;
