-- The settings in which the method is used, each on documents of known structure:
-- a) both modalities in every row: trained.sql, scores.sql;  b) photos unordered and unlinked to the steps: guidance.sql;
-- c) many documents have only one modality: here;  d) few approved documents, many unlabelled: rounds.sql;
-- e) a missing photo, a foreign photo: guidance.sql;  f) one modality is pure noise: here.
CREATE EXTENSION xmcoh;
CREATE FUNCTION noise(seed text) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT (('x' || substr(md5(seed), 1, 8))::bit(32)::bigint & 65535) / 65536.0 $$;
-- Verbs tell a step's place, except one verb that any step may have. The first number of a step's picture tells its place roughly.
CREATE TABLE step AS
    SELECT g AS guide, (p * 5 + g) % 6 AS step, p AS place,
           CASE WHEN noise('w' || g || p) < 0.25 THEN 'look at'
                ELSE (ARRAY['open', 'check', 'fit', 'turn', 'press', 'close'])[p + 1] END ||
               ' part ' || (noise('s' || g || p) * 20)::int AS words,
           ARRAY[p * 0.2 + noise('p' || g || p) * 0.5, noise('q' || g || p), noise('r' || g || p),
               noise('t' || g || p)]::real[] AS picture,
           'part ' || (noise('n' || g || p) * 20)::int AS empty_words,
           ARRAY(SELECT noise('e' || k || g || p) FROM generate_series(1, 4) AS k)::real[] AS empty_picture
      FROM generate_series(1, 300) AS g, generate_series(0, 5) AS p;
\set options '{"d_model": 16, "heads": 2, "feed_forward": 32, "hash_bits": 12, "bag_dim": 0, "epochs": 10, "align_dim": 8}'
-- Guides up to 180 are approved. The others, in a source of their own, serve to judge the model.
CREATE FUNCTION learn(model text, columns text, options jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM xmcoh.create_model(model, image_dim => 4, options => options);
    EXECUTE format('CREATE VIEW %I AS SELECT guide, step, place, %s FROM step WHERE guide <= 180', model, columns);
    EXECUTE format('CREATE VIEW %I AS SELECT guide, step, place, %s FROM step WHERE guide > 180', model || ' later', columns);
    PERFORM xmcoh.attach_source(model, model::regclass, document => 'guide', item => 'step', text => 'words', image => 'picture',
        "position" => 'place', approved => 'all');
    PERFORM xmcoh.attach_source(model, quote_ident(model || ' later')::regclass, document => 'guide', item => 'step', text => 'words',
        image => 'picture', "position" => 'place');
    RETURN model;
END $$;

-- c) A third of the documents has text only, a third has pictures only.
SELECT learn('few', 'CASE WHEN guide % 3 <> 0 THEN words END AS words,
    CASE WHEN guide % 3 <> 1 THEN picture END AS picture', :'options');
SELECT xmcoh.train('few') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
-- Each row is judged by the documents that have its modality. Every document counts in the fused row.
SELECT modality, guidance, documents, items, tau > 0.6 AS good FROM xmcoh.evaluate('few', '"few later"');
-- (some of these documents are in the pool, from which the alignment has learned)
SELECT modality, guidance, documents, documents_seen, items FROM xmcoh.evaluate('few', '"few later"', alignment => 'inferred');
-- A document with one modality is ordered by it, whatever the other documents have. No document is left out.
SELECT kind, count(*) AS items, count(own) AS own, bool_and(own = fused) AS same, bool_and(guided = fused) AS guided
  FROM (SELECT CASE document::int % 3 WHEN 1 THEN 'text' WHEN 2 THEN 'both' ELSE 'image' END AS kind, document, item, position AS fused
          FROM xmcoh.order_documents('few', '"few later"')) AS f
  LEFT JOIN (SELECT e AS kind, document, item, position AS own FROM unnest('{text,image}'::text[]) AS e,
                    xmcoh.order_documents('few', '"few later"', e)) AS o USING (kind, document, item)
  LEFT JOIN (SELECT e AS kind, document, item, position AS guided FROM unnest('{text,image}'::text[]) AS e,
                    xmcoh.order_documents('few', '"few later"', e || ' guided')) AS g USING (kind, document, item)
 GROUP BY 1 ORDER BY 1;

-- f) Pictures, then words, are pure noise: noise alone scores at chance, and does not harm the other modality, with any alignment.
CREATE FUNCTION harm(model text, good text) RETURNS TABLE (guidance text, alignment text, evidence text, verdict text)
    LANGUAGE sql AS $$
    SELECT g, a, e.modality || ' ' || e.guidance,
           CASE WHEN e.modality <> good AND e.guidance = 'solo' THEN CASE WHEN abs(e.tau) < 0.1 THEN 'noise' END
                WHEN e.modality <> good AND e.guidance = 'guided' AND a = 'inferred'
                    THEN CASE WHEN e.tau < solo.tau THEN 'not above' END
                WHEN e.tau > solo.tau - 0.02 THEN 'unharmed' END
      FROM unnest('{soft,hard}'::text[]) AS g, unnest('{known,inferred}'::text[]) AS a,
           xmcoh.evaluate(model, quote_ident(model || ' later')::regclass, g, a) AS e,
           xmcoh.evaluate(model, quote_ident(model || ' later')::regclass) AS solo
     WHERE solo.modality = good AND solo.guidance = 'solo' $$;
SELECT learn('dark', 'words, empty_picture AS picture', :'options');
SELECT xmcoh.train('dark') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT tau BETWEEN 0.5 AND 0.95 AS could_be_harmed FROM xmcoh.evaluate('dark', '"dark later"')
 WHERE modality = 'text' AND guidance = 'solo';
SELECT * FROM harm('dark', 'text');
SELECT learn('mute', 'empty_words AS words, picture', :'options');
SELECT xmcoh.train('mute') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT tau BETWEEN 0.5 AND 0.95 AS could_be_harmed FROM xmcoh.evaluate('mute', '"mute later"')
 WHERE modality = 'image' AND guidance = 'solo';
SELECT * FROM harm('mute', 'image');

DROP VIEW few, "few later", dark, "dark later", mute, "mute later";
DROP TABLE step;
DROP FUNCTION learn(text, text, jsonb), harm(text, text), noise(text);
DROP EXTENSION xmcoh;
