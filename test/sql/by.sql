-- Figures of each process: what training measured of every approved document, and checks, by a column of the sources.
-- Manuals of 3 to 5 steps. The first words tell the place of a step of welding; painting has other verbs in two of three manuals;
-- one manual is of packing, and four name no process.
CREATE TABLE work AS
    SELECT m AS manual, (p * 3 + m) % 7 AS step, p AS place,
           CASE WHEN m = 40 THEN 'packing' WHEN m % 10 = 7 THEN NULL WHEN m % 2 = 0 THEN 'welding' ELSE 'painting' END AS process,
           (ARRAY['unpack', 'clean', 'fit', 'test', 'store'])[1 + CASE WHEN m % 2 = 0 OR m % 3 = 0 THEN p ELSE (m * 7 + p * 11) % 13 % 5 END]
           || ' p' || (m * 5 + p) % 9 AS words
      FROM generate_series(1, 40) AS m, generate_series(0, 2 + m % 3) AS p;
SELECT xmcoh.create_model('works', options => '{"hash_bits": 12, "bag_dim": 0}') > 0 AS created;
SELECT xmcoh.attach_source('works', 'work', 'manual', 'step', text => 'words', "position" => 'place', approved => 'all');
SELECT xmcoh.train('works') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');

-- ---- evaluate(model) ----

-- All approved documents were measured, each by a model that had not learned from it. The figures are those of the version.
SELECT e.modality, e.guidance, e."group" IS NULL AS one, e.documents, e.documents_seen, e.items = (SELECT count(*) FROM work) AS items,
       abs(e.tau - f.tau) < 1e-6 AS tau, abs(e.tau_low - f.tau_low) < 0.05 AS low, abs(e.tau_high - f.tau_high) < 0.05 AS high,
       e.neighbours BETWEEN e.neighbours_low AND e.neighbours_high AS neighbours, e.calibration_error IS NOT NULL AS calibration
  FROM xmcoh.evaluate('works') AS e JOIN xmcoh.version_figures AS f ON f.model = 'works' AND f.evidence = e.modality;
-- By another rule, or from a source, documents are scored now.
SELECT 'hard' AS by, documents < 20 AS held_out FROM xmcoh.evaluate('works', guidance => 'hard') WHERE modality = 'fused';

-- One row a process. Together these are all documents; one document has no interval; the text tells the order of welding.
SELECT "group", modality, documents, acc IS NOT NULL AS acc, acc_low IS NULL AND pmr_high IS NULL AND neighbours_low IS NULL AND tau_low IS NULL AS no_interval,
       tau_low <= tau AND tau <= tau_high AND acc_low <= acc AND acc <= acc_high AND pmr_low <= pmr AND pmr <= pmr_high
       AND neighbours_low <= neighbours AND neighbours <= neighbours_high AS inside
  FROM xmcoh.evaluate('works', by => 'process');
SELECT w.tau > p.tau AS better, w.pmr > p.pmr AS more_perfect, w.neighbours > p.neighbours AS neighbours
  FROM xmcoh.evaluate('works', by => 'process') AS w JOIN xmcoh.evaluate('works', by => 'process') AS p USING (modality)
 WHERE w."group" = 'welding' AND p."group" = 'painting' AND modality = 'fused';
SELECT abs(sum(g.acc * g.items) / sum(g.items) - max(e.acc)) < 1e-9 AS acc, abs(sum(g.pmr * g.documents) / sum(g.documents) - max(e.pmr)) < 1e-9 AS pmr,
       abs(sum(g.tau * g.documents) / sum(g.documents) - max(e.tau)) < 1e-9 AS tau,
       abs(sum(g.neighbours * (g.items - g.documents)) / sum(g.items - g.documents) - max(e.neighbours)) < 1e-9 AS neighbours
  FROM xmcoh.evaluate('works', by => 'process') AS g, xmcoh.evaluate('works') AS e WHERE g.modality = 'fused' AND e.modality = 'fused';
SELECT documents FROM xmcoh.evaluate('works', by => 'process', documents => '{2,4,6,3}') WHERE modality = 'fused' ORDER BY "group";
-- a small group has the wider interval
SELECT few.tau_high - few.tau_low > many.tau_high - many.tau_low AS wider
  FROM xmcoh.evaluate('works', by => 'process', documents => '{2,4,1,3,9,11}') AS few JOIN xmcoh.evaluate('works', by => 'process') AS many USING ("group", modality)
 WHERE "group" = 'welding' AND modality = 'fused';
-- a document that has changed since does not count
\set VERBOSITY default
BEGIN;
UPDATE work SET words = words || ' new' WHERE manual IN (2, 4) AND place = 0;
DELETE FROM work WHERE manual = 6;
UPDATE work SET place = 9 WHERE manual = 8 AND place = 0;
SELECT DISTINCT documents FROM xmcoh.evaluate('works');
SELECT "group", documents FROM xmcoh.evaluate('works', by => 'process') WHERE modality = 'fused';
-- nor where all have; then documents are scored, as without a record
UPDATE work SET words = words || ' new';
SELECT DISTINCT documents < 20 AS held_out FROM xmcoh.evaluate('works');
ROLLBACK;

-- An imported version has its record.
SELECT xmcoh.import_model('copied works', xmcoh.export_model('works')), xmcoh.deploy('copied works', 1);
SELECT xmcoh.attach_source('copied works', 'work', 'manual', 'step', text => 'words', "position" => 'place', approved => 'all');
SELECT count(*) FROM (SELECT * FROM xmcoh.evaluate('copied works') EXCEPT SELECT * FROM xmcoh.evaluate('works')) AS other;
-- A version without a record: the tensors of the record are taken out of the file.
CREATE FUNCTION without_results(weights bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    WITH file AS (SELECT 8 + get_byte(weights, 0) + 256 * get_byte(weights, 1) + 65536 * get_byte(weights, 2) AS size),
         header AS (SELECT size, convert_from(substr(weights, 9, size - 8), 'UTF8')::jsonb AS header FROM file),
         tensor AS (SELECT key, value, (value #>> '{data_offsets,0}')::int AS first, (value #>> '{data_offsets,1}')::int AS last
                      FROM header, jsonb_each(header) WHERE key <> '__metadata__' AND key NOT LIKE 'results%'),
         placed AS (SELECT key, value, first, last, sum(last - first) OVER (ORDER BY first) AS until FROM tensor),
         text AS (SELECT (jsonb_object_agg(key, value || jsonb_build_object('data_offsets', jsonb_build_array(until - (last - first), until)))
                          || jsonb_build_object('__metadata__', (SELECT header -> '__metadata__' FROM header)))::text AS text FROM placed),
         new AS (SELECT convert_to(rpad(text, (length(text) + 71) / 64 * 64 - 8), 'UTF8') AS new FROM text)
    SELECT set_byte(set_byte(set_byte('\x0000000000000000', 0, octet_length(new) & 255), 1, octet_length(new) >> 8 & 255), 2, octet_length(new) >> 16)
           || new || (SELECT string_agg(substr(weights, size + 1 + first, last - first), '' ORDER BY first) FROM placed, file) FROM new $$;
BEGIN;
ALTER TABLE xmcoh.model_version DISABLE TRIGGER USER;
UPDATE xmcoh.model_version AS v SET weights = w, sha256 = encode(sha256(w), 'hex')
  FROM (SELECT without_results(xmcoh.export_model('works')) AS w) AS x WHERE v.model_id = xmcoh.model_id('works') AND v.version = 1;
SELECT modality, documents < 20 AS held_out FROM xmcoh.evaluate('works');
ROLLBACK;

-- ---- the column ----

SELECT * FROM xmcoh.evaluate('works', by => 'line');
SELECT * FROM xmcoh.evaluate('works', by => 'ctid');
SELECT * FROM xmcoh.evaluate('works', by => 'process" FROM pg_authid --');
SELECT * FROM xmcoh.check_documents('works', by => '');
-- a number is its text; NULL is a group without a name
SELECT "group", count(*) FROM xmcoh.check_documents('works', by => 'manual', documents => '{3,5}') GROUP BY 1 ORDER BY 1;
BEGIN;
UPDATE work SET process = 'cutting' WHERE manual = 3 AND place = 1;
SELECT * FROM xmcoh.check_documents('works', by => 'process');
ROLLBACK;
-- the column may be that of a relation whose rows belong to the same documents
BEGIN;
CREATE TABLE photo AS SELECT manual, 'photo' AS item, 'a photo' AS words, 'hall ' || manual % 2 AS hall FROM work WHERE place = 0;
SELECT xmcoh.attach_source('works', 'photo', 'manual', 'item', text => 'words', documents_of => 'work');
SELECT "group", count(*) FROM xmcoh.check_documents('works', by => 'hall') GROUP BY 1 ORDER BY 1;
ROLLBACK;
-- more groups than anybody reads
CREATE TABLE many AS SELECT 'm' || m AS manual, p AS step, p AS place, 'fit' AS words FROM generate_series(1, 10001) AS m, generate_series(1, 2) AS p;
SELECT xmcoh.attach_source('works', 'many', 'manual', 'step', text => 'words', "position" => 'place');
SELECT count(*) FROM xmcoh.evaluate('works', 'many', by => 'manual');
SELECT xmcoh.detach_source('works', 'many');
DROP TABLE many;

-- ---- check_groups ----

-- A welding manual is stored backwards, a painting manual has two steps in other places.
UPDATE work SET place = -place WHERE manual = 4;
UPDATE work SET place = 1 - place WHERE manual = 3 AND place < 2;
SELECT xmcoh.detach_source('works', 'work'),
       xmcoh.attach_source('works', 'work', 'manual', 'step', text => 'words', "position" => 'place');
CREATE TEMP TABLE by_process AS SELECT * FROM xmcoh.check_groups('works', 'process');
SELECT "group", documents, items, documents = suspect + unsure + ok + approved + stale AS all_verdicts,
       share_suspect_low <= share_suspect AND share_suspect <= share_suspect_high AND share_passed_low <= share_passed AND share_passed <= share_passed_high AS inside,
       violations_open, missing_photos, foreign_photos FROM by_process;
SELECT count(*) AS same FROM by_process AS g JOIN (
    SELECT "group", count(*) AS documents, sum(items) AS items, avg(coherence) AS coherence, avg(gain) AS gain,
           count(*) FILTER (WHERE verdict = 'suspect') AS suspect, count(*) FILTER (WHERE verdict = 'unsure') AS unsure,
           avg((verdict = 'suspect')::int) AS share_suspect, avg((verdict IN ('ok', 'approved'))::int) AS share_passed
      FROM xmcoh.check_documents('works', by => 'process') GROUP BY 1) AS c
    ON g."group" IS NOT DISTINCT FROM c."group" AND g.documents = c.documents AND g.items = c.items AND abs(g.coherence - c.coherence) < 1e-9
   AND abs(g.gain - c.gain) < 1e-9 AND g.suspect = c.suspect AND g.unsure = c.unsure AND abs(g.share_suspect - c.share_suspect) < 1e-9
   AND abs(g.share_passed - c.share_passed) < 1e-9;
-- one row for all; the interval of Clopper and Pearson; one document; none
SELECT "group" IS NULL AS one, documents FROM xmcoh.check_groups('works');
SELECT documents, share_suspect, share_suspect_low, round(share_suspect_high::numeric, 6) AS share_suspect_high FROM xmcoh.check_groups('works', documents => '{10,12,20}', "precision" => 0.9);
SELECT documents, share_suspect IS NOT NULL AS share, share_suspect_low IS NULL AND share_passed_high IS NULL AS no_interval FROM xmcoh.check_groups('works', documents => '{10}');
SELECT count(*) FROM xmcoh.check_groups('works', 'process', documents => '{}');
-- an approved document needs nobody
SELECT xmcoh.approve_order('works', '4', (SELECT array_agg(step::text ORDER BY place) FROM work WHERE manual = 4)) > 0 AS approved;
SELECT approved, suspect, share_passed FROM xmcoh.check_groups('works', 'process', documents => '{4}');
-- no photos for a model that does not read images
SELECT "group", missing_photos, foreign_photos FROM xmcoh.check_groups('works', 'process', photos => true);
SELECT p, w, i.low IS NULL AS none FROM (VALUES (5, 3), (-1, 3), (0, 0), (1, 1), (1, 2)) AS v (p, w), xmcoh_internal.share_interval(p, w) AS i;

-- ---- who may see what ----

CREATE ROLE by_reader;
SELECT xmcoh.grant_usage('by_reader'), xmcoh.grant_model('works', 'by_reader', 'score');
GRANT SELECT (manual, step, place, words) ON work TO by_reader;
SET ROLE by_reader;
SELECT documents, violations_open FROM xmcoh.check_groups('works', documents => '{4,6}');
SELECT * FROM xmcoh.check_groups('no such model');
SELECT * FROM xmcoh.check_groups('works', 'process');
SELECT * FROM xmcoh.evaluate('works', by => 'process');
RESET ROLE;
SELECT xmcoh.revoke_model('works', 'by_reader');
SET ROLE by_reader;
SELECT * FROM xmcoh.check_groups('works');
RESET ROLE;
REVOKE ALL ON work FROM by_reader;
SELECT count(xmcoh.drop_model(m, discard_decisions => true)) FROM unnest('{works,copied works}'::text[]) AS m;
DROP OWNED BY by_reader;
DROP ROLE by_reader;
DROP TABLE work;
DROP FUNCTION without_results;
