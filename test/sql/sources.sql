-- Sources: what may be attached, and what becomes of bad rows in them. (A job reads them; its message says what was wrong.)
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

-- Trains, waits and says how it ended and how many documents there were. (train starts its job at COMMIT.)
CREATE PROCEDURE try(model text) LANGUAGE plpgsql AS $$
DECLARE
    started integer := xmcoh.train(model);
    ended text;
BEGIN
    COMMIT;
    CALL xmcoh.wait_for_job(started, '60 s', ended);
    RAISE INFO '% %', ended, (SELECT CASE j.state WHEN 'succeeded'
            THEN format('documents %s labelled pairs %s', v.report ->> 'documents', v.report ->> 'labelled_pairs') ELSE j.message END
        FROM xmcoh.job_record AS j LEFT JOIN xmcoh.model_version AS v USING (job_id) WHERE j.job_id = started);
END $$;

INSERT INTO "Work Step"
    SELECT 'm' || m, s, (ARRAY['unpack', 'mount', 'test'])[s], ARRAY[s, m, 1]::real[], s, true
      FROM generate_series(1, 20) AS m, generate_series(1, 3) AS s;
CALL try('manuals');

-- bad rows: each alone, then taken away
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

-- more items than a document may have: the limit is the worker's setting, here the database's
INSERT INTO "Work Step" SELECT 'long', s, 'x', NULL, s, true FROM generate_series(1, 5) AS s;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET xmcoh.max_document_items = 4', current_database()); END $$;
CALL try('manuals');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET xmcoh.max_document_items', current_database()); END $$;
CALL try('manuals');
DELETE FROM "Work Step" WHERE "Manual" = 'long';
SET xmcoh.max_document_items = 1;
SET xmcoh.no_such_setting = 1;

-- no stored order, not approved, nothing to go by: left out, or no evidence, but no error
INSERT INTO "Work Step" VALUES ('no place', 1, 'x', NULL, NULL, true), ('no place', 2, 'x', NULL, 2, true),
    ('not approved', 1, 'x', NULL, 1, true), ('not approved', 2, 'x', NULL, 2, false),
    ('unknown', 1, 'x', NULL, 1, NULL), ('unknown', 2, 'x', NULL, 2, true),
    ('alone', 1, 'x', NULL, 1, true), ('bare', 1, NULL, NULL, 1, true), ('bare', 2, NULL, NULL, 2, true);
CALL try('manuals');

-- every kind of relation
CREATE VIEW step_view AS SELECT * FROM "Work Step" WHERE "Manual" ~ '^m';
CREATE MATERIALIZED VIEW step_matview AS TABLE step_view;
CREATE TABLE step_partitioned (LIKE "Work Step") PARTITION BY HASH ("Manual");
CREATE TABLE step_part0 PARTITION OF step_partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE step_part1 PARTITION OF step_partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO step_partitioned TABLE step_view;
SELECT xmcoh.detach_source('manuals', '"Work Step"');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.train('manuals')$$);
SELECT xmcoh.attach_source('manuals', 'step_view', 'Manual', 'Step', text => 'instruction', "position" => 'place', approved => 'all');
CALL try('manuals');
SELECT xmcoh.attach_source('manuals', 'step_matview', 'Manual', 'Step', image => 'photo', "position" => 'place', approved => 'all');
CALL try('manuals');
SELECT xmcoh.attach_source('manuals', 'step_partitioned', 'Manual', 'Step', text => 'instruction', "position" => 'place', approved => 'ok');
CALL try('manuals');

-- other types of embedding, as far as they have a cast to real[]
CREATE TYPE vec AS (v real[]);
CREATE FUNCTION vec_to_reals(vec) RETURNS real[] LANGUAGE sql IMMUTABLE RETURN ($1).v;
CREATE CAST (vec AS real[]) WITH FUNCTION vec_to_reals(vec);
CREATE TABLE step_vec AS SELECT "Manual", "Step", ROW(photo)::vec AS photo, photo::float8[] AS photo64, place FROM step_view;
SELECT xmcoh.attach_source('albums', 'step_vec', 'Manual', 'Step', image => 'photo', "position" => 'place', approved => 'all');
CALL try('albums');
SELECT xmcoh.detach_source('albums', 'step_vec');
SELECT xmcoh.attach_source('albums', 'step_vec', 'Manual', 'Step', image => 'photo64', "position" => 'place', approved => 'all');
CALL try('albums');

-- relations that go away
DROP TABLE step_vec;
DO $$
DECLARE
    started integer := xmcoh.train('albums');
    ended text;
BEGIN
    COMMIT;
    CALL xmcoh.wait_for_job(started, '60 s', ended);
    RAISE INFO '%', ended;
    RAISE INFO '%', (SELECT regexp_replace(message, '\d+', 'N', 'g') FROM xmcoh.job WHERE job_id = started);
END $$;
ALTER TABLE "Work Step" RENAME COLUMN instruction TO said;
CALL try('manuals');

DROP PROCEDURE try;
DROP TABLE "Work Step", pair, step_partitioned CASCADE;
DROP EXTENSION xmcoh;
DROP TYPE vec CASCADE;
