-- pictures.sql - pictures of models and documents, and the report

CREATE FUNCTION xmcoh.picture(model text, what text, document text DEFAULT NULL, language text DEFAULT 'en', source regclass DEFAULT NULL)
    RETURNS text AS 'MODULE_PATHNAME', 'xmcoh_picture' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION xmcoh.picture(text, text, text, text, regclass) IS
    'An SVG picture. what: pairs, order or alignment of a document; reliability, learning, quality or rounds of a model. language: en, ja. Texts are escaped. Errors: invalid_parameter_value, object_not_in_prerequisite_state (nothing to show), program_limit_exceeded (over 2000 items), as order_documents';

CREATE FUNCTION xmcoh.report(model text, language text DEFAULT 'en', minutes_per_document double precision DEFAULT NULL,
                             minutes_per_review double precision DEFAULT NULL, cost_per_hour double precision DEFAULT NULL,
                             documents_per_month double precision DEFAULT NULL, documents integer DEFAULT 5)
    RETURNS text AS 'MODULE_PATHNAME', 'xmcoh_report' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000000 SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION xmcoh.report(text, text, double precision, double precision, double precision, double precision, integer) IS
    'An HTML page on a model, complete in itself, without script: figures, pictures, the worst stored documents (documents of them; 0: none are read) with reasons, model card, limits. With all four numbers: the sentences of xmcoh.pilot_report. Errors: as check_documents';
