-- guides_run.sql - one run (psql variable: run): train in the background, then order the test part three times.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT xmcoh.create_model(guides.model_of(r), image_dim => 256, text_dim => CASE variant WHEN 'words' THEN 0 ELSE 256 END)
  FROM guides.run AS r WHERE run = :run;
SELECT guides.attach(r, 'train') FROM guides.run AS r WHERE run = :run;
SELECT xmcoh.train(guides.model_of(r)) AS job FROM guides.run AS r WHERE run = :run \gset
SELECT xmcoh.wait_for_job(:job, timeout => '9 min') AS state \gset
SELECT format('job %s of run %s ended: %s, %s', :job, :run, :'state', (SELECT message FROM xmcoh.job WHERE job_id = :job)) AS said,
       :'state' = 'succeeded' AS succeeded \gset
\if :succeeded
\else
    \warn :said
    DO $$ BEGIN RAISE EXCEPTION 'the training job did not succeed'; END $$;
\endif
SELECT guides.attach(r, 'test') FROM guides.run AS r WHERE run = :run;
SELECT clock_timestamp() AS started \gset
SELECT guides.judge(r, evidence) FROM guides.run AS r, unnest(ARRAY['text', 'image', 'fused']) AS evidence WHERE run = :run;
UPDATE guides.run SET job_id = :job, ordered = clock_timestamp() - :'started'::timestamptz,
                      trained = (SELECT finished_at - started_at FROM xmcoh.job_record WHERE job_id = :job)
 WHERE run = :run;
