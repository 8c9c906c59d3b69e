-- server.sql - documents, models and timing functions for server.sh. psql variable: documents.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION xmcoh;
CREATE SCHEMA bench;
SELECT setseed(0.5);

-- Embeddings are drawn from a pool, because generating 512 numbers a row would take longer than the measured work.
CREATE TABLE bench.pool AS
    SELECT k, (SELECT array_agg((random() - 0.5)::real) FROM generate_series(1, 512 + 0 * k)) AS image,
           (SELECT array_agg((random() - 0.5)::real) FROM generate_series(1, 768 + 0 * k)) AS wide
      FROM generate_series(0, 996) AS k;
CREATE UNIQUE INDEX ON bench.pool (k);

-- Eight items a document, ten words each from a vocabulary of 3,000.
CREATE TABLE bench.step10 AS
    SELECT d AS document, i AS step_no, i * 7919 % 11 AS item,
           (SELECT string_agg('word' || (3000 * random() ^ 2)::int, ' ') FROM generate_series(1, 10 + 0 * i * d)) AS instruction,
           p.image
      FROM generate_series(1, 10 * :documents) AS d, generate_series(1, 8) AS i
      JOIN bench.pool AS p ON true
     WHERE p.k = (d * 31 + i * 101) % 997;
CREATE INDEX ON bench.step10 (document);
CREATE TABLE bench.step AS SELECT * FROM bench.step10 WHERE document <= :documents;
CREATE INDEX ON bench.step (document);
CREATE TABLE bench.paper_step AS
    SELECT s.document, s.step_no, s.item, p.wide AS image
      FROM bench.step AS s JOIN bench.pool AS p ON p.k = (s.document * 31 + s.step_no * 101) % 997;
-- Documents whose stored order is reversed, for explain_document.
CREATE TABLE bench.turned AS SELECT document, 9 - step_no AS step_no, item, instruction, image FROM bench.step WHERE document <= 100;
CREATE INDEX ON bench.turned (document);
CREATE VIEW bench.few AS SELECT * FROM bench.step WHERE document <= 100;
CREATE VIEW bench.paper_few AS SELECT * FROM bench.paper_step WHERE document <= 100;
CREATE VIEW bench.paper_step10 AS
    SELECT s.document, s.step_no, s.item, p.wide AS image
      FROM bench.step10 AS s JOIN bench.pool AS p ON p.k = (s.document * 31 + s.step_no * 101) % 997;
CREATE VIEW bench.placed10 AS SELECT * FROM bench.step10;
-- Documents whose photos are rows of their own, and those from which a model remembers rows to compare with.
CREATE VIEW bench.linked AS SELECT * FROM bench.step10 WHERE document <= least(1800, 9 * :documents);
CREATE TABLE bench.loose AS
    SELECT document, 2 * item AS item, instruction, NULL::real[] AS image FROM bench.step10 WHERE document > 9 * :documents
    UNION ALL
    SELECT document, 2 * item + 1, NULL, image FROM bench.step10 WHERE document > 9 * :documents;
CREATE INDEX ON bench.loose (document);
VACUUM ANALYZE;

-- 'default' has all parts of a model of default options: the embedding bag requires more documents than these.
SELECT xmcoh.create_model('default', image_dim => 512, options => '{"bag_documents": 0, "epochs": 1}'),
       xmcoh.create_model('paper', image_dim => 768, words => false,
                          options => '{"d_model": 768, "layers": 2, "heads": 4, "feed_forward": 512, "bilinear_dim": 0, "batch_documents": 64,
                                       "epochs": 1}'),
       xmcoh.create_model('loose', image_dim => 512, options => '{"epochs": 1, "folds": 0, "rounds": 0}');
SELECT xmcoh.attach_source('loose', 'bench.linked', document => 'document', item => 'item', text => 'instruction', image => 'image',
                           "position" => 'step_no', approved => 'all'),
       xmcoh.attach_source('default', 'bench.few', document => 'document', item => 'item', text => 'instruction', image => 'image',
                           "position" => 'step_no', approved => 'all'),
       xmcoh.attach_source('paper', 'bench.paper_few', document => 'document', item => 'item', image => 'image',
                           "position" => 'step_no', approved => 'all');
-- A role may have two active jobs.
SELECT xmcoh.train(name) FROM xmcoh.model WHERE name <> 'loose';
SELECT format('CALL xmcoh.wait_for_job(%s, timeout => ''5 min'')', job_id) FROM xmcoh.job_record \gexec
SELECT format('CALL xmcoh.wait_for_job(%s, timeout => ''5 min'')', xmcoh.train('loose')) \gexec
DO $$ BEGIN
    IF EXISTS (SELECT FROM xmcoh.job WHERE state <> 'succeeded') THEN
        RAISE EXCEPTION 'training: %', (SELECT string_agg(message, '; ') FROM xmcoh.job);
    END IF;
END $$;
SELECT xmcoh.attach_source('default', 'bench.step', document => 'document', item => 'item', text => 'instruction', image => 'image'),
       xmcoh.attach_source('default', 'bench.step10', document => 'document', item => 'item', text => 'instruction', image => 'image'),
       xmcoh.attach_source('default', 'bench.turned', document => 'document', item => 'item', text => 'instruction', image => 'image',
                           "position" => 'step_no'),
       xmcoh.attach_source('default', 'bench.placed10', document => 'document', item => 'item', text => 'instruction', image => 'image',
                           "position" => 'step_no'),
       xmcoh.attach_source('paper', 'bench.paper_step', document => 'document', item => 'item', image => 'image'),
       xmcoh.attach_source('paper', 'bench.paper_step10', document => 'document', item => 'item', image => 'image',
                           "position" => 'step_no');

-- Processor time of this server process in milliseconds. The measured work does not wait for a disk or a process, so on an idle
-- machine this is the elapsed time. A busy machine changes processor time less. The kernel counts in ticks of some milliseconds.
CREATE FUNCTION bench.processor_ms() RETURNS float8 LANGUAGE sql VOLATILE AS
    $$ SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e6 $$;

-- MB of one field of /proc/self/status, for this server process.
CREATE FUNCTION bench.memory(kind text) RETURNS float8 LANGUAGE sql VOLATILE AS
    $$ SELECT substring(pg_read_file('/proc/self/status') FROM kind || ':\s+(\d+)')::float8 / 1024 $$;

CREATE FUNCTION bench.ms_since(start timestamptz) RETURNS float8 LANGUAGE sql VOLATILE AS
    $$ SELECT extract(epoch FROM clock_timestamp() - start) * 1000 $$;

-- Elapsed time of coherence, one document after the other, each by an index scan under a cached plan, after 200 to warm up.
CREATE FUNCTION bench.warm_coherence(n int, wanted text DEFAULT 'p50') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ms float8[] := '{}';
    start timestamptz;
    documents int := (SELECT max(document) FROM bench.step10);
    c float8;
BEGIN
    FOR k IN 1 .. n + 200 LOOP
        start := clock_timestamp();
        SELECT xmcoh.coherence('default', s.step_no, s.instruction, s.image) INTO c FROM bench.step10 AS s
         WHERE s.document = k % documents + 1;
        IF k > 200 THEN
            ms := ms || bench.ms_since(start);
        END IF;
    END LOOP;
    RETURN format('coherence of one 8-item document, warm, %s|%s|ms|%s', wanted,
                  (SELECT percentile_cont(CASE wanted WHEN 'p50' THEN 0.5 ELSE 0.99 END) WITHIN GROUP (ORDER BY t)
                     FROM unnest(ms) AS t)::numeric(9, 3),
                  CASE wanted WHEN 'p50' THEN '<=|0.5' ELSE '|' END);
END $$;

-- Processor time of recover_order, one document of loose photos after the other, after 20 to warm up.
CREATE FUNCTION bench.warm_loose(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    start float8;
    first int := (SELECT min(document) FROM bench.loose);
    documents int := (SELECT count(DISTINCT document) FROM bench.loose);
BEGIN
    FOR k IN 1 .. n + 20 LOOP
        IF k = 21 THEN
            start := bench.processor_ms();
        END IF;
        PERFORM xmcoh.recover_order('loose', s.item, s.instruction, s.image, NULL, 'image guided') FROM bench.loose AS s
          WHERE s.document = first + k % documents;
    END LOOP;
    RETURN format('ordering one document of 8 texts and 8 loose photos, warm|%s|ms|<=|1', ((bench.processor_ms() - start) / n)::numeric(9, 2));
END $$;

-- Median elapsed time of explain for one pair, and of explain_document, of documents of 8 items, after 200 calls to warm up.
CREATE FUNCTION bench.warm_explain(n int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    ms float8[];
    start timestamptz;
BEGIN
    FOR what IN 1 .. 2 LOOP
        ms := '{}';
        FOR k IN 1 .. n + 200 LOOP
            start := clock_timestamp();
            IF what = 1 THEN
                PERFORM FROM xmcoh.explain('default', (k % 100 + 1)::text, '3', '6', source => 'bench.turned');
            ELSE
                PERFORM FROM xmcoh.explain_document('default', (k % 100 + 1)::text, 'bench.turned');
            END IF;
            IF k > 200 THEN
                ms := ms || bench.ms_since(start);
            END IF;
        END LOOP;
        RETURN NEXT format('%s of an 8-item document, warm, p50|%s|ms|<=|5', ('{explain,explain_document}'::text[])[what],
                           (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(ms) AS t)::numeric(9, 2));
    END LOOP;
END $$;

-- Elapsed milliseconds of the first call in this session, with loading the library; those of loading alone; the private memory (MB)
-- that both add.
CREATE FUNCTION bench.first_call() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a real[] := (SELECT p.wide FROM bench.pool AS p WHERE k = 1);
    b real[] := (SELECT p.wide FROM bench.pool AS p WHERE k = 2);
    memory float8 := bench.memory('RssAnon');
    start timestamptz := clock_timestamp();
    load_ms float8;
BEGIN
    LOAD 'xmcoh';
    load_ms := bench.ms_since(start);
    PERFORM xmcoh.precedes('paper', NULL, a, NULL, b);
    RETURN format('%s %s %s', bench.ms_since(start)::numeric(9, 2), load_ms::numeric(9, 2),
                  (bench.memory('RssAnon') - memory)::numeric(9, 2));
END $$;

-- order_documents against the aggregate with GROUP BY: the ratio of the times, and whether the orders are equal.
CREATE FUNCTION bench.aggregates(model text, source regclass, texts text DEFAULT 's.instruction') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    start float8;
    bulk_ms float8;
    documents bigint;
    same bigint;
BEGIN
    FOR round IN 1 .. 2 LOOP    -- the first warms up
        start := bench.processor_ms();
        CREATE TEMP TABLE bulk ON COMMIT DROP AS
            SELECT o.document::int, array_agg(o.item::int ORDER BY o."position") AS items
              FROM xmcoh.order_documents(model, source) AS o GROUP BY 1;
        bulk_ms := bench.processor_ms() - start;
        start := bench.processor_ms();
        EXECUTE format('CREATE TEMP TABLE grouped ON COMMIT DROP AS
                           SELECT s.document, xmcoh.recover_order(%L, s.item, %s, s.image) AS items FROM %s AS s GROUP BY 1',
                       model, texts, source);
        IF round = 2 THEN
            RETURN NEXT format('%s model: order_documents faster than recover_order ... GROUP BY|%s|x||', model,
                               ((bench.processor_ms() - start) / bulk_ms)::numeric(9, 2));
        END IF;
        SELECT count(*), count(*) FILTER (WHERE b.items = g.items) INTO documents, same
          FROM bulk AS b JOIN grouped AS g USING (document);
        DROP TABLE bulk, grouped;
    END LOOP;
    RETURN NEXT format('  same answers, of %s documents|%s||>=|%1$s', documents, same);
END $$;

-- Processor seconds for a whole source, and the largest private memory (MB) of this process so far. The result rows of
-- order_documents are kept in work_mem, then on disk.
CREATE FUNCTION bench.bulk(source regclass, model text DEFAULT 'default') RETURNS text LANGUAGE plpgsql SET work_mem = '256kB' AS $$
DECLARE
    start float8;
    n bigint;
BEGIN
    PERFORM count(*) FROM xmcoh.order_documents(model, source);    -- warms up
    start := bench.processor_ms();
    SELECT count(*) INTO n FROM xmcoh.order_documents(model, source);
    RETURN format('%s %s', (bench.processor_ms() - start) / 1000,
                  bench.memory('VmHWM') - bench.memory('RssShmem') - bench.memory('RssFile'));
END $$;

-- Multiplications and additions of the paper-size model for all of its documents.
CREATE FUNCTION bench.paper_flop() RETURNS float8 LANGUAGE sql AS $$
    WITH shape AS (SELECT 768.0 AS d, 512.0 AS wide, count(*) AS items, 8.0 AS n FROM bench.paper_step)
    SELECT 2 * items * (d * d + 2 * (4 * d * d + 2 * d * wide + 2 * n * d) + 2 * d * d + (n - 1) * d) FROM shape
$$;

-- check_documents with scoring workers: elapsed milliseconds, processor time of this session, processor time of the workers. The workers
-- have ended when the call returns, so the kernel counts them among the children of the postmaster.
CREATE FUNCTION bench.children_ms() RETURNS float8 LANGUAGE sql VOLATILE AS $$
    SELECT 10 * (split_part(stat, ' ', 16)::float8 + split_part(stat, ' ', 17)::float8)
      FROM pg_read_file(format('/proc/%s/stat', split_part(pg_read_file('postmaster.pid'), E'\n', 1))) AS stat $$;
CREATE FUNCTION bench.scoring(model text, source regclass, workers int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    start timestamptz := clock_timestamp();
    own float8 := bench.processor_ms();
    children float8 := bench.children_ms();
BEGIN
    PERFORM set_config('xmcoh.scoring_workers', workers::text, true);
    PERFORM FROM xmcoh.check_documents(model, source);
    RETURN format('%s %s %s', bench.ms_since(start), bench.processor_ms() - own, bench.children_ms() - children);
END $$;

-- Median elapsed time of a dashboard's query over the states of documents.
CREATE FUNCTION bench.dashboard(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ms float8[] := '{}';
    start timestamptz;
BEGIN
    FOR k IN 1 .. 21 LOOP
        start := clock_timestamp();
        EXECUTE query;
        ms := ms || bench.ms_since(start);
    END LOOP;
    RETURN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(ms) AS t)::numeric(9, 1);
END $$;
