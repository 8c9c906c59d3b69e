-- Items of recover_order, of every type: the result holds exactly the items of the rows, whatever the session's settings are
-- and whatever the plan is.
CREATE TYPE mood AS ENUM ('low', 'high', '9', '10', 'Ä', 'a', 'b', 'c');
CREATE TYPE pair AS (a integer, b integer);
CREATE TYPE measure AS (label text, number float8, at timestamptz, series float4[], nothing text);
CREATE FUNCTION is_odd(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 % 2 = 1; END';
CREATE DOMAIN odd AS integer CHECK (public.is_odd(VALUE));
CREATE DOMAIN moment AS timestamptz NOT NULL;
CREATE DOMAIN measured AS measure CHECK ((VALUE).number > 0);
-- Few rows a page, so that each process of a parallel plan gets rows; partitions, whose states are combined in one process.
CREATE TABLE item (
    guide integer, place integer, words text, picture real[],
    "integer" integer, "text" text, "varchar" varchar(90), "character" char(12), "name" name, "boolean" boolean,
    "numeric" numeric, float8 float8, float4 float4, uuid uuid, bytea bytea, date date, "timestamp" timestamp,
    "timestamptz" timestamptz, timetz timetz, "interval" interval, tstzrange tstzrange, datemultirange datemultirange, money money,
    inet inet, bit varbit, jsonb jsonb, point point, xml xml, mood mood, odd odd, moment moment, measure measure,
    measured measured, regclass regclass, long text, padding text) PARTITION BY LIST (guide);
ALTER TABLE item ALTER padding SET STORAGE PLAIN;
CREATE TABLE item_7 PARTITION OF item FOR VALUES IN (7);
CREATE TABLE item_3 PARTITION OF item FOR VALUES IN (3);
CREATE TABLE item_rest PARTITION OF item DEFAULT;
INSERT INTO item SELECT guide, place, words, picture,
    i, words, 'quoted "' || i || '" \ {,} (NULL) ''', i, 'n' || i, i % 2 = 0,
    i + 0.10, 0.1::float8 + i * 1e-16, 1 + i * 1e-6::float4, md5(i::text)::uuid, decode(md5(i::text), 'hex'), '2024-01-31'::date + i,
    '2024-11-03 01:30:00.000001'::timestamp + i * '1 hour'::interval,
    '2024-11-03 04:30:00.000001Z'::timestamptz + i * '30 min'::interval,    -- New York has this hour twice
    ('04:30:00.25' || to_char(i - 4, 'SG00') || ':30')::timetz, make_interval(0, i, 0, -i, -i, 0, 0.5),
    tstzrange('2024-11-03 04:30Z'::timestamptz + i * '30 min'::interval, CASE WHEN i % 2 = 0 THEN 'infinity' END::timestamptz, '(]'),
    datemultirange(daterange('2024-01-31'::date + i, NULL), daterange('2020-01-31', '2020-02-01')), (i * 1000.25)::numeric::money,
    ('10.0.0.' || i || '/24')::inet, repeat('01', i)::varbit, jsonb_build_object('i', i, 'n', NULL),
    point(1 / 3.0::float8, i + 1 / 7.0::float8), ('a<b>' || i || '</b>')::xml, (enum_range(NULL::mood))[i + 1], 2 * i + 1,
    '2024-11-03 04:30Z'::timestamptz + i * '30 min'::interval,
    ROW(nullif(words, ''), i + 1 / 3.0::float8, '2024-11-03 04:30Z'::timestamptz + i * '30 min'::interval,
        ARRAY[1 / 3.0, NULL, i]::float4[], NULL)::measure,
    ROW('', i + 1 / 3.0::float8, NULL, NULL, NULL)::measure::measured,
    ('{pg_class,public.step,pg_type,pg_proc,public.item,pg_index,pg_rewrite,pg_cast}'::text[])[i + 1],
    repeat(i || ' ', 5000), repeat('x', 2000)
  FROM step, LATERAL (SELECT step AS i) AS s WHERE guide <= 10;
ANALYZE item;

-- The planner chooses a parallel plan, and partial aggregation, for a few rows.
CREATE FUNCTION is_costly(place integer) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100000000 AS $$
BEGIN RETURN true; END $$;

-- Items that differ from those of the rows, compared by their binary form; all in one query, because parallel workers take time
-- to start.
CREATE FUNCTION not_recovered(kind text, item text[] DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    items text[] := coalesce(item, ARRAY(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum > 4
                                            AND attname NOT IN ('padding', 'boolean')) ||
        '{"ROW(\"integer\", float8)","ROW(\"timestamptz\", mood, measure, odd, NULL::text, ROW(tstzrange, long))",ROW(long),
          "ROW(\"integer\", ARRAY[measure, NULL])"}'::text[]);
    query text;
    plan text := '';
    line text;
    got bytea[];
    want bytea[];
BEGIN
    SELECT 'SELECT ARRAY[' || string_agg(format('array_send(xmcoh.recover_order(''guides'', %s, words, picture))', i), ', ')
        || '] FROM item_7 WHERE is_costly(place)' INTO query FROM unnest(items) AS i;
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP plan := plan || line; END LOOP;
    IF (kind = 'plain') = (plan LIKE '%Partial Aggregate%') THEN RETURN 'plan: ' || plan; END IF;
    EXECUTE query INTO got;
    SELECT 'SELECT ARRAY[' || string_agg(format('array_send(array_agg(%s ORDER BY place))', i), ', ') || '] FROM item_7'
      INTO query FROM unnest(items) AS i;
    EXECUTE query INTO want;
    RETURN (SELECT format('%s of %s %s', count(*) FILTER (WHERE g IS DISTINCT FROM w), count(*),
                          string_agg(i, ' ') FILTER (WHERE g IS DISTINCT FROM w)) FROM unnest(items, got, want) AS u (i, g, w));
EXCEPTION WHEN feature_not_supported THEN
    RETURN sqlerrm;
END $$;
SELECT not_recovered('plain');

SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 1000;
CREATE PROCEDURE parallel(workers integer) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE item_7 SET (parallel_workers = %s)', workers);
    PERFORM set_config('max_parallel_workers_per_gather', workers::text, false);
END $$;
-- three sessions with different output settings
CREATE PROCEDURE session(number integer) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config(name, value[number], false) FROM (VALUES
        ('DateStyle', '{"SQL, DMY",German,"Postgres, MDY"}'::text[]),
        ('TimeZone', '{Asia/Kolkata,Asia/Shanghai,America/New_York}'),
        ('IntervalStyle', '{sql_standard,iso_8601,postgres_verbose}'),
        ('extra_float_digits', '{0,-10,-15}'),
        ('bytea_output', '{escape,hex,escape}'),
        ('array_nulls', '{off,on,off}'),
        ('quote_all_identifiers', '{on,on,off}'),
        ('xmloption', '{document,document,content}'),
        ('client_encoding', '{LATIN1,SQL_ASCII,WIN1252}')) AS s (name, value);
END $$;
CALL parallel(0);
CALL session(1);
SELECT not_recovered('plain');
CALL parallel(2);
SELECT not_recovered('partial');
CALL parallel(0);
CALL session(2);
SELECT not_recovered('plain');
CALL parallel(2);
SELECT not_recovered('partial');
CALL parallel(0);
CALL session(3);
SELECT not_recovered('plain');
CALL parallel(2);
SELECT not_recovered('partial');
SET parallel_leader_participation = off;
SELECT not_recovered('partial');
-- records within records can be told apart only in one process
SELECT not_recovered('partial', '{"ROW(\"integer\", ARRAY[ROW(1, 2)])"}');
CALL parallel(0);
SELECT not_recovered('plain', '{"ROW(\"integer\", ARRAY[ROW(1, 2)])"}');
RESET ALL;

-- States of partitions, combined in one process.
SET enable_partitionwise_aggregate = on;
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION together() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXPLAIN (COSTS OFF) SELECT xmcoh.recover_order('guides', ROW(guide, measure), words, picture) FROM item WHERE guide IN (3, 7)
    LOOP
        IF line LIKE '%Aggregate%' THEN RETURN NEXT trim(line, '-> '); END IF;
    END LOOP;
END $$;
SELECT * FROM together();
SELECT together.o = one.o AS same, cardinality(one.o) > 8 AS of_both, pg_typeof(one.o) AS type
  FROM (SELECT xmcoh.recover_order('guides', ROW(guide, measure), words, picture) AS o FROM item WHERE guide IN (3, 7)) AS together,
       (SELECT xmcoh.recover_order('guides', ROW(guide, measure), words, picture) AS o
          FROM (SELECT * FROM item WHERE guide IN (3, 7) ORDER BY md5(words) OFFSET 0) AS i) AS one;
RESET ALL;

-- Ties do not depend on the session: numbers by value, then text by bytes; each time has one form.
SET TimeZone = 'America/New_York';
CREATE TABLE tie AS SELECT xmcoh.recover_order('blind', "timestamptz", 'same', NULL) AS times,
       xmcoh.recover_order('blind', float8, 'same', NULL) AS numbers FROM item WHERE guide = 7;
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'SQL, DMY';
SET extra_float_digits = -15;
SELECT tie.times = o.times AS times, tie.numbers = o.numbers AS numbers, tie.times = sorted AS by_time
  FROM tie, (SELECT xmcoh.recover_order('blind', "timestamptz", 'same', NULL ORDER BY md5(words)) AS times,
                    xmcoh.recover_order('blind', float8, 'same', NULL ORDER BY md5(words)) AS numbers,
                    array_agg("timestamptz" ORDER BY "timestamptz") AS sorted FROM item WHERE guide = 7) AS o;
RESET ALL;
-- infinity and NaN are items like others; two equal ones are an error
SELECT xmcoh.recover_order('blind', i, 'same', NULL) FROM unnest('{NaN,-Infinity,Infinity,1e300,-0,1e-300}'::float8[]) AS i;
SELECT xmcoh.recover_order('blind', i, 'same', NULL) FROM unnest('{NaN,1,NaN}'::float8[]) AS i;
SELECT xmcoh.recover_order('blind', i, 'same', NULL) FROM unnest('{"(1,)","(,1)","(1,1)"}'::pair[]) AS i;
SELECT xmcoh.recover_order('blind', ROW(i, NULL), 'same', NULL) FROM unnest('{2,1,10}'::integer[]) AS i;
SELECT xmcoh.recover_order('blind', ROW(i % 2, NULL), 'same', NULL) FROM unnest('{2,1,10}'::integer[]) AS i;
-- an array cannot be an item, because PostgreSQL has no arrays of arrays
SELECT xmcoh.recover_order('blind', ARRAY[i], 'same', NULL) FROM generate_series(1, 3) AS i;
-- an error about a row names its item, by the same text
SET DateStyle = 'German';
SELECT xmcoh.recover_order('guides', date, words, CASE WHEN place = 2 THEN '{1,NaN}' ELSE picture END) FROM item_7;
SELECT xmcoh.recover_order('guides', ROW(date, 1), words, CASE WHEN place = 2 THEN '{1,2}' ELSE picture END) FROM item_7;
RESET DateStyle;

-- The CHECK of a domain runs again for an item from another process. A failed CHECK, or a side effect of it, does no harm.
CALL parallel(2);
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 1000;
CREATE OR REPLACE FUNCTION is_odd(integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM xmcoh.recover_order('guides', step, words, picture) FROM step WHERE guide = 4;
    RETURN $1 <> 5;
END $$;
SELECT xmcoh.recover_order('guides', odd, words, picture) FROM item_7 WHERE is_costly(place);
DELETE FROM item_7 WHERE odd = 5;
SELECT cardinality(xmcoh.recover_order('guides', odd, words, picture)) AS items FROM item_7 WHERE is_costly(place);
RESET ALL;

DROP TABLE item, tie;
DROP TYPE mood, measure, pair CASCADE;
DROP DOMAIN odd, moment;
DROP FUNCTION is_odd, is_costly, not_recovered, together;
DROP PROCEDURE parallel, session;
