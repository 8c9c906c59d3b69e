-- evaluate.sql - how good orders are: figures of two orders, intervals over documents, evaluation of a model

CREATE FUNCTION xmcoh.kendall_tau(predicted anyarray, truth anyarray) RETURNS double precision
    AS 'MODULE_PATHNAME', 'xmcoh_kendall_tau' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.kendall_tau(anyarray, anyarray) IS
    'Kendall tau between two orders of their common items: 1 - 4 inversions / (n (n - 1)), in [-1, 1]; a random order has mean 0. NULL for fewer than two common items. Errors: null_value_not_allowed, cardinality_violation (an item twice in one order)';
CREATE FUNCTION xmcoh.perfect_match(predicted anyarray, truth anyarray) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_perfect_match' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.perfect_match(anyarray, anyarray) IS
    'Whether two orders are equal; false if one has an item that the other lacks. The share of documents with true is the perfect match ratio (PMR). NULL for an empty true order. Errors: as xmcoh.kendall_tau';
CREATE FUNCTION xmcoh.position_accuracy(predicted anyarray, truth anyarray) RETURNS double precision
    AS 'MODULE_PATHNAME', 'xmcoh_position_accuracy' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.position_accuracy(anyarray, anyarray) IS
    'Acc: share, in [0, 1], of the items of the true order (second argument) that have the same place in the predicted order. NULL for an empty true order. Errors: as xmcoh.kendall_tau';

CREATE FUNCTION xmcoh.bootstrap_mean("values" double precision[], OUT mean double precision, OUT low double precision,
                                     OUT high double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_bootstrap_mean' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION xmcoh.bootstrap_mean(double precision[]) IS
    'Mean of one value per document with its 95% interval: percentiles of 1000 bootstrap replicates over documents, fixed seed. NULL and NaN are left out; all three are NULL if nothing remains. Errors: numeric_value_out_of_range (infinity), array_subscript_error (not one dimension)';
CREATE FUNCTION xmcoh.paired_bootstrap(a double precision[], b double precision[], OUT difference double precision,
                                       OUT low double precision, OUT high double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_paired_bootstrap' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION xmcoh.paired_bootstrap(double precision[], double precision[]) IS
    'Mean of a - b over documents with its 95% interval; both arrays hold one value per document in the same order. NULL or NaN on either side leaves the document out. Errors: as xmcoh.bootstrap_mean, and numeric_value_out_of_range (difference), array_subscript_error (lengths differ)';

CREATE FUNCTION xmcoh.evaluate(model text, source regclass DEFAULT NULL, guidance text DEFAULT 'soft',
                               alignment text DEFAULT 'known', rounds integer DEFAULT 3, documents text[] DEFAULT NULL,
                               by text DEFAULT NULL)
    RETURNS TABLE ("group" text, modality text, guidance text, documents integer, documents_seen integer, documents_known integer,
                   items bigint,
                   acc double precision, acc_low double precision, acc_high double precision,
                   pmr double precision, pmr_low double precision, pmr_high double precision,
                   neighbours double precision, neighbours_low double precision, neighbours_high double precision,
                   tau double precision, tau_low double precision, tau_high double precision,
                   random_acc double precision, random_pmr double precision, random_tau double precision,
                   calibration_error double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_evaluate' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 10;
COMMENT ON FUNCTION xmcoh.evaluate(text, regclass, text, text, integer, text[], text) IS
    'Acc, PMR, neighbours and tau of recovered orders with 95% intervals, a row per evidence. source NULL: documents that training measured; other rules: held-out ones. by: a column of the sources that groups documents. documents_seen: learned from. documents_known: new, of known groups. See doc/method.md';

CREATE FUNCTION xmcoh_internal.share_interval(part bigint, whole bigint, OUT low double precision, OUT high double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_share_interval' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.share_interval(bigint, bigint) IS
    'Internal: the exact 95% interval (Clopper and Pearson) of the share part / whole; NULL for fewer than two';
