-- The order of sentences within texts: the texts of documents that nobody has approved teach words that no approved document has.
CREATE EXTENSION xmcoh;
-- Trains, waits and says whether words that only unapproved texts have are told apart, and words of approved documents.
CREATE PROCEDURE try(options jsonb DEFAULT '{}', unlabelled regclass[] DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    started integer := xmcoh.train('manuals', options, unlabelled => unlabelled);
    ended text;
BEGIN
    COMMIT;
    CALL xmcoh.wait_for_job(started, '180 s', ended);
    RAISE INFO '%; approved words: %, words of texts alone: %', ended,
        xmcoh.precedes('manuals', 'unpack it', NULL, 'test it', NULL) > 0.7,
        xmcoh.precedes('manuals', 'preheat it', NULL, 'serve it', NULL) > 0.6;
END $$;

SELECT xmcoh.create_model('manuals') > 0 AS created;
CREATE TABLE step AS
    SELECT m AS manual, s AS step, (ARRAY['unpack it', 'mount it', 'test it'])[s] AS instruction, m <= 40 AS approved
      FROM generate_series(1, 40) AS m, generate_series(1, 3) AS s;
CREATE TABLE note AS
    SELECT m AS manual, 1 AS step, 'Unpack it. Mount it. Test it. Preheat it! Then bake it; serve it.' AS instruction
      FROM generate_series(101, 140) AS m;
SELECT xmcoh.attach_source('manuals', 'step', 'manual', 'step', text => 'instruction', "position" => 'step', approved => 'approved');
SELECT xmcoh.attach_source('manuals', 'note', 'manual', 'step', text => 'instruction');

CALL try();
-- not from a source that is not named, nor without a pool
CALL try(unlabelled => '{step}');
CALL try('{"pool_documents": 0}');

DROP PROCEDURE try;
DROP EXTENSION xmcoh;
DROP TABLE step, note;
