-- Code of a source (here functions in views) cannot change the role, the settings or the results of the session that reads it.
CREATE EXTENSION xmcoh;
CREATE TABLE step AS
    SELECT 'm' || m AS manual, s AS step, (ARRAY['unpack', 'mount', 'test'])[s] || ' part ' || m % 7 AS words, s AS place
      FROM generate_series(1, 30) AS m, generate_series(1, 3) AS s;
-- A volatile function, and a function declared IMMUTABLE, which also runs while the query is planned.
CREATE FUNCTION act() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION planned() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.act(); END $$;
CREATE VIEW seen AS SELECT manual, step, words, place FROM step WHERE act() * step > 0;
CREATE VIEW remark AS SELECT manual, 'r' || step AS step, 'remark on ' || words AS words FROM step WHERE step = 1 AND planned() = 1;
CREATE VIEW pair AS SELECT manual, step AS first, step + 1 AS second FROM step WHERE step < 3 AND act() * planned() = 1;
SELECT xmcoh.create_model('m', options => '{"hash_bits": 8, "bag_dim": 0, "d_model": 16, "heads": 2, "feed_forward": 16, "epochs": 2}') > 0 AS created;
SELECT xmcoh.attach_source('m', 'seen', 'manual', 'step', text => 'words', "position" => 'place', approved => 'all');
SELECT xmcoh.attach_source('m', 'remark', 'manual', 'step', text => 'words', documents_of => 'seen');
SELECT xmcoh.attach_pairs('m', 'pair', 'manual', 'first', 'second');
CREATE PROCEDURE ask() LANGUAGE plpgsql AS $$
DECLARE
    ended text;
    job integer := xmcoh.train('m');
BEGIN
    COMMIT;
    CALL xmcoh.wait_for_job(job, '180 s', ended);
    RAISE INFO 'training %', ended;
    RAISE INFO '%', (SELECT coalesce(v.report ->> 'documents' || ' documents, ' || (v.report ->> 'labelled_pairs') || ' pairs', j.message)
        FROM xmcoh.job AS j LEFT JOIN xmcoh.model_version AS v USING (job_id) WHERE j.job_id = job);
    RAISE INFO '% items', (SELECT count(*) FROM xmcoh.order_documents('m'));
    RAISE INFO '% pairs', (SELECT count(*) FROM xmcoh.pair_scores('m', 'm7'));
    RAISE INFO '% texts', (SELECT count(*) FROM xmcoh.alignment('m', 'm7'));
    RAISE INFO '% documents', (SELECT sum(documents) FROM xmcoh.evaluate('m', 'seen') WHERE modality = 'fused');
END $$;
CALL ask();

-- cursors: the function closes them, or moves them
CREATE OR REPLACE FUNCTION act() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CLOSE ALL'; RETURN 1; END $$;
CALL ask();
-- a worker may not run CLOSE, but PL/pgSQL can close a cursor by name
CREATE OR REPLACE FUNCTION act() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
BEGIN
    FOR n IN 1..20 LOOP
        c := format('<unnamed portal %s>', n);
        BEGIN CLOSE c; EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP;
    RETURN 1;
END $$;
CALL ask();
CREATE OR REPLACE FUNCTION act() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
BEGIN
    FOR n IN 1..20 LOOP
        c := format('<unnamed portal %s>', n);
        BEGIN MOVE FORWARD 2 FROM c; EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP;
    RETURN 1;
END $$;
CALL ask();

-- the same functions, called from within one another
CREATE OR REPLACE FUNCTION act() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('my.depth', true) IS DISTINCT FROM '1' THEN
        PERFORM set_config('my.depth', '1', true);
        PERFORM count(*) FROM xmcoh.order_documents('m');
    END IF;
    RETURN 1;
END $$;
SELECT count(*) FROM xmcoh.order_documents('m');

-- roles: a session that has done SET ROLE keeps this role
CREATE ROLE xmcoh_reader;
CREATE ROLE xmcoh_other;
GRANT SELECT ON seen, remark, pair, step TO xmcoh_reader;
CREATE TABLE done (what text);
GRANT ALL ON done TO PUBLIC;
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE INFO 'at commit %', current_user; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON done DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit();
CREATE OR REPLACE FUNCTION act() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    statement text;
BEGIN
    IF current_setting('my.done', true) IS DISTINCT FROM '1' THEN
        FOREACH statement IN ARRAY ARRAY['RESET ROLE', 'SET ROLE xmcoh_other', 'SET LOCAL ROLE xmcoh_other', $x$SELECT set_config('role', 'none', false)$x$,
                'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION xmcoh_other', $x$INSERT INTO public.done VALUES ('later')$x$,
                'DECLARE later CURSOR WITH HOLD FOR SELECT 1'] LOOP
            BEGIN
                EXECUTE statement;
                RAISE INFO '%: now %', statement, current_user;
            EXCEPTION WHEN OTHERS THEN
                RAISE INFO '%: %', statement, SQLERRM;
            END;
        END LOOP;
        PERFORM set_config('my.done', '1', true);
    END IF;
    RETURN 1;
END $$;
SELECT xmcoh.grant_usage('xmcoh_reader');
UPDATE xmcoh.model SET owner = 'role xmcoh_reader' WHERE name = 'm';
SET ROLE xmcoh_reader;
SELECT count(*) FROM xmcoh.order_documents('m');
SELECT count(*) FROM xmcoh.pair_scores('m', 'm7');
SELECT count(*) FROM xmcoh.alignment('m', 'm7');
SELECT documents FROM xmcoh.evaluate('m', 'seen') WHERE modality = 'fused';
SELECT current_user;
RESET ROLE;
CREATE FUNCTION as_reader() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT count(*) FROM xmcoh.order_documents('m') $$;
ALTER FUNCTION as_reader() OWNER TO xmcoh_reader;
SELECT as_reader();
-- the same after SET SESSION AUTHORIZATION
SET SESSION AUTHORIZATION xmcoh_reader;
SELECT count(*) FROM xmcoh.order_documents('m');
SELECT session_user;
RESET SESSION AUTHORIZATION;
-- a session that has not changed its role may do so, but code of a source may not
CREATE OR REPLACE FUNCTION act() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN SET ROLE xmcoh_reader; RETURN 1; END $$;
SELECT count(*) FROM xmcoh.order_documents('m');
SELECT current_user = session_user AS still;
CREATE OR REPLACE FUNCTION act() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN SET SESSION AUTHORIZATION xmcoh_reader; RETURN 1; END $$;
SELECT count(*) FROM xmcoh.order_documents('m', 'seen');
SELECT session_user <> 'xmcoh_reader' AND current_user <> 'xmcoh_reader' AS still;

-- settings: a setting that the code changes is restored afterwards, also after an error
CREATE OR REPLACE FUNCTION act() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('search_path', 'nowhere', false), set_config('TimeZone', 'Asia/Tokyo', false), set_config('work_mem', '1MB', true),
        set_config('my.done', 'set', false);
    RETURN 1 / CASE current_setting('my.fail', true) WHEN 'yes' THEN 0 ELSE 1 END;
END $$;
SET TimeZone = 'Asia/Kolkata';
SET work_mem = '5MB';
SELECT count(*) FROM xmcoh.order_documents('m');
SHOW search_path;
SHOW TimeZone;
SHOW work_mem;
SELECT current_setting('my.done', true) AS done;
SET my.fail = 'yes';
BEGIN;
SET LOCAL ROLE xmcoh_reader;
SAVEPOINT before;
SELECT count(*) FROM xmcoh.order_documents('m');
ROLLBACK TO before;
SELECT current_user, current_setting('search_path') AS search_path, current_setting('TimeZone') AS time_zone, current_setting('work_mem') AS work_mem;
DECLARE held CURSOR WITH HOLD FOR SELECT 1;     -- the restriction has ended
COMMIT;
CLOSE held;
SET my.fail = 'no';
RESET TimeZone;
RESET work_mem;

-- the functions also work while parallel workers run, when PostgreSQL refuses to change most settings
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE OR REPLACE FUNCTION act() RETURNS integer LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN RETURN 1; END $$;
ALTER FUNCTION planned() PARALLEL SAFE;
SELECT (SELECT count(*) FROM xmcoh.order_documents('m')) AS items, count(*) FROM step;
SELECT count(DISTINCT (SELECT count(*) FROM xmcoh.pair_scores('m', manual))) AS counts FROM step WHERE step = 1;

DROP FUNCTION as_reader;
UPDATE xmcoh.model SET owner = xmcoh_internal.role_ref(current_user::regrole);
DROP OWNED BY xmcoh_reader;
DROP ROLE xmcoh_reader, xmcoh_other;
DROP PROCEDURE ask;
DROP VIEW seen, remark, pair;
DROP TABLE step, done;
DROP FUNCTION act, planned, at_commit;
DROP EXTENSION xmcoh;
