-- scikit_model.sql - one model of scikit_run.sql (psql variables: run, by, text_dim, options, train, test, by_repository)
SELECT format('%s %s', :'by', :run) AS model \gset
SELECT xmcoh.create_model(:'model', text_dim => :text_dim);
SELECT pg_temp.attach(:'model', :'train', :'by_repository');
\ir guides_train.sql
SELECT pg_temp.attach(:'model', :'test', :'by_repository');
INSERT INTO scikit.result
    SELECT :run, :'by', o.document,
           xmcoh.kendall_tau(array_agg(o.item ORDER BY o."position"), array_agg(o.item ORDER BY o.stored_position))
      FROM xmcoh.order_documents(:'model', :'test'::regclass, 'text') AS o GROUP BY o.document;
SELECT xmcoh.drop_model(:'model');
