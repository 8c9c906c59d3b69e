-- jobs.sql - documents of 5 to 12 items and a paper-size model for jobs.sh. psql variables: documents, batch.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION xmcoh;
CREATE SCHEMA bench;
SELECT setseed(0.5);
CREATE TABLE bench.pool AS
    SELECT k, (SELECT array_agg((random() - 0.5)::real) FROM generate_series(1, 768 + 0 * k)) AS wide FROM generate_series(0, 996) AS k;
CREATE TABLE bench.paper_step AS
    SELECT d AS document, i AS step_no, i * 7919 % 13 AS item, p.wide AS image
      FROM generate_series(1, :documents) AS d CROSS JOIN LATERAL generate_series(1, 5 + d % 8) AS i
      JOIN bench.pool AS p ON p.k = (d * 31 + i * 101) % 997;
SELECT xmcoh.create_model('paper', image_dim => 768, words => false,
    options => jsonb_build_object('d_model', 768, 'layers', 2, 'heads', 4, 'feed_forward', 512, 'bilinear_dim', 0, 'folds', 0,
                                  'batch_documents', :batch, 'patience', 1000));
SELECT xmcoh.attach_source('paper', 'bench.paper_step', document => 'document', item => 'item', image => 'image',
                           "position" => 'step_no', approved => 'all');

-- Passes rows on at a limited rate, as a slow source does.
CREATE VIEW bench.slow_step AS SELECT s.* FROM bench.paper_step AS s, LATERAL pg_sleep(0.02 + 0 * s.step_no) AS wait;
SELECT xmcoh.create_model('reading', image_dim => 768, words => false);
SELECT xmcoh.attach_source('reading', 'bench.slow_step', document => 'document', item => 'item', image => 'image',
                           "position" => 'step_no', approved => 'all');

-- Milliseconds from cancel_job to the end of the job. (A procedure, because a function cannot commit.)
CREATE PROCEDURE bench.cancel(job_id integer, INOUT ms numeric) LANGUAGE plpgsql AS $$
DECLARE
    start timestamptz := clock_timestamp();
    state text;
BEGIN
    PERFORM xmcoh.cancel_job(cancel.job_id);
    COMMIT;
    CALL xmcoh.wait_for_job(cancel.job_id, NULL, state);
    IF state <> 'cancelled' THEN
        RAISE 'job % is not cancelled', cancel.job_id;
    END IF;
    ms := round(extract(epoch FROM clock_timestamp() - start)::numeric * 1000);
END $$;
