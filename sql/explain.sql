-- explain.sql - why scores are what they are: parts of the score of a pair, sentences about a document, the words of a model

CREATE FUNCTION xmcoh.explain(model text, document text, item_a text, item_b text, top integer DEFAULT 10, source regclass DEFAULT NULL)
    RETURNS TABLE (modality text, kind text, feature text, item text, contribution double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_explain' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 15;
COMMENT ON FUNCTION xmcoh.explain(text, text, text, text, integer, regclass) IS
    'Parts of the fused log-odds that item a stands before b; they sum to it. kind: word, shared word (in a, in b), network (by inputs), encoder (by words), guided: top of each, the rest; text embedding, image, fused together, approved, calibration (rounding). Errors: undefined_object, as order_documents';

CREATE FUNCTION xmcoh.explain_document(model text, document text, source regclass DEFAULT NULL, "precision" double precision DEFAULT 0.95,
                                       n integer DEFAULT 10, language text DEFAULT 'en')
    RETURNS TABLE (verdict text, before_item text, after_item text, before_position double precision, after_position double precision,
                   before_text text, after_text text, probability double precision, text_share double precision,
                   image_share double precision, words_for text[], words_against text[], explanation text)
    AS 'MODULE_PATHNAME', 'xmcoh_explain_document' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 10;
COMMENT ON FUNCTION xmcoh.explain_document(text, text, regclass, double precision, integer, text) IS
    'The n surest pairs that are probably stored the wrong way round: violated (as xmcoh.check_documents), or doubtful (only likelier than not), with shares of the log-odds, words for and against, and a sentence in language en or ja. No rows: no such pair. Errors: undefined_object, as order_documents';

CREATE FUNCTION xmcoh.model_words(model text, n integer DEFAULT 20, source regclass DEFAULT NULL)
    RETURNS TABLE (direction text, rank integer, word text, effect double precision, items bigint)
    AS 'MODULE_PATHNAME', 'xmcoh_model_words' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 40;
COMMENT ON FUNCTION xmcoh.model_words(text, integer, regclass) IS
    'The n words, word pairs, beginnings of words (...) and character n-grams that move a step to the front and to the back most. effect: mean log-odds towards the back over the items that hold it; rank favours words of many items. Errors: object_not_in_prerequisite_state, as order_documents';
