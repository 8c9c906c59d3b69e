-- reports.sql - numbers out of a version's report, for the views and functions that show them
--
-- Training writes the reports, but rows also come from dumps, imports and manual changes, and may hold anything. A cast that fails would
-- make a view fail for all roles. So a value that is not a number is read as NULL.

CREATE FUNCTION xmcoh.report_number(report jsonb, VARIADIC path text[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT CASE WHEN v.number = 0 OR abs(v.number) BETWEEN 1e-300 AND 1e300 THEN v.number::double precision END
        FROM (SELECT CASE WHEN jsonb_typeof(report #> path) = 'number' THEN (report #> path)::numeric END AS number) AS v;
    END;
COMMENT ON FUNCTION xmcoh.report_number(jsonb, text[]) IS
    'Internal: the number at a path of a version''s report; NULL where there is no number, or one that double precision cannot hold';

CREATE FUNCTION xmcoh.report_integer(report jsonb, VARIADIC path text[]) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT CASE WHEN v.number BETWEEN -2147483648 AND 2147483647 THEN v.number::integer END
        FROM (SELECT CASE WHEN jsonb_typeof(report #> path) = 'number' THEN (report #> path)::numeric END AS number) AS v;
    END;
COMMENT ON FUNCTION xmcoh.report_integer(jsonb, text[]) IS
    'Internal: the number at a path of a version''s report, rounded; NULL where there is no number, or one that integer cannot hold';
