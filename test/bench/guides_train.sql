-- guides_train.sql - trains a model (psql variable: model) with options (options, JSON) in the background and waits; sets job.
SELECT xmcoh.train(:'model', :'options'::jsonb) AS job \gset
CALL xmcoh.wait_for_job(:job, timeout => '9 min') \gset
SELECT format('job %s of model %s ended: %s, %s', :job, :'model', :'state', (SELECT message FROM xmcoh.job WHERE job_id = :job)) AS said,
       :'state' = 'succeeded' AS succeeded \gset
\if :succeeded
\else
    \warn :said
    DO $$ BEGIN RAISE EXCEPTION 'the training job did not succeed'; END $$;
\endif
