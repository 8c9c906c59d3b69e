-- study.sql - the learning curve of a model: what more approved documents would bring

CREATE FUNCTION xmcoh_internal.study_learning_curve(caller oid, model text, sizes integer[], samples integer, options jsonb) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c record := xmcoh_internal.check_training(caller, study_learning_curve.model, study_learning_curve.options, 'keep', NULL);
    sorted integer[] := ARRAY(SELECT DISTINCT s.size FROM unnest(sizes) AS s (size) ORDER BY 1);
    least constant integer := 12;       -- XMC_STUDY_LEAST
BEGIN
    IF samples IS NULL OR samples NOT BETWEEN 1 AND 100 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('samples is %s, but must be from 1 to 100', coalesce(samples::text, 'NULL'));
    ELSIF sizes IS NOT NULL AND cardinality(sorted) NOT BETWEEN 1 AND 20 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('sizes names %s different sizes, but must name 1 to 20', cardinality(sorted)),
            HINT = 'NULL takes about five sizes, up to 80% of the approved documents.';
    ELSIF sorted[1] < least OR array_position(sorted, NULL) IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('sizes has %s, but a model is trained on at least %s documents',
                CASE WHEN sorted[1] < least THEN sorted[1]::text ELSE 'NULL' END, least);
    END IF;
    RETURN xmcoh_internal.submit_job(caller, c.model_id, 'study', study_learning_curve.options
        || jsonb_build_object('samples', samples) || CASE WHEN sizes IS NULL THEN '{}' ELSE jsonb_build_object('sizes', sorted) END);
END $$;
COMMENT ON FUNCTION xmcoh_internal.study_learning_curve(oid, text, integer[], integer, jsonb) IS 'Internal: xmcoh.study_learning_curve';
CREATE FUNCTION xmcoh.study_learning_curve(model text, sizes integer[] DEFAULT NULL, samples integer DEFAULT 3, options jsonb DEFAULT '{}') RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.study_learning_curve(text, integer[], integer, jsonb) IS
    'Measures in the background how quality grows with approved documents; gives the job; see xmcoh.learning_curve. sizes: approved documents that teach (NULL: about five, up to 80% of all). samples of each size: 1 to 100. options override the model''s. Needs level train. Error: object_in_use';

CREATE FUNCTION xmcoh_internal.learning_curve_points(sizes integer[], samples integer[], sums double precision[], target integer,
        OUT size integer, OUT samples_measured integer, OUT tau double precision, OUT tau_low double precision, OUT tau_high double precision,
        OUT acc double precision, OUT acc_low double precision, OUT acc_high double precision, OUT pmr double precision,
        OUT pmr_low double precision, OUT pmr_high double precision, OUT coverage double precision, OUT coverage_low double precision,
        OUT coverage_high double precision, OUT extrapolated boolean) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'xmcoh_learning_curve_points' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 6 COST 100000;
COMMENT ON FUNCTION xmcoh_internal.learning_curve_points(integer[], integer[], double precision[], integer) IS
    'Internal: the rows of xmcoh.learning_curve from the sums of cells, and the size of the extrapolated row';

CREATE VIEW xmcoh.learning_curve WITH (security_barrier = true) AS
    SELECT m.name AS model, s.job_id, p.size, p.samples_measured AS samples, p.tau, p.tau_low, p.tau_high, p.acc, p.acc_low, p.acc_high,
           p.pmr, p.pmr_low, p.pmr_high, p.coverage, p.coverage_low, p.coverage_high, p.extrapolated
    FROM xmcoh.visible_model AS m,
         LATERAL (SELECT j.job_id FROM xmcoh.job_record AS j WHERE j.model_id = m.model_id AND j.kind = 'study'
                      AND EXISTS (SELECT FROM xmcoh.learning_curve_record AS c WHERE c.job_id = j.job_id AND c.measured > 0)
                  ORDER BY j.job_id DESC LIMIT 1) AS s,
         LATERAL (SELECT array_agg(c.size ORDER BY c.size, c.sample) AS sizes, array_agg(c.sample ORDER BY c.size, c.sample) AS samples,
                         array_agg(c.sums ORDER BY c.size, c.sample) AS sums, max(c.approved) AS approved
                  FROM xmcoh.learning_curve_record AS c WHERE c.job_id = s.job_id AND c.measured > 0) AS c,
         LATERAL xmcoh_internal.learning_curve_points(c.sizes, c.samples, c.sums, least(2 * c.approved::bigint, 2147483647)::integer) AS p;
COMMENT ON VIEW xmcoh.learning_curve IS 'The learning curve of each model by its last study that has measured anything: quality on documents that did not teach, for each number of approved documents that did; the last row is extrapolated. doc/method.md says what the intervals mean';
COMMENT ON COLUMN xmcoh.learning_curve.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.learning_curve.job_id IS 'job of the study';
COMMENT ON COLUMN xmcoh.learning_curve.size IS 'approved documents that teach; of the extrapolated row: twice the approved documents of the study';
COMMENT ON COLUMN xmcoh.learning_curve.samples IS 'samples of this size that are measured';
COMMENT ON COLUMN xmcoh.learning_curve.tau IS 'mean Kendall tau of the fused order';
COMMENT ON COLUMN xmcoh.learning_curve.tau_low IS 'lower end of the 95% interval of tau';
COMMENT ON COLUMN xmcoh.learning_curve.tau_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.learning_curve.acc IS 'share of items at their place; NULL: not measured';
COMMENT ON COLUMN xmcoh.learning_curve.acc_low IS 'lower end of the 95% interval of acc';
COMMENT ON COLUMN xmcoh.learning_curve.acc_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.learning_curve.pmr IS 'share of documents whose order is right as a whole';
COMMENT ON COLUMN xmcoh.learning_curve.pmr_low IS 'lower end of the 95% interval of pmr';
COMMENT ON COLUMN xmcoh.learning_curve.pmr_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.learning_curve.coverage IS 'share of documents that may pass at a precision of 95%; NULL: too few documents to tell';
COMMENT ON COLUMN xmcoh.learning_curve.coverage_low IS 'lower end of the 95% interval of coverage';
COMMENT ON COLUMN xmcoh.learning_curve.coverage_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.learning_curve.extrapolated IS 'true: not measured, but what a power law through the measured sizes says of twice the approved documents';
