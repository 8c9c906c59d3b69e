-- recover_order returns the items of a document in recovered order. The order of the rows does not matter.
SELECT bool_and(o = t) AS right FROM (SELECT xmcoh.recover_order('guides', step, words, picture) AS o,
       array_agg(step ORDER BY place) AS t FROM step GROUP BY guide) AS d;
SELECT count(*) AS differing FROM (SELECT guide,
       xmcoh.recover_order('guides', step, words, picture ORDER BY md5(words)) AS a,
       xmcoh.recover_order('guides', step, words, picture ORDER BY step DESC) AS b FROM step GROUP BY guide) AS d
           WHERE a <> b;
-- the result has the type of the items
SELECT pg_typeof(xmcoh.recover_order('guides', step, words, NULL)) AS int4,
       pg_typeof(xmcoh.recover_order('guides', step::bigint, words, NULL)) AS int8,
       pg_typeof(xmcoh.recover_order('guides', words, words, NULL)) AS text,
           pg_typeof(xmcoh.recover_order('guides', step * 1.5, words, NULL)) AS numeric
  FROM step WHERE guide = 5;
SELECT xmcoh.recover_order('guides', md5(words)::uuid, words, NULL) = array_agg(md5(words)::uuid
       ORDER BY place) AS uuids,
       xmcoh.recover_order('guides', (words || ', "quoted" \ {braces}')::varchar(60), words,
           NULL) = array_agg((words || ', "quoted" \ {braces}')::varchar(60) ORDER BY place) AS odd_names,
       xmcoh.recover_order('guides', '2024-01-31'::date - step, words, NULL) = array_agg('2024-01-31'::date - step
           ORDER BY place) AS dates
  FROM step WHERE guide = 5;
-- ties are broken by the item: numbers by value, then texts by bytes
SELECT xmcoh.recover_order('blind', i, 'same', NULL ORDER BY md5(i)) FROM unnest('{b,10,a,9,B,1,07,7}'::text[]) AS i;
SELECT xmcoh.recover_order('blind', i, 'same', NULL ORDER BY md5(i::text)) FROM generate_series(1, 40) AS i;

-- coherence tells how good a given order is: the mean of 2 p - 1 over pairs.
SELECT bool_and(xmcoh_c > 0.8) AS right_order, bool_and(reversed < -0.8) AS reversed,
       bool_and(abs(xmcoh_c + reversed) < 1e-6) AS opposite,
       bool_and(abs(xmcoh_c - shuffled_rows) = 0) AS rows_in_any_order
  FROM (SELECT xmcoh.coherence('guides', place, words, picture) AS xmcoh_c,
      xmcoh.coherence('guides', -place, words, picture) AS reversed,
               xmcoh.coherence('guides', place, words, picture ORDER BY md5(words)) AS shuffled_rows FROM step
                   GROUP BY guide) AS d;
SELECT abs(c - m) < 1e-6 AS is_the_mean FROM (SELECT xmcoh.coherence('guides', place, words, picture) AS c FROM step
       WHERE guide = 11) AS c,
       (SELECT avg(CASE WHEN a.place < b.place THEN 2 * probability - 1 ELSE 1 - 2 * probability END) AS m
           FROM xmcoh.pair_scores('guides', '11')
          JOIN step AS a ON a.guide = 11 AND a.step = item_a::int JOIN step AS b ON b.guide = 11
              AND b.step = item_b::int) AS m;
-- positions of any size and sign; positions that differ in a late digit are different
SET extra_float_digits = -10;
SELECT xmcoh.coherence('guides', 1 + place * 1e-14, words, picture) > 0.8 AS near,
       xmcoh.coherence('guides', (place - 2) * 1e300, words, picture) > 0.8 AS far FROM step WHERE guide = 5;
RESET extra_float_digits;
SELECT xmcoh.coherence('blind', place, words, picture) FROM step WHERE guide = 5;
-- infinite positions are the first and the last; two rows at the same infinity are an error
SELECT abs(xmcoh.coherence('guides', CASE place WHEN 0 THEN '-Infinity' WHEN 3 THEN 'Infinity' ELSE place::float8 END, words, picture)
       - xmcoh.coherence('guides', place, words, picture)) < 1e-12 AS same FROM step WHERE guide = 4;
SELECT xmcoh.coherence('guides', CASE WHEN place > 1 THEN 'Infinity' ELSE place::float8 END, words, picture) FROM step WHERE guide = 4;

-- No rows, one row, rows without evidence.
SELECT xmcoh.coherence('guides', place, words, picture) AS coherence,
       xmcoh.recover_order('guides', step, words, picture) AS recovered FROM step WHERE guide = -1;
SELECT xmcoh.coherence('guides', place, words, picture) AS coherence,
       xmcoh.recover_order('guides', step, words, picture) AS recovered FROM step WHERE guide = 4 AND place = 0;
SELECT guide, xmcoh.recover_order('guides', step, NULL, NULL) AS recovered FROM step WHERE guide IN (4, 8)
       GROUP BY guide ORDER BY guide;
SELECT xmcoh.coherence('guides', place, NULL, NULL) FROM step WHERE guide = 4;

-- As window aggregates, with growing and moving frames.
SELECT place, xmcoh.recover_order('guides', step, words, picture) OVER w = array_agg(step) OVER w AS so_far,
       xmcoh.coherence('guides', place, words, picture) OVER w > 0.5 AS coherent
  FROM step WHERE guide = 4 WINDOW w AS (ORDER BY place ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) ORDER BY place;
SELECT DISTINCT xmcoh.recover_order('guides', step, words, picture)
       FILTER (WHERE place > 0) = array_agg(step ORDER BY place) FILTER (WHERE place > 0) AS filtered FROM step
       GROUP BY guide;

-- Window function: the place of each row.
SELECT count(*) FILTER (WHERE r <> place + 1) AS wrong
       FROM (SELECT place, xmcoh.recovered_position('guides', words, picture) OVER (PARTITION BY guide) AS r
       FROM step) AS d;
SELECT count(*) AS differing FROM (SELECT guide, step,
       xmcoh.recovered_position('guides', words, picture) OVER (PARTITION BY guide) AS r FROM step) AS w
  JOIN (SELECT guide, o, step FROM (SELECT guide, xmcoh.recover_order('guides', step, words, picture) AS r FROM step
      GROUP BY guide) AS a, unnest(r) WITH ORDINALITY AS u (step, o)) AS a USING (guide, step) WHERE r <> o;
-- frames and order do not matter; rows of equal content get different places
SELECT count(DISTINCT r) AS places, min(r), max(r)
       FROM (SELECT xmcoh.recovered_position('guides', 'open',
       NULL) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM generate_series(1, 20) AS i) AS d;
SELECT words, xmcoh.recovered_position('blind', words, NULL) OVER () AS by_content
       FROM unnest('{b,c,a}'::text[]) AS words ORDER BY words;
SELECT xmcoh.recovered_position('guides', words, picture) OVER () FROM step WHERE guide = -1;
SELECT xmcoh.recovered_position('guides', words, picture) OVER () FROM step WHERE guide = 4 AND place = 1;

-- With supplied text embeddings.
CREATE TABLE vec AS SELECT guide, step, place, ARRAY[place * 0.1, step % 2, 1]::real[] AS e FROM step;
SELECT xmcoh.create_model('vectors', text_dim => 3, words => false,
       options => '{"d_model": 16, "heads": 2, "feed_forward": 32, "epochs": 30, "batch_documents": 8}')
       IS NOT NULL AS created;
SELECT xmcoh.attach_source('vectors', 'vec', document => 'guide', item => 'step', text_embedding => 'e',
       "position" => 'place', approved => 'all');
SELECT xmcoh.train('vectors') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT avg(xmcoh.kendall_tau(xmcoh, t)) > 0.8 AS good, bool_and(c > 0) AS coherent
       FROM (SELECT xmcoh.recover_order('vectors', step, NULL, NULL, e) AS xmcoh, array_agg(step ORDER BY place) AS t,
       xmcoh.coherence('vectors', place, NULL, NULL, e) AS c FROM vec GROUP BY guide) AS d;
SELECT count(*) AS differing FROM (SELECT guide, step,
       xmcoh.recovered_position('vectors', NULL, NULL, e) OVER (PARTITION BY guide) AS r FROM vec) AS w
  JOIN (SELECT guide, o, step FROM (SELECT guide, xmcoh.recover_order('vectors', step, NULL, NULL, e) AS r FROM vec
      GROUP BY guide) AS a, unnest(r) WITH ORDINALITY AS u (step, o)) AS a USING (guide, step) WHERE r <> o;
SELECT xmcoh.precedes('vectors', NULL, NULL, NULL, NULL, '{0,0,1}', '{0.6,1,1}') > 0.7 AS before;
SELECT modality, guidance, tau > 0.8 AS good FROM xmcoh.evaluate('vectors');

-- A call that omits an embedding that the model reads raises a notice, once a query.
SELECT count(c) FROM (SELECT xmcoh.coherence('vectors', place, NULL, NULL) AS c FROM vec WHERE guide < 4 GROUP BY guide) AS d;
SELECT count(o) FROM (SELECT xmcoh.recover_order('vectors', step, NULL, NULL) AS o FROM vec WHERE guide < 4 GROUP BY guide) AS d;
SELECT count(r) FROM (SELECT xmcoh.recovered_position('vectors', NULL, NULL) OVER (PARTITION BY guide) AS r FROM vec WHERE guide < 4) AS d;
SELECT count(xmcoh.precedes('vectors', NULL, NULL, NULL, NULL)) FROM generate_series(1, 3);
SELECT count(xmcoh.order_score('vectors', NULL, NULL, NULL, NULL, NULL, NULL)) FROM generate_series(1, 3);
-- no such notice: rows whose embedding is missing, and a model that reads no embedding
SELECT count(c) FROM (SELECT xmcoh.coherence('vectors', place, NULL, NULL, CASE WHEN place > 0 THEN e END) AS c FROM vec WHERE guide < 4 GROUP BY guide) AS d;
SELECT xmcoh.precedes('vectors', NULL, NULL, NULL, NULL, CASE WHEN i > 0 THEN NULL ELSE '{1,2,3}'::real[] END) FROM generate_series(1, 2) AS i;
SELECT xmcoh.precedes('vectors', NULL, NULL, NULL, NULL, text_embedding_b => '{0.6,1,1}') AS one_side;
SELECT xmcoh.coherence('guides', place, words, picture) > 0 AS reads_none FROM step WHERE guide = 4;
SELECT xmcoh.recover_order('vectors', step, NULL, NULL) FROM vec WHERE guide = -1;

-- One kind of evidence gives the same order as order_documents. Items that lack the modality are left out.
CREATE TABLE part AS SELECT guide, step, place, words, CASE WHEN step % 3 <> 0 THEN picture END AS picture FROM step;
SELECT xmcoh.attach_source('guides', 'part', document => 'guide', item => 'step', text => 'words', image => 'picture');
SELECT e AS evidence, count(*) AS items, count(*) FILTER (WHERE a.n IS DISTINCT FROM o.position) AS differing,
       count(*) FILTER (WHERE w.r IS DISTINCT FROM o.position) AS differing_places
  FROM unnest('{fused,text,image,text guided,image guided}'::text[]) AS e, xmcoh.order_documents('guides', 'part', e) AS o
  LEFT JOIN LATERAL (SELECT guide, step, n FROM
       (SELECT guide, xmcoh.recover_order('guides', step, words, picture, NULL, e) AS r FROM part GROUP BY guide) AS d,
       unnest(r) WITH ORDINALITY AS u (step, n)) AS a ON a.guide = o.document::int AND a.step = o.item::int
  LEFT JOIN LATERAL (SELECT guide, step, xmcoh.recovered_position('guides', words, picture, NULL, e) OVER (PARTITION BY guide) AS r
       FROM part) AS w ON w.guide = o.document::int AND w.step = o.item::int
 WHERE o.document::int < 9 GROUP BY 1 ORDER BY 1;
SELECT count(*) AS without_place FROM (SELECT picture, xmcoh.recovered_position('guides', words, picture, NULL, 'image')
       OVER (PARTITION BY guide) AS r FROM part) AS d WHERE r IS NULL AND picture IS NULL;
SELECT evidence, abs(c - m) < 1e-6 AS is_the_mean
  FROM (SELECT e AS evidence, xmcoh.coherence('guides', place, words, picture, NULL, e) AS c
          FROM unnest('{fused,text,image,text guided,image guided}'::text[]) AS e, part WHERE guide = 11 GROUP BY e) AS c
  JOIN (SELECT e AS evidence, avg(sign(b.place - a.place) * (2 / (1 + exp(-s)) - 1)) AS m
          FROM xmcoh.pair_scores('guides', '11', 'part') AS p
          JOIN part AS a ON a.guide = 11 AND a.step = item_a::int JOIN part AS b ON b.guide = 11 AND b.step = item_b::int,
               LATERAL (VALUES ('fused', fused), ('text', text), ('image', image), ('text guided', text_guided),
                   ('image guided', image_guided)) AS e (e, s) WHERE s IS NOT NULL GROUP BY e) AS m USING (evidence) ORDER BY 1;
-- NULL means fused; the order is NULL when no item has the modality
SELECT xmcoh.recover_order('guides', step, words, picture, NULL, NULL) = xmcoh.recover_order('guides', step, words, picture) AS usual,
       xmcoh.recover_order('guides', step, words, NULL, NULL, 'image') AS nothing,
       xmcoh.coherence('guides', place, words, NULL, NULL, 'image guided') AS unknown FROM step WHERE guide = 4;
SELECT xmcoh.recover_order('guides', step, words, picture, NULL, 'smell') FROM step WHERE guide = 4;
SELECT xmcoh.recover_order('guides', step, words, picture, NULL, CASE WHEN place > 0 THEN 'text' ELSE 'image' END) FROM step WHERE guide = 4;
SELECT xmcoh.recovered_position('guides', words, picture, NULL, CASE WHEN place > 0 THEN 'text' END) OVER (ORDER BY place)
  FROM step WHERE guide = 4;
SELECT xmcoh.detach_source('guides', 'part');
DROP TABLE part;

-- Grouping sets and hashed groups do not share state.
SELECT count(*) FROM (SELECT guide, place % 2, xmcoh.recover_order('guides', step, words, picture) FROM step
       WHERE guide < 3 GROUP BY GROUPING SETS ((guide), (guide, place % 2))) AS g;
-- items of type float are returned in full precision, whatever extra_float_digits is
SET extra_float_digits = -10;
SELECT xmcoh.recover_order('guides', 1 + step * 1e-12::float8, words, picture)
       = xmcoh.recover_order('guides', 1 + step * 1e-12::float8, words, picture ORDER BY place DESC) AS float8_same,
       (SELECT array_agg(1 + s * 1e-12::float8 ORDER BY n)
          FROM unnest(xmcoh.recover_order('guides', step, words, picture)) WITH ORDINALITY AS u (s, n))
       = xmcoh.recover_order('guides', 1 + step * 1e-12::float8, words, picture) AS float8_whole,
       cardinality(xmcoh.recover_order('guides', (1 + step * 1e-6)::float4, words, picture)) AS float4_items
  FROM step WHERE guide = 3;
RESET extra_float_digits;
