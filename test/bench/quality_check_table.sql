-- quality_check_table.sql - the tables of what check_documents finds, for quality_table.sql
CREATE TEMPORARY TABLE checked AS
    SELECT split, guides.size_of(size) AS size, pg_temp.rank_of(guides.size_of(size)) AS rank, c.*, d.way
      FROM quality.checked AS c JOIN quality.run USING (run) JOIN quality.disturbed AS d USING (guide_id);

-- One row per document, for the ROC curves. Of coherence, a disturbed document should have less.
CREATE TEMPORARY TABLE ranked AS
    SELECT a.split, a.size, a.rank, a.way, a.way IS NOT NULL AS disturbed, a.gain, -a.coherence AS incoherence,
           a.violated_pairs::float8 AS violated_90, b.violated_pairs::float8 AS violated_95
      FROM checked AS a JOIN checked AS b USING (run, guide_id) WHERE a."precision" = 0.9 AND b."precision" = 0.95;

\echo '## What check_documents finds'
\echo 'Half of the test documents are disturbed in one of four ways. AUROC: the probability that a disturbed document has a larger'
\echo 'figure than one that is not (of coherence, a smaller one); 0.5 is chance. Violated pairs are counted at precision 0.9 and 0.95.'
\echo
SELECT split, size, coalesce(w.name, 'any') AS "disturbed by", count(*) FILTER (WHERE disturbed) AS disturbed,
       count(*) FILTER (WHERE NOT disturbed) AS "not disturbed",
       to_char(quality.auroc(array_agg(disturbed), array_agg(gain)), 'FM0.000') AS "AUROC of gain",
       to_char(quality.auroc(array_agg(disturbed), array_agg(violated_90)), 'FM0.000') AS "of violated pairs, 0.9",
       to_char(quality.auroc(array_agg(disturbed), array_agg(violated_95)), 'FM0.000') AS "of violated pairs, 0.95",
       to_char(quality.auroc(array_agg(disturbed), array_agg(incoherence)), 'FM0.000') AS "of coherence"
  FROM generate_series(-1, 3) AS x (way) LEFT JOIN quality.way AS w USING (way) JOIN ranked AS r ON NOT disturbed OR x.way IN (-1, r.way)
 GROUP BY split, size, rank, x.way, w.name ORDER BY split, rank, x.way;

\echo '## Who is suspect'
\echo 'Shares of the documents that were not disturbed, which should be at most 1 less the precision, and of those that were. Named'
\echo 'right: of the disturbed suspect documents, the share whose worst pair is indeed stored the wrong way round.'
\echo
SELECT split, size, "precision", to_char(avg(suspect) FILTER (WHERE way IS NULL), 'FM0.000') AS "not disturbed",
       to_char(avg(suspect) FILTER (WHERE way = 0), 'FM0.000') AS "neighbours swapped",
       to_char(avg(suspect) FILTER (WHERE way = 1), 'FM0.000') AS "step moved",
       to_char(avg(suspect) FILTER (WHERE way = 2), 'FM0.000') AS "blocks exchanged",
       to_char(avg(suspect) FILTER (WHERE way = 3), 'FM0.000') AS "shuffled",
       to_char(avg(named_right::int) FILTER (WHERE way IS NOT NULL AND suspect = 1), 'FM0.000') AS "named right",
       to_char(avg(unsure) FILTER (WHERE way IS NULL), 'FM0.000') AS "not disturbed, unsure"
  FROM (SELECT *, (verdict = 'suspect')::int AS suspect, (verdict = 'unsure')::int AS unsure FROM checked) AS c
 GROUP BY split, size, rank, "precision" ORDER BY split, rank, "precision";
