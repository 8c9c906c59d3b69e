-- quality.sql - what each part of the method contributes: runs, conditions, judging. quality.sh runs this file after
-- guides_data.sql. psql variables: folds (number of the five folds that are tested), seeds, sizes ('100 200 all').
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE SCHEMA quality;
CREATE INDEX ON guides.step (guide_id);

-- Each run trains a model without a round and, if there is a pool, again with one. A seed selects the sample of approved documents
-- and is the seed of training. size NULL: all training documents are approved. Ablations run with one seed.
CREATE TABLE quality.run (
    run      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    setting  text NOT NULL CHECK (setting IN ('as they are', 'pictures are noise', 'half of the documents hold one modality')),
    split    text NOT NULL,
    size     int,
    seed     int NOT NULL,
    fold     int NOT NULL,
    phase_0    interval,    -- time of the job without a round
    with_round interval,    -- time of the job with one round
    scoring    interval     -- time to order the pool once
);
INSERT INTO quality.run (setting, split, size, seed, fold)
    SELECT setting, split, nullif(size, 'all')::int, seed, fold
      FROM (VALUES ('as they are', :seeds), ('pictures are noise', 1), ('half of the documents hold one modality', 1)) AS s (setting, seeds),
           (VALUES ('document'), ('repository')) AS p (split), string_to_table(:'sizes', ' ') AS size,
           generate_series(1, seeds) AS seed, generate_series(0, :folds - 1) AS fold
     WHERE setting = 'as they are' OR size = '200'
     ORDER BY setting, size <> 'all', split, size, seed, fold;

CREATE FUNCTION quality.model_of(r quality.run) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'run ' || r.run $$;

-- The training documents of each run: approved documents and the pool. No test document is among them.
CREATE TABLE quality.document (run int REFERENCES quality.run, guide_id text, approved boolean NOT NULL, PRIMARY KEY (run, guide_id));
INSERT INTO quality.document
    SELECT run, s.* FROM quality.run AS r, guides.sample(r.split, r.fold, r.size, r.seed) AS s;

-- The pictures of other steps, assigned at random.
CREATE TABLE quality.foreign_image AS
    SELECT step_key, image
      FROM (SELECT step_key, row_number() OVER (ORDER BY step_key) AS n FROM guides.step) AS s
      JOIN (SELECT image, row_number() OVER (ORDER BY md5(step_key)) AS n FROM guides.step) AS i USING (n);
CREATE UNIQUE INDEX ON quality.foreign_image (step_key);

-- The training and the test part of every run, as views.
DO $$
DECLARE
    r quality.run;
    columns text;
    sources text;
BEGIN
    FOR r IN SELECT * FROM quality.run LOOP
        columns := 'SELECT s.guide_id, s.step_key, s.step_no, s.instruction, s.words_embedding, s.image';
        sources := 'FROM guides.step AS s';
        IF r.setting = 'pictures are noise' THEN
            columns := replace(columns, 's.image', 'i.image');
            sources := sources || ' JOIN quality.foreign_image AS i USING (step_key)';
        ELSIF r.setting <> 'as they are' THEN
            columns := 'SELECT s.guide_id, s.step_key, s.step_no, CASE WHEN s.part <> 1 THEN s.instruction END AS instruction,'
                       ' CASE WHEN s.part <> 1 THEN s.words_embedding END AS words_embedding,'
                       ' CASE WHEN s.part <> 2 THEN s.image END AS image';
            sources := 'FROM (SELECT *, hashtext(''half '' || guide_id) & 3 AS part FROM guides.step) AS s';
        END IF;
        EXECUTE format('CREATE VIEW quality.%I AS %s, d.approved %s JOIN quality.document AS d USING (guide_id) WHERE d.run = %s',
                       'train ' || r.run, columns, sources, r.run);
        EXECUTE format('CREATE VIEW quality.%I AS %s %s JOIN guides.fold AS f USING (guide_id) WHERE f.split = %L AND f.fold = %s',
                       'test ' || r.run, columns, sources, r.split, r.fold);
    END LOOP;
END $$;

CREATE FUNCTION quality.attach(r quality.run, part text) RETURNS void LANGUAGE sql AS $$
    SELECT xmcoh.attach_source(quality.model_of(r), format('quality.%I', format('%s %s', part, r.run))::regclass,
                               document => 'guide_id', item => 'step_key', text => 'instruction', image => 'image',
                               text_embedding => 'words_embedding', "position" => 'step_no',
                               approved => CASE part WHEN 'train' THEN 'approved' END::name)
$$;

-- Conditions: orders by one kind of evidence and one rule. Every step of the guides holds both modalities. With a known alignment,
-- either guided modality gives the same fused order, so one row is enough. The paper does not say how many rounds of
-- guidance are right: the best of three is used, chosen on the test documents, in favour of the paper.
CREATE TABLE quality.condition (
    condition int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL,
    taught    boolean NOT NULL,    -- by the version after a round of training
    evidence  text NOT NULL,
    guidance  text NOT NULL,
    alignment text NOT NULL,
    rounds    int NOT NULL
);
INSERT INTO quality.condition (name, taught, evidence, guidance, alignment, rounds)
    SELECT format('%s%s%s%s', evidence,
                  CASE WHEN evidence ~ 'guided' THEN format(', alignment %s', alignment) END,
                  CASE guidance WHEN 'paper' THEN ', paper''s rule' WHEN 'hard' THEN ', hard alignment'
                                WHEN 'uncalibrated' THEN ', no calibration'
                                WHEN 'stored' THEN ', by the other''s stored order' END,
                  CASE WHEN taught THEN ', after a round' END),
           taught, evidence, guidance, alignment, n
      FROM unnest('{f,t}'::bool[]) WITH ORDINALITY AS t (taught, t),
           unnest('{soft,hard,uncalibrated,stored,paper}'::text[]) WITH ORDINALITY AS g (guidance, g),
           unnest('{known,inferred}'::text[]) WITH ORDINALITY AS a (alignment, a),
           unnest('{text,image,fused,text guided,image guided}'::text[]) WITH ORDINALITY AS e (evidence, e),
           generate_series(1, CASE guidance WHEN 'paper' THEN 3 ELSE 1 END) AS n
     WHERE CASE WHEN evidence IN ('text', 'image') THEN alignment = 'known' AND guidance = 'soft'
                WHEN evidence = 'fused' THEN alignment = 'known' AND guidance IN ('soft', 'uncalibrated')
                ELSE alignment = 'inferred' OR guidance = 'paper' END
       AND (guidance IN ('soft', 'stored') OR NOT taught)
     ORDER BY t, g, a, e, n;

CREATE TABLE quality.result (
    run int REFERENCES quality.run, condition int REFERENCES quality.condition, guide_id text, tau float8,
    PRIMARY KEY (run, condition, guide_id)
);
CREATE TABLE quality.calibration (
    run int REFERENCES quality.run, condition int REFERENCES quality.condition, error float8, PRIMARY KEY (run, condition)
);

-- Every condition for the deployed version on the test part. The test part is a source of the model only during this call.
CREATE FUNCTION quality.judge(r quality.run, taught boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    test regclass := format('quality.%I', 'test ' || r.run);
BEGIN
    PERFORM quality.attach(r, 'test');
    INSERT INTO quality.result
        SELECT r.run, c.condition, o.document,
               xmcoh.kendall_tau(array_agg(o.item ORDER BY o."position"), array_agg(o.item ORDER BY o.stored_position))
          FROM quality.condition AS c,
               xmcoh.order_documents(quality.model_of(r), test, c.evidence, c.guidance, c.alignment, c.rounds) AS o
         WHERE c.taught = judge.taught AND (r.setting = 'as they are' OR c.evidence IN ('text', 'image', 'fused') AND c.guidance = 'soft')
         GROUP BY c.condition, o.document;
    IF r.setting = 'as they are' THEN
        INSERT INTO quality.calibration
            SELECT r.run, c.condition, e.calibration_error
              FROM quality.condition AS c
              JOIN (SELECT DISTINCT x.guidance AS rule, x.alignment FROM quality.condition AS x
                     WHERE x.taught = judge.taught AND x.guidance IN ('soft', 'uncalibrated', 'stored')) AS g
                   ON (c.guidance, c.alignment) = (g.rule, g.alignment)
              JOIN xmcoh.evaluate(quality.model_of(r), test, g.rule, g.alignment) AS e
                   ON c.evidence = e.modality || CASE e.guidance WHEN 'guided' THEN ' guided' ELSE '' END
             WHERE c.taught = judge.taught;
    END IF;
    PERFORM xmcoh.detach_source(quality.model_of(r), test::text);
END $$;

\ir quality_check.sql
\ir quality_gaps.sql

-- The reports of rounds, and how often the guide was right about the pairs that it selected: the order of the pool is known here,
-- but not to training.
CREATE TABLE quality.round (
    run int REFERENCES quality.run, pupil text, documents int, threshold float8, selected float8, estimated float8,
    agreement float8, kept boolean, pairs bigint, chosen bigint, correct bigint, PRIMARY KEY (run, pupil)
);
ANALYZE;
