-- evaluate.sql - how good orders are: figures of two orders, intervals over documents, evaluation of a model

CREATE FUNCTION xmcoh.kendall_tau(predicted anyarray, truth anyarray) RETURNS double precision
    AS 'MODULE_PATHNAME', 'xmcoh_kendall_tau' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.kendall_tau(anyarray, anyarray) IS
    'Kendall tau between two orders of the items that both have: 1 - 4 inversions / (n (n - 1)), in [-1, 1]; a random order has 0. NULL for fewer than two common items. Errors: null_value_not_allowed, cardinality_violation (an item twice in one order)';
CREATE FUNCTION xmcoh.perfect_match(predicted anyarray, truth anyarray) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_perfect_match' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.perfect_match(anyarray, anyarray) IS
    'Whether two orders are the same; false if one has an item that the other lacks. The share of documents with true is the perfect match ratio (PMR). NULL for an empty true order. Errors as xmcoh.kendall_tau';
CREATE FUNCTION xmcoh.position_accuracy(predicted anyarray, truth anyarray) RETURNS double precision
    AS 'MODULE_PATHNAME', 'xmcoh_position_accuracy' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.position_accuracy(anyarray, anyarray) IS
    'Share, in [0, 1], of the true order''s items (second argument) that the predicted order has at the same place (Acc). NULL for an empty true order. Errors as xmcoh.kendall_tau';

CREATE FUNCTION xmcoh.bootstrap_mean("values" double precision[], OUT mean double precision, OUT low double precision,
                                     OUT high double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_bootstrap_mean' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION xmcoh.bootstrap_mean(double precision[]) IS
    'Mean of one value per document and its 95% interval: 1000 bootstrap replicates over documents, percentile, fixed seed. NULL and NaN are left out; all three are NULL if nothing is left. Finite values give finite answers, however large. Errors: numeric_value_out_of_range (infinity), array_subscript_error (more than one dimension)';
CREATE FUNCTION xmcoh.paired_bootstrap(a double precision[], b double precision[], OUT difference double precision,
                                       OUT low double precision, OUT high double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_paired_bootstrap' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION xmcoh.paired_bootstrap(double precision[], double precision[]) IS
    'Mean of a - b over documents, where both arrays hold one value per document in the same order, and its 95% interval, as xmcoh.bootstrap_mean: an interval that leaves 0 out tells two methods apart. Documents with a NULL or NaN on either side are left out. Errors: those of xmcoh.bootstrap_mean, numeric_value_out_of_range also for a difference that no double holds, array_subscript_error (arrays of different lengths)';

CREATE FUNCTION xmcoh.evaluate(model text, source regclass DEFAULT NULL, guidance text DEFAULT 'soft',
                               alignment text DEFAULT 'known', rounds integer DEFAULT 3)
    RETURNS TABLE (modality text, guidance text, documents integer, documents_seen integer, items bigint,
                   acc double precision, acc_low double precision, acc_high double precision,
                   pmr double precision, pmr_low double precision, pmr_high double precision,
                   tau double precision, tau_low double precision, tau_high double precision,
                   random_acc double precision, random_pmr double precision, random_tau double precision,
                   calibration_error double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_evaluate' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 10;
COMMENT ON FUNCTION xmcoh.evaluate(text, regclass, text, text, integer) IS
    'How good the recovered orders are. source NULL: on the approved documents that the deployed version''s training held out; else on every document of that source that has positions. Documents that taught the version have rows of their own, after the others, and a NOTICE, since it is better on them than it will be on others: documents_seen is 0 or all of the row''s documents, NULL where that is not recorded. These are the approved documents that were not held out; and those without approved pairs that training read, if it had rounds, or where the alignment is used. One row per evidence: text and image, each solo and, if the model reads both, guided by the other; and fused. Each is judged over the items that hold its modality, fused over all, of the documents that have any: Acc (share of items at their place), PMR (share of documents fully right) and Kendall tau (mean over documents with two items or more), each with its bootstrap 95% interval over documents and what a random order gets; and the expected calibration error of the pairs'' probabilities against the stored order (15 bins). Shares are in [0, 1]. Ties are broken by chance, not by item, so that item numbers cannot help. The rule of guidance, for comparison: guidance ''soft'' as everywhere else; ''hard'' by the likeliest counterpart alone, or none if that is likelier; ''uncalibrated'' with raw scores and weights of 1; ''paper'' by the released rule of the paper, repeated `rounds` (1 to 10) times; ''stored'' by the other modality''s stored order in place of its scores, as if only that one''s order were to be found (fused, and without alignment ''inferred'' for rows that hold both, the stored order itself decides, and there is nothing to judge). alignment ''inferred'' takes rows that hold both as if they had been split into one of each kind that nothing links; a version that cannot align guides nothing then. ''paper'' and ''inferred'' have no fused row. Errors: undefined_object, object_not_in_prerequisite_state (no deployed version; source NULL for a version that was not trained here), insufficient_privilege on the source, invalid_parameter_value';
