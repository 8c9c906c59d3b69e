-- quality_gaps.sql - what missing_steps and missing_photos find: out of test documents of a run a step or a photo is taken;
-- quality.sql includes this file.

-- Of each test document of 4 steps or more: the step that is taken out, if one is (of half of the documents), by its place from 0;
-- the step whose photo is taken away; whether its photo is looked for among those of others; its repository, which is the group of the
-- intervals.
CREATE TABLE quality.gapped AS
    SELECT guide_id, repository, n::int, CASE WHEN h & 1 = 1 THEN (h >> 1) % n END::int AS missing, ((h >> 11) % n)::int AS bare, (h >> 20) & 1 = 1 AS searched
      FROM (SELECT guide_id, min(repository) AS repository, count(*) AS n, abs(hashtext('gapped ' || guide_id)) AS h
              FROM guides.step GROUP BY 1) AS d
     WHERE n >= 4;
CREATE UNIQUE INDEX ON quality.gapped (guide_id);
CREATE TABLE quality.numbered AS
    SELECT guide_id, step_key, instruction, (row_number() OVER (PARTITION BY guide_id ORDER BY step_no) - 1)::int AS place,
           regexp_split_to_array(lower(instruction), '\W+') AS words
      FROM guides.step JOIN quality.gapped USING (guide_id);
CREATE UNIQUE INDEX ON quality.numbered (guide_id, step_key);

-- Each place, its score, and whether a step was taken out there.
CREATE TABLE quality.gap (run int REFERENCES quality.run, guide_id text, kind text, is_gap bool, score float8, probability float8);
-- Candidates for the place of the step that was taken out, and as many random steps of approved documents: the same text, or at
-- least half of the words in common. known: whether an approved document has the same text.
CREATE TABLE quality.gap_candidate (run int REFERENCES quality.run, guide_id text, kind text, candidate int, same bool, near bool);
CREATE TABLE quality.gap_known (run int REFERENCES quality.run, guide_id text, known bool);
-- Of each text row, with photos in rows of their own: whether its photo was taken away, whether it is named as a step without a photo,
-- and with which probability (0 where it is not named).
CREATE TABLE quality.bare (run int REFERENCES quality.run, guide_id text, is_bare bool, named bool, probability float8);
-- The photo that was taken away, among those of other test documents: its rank for its step (NULL: not among the first ten), and the
-- probability of the first candidate.
CREATE TABLE quality.photo (run int REFERENCES quality.run, guide_id text, rank int, first float8, photos int);

CREATE FUNCTION quality.share_of_words(a text[], b text[]) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT count(*) FILTER (WHERE n = 2)::float8 / greatest(count(*), 1)
      FROM (SELECT count(*) AS n FROM (SELECT DISTINCT unnest(a) AS w UNION ALL SELECT DISTINCT unnest(b)) AS u GROUP BY w) AS c $$;

-- The test part without the steps; the same with photos in rows of their own and without the photos; with rows that hold both, but
-- one step without its photo; and the photos that were taken away, 20 to an album.
CREATE FUNCTION quality.gap_views(r quality.run) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    test text := format('quality.%I AS t JOIN quality.gapped AS g USING (guide_id) JOIN quality.numbered AS p USING (guide_id, step_key)',
                        'test ' || r.run);
BEGIN
    EXECUTE format('CREATE VIEW quality.%I AS SELECT t.guide_id, t.step_key, t.step_no, t.instruction, t.words_embedding, t.image FROM %s'
                   ' WHERE p.place IS DISTINCT FROM g.missing', 'gap ' || r.run, test);
    EXECUTE format('CREATE VIEW quality.%I AS SELECT t.guide_id, t.step_key, NULL::int AS step_no, t.instruction, t.words_embedding,'
                   ' NULL::real[] AS image FROM %s UNION ALL SELECT t.guide_id, ''photo '' || md5(t.step_key), NULL, NULL, NULL, t.image FROM %s'
                   ' WHERE p.place <> g.bare OR g.missing IS NULL', 'apart ' || r.run, test, test);
    EXECUTE format('CREATE VIEW quality.%I AS SELECT t.guide_id, t.step_key, t.step_no, t.instruction, t.words_embedding,'
                   ' CASE WHEN p.place <> g.bare THEN t.image END AS image FROM %s', 'bare ' || r.run, test);
    EXECUTE format('CREATE VIEW quality.%I AS SELECT ''album '' || row_number() OVER (ORDER BY md5(t.step_key)) / 20 AS guide_id,'
                   ' ''photo '' || md5(t.step_key) AS step_key, NULL::int AS step_no, NULL::text AS instruction,'
                   ' NULL::real[] AS words_embedding, t.image FROM %s WHERE p.place = g.bare AND g.searched', 'album ' || r.run, test);
END $$;

CREATE FUNCTION quality.find_gaps(r quality.run) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text;
    model text := quality.model_of(r);
    keys text[];
BEGIN
    IF r.setting <> 'as they are' THEN
        RETURN;
    END IF;
    PERFORM quality.gap_views(r);
    SELECT array_agg(guide_id ORDER BY guide_id) INTO keys
      FROM quality.gapped JOIN guides.fold AS f USING (guide_id) WHERE f.split = r.split AND f.fold = r.fold;

    part := format('quality.%I', 'gap ' || r.run);
    PERFORM quality.attach(r, 'gap');
    CREATE TEMPORARY TABLE found AS
        SELECT m.*, g.missing, CASE WHEN after_item IS NULL THEN 'first' WHEN before_item IS NULL THEN 'last' ELSE 'between' END AS kind,
               g.missing IS NOT NULL AND coalesce(a.place = g.missing - 1, g.missing = 0)
                   AND coalesce(b.place = g.missing + 1, g.missing = g.n - 1) AS is_gap
          FROM xmcoh.missing_steps(model, n => 10, source => part::regclass, documents => keys) AS m
          JOIN quality.gapped AS g ON g.guide_id = m.document
          LEFT JOIN quality.numbered AS a ON (a.guide_id, a.step_key) = (m.document, m.after_item)
          LEFT JOIN quality.numbered AS b ON (b.guide_id, b.step_key) = (m.document, m.before_item);
    INSERT INTO quality.gap SELECT r.run, document, kind, is_gap, score, probability FROM found WHERE coalesce(candidate, 1) = 1;
    INSERT INTO quality.gap_candidate
        SELECT r.run, f.document, f.kind, f.candidate, lower(s.instruction) = lower(f.candidate_text),
               quality.share_of_words(s.words, regexp_split_to_array(lower(f.candidate_text), '\W+')) >= 0.5
          FROM found AS f JOIN quality.numbered AS s ON (s.guide_id, s.place) = (f.document, f.missing) WHERE f.is_gap;
    INSERT INTO quality.gap_known
        SELECT r.run, s.guide_id, EXISTS (SELECT FROM quality.document AS d JOIN quality.numbered AS o USING (guide_id)
                                           WHERE d.run = r.run AND d.approved AND lower(o.instruction) = lower(s.instruction))
          FROM quality.gapped AS g JOIN quality.numbered AS s ON (s.guide_id, s.place) = (g.guide_id, g.missing) WHERE g.guide_id = ANY (keys);
    DROP TABLE found;
    PERFORM xmcoh.detach_source(model, part);

    part := format('quality.%I', 'apart ' || r.run);
    PERFORM quality.attach(r, 'apart');
    INSERT INTO quality.bare
        SELECT r.run, a.document, g.missing IS NOT NULL AND p.place = g.bare, a.image_item IS NULL,
               CASE WHEN a.image_item IS NULL THEN a.probability ELSE 0 END
          FROM xmcoh.alignment(model, source => part::regclass, documents => keys) AS a
          JOIN quality.gapped AS g ON g.guide_id = a.document
          JOIN quality.numbered AS p ON (p.guide_id, p.step_key) = (a.document, a.text_item);
    PERFORM xmcoh.detach_source(model, part);

    part := format('quality.%I', 'bare ' || r.run);
    PERFORM quality.attach(r, 'bare');
    PERFORM quality.attach(r, 'album');
    SELECT array_agg(guide_id ORDER BY guide_id) INTO keys FROM quality.gapped WHERE guide_id = ANY (keys) AND searched;
    INSERT INTO quality.photo
        SELECT r.run, g.guide_id, min(m.candidate) FILTER (WHERE m.photo_item = 'photo ' || md5(p.step_key)),
               max(m.probability) FILTER (WHERE m.candidate = 1), cardinality(keys)
          FROM quality.gapped AS g JOIN quality.numbered AS p ON (p.guide_id, p.place) = (g.guide_id, g.bare)
          LEFT JOIN xmcoh.missing_photos(model, n => 10, pool_source => format('quality.%I', 'album ' || r.run)::regclass,
                                         source => part::regclass, documents => keys) AS m ON m.document = g.guide_id
         WHERE g.guide_id = ANY (keys) GROUP BY g.guide_id;
    PERFORM xmcoh.detach_source(model, part);
    PERFORM xmcoh.detach_source(model, format('quality.%I', 'album ' || r.run));
END $$;
