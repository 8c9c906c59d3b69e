-- Text encoders: imported, used, granted, dropped.
CREATE EXTENSION xmcoh;

-- Returns what a statement raises: SQLSTATE, message.
CREATE FUNCTION refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n    ', SQLSTATE || ': ' || message, nullif(detail, ''), nullif(hint, ''));
END $$;

\set family bert
\i test/sql/tiny_encoder.sql
CREATE TABLE published AS
    SELECT decode(:'weights', 'base64') AS weights, :'config' AS config, :'tokenizer' AS tokenizer, :'modules' AS modules, :'pooling' AS pooling,
           :'sentence' AS sentence;

-- import
SELECT xmcoh.import_encoder('tiny', weights, config, tokenizer, modules, pooling, sentence, 'Apache-2.0') > 0 AS imported FROM published;
SELECT encoder, owner = current_user AS mine, family, dim, layers, heads, max_tokens, parameters > 1000 AS parameters, pooling, normalised,
       bytes > 10000 AS bytes, sha256 ~ '^[0-9a-f]{64}$' AS sha256, license, created_at <= clock_timestamp() AS created
  FROM xmcoh.encoders;
-- the file is stored as it is named
SELECT sha256 = encode(sha256((SELECT string_agg(data, '' ORDER BY chunk) FROM xmcoh.encoder_chunk AS c WHERE c.encoder_id = e.encoder_id)), 'hex') AS hash_fits,
       bytes = (SELECT sum(length(data)) FROM xmcoh.encoder_chunk) AS bytes_fit FROM xmcoh.encoder AS e;

-- vectors
SELECT cardinality(xmcoh.embed('tiny', 'cut the wood')) AS dim, xmcoh.embed('tiny', 'cut the wood') = xmcoh.embed('tiny', 'cut the wood') AS same,
       xmcoh.embed('tiny', 'cut the wood') <> xmcoh.embed('tiny', 'paint the box') AS other, xmcoh.embed('tiny', NULL) IS NULL AS none,
       xmcoh.embed(NULL, 'cut') IS NULL AS no_encoder;
SELECT round(sqrt(sum(x * x))::numeric, 5) AS length FROM unnest(xmcoh.embed('tiny', 'cut the wood')) AS x;
-- a text of any length has a vector; what is beyond the last token is not read
SELECT cardinality(xmcoh.embed('tiny', t)) AS dim FROM (VALUES (''), (' '), ('木を切る'), (E'\U0001F469\u200D\U0001F527'), (repeat('wood ', 100000))) AS v (t);
SELECT xmcoh.embed('tiny', repeat('wood ', 1000)) = xmcoh.embed('tiny', repeat('wood ', 1000) || 'box') AS not_read;
-- several texts: a row for each, in their order
SELECT n, v IS NULL AS no_vector, v = xmcoh.embed('tiny', t) AS same
  FROM ROWS FROM (unnest(ARRAY['cut', NULL, 'glue the box', 'cut', '']), xmcoh.embed('tiny', ARRAY['cut', NULL, 'glue the box', 'cut', '']))
       WITH ORDINALITY AS r (t, v, n) ORDER BY n;
SELECT count(*) FROM xmcoh.embed('tiny', '{}'::text[]);
SELECT count(*), count(v) FROM xmcoh.embed('tiny', ARRAY[NULL, NULL]) AS v;
SELECT xmcoh.embed('tiny', ARRAY['cut', 'glue']) = xmcoh.embed('tiny', 'cut') AS first LIMIT 1;
-- more texts than are computed together; with and without the cache the vectors are the same to the bit
CREATE TABLE line AS SELECT g AS id, (ARRAY['cut', 'paint', 'glue', 'fold'])[1 + g % 4] || ' part ' || g % 1500 AS words FROM generate_series(1, 3000) AS g;
CREATE TABLE vector AS SELECT id, xmcoh.embed('tiny', words) AS v FROM line;
SET xmcoh.encoder_cache = 0;
SELECT count(*), bool_and(w.v = vector.v) AS same
  FROM (SELECT array_agg(id) AS ids, array_agg(words) AS words FROM line) AS l, ROWS FROM (unnest(l.ids), xmcoh.embed('tiny', l.words)) AS w (id, v)
  JOIN vector USING (id);
SET xmcoh.encoder_cache = '1MB';
SELECT count(*), bool_and(xmcoh.embed('tiny', words) = v) AS same FROM line JOIN vector USING (id), generate_series(1, 2);
-- the cache keeps to its limit
CREATE FUNCTION cached_kb() RETURNS integer LANGUAGE sql AS
    $$ SELECT coalesce(sum(total_bytes), 0)::integer / 1024 FROM pg_backend_memory_contexts WHERE name = 'xmcoh vectors' $$;
SELECT count(xmcoh.embed('tiny', 'part ' || g || repeat(' ', 1000))) FROM generate_series(1, 3000) AS g;
SELECT cached_kb() BETWEEN 512 AND 2048 + 1024 AS within_limit;
SET xmcoh.encoder_cache = 0;
SELECT cardinality(xmcoh.embed('tiny', 'cut'));
SELECT cached_kb() < 64 AS emptied;
RESET xmcoh.encoder_cache;
-- an error in the middle of a computation leaves the cache sound
SELECT refusal($$SELECT xmcoh.embed('tiny', words), 1 / (id - 7) FROM line ORDER BY id$$);
SELECT bool_and(xmcoh.embed('tiny', words) = v) AS same FROM line JOIN vector USING (id);

-- a parallel plan
SET max_parallel_workers_per_gather = 2;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
EXPLAIN (costs off) SELECT id, xmcoh.embed('tiny', words) FROM line;
SELECT count(*), bool_and(w.v = vector.v) AS same FROM (SELECT id, xmcoh.embed('tiny', words) AS v FROM line OFFSET 0) AS w JOIN vector USING (id);
RESET max_parallel_workers_per_gather;
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;

-- A column of vectors: a trigger keeps it, because an encoder can be dropped and imported anew, so that embed is STABLE.
SELECT refusal($$CREATE TABLE t (words text, v real[] GENERATED ALWAYS AS (xmcoh.embed('tiny', words)) STORED)$$);
CREATE TABLE work (id int PRIMARY KEY, words text, v real[]);
CREATE FUNCTION embed_work() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.v := xmcoh.embed('tiny', NEW.words);
    RETURN NEW;
END $$;
CREATE TRIGGER embed BEFORE INSERT OR UPDATE OF words ON work FOR EACH ROW EXECUTE FUNCTION embed_work();
INSERT INTO work SELECT id, words FROM line WHERE id <= 100;
INSERT INTO work VALUES (101, NULL);
UPDATE work SET words = 'fold the paper' WHERE id = 7;
SELECT count(*), count(v), bool_and(v = xmcoh.embed('tiny', words)) AS same FROM work;

-- another family, and the same file under two names
\set family xlm-roberta
\i test/sql/tiny_encoder.sql
SELECT xmcoh.import_encoder('many languages', decode(:'weights', 'base64'), :'config', :'tokenizer', :'modules', :'pooling') > 0 AS imported;
SELECT xmcoh.import_encoder('twin', weights, config, tokenizer, modules, pooling, sentence) > 0 AS imported FROM published;
SELECT encoder, family, dim, license FROM xmcoh.encoders ORDER BY encoder COLLATE "C";
SELECT xmcoh.embed('twin', 'cut') = xmcoh.embed('tiny', 'cut') AS same, xmcoh.embed('many languages', 'cut') <> xmcoh.embed('tiny', 'cut') AS other;

-- what is refused
SELECT refusal($$SELECT xmcoh.embed('none', 'cut')$$);
SELECT refusal($$SELECT xmcoh.embed('none', ARRAY['cut'])$$);
SELECT refusal($$SELECT xmcoh.import_encoder('tiny', weights, config, tokenizer) FROM published$$);
SELECT refusal($$SELECT xmcoh.import_encoder('', weights, config, tokenizer) FROM published$$);
SELECT refusal($$SELECT xmcoh.import_encoder(repeat('x', 20001), weights, config, tokenizer) FROM published$$);
SELECT refusal(format($$SELECT xmcoh.import_encoder(%s) FROM published$$, arguments))
  FROM (VALUES ('NULL, weights, config, tokenizer'), ('''new'', NULL, config, tokenizer'), ('''new'', weights, NULL, tokenizer'),
               ('''new'', weights, config, NULL')) AS v (arguments);
SELECT n, left(refusal(format($$SELECT xmcoh.import_encoder('new', %s) FROM published$$, files)), 5) AS state
  FROM (VALUES (1, $$'', config, tokenizer$$), (2, $$substr(weights, 1, 1000), config, tokenizer$$), (3, $$weights, '{}', tokenizer$$),
               (4, $$weights, '[', tokenizer$$), (5, $$weights, replace(config, '"bert"', '"gpt2"'), tokenizer$$), (6, $$weights, config, '{}'$$),
               (7, $$weights, config, tokenizer, '{'$$), (8, $$weights, config, tokenizer, modules, '7'$$),
               (9, $$weights, config, tokenizer, sentence => '"'$$), (10, $$weights || '\x00', config, tokenizer$$)) AS v (n, files) ORDER BY n;
SELECT refusal($$SELECT xmcoh.import_encoder('new', '\x00', config, tokenizer) FROM published$$) ~ 'model.safetensors' AS named;
SELECT count(*) AS encoders, (SELECT count(DISTINCT encoder_id) FROM xmcoh.encoder_chunk) AS files FROM xmcoh.encoder;
BEGIN READ ONLY;
SELECT refusal($$SELECT xmcoh.import_encoder('new', weights, config, tokenizer) FROM published$$);
ROLLBACK;

-- who may use an encoder
CREATE ROLE encoder_owner; CREATE ROLE encoder_user; CREATE ROLE encoder_crew; CREATE ROLE encoder_member IN ROLE encoder_crew;
CREATE ROLE encoder_stranger;
GRANT CREATE ON SCHEMA public TO encoder_owner;
GRANT SELECT ON published TO encoder_owner;
SELECT xmcoh.grant_usage('encoder_owner'), xmcoh.grant_usage('encoder_user'), xmcoh.grant_usage('encoder_crew'),
       xmcoh.grant_usage('encoder_member');
SET ROLE encoder_owner;
SELECT xmcoh.import_encoder('hers', weights, config, tokenizer) > 0 AS imported FROM published;   -- no NOTICE: she may not use the others
SELECT encoder, owner FROM xmcoh.encoders;
SELECT cardinality(xmcoh.embed('hers', 'cut')) AS dim;
SELECT refusal($$SELECT xmcoh.embed('tiny', 'cut')$$);
SELECT refusal($$SELECT xmcoh.grant_encoder('tiny', 'encoder_user')$$);
SELECT refusal($$SELECT xmcoh.import_encoder('tiny', weights, config, tokenizer) FROM published$$);
SELECT refusal($$SELECT xmcoh.drop_encoder('tiny')$$);
SELECT refusal($$SELECT xmcoh.grant_encoder('none', 'encoder_user')$$);
SELECT refusal(format('TABLE %s', t)) FROM unnest('{xmcoh.encoder,xmcoh.encoder_chunk,xmcoh.encoder_grant_record}'::text[]) AS t;
SET ROLE encoder_user;
SELECT count(*) AS visible FROM xmcoh.encoders;
SELECT refusal($$SELECT xmcoh.embed('hers', 'cut')$$);
SET ROLE encoder_stranger;
SELECT refusal($$SELECT xmcoh.embed('hers', 'cut')$$);
SELECT refusal($$TABLE xmcoh.encoders$$);
SET ROLE encoder_owner;
SELECT xmcoh.grant_encoder('hers', 'encoder_user'), xmcoh.grant_encoder('hers', 'encoder_crew'), xmcoh.grant_encoder('hers', 'encoder_crew');
SELECT encoder, role, granted_by, granted_at <= clock_timestamp() AS granted FROM xmcoh.encoder_grants ORDER BY role COLLATE "C";
SET ROLE encoder_user;
SELECT encoder FROM xmcoh.encoders;
SELECT cardinality(xmcoh.embed('hers', 'cut')) AS dim;
SELECT refusal($$SELECT xmcoh.drop_encoder('hers')$$);
SELECT refusal($$SELECT xmcoh.grant_encoder('hers', 'encoder_stranger')$$);
SELECT refusal($$SELECT xmcoh.revoke_encoder('hers', 'encoder_crew')$$);
SET ROLE encoder_member;
SELECT cardinality(xmcoh.embed('hers', 'cut')) AS dim;
-- a look-up is of one role, also within a statement
RESET ROLE;
CREATE FUNCTION as_user(words text) RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT cardinality(xmcoh.embed('hers', words)) $$;
SET ROLE encoder_owner;
SELECT xmcoh.revoke_encoder('hers', 'encoder_user') AS revoked, xmcoh.revoke_encoder('hers', 'encoder_user') AS again;
SET ROLE encoder_user;
SELECT refusal($$SELECT as_user('cut'), xmcoh.embed('hers', 'cut')$$);
SELECT as_user('cut') AS dim;
SELECT count(*) AS grants FROM xmcoh.encoder_grants;
RESET ROLE;
-- an encoder whose owner was dropped belongs to the owner of the extension, and its grants stay
DROP OWNED BY encoder_owner;
DROP ROLE encoder_owner;
SELECT owner = current_user AS mine FROM xmcoh.encoders WHERE encoder = 'hers';
DROP ROLE encoder_crew;
SELECT encoder, role FROM xmcoh.encoder_grants;
SET ROLE encoder_member;
SELECT refusal($$SELECT xmcoh.embed('hers', 'cut')$$);
RESET ROLE;

-- drop
BEGIN;
SELECT cardinality(xmcoh.embed('hers', 'cut')) AS dim;
SAVEPOINT dropped;
SELECT xmcoh.drop_encoder('hers');
SELECT refusal($$SELECT xmcoh.embed('hers', 'cut')$$);
ROLLBACK TO dropped;
SELECT cardinality(xmcoh.embed('hers', 'cut')) AS dim;
ROLLBACK;
SELECT encoder_id AS old_id FROM xmcoh.encoder WHERE name = 'hers' \gset
SELECT xmcoh.drop_encoder('hers');
SELECT refusal($$SELECT xmcoh.embed('hers', 'cut')$$);
SELECT refusal($$SELECT xmcoh.drop_encoder('hers')$$);
SELECT xmcoh.drop_encoder('hers', if_exists => true);
SELECT (SELECT count(*) FROM xmcoh.encoder_chunk WHERE encoder_id = :old_id) AS chunks, (SELECT count(*) FROM xmcoh.encoder_grant_record) AS grants;
SELECT xmcoh.import_encoder('hers', weights, config, tokenizer) > :old_id AS another_number FROM published;

-- damaged tables
UPDATE xmcoh.encoder SET sha256 = repeat('0', 64) WHERE name = 'many languages';
SELECT refusal($$SELECT xmcoh.embed('many languages', 'cut')$$);
UPDATE xmcoh.encoder SET bytes = bytes + 1 WHERE name = 'many languages';
SELECT refusal($$SELECT xmcoh.embed('many languages', 'cut')$$);
UPDATE xmcoh.encoder SET bytes = 7 WHERE name = 'many languages';
SELECT refusal($$SELECT xmcoh.embed('many languages', 'cut')$$);
UPDATE xmcoh.encoder AS e SET bytes = 7, sha256 = encode(sha256('\x00000000000000'), 'hex') WHERE name = 'many languages';
UPDATE xmcoh.encoder_chunk SET data = '\x00000000000000' WHERE encoder_id = (SELECT encoder_id FROM xmcoh.encoder WHERE name = 'many languages');
SELECT split_part(refusal($$SELECT xmcoh.embed('many languages', 'cut')$$), E'\n', 1) AS refusal;
SELECT xmcoh.drop_encoder('many languages');
SELECT cardinality(xmcoh.embed('tiny', 'cut')) AS dim;

DROP TABLE published, line, vector, work;
DROP FUNCTION refusal, cached_kb, embed_work, as_user;
DROP ROLE encoder_user, encoder_member, encoder_stranger;
DROP EXTENSION xmcoh;
