-- Sources: which relations may be attached, and the effect of bad rows. (A job reads the rows; its message names the error.)
CREATE EXTENSION xmcoh;
CREATE FUNCTION pg_temp.fails(statement text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;

SELECT xmcoh.create_model('manuals', image_dim => 3, options =>
    '{"d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0, "epochs": 1}') > 0 AS created;
SELECT xmcoh.create_model('words only') > 0 AS created;
SELECT xmcoh.create_model('albums', image_dim => 3, words => false) > 0 AS created;
CREATE TABLE "Work Step" ("Manual" text, "Step" int, instruction text, photo real[], place numeric, ok boolean, made point, photo64 float8[]);

-- attaching
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('nothing', '"Work Step"', 'Manual', 'Step', text => 'instruction')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', 'no_table', 'Manual', 'Step', text => 'instruction')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', 1::oid::regclass, 'Manual', 'Step', text => 'instruction')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', 'xmcoh.model_model_id_seq', 'a', 'b', text => 'c')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', '"Work Step"', 'Manual', 'step', text => 'instruction')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', '"Work Step"', NULL, 'Step', text => 'instruction')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', '"Work Step"', 'Manual', 'Step')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', '"Work Step"', 'Manual', 'Step', image => 'ok')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', '"Work Step"', 'Manual', 'Step', text => 'instruction', "position" => 'made')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', '"Work Step"', 'Manual', 'Step', text => 'instruction', "position" => 'place', approved => 'made')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', '"Work Step"', 'Manual', 'Step', text => 'instruction', approved => 'ok')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('words only', '"Work Step"', 'Manual', 'Step', text => 'instruction', image => 'photo')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('words only', '"Work Step"', 'Manual', 'Step', text => 'instruction', text_embedding => 'photo')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('albums', '"Work Step"', 'Manual', 'Step', text => 'instruction', image => 'photo')$$);
CREATE TEMP TABLE passing (a int, b int, c text);
SELECT state, hint FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', 'passing', 'a', 'b', text => 'c')$$);
SELECT xmcoh.attach_source('manuals', '"Work Step"', 'Manual', 'Step', text => 'instruction', image => 'photo', "position" => 'place', approved => 'ok');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('manuals', '"Work Step"', 'Manual', 'Step', text => 'instruction')$$);
SELECT relation, document, item, text, image, text_embedding, position, approved FROM xmcoh.source;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.detach_source('manuals', 'pg_class')$$);

CREATE TABLE pair (doc text, a text, b text);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_pairs('manuals', 'pair', 'doc', 'a', 'c')$$);
SELECT xmcoh.attach_pairs('manuals', 'pair', 'doc', 'a', 'b');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_pairs('manuals', 'pair', 'doc', 'a', 'b')$$);
SELECT xmcoh.detach_pairs('manuals', 'pair');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.detach_pairs('manuals', 'pair')$$);

-- Trains, waits and returns how the job ended and the number of documents. (train starts its job at COMMIT.)
CREATE PROCEDURE try(model text) LANGUAGE plpgsql AS $$
DECLARE
    started integer := xmcoh.train(model);
    ended text;
BEGIN
    COMMIT;
    CALL xmcoh.wait_for_job(started, '180 s', ended);
    RAISE INFO '% %', ended, (SELECT CASE j.state WHEN 'succeeded'
            THEN format('documents %s labelled pairs %s', v.report ->> 'documents', v.report ->> 'labelled_pairs') ELSE j.message END
        FROM xmcoh.job_record AS j LEFT JOIN xmcoh.model_version AS v USING (job_id) WHERE j.job_id = started);
END $$;

INSERT INTO "Work Step"
    SELECT 'm' || m, s, (ARRAY['unpack', 'mount', 'test'])[s], ARRAY[s, m, 1]::real[], s, true
      FROM generate_series(1, 20) AS m, generate_series(1, 3) AS s;
CALL try('manuals');

-- bad rows: one at a time, each removed afterwards
INSERT INTO "Work Step" VALUES (NULL, 1, 'x', NULL, 1, true);
CALL try('manuals');
UPDATE "Work Step" SET "Manual" = 'bad' WHERE "Manual" IS NULL;
UPDATE "Work Step" SET "Step" = NULL WHERE "Manual" = 'bad';
CALL try('manuals');
UPDATE "Work Step" SET "Step" = 1, photo = '{1,2}' WHERE "Manual" = 'bad';
CALL try('manuals');
UPDATE "Work Step" SET photo = '{{1,2,3}}' WHERE "Manual" = 'bad';
CALL try('manuals');
UPDATE "Work Step" SET photo = '{}' WHERE "Manual" = 'bad';
CALL try('manuals');
UPDATE "Work Step" SET photo = '{1,NULL,3}' WHERE "Manual" = 'bad';
CALL try('manuals');
UPDATE "Work Step" SET photo = '{1,2,NaN}' WHERE "Manual" = 'bad';
CALL try('manuals');
UPDATE "Work Step" SET photo = '{-Infinity,2,3}' WHERE "Manual" = 'bad';
CALL try('manuals');
UPDATE "Work Step" SET photo = NULL, place = 'NaN' WHERE "Manual" = 'bad';
CALL try('manuals');
UPDATE "Work Step" SET place = 1 WHERE "Manual" = 'bad';
INSERT INTO "Work Step" VALUES ('bad', 1, 'x', NULL, 2, true);
CALL try('manuals');
UPDATE "Work Step" SET "Step" = 2, place = 1 WHERE "Manual" = 'bad' AND place = 2;
CALL try('manuals');
DELETE FROM "Work Step" WHERE "Manual" = 'bad';

-- more items than a document may have: the limit is the setting of the worker, here set for the database
INSERT INTO "Work Step" SELECT 'long', s, 'x', NULL, s, true FROM generate_series(1, 5) AS s;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET xmcoh.max_document_items = 4', current_database()); END $$;
CALL try('manuals');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET xmcoh.max_document_items', current_database()); END $$;
CALL try('manuals');
DELETE FROM "Work Step" WHERE "Manual" = 'long';
SET xmcoh.max_document_items = 1;
SET xmcoh.no_such_setting = 1;

-- rows without stored order, approval or evidence: left out or without effect, but no error
INSERT INTO "Work Step" VALUES ('no place', 1, 'x', NULL, NULL, true), ('no place', 2, 'x', NULL, 2, true),
    ('not approved', 1, 'x', NULL, 1, true), ('not approved', 2, 'x', NULL, 2, false),
    ('unknown', 1, 'x', NULL, 1, NULL), ('unknown', 2, 'x', NULL, 2, true),
    ('alone', 1, 'x', NULL, 1, true), ('bare', 1, NULL, NULL, 1, true), ('bare', 2, NULL, NULL, 2, true);
CALL try('manuals');

-- every kind of relation
CREATE VIEW step_view AS SELECT * FROM "Work Step" WHERE "Manual" ~ '^m';
CREATE MATERIALIZED VIEW step_matview AS SELECT 'v' || "Manual" AS "Manual", "Step", photo, place FROM step_view;
CREATE TABLE step_partitioned (LIKE "Work Step") PARTITION BY HASH ("Manual");
CREATE TABLE step_part0 PARTITION OF step_partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE step_part1 PARTITION OF step_partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO step_partitioned SELECT 'p' || "Manual", "Step", instruction, photo, place, ok, made, photo64 FROM step_view;
SELECT xmcoh.detach_source('manuals', '"Work Step"');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('manuals')$$);
SELECT xmcoh.attach_source('manuals', 'step_view', 'Manual', 'Step', text => 'instruction', "position" => 'place', approved => 'all');
CALL try('manuals');
SELECT xmcoh.attach_source('manuals', 'step_matview', 'Manual', 'Step', image => 'photo', "position" => 'place', approved => 'all');
CALL try('manuals');
SELECT xmcoh.attach_source('manuals', 'step_partitioned', 'Manual', 'Step', text => 'instruction', "position" => 'place', approved => 'ok');
CALL try('manuals');

-- two sources that hold the same item, here in another modality: each document would be read twice
CREATE VIEW step_again AS SELECT * FROM step_view WHERE "Manual" = 'm7' AND "Step" > 1;
SELECT xmcoh.attach_source('manuals', 'step_again', 'Manual', 'Step', image => 'photo');
CALL try('manuals');
SELECT * FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('manuals')$$);
SELECT state, message FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.pair_scores('manuals', 'm7')$$);
SELECT count(*) FROM xmcoh.pair_scores('manuals', 'm8');
SELECT count(*) FROM xmcoh.order_documents('manuals', 'step_view');
SELECT count(*) AS once FROM generate_series(7, 9) AS m, LATERAL xmcoh.pair_scores('manuals', 'm' || m, 'step_view');
CREATE OR REPLACE VIEW step_again AS SELECT * FROM "Work Step" WHERE false;
SELECT count(*), count(DISTINCT (document, item)) AS items FROM xmcoh.order_documents('manuals');
-- equal keys of documents are two documents, if no item is shared
CREATE OR REPLACE VIEW step_again AS SELECT "Manual", "Step" + 100 AS "Step", instruction, photo, place, ok, made, photo64 FROM step_view WHERE "Manual" = 'm7';
SELECT count(*), count(DISTINCT (document, item)) AS items FROM xmcoh.order_documents('manuals');
SELECT xmcoh.detach_source('manuals', 'step_again');
SELECT xmcoh.attach_source('manuals', 'step_again', 'Manual', 'Step', image => 'photo', documents_of => 'step_matview');
CREATE OR REPLACE VIEW step_again AS SELECT * FROM step_view WHERE "Manual" = 'm7';
SELECT state, message FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('manuals')$$);
SELECT xmcoh.detach_source('manuals', 'step_again');
DROP VIEW step_again;
-- the same for numeric keys: 10 is before 2 in the order of bytes, after 2 in the order of numbers
CREATE VIEW step_two AS SELECT 2 AS "Manual", "Step", photo FROM step_view WHERE "Manual" = 'm7';
CREATE VIEW step_ten AS SELECT m AS "Manual", "Step", photo FROM step_view, (VALUES (2), (10)) AS v (m) WHERE "Manual" = 'm7';
SELECT xmcoh.attach_source('manuals', 'step_two', 'Manual', 'Step', image => 'photo');
SELECT xmcoh.attach_source('manuals', 'step_ten', 'Manual', 'Step', image => 'photo');
SELECT state, message FROM pg_temp.fails($$SELECT count(*) FROM xmcoh.order_documents('manuals')$$);
SELECT xmcoh.detach_source('manuals', 'step_two'), xmcoh.detach_source('manuals', 'step_ten');
DROP VIEW step_two, step_ten;

-- other types of embedding, if they have a cast to real[]
CREATE TYPE vec AS (v real[]);
CREATE FUNCTION vec_to_reals(vec) RETURNS real[] LANGUAGE sql IMMUTABLE RETURN ($1).v;
CREATE CAST (vec AS real[]) WITH FUNCTION vec_to_reals(vec);
CREATE TABLE step_vec AS SELECT "Manual", "Step", ROW(photo)::vec AS photo, photo::float8[] AS photo64, place FROM step_view;
SELECT xmcoh.attach_source('albums', 'step_vec', 'Manual', 'Step', image => 'photo', "position" => 'place', approved => 'all');
CALL try('albums');
SELECT xmcoh.detach_source('albums', 'step_vec');
SELECT xmcoh.attach_source('albums', 'step_vec', 'Manual', 'Step', image => 'photo64', "position" => 'place', approved => 'all');
CALL try('albums');

-- relations that are dropped
DROP TABLE step_vec;
DO $$
DECLARE
    started integer := xmcoh.train('albums');
    ended text;
BEGIN
    COMMIT;
    CALL xmcoh.wait_for_job(started, '180 s', ended);
    RAISE INFO '%', ended;
    RAISE INFO '%', (SELECT regexp_replace(message, '\d+', 'N', 'g') FROM xmcoh.job WHERE job_id = started);
END $$;
ALTER TABLE "Work Step" RENAME COLUMN instruction TO said;      -- the view follows the rename
CALL try('manuals');

-- columns that are dropped, or that change their type
CREATE PROCEDURE changed(change text, back text) LANGUAGE plpgsql AS $$
DECLARE
    f record;
BEGIN
    EXECUTE change;
    SELECT * INTO f FROM pg_temp.fails('SELECT count(*) FROM xmcoh.order_documents(''manuals'')');
    RAISE INFO '% %', f.state, concat_ws(E'\n    ', f.message, f.hint);
    COMMIT;
    CALL try('manuals');
    EXECUTE back;
END $$;
CALL changed('ALTER TABLE step_partitioned RENAME COLUMN instruction TO said', 'ALTER TABLE step_partitioned RENAME COLUMN said TO instruction');
CALL changed('ALTER TABLE step_partitioned RENAME COLUMN ok TO good', 'ALTER TABLE step_partitioned RENAME COLUMN good TO ok');
CALL changed('ALTER TABLE step_partitioned RENAME "Step" TO step', 'ALTER TABLE step_partitioned RENAME step TO "Step"');
CALL changed('ALTER TABLE step_partitioned ALTER place TYPE point USING point(place::float8, 0)', 'ALTER TABLE step_partitioned ALTER place TYPE numeric USING place[0]');
CALL changed('ALTER TABLE step_partitioned ALTER ok TYPE date USING NULL', 'ALTER TABLE step_partitioned ALTER ok TYPE boolean USING true');
SELECT xmcoh.attach_pairs('manuals', 'pair', 'doc', 'a', 'b');
ALTER TABLE pair RENAME COLUMN a TO first;
CALL try('manuals');
ALTER TABLE pair DROP COLUMN first;
CALL try('manuals');
SELECT xmcoh.detach_pairs('manuals', 'pair');
CALL changed('ALTER TABLE step_partitioned DROP COLUMN instruction', 'SELECT 1');
SELECT xmcoh.detach_source('manuals', 'step_partitioned');
DROP PROCEDURE changed;

-- attach_source checks the first row
CREATE FUNCTION probe(relation regclass, document name, item name, text name, image name, text_embedding name, "position" name,
    approved name, image_dim integer, text_dim integer) RETURNS void LANGUAGE sql
    AS 'SELECT xmcoh_internal.probe_source($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, current_user::regrole, NULL, false)';
CREATE FUNCTION probe(relation regclass, document name, before name, after name) RETURNS void LANGUAGE sql
    AS 'SELECT xmcoh_internal.probe_pairs($1, $2, $3, $4, current_user::regrole)';
CREATE FUNCTION shared_item(relation regclass, document name, item name, other regclass, other_document name, other_item name)
    RETURNS text LANGUAGE sql AS 'SELECT xmcoh_internal.shared_item($1, $2, $3, $4, $5, $6, current_user::regrole)';
CREATE TABLE first (d text, i int, words text, numbers real[], place text, ok text, v vec, moment timestamptz);
CREATE FUNCTION pg_temp.fails_probe(columns text) RETURNS TABLE (state text, message text, hint text) LANGUAGE sql AS
    $$ SELECT * FROM pg_temp.fails('SELECT probe(''first'', ''d'', ''i'', ' || columns || ', 3, 2)') $$;
SELECT * FROM pg_temp.fails_probe($$'words', 'numbers', 'v', 'place', 'ok'$$);      -- no row yet
SELECT * FROM pg_temp.fails_probe($$'words', NULL, 'words', NULL, NULL$$);
SELECT * FROM pg_temp.fails_probe($$'words', 'moment', NULL, NULL, NULL$$);
SELECT * FROM pg_temp.fails_probe($$'words', NULL, NULL, 'moment', NULL$$);
SELECT * FROM pg_temp.fails_probe($$'said', NULL, NULL, NULL, NULL$$);
INSERT INTO first (d, i, words, place, ok) VALUES ('1', 1, 'unpack', '7', 'yes');
SELECT * FROM pg_temp.fails_probe($$'words', 'numbers', 'v', 'place', 'ok'$$);      -- no embedding yet
UPDATE first SET place = 'first';
SELECT * FROM pg_temp.fails_probe($$'words', NULL, NULL, 'place', NULL$$);
UPDATE first SET ok = 'maybe';
SELECT * FROM pg_temp.fails_probe($$'words', NULL, NULL, NULL, 'ok'$$);
SELECT * FROM pg_temp.fails_probe($$'words', NULL, NULL, NULL, 'all'$$);
INSERT INTO first (d, i, numbers, v) VALUES ('1', 2, '{1,2}', ROW('{1,2,3}'));
SELECT * FROM pg_temp.fails_probe($$'words', 'numbers', NULL, NULL, NULL$$);
SELECT * FROM pg_temp.fails_probe($$'words', 'v', NULL, NULL, NULL$$);
SELECT * FROM pg_temp.fails_probe($$'words', 'v', 'numbers', NULL, NULL$$);
SELECT * FROM pg_temp.fails_probe($$'words', 'v', 'v', NULL, NULL$$);
UPDATE first SET numbers = '{{1,2},{3,4}}';
SELECT * FROM pg_temp.fails_probe($$'words', 'numbers', NULL, NULL, NULL$$);
UPDATE first SET numbers = '{1,NULL,3}';
SELECT * FROM pg_temp.fails_probe($$'words', 'numbers', NULL, NULL, NULL$$);
SELECT * FROM pg_temp.fails($$SELECT probe('first', 'd', 'i', 'words')$$);
SELECT * FROM pg_temp.fails($$SELECT probe('first', 'd', 'i', 'after')$$);
SELECT * FROM pg_temp.fails($$SELECT probe(NULL, 'd', 'i', 'words')$$);
SELECT * FROM pg_temp.fails($$SELECT probe(1::oid::regclass, 'd', 'i', 'words')$$);
SELECT * FROM pg_temp.fails($$SELECT probe(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)$$);
SELECT shared_item('step_view', 'Manual', 'Step', '"Work Step"', 'Manual', 'Step') IS NOT NULL AS found,
       shared_item('first', 'd', 'i', 'first', 'd', 'i') IS NOT NULL AS itself, shared_item('step_view', 'Manual', 'Step', 'first', 'd', 'i') AS none;
SELECT * FROM pg_temp.fails($$SELECT shared_item(NULL, NULL, NULL, NULL, NULL, NULL)$$);
DROP FUNCTION shared_item, probe(regclass, name, name, name), probe(regclass, name, name, name, name, name, name, name, integer, integer);
DROP TABLE first;

-- A key has one text form, whatever the session's settings; approved pairs name items by this text.
CREATE TYPE place_and_time AS (place float8, moment timestamptz);
CREATE TABLE dated AS
    SELECT timestamptz '2024-03-31 00:30:00+00' + d * interval '1 day' AS document,
           ROW(s + 0.1::float8 + 0.2::float8, timestamptz '2024-02-01 12:00+00' + s * interval '1 hour')::place_and_time AS item,
           (ARRAY['unpack', 'mount', 'test'])[s] AS words, ARRAY[s, d, 1]::real[] AS photo, s AS place
      FROM generate_series(1, 16) AS d, generate_series(1, 3) AS s;
CREATE VIEW dated_pair AS SELECT a.document, a.item AS before, b.item AS after FROM dated AS a JOIN dated AS b
    ON b.document = a.document AND b.place = a.place + 1;
SELECT xmcoh.detach_source('albums', relation) FROM xmcoh.source WHERE model = 'albums';
SELECT xmcoh.attach_source('albums', 'dated', 'document', 'item', image => 'photo', "position" => 'place');
SELECT xmcoh.attach_pairs('albums', 'dated_pair', 'document', 'before', 'after');
CALL try('albums');
CREATE TABLE asked AS SELECT * FROM xmcoh.order_documents('albums');
SELECT document, item, stored_position FROM asked ORDER BY document COLLATE "C", stored_position LIMIT 3;
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Kolkata';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SET search_path = pg_catalog;
SELECT count(*) AS same FROM xmcoh.order_documents('albums') AS o JOIN public.asked AS a USING (document, item, position, stored_position);
SELECT count(*) AS pairs FROM xmcoh.pair_scores('albums', (SELECT min(document COLLATE "C") FROM public.asked));
-- settings of the role or the database, with which a worker starts
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET DateStyle = %L', current_database(), 'SQL, DMY'); END $$;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = %L', current_database(), 'Asia/Kolkata'); END $$;
CALL public.try('albums');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET DateStyle', current_database()); END $$;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET TimeZone', current_database()); END $$;
SELECT count(DISTINCT sha256) AS weights FROM (SELECT sha256 FROM xmcoh.versions WHERE model = 'albums' ORDER BY version DESC LIMIT 2) AS v;
-- approved in one session, read in another
SELECT xmcoh.detach_pairs('albums', 'public.dated_pair');
INSERT INTO xmcoh.approved_pair (model_id, document, before, after)
    SELECT xmcoh.model_id('albums'), a.document, a.item, b.item FROM xmcoh.order_documents('albums') AS a JOIN xmcoh.order_documents('albums') AS b
        ON b.document = a.document AND b.stored_position = a.stored_position + 1;
RESET DateStyle;
RESET TimeZone;
RESET IntervalStyle;
RESET extra_float_digits;
RESET bytea_output;
RESET search_path;
CALL try('albums');
SELECT count(DISTINCT sha256) AS weights FROM (SELECT sha256 FROM xmcoh.versions WHERE model = 'albums' ORDER BY version DESC LIMIT 3) AS v;
-- rows that exceed the memory are written to a file
CREATE TABLE long AS SELECT 'long ' || d AS document, s AS item, ARRAY[s, d, 1]::real[] AS photo, s AS place
    FROM generate_series(1, 3000) AS d, generate_series(1, 3) AS s;
SELECT xmcoh.attach_source('albums', 'long', 'document', 'item', image => 'photo', "position" => 'place');
CREATE TABLE in_memory AS SELECT * FROM xmcoh.order_documents('albums');
SET work_mem = '64kB';
SELECT count(*), count(*) FILTER (WHERE a.document IS NULL OR b.document IS NULL) AS other
  FROM in_memory AS a FULL JOIN xmcoh.order_documents('albums') AS b USING (document, item, position, stored_position);
RESET work_mem;
DROP TABLE long, in_memory;
-- other types, used as keys only
CREATE TABLE kinds AS SELECT date '2024-03-04' AS d, interval '-1 day 02:03' AS i, '\xff00'::bytea AS b, 0.1::float8 + 0.2 AS f, 1234.5::money AS m,
    tstzrange('2024-03-04 05:06+00', NULL) AS r, 'dated'::regclass AS c, ARRAY[1, 2, 3]::real[] AS photo;
CREATE FUNCTION keys() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    PERFORM xmcoh.detach_source('albums', relation) FROM xmcoh.source WHERE model = 'albums';
    FOREACH name IN ARRAY '{d,i,b,f,m,r,c}'::text[] LOOP
        PERFORM xmcoh.attach_source('albums', 'public.kinds', name, name, image => 'photo');
        RETURN QUERY SELECT o.document || ' ' || o.item FROM xmcoh.order_documents('albums') AS o;
        PERFORM xmcoh.detach_source('albums', 'public.kinds');
    END LOOP;
END $$;
SELECT keys();
SET DateStyle = 'German';
SET TimeZone = 'Asia/Shanghai';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = 0;
SET bytea_output = 'escape';
SET quote_all_identifiers = on;
SELECT keys();
RESET DateStyle;
RESET TimeZone;
RESET IntervalStyle;
RESET extra_float_digits;
RESET bytea_output;
RESET quote_all_identifiers;
DROP FUNCTION keys;
DROP VIEW dated_pair;
DROP TABLE dated, asked, kinds;
DROP TYPE place_and_time;

-- image_dim and text_dim that create_model leaves out are those of the first source that has embeddings
CREATE TABLE untold (doc int, item int, words text, photo real[], meaning float8[]);
SELECT xmcoh.create_model('untold') > 0 AS created;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('untold', 'untold', 'doc', 'item', text => 'words', image => 'photo')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('untold', 'untold', 'doc', 'item', text => 'words', text_embedding => 'meaning')$$);
INSERT INTO untold VALUES (1, 1, 'one', NULL, NULL), (1, 2, 'two', '{1,2,3,4}', '{1,2}'), (1, 3, 'three', '{4,3,2,1}', '{1,2}');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('untold', 'untold', 'doc', 'item', text => 'words', image => 'photo::real[]')$$);
SELECT xmcoh.attach_source('untold', 'untold', 'doc', 'item', text => 'words');
SELECT image_dim, text_dim FROM xmcoh.model WHERE name = 'untold';
SELECT xmcoh.detach_source('untold', 'untold');
SELECT xmcoh.attach_source('untold', 'untold', 'doc', 'item', text => 'words', image => 'photo', text_embedding => 'meaning');
SELECT image_dim, text_dim FROM xmcoh.model WHERE name = 'untold';
SELECT xmcoh.detach_source('untold', 'untold');
UPDATE untold SET photo = '{1,2,3}';
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('untold', 'untold', 'doc', 'item', text => 'words', image => 'photo')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.create_model('pictures only', words => false)$$);
-- not after a training
CREATE TABLE told AS SELECT d AS doc, i AS item, 'step ' || i AS words, ARRAY[1, i]::real[] AS photo FROM generate_series(1, 15) AS d, generate_series(1, 4) AS i;
SELECT xmcoh.create_model('told', options => '{"epochs": 1, "bag_dim": 0}') > 0 AS created;
SELECT xmcoh.attach_source('told', 'told', 'doc', 'item', text => 'words', "position" => 'item', approved => 'all');
CALL try('told');
SELECT xmcoh.detach_source('told', 'told');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.attach_source('told', 'told', 'doc', 'item', text => 'words', image => 'photo')$$);
SELECT xmcoh.drop_model('told'), xmcoh.drop_model('untold');
DROP TABLE told, untold;

DROP PROCEDURE try;
DROP TABLE "Work Step", pair, step_partitioned CASCADE;
DROP EXTENSION xmcoh;
DROP TYPE vec CASCADE;
