-- sources.sql - sources: the relations that hold documents and approved pairs

-- What may be a source: a permanent relation with rows.

CREATE FUNCTION xmcoh_internal.check_relation(relation regclass) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c record;
BEGIN
    SELECT relkind, relpersistence, format('%I.%I', n.nspname, k.relname) AS name INTO c
        FROM pg_class AS k JOIN pg_namespace AS n ON n.oid = k.relnamespace WHERE k.oid = relation;
    IF c IS NULL THEN
        RAISE undefined_table USING MESSAGE = format('relation with OID %s does not exist', relation::oid);
    ELSIF c.relkind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
        RAISE wrong_object_type USING MESSAGE = format('%s is not a table, view, materialized view or foreign table', c.name);
    ELSIF c.relpersistence = 't' THEN
        RAISE feature_not_supported USING MESSAGE = format('%s is temporary', c.name),
            DETAIL = 'The background worker that trains a model cannot read temporary relations.';
    END IF;
    RETURN c.name;
END $$;
COMMENT ON FUNCTION xmcoh_internal.check_relation(regclass) IS 'Internal: the qualified name of a relation; an error unless documents or pairs can be read from the relation';

-- Checks of the columns and the first rows of a relation, which are read as the role that attaches it (src/pg/source/probe.c). Errors:
-- undefined_column, datatype_mismatch, insufficient_privilege, data_exception.

CREATE FUNCTION xmcoh_internal.probe_source(relation regclass, document name, item name, text name, image name, text_embedding name,
                                            "position" name, approved name, image_dim integer, text_dim integer, caller oid,
                                            "group" name[], image_texts boolean) RETURNS integer[]
    AS 'MODULE_PATHNAME', 'xmcoh_probe_source' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.probe_source(regclass, name, name, name, name, name, name, name, integer, integer, oid, name[], boolean) IS 'Internal: an error unless this role can read the columns of a source, with types that suit their use; gives image_dim and text_dim: the given ones or, where these are 0, what types or first rows tell (0: nothing)';
CREATE FUNCTION xmcoh_internal.probe_pairs(relation regclass, document name, before name, after name, caller oid) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_probe_pairs' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.probe_pairs(regclass, name, name, name, oid) IS 'Internal: an error unless this role can read the columns of a relation of approved pairs';
CREATE FUNCTION xmcoh_internal.shared_item(relation regclass, document name, item name, other regclass, other_document name,
                                           other_item name, caller oid) RETURNS text
    AS 'MODULE_PATHNAME', 'xmcoh_shared_item' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.shared_item(regclass, name, name, regclass, name, name, oid) IS 'Internal: an item that two relations hold of one document, in words, looked for in their first rows; NULL: none found';

CREATE FUNCTION xmcoh_internal.check_unchanged(m xmcoh.model, relation_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM xmcoh.model AS x WHERE x.model_id = m.model_id AND x *= m;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('model "%s" was changed or dropped by a function that %s calls', m.name, relation_name);
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.check_unchanged(xmcoh.model, text) IS 'Internal: an error unless a model is as it was before a relation was read, whose functions the owner of the model may have written';

CREATE FUNCTION xmcoh_internal.take_dims(m xmcoh.model, image_dim integer, text_dim integer) RETURNS xmcoh.model
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A version that was trained, and a job that goes on or may be resumed, have the numbers that the model had.
    IF (m.image_dim, m.text_dim) <> (take_dims.image_dim, take_dims.text_dim)
        AND NOT EXISTS (SELECT FROM xmcoh.model_version AS v WHERE v.model_id = m.model_id)
        AND NOT EXISTS (SELECT FROM xmcoh.job_record AS j WHERE j.model_id = m.model_id
                        AND (xmcoh_internal.is_active(j.state) OR j.state = 'interrupted')) THEN
        m.image_dim := take_dims.image_dim;
        m.text_dim := take_dims.text_dim;
        PERFORM xmcoh.check_options(m.image_dim, m.text_dim, m.words, m.options);
        UPDATE xmcoh.model AS x SET image_dim = m.image_dim, text_dim = m.text_dim WHERE x.model_id = m.model_id;
    END IF;
    RETURN m;
END $$;
COMMENT ON FUNCTION xmcoh_internal.take_dims(xmcoh.model, integer, integer) IS 'Internal: sets image_dim and text_dim of a model as xmcoh_internal.probe_source gives them, unless the model has been trained or is in training; gives the model as it is then';

CREATE FUNCTION xmcoh_internal.attach_source(caller oid, model text, relation regclass, document name, item name, "group" name[],
                                             text name, image name, text_embedding name, "position" name, approved name,
                                             documents_of regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id integer := xmcoh_internal.lock_model(caller, attach_source.model, 'own', 'attach a source');    -- one change of the sources at a time
    m xmcoh.model;
    relation_name text := xmcoh_internal.check_relation(relation);
    main xmcoh.source_record;
    other record;
    item_of_both text;
    dim integer[];
BEGIN
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id;
    dim := xmcoh_internal.probe_source(relation, document, item, attach_source.text, image, text_embedding, "position", approved,
                                       m.image_dim, m.text_dim, caller, "group", m.image_encoder_id IS NOT NULL);
    PERFORM xmcoh_internal.check_unchanged(m, relation_name);
    m := xmcoh_internal.take_dims(m, dim[1], dim[2]);
    IF attach_source.text IS NULL AND image IS NULL AND text_embedding IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a source needs a text, image or text_embedding column';
    ELSIF attach_source.text IS NOT NULL AND NOT m.words AND m.encoder_id IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('model "%s" does not read raw text', model),
            HINT = 'Leave out the text column, or create the model with words => true or with an encoder.';
    ELSIF image IS NOT NULL AND m.image_dim = 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('model "%s" does not read images', model),
            HINT = CASE WHEN dim[1] > 0 THEN 'The model was trained without. Leave out the image column, or create another model.'
                        ELSE 'No row has an image. Attach the relation when one has, or create the model with the image_dim of its embeddings.' END;
    ELSIF text_embedding IS NOT NULL AND m.text_dim = 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('model "%s" does not read text embeddings', model),
            HINT = CASE WHEN dim[2] > 0 THEN 'The model was trained without. Leave out the text_embedding column, or create another model.'
                        ELSE 'No row has one. Attach the relation when one has, or create the model with the text_dim of its embeddings.' END;
    ELSIF approved IS NOT NULL AND "position" IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'approved needs a position column',
            DETAIL = 'What is approved is the stored order.';
    ELSIF cardinality("group") = 0 OR array_position("group", NULL) IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'group must name one or more columns';
    END IF;
    IF documents_of IS NOT NULL THEN
        SELECT s.* INTO main FROM xmcoh.source_record AS s
            WHERE s.model_id = m.model_id AND xmcoh_internal.object_oid(s.relation) = documents_of::oid;
        IF NOT FOUND THEN
            RAISE undefined_object USING MESSAGE = format('documents_of is %s, which is not a source of model "%s"', documents_of, model),
                HINT = format('Attach %s first.', documents_of);
        ELSIF main.documents_of IS NOT NULL THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('the rows of %s belong to the documents of %s', documents_of, xmcoh_internal.object_name(main.documents_of)),
                HINT = format('Name %s as documents_of.', xmcoh_internal.object_name(main.documents_of));
        END IF;
    END IF;
    PERFORM FROM xmcoh.source_record AS s WHERE s.model_id = m.model_id AND xmcoh_internal.object_oid(s.relation) = relation::oid;
    IF FOUND THEN
        RAISE duplicate_object USING MESSAGE = format('%s is already a source of model "%s"', relation_name, model),
            HINT = 'Detach the relation first with xmcoh.detach_source.';
    END IF;
    -- A NOTICE about another source with the same documents, such as two views of one table. Each of the two can be read alone; but what
    -- reads all sources refuses them.
    FOR other IN SELECT s.relation, s.document, s.item FROM xmcoh.source_record AS s WHERE s.model_id = m.model_id
            AND s.documents_of IS NULL AND documents_of IS NULL AND xmcoh_internal.what_is_missing(s.relation, s.document, s.item) IS NULL
    LOOP
        BEGIN
            item_of_both := xmcoh_internal.shared_item(relation, document, item, xmcoh_internal.object_oid(other.relation)::regclass,
                xmcoh_internal.object_name(other.document)::name, xmcoh_internal.object_name(other.item)::name, caller);
        EXCEPTION WHEN OTHERS THEN
            item_of_both := NULL;       -- an error in reading the other source does not prevent attaching this one
        END;
        IF item_of_both IS NOT NULL THEN
            RAISE NOTICE USING MESSAGE = format('%s is in %s and in %s', item_of_both, relation_name, xmcoh_internal.object_name(other.relation)),
                DETAIL = 'Training, and each function that reads all sources of the model, refuses an item that two sources hold.',
                HINT = 'Detach one of the two, or attach views that share no documents.';
        END IF;
    END LOOP;
    PERFORM xmcoh_internal.check_unchanged(m, relation_name);
    INSERT INTO xmcoh.source_record (model_id, relation, document, item, text, image, text_embedding, position, approved, all_approved,
                                     documents_of, group_columns)
        SELECT m.model_id, xmcoh_internal.relation_ref(relation), xmcoh_internal.column_ref(relation, document),
               xmcoh_internal.column_ref(relation, item), xmcoh_internal.column_ref(relation, attach_source.text),
               xmcoh_internal.column_ref(relation, image), xmcoh_internal.column_ref(relation, text_embedding),
               xmcoh_internal.column_ref(relation, "position"),
               xmcoh_internal.column_ref(relation, nullif(approved, 'all')), approved IS NOT DISTINCT FROM 'all',
               xmcoh_internal.relation_ref(documents_of),
               (SELECT array_agg(xmcoh_internal.column_ref(relation, g.name) ORDER BY g.place)
                FROM unnest("group") WITH ORDINALITY AS g (name, place));
END $$;
COMMENT ON FUNCTION xmcoh_internal.attach_source(oid, text, regclass, name, name, name[], name, name, name, name, name, regclass) IS 'Internal: xmcoh.attach_source';
CREATE FUNCTION xmcoh_internal.attach_source(caller oid, model text, relation regclass, document name, item name, text name, image name,
                                             text_embedding name, "position" name, approved name, documents_of regclass,
                                             "group" name) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT xmcoh_internal.attach_source(caller, model, relation, document, item, CASE WHEN "group" IS NOT NULL THEN ARRAY["group"] END,
                                            text, image, text_embedding, "position", approved, documents_of);
    END;
COMMENT ON FUNCTION xmcoh_internal.attach_source(oid, text, regclass, name, name, name, name, name, name, name, regclass, name) IS 'Internal: xmcoh.attach_source with one group column or none';
CREATE FUNCTION xmcoh.attach_source(model text, relation regclass, document name, item name, text name DEFAULT NULL,
                                    image name DEFAULT NULL, text_embedding name DEFAULT NULL,
                                    "position" name DEFAULT NULL, approved name DEFAULT NULL,
                                    documents_of regclass DEFAULT NULL, "group" name DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.attach_source(text, regclass, name, name, name, name, name, name, name, regclass, name) IS
    'Attaches a relation of documents, one row per item. image: real[], or text with image_encoder; "position": stored order; approved: ''all'' or a boolean column; documents_of: source whose documents the rows belong to; group: held out together. Needs level own. Errors: undefined_column and others';
CREATE FUNCTION xmcoh.attach_source(model text, relation regclass, document name, item name, "group" name[], text name DEFAULT NULL,
                                    image name DEFAULT NULL, text_embedding name DEFAULT NULL,
                                    "position" name DEFAULT NULL, approved name DEFAULT NULL,
                                    documents_of regclass DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.attach_source(text, regclass, name, name, name[], name, name, name, name, name, regclass) IS
    'Attaches a relation of documents like the other attach_source, with groups by several columns: documents with the same values in all of them are one group; a document with NULL in one of them is a group of its own';

-- By name, because a relation that was dropped cannot be named by regclass.

CREATE FUNCTION xmcoh_internal.bears_name(object xmcoh.object_ref, name text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN CASE cardinality(parse_ident(name)) WHEN 1 THEN (parse_ident(xmcoh_internal.object_name(object)))[2:2] = parse_ident(name)
                ELSE parse_ident(xmcoh_internal.object_name(object)) = parse_ident(name) END;
COMMENT ON FUNCTION xmcoh_internal.bears_name(xmcoh.object_ref, text) IS 'Internal: whether a relation has this name, with or without its schema';

CREATE FUNCTION xmcoh_internal.detach_source(caller oid, model text, relation text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.lock_model(caller, detach_source.model, 'own', 'detach a source');
    named xmcoh.source_record;
    member text;
BEGIN
    SELECT s.* INTO STRICT named FROM xmcoh.source_record AS s
        WHERE s.model_id = id AND xmcoh_internal.bears_name(s.relation, detach_source.relation);
    SELECT xmcoh_internal.object_name(s.relation) INTO member FROM xmcoh.source_record AS s
        WHERE s.model_id = id AND xmcoh_internal.object_name(s.documents_of) = xmcoh_internal.object_name(named.relation)
        ORDER BY s.source_id LIMIT 1;
    IF FOUND THEN
        RAISE dependent_objects_still_exist USING
            MESSAGE = format('the rows of %s belong to the documents of %s', member, xmcoh_internal.object_name(named.relation)),
            HINT = format('Detach %s first.', member);
    END IF;
    -- A guard of a relation that is gone goes with the source. Another one has triggers, which xmcoh.unenforce_order drops.
    IF EXISTS (SELECT FROM xmcoh.guard_record AS g WHERE g.source_id = named.source_id) THEN
        IF xmcoh_internal.object_oid(named.relation) IS NOT NULL THEN
            RAISE dependent_objects_still_exist USING
                MESSAGE = format('the orders of %s are enforced', xmcoh_internal.object_name(named.relation)),
                HINT = 'Call xmcoh.unenforce_order first.';
        END IF;
        PERFORM xmcoh_internal.unguard(caller, named.source_id, false);
    END IF;
    DELETE FROM xmcoh.source_record AS s WHERE s.source_id = named.source_id;
    DELETE FROM xmcoh.document_state_record AS d WHERE d.source_id = named.source_id;
    DELETE FROM xmcoh.document_state_source AS d WHERE d.source_id = named.source_id;
EXCEPTION
    WHEN no_data_found THEN
        RAISE undefined_object USING MESSAGE = format('%s is not a source of model "%s"', detach_source.relation, detach_source.model),
            HINT = 'xmcoh.source lists the sources of each model.';
    WHEN too_many_rows THEN
        RAISE ambiguous_alias USING MESSAGE = format('%s could be several sources of model "%s"', detach_source.relation, detach_source.model),
            HINT = 'Add the schema to the name.';
END $$;
COMMENT ON FUNCTION xmcoh_internal.detach_source(oid, text, text) IS 'Internal: xmcoh.detach_source';
CREATE FUNCTION xmcoh.detach_source(model text, relation text) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.detach_source(text, text) IS 'Detaches a source from a model by its name in xmcoh.source, with or without schema; the relation may be gone. Needs level own. Errors: undefined_object, ambiguous_alias, dependent_objects_still_exist (its orders are enforced, or another source''s rows belong to its documents)';

CREATE FUNCTION xmcoh_internal.attach_pairs(caller oid, model text, relation regclass, document name, before name, after name) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id integer := xmcoh_internal.lock_model(caller, attach_pairs.model, 'own', 'attach approved pairs');
    m xmcoh.model;
    relation_name text := xmcoh_internal.check_relation(relation);
BEGIN
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id;
    PERFORM xmcoh_internal.probe_pairs(relation, document, before, after, caller);
    PERFORM xmcoh_internal.check_unchanged(m, relation_name);
    PERFORM FROM xmcoh.pair_source_record AS s WHERE s.model_id = id AND xmcoh_internal.object_oid(s.relation) = relation::oid;
    IF FOUND THEN
        RAISE duplicate_object USING MESSAGE = format('%s is already attached to model "%s" for its pairs', relation_name, model),
            HINT = 'Detach the relation first with xmcoh.detach_pairs.';
    END IF;
    INSERT INTO xmcoh.pair_source_record (model_id, relation, document, before, after)
        SELECT id, xmcoh_internal.relation_ref(relation), xmcoh_internal.column_ref(relation, document),
               xmcoh_internal.column_ref(relation, before), xmcoh_internal.column_ref(relation, after);
END $$;
COMMENT ON FUNCTION xmcoh_internal.attach_pairs(oid, text, regclass, name, name, name) IS 'Internal: xmcoh.attach_pairs';
CREATE FUNCTION xmcoh.attach_pairs(model text, relation regclass, document name, before name, after name) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.attach_pairs(text, regclass, name, name, name) IS
    'Attaches a relation with approved pairs, besides xmcoh.approved_pair: in this document, item before stands before item after. Needs level own. Errors: undefined_object, undefined_column, datatype_mismatch, duplicate_object, insufficient_privilege';

CREATE FUNCTION xmcoh_internal.detach_pairs(caller oid, model text, relation text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.lock_model(caller, detach_pairs.model, 'own', 'detach approved pairs');
BEGIN
    DELETE FROM xmcoh.pair_source_record AS s
        WHERE s.model_id = id AND xmcoh_internal.bears_name(s.relation, detach_pairs.relation);
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" has no pairs from %s', detach_pairs.model, detach_pairs.relation),
            HINT = 'xmcoh.pair_source lists the relations of approved pairs of each model.';
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.detach_pairs(oid, text, text) IS 'Internal: xmcoh.detach_pairs';
CREATE FUNCTION xmcoh.detach_pairs(model text, relation text) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.detach_pairs(text, text) IS 'Detaches a relation with approved pairs from a model by its name in xmcoh.pair_source, with or without schema; the relation may be gone. Needs level own. Error: undefined_object';

-- ---- what is attached, and what of it is missing ----

CREATE FUNCTION xmcoh_internal.what_is_missing(VARIADIC objects xmcoh.object_ref[]) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT format('%s is missing', o.object) FROM unnest(objects) WITH ORDINALITY AS o (object, place)
            WHERE o.object IS NOT NULL AND xmcoh_internal.object_oid(o.object) IS NULL ORDER BY o.place LIMIT 1);
COMMENT ON FUNCTION xmcoh_internal.what_is_missing(xmcoh.object_ref[]) IS 'Internal: the first of these objects that is missing, in words; NULL: none is missing';

CREATE VIEW xmcoh.source WITH (security_barrier = true) AS
    SELECT m.name AS model, xmcoh_internal.object_name(s.relation) AS relation, xmcoh_internal.object_name(s.document) AS document,
           xmcoh_internal.object_name(s.item) AS item, xmcoh_internal.object_name(s.text) AS text,
           xmcoh_internal.object_name(s.image) AS image, xmcoh_internal.object_name(s.text_embedding) AS text_embedding,
           xmcoh_internal.object_name(s.position) AS "position",
           CASE WHEN s.all_approved THEN 'all' ELSE xmcoh_internal.object_name(s.approved) END AS approved,
           xmcoh_internal.object_name(s.documents_of) AS documents_of,
           array_to_string(xmcoh_internal.object_names(s.group_columns), ', ') AS "group",
           xmcoh_internal.what_is_missing(VARIADIC ARRAY[s.relation, s.document, s.item, s.text, s.image, s.text_embedding, s.position,
                                                         s.approved, s.documents_of] || s.group_columns) AS problem
    FROM xmcoh.source_record AS s JOIN xmcoh.visible_model AS m USING (model_id);
COMMENT ON VIEW xmcoh.source IS 'Relations that hold the documents of each model, one row per item, and the use of their columns (xmcoh.attach_source). problem: what is missing, such as ''relation public.step is missing''; NULL: nothing';
COMMENT ON COLUMN xmcoh.source.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.source.relation IS 'relation that holds documents';
COMMENT ON COLUMN xmcoh.source.document IS 'column of the document';
COMMENT ON COLUMN xmcoh.source.item IS 'column of the item';
COMMENT ON COLUMN xmcoh.source.text IS 'column of the text; NULL: none';
COMMENT ON COLUMN xmcoh.source.image IS 'column of the image; NULL: none';
COMMENT ON COLUMN xmcoh.source.text_embedding IS 'column of the text embedding; NULL: none';
COMMENT ON COLUMN xmcoh.source.problem IS 'what is missing; NULL: nothing';
COMMENT ON COLUMN xmcoh.source.position IS 'column with the stored order of the items; NULL: none';
COMMENT ON COLUMN xmcoh.source.approved IS '''all'': every stored order is approved; else a boolean column (a document is approved when the column is true in all its rows); NULL: no stored order is approved';
COMMENT ON COLUMN xmcoh.source.documents_of IS 'source of the same model whose documents these rows belong to; NULL: the rows make documents of their own';
COMMENT ON COLUMN xmcoh.source."group" IS 'column, or columns separated by commas, that hold the group of a document; NULL: each document is a group of its own';

CREATE VIEW xmcoh.pair_source WITH (security_barrier = true) AS
    SELECT m.name AS model, xmcoh_internal.object_name(s.relation) AS relation, xmcoh_internal.object_name(s.document) AS document,
           xmcoh_internal.object_name(s.before) AS before, xmcoh_internal.object_name(s.after) AS after,
           xmcoh_internal.what_is_missing(s.relation, s.document, s.before, s.after) AS problem
    FROM xmcoh.pair_source_record AS s JOIN xmcoh.visible_model AS m USING (model_id);
COMMENT ON VIEW xmcoh.pair_source IS 'Relations that hold approved pairs of each model, besides xmcoh.approved_pair (xmcoh.attach_pairs). problem: what is missing; NULL: nothing';
COMMENT ON COLUMN xmcoh.pair_source.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.pair_source.relation IS 'relation that holds approved pairs';
COMMENT ON COLUMN xmcoh.pair_source.document IS 'column of the document';
COMMENT ON COLUMN xmcoh.pair_source.before IS 'column of the item that stands before';
COMMENT ON COLUMN xmcoh.pair_source.after IS 'column of the item that stands after';
COMMENT ON COLUMN xmcoh.pair_source.problem IS 'what is missing; NULL: nothing';

-- How the sources are defined. A job or schedule that was submitted for other definitions does not run on these. There are two hashes: one
-- over OIDs, which does not change when a role, relation or column is renamed; and one over names, which is the same in a restored copy.
-- The definition has changed if both hashes differ.

CREATE FUNCTION xmcoh_internal.column_number("column" xmcoh.object_ref) RETURNS smallint
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT a.attnum FROM pg_attribute AS a WHERE a.attrelid = xmcoh_internal.object_oid("column")
            AND a.attname = xmcoh_internal.object_name("column"));
COMMENT ON FUNCTION xmcoh_internal.column_number(xmcoh.object_ref) IS 'Internal: number of the named column in its relation; NULL: the column is missing';

-- A definition is text that depends on settings. They have fixed values here, so that a worker and a session get the same text.

CREATE FUNCTION xmcoh_internal.source_definition(model_id integer) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off SET "DateStyle" = 'ISO, MDY' SET "IntervalStyle" = 'postgres'
    SET "TimeZone" = 'UTC' SET extra_float_digits = 1 SET bytea_output = 'hex' SET lc_monetary = 'C' SET lc_numeric = 'C' SET lc_time = 'C'
    BEGIN ATOMIC
        WITH RECURSIVE attached (relation, columns, documents_of, kind) AS (
            SELECT s.relation, ARRAY[s.document, s.item, s.text, s.image, s.text_embedding, s.position, s.approved] || s.group_columns,
                   s.documents_of,
                   CASE WHEN s.all_approved THEN 'all' ELSE 'source' END
                FROM xmcoh.source_record AS s WHERE s.model_id = source_definition.model_id
            UNION ALL
            SELECT p.relation, ARRAY[p.document, p.before, p.after], NULL, 'pairs'
                FROM xmcoh.pair_source_record AS p WHERE p.model_id = source_definition.model_id),
        -- All objects that reading these relations uses. Executing uses what a view reads and calls, policies, and casts of the columns'
        -- types. Planning evaluates constant expressions of indexes, constraints and statistics, of partitions and child tables, too.
        used (class, object, is_child) AS (
            SELECT 'pg_class'::regclass::oid, xmcoh_internal.object_oid(s.relation), false FROM attached AS s
                WHERE xmcoh_internal.object_oid(s.relation) IS NOT NULL
            UNION
            SELECT e.class, e.object, e.is_child FROM used AS u, LATERAL (
                SELECT d.refclassid, d.refobjid, false FROM pg_depend AS d
                    WHERE d.classid = u.class AND d.objid = u.object AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass,
                        'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass, 'pg_opfamily'::regclass)
                    AND NOT (u.is_child AND d.refclassid = 'pg_class'::regclass)
                UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, false FROM pg_rewrite AS r
                    WHERE u.class = 'pg_class'::regclass AND r.ev_class = u.object
                UNION ALL SELECT 'pg_policy'::regclass, p.oid, false FROM pg_policy AS p
                    WHERE u.class = 'pg_class'::regclass AND p.polrelid = u.object
                UNION ALL SELECT 'pg_constraint'::regclass, k.oid, true FROM pg_constraint AS k
                    WHERE u.class = 'pg_class'::regclass AND k.conrelid = u.object AND k.contype = 'c'
                UNION ALL SELECT 'pg_constraint'::regclass, k.oid, true FROM pg_constraint AS k
                    WHERE u.class = 'pg_type'::regclass AND k.contypid = u.object
                UNION ALL SELECT 'pg_class'::regclass, i.indexrelid, true FROM pg_index AS i
                    WHERE u.class = 'pg_class'::regclass AND i.indrelid = u.object
                UNION ALL SELECT 'pg_statistic_ext'::regclass, x.oid, true FROM pg_statistic_ext AS x
                    WHERE u.class = 'pg_class'::regclass AND x.stxrelid = u.object
                UNION ALL SELECT 'pg_class'::regclass, h.inhrelid, true FROM pg_inherits AS h
                    WHERE u.class = 'pg_class'::regclass AND h.inhparent = u.object
                UNION ALL SELECT 'pg_cast'::regclass, c.oid, false FROM pg_cast AS c
                    WHERE u.class = 'pg_type'::regclass AND c.castsource = u.object) AS e (class, object, is_child)
                -- Objects of the server and of extensions are left out: only a superuser can change them.
                WHERE e.object >= 16384 AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = e.class AND d.objid = e.object
                                                        AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')),
        line (numbers, names) AS (
            SELECT format('%s %s %s %s', s.kind, xmcoh_internal.object_oid(s.relation), xmcoh_internal.object_oid(s.documents_of),
                          (SELECT array_agg(xmcoh_internal.column_number(c.object) ORDER BY c.place)
                           FROM unnest(s.columns) WITH ORDINALITY AS c (object, place))),
                   format('%s %s %s %s', s.kind, s.relation, s.documents_of, s.columns)
                FROM attached AS s
            UNION
            SELECT format('%s %s %s %s %s %s %s', c.oid, c.relkind, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
                          (SELECT string_agg(format('%s %s %s', r.ev_type, r.ev_qual, r.ev_action), E'\n' ORDER BY r.oid)
                           FROM pg_rewrite AS r WHERE r.ev_class = c.oid),
                          (SELECT string_agg(format('%s %s %s', a.attnum, a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)
                           FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)),
                   format('%s %s %s %s %s %s %s', c.oid::regclass, c.relkind, pg_get_userbyid(c.relowner), c.relrowsecurity,
                          c.relforcerowsecurity, pg_get_viewdef(c.oid),
                          (SELECT string_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ',' ORDER BY a.attnum)
                           FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
                FROM used AS u JOIN pg_class AS c ON c.oid = u.object WHERE u.class = 'pg_class'::regclass AND NOT u.is_child
            UNION   -- a new partition of the same kind and owner does not change the definition
            SELECT format('child %s %s', c.relkind, c.relowner), format('child %s %s', c.relkind, pg_get_userbyid(c.relowner))
                FROM used AS u JOIN pg_class AS c ON c.oid = u.object
                WHERE u.class = 'pg_class'::regclass AND u.is_child AND c.relkind NOT IN ('i', 'I')
            UNION
            SELECT format('%s %s %s %s %s %s', p.oid, p.proowner, f.kind, p.prosrc, p.probin, p.prosqlbody),
                   format('%s %s %s %s %s %s', p.oid::regprocedure, pg_get_userbyid(p.proowner), f.kind, p.prosrc, p.probin,
                          pg_get_function_sqlbody(p.oid))
                FROM used AS u JOIN pg_proc AS p ON p.oid = u.object JOIN pg_language AS l ON l.oid = p.prolang,
                     LATERAL (SELECT format('%s %s %s %s %s', l.lanname, p.provolatile, p.prosecdef, p.proisstrict, p.proconfig)) AS f (kind)
                WHERE u.class = 'pg_proc'::regclass
            UNION
            SELECT format('policy %s %s %s %s', p.polrelid, p.polpermissive, p.polqual, p.polroles),
                   format('policy %s %s %s %s', p.polrelid::regclass, p.polpermissive, pg_get_expr(p.polqual, p.polrelid),
                          ARRAY(SELECT CASE WHEN r.role <> 0 THEN pg_get_userbyid(r.role) END
                                FROM unnest(p.polroles) WITH ORDINALITY AS r (role, place) ORDER BY r.place))
                FROM used AS u JOIN pg_policy AS p ON p.oid = u.object WHERE u.class = 'pg_policy'::regclass AND p.polcmd IN ('r', '*')
            UNION
            SELECT format('operator %s %s %s', o.oid, o.oprowner, o.oprcode::oid),
                   format('operator %s %s %s', o.oid::regoperator, pg_get_userbyid(o.oprowner), o.oprcode::regprocedure)
                FROM used AS u JOIN pg_operator AS o ON o.oid = u.object WHERE u.class = 'pg_operator'::regclass
            UNION
            SELECT format('type %s %s %s', t.oid, t.typowner, t.typtype), format('type %s %s %s', t.oid::regtype, pg_get_userbyid(t.typowner), t.typtype)
                FROM used AS u JOIN pg_type AS t ON t.oid = u.object WHERE u.class = 'pg_type'::regclass AND t.typtype IN ('b', 'd', 'e', 'm', 'r')
            UNION
            SELECT format('cast %s %s %s %s %s', c.castsource, c.casttarget, c.castfunc, c.castcontext, c.castmethod),
                   format('cast %s %s %s %s %s', c.castsource::regtype, c.casttarget::regtype, c.castfunc::regprocedure, c.castcontext, c.castmethod)
                FROM used AS u JOIN pg_cast AS c ON c.oid = u.object WHERE u.class = 'pg_cast'::regclass)
        SELECT format('%s %s', encode(sha256(convert_to(string_agg(l.numbers, E'\n' ORDER BY l.numbers COLLATE "C"), 'UTF8')), 'hex'),
                      encode(sha256(convert_to(string_agg(l.names, E'\n' ORDER BY l.names COLLATE "C"), 'UTF8')), 'hex'))
            FROM line AS l;
    END;
COMMENT ON FUNCTION xmcoh_internal.source_definition(integer) IS
    'Internal: two hashes, over OIDs and over names, of how the sources and pair sources of a model are defined: owners and columns of relations, views, policies, casts, and functions that reading or planning may call. Calls inside the text of a function are not looked into';

CREATE FUNCTION xmcoh_internal.is_defined_as(model_id integer, definition text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT split_part(d.now, ' ', 1) = split_part(definition, ' ', 1) OR split_part(d.now, ' ', 2) = split_part(definition, ' ', 2)
            FROM (SELECT xmcoh_internal.source_definition(model_id)) AS d (now));
COMMENT ON FUNCTION xmcoh_internal.is_defined_as(integer, text) IS 'Internal: whether the sources of a model are still defined as xmcoh_internal.source_definition said, by OIDs or by names';
