-- Metrics on arrays: predicted order first, true order second.
SELECT xmcoh.kendall_tau('{1,2,3,4}'::int[], '{1,2,3,4}') AS same,
       xmcoh.kendall_tau('{4,3,2,1}'::int[], '{1,2,3,4}') AS reversed,
       round(xmcoh.kendall_tau('{2,1,3,4}'::int[], '{1,2,3,4}')::numeric, 4) AS one_swap;
-- only items in both orders count; with fewer than two the metric is undefined
SELECT xmcoh.kendall_tau('{a,x,b,c}'::text[], '{c,b,y,a,z}') AS common,
       xmcoh.kendall_tau('{a,b}'::text[], '{b,c}') AS one_common,
       xmcoh.kendall_tau('{}'::int[], '{}') AS none, xmcoh.kendall_tau('{7}'::int[], '{7}') AS single,
           xmcoh.kendall_tau(NULL::int[], '{1}') AS unknown;
SELECT xmcoh.perfect_match('{1,2,3}'::int[], '{1,2,3}') AS same,
       xmcoh.perfect_match('{1,3,2}'::int[], '{1,2,3}') AS swapped,
       xmcoh.perfect_match('{1,2}'::int[], '{1,2,3}') AS missing,
           xmcoh.perfect_match('{1,2,3,4}'::int[], '{1,2,3}') AS extra,
       xmcoh.perfect_match('{}'::int[], '{}') AS none, xmcoh.perfect_match('{7}'::int[], '{7}') AS single;
SELECT xmcoh.position_accuracy('{1,3,2}'::int[], '{1,2,3}') AS third,
       xmcoh.position_accuracy('{1,2,3,4}'::int[], '{1,2}') AS extra,
       xmcoh.position_accuracy('{1}'::int[], '{1,2}') AS missing, xmcoh.position_accuracy('{}'::int[], '{}') AS none,
       xmcoh.position_accuracy('{7}'::int[], '{7}') AS single;
-- any comparable type; subscripts need not start at 1
SELECT xmcoh.kendall_tau('{2024-01-02,2024-01-01}'::date[], '{2024-01-01,2024-01-02}') AS dates,
       xmcoh.kendall_tau('[5:7]={1,2,3}'::bigint[], '{1,2,3}') AS shifted,
           xmcoh.position_accuracy('{1.0,2.00}'::numeric[], '{1,2}') AS numerics,
       xmcoh.kendall_tau(ARRAY['b', 'a', 'ü'] COLLATE "C", ARRAY['a', 'b', 'ü']) > 0 AS collated,
       xmcoh.kendall_tau('{"2024-01-01 10:00+00"}'::timestamptz[], '{}') IS NULL AS times;

-- Relabelling the items changes nothing. A random order scores 0.
WITH orders AS (
    SELECT array_agg(i ORDER BY md5(d || '/' || i)) AS predicted, array_agg(i ORDER BY i) AS truth,
           array_agg(md5(i::text) ORDER BY md5(d || '/' || i)) AS predicted_names,
               array_agg(md5(i::text) ORDER BY i) AS true_names
      FROM generate_series(1, 4000) AS d, generate_series(1, 5) AS i GROUP BY d)
SELECT abs(avg(xmcoh.kendall_tau(predicted, truth))) < 0.03 AS tau_is_0,
       abs(avg(xmcoh.perfect_match(predicted, truth)::int) - 1 / 120.0) < 0.005 AS pmr_is_chance,
       abs(avg(xmcoh.position_accuracy(predicted, truth)) - 0.2) < 0.02 AS acc_is_chance,
       bool_and(xmcoh.kendall_tau(predicted, truth) = xmcoh.kendall_tau(predicted_names, true_names)
                AND xmcoh.perfect_match(predicted, truth) = xmcoh.perfect_match(predicted_names, true_names)
                AND xmcoh.position_accuracy(predicted, truth) = xmcoh.position_accuracy(predicted_names,
                    true_names)) AS names_do_not_matter
  FROM orders;

-- every order of four items against the definition, pair by pair
WITH four AS (SELECT ARRAY[a, b, c, d] AS o FROM generate_series(1, 4) a, generate_series(1, 4) b,
    generate_series(1, 4) c, generate_series(1, 4) d
               WHERE a <> b AND a <> c AND a <> d AND b <> c AND b <> d AND c <> d)
SELECT count(*), bool_and(abs(xmcoh.kendall_tau(o, '{2,4,1,3}') - (
           SELECT avg(sign((array_position(o, i) - array_position(o, j)) * (array_position('{2,4,1,3}'::int[],
               i) - array_position('{2,4,1,3}'::int[], j))))
             FROM generate_series(1, 4) i, generate_series(1, 4) j WHERE i < j)) < 1e-9) AS as_defined,
       abs(sum(xmcoh.kendall_tau(o, '{2,4,1,3}'))) < 1e-9 AS sums_to_0,
           sum(xmcoh.perfect_match(o, '{2,4,1,3}')::int) AS perfect, avg(xmcoh.position_accuracy(o, '{2,4,1,3}')) AS acc
  FROM four;

-- errors
SELECT xmcoh.kendall_tau('{1,2,2}'::int[], '{1,2,3}');
SELECT xmcoh.perfect_match('{1,2,3}'::int[], '{3,1,3}');
SELECT xmcoh.position_accuracy('{1,NULL}'::int[], '{1,2}');
SELECT xmcoh.kendall_tau('{{1,2},{3,4}}'::int[], '{1,2}');
SELECT xmcoh.kendall_tau('{"(1,2)"}'::point[], '{"(3,4)"}');
SELECT xmcoh.kendall_tau('{1,2}'::int[], '{1,2}'::bigint[]);

-- Intervals over documents.
SELECT mean, low <= mean AND mean <= high AS around, low > 0.3 AND high < 0.7 AS narrow
  FROM xmcoh.bootstrap_mean(ARRAY(SELECT (i % 2)::float8 FROM generate_series(1, 200) i));
SELECT * FROM xmcoh.bootstrap_mean('{3,NULL,NaN,3}');
SELECT * FROM xmcoh.bootstrap_mean('{}');
SELECT * FROM xmcoh.bootstrap_mean('{NULL}');
SELECT a = b AS repeatable FROM xmcoh.bootstrap_mean('{1,2,4,8}') a, xmcoh.bootstrap_mean('{1,2,4,8}') b;
SELECT * FROM xmcoh.paired_bootstrap('{1,2,3,NULL}', '{0.5,1.5,2.5,9}');
SELECT low > 0 AS different FROM xmcoh.paired_bootstrap(ARRAY(SELECT i % 7 + 0.5 + i % 3 * 0.1
       FROM generate_series(1, 100) i), ARRAY(SELECT (i % 7)::float8 FROM generate_series(1, 100) i));
SELECT * FROM xmcoh.paired_bootstrap('{1}', '{1,2}');
SELECT * FROM xmcoh.bootstrap_mean('{1,Infinity}');
SELECT * FROM xmcoh.bootstrap_mean('{-Infinity,NULL}');
SELECT * FROM xmcoh.paired_bootstrap('{1,NULL}', '{1,Infinity}');
SELECT * FROM xmcoh.paired_bootstrap('{Infinity}', '{NaN}');
-- finite values have finite means, however large their sum; a difference that no double holds is an error
SELECT * FROM xmcoh.bootstrap_mean('{1e308,1e308}');
SELECT * FROM xmcoh.bootstrap_mean('{1.7976931348623157e308,-1.7976931348623157e308,1.7976931348623157e308}');
SELECT large.mean = small.mean * 1e300 AS mean, large.low = small.low * 1e300 AS low, large.high = small.high * 1e300 AS high
  FROM xmcoh.bootstrap_mean('{1,2,4,8}') AS small, xmcoh.bootstrap_mean('{1e300,2e300,4e300,8e300}') AS large;
SELECT * FROM xmcoh.paired_bootstrap('{1e308,1e308,5e-324}', '{-5e307,-5e307,0}');
SELECT * FROM xmcoh.paired_bootstrap('{1,1e308}', '{1,-1e308}');
-- orders of NaN and infinite values
SELECT xmcoh.kendall_tau('{-Infinity,0,Infinity,NaN}'::float8[], '{-Infinity,-0,Infinity,NaN}') AS same,
       xmcoh.kendall_tau('{NaN,1e308}'::float8[], '{1e308,NaN}') AS turned, xmcoh.perfect_match('{NaN}'::float8[], '{NaN}');
SELECT xmcoh.kendall_tau('{NaN,1,NaN}'::float8[], '{1}');
SELECT xmcoh.kendall_tau('{}'::int[], '{1,2}') AS tau, xmcoh.perfect_match('{}'::int[], '{1}') AS perfect, xmcoh.position_accuracy('{}'::int[], '{1}') AS acc,
       xmcoh.perfect_match('{1}'::int[], '{}') AS of_none, xmcoh.kendall_tau(NULL::int[], '{1,2}') AS unknown;
SELECT xmcoh.kendall_tau('[5:7]={1,2,3}'::int[], '{1,2,3}') AS numbered_otherwise;
SELECT * FROM xmcoh.bootstrap_mean('{{1,2},{3,4}}');

-- every role may call the metrics
CREATE ROLE xmcoh_reader;
SET ROLE xmcoh_reader;
SELECT xmcoh.kendall_tau('{1,2}'::int[], '{1,2}'), xmcoh.perfect_match('{1,2}'::int[], '{1,2}'),
       xmcoh.position_accuracy('{1,2}'::int[], '{1,2}');
RESET ROLE;
DROP ROLE xmcoh_reader;
