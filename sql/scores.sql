-- scores.sql - scores of pairs, coherence, recovered orders, alignments

-- All functions use the version that is deployed in the snapshot of the running query, and write nothing.

CREATE FUNCTION xmcoh.precedes(model text, text_a text, image_a real[], text_b text, image_b real[],
                               text_embedding_a real[] DEFAULT NULL, text_embedding_b real[] DEFAULT NULL)
    RETURNS double precision AS 'MODULE_PATHNAME', 'xmcoh_precedes' LANGUAGE C STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION xmcoh.precedes(text, text, real[], text, real[], real[], real[]) IS
    'Probability, in (0, 1), that item a stands before item b; 0.5 if nothing is known of one of them. Arguments that the model does not read may be NULL. Errors: undefined_object, object_not_in_prerequisite_state (no deployed version), data_exception (embedding of wrong size, with NULL, NaN or infinity)';

CREATE FUNCTION xmcoh.order_score(model text, text_a text, image_a real[], text_b text, image_b real[],
                                  text_embedding_a real[] DEFAULT NULL, text_embedding_b real[] DEFAULT NULL)
    RETURNS double precision AS 'MODULE_PATHNAME', 'xmcoh_order_score' LANGUAGE C STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION xmcoh.order_score(text, text, real[], text, real[], real[], real[]) IS
    'Calibrated log-odds that item a stands before item b: natural logarithm of p / (1 - p), with p from xmcoh.precedes. Swapping the items changes the sign. Errors: as xmcoh.precedes';

CREATE FUNCTION xmcoh.coherence_step(state internal, model text, "position" double precision, text text, image real[])
    RETURNS internal AS 'MODULE_PATHNAME', 'xmcoh_coherence_step' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.coherence_step(internal, text, double precision, text, real[]) IS 'Internal: adds one row to the state of xmcoh.coherence';
CREATE FUNCTION xmcoh.coherence_step(state internal, model text, "position" double precision, text text, image real[],
                                     text_embedding real[])
    RETURNS internal AS 'MODULE_PATHNAME', 'xmcoh_coherence_step' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.coherence_step(internal, text, double precision, text, real[], real[]) IS 'Internal: adds one row to the state of xmcoh.coherence';
CREATE FUNCTION xmcoh.coherence_step(state internal, model text, "position" double precision, text text, image real[],
                                     text_embedding real[], evidence text)
    RETURNS internal AS 'MODULE_PATHNAME', 'xmcoh_coherence_step' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.coherence_step(internal, text, double precision, text, real[], real[], text) IS 'Internal: adds one row to the state of xmcoh.coherence';
CREATE FUNCTION xmcoh.recover_order_step(state internal, model text, item anynonarray, text text, image real[])
    RETURNS internal AS 'MODULE_PATHNAME', 'xmcoh_recover_order_step' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.recover_order_step(internal, text, anynonarray, text, real[]) IS 'Internal: adds one row to the state of xmcoh.recover_order';
CREATE FUNCTION xmcoh.recover_order_step(state internal, model text, item anynonarray, text text, image real[],
                                         text_embedding real[])
    RETURNS internal AS 'MODULE_PATHNAME', 'xmcoh_recover_order_step' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.recover_order_step(internal, text, anynonarray, text, real[], real[]) IS 'Internal: adds one row to the state of xmcoh.recover_order';
CREATE FUNCTION xmcoh.recover_order_step(state internal, model text, item anynonarray, text text, image real[],
                                         text_embedding real[], evidence text)
    RETURNS internal AS 'MODULE_PATHNAME', 'xmcoh_recover_order_step' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.recover_order_step(internal, text, anynonarray, text, real[], real[], text) IS 'Internal: adds one row to the state of xmcoh.recover_order';
CREATE FUNCTION xmcoh.aggregate_combine(state internal, more internal)
    RETURNS internal AS 'MODULE_PATHNAME', 'xmcoh_aggregate_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.aggregate_combine(internal, internal) IS 'Internal: puts two partial states of one document together';
CREATE FUNCTION xmcoh.aggregate_serialize(state internal)
    RETURNS bytea AS 'MODULE_PATHNAME', 'xmcoh_aggregate_serialize' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.aggregate_serialize(internal) IS 'Internal: a partial state as bytes, the same on every machine';
CREATE FUNCTION xmcoh.aggregate_deserialize(state bytea, internal)
    RETURNS internal AS 'MODULE_PATHNAME', 'xmcoh_aggregate_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.aggregate_deserialize(bytea, internal) IS 'Internal: a partial state from bytes, checked in full';
CREATE FUNCTION xmcoh.coherence_final(state internal)
    RETURNS double precision AS 'MODULE_PATHNAME', 'xmcoh_coherence_final' LANGUAGE C STABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION xmcoh.coherence_final(internal) IS 'Internal: the answer of xmcoh.coherence';
CREATE FUNCTION xmcoh.recover_order_final(state internal, model text, item anynonarray, text text, image real[])
    RETURNS anyarray AS 'MODULE_PATHNAME', 'xmcoh_recover_order_final' LANGUAGE C STABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION xmcoh.recover_order_final(internal, text, anynonarray, text, real[]) IS 'Internal: the answer of xmcoh.recover_order';
CREATE FUNCTION xmcoh.recover_order_final(state internal, model text, item anynonarray, text text, image real[],
                                          text_embedding real[])
    RETURNS anyarray AS 'MODULE_PATHNAME', 'xmcoh_recover_order_final' LANGUAGE C STABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION xmcoh.recover_order_final(internal, text, anynonarray, text, real[], real[]) IS 'Internal: the answer of xmcoh.recover_order';

CREATE FUNCTION xmcoh.recover_order_final(state internal, model text, item anynonarray, text text, image real[],
                                          text_embedding real[], evidence text)
    RETURNS anyarray AS 'MODULE_PATHNAME', 'xmcoh_recover_order_final' LANGUAGE C STABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION xmcoh.recover_order_final(internal, text, anynonarray, text, real[], real[], text) IS 'Internal: the answer of xmcoh.recover_order';

CREATE AGGREGATE xmcoh.coherence(model text, "position" double precision, text text, image real[]) (
    SFUNC = xmcoh.coherence_step, STYPE = internal, SSPACE = 16384, FINALFUNC = xmcoh.coherence_final,
    COMBINEFUNC = xmcoh.aggregate_combine, SERIALFUNC = xmcoh.aggregate_serialize,
    DESERIALFUNC = xmcoh.aggregate_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE xmcoh.coherence(text, double precision, text, real[]) IS
    'Expected Kendall tau between the order by position and the true order, in [-1, 1]: mean of 2p - 1 over pairs. Rows may come in any order. NULL for fewer than two rows. Errors: null_value_not_allowed, data_exception (NaN), unique_violation, program_limit_exceeded, and as xmcoh.precedes';
CREATE AGGREGATE xmcoh.coherence(model text, "position" double precision, text text, image real[], text_embedding real[]) (
    SFUNC = xmcoh.coherence_step, STYPE = internal, SSPACE = 16384, FINALFUNC = xmcoh.coherence_final,
    COMBINEFUNC = xmcoh.aggregate_combine, SERIALFUNC = xmcoh.aggregate_serialize,
    DESERIALFUNC = xmcoh.aggregate_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE xmcoh.coherence(text, double precision, text, real[], real[]) IS
    'As the form with four arguments, for a model that reads supplied text embeddings';
CREATE AGGREGATE xmcoh.coherence(model text, "position" double precision, text text, image real[], text_embedding real[],
                                 evidence text) (
    SFUNC = xmcoh.coherence_step, STYPE = internal, SSPACE = 16384, FINALFUNC = xmcoh.coherence_final,
    COMBINEFUNC = xmcoh.aggregate_combine, SERIALFUNC = xmcoh.aggregate_serialize,
    DESERIALFUNC = xmcoh.aggregate_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE xmcoh.coherence(text, double precision, text, real[], real[], text) IS
    'As the form with five arguments, by one evidence, the same in all rows: ''text'', ''image'', ''text guided'', ''image guided'', or ''fused'' (NULL). Except for ''fused'', only rows with that modality count; NULL for fewer than two. Error: also invalid_parameter_value (evidence)';

CREATE AGGREGATE xmcoh.recover_order(model text, item anynonarray, text text, image real[]) (
    SFUNC = xmcoh.recover_order_step, STYPE = internal, SSPACE = 16384, FINALFUNC = xmcoh.recover_order_final,
    FINALFUNC_EXTRA, COMBINEFUNC = xmcoh.aggregate_combine, SERIALFUNC = xmcoh.aggregate_serialize,
    DESERIALFUNC = xmcoh.aggregate_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE xmcoh.recover_order(text, anynonarray, text, real[]) IS
    'Items of a document in the order with the largest sum of pair scores: exact to 16 items, a search above. Ties go to the smaller item. NULL for no rows. Errors: null_value_not_allowed (item, model), unique_violation (an item twice), program_limit_exceeded, and as xmcoh.precedes';
CREATE AGGREGATE xmcoh.recover_order(model text, item anynonarray, text text, image real[], text_embedding real[]) (
    SFUNC = xmcoh.recover_order_step, STYPE = internal, SSPACE = 16384, FINALFUNC = xmcoh.recover_order_final,
    FINALFUNC_EXTRA, COMBINEFUNC = xmcoh.aggregate_combine, SERIALFUNC = xmcoh.aggregate_serialize,
    DESERIALFUNC = xmcoh.aggregate_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE xmcoh.recover_order(text, anynonarray, text, real[], real[]) IS
    'As the form with four arguments, for a model that reads supplied text embeddings';
CREATE AGGREGATE xmcoh.recover_order(model text, item anynonarray, text text, image real[], text_embedding real[],
                                     evidence text) (
    SFUNC = xmcoh.recover_order_step, STYPE = internal, SSPACE = 16384, FINALFUNC = xmcoh.recover_order_final,
    FINALFUNC_EXTRA, COMBINEFUNC = xmcoh.aggregate_combine, SERIALFUNC = xmcoh.aggregate_serialize,
    DESERIALFUNC = xmcoh.aggregate_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE xmcoh.recover_order(text, anynonarray, text, real[], real[], text) IS
    'As the form with five arguments, by one evidence, the same in all rows: ''text'', ''image'', ''text guided'', ''image guided'', or ''fused'' (NULL). Except for ''fused'', items without that modality are left out. Error: also invalid_parameter_value (evidence)';

CREATE FUNCTION xmcoh.recovered_position(model text, text text, image real[]) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_recovered_position' LANGUAGE C WINDOW STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION xmcoh.recovered_position(text, text, real[]) IS
    'Window function: place of the row, from 1, in the recovered order of its partition, which is one document. Ties depend on the contents of the rows, not on the order in which they come. Errors: program_limit_exceeded, and as xmcoh.precedes';
CREATE FUNCTION xmcoh.recovered_position(model text, text text, image real[], text_embedding real[]) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_recovered_position' LANGUAGE C WINDOW STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION xmcoh.recovered_position(text, text, real[], real[]) IS
    'As the form with three arguments, for a model that reads supplied text embeddings';
CREATE FUNCTION xmcoh.recovered_position(model text, text text, image real[], text_embedding real[], evidence text) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_recovered_position' LANGUAGE C WINDOW STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION xmcoh.recovered_position(text, text, real[], real[], text) IS
    'As the form with four arguments, by one evidence as in xmcoh.recover_order, the same in all rows of a partition; NULL for a row without its modality. Error: also invalid_parameter_value (evidence)';

-- Functions that read a source are PARALLEL RESTRICTED, because it may be a foreign table, which parallel workers must not scan.
CREATE FUNCTION xmcoh.order_documents(model text, source regclass DEFAULT NULL, evidence text DEFAULT 'fused',
                                      guidance text DEFAULT 'soft', alignment text DEFAULT 'known', rounds integer DEFAULT 3,
                                      documents text[] DEFAULT NULL)
    RETURNS TABLE (document text, item text, "position" integer, stored_position double precision,
                   confidence double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_order_documents' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 10000;
COMMENT ON FUNCTION xmcoh.order_documents(text, regclass, text, text, text, integer, text[]) IS
    'Documents of a source in recovered order, a row per item with its place, from 1; approved pairs rule. confidence: product of p over neighbours, to compare with xmcoh.coverage. documents: only these keys (text in ISO style, UTC). evidence: as recover_order; the rest, errors: as evaluate';

CREATE FUNCTION xmcoh.pair_scores(model text, document text DEFAULT NULL, source regclass DEFAULT NULL,
                                  guidance text DEFAULT 'soft', alignment text DEFAULT 'known', rounds integer DEFAULT 3,
                                  documents text[] DEFAULT NULL)
    RETURNS TABLE (document text, item_a text, item_b text, stored_a double precision, stored_b double precision,
                   text double precision, image double precision, text_guided double precision,
                   image_guided double precision, fused double precision, probability double precision, approved text)
    AS 'MODULE_PATHNAME', 'xmcoh_pair_scores' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 30;
COMMENT ON FUNCTION xmcoh.pair_scores(text, text, regclass, text, text, integer, text[]) IS
    'Pairs of a document or of documents: log-odds that item a stands before b by text, image, each guided by the other (NULL: an item lacks it), all (fused); probability (1 or 0 for approved pairs); approved: before, after, either. The rest: as xmcoh.evaluate. No rows for an unknown document';

CREATE FUNCTION xmcoh.check_documents(model text, source regclass DEFAULT NULL, documents text[] DEFAULT NULL,
                                      "precision" double precision DEFAULT 0.95, by text DEFAULT NULL)
    RETURNS TABLE (document text, items integer, approved boolean, coherence double precision, best_coherence double precision,
                   gain double precision, confident_pairs integer, violated_pairs integer, worst_before text, worst_after text,
                   worst_probability double precision, verdict text, moves jsonb, "group" text)
    AS 'MODULE_PATHNAME', 'xmcoh_check_documents' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 1000;
COMMENT ON FUNCTION xmcoh.check_documents(text, regclass, text[], double precision, text) IS
    'What is wrong with stored orders: suspect (a confident pair stands wrongly), ok, unsure (few confident pairs), approved, stale. At least the share precision of documents in right order is not suspect. moves: the fewest items to move. "group": value of column by. Errors: as order_documents';

CREATE FUNCTION xmcoh.alignment(model text, document text DEFAULT NULL, source regclass DEFAULT NULL, documents text[] DEFAULT NULL)
    RETURNS TABLE (document text, text_item text, image_item text, probability double precision, inferred boolean)
    AS 'MODULE_PATHNAME', 'xmcoh_alignment' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 30;
COMMENT ON FUNCTION xmcoh.alignment(text, text, regclass, text[]) IS
    'Items with text and their likeliest image with its probability (image_item NULL: a missing photo), then images without text (text_item NULL). inferred is false for rows that hold both. Errors: undefined_object, insufficient_privilege, object_not_in_prerequisite_state (too few rows with both)';

CREATE FUNCTION xmcoh.is_complete(model text, document text, source regclass DEFAULT NULL) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL RESTRICTED COST 100000 SET search_path = pg_catalog, pg_temp
    RETURN (SELECT bool_and(a.text_item IS NOT NULL AND a.image_item IS NOT NULL)
            FROM xmcoh.alignment(is_complete.model, is_complete.document, is_complete.source) AS a);
COMMENT ON FUNCTION xmcoh.is_complete(text, text, regclass) IS
    'Whether each text of a document has its image and each image its text by xmcoh.alignment. NULL for an unknown document, or one without texts and images. Errors: as xmcoh.alignment';
