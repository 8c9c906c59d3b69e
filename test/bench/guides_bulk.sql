-- guides_bulk.sql - order_documents against recover_order with GROUP BY over all guides: equal answers, and the time of each.
-- guides.sh runs this file after the folds, with a model of one fold.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;	-- one process for each

SELECT model AS model FROM xmcoh.versions WHERE deployed ORDER BY model LIMIT 1 \gset
SELECT xmcoh.attach_source(:'model', 'guides.step', document => 'guide_id', item => 'step_key', text => 'instruction',
                           image => 'image', "position" => 'step_no') \g /dev/null

CREATE TEMPORARY TABLE way (way text, round int, ms float8);
CREATE FUNCTION pg_temp.clock(way text, round int, query text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := clock_timestamp();
BEGIN
    EXECUTE query;
    INSERT INTO way VALUES (way, round, 1000 * extract(epoch FROM clock_timestamp() - began));
END $$;

CREATE TEMPORARY TABLE query AS
    SELECT * FROM (VALUES
        ('order_documents', format($$CREATE TEMPORARY TABLE bulk AS
            SELECT document AS guide_id, array_agg(item ORDER BY "position") AS recovered
              FROM xmcoh.order_documents(%L, 'guides.step') GROUP BY 1$$, :'model')),
        ('recover_order GROUP BY', format($$CREATE TEMPORARY TABLE grouped AS
            SELECT guide_id, xmcoh.recover_order(%L, step_key, instruction, image) AS recovered
              FROM guides.step GROUP BY 1$$, :'model')),
        ('check_documents', format($$CREATE TEMPORARY TABLE checked AS
            SELECT document, verdict FROM xmcoh.check_documents(%L, 'guides.step')$$, :'model')),
        ('check_documents, one', format($$CREATE TEMPORARY TABLE checked_one AS
            SELECT document, verdict FROM xmcoh.check_documents(%L, 'guides.step', documents => %L)$$, :'model',
            (SELECT array_agg(guide_id) FROM (SELECT guide_id FROM guides.step GROUP BY 1 HAVING count(*) = 8 ORDER BY 1 LIMIT 1) AS g)))
    ) AS q (way, query);
DO $$
DECLARE
    q query;
BEGIN
    FOR round IN 0 .. 4 LOOP
        DROP TABLE IF EXISTS bulk, grouped, checked, checked_one;
        FOR q IN SELECT * FROM query ORDER BY way LOOP
            PERFORM pg_temp.clock(q.way, round, q.query);
        END LOOP;
    END LOOP;
END $$;

\echo
\echo 'All guides in one query, without parallel workers (milliseconds, median of four warm runs)'
CREATE FUNCTION pg_temp.median(way text) RETURNS numeric LANGUAGE sql AS $$
    SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 1) FROM way WHERE round > 0 AND way.way = median.way $$;
SELECT count(*) AS guides, count(*) FILTER (WHERE b.recovered IS DISTINCT FROM g.recovered) AS differing,
       pg_temp.median('order_documents') AS order_documents, pg_temp.median('recover_order GROUP BY') AS "recover_order GROUP BY",
       pg_temp.median('check_documents') AS check_documents, pg_temp.median('check_documents, one') AS "check_documents of one guide"
  FROM bulk AS b FULL JOIN grouped AS g USING (guide_id);
