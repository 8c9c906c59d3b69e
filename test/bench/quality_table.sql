-- quality_table.sql - the tables of quality.sh, printed by psql with border 2; quality.sh converts them to Markdown.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
\pset footer off
\pset border 2

-- Each document's tau under each condition, averaged over seeds; for the paper's rule, with its best number of rounds.
CREATE TEMPORARY TABLE figure AS
    WITH document AS (
        SELECT setting, split, guides.size_of(size) AS size, name, rounds, guide_id, min(condition) AS condition, avg(tau) AS tau
          FROM quality.result JOIN quality.run USING (run) JOIN quality.condition USING (condition)
         WHERE tau IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6),
    best AS (
        SELECT DISTINCT ON (setting, split, size, name) setting, split, size, name, rounds
          FROM document GROUP BY 1, 2, 3, 4, 5 ORDER BY setting, split, size, name, avg(tau) DESC, rounds)
    SELECT * FROM document JOIN best USING (setting, split, size, name, rounds);

-- The same documents in the order of their keys, which are hashes.
INSERT INTO figure (setting, split, size, name, rounds, guide_id, condition, tau)
    SELECT setting, split, size, 'random order', 1, guide_id, 0,
           xmcoh.kendall_tau(array_agg(step_key ORDER BY step_key), array_agg(step_key ORDER BY step_no))
      FROM (SELECT DISTINCT setting, split, size, guide_id FROM figure) AS f JOIN guides.step USING (guide_id)
     GROUP BY setting, split, size, guide_id;

-- Texts and photos of a document together: the mean tau of both guided orders. Our rule with a known alignment has one order.
INSERT INTO figure (setting, split, size, name, rounds, guide_id, condition, tau)
    SELECT setting, split, size, replace(name, 'text guided', 'both guided'), t.rounds, guide_id, t.condition, (t.tau + i.tau) / 2
      FROM figure AS t JOIN (SELECT setting, split, size, replace(name, 'image guided', 'text guided') AS name, guide_id, tau FROM figure
                              WHERE name ~ '^image guided') AS i USING (setting, split, size, name, guide_id);

CREATE TEMPORARY TABLE mean AS
    SELECT setting, split, size, name, min(condition) AS condition, avg(tau) AS tau,
           guides.interval_of(array_agg(tau ORDER BY guide_id))
               || CASE WHEN name ~ 'paper' THEN format(' (%s)', min(rounds)) ELSE '' END AS shown
      FROM figure GROUP BY 1, 2, 3, 4;

-- The comparisons, on the same documents.
CREATE TEMPORARY TABLE contrast (n int GENERATED ALWAYS AS IDENTITY, label text, a text, b text);
INSERT INTO contrast (label, a, b) VALUES ('fused - text', 'fused', 'text');
INSERT INTO contrast (label, a, b)
    SELECT format('guided, alignment inferred - solo: %s', e), e || ' guided, alignment inferred', e FROM unnest('{text,image}'::text[]) AS e;
INSERT INTO contrast (label, a, b)
    SELECT format('by the other''s stored order - by its scores: %s', e), format('%s, by the other''s stored order', e), e
      FROM unnest('{"text guided, alignment inferred","image guided, alignment inferred"}'::text[]) AS e;
INSERT INTO contrast (label, a, b)
    SELECT DISTINCT ON (r, a.condition, b.name) format('%s: %s', label, regexp_replace(b.name, ', [^,]*$', '')), a.name, b.name
      FROM (VALUES (1, 'ours - the paper''s', 'paper'), (2, 'soft - hard alignment', 'hard'),
                   (3, 'calibrated - not', 'uncalibrated')) AS r (r, label, rule)
      JOIN quality.condition AS b ON b.guidance = rule
      JOIN quality.condition AS a ON (a.guidance, a.taught, a.alignment) = ('soft', b.taught, b.alignment)
       AND a.evidence = CASE b.alignment WHEN 'known' THEN 'fused' ELSE b.evidence END
     ORDER BY r, a.condition, b.name DESC;
INSERT INTO contrast (label, a, b) VALUES
    ('ours - the paper''s: both guided, alignment known', 'fused', 'both guided, alignment known, paper''s rule'),
    ('ours - the paper''s: both guided, alignment inferred', 'both guided, alignment inferred', 'both guided, alignment inferred, paper''s rule'),
    ('ours after a round - the paper''s: both guided, alignment known', 'fused, after a round', 'both guided, alignment known, paper''s rule'),
    ('ours after a round - the paper''s: both guided, alignment inferred', 'both guided, alignment inferred, after a round',
     'both guided, alignment inferred, paper''s rule');
INSERT INTO contrast (label, a, b)
    SELECT format('ours after a round - the paper''s: %s', e), e || ', after a round', e || ', paper''s rule'
      FROM unnest('{"text guided, alignment inferred","image guided, alignment inferred"}'::text[]) AS e;
INSERT INTO contrast (label, a, b)
    SELECT format('ours after a round - the paper''s: %s, alignment known', e), 'fused, after a round', e || ', alignment known, paper''s rule'
      FROM unnest('{text guided,image guided}'::text[]) AS e;
INSERT INTO contrast (label, a, b)
    SELECT format('after a round - before: %s', b.name), a.name, b.name
      FROM quality.condition AS a JOIN quality.condition AS b ON a.name = b.name || ', after a round' ORDER BY a.condition;
INSERT INTO contrast (label, a, b)
    SELECT format('alignment known - inferred: %s', e), 'fused', e || ', alignment inferred' FROM unnest('{text guided,image guided}'::text[]) AS e;

-- Bold: the interval does not include 0.
CREATE TEMPORARY TABLE difference AS
    SELECT setting, split, size, n, label, regexp_replace(shown, '^.*(\[\+(?!0\.000)|, -(?!0\.000)).*$', '**\&**') AS shown
      FROM (SELECT setting, split, size, n, label,
                   guides.difference_of(array_agg(a.tau ORDER BY guide_id), array_agg(b.tau ORDER BY guide_id)) AS shown
              FROM contrast JOIN figure AS a ON a.name = contrast.a
              JOIN figure AS b USING (setting, split, size, guide_id) WHERE b.name = contrast.b
             GROUP BY 1, 2, 3, 4, 5) AS d;

CREATE FUNCTION pg_temp.rank_of(size text) RETURNS int LANGUAGE sql AS
    $$ SELECT coalesce(substring(size FROM '^\d+')::int, 1000000) $$;

SELECT format($$%s real illustrated guides in five folds, by document and by repository. Folds tested: %s (by document, %s guides).

Samples of approved documents: %s, each with a training seed of its own. The other documents of the training folds (%s in
all) are the pool: they are read, but their order is not approved. Inputs: words, and embeddings of 256 numbers of text and
picture.

Figures are Kendall tau; a random order has 0. A figure is the mean over test documents, each averaged over samples first,
with its 95%% bootstrap interval over documents. Differences are paired. Bold: the interval does not contain 0.

| words in the tables | meaning |
|---|---|
| alignment inferred | rows that hold text and picture are read as one row of each kind that nothing links. Where the alignment is known, text guided and image guided are the fused order |
| by the other's stored order | `guidance => 'stored'`: photos take the stored order of their manual's steps, or texts that of the photos. Only the alignment is inferred |
| after a round | trained with `rounds` 1 |
| paper's rule | `guidance => 'paper'`. In brackets: the best number of rounds of guidance, one to three, chosen on the test documents, which favours this rule |

[method.md](method.md) defines the rules.$$,
              (SELECT count(*) FROM guides.fold WHERE split = 'document'), count(DISTINCT fold),
              (SELECT count(DISTINCT guide_id) FROM figure WHERE split = 'document'), max(seed),
              (SELECT round(avg(n)) FROM (SELECT count(*) AS n FROM quality.document GROUP BY run) AS d)) AS head
  FROM quality.run \gset
\echo :head

\set of_split repository
\ir quality_split.sql
\set of_split document
\ir quality_split.sql

\echo '## How many times the tau of image alone'
\echo 'Nothing where that is not above 0.'
\echo
SELECT format('%s, by %s', a.name, split) AS "order by", size, to_char(a.tau / nullif(greatest(b.tau, 0), 0), 'FM990.0') AS shown,
       pg_temp.rank_of(size) AS rank
  FROM mean AS a JOIN mean AS b USING (setting, split, size)
 WHERE setting = 'as they are' AND b.name = 'image'
   AND a.name IN ('image guided, alignment inferred', 'image guided, alignment inferred, by the other''s stored order',
                  'image, after a round', 'image guided, alignment inferred, after a round')
 ORDER BY split DESC, a.condition, rank \crosstabview 1 2 3 4

\echo '## Where something is missing: 200 approved documents, one sample, no round'
SELECT setting, split, max(shown) FILTER (WHERE name = 'text') AS text, max(shown) FILTER (WHERE name = 'image') AS image,
       max(shown) FILTER (WHERE name = 'fused') AS fused,
       (SELECT d.shown FROM difference AS d
         WHERE (d.setting, d.split, d.size) = (m.setting, m.split, m.size) AND label = 'fused - text') AS "fused - text"
  FROM mean AS m WHERE setting <> 'as they are' GROUP BY setting, split, size ORDER BY setting, split DESC;

\echo '## What the rounds did'
\echo 'Means over the models; pairs are those of the pool. Selected: share of pairs of which the guides of the folds together are'
\echo 'confident enough. Estimated precision: share of approved pairs above the threshold that are right.'
\echo
\echo 'True precision: of as many pairs of the pool, the most confident ones by the version without a round, the share that is'
\echo 'right by the pool''s order, which training was not told.'
\echo
SELECT split, guides.size_of(size) AS size, pupil, count(*) AS rounds, count(*) FILTER (WHERE kept) AS kept,
       round(avg(documents)) AS documents, to_char(avg(threshold), 'FM0.00') AS threshold,
       to_char(avg(selected), 'FM0.000') AS selected, to_char(avg(estimated), 'FM0.000') AS "estimated precision",
       to_char(sum(correct) / nullif(sum(chosen), 0), 'FM0.000') AS "true precision", to_char(avg(agreement), 'FM0.000') AS agreement
  FROM quality.round JOIN quality.run AS r USING (run) GROUP BY split, r.size, pupil ORDER BY split DESC, r.size, pupil;

\ir quality_check_table.sql
\ir quality_gaps_table.sql

\echo '## Seconds'
\echo 'Means over the models, two of which were trained at a time. A round: the job with one less the job without.'
\echo
SELECT split, guides.size_of(size) AS size, count(*) AS models, to_char(avg(p), 'FM990.0') AS "phase 0",
       to_char(avg(b - p), 'FM990.0') AS "a round", to_char(avg(s), 'FM990.0') AS "ordering the pool",
       to_char(avg(b - p) / avg(p), 'FM990.00') AS "a round / phase 0"
  FROM (SELECT split, size, extract(epoch FROM phase_0) AS p, extract(epoch FROM with_round) AS b, extract(epoch FROM scoring) AS s
          FROM quality.run WHERE setting = 'as they are') AS r GROUP BY split, size ORDER BY split DESC, r.size;
