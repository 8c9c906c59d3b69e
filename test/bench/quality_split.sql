-- quality_split.sql - the tables of one split (psql variable: of_split) of quality_table.sql
SELECT format('## Split by %s: tau', :'of_split') AS tau_title, format('## Split by %s: differences', :'of_split') AS difference_title,
       format('## Split by %s: expected calibration error of the pairs'' probabilities', :'of_split') AS calibration_title \gset
\echo :tau_title
SELECT name AS "order by", size, shown, pg_temp.rank_of(size) AS rank
  FROM mean WHERE setting = 'as they are' AND split = :'of_split' AND name !~ '^both' ORDER BY condition, rank \crosstabview 1 2 3 4
\echo :difference_title
SELECT label AS "difference", size, shown, pg_temp.rank_of(size) AS rank
  FROM difference WHERE setting = 'as they are' AND split = :'of_split' ORDER BY n, rank \crosstabview 1 2 3 4
\echo :calibration_title
SELECT name AS "probabilities by", guides.size_of(size) AS size, to_char(avg(error), 'FM0.000') AS shown,
       pg_temp.rank_of(guides.size_of(size)) AS rank
  FROM quality.calibration JOIN quality.run USING (run) JOIN quality.condition USING (condition)
 WHERE split = :'of_split' GROUP BY name, size ORDER BY min(condition), rank \crosstabview 1 2 3 4
