-- models.sql - models, sources, versions

CREATE FUNCTION xmcoh.options(OUT option text, OUT default_value double precision, OUT low double precision,
                              OUT high double precision, OUT meaning text)
    RETURNS SETOF record AS 'MODULE_PATHNAME', 'xmcoh_options' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.options() IS 'Every option of a model and its training: default, bounds (both included) and meaning with units';

CREATE FUNCTION xmcoh.check_options(image_dim integer, text_dim integer, words boolean, options jsonb) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_check_options' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.check_options(integer, integer, boolean, jsonb) IS 'Raises an error if a model cannot have these options: unknown key (listing the known ones), wrong type, out of bounds';

CREATE FUNCTION xmcoh.inspect_weights(weights bytea) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'xmcoh_inspect_weights' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.inspect_weights(bytea) IS 'Checks a safetensors blob in full (structure, names, shapes, every number) and gives its metadata; an error says what is wrong with a damaged or foreign one';

-- Finds a model by name, or says whether it is missing or somebody else's.

CREATE FUNCTION xmcoh.model_exists(model text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    RETURN EXISTS (SELECT FROM xmcoh.model AS m WHERE m.name = model_exists.model);
COMMENT ON FUNCTION xmcoh.model_exists(text) IS 'Internal: whether there is a model of this name, whoever owns it';

CREATE FUNCTION xmcoh.model_id(model text) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_id integer;
BEGIN
    IF model_id.model IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'model must not be NULL';
    END IF;
    SELECT m.model_id INTO found_id FROM xmcoh.model AS m WHERE m.name = model_id.model;
    IF found_id IS NULL AND xmcoh.model_exists(model_id.model) THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied for model "%s"', model_id.model),
            DETAIL = 'Only members of the role that owns a model can use it.';
    ELSIF found_id IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" does not exist', model_id.model);
    END IF;
    RETURN found_id;
END $$;
COMMENT ON FUNCTION xmcoh.model_id(text) IS 'The number of a model; an error if there is none of this name, or if the caller is no member of its owner';

CREATE FUNCTION xmcoh.check_model_name(name text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF name = '' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'the name of a model must not be empty';
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh.check_model_name(text) IS 'Internal: an error unless a model may have this name';

CREATE FUNCTION xmcoh.create_model(model text, image_dim integer DEFAULT 0, text_dim integer DEFAULT 0,
                                   words boolean DEFAULT true, options jsonb DEFAULT '{}') RETURNS integer
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id integer;
BEGIN
    PERFORM xmcoh.check_model_name(create_model.model);
    PERFORM xmcoh.check_options(image_dim, text_dim, words, options);
    INSERT INTO xmcoh.model AS m (name, image_dim, text_dim, words, options)
        VALUES (create_model.model, create_model.image_dim, create_model.text_dim, create_model.words, create_model.options)
        ON CONFLICT (name) DO NOTHING RETURNING m.model_id INTO new_id;
    IF new_id IS NULL THEN
        RAISE duplicate_object USING MESSAGE = format('model "%s" already exists', create_model.model);
    END IF;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION xmcoh.create_model(text, integer, integer, boolean, jsonb) IS
    'Creates a model owned by the current role: what it reads and which options differ from their defaults (xmcoh.options()); gives its number';

CREATE FUNCTION xmcoh.alter_model(model text, options jsonb DEFAULT NULL, new_name text DEFAULT NULL,
                                  new_owner regrole DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh.model_id(alter_model.model);
    m xmcoh.model;
BEGIN
    SELECT * INTO m FROM xmcoh.model AS x WHERE x.model_id = id FOR UPDATE;
    IF alter_model.options IS NOT NULL THEN
        IF jsonb_typeof(alter_model.options) = 'object' THEN
            m.options := jsonb_strip_nulls(m.options || alter_model.options);
        ELSE
            m.options := alter_model.options;   -- which the check refuses
        END IF;
        PERFORM xmcoh.check_options(m.image_dim, m.text_dim, m.words, m.options);
        UPDATE xmcoh.model AS x SET options = m.options WHERE x.model_id = m.model_id;
    END IF;
    IF new_name IS NOT NULL AND new_name <> m.name THEN
        PERFORM xmcoh.check_model_name(new_name);
        IF xmcoh.model_exists(new_name) THEN
            RAISE duplicate_object USING MESSAGE = format('model "%s" already exists', new_name);
        END IF;
        UPDATE xmcoh.model AS x SET name = new_name WHERE x.model_id = m.model_id;
    END IF;
    IF new_owner IS NOT NULL THEN
        IF NOT pg_has_role(new_owner::oid, 'MEMBER') THEN
            RAISE insufficient_privilege USING MESSAGE = format('must be a member of role %s to give it a model', new_owner);
        END IF;
        UPDATE xmcoh.model AS x SET owner = new_owner WHERE x.model_id = m.model_id;
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh.alter_model(text, jsonb, text, regrole) IS
    'Sets options for the versions trained from now on (a JSON null takes one back to its default), renames a model, or gives it to another role; NULL arguments change nothing';

CREATE FUNCTION xmcoh.signal_worker(job_id integer) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_signal_worker' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.signal_worker(integer) IS 'Internal: interrupts the worker of a job that the caller may change, when this transaction commits';

CREATE FUNCTION xmcoh.drop_model(model text, if_exists boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_id integer;
BEGIN
    IF if_exists AND NOT xmcoh.model_exists(drop_model.model) THEN
        RAISE NOTICE 'model "%" does not exist, skipping', drop_model.model;
        RETURN;
    END IF;
    old_id := xmcoh.model_id(drop_model.model);
    PERFORM xmcoh.signal_worker(j.job_id) FROM xmcoh.job_record AS j
        WHERE j.model_id = old_id AND j.state IN ('queued', 'starting', 'running', 'cancelling');
    DELETE FROM xmcoh.model AS m WHERE m.model_id = old_id;
END $$;
COMMENT ON FUNCTION xmcoh.drop_model(text, boolean) IS 'Drops a model with its versions, sources, approved pairs and jobs; a running job is ended';

-- What a source may be: a permanent relation with rows that the caller may read. Gives its name for messages.

CREATE FUNCTION xmcoh.check_relation(relation regclass) RETURNS text
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
COMMENT ON FUNCTION xmcoh.check_relation(regclass) IS 'Internal: an error unless documents or pairs can be read from this relation; its qualified name';

CREATE FUNCTION xmcoh.check_column(relation regclass, "column" name, role text, type text, suggestion text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    got text;
BEGIN
    IF "column" IS NULL THEN
        RETURN;
    END IF;
    SELECT format_type(a.atttypid, a.atttypmod) INTO got FROM pg_attribute AS a
        WHERE a.attrelid = relation AND a.attname = "column" AND a.attnum > 0 AND NOT a.attisdropped;
    IF got IS NULL THEN
        RAISE undefined_column USING MESSAGE = format('%s has no column "%s" to be read as %s',
            xmcoh.check_relation(relation), "column", role);
    END IF;
    BEGIN
        EXECUTE format('SELECT (t.%I)::%s FROM %s AS t LIMIT 0', "column", type, xmcoh.check_relation(relation));
    EXCEPTION WHEN cannot_coerce THEN
        RAISE datatype_mismatch USING MESSAGE = format('column "%s" of %s cannot be read as %s: it is of type %s',
            "column", xmcoh.check_relation(relation), role, got), HINT = format('Wanted is %s.', suggestion);
    END;
END $$;
COMMENT ON FUNCTION xmcoh.check_column(regclass, name, text, text, text) IS 'Internal: an error unless the relation has the column, its type fits, and the caller may read it';

CREATE FUNCTION xmcoh.attach_source(model text, relation regclass, document name, item name, text name DEFAULT NULL,
                                    image name DEFAULT NULL, text_embedding name DEFAULT NULL,
                                    "position" name DEFAULT NULL, approved name DEFAULT NULL,
                                    documents_of regclass DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id integer := xmcoh.model_id(attach_source.model);
    m xmcoh.model;
    relation_name text := xmcoh.check_relation(relation);
    main xmcoh.source;
BEGIN
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id FOR NO KEY UPDATE;    -- sources come and go one at a time
    IF relation IS NULL OR document IS NULL OR item IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'a source needs a relation, a document column and an item column';
    END IF;
    PERFORM xmcoh.check_column(relation, document, 'document', 'text', 'any type that has a text form');
    PERFORM xmcoh.check_column(relation, item, 'item', 'text', 'any type that has a text form');
    PERFORM xmcoh.check_column(relation, attach_source.text, 'text', 'text', 'any type that has a text form');
    PERFORM xmcoh.check_column(relation, image, 'image', 'real[]', 'real[], or a type with a cast to it, such as vector or halfvec');
    PERFORM xmcoh.check_column(relation, text_embedding, 'text_embedding', 'real[]',
                               'real[], or a type with a cast to it, such as vector or halfvec');
    PERFORM xmcoh.check_column(relation, "position", 'position', 'double precision', 'a number');
    IF approved IS DISTINCT FROM 'all' THEN
        PERFORM xmcoh.check_column(relation, approved, 'approved', 'boolean', 'boolean, or the word all');
    END IF;
    IF attach_source.text IS NULL AND image IS NULL AND text_embedding IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a source needs a text, image or text_embedding column';
    ELSIF attach_source.text IS NOT NULL AND NOT m.words THEN
        RAISE invalid_parameter_value USING MESSAGE = format('model "%s" does not read raw text', model),
            HINT = 'Leave out the text column, or create the model with words => true.';
    ELSIF image IS NOT NULL AND m.image_dim = 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('model "%s" does not read images', model),
            HINT = 'Leave out the image column, or create the model with the image_dim of its embeddings.';
    ELSIF text_embedding IS NOT NULL AND m.text_dim = 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('model "%s" does not read text embeddings', model),
            HINT = 'Leave out the text_embedding column, or create the model with the text_dim of its embeddings.';
    ELSIF approved IS NOT NULL AND "position" IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'approved is about the stored order, but there is no position column';
    END IF;
    IF documents_of IS NOT NULL THEN
        SELECT s.* INTO main FROM xmcoh.source AS s WHERE s.model_id = m.model_id AND s.relation = documents_of;
        IF NOT FOUND THEN
            RAISE undefined_object USING MESSAGE = format('documents_of is %s, which is not a source of model "%s"', documents_of, model),
                HINT = 'Attach that one first.';
        ELSIF main.documents_of IS NOT NULL THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('the rows of %s belong to the documents of %s', documents_of, main.documents_of),
                HINT = format('Name %s as documents_of.', main.documents_of);
        END IF;
    END IF;
    INSERT INTO xmcoh.source (model_id, relation, document, item, text, image, text_embedding, position, approved, documents_of)
        VALUES (m.model_id, relation, document, item, attach_source.text, image, text_embedding, "position", approved, documents_of)
        ON CONFLICT ON CONSTRAINT source_model_id_relation_key DO NOTHING;
    IF NOT FOUND THEN
        RAISE duplicate_object USING MESSAGE = format('%s is already a source of model "%s"', relation_name, model),
            HINT = 'Detach it first with xmcoh.detach_source.';
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh.attach_source(text, regclass, name, name, name, name, name, name, name, regclass) IS
    'Tells a model of a relation that holds documents, one row per item, and which of its columns mean what. "position": the stored order; approved: ''all'', or the boolean column that says of each row whether the stored order is approved. documents_of: an attached source whose documents these rows belong to, as photos do that lie in a table of their own: a document then has the rows of both with its key. Item keys must be distinct over both; positions are on one scale, where a text and an image may stand at the same place: of these two none comes first. A document is approved if all its rows are that a position could be approved of: rows of a relation without position column have no place, and do not count against it. Errors: undefined_object, undefined_column, datatype_mismatch, duplicate_object, invalid_parameter_value, insufficient_privilege';

CREATE FUNCTION xmcoh.detach_source(model text, relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh.model_id(detach_source.model);
    member regclass;
BEGIN
    PERFORM FROM xmcoh.model AS m WHERE m.model_id = id FOR NO KEY UPDATE;
    SELECT s.relation INTO member FROM xmcoh.source AS s
        WHERE s.model_id = id AND s.documents_of = detach_source.relation ORDER BY s.source_id LIMIT 1;
    IF FOUND THEN
        RAISE dependent_objects_still_exist USING
            MESSAGE = format('the rows of %s belong to the documents of %s', member, detach_source.relation),
            HINT = format('Detach %s first.', member);
    END IF;
    DELETE FROM xmcoh.source AS s
        WHERE s.model_id = id AND s.relation = detach_source.relation;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('%s is not a source of model "%s"', detach_source.relation, detach_source.model);
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh.detach_source(text, regclass) IS 'Takes a source away from a model; also one whose relation has been dropped, by its OID. Errors: undefined_object, dependent_objects_still_exist (rows of another source belong to its documents)';

CREATE FUNCTION xmcoh.attach_pairs(model text, relation regclass, document name, before name, after name) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id integer := xmcoh.model_id(attach_pairs.model);
    relation_name text := xmcoh.check_relation(relation);
BEGIN
    PERFORM xmcoh.check_column(relation, document, 'document', 'text', 'any type that has a text form');
    PERFORM xmcoh.check_column(relation, before, 'before', 'text', 'any type that has a text form');
    PERFORM xmcoh.check_column(relation, after, 'after', 'text', 'any type that has a text form');
    INSERT INTO xmcoh.pair_source (model_id, relation, document, before, after)
        VALUES (id, relation, document, before, after)
        ON CONFLICT ON CONSTRAINT pair_source_model_id_relation_key DO NOTHING;
    IF NOT FOUND THEN
        RAISE duplicate_object USING MESSAGE = format('%s is already attached to model "%s" for its pairs', relation_name, model),
            HINT = 'Detach it first with xmcoh.detach_pairs.';
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh.attach_pairs(text, regclass, name, name, name) IS
    'Tells a model of a relation that holds approved pairs, besides xmcoh.approved_pair: in this document, one item stands before the other';

CREATE FUNCTION xmcoh.detach_pairs(model text, relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh.model_id(detach_pairs.model);
BEGIN
    DELETE FROM xmcoh.pair_source AS s
        WHERE s.model_id = id AND s.relation = detach_pairs.relation;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" has no pairs from %s', detach_pairs.model, detach_pairs.relation);
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh.detach_pairs(text, regclass) IS 'Takes a relation of approved pairs away from a model; also one that has been dropped, by its OID';

-- What the views show goes by this one: they run with their owner's privileges, so that who monitors needs none on the tables.

CREATE VIEW xmcoh.visible_model WITH (security_barrier = true) AS
    SELECT m.model_id, m.name, m.owner, m.deployed_version
    FROM xmcoh.model AS m WHERE pg_has_role(m.owner::oid, 'MEMBER') OR pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW xmcoh.visible_model IS 'Internal: the models that views show the current role: those whose owner it is or is a member of; to a member of pg_monitor all';

CREATE VIEW xmcoh.versions WITH (security_barrier = true) AS
    SELECT m.name AS model, v.version, v.version IS NOT DISTINCT FROM m.deployed_version AS deployed, v.sha256,
           octet_length(v.weights) AS bytes, (v.report ->> 'documents')::bigint AS documents,
           (v.report #>> '{fused,tau}')::double precision AS held_out_tau, v.job_id, v.created_at
    FROM xmcoh.model_version AS v JOIN xmcoh.visible_model AS m USING (model_id);
COMMENT ON VIEW xmcoh.versions IS 'The versions of each model: size, approved documents trained on and held out, held-out Kendall tau of the fused order';

-- The same version twice in a row, or one that is gone, is nothing to go back to.
CREATE VIEW xmcoh.previous_deployment WITH (security_barrier = true) AS
    SELECT DISTINCT ON (m.model_id) m.model_id, d.deployment_id, d.version
    FROM xmcoh.visible_model AS m JOIN xmcoh.deployment AS d USING (model_id) JOIN xmcoh.model_version AS v USING (model_id, version)
    WHERE d.rolled_back_at IS NULL AND d.version <> m.deployed_version
    ORDER BY m.model_id, d.deployment_id DESC;
COMMENT ON VIEW xmcoh.previous_deployment IS 'Which deployment of each model xmcoh.rollback would go back to; no row: to none';

CREATE FUNCTION xmcoh.store_version(model_id integer, weights bytea, job_id integer, report jsonb) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    new_version integer;
BEGIN
    PERFORM xmcoh.inspect_weights(weights);
    PERFORM FROM xmcoh.model AS m WHERE m.model_id = store_version.model_id FOR NO KEY UPDATE;    -- one new version at a time
    -- No number is ever used twice, whatever has been pruned: deployments and jobs go by it.
    INSERT INTO xmcoh.model_version AS v (model_id, version, sha256, weights, job_id, report)
        SELECT model_id, 1 + greatest(0, (SELECT max(x.version) FROM xmcoh.model_version AS x WHERE x.model_id = store_version.model_id),
                                      (SELECT max(x.version) FROM xmcoh.deployment AS x WHERE x.model_id = store_version.model_id),
                                      (SELECT max(x.version) FROM xmcoh.job_record AS x WHERE x.model_id = store_version.model_id)),
               encode(sha256(weights), 'hex'), weights, job_id, report
        RETURNING v.version INTO new_version;
    RETURN new_version;
END $$;
COMMENT ON FUNCTION xmcoh.store_version(integer, bytea, integer, jsonb) IS 'Internal: checks weights in full and stores them as the next version of a model';

-- By the functions that deploy and not by a trigger: a restored dump inserts deployments that are none.

CREATE FUNCTION xmcoh.notify_deployment(model text, version integer, previous integer, rollback boolean) RETURNS void
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT pg_notify('xmcoh', json_build_object('event', 'deployment', 'model', left(model, 200), 'version', version,
                                                    'previous', previous, 'rollback', rollback)::text);
    END;
COMMENT ON FUNCTION xmcoh.notify_deployment(text, integer, integer, boolean) IS
    'Internal: NOTIFY on channel xmcoh that another version is deployed, with a payload like {"event": "deployment", "model": "manuals", "version": 4, "previous": 3, "rollback": false}; previous is null for a first deployment. Names are cut off after 200 characters. Any role can listen, and can notify: take it as a hint to look. (Of jobs: xmcoh.note_transition)';

CREATE FUNCTION xmcoh.deploy(model text, version integer) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh.model_id(deploy.model);
    m xmcoh.model;
BEGIN
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id FOR NO KEY UPDATE;
    PERFORM FROM xmcoh.model_version AS v WHERE v.model_id = m.model_id AND v.version = deploy.version;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" has no version %s', deploy.model, deploy.version),
            HINT = 'xmcoh.versions lists them.';
    END IF;
    IF m.deployed_version = deploy.version THEN
        RAISE NOTICE 'version % of model "%" is already deployed', deploy.version, deploy.model;
        RETURN;
    END IF;
    UPDATE xmcoh.model AS x SET deployed_version = deploy.version WHERE x.model_id = m.model_id;
    INSERT INTO xmcoh.deployment (model_id, version) VALUES (m.model_id, deploy.version);
    PERFORM xmcoh.notify_deployment(m.name, deploy.version, m.deployed_version, false);
END $$;
COMMENT ON FUNCTION xmcoh.deploy(text, integer) IS 'Makes a version the one that scores; sessions see it, and listeners on channel xmcoh hear of it (xmcoh.notify_deployment), when this transaction commits';

CREATE FUNCTION xmcoh.rollback(model text) RETURNS integer
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh.model_id(rollback.model);
    m xmcoh.model;
    earlier record;
BEGIN
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id FOR NO KEY UPDATE;
    SELECT d.* INTO earlier FROM xmcoh.previous_deployment AS d WHERE d.model_id = m.model_id;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('model "%s" has no earlier deployment to go back to', rollback.model),
            DETAIL = 'Versions that were pruned do not come back.',
            HINT = 'xmcoh.versions lists those that xmcoh.deploy can deploy.';
    END IF;
    UPDATE xmcoh.deployment AS d SET rolled_back_at = now()
        WHERE d.model_id = m.model_id AND d.rolled_back_at IS NULL AND d.deployment_id > earlier.deployment_id;
    UPDATE xmcoh.model AS x SET deployed_version = earlier.version WHERE x.model_id = m.model_id;
    PERFORM xmcoh.notify_deployment(m.name, earlier.version, m.deployed_version, true);
    RETURN earlier.version;
END $$;
COMMENT ON FUNCTION xmcoh.rollback(text) IS 'Takes the last deployment of a model back and gives the version that is deployed again; listeners on channel xmcoh hear of it (xmcoh.notify_deployment)';

CREATE FUNCTION xmcoh.prune_versions(model text, keep integer DEFAULT 5) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh.model_id(prune_versions.model);
    pruned integer;
BEGIN
    IF keep IS NULL OR keep < 1 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('keep is %s, must be 1 or more', coalesce(keep::text, 'NULL'));
    END IF;
    -- A job that is over without anybody having noticed is compared with nothing.
    PERFORM xmcoh.settle_job(j.job_id) FROM xmcoh.job_record AS j
        WHERE j.model_id = id AND j.state IN ('queued', 'starting', 'running', 'cancelling');
    -- Written, not only locked: a deployment under an older snapshot, which still sees what is deleted here, then fails.
    UPDATE xmcoh.model AS m SET deployed_version = m.deployed_version WHERE m.model_id = id;
    DELETE FROM xmcoh.model_version AS v
        WHERE v.model_id = id
          AND v.version < (SELECT min(n.version) FROM (SELECT x.version FROM xmcoh.model_version AS x WHERE x.model_id = id
                                                       ORDER BY x.version DESC LIMIT keep) AS n)
          AND NOT EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = id AND m.deployed_version = v.version)
          AND NOT EXISTS (SELECT FROM xmcoh.previous_deployment AS d WHERE d.model_id = id AND d.version = v.version)
          AND NOT EXISTS (SELECT FROM xmcoh.job_record AS j WHERE j.model_id = id AND j.champion = v.version
                              AND j.state IN ('queued', 'starting', 'running', 'cancelling'));
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;
COMMENT ON FUNCTION xmcoh.prune_versions(text, integer) IS
    'Deletes old versions of a model and gives their number. The newest `keep` stay, and so do the deployed one, the one that xmcoh.rollback would go back to, and the one that a running job compares its new version with. Errors: undefined_object, insufficient_privilege, invalid_parameter_value (keep below 1)';

CREATE FUNCTION xmcoh.export_model(model text, version integer DEFAULT NULL) RETURNS bytea
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh.model_id(export_model.model);
    wanted integer := version;
    blob bytea;
BEGIN
    IF wanted IS NULL THEN
        SELECT m.deployed_version INTO wanted FROM xmcoh.model AS m WHERE m.model_id = id;
        IF wanted IS NULL THEN
            RAISE object_not_in_prerequisite_state USING
                MESSAGE = format('model "%s" has no deployed version', export_model.model),
                HINT = 'Train it with xmcoh.train, or deploy a version with xmcoh.deploy.';
        END IF;
    END IF;
    SELECT v.weights INTO blob FROM xmcoh.model_version AS v
        WHERE v.model_id = id AND v.version = wanted;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" has no version %s', export_model.model, wanted),
            HINT = 'xmcoh.versions lists them.';
    END IF;
    RETURN blob;
END $$;
COMMENT ON FUNCTION xmcoh.export_model(text, integer) IS 'A version as a safetensors file (NULL: the deployed one)';

CREATE FUNCTION xmcoh.import_model(model text, weights bytea) RETURNS integer
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    description jsonb := xmcoh.inspect_weights(weights);
    image_dim integer := (description ->> 'image_dim')::integer;
    text_dim integer := (description ->> 'text_dim')::integer;
    words boolean := (description ->> 'words')::boolean;
    m xmcoh.model;
    id integer;
BEGIN
    IF NOT xmcoh.model_exists(import_model.model) THEN
        PERFORM xmcoh.create_model(import_model.model, image_dim, text_dim, words, description -> 'options');
    END IF;
    id := xmcoh.model_id(import_model.model);
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id;
    IF (image_dim, text_dim, words) IS DISTINCT FROM (m.image_dim, m.text_dim, m.words) THEN
        RAISE data_exception USING MESSAGE = format('these weights read other inputs than model "%s"', import_model.model),
            DETAIL = format('Weights: image_dim %s, text_dim %s, words %s. Model: image_dim %s, text_dim %s, words %s.',
                            image_dim, text_dim, words, m.image_dim, m.text_dim, m.words),
            HINT = 'Import them under a new name.';
    END IF;
    RETURN xmcoh.store_version(m.model_id, weights, NULL, '{}');
END $$;
COMMENT ON FUNCTION xmcoh.import_model(text, bytea) IS
    'Stores a safetensors file that xmcoh.export_model gave as the next version of a model, which is created if missing; the version, which is not deployed yet';
