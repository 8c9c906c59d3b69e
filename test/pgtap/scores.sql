-- Tests the labels of the functions that score and evaluate. The planner, a standby and parallel query rely on these labels.
BEGIN;
SELECT * FROM no_plan();

CREATE TEMP TABLE label (name text, volatility text, parallel text, strict boolean, forms integer);
INSERT INTO label VALUES
    ('precedes', 's', 's', false, 1), ('order_score', 's', 's', false, 1), ('recovered_position', 's', 's', false, 3),
    ('order_documents', 's', 'r', false, 1), ('pair_scores', 's', 'r', false, 1), ('alignment', 's', 'r', false, 1),
    ('is_complete', 's', 'r', false, 2), ('check_documents', 's', 'r', false, 1), ('check_groups', 's', 'r', false, 1),
    ('explain', 's', 'r', false, 1), ('explain_document', 's', 'r', false, 1), ('model_words', 's', 'r', false, 1), ('picture', 's', 'r', false, 1), ('report', 's', 'r', false, 1),
    ('missing_steps', 's', 'r', false, 1), ('missing_photos', 's', 'r', false, 1),
    ('evaluate', 's', 'r', false, 1), ('coverage', 's', 'r', false, 1), ('pilot_report', 's', 'r', false, 1),
    ('coherence', 'i', 's', false, 3), ('recover_order', 'i', 's', false, 3),
    ('kendall_tau', 'i', 's', true, 1), ('perfect_match', 'i', 's', true, 1), ('position_accuracy', 'i', 's', true, 1),
    ('bootstrap_mean', 'i', 's', true, 1), ('paired_bootstrap', 'i', 's', true, 1);
SELECT results_eq(format($$SELECT provolatile::text, proparallel::text, proisstrict FROM pg_proc
                            WHERE pronamespace = 'xmcoh'::regnamespace AND proname = %L$$, name),
                  format('SELECT %L::text, %L::text, %L::boolean FROM generate_series(1, %s)', volatility, parallel,
                      strict, forms),
                  format('%s is %s, parallel %s, %s, in %s form(s)', name, volatility, parallel,
                         CASE WHEN strict THEN 'strict' ELSE 'called on NULL' END, forms))
  FROM label;

-- The aggregates support partial aggregation. Only the final functions read the model, so the final functions are stable.
SELECT is_empty($$SELECT aggfnoid::regprocedure FROM pg_aggregate AS a JOIN pg_proc AS p ON p.oid = aggfnoid
                   WHERE pronamespace = 'xmcoh'::regnamespace
                     AND (aggcombinefn = 0 OR aggserialfn = 0 OR aggdeserialfn = 0
                          OR aggfinalmodify <> 'r' OR aggkind <> 'n')$$,
                'every aggregate has combine, serialize and deserialize functions and leaves its state alone');
SELECT results_eq($$SELECT DISTINCT f.proname::text COLLATE "default", f.provolatile::text FROM pg_aggregate AS a
       JOIN pg_proc AS p ON p.oid = aggfnoid
                      JOIN pg_proc AS f ON f.oid = aggfinalfn WHERE p.pronamespace = 'xmcoh'::regnamespace ORDER BY 1$$,
                  $$VALUES ('coherence_final', 's'), ('recover_order_final', 's')$$, 'final functions are stable');

-- Users cannot pass a forged state. The deserialize function takes an argument of type internal, so SQL cannot call the function.
SELECT throws_ok($$SELECT xmcoh.aggregate_deserialize('\x01', NULL)$$, NULL, NULL, 'nobody calls deserialize in SQL');

-- The functions that every role may call.
CREATE ROLE xmcoh_nobody;
SELECT results_eq($$SELECT DISTINCT proname::text COLLATE "default" FROM pg_proc
                     WHERE pronamespace = 'xmcoh'::regnamespace AND has_function_privilege('xmcoh_nobody', oid,
                         'EXECUTE') ORDER BY 1$$,
                  ARRAY['bootstrap_mean', 'kendall_tau', 'paired_bootstrap', 'perfect_match', 'position_accuracy'],
                  'metrics, and nothing else, are for everybody');

SELECT * FROM finish();
ROLLBACK;
