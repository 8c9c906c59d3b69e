-- guard.sql - the insert rate of a table whose orders are enforced against that of an equal one without; after server.sql, for server.sh
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE TABLE bench.plain (LIKE bench.step10);
CREATE INDEX ON bench.plain (document);
CREATE TABLE bench.guarded (LIKE bench.step10);
CREATE INDEX ON bench.guarded (document);
SELECT xmcoh.attach_source('default', 'bench.guarded', document => 'document', item => 'item', text => 'instruction', image => 'image',
                           "position" => 'step_no');
SELECT xmcoh.enforce_order('default', 'bench.guarded', strict => true);

-- Inserts documents, one statement each, so many in a transaction. The statements are text with all values, as a client sends them.
-- Processor milliseconds, with those of the commits.
CREATE PROCEDURE bench.insert_documents(target regclass, documents int, per_transaction int, INOUT ms float8 DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE
    start float8;
    statement text;
BEGIN
    ms := 0;
    FOR k IN 1 .. documents LOOP
        SELECT format('INSERT INTO %s (document, step_no, item, instruction, image) VALUES ', target)
               || string_agg(format('(%s, %s, %s, %L, %L)', document, step_no, item, instruction, image), ', ') INTO statement
          FROM bench.step10 WHERE document = k;
        start := bench.processor_ms();
        EXECUTE statement;
        IF k % per_transaction = 0 OR k = documents THEN
            COMMIT;
        END IF;
        ms := ms + bench.processor_ms() - start;
    END LOOP;
END $$;

-- The insert rate with the guard, in percent of that without; after one round of each to warm up.
CREATE PROCEDURE bench.guard_rate(documents int, per_transaction int, INOUT line text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    plain float8;
    guarded float8;
BEGIN
    FOR round IN 1 .. 2 LOOP
        TRUNCATE bench.plain, bench.guarded;
        COMMIT;
        CALL bench.insert_documents('bench.plain', documents, per_transaction, plain);
        CALL bench.insert_documents('bench.guarded', documents, per_transaction, guarded);
    END LOOP;
    line := format('insert rate with enforce_order, 8 items, %s (%s ms, without %s ms a document)|%s|%%|>=|50',
                   CASE per_transaction WHEN 1 THEN 'one document a transaction' ELSE per_transaction || ' documents a transaction' END,
                   (guarded / documents)::numeric(9, 3), (plain / documents)::numeric(9, 3), (100 * plain / guarded)::numeric(9, 0));
END $$;

-- One transaction: processor seconds and the private memory (MB) of this session afterwards at its peak.
CREATE PROCEDURE bench.guard_transaction(documents int, INOUT line text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    ms float8;
BEGIN
    TRUNCATE bench.guarded;
    COMMIT;
    CALL bench.insert_documents('bench.guarded', documents, documents, ms);
    line := format('%s %s', ms / 1000, bench.memory('VmHWM') - bench.memory('RssShmem') - bench.memory('RssFile'));
END $$;
