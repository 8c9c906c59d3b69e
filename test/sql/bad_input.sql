-- Every error has a clear message and its SQLSTATE, and no data is lost.
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n    ', state || ' ' || message, nullif(detail, ''), nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on
-- models
SELECT try($$SELECT xmcoh.precedes('none', 'a', NULL, 'b', NULL)$$);
SELECT try($$SELECT xmcoh.coherence('none', place, words, picture) FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.recovered_position('none', words, picture) OVER () FROM step WHERE guide = 1$$);
SELECT try($$SELECT * FROM xmcoh.order_documents('none')$$);
SELECT try($$SELECT * FROM xmcoh.order_documents('guides', 4294967295::oid)$$);
SELECT try($$SELECT * FROM xmcoh.order_documents('guides', 'pg_class')$$);
SELECT try($$SELECT xmcoh.create_model('')$$);
SELECT try($$SELECT xmcoh.alter_model('guides', new_name => '')$$);
SELECT try($$SELECT xmcoh.alter_model(NULL)$$);
SELECT try($$SELECT xmcoh.export_model(NULL)$$);
SELECT xmcoh.create_model('untrained', image_dim => 4) IS NOT NULL AS created;
SELECT try($$SELECT xmcoh.precedes('untrained', 'a', NULL, 'b', NULL)$$);
SELECT try($$SELECT * FROM xmcoh.evaluate('untrained')$$);
SELECT try($$SELECT xmcoh.order_score(NULL, 'a', NULL, 'b', NULL)$$);
SELECT try($$SELECT xmcoh.recover_order(NULL, step, words, picture) FROM step$$);
SELECT try($$SELECT xmcoh.recover_order(CASE WHEN place = 0 THEN 'guides' ELSE 'blind' END, step, words, picture)
       FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.recovered_position(CASE WHEN place = 0 THEN 'guides' ELSE 'blind' END, words,
       picture) OVER () FROM step WHERE guide = 1$$);
SELECT try($$SELECT * FROM xmcoh.order_documents('blind')$$);
-- embeddings
SELECT try($$SELECT xmcoh.precedes('guides', NULL, '{1,2,3}', NULL, NULL)$$);
SELECT try($$SELECT xmcoh.precedes('guides', NULL, NULL, NULL, '{}')$$);
SELECT try($$SELECT xmcoh.precedes('guides', NULL, '{{1,2},{3,4}}', NULL, NULL)$$);
SELECT try($$SELECT xmcoh.precedes('guides', NULL, '{1,NULL,3,4}', NULL, NULL)$$);
SELECT try($$SELECT xmcoh.precedes('guides', NULL, '{1,2,NaN,4}', NULL, NULL)$$);
SELECT try($$SELECT xmcoh.precedes('guides', NULL, '{1,2,3,-Infinity}', NULL, NULL)$$);
SELECT try($$SELECT xmcoh.recover_order('guides', step, words,
       CASE WHEN step = 2 THEN '{1,2}'::real[] ELSE picture END) FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.coherence('guides', place, words,
       CASE WHEN step = 2 THEN '{1,2,NaN,4}'::real[] ELSE picture END) FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.recovered_position('guides', words, '{1,2}') OVER () FROM step WHERE guide = 1$$);
-- a bad embedding of either item, in every function, also when it is not the first one
SELECT f, a, try(format('SELECT xmcoh.%s(''guides'', ''a'', %s, ''b'', %s)', f, CASE side WHEN 1 THEN a ELSE 'NULL' END,
       CASE side WHEN 2 THEN a ELSE 'NULL' END))
  FROM unnest('{precedes,order_score}'::text[]) AS f, generate_series(1, 2) AS side,
       unnest(ARRAY[$a$'{{1,2,3,4}}'$a$, $a$'{}'$a$, $a$'{NULL,NULL,NULL,NULL}'$a$, $a$'{1,2,3,4,5}'$a$,
           $a$'{1,2,3,-NaN}'$a$, $a$'{1,2,3,Infinity}'$a$]) AS a ORDER BY f, side, a;
SELECT xmcoh.precedes('guides', 'a', '[0:3]={1,2,3,4}', 'b', '{1,2,3,4}') = xmcoh.precedes('guides', 'a', '{1,2,3,4}', 'b', '{1,2,3,4}')
       AS numbered_otherwise, xmcoh.precedes('guides', NULL, NULL, NULL, NULL) AS nothing, xmcoh.order_score('guides', '', NULL, '', NULL) AS empty;
-- items and positions
SELECT try($$SELECT xmcoh.recover_order('guides', step / 2, words, picture) FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.coherence('guides', place / 2, words, picture) FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.recover_order('guides', NULL::int, words, picture) FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.coherence('guides', NULL, words, picture) FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.coherence('guides', 'NaN', words, picture) FROM step WHERE guide = 1$$);
-- too many items
SET xmcoh.max_document_items = 5;
SELECT try($$SELECT xmcoh.recover_order('guides', step, words, picture) FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.coherence('guides', place, words, picture) FROM step WHERE guide = 1$$);
SELECT try($$SELECT xmcoh.recovered_position('guides', words, picture) OVER () FROM step WHERE guide = 1$$);
SELECT try($$SELECT * FROM xmcoh.order_documents('guides')$$);
RESET xmcoh.max_document_items;
-- finite values whose products overflow
SELECT try($$SELECT xmcoh.precedes('guides', NULL, '{3e38,-3e38,3e38,3e38}', NULL, '{-3e38,3e38,-3e38,3e38}')$$);
SELECT try($$SELECT xmcoh.coherence('guides', place, words, ARRAY[3e38, -3e38, place * 1e37, 1]::real[])
       FROM step WHERE guide = 1$$);
-- arguments
SELECT try($$SELECT * FROM xmcoh.order_documents('guides', evidence => 'smell')$$);
SELECT try($$SELECT * FROM xmcoh.pair_scores('guides', NULL)$$);
SELECT try($$SELECT * FROM xmcoh.order_documents('guides', 'pg_class')$$);
SELECT try($$SELECT * FROM xmcoh.evaluate('blind')$$);
-- damaged weights: the table refuses weights whose SHA-256 is not the stored one
SELECT split_part(try($$UPDATE xmcoh.model_version SET weights = '' WHERE model_id = xmcoh.model_id('blind')$$), E'\n', 1);
-- damage that the constraint does not see: a wrong hash, a damaged header, damaged numbers, a truncated file
ALTER TABLE xmcoh.model_version DROP CONSTRAINT model_version_check;
UPDATE xmcoh.model_version SET weights = set_byte(weights, length(weights) - 5, 77)
    WHERE model_id = xmcoh.model_id('blind');
UPDATE xmcoh.model_version SET sha256 = repeat('0', 64) WHERE model_id = xmcoh.model_id('blind');
SELECT try($$SELECT xmcoh.precedes('blind', 'a', NULL, 'b', NULL)$$);
UPDATE xmcoh.model_version SET weights = '', sha256 = encode(sha256(''), 'hex')
    WHERE model_id = xmcoh.model_id('blind');
SELECT try($$SELECT xmcoh.precedes('blind', 'a', NULL, 'b', NULL)$$);
UPDATE xmcoh.model_version AS v SET weights = w, sha256 = encode(sha256(w), 'hex')
    FROM (SELECT substr(xmcoh.export_model('guides'), 1, 2000) AS w) AS cut WHERE model_id = xmcoh.model_id('blind');
SELECT split_part(try($$SELECT xmcoh.precedes('blind', 'a', NULL, 'b', NULL)$$), E'\n', 1);
UPDATE xmcoh.model_version AS v SET weights = w, sha256 = encode(sha256(w), 'hex')
  FROM (SELECT overlay(w PLACING '\x0000c07f' FROM length(w) - 3) AS w
      FROM (SELECT xmcoh.export_model('guides') AS w) AS w) AS nan WHERE model_id = xmcoh.model_id('blind');
SELECT try($$SELECT xmcoh.precedes('blind', 'a', NULL, 'b', NULL)$$);
DELETE FROM xmcoh.model_version WHERE model_id = xmcoh.model_id('blind');
SELECT try($$SELECT xmcoh.precedes('blind', 'a', NULL, 'b', NULL)$$);
-- roles
CREATE ROLE xmcoh_stranger;
SET ROLE xmcoh_stranger;
SELECT try($$SELECT xmcoh.precedes('guides', 'a', NULL, 'b', NULL)$$);
RESET ROLE;
SELECT xmcoh.grant_usage('xmcoh_stranger');
SET ROLE xmcoh_stranger;
SELECT try($$SELECT xmcoh.precedes('guides', 'a', NULL, 'b', NULL)$$);
SELECT try($$SELECT * FROM xmcoh.order_documents('guides')$$);
RESET ROLE;
UPDATE xmcoh.model SET owner = 'role xmcoh_stranger' WHERE name = 'guides';
SET ROLE xmcoh_stranger;
SELECT xmcoh.precedes('guides', 'open', NULL, 'pack', NULL) > 0.9 AS own_model;
SELECT try($$SELECT * FROM xmcoh.order_documents('guides')$$);
RESET ROLE;
UPDATE xmcoh.model SET owner = xmcoh_internal.role_ref(current_user::regrole) WHERE name = 'guides';
-- a cached look-up of a model is valid for one role only
CREATE FUNCTION p() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN xmcoh.precedes('guides', 'open', NULL, 'pack',
    NULL) > 0.9; END $$;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT p();
SET LOCAL ROLE xmcoh_stranger;
SELECT p();
ROLLBACK;
DROP FUNCTION p;
DROP OWNED BY xmcoh_stranger;
DROP ROLE xmcoh_stranger;
-- internal functions cannot be called from SQL
SELECT try($$SELECT xmcoh.coherence_final(NULL)$$) ~ '^(42883|0A000) ' AS refused;	-- older servers look the function up and refuse the NULL
SELECT xmcoh.drop_model('untrained');
\pset format aligned
\pset tuples_only off
DROP FUNCTION try;
-- end of the tests that use the trained model
DROP TABLE step, vec;
DROP FUNCTION blind;
DROP EXTENSION xmcoh;
