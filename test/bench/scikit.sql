-- scikit.sql - ours against scikit-learn, on texts: runs and judging. quality.sh runs this file after guides_data.sql; scikit.py is
-- the other side. psql variables: folds (number of the five folds that are tested), seeds, sizes ('50 200 all').
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE SCHEMA scikit;

-- Each run is one sample of approved documents and one fold, the same as in quality.sql. size NULL: all are approved.
CREATE TABLE scikit.run (
    run   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    split text NOT NULL,
    size  int,
    seed  int NOT NULL,
    fold  int NOT NULL
);
INSERT INTO scikit.run (split, size, seed, fold)
    SELECT split, nullif(size, 'all')::int, seed, fold
      FROM (VALUES ('document'), ('repository')) AS p (split), string_to_table(:'sizes', ' ') AS size,
           generate_series(1, :seeds) AS seed, generate_series(0, :folds - 1) AS fold
     WHERE size <> 'all' OR seed = 1    -- all documents are the same sample each time
     ORDER BY size <> 'all', split, size, seed, fold;

-- What a document is in a run: approved, pool or test.
CREATE TABLE scikit.document (run int REFERENCES scikit.run, guide_id text, part text NOT NULL, PRIMARY KEY (run, guide_id));
INSERT INTO scikit.document
    SELECT run, s.guide_id, CASE WHEN approved THEN 'approved' ELSE 'pool' END
      FROM scikit.run AS r, guides.sample(r.split, r.fold, r.size, r.seed) AS s
    UNION ALL
    SELECT run, guide_id, 'test' FROM scikit.run AS r JOIN guides.fold AS f USING (split, fold);

DO $$
DECLARE
    r scikit.run;
    part text;
BEGIN
    FOR r IN SELECT * FROM scikit.run LOOP
        FOREACH part IN ARRAY '{train,test}'::text[] LOOP
            EXECUTE format('CREATE VIEW scikit.%I AS SELECT s.*, d.part = ''approved'' AS approved FROM guides.step AS s'
                           ' JOIN scikit.document AS d USING (guide_id) WHERE d.run = %s AND (d.part = ''test'') = %L',
                           part || ' ' || r.run, r.run, part = 'test');
        END LOOP;
    END LOOP;
END $$;

-- Tau of each test document. by: ours with words alone, ours with the embedding besides, or what scikit.py fits.
CREATE TABLE scikit.result (run int REFERENCES scikit.run, by text, guide_id text, tau float8, PRIMARY KEY (run, by, guide_id));
ANALYZE;
