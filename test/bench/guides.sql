-- guides.sql - the measured example on real guides: models, scores, tables. guides.sh runs this file after guides_data.sql.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

INSERT INTO guides.fold SELECT '200 approved', guide_id, fold FROM guides.fold WHERE split = 'document';

-- The runs: each split, fold and kind of text. Every model also reads the images.
CREATE TABLE guides.run (
    run       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    split     text NOT NULL,
    fold      int NOT NULL,
    variant   text NOT NULL CHECK (variant IN ('words', 'words + embedding')),
    job_id    int,
    trained   interval,
    ordered   interval
);
INSERT INTO guides.run (split, fold, variant)
    SELECT split, fold, variant
      FROM (VALUES (1, 'document'), (2, 'repository'), (3, '200 approved')) AS s (s, split),
           generate_series(0, 4) AS f (fold), (VALUES (1, 'words'), (2, 'words + embedding')) AS v (v, variant)
     ORDER BY s, fold, v;

CREATE TABLE guides.result (
    run int REFERENCES guides.run, evidence text, guide_id text, items int, acc float8, pmr float8, tau float8,
    PRIMARY KEY (run, evidence, guide_id)
);

-- The training and the test part of every fold, as views.
DO $$
DECLARE
    part record;
    which text;
BEGIN
    FOR part IN SELECT DISTINCT split, fold FROM guides.run LOOP
        which := format('FROM guides.fold f WHERE f.split = %L AND f.fold %%s %s', part.split, part.fold);
        EXECUTE format('CREATE VIEW guides.%I AS SELECT * FROM guides.step WHERE guide_id IN (SELECT f.guide_id %s)',
                       format('test %s %s', part.split, part.fold), format(which, '='));
        EXECUTE format('CREATE VIEW guides.%I AS SELECT * FROM guides.step WHERE guide_id IN (SELECT f.guide_id %s %s)',
                       format('train %s %s', part.split, part.fold), format(which, '<>'),
                       CASE part.split WHEN '200 approved' THEN 'ORDER BY md5(f.guide_id) LIMIT 200' ELSE '' END);
    END LOOP;
END $$;
ANALYZE;

CREATE FUNCTION guides.model_of(r guides.run) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT format('%s %s %s', r.split, r.fold, r.variant) $$;

-- The model of a run with its training part. (The test part is attached after training.)
CREATE FUNCTION guides.attach(r guides.run, part text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM xmcoh.attach_source(guides.model_of(r), format('guides.%I', format('%s %s %s', part, r.split, r.fold))::regclass,
                                document => 'guide_id', item => 'step_key', text => 'instruction', image => 'image',
                                text_embedding => CASE r.variant WHEN 'words' THEN NULL ELSE 'words_embedding' END::name,
                                "position" => 'step_no', approved => CASE part WHEN 'train' THEN 'all' END::name);
END $$;

-- Orders the test part by one kind of evidence and stores the figures of each document.
CREATE FUNCTION guides.judge(r guides.run, evidence text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO guides.result
    SELECT r.run, evidence, document, cardinality(got), xmcoh.position_accuracy(got, wanted), xmcoh.perfect_match(got, wanted)::int,
           xmcoh.kendall_tau(got, wanted)
      FROM (SELECT document, array_agg(item ORDER BY "position") AS got, array_agg(item ORDER BY stored_position) AS wanted
              FROM xmcoh.order_documents(guides.model_of(r), format('guides.%I', format('test %s %s', r.split, r.fold))::regclass,
                                         evidence => evidence)
             GROUP BY document) AS d
$$;
