-- quality_check.sql - what check_documents finds: half of the test documents of a run are disturbed in one of four ways, and checked;
-- quality.sql includes this file.

-- The way in which a test document is disturbed, by its key; NULL: it is not. Documents of fewer than 4 steps are left out.
CREATE TABLE quality.way (way int PRIMARY KEY, name text);
INSERT INTO quality.way VALUES (0, 'two neighbours swapped'), (1, 'one step moved'), (2, 'two blocks exchanged'), (3, 'all shuffled');

CREATE TABLE quality.disturbed AS
    SELECT guide_id, n::int, CASE WHEN h & 1 = 1 THEN (h >> 1) & 3 END AS way, (h >> 3) & 1023 AS a, (h >> 13) & 1023 AS b
      FROM (SELECT guide_id, count(*) AS n, abs(hashtext('disturbed ' || guide_id)) AS h FROM guides.step GROUP BY 1) AS d
     WHERE n >= 4;
CREATE UNIQUE INDEX ON quality.disturbed (guide_id);

-- The stored place of each step, from 0: after the disturbance, and the right one.
CREATE TABLE quality.place AS
    SELECT guide_id, step_key, place AS right_place,
           CASE way
               -- steps k and k + 1
               WHEN 0 THEN CASE place WHEN a % (n - 1) THEN place + 1 WHEN a % (n - 1) + 1 THEN place - 1 ELSE place END
               -- step i behind or before step j, which is no neighbour
               WHEN 1 THEN CASE WHEN place = a % n THEN j + CASE WHEN j > a % n THEN 0.5 ELSE -0.5 END ELSE place END
               -- the first and the last part, of at least 2 steps each
               WHEN 2 THEN CASE WHEN place < 2 + a % (n - 3) THEN place + n ELSE place END
               WHEN 3 THEN row_number() OVER (PARTITION BY guide_id ORDER BY md5(guide_id || step_key))
               ELSE place END::float8 AS place
      FROM (SELECT d.*, (a % n + 2 + b % (n - 3)) % n AS j, step_key,
                   row_number() OVER (PARTITION BY guide_id ORDER BY step_no) - 1 AS place
              FROM quality.disturbed AS d JOIN guides.step USING (guide_id)) AS s;
CREATE UNIQUE INDEX ON quality.place (guide_id, step_key);

CREATE TABLE quality.checked (
    run int REFERENCES quality.run, guide_id text, "precision" float8, coherence float8, gain float8, violated_pairs int, verdict text,
    named_right bool,    -- whether the worst pair is stored the wrong way round
    PRIMARY KEY (run, guide_id, "precision")
);

-- The steps of the test part that are checked, with their places after the disturbance.
CREATE FUNCTION quality.check_view(r quality.run) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE VIEW quality.%I AS SELECT t.guide_id, t.step_key, p.place AS step_no, t.instruction, t.words_embedding, t.image'
                   ' FROM quality.%I AS t JOIN quality.place AS p USING (guide_id, step_key)', 'check ' || r.run, 'test ' || r.run);
END $$;

CREATE FUNCTION quality.check(r quality.run) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part regclass;
BEGIN
    IF r.setting <> 'as they are' THEN
        RETURN;
    END IF;
    PERFORM quality.check_view(r);
    part := format('quality.%I', 'check ' || r.run)::regclass;
    PERFORM quality.attach(r, 'check');
    INSERT INTO quality.checked
        SELECT r.run, c.document, p, c.coherence, c.gain, c.violated_pairs, c.verdict, b.right_place < a.right_place
          FROM unnest('{0.9,0.95}'::float8[]) AS p,
               xmcoh.check_documents(quality.model_of(r), part, "precision" => p) AS c
          LEFT JOIN quality.place AS b ON (b.guide_id, b.step_key) = (c.document, c.worst_before)
          LEFT JOIN quality.place AS a ON (a.guide_id, a.step_key) = (c.document, c.worst_after);
    PERFORM xmcoh.detach_source(quality.model_of(r), part::text);
END $$;

-- The area under the ROC curve: the probability that a disturbed document has a larger figure than one that is not; equal ones half.
CREATE FUNCTION quality.auroc(disturbed bool[], figure float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT (sum(rank) FILTER (WHERE d) - count(*) FILTER (WHERE d) * (count(*) FILTER (WHERE d) + 1) / 2.0)
           / nullif(count(*) FILTER (WHERE d) * count(*) FILTER (WHERE NOT d), 0)
      FROM (SELECT d, rank() OVER (ORDER BY f) + (count(*) OVER (PARTITION BY f) - 1) / 2.0 AS rank
              FROM unnest(disturbed, figure) AS u (d, f)) AS r $$;
