-- gaps.sql - what documents lack: steps and photos. Each function reads the sources as the caller.
CREATE FUNCTION xmcoh.missing_steps(model text, document text DEFAULT NULL, n integer DEFAULT 3, source regclass DEFAULT NULL,
                                    documents text[] DEFAULT NULL)
    RETURNS TABLE (document text, after_item text, before_item text, probability double precision, score double precision,
                   reason text, candidate integer, similarity double precision, candidate_document text, candidate_item text,
                   candidate_text text)
    AS 'MODULE_PATHNAME', 'xmcoh_missing_steps' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 30;
COMMENT ON FUNCTION xmcoh.missing_steps(text, text, integer, regclass, text[]) IS
    'Places of a stored order where a step may be missing. probability: if half of all documents lack a step; NULL: reason says why. score: log-odds if half of all places were gaps. candidate: up to n steps of approved documents that stand between similar neighbours. Errors: as xmcoh.check_documents';

CREATE FUNCTION xmcoh.missing_photos(model text, document text DEFAULT NULL, n integer DEFAULT 3, pool_source regclass DEFAULT NULL,
                                     source regclass DEFAULT NULL, documents text[] DEFAULT NULL)
    RETURNS TABLE (document text, item text, probability_missing double precision, candidate integer, photo_document text,
                   photo_item text, probability double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_missing_photos' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 10;
COMMENT ON FUNCTION xmcoh.missing_photos(text, text, integer, regclass, regclass, text[]) IS
    'Steps that are likelier to have no photo than to have any single photo. candidate: up to n photos that show no step, each with the probability that it belongs to the step; photos of the document, or if there are none, of all documents of pool_source. Errors: as xmcoh.alignment';

CREATE FUNCTION xmcoh.is_complete(model text, documents text[], source regclass DEFAULT NULL)
    RETURNS TABLE (document text, complete boolean)
    LANGUAGE sql STABLE PARALLEL RESTRICTED COST 1000000 ROWS 100 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.document, bool_and(a.text_item IS NOT NULL AND a.image_item IS NOT NULL)
      FROM xmcoh.alignment(is_complete.model, source => is_complete.source, documents => is_complete.documents) AS a
     GROUP BY a.document ORDER BY a.document COLLATE "C";
END;
COMMENT ON FUNCTION xmcoh.is_complete(text, text[], regclass) IS
    'Whether each text of a document has its image and each image its text by xmcoh.alignment, for several documents in one call: a row for each document that has texts or images. Errors: as xmcoh.alignment';
