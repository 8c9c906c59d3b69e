-- guides_run.sql - one run (psql variable: run): train in the background, then order the test part three times.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT xmcoh.create_model(guides.model_of(r), image_dim => 256, text_dim => CASE variant WHEN 'words' THEN 0 ELSE 256 END)
  FROM guides.run AS r WHERE run = :run;
SELECT guides.attach(r, 'train') FROM guides.run AS r WHERE run = :run;
SELECT guides.model_of(r) AS model, '{}' AS options FROM guides.run AS r WHERE run = :run \gset
\ir guides_train.sql
SELECT guides.attach(r, 'test') FROM guides.run AS r WHERE run = :run;
SELECT clock_timestamp() AS started \gset
SELECT guides.judge(r, evidence) FROM guides.run AS r, unnest(ARRAY['text', 'image', 'fused']) AS evidence WHERE run = :run;
UPDATE guides.run SET job_id = :job, ordered = clock_timestamp() - :'started'::timestamptz,
                      trained = (SELECT finished_at - started_at FROM xmcoh.job_record WHERE job_id = :job)
 WHERE run = :run;
