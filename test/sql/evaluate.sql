-- Documents that taught a version are judged apart from documents that the version has not seen.
-- Notes of 4 items. A verb gives the place in most cases. A second word occurs nowhere else, so a version that has seen the note
-- knows the place by heart. 80 of 120 notes are approved.
CREATE TABLE note AS
    SELECT d AS doc, (p * 3 + d) % 4 AS item, p AS place, d <= 80 AS ok,
           (ARRAY['open', 'fit', 'turn', 'close'])[1 + CASE WHEN (d * 31 + p * 17) % 5 < 2 THEN p ELSE (d * 7 + p * 13) % 11 % 4 END]
           || ' n' || d || 'x' || p AS words
      FROM generate_series(1, 120) AS d, generate_series(0, 3) AS p;
SELECT xmcoh.create_model('memo', options => '{"hash_bits": 14, "bag_dim": 0, "folds": 0}') > 0 AS created;
SELECT xmcoh.attach_source('memo', 'note', document => 'doc', item => 'item', text => 'words', "position" => 'place', approved => 'ok');
SELECT xmcoh.train('memo') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT (report ->> 'held_out_documents')::int AS held_out FROM xmcoh.model_version WHERE job_id = :job \gset

-- held out: no document that had taught the version when it was measured; in the end these have taught it, too
SELECT modality, guidance, documents = :held_out AS documents, documents_seen FROM xmcoh.evaluate('memo');
-- the whole source: unseen documents come first, then seen documents, whose figures are better than new documents will get
CREATE TEMP TABLE whole AS SELECT * FROM xmcoh.evaluate('memo', 'note');
SELECT modality, guidance, documents = 40 AS unseen, documents = 80 AS seen, documents_seen = documents AS all,
       documents_seen = 0 AS none FROM whole;
SELECT s.tau - u.tau > 0.1 AS flatters, s.tau > u.tau_high AS beyond_doubt, s.pmr > u.pmr_high AS pmr_too
  FROM whole AS s JOIN whole AS u USING (modality, guidance) WHERE s.documents_seen > 0 AND u.documents_seen = 0;
-- without a source the unseen documents are the held-out ones, by the version as it was measured
\set VERBOSITY terse
UPDATE note SET place = NULL WHERE doc > 80;
CREATE TEMP TABLE approved AS SELECT * FROM xmcoh.evaluate('memo', 'note');
SELECT count(*) FROM approved WHERE documents_seen = 0;
SELECT s.tau - u.tau > 0.1 AS flatters FROM approved AS s JOIN xmcoh.evaluate('memo') AS u USING (modality, guidance);
-- a document that taught the version counts as seen after its approval is withdrawn, and in another source
UPDATE note SET ok = false;
SELECT count(*) FROM (SELECT * FROM xmcoh.evaluate('memo', 'note') EXCEPT SELECT * FROM approved) AS other;
CREATE VIEW again AS SELECT * FROM note;
SELECT xmcoh.detach_source('memo', 'note'),
       xmcoh.attach_source('memo', 'again', document => 'doc', item => 'item', text => 'words', "position" => 'place');
SELECT count(*) FROM (SELECT * FROM xmcoh.evaluate('memo', 'again') EXCEPT SELECT * FROM approved) AS other;
-- a document that is approved later counts as unseen
UPDATE note SET ok = true, place = (SELECT p FROM generate_series(0, 3) AS p WHERE (p * 3 + doc) % 4 = item);
SELECT count(*) FROM (SELECT * FROM xmcoh.evaluate('memo', 'again') EXCEPT SELECT * FROM whole) AS other;
-- when no other document exists, the hint says what to do
\set VERBOSITY default
CREATE VIEW alone AS SELECT * FROM note WHERE doc = 1;
SELECT xmcoh.attach_source('memo', 'alone', document => 'doc', item => 'item', text => 'words', "position" => 'place');
SELECT modality, guidance, documents, documents_seen FROM xmcoh.evaluate('memo', 'alone');

-- The record of seen documents is part of the weights. Without the record nobody knows which documents are unseen.
CREATE FUNCTION without_record(weights bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT set_byte(set_byte(set_byte('\x0000000000000000', 0, octet_length(new) & 255), 1, octet_length(new) >> 8 & 255), 2, octet_length(new) >> 16)
           || new || substr(weights, 9 + size, (header #>> '{seen,data_offsets,0}')::int)
      FROM (SELECT get_byte(weights, 0) + 256 * get_byte(weights, 1) + 65536 * get_byte(weights, 2) AS size) AS s,
           LATERAL (SELECT convert_from(substr(weights, 9, size), 'UTF8')::jsonb AS header) AS h,
           LATERAL (SELECT (header - 'seen')::text AS text) AS t,
           LATERAL (SELECT convert_to(rpad(text, (length(text) + 71) / 64 * 64 - 8), 'UTF8') AS new) AS n $$;
SELECT xmcoh.import_model('copy', xmcoh.export_model('memo')), xmcoh.import_model('copy', without_record(xmcoh.export_model('memo')));
SELECT xmcoh.attach_source('copy', 'note', document => 'doc', item => 'item', text => 'words', "position" => 'place');
SELECT xmcoh.deploy('copy', 1);
\set VERBOSITY terse
SELECT count(*) FROM (SELECT * FROM xmcoh.evaluate('copy', 'note') EXCEPT SELECT * FROM whole) AS other;
\set VERBOSITY default
SELECT xmcoh.deploy('copy', 2);
SELECT modality, guidance, documents, documents_seen FROM xmcoh.evaluate('copy', 'note');

-- A document without approved pairs teaches the alignment. Its figures are too good when the alignment is used.
CREATE VIEW half_ok AS SELECT *, guide <= 60 AS ok FROM step;
SELECT xmcoh.create_model('pooled', image_dim => 4,
       options => '{"d_model": 8, "heads": 2, "feed_forward": 8, "hash_bits": 12, "bag_dim": 0, "epochs": 5, "folds": 0, "find_groups": 0}') > 0 AS created;
SELECT xmcoh.attach_source('pooled', 'half_ok', document => 'guide', item => 'step', text => 'words', image => 'picture',
       "position" => 'place', approved => 'ok');
SELECT xmcoh.train('pooled') AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT (report ->> 'held_out_documents')::int AS held_out FROM xmcoh.model_version WHERE job_id = :job \gset
\set VERBOSITY terse
CREATE VIEW apart AS SELECT guide, step, place, words, NULL::real[] AS picture FROM step WHERE step % 2 = 0
    UNION ALL SELECT guide, step, place, NULL, picture FROM step WHERE step % 2 = 1;
SELECT xmcoh.attach_source('pooled', 'apart', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT a AS alignment, source, CASE WHEN documents_seen = 0 THEN 'unseen' ELSE 'seen' END AS are, documents
  FROM (VALUES ('known', 'half_ok'), ('inferred', 'half_ok'), ('known', 'apart')) AS v (a, source),
       LATERAL xmcoh.evaluate('pooled', source::regclass, alignment => a) WHERE modality = 'text' AND guidance = 'guided';
-- the same holds in rounds, through weak labels
SELECT xmcoh.detach_source('pooled', 'apart');     -- its documents are also in the other source, and training would refuse them
SELECT xmcoh.train('pooled', rounds => 1) AS job \gset
CALL xmcoh.wait_for_job(:job, '180s');
SELECT CASE WHEN documents_seen = 0 THEN 'unseen' ELSE 'seen' END AS are, documents
  FROM xmcoh.evaluate('pooled', 'half_ok') WHERE modality = 'text' AND guidance = 'guided';
\set VERBOSITY default

-- A report may hold any value, after a restore, an import or a change by hand.
SELECT path, xmcoh.report_number(report, VARIADIC path), xmcoh.report_integer(report, VARIADIC path)
  FROM (SELECT '{"text": "x", "number": 3, "fraction": 0.25, "digits": "7", "large": 3000000000, "huge": 1e400, "tiny": 1e-400, "zero": 0.0,
                 "negative": -2.5, "null": null, "true": true, "list": [1, 2], "nested": {"a": 1.5}}'::jsonb) AS r (report),
       (SELECT ARRAY[k] FROM jsonb_object_keys('{"text": 0, "number": 0, "fraction": 0, "digits": 0, "large": 0, "huge": 0, "tiny": 0, "zero": 0,
                 "negative": 0, "null": 0, "true": 0, "list": 0, "nested": 0, "none": 0}') AS k
        UNION ALL VALUES ('{nested,a}'::text[]), ('{list,1}'), ('{number,a}'), ('{}')) AS p (path) ORDER BY path;
SELECT value, xmcoh.report_number(value, 'documents') FROM unnest(ARRAY['3', '"x"', '[]', 'null']::jsonb[]) AS value;
SELECT xmcoh.report_number(NULL, 'a') IS NULL AS "null", xmcoh.report_integer('{}', VARIADIC NULL) IS NULL AS no_path;
SELECT xmcoh.deploy('memo', 1);
BEGIN;
UPDATE xmcoh.model_version SET report = '{"seed": "x", "held_out_threshold": 1e400}'
 WHERE model_id = (SELECT model_id FROM xmcoh.model WHERE name = 'memo');
SELECT * FROM xmcoh.evaluate('memo', guidance => 'hard');
ROLLBACK;
SELECT xmcoh.drop_model('memo'), xmcoh.drop_model('copy'), xmcoh.drop_model('pooled');
DROP FUNCTION without_record(bytea);
DROP VIEW alone, again, apart, half_ok;
DROP TABLE note, whole, approved;
