-- guides.sql - the measured example on real guides: folds, models, scores, tables. Run by guides.sh after the import of
-- guides.raw (guide_id, step_no, instruction, repository, image, words_embedding).
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE EXTENSION xmcoh;

-- The key of a step is a hash, so that a tie which is broken by the key says nothing of the true order.
CREATE TABLE guides.step AS
    SELECT guide_id, md5(guide_id || '/' || step_no) AS step_key, step_no, instruction, repository, image, words_embedding
      FROM guides.raw
     WHERE guide_id IN (SELECT guide_id FROM guides.raw GROUP BY guide_id HAVING count(*) >= 2);
DROP TABLE guides.raw;

-- Folds. By document: unseen guides of repositories that are known. By repository: every repository lies in one fold, so its
-- wording and its screenshots are new to the model. Repositories are dealt out by size, each to the fold that is smallest so far.
CREATE TABLE guides.fold (split text, guide_id text, fold int, PRIMARY KEY (split, guide_id));

INSERT INTO guides.fold
    SELECT s.split, d.guide_id, abs(hashtext(d.guide_id)::bigint) % 5
      FROM (SELECT DISTINCT guide_id FROM guides.step) AS d, (VALUES ('document'), ('200 approved')) AS s (split);

DO $$
DECLARE
    size bigint[] := '{0,0,0,0,0}';
    repository record;
    k int;
BEGIN
    FOR repository IN SELECT s.repository AS name, count(DISTINCT s.guide_id) AS documents FROM guides.step s GROUP BY 1 ORDER BY 2 DESC, 1
    LOOP
        k := (SELECT n FROM unnest(size) WITH ORDINALITY AS f (documents, n) ORDER BY documents, n LIMIT 1);
        size[k] := size[k] + repository.documents;
        INSERT INTO guides.fold SELECT DISTINCT 'repository', s.guide_id, k - 1 FROM guides.step s WHERE s.repository = repository.name;
    END LOOP;
END $$;

-- A guide whose steps came from two repositories would sit in two folds; the primary key above refuses that.

-- What is to be trained: each split, fold and kind of text. Every model reads the images too.
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

-- The model of a run with its training part. (The test part is attached only after training.)
CREATE FUNCTION guides.attach(r guides.run, part text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM xmcoh.attach_source(guides.model_of(r), format('guides.%I', format('%s %s %s', part, r.split, r.fold))::regclass,
                                document => 'guide_id', item => 'step_key', text => 'instruction', image => 'image',
                                text_embedding => CASE r.variant WHEN 'words' THEN NULL ELSE 'words_embedding' END::name,
                                "position" => 'step_no', approved => CASE part WHEN 'train' THEN 'all' END::name);
END $$;

-- Orders the test part by one kind of evidence and keeps each document's figures.
CREATE FUNCTION guides.judge(r guides.run, evidence text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO guides.result
    SELECT r.run, evidence, document, cardinality(got), xmcoh.position_accuracy(got, wanted), xmcoh.perfect_match(got, wanted)::int,
           xmcoh.kendall_tau(got, wanted)
      FROM (SELECT document, array_agg(item ORDER BY "position") AS got, array_agg(item ORDER BY stored_position) AS wanted
              FROM xmcoh.order_documents(guides.model_of(r), format('guides.%I', format('test %s %s', r.split, r.fold))::regclass,
                                         evidence => evidence)
             GROUP BY document) AS d
$$;

SELECT split, fold, count(*) AS documents, sum(steps)::int AS steps, count(DISTINCT repository) AS repositories
  FROM guides.fold JOIN (SELECT guide_id, count(*) AS steps, min(repository) AS repository FROM guides.step GROUP BY 1) AS d USING (guide_id)
 WHERE split <> '200 approved' GROUP BY split, fold ORDER BY split, fold;
