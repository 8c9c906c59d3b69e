-- scale.sql - generated documents and a model for scale.sh. psql variables: documents, sample (documents that training reads).
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION xmcoh;
SELECT setseed(0.5);

-- Images are drawn from a pool: generating 64 numbers a row would take longer than ordering.
CREATE TABLE picture AS
    SELECT k, (SELECT array_agg((random() - 0.5)::real) FROM generate_series(1, 64 + 0 * k)) AS image FROM generate_series(0, 996) AS k;

-- Eight steps a document, ten words each. The first word tells the place, give or take one; the key of a step does not.
CREATE TABLE work_step AS
    SELECT 'M' || lpad(d::text, 9, '0') AS manual_id, chr(97 + i * 5 % 8) AS step_id, i AS step_no,
           (ARRAY['unpack', 'read', 'open', 'remove', 'clean', 'mount', 'connect', 'close', 'test', 'pack'])[i + d * 7 % 11 % 3]
           || format(' the part%s with tool%s and the part%s near side%s now', d * i % 1009, (d + i) % 97, d * 31 % 509, i * d % 7) AS instruction,
           p.image AS photo_embedding, d <= :sample AS approved
      FROM generate_series(1, :documents) AS d CROSS JOIN generate_series(1, 8) AS i
      JOIN picture AS p ON p.k = (d * 31 % 997 + i * 101) % 997;
CREATE INDEX ON work_step (manual_id);
CREATE VIEW sample AS SELECT * FROM work_step WHERE approved;
CREATE VIEW tenth AS SELECT * FROM work_step WHERE manual_id <= 'M' || lpad((:documents / 10)::text, 9, '0');
VACUUM ANALYZE work_step (manual_id);

SELECT xmcoh.create_model('manuals', image_dim => 64, options => '{"bag_documents": 0, "epochs": 5}');
SELECT xmcoh.attach_source('manuals', 'sample', document => 'manual_id', item => 'step_id', text => 'instruction',
                           image => 'photo_embedding', "position" => 'step_no', approved => 'approved');
SELECT xmcoh.train('manuals') AS job \gset
CALL xmcoh.wait_for_job(:job, '1 h');
DO $$ BEGIN
    IF EXISTS (SELECT FROM xmcoh.job WHERE state <> 'succeeded') THEN
        RAISE EXCEPTION 'training: %', (SELECT string_agg(message, '; ') FROM xmcoh.job);
    END IF;
END $$;
SELECT xmcoh.detach_source('manuals', 'sample');
SELECT xmcoh.attach_source('manuals', 'work_step', document => 'manual_id', item => 'step_id', text => 'instruction', image => 'photo_embedding');

-- The same weights for a tenth of the documents.
SELECT xmcoh.deploy('tenth', xmcoh.import_model('tenth', xmcoh.export_model('manuals')));
SELECT xmcoh.attach_source('tenth', 'tenth', document => 'manual_id', item => 'step_id', text => 'instruction', image => 'photo_embedding');
