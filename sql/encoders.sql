-- encoders.sql - text encoders: imported, dropped, granted, and vectors of texts

CREATE FUNCTION xmcoh_internal.may_encoder(owner xmcoh.object_ref, encoder_id integer, level text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_may_encoder' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.may_encoder(xmcoh.object_ref, integer, text) IS 'Internal: whether the current role owns a text encoder (level own), or may use it by xmcoh.grant_encoder, too (level use)';
CREATE FUNCTION xmcoh_internal.may_encoder(owner xmcoh.object_ref, encoder_id integer, level text, role oid) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_may_encoder' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.may_encoder(xmcoh.object_ref, integer, text, oid) IS 'Internal: whether a role owns a text encoder (level own), or may use it by xmcoh.grant_encoder, too (level use)';

CREATE FUNCTION xmcoh_internal.lock_encoder(caller oid, encoder text, level text, action text DEFAULT 'use an encoder') RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    e xmcoh.encoder;
BEGIN
    SELECT x.* INTO e FROM xmcoh.encoder AS x WHERE x.name = lock_encoder.encoder;
    IF FOUND AND xmcoh_internal.may_encoder(e.owner, e.encoder_id, lock_encoder.level, caller) IS NOT TRUE THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied for encoder "%s"', lock_encoder.encoder),
            DETAIL = CASE lock_encoder.level
                WHEN 'own' THEN 'The owner of an encoder is needed, or a member of that role.'
                ELSE 'The owner of an encoder can use it, members of that role, and roles that got it from xmcoh.grant_encoder.' END;
    END IF;
    PERFORM xmcoh_internal.refuse_elsewhere(action);
    -- The row is updated, not only locked: a drop under an older snapshot, which does not see what this transaction adds, then fails.
    UPDATE xmcoh.encoder AS x SET name = x.name WHERE x.encoder_id = e.encoder_id;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('encoder "%s" does not exist', lock_encoder.encoder),
            HINT = 'xmcoh.encoders lists the encoders that you may use.';
    END IF;
    RETURN e.encoder_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.lock_encoder(oid, text, text, text) IS
    'Internal: the number of a text encoder, whose row is locked until the transaction ends, so that nobody drops the encoder meanwhile. level: use or own. Errors: undefined_object, insufficient_privilege (the caller lacks this level), and those of xmcoh_internal.refuse_elsewhere(action)';

-- ---- import and drop ----

CREATE FUNCTION xmcoh_internal.store_encoder(name text, owner xmcoh.object_ref, weights bytea, config text, tokenizer text, modules text,
                                             pooling text, sentence text, license text) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_store_encoder' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.store_encoder(text, xmcoh.object_ref, bytea, text, text, text, text, text, text) IS
    'Internal: makes the one file of a text encoder from its published files, stores it and gives its number. Errors: data_exception, program_limit_exceeded, duplicate_object';

CREATE FUNCTION xmcoh_internal.import_encoder(caller oid, name text, weights bytea, config text, tokenizer text, modules text, pooling text,
                                              sentence text, license text) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id integer;
    twin text;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('import an encoder');
    IF import_encoder.name IS NULL OR weights IS NULL OR config IS NULL OR tokenizer IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = format('%s must not be NULL', CASE WHEN import_encoder.name IS NULL THEN 'name'
            WHEN weights IS NULL THEN 'weights' WHEN config IS NULL THEN 'config' ELSE 'tokenizer' END);
    END IF;
    PERFORM xmcoh_internal.check_name('text encoder', import_encoder.name);
    -- Looked at before the long work, too. The unique index decides.
    PERFORM FROM xmcoh.encoder AS e WHERE e.name = import_encoder.name;
    IF FOUND THEN
        RAISE duplicate_object USING MESSAGE = format('encoder "%s" already exists', import_encoder.name);
    END IF;
    new_id := xmcoh_internal.store_encoder(import_encoder.name, xmcoh_internal.role_ref(caller), weights, config, tokenizer, modules,
                                           pooling, sentence, license);
    SELECT o.name INTO twin FROM xmcoh.encoder AS e JOIN xmcoh.encoder AS o USING (sha256)
        WHERE e.encoder_id = new_id AND o.encoder_id <> new_id AND xmcoh_internal.may_encoder(o.owner, o.encoder_id, 'use', caller)
        ORDER BY o.encoder_id LIMIT 1;
    IF FOUND THEN
        RAISE NOTICE 'encoder "%" is the same as encoder "%"', import_encoder.name, twin;
    END IF;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.import_encoder(oid, text, bytea, text, text, text, text, text, text) IS 'Internal: xmcoh.import_encoder';
CREATE FUNCTION xmcoh.import_encoder(name text, weights bytea, config text, tokenizer text, modules text DEFAULT NULL, pooling text DEFAULT NULL,
                                     sentence text DEFAULT NULL, license text DEFAULT NULL) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.import_encoder(text, bytea, text, text, text, text, text, text) IS
    'Imports a text encoder (BERT, XLM-RoBERTa) from its published files: model.safetensors (below 1 GB), config.json, tokenizer.json, modules.json, 1_Pooling/config.json, sentence_bert_config.json. The caller owns it. Gives its number. Errors: data_exception, program_limit_exceeded, duplicate_object';

CREATE FUNCTION xmcoh_internal.models_of_encoder(encoder_id integer) RETURNS text[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN ARRAY(SELECT m.name FROM xmcoh.model AS m WHERE models_of_encoder.encoder_id IN (m.encoder_id, m.image_encoder_id) ORDER BY m.name);
COMMENT ON FUNCTION xmcoh_internal.models_of_encoder(integer) IS 'Internal: the names of the models that need a text encoder';

CREATE FUNCTION xmcoh_internal.drop_encoder(caller oid, encoder text, if_exists boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer;
    models text[];
BEGIN
    IF if_exists AND NOT EXISTS (SELECT FROM xmcoh.encoder AS e WHERE e.name = drop_encoder.encoder) THEN
        RAISE NOTICE 'encoder "%" does not exist, skipping', drop_encoder.encoder;
        RETURN;
    END IF;
    id := xmcoh_internal.lock_encoder(caller, drop_encoder.encoder, 'own', 'drop an encoder');
    models := xmcoh_internal.models_of_encoder(id);
    IF cardinality(models) > 0 THEN
        RAISE dependent_objects_still_exist USING
            MESSAGE = format('cannot drop encoder "%s" because %s %s it', drop_encoder.encoder,
                             CASE cardinality(models) WHEN 1 THEN '1 model' ELSE cardinality(models) || ' models' END,
                             CASE cardinality(models) WHEN 1 THEN 'needs' ELSE 'need' END),
            DETAIL = format('Models: %s.', (SELECT string_agg(format('"%s"', m), ', ') FROM unnest(models[:10]) AS m)),
            HINT = 'Drop the models first.';
    END IF;
    DELETE FROM xmcoh.encoder AS e WHERE e.encoder_id = id;
    DELETE FROM xmcoh.encoder_chunk AS c WHERE c.encoder_id = id;
    DELETE FROM xmcoh.encoder_grant_record AS g WHERE g.encoder_id = id;
    PERFORM xmcoh.sweep_cache();
END $$;
COMMENT ON FUNCTION xmcoh_internal.drop_encoder(oid, text, boolean) IS 'Internal: xmcoh.drop_encoder';
CREATE FUNCTION xmcoh.drop_encoder(encoder text, if_exists boolean DEFAULT false) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.drop_encoder(text, boolean) IS
    'Drops a text encoder that the current role owns. Errors: undefined_object, insufficient_privilege, dependent_objects_still_exist (a model needs the encoder)';

-- ---- who may use an encoder ----

CREATE FUNCTION xmcoh_internal.revoke_encoder(caller oid, encoder text, role regrole) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.lock_encoder(caller, revoke_encoder.encoder, 'own', 'revoke the use of an encoder');
BEGIN
    DELETE FROM xmcoh.encoder_grant_record AS g WHERE g.encoder_id = id AND xmcoh_internal.object_oid(g.role) = revoke_encoder.role::oid;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION xmcoh_internal.revoke_encoder(oid, text, regrole) IS 'Internal: xmcoh.revoke_encoder';
CREATE FUNCTION xmcoh.revoke_encoder(encoder text, role regrole) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.revoke_encoder(text, regrole) IS
    'Takes back what xmcoh.grant_encoder gave; false: the role had nothing. Models that the role has made with the encoder stay as they are. For the owner of the encoder. Errors: undefined_object, insufficient_privilege';

CREATE FUNCTION xmcoh_internal.grant_encoder(caller oid, encoder text, role regrole) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.lock_encoder(caller, grant_encoder.encoder, 'own', 'grant the use of an encoder');
    new_role xmcoh.object_ref := xmcoh_internal.role_ref(grant_encoder.role::oid);
BEGIN
    PERFORM xmcoh_internal.revoke_encoder(caller, grant_encoder.encoder, grant_encoder.role);
    INSERT INTO xmcoh.encoder_grant_record (encoder_id, role, granted_by) VALUES (id, new_role, pg_get_userbyid(caller));
END $$;
COMMENT ON FUNCTION xmcoh_internal.grant_encoder(oid, text, regrole) IS 'Internal: xmcoh.grant_encoder';
CREATE FUNCTION xmcoh.grant_encoder(encoder text, role regrole) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.grant_encoder(text, regrole) IS
    'Lets a role and its members use a text encoder: embed texts, and make models with it. Who may use a model needs no grant on its encoder. The role also needs xmcoh.grant_usage. For the owner of the encoder. Errors: undefined_object, insufficient_privilege';

CREATE VIEW xmcoh.encoders WITH (security_barrier = true) AS
    SELECT e.name AS encoder, xmcoh_internal.owner_name(e.owner) AS owner, e.family, e.dim, e.layers, e.heads, e.vocabulary, e.max_tokens,
           e.parameters, e.pooling, e.normalised, e.bytes, e.sha256, e.license, e.created_at
    FROM xmcoh.encoder AS e WHERE xmcoh_internal.may_encoder(e.owner, e.encoder_id, 'use') OR pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW xmcoh.encoders IS 'Text encoders that the current role may use (all of them for a member of pg_monitor): shape, size of the file in bytes, and its SHA-256';
COMMENT ON COLUMN xmcoh.encoders.encoder IS 'name of the encoder';
COMMENT ON COLUMN xmcoh.encoders.owner IS 'role whose members own the encoder';
COMMENT ON COLUMN xmcoh.encoders.layers IS 'number of Transformer layers';
COMMENT ON COLUMN xmcoh.encoders.heads IS 'number of attention heads of a layer';
COMMENT ON COLUMN xmcoh.encoders.bytes IS 'size of the stored file';
COMMENT ON COLUMN xmcoh.encoders.sha256 IS 'SHA-256 of the stored file, in hexadecimal';
COMMENT ON COLUMN xmcoh.encoders.created_at IS 'when the encoder was imported';
COMMENT ON COLUMN xmcoh.encoders.family IS 'bert or xlm-roberta';
COMMENT ON COLUMN xmcoh.encoders.dim IS 'numbers in a vector';
COMMENT ON COLUMN xmcoh.encoders.vocabulary IS 'number of tokens that the encoder knows';
COMMENT ON COLUMN xmcoh.encoders.max_tokens IS 'most tokens of a text, two special ones included; what is beyond is not read';
COMMENT ON COLUMN xmcoh.encoders.parameters IS 'number of weights';
COMMENT ON COLUMN xmcoh.encoders.pooling IS 'vector of a text: ''mean'' over the vectors of its tokens, or that of the ''first token''';
COMMENT ON COLUMN xmcoh.encoders.normalised IS 'whether each vector has length 1';
COMMENT ON COLUMN xmcoh.encoders.license IS 'text of the licence, as given at the import';

CREATE VIEW xmcoh.encoder_grants WITH (security_barrier = true) AS
    SELECT v.encoder, xmcoh_internal.object_name(g.role) AS role, g.granted_by, g.granted_at
    FROM xmcoh.encoder_grant_record AS g JOIN xmcoh.encoder AS e USING (encoder_id) JOIN xmcoh.encoders AS v ON v.encoder = e.name;
COMMENT ON VIEW xmcoh.encoder_grants IS 'Roles that may use a text encoder by xmcoh.grant_encoder, by whom and since when; role NULL: the role was dropped';
COMMENT ON COLUMN xmcoh.encoder_grants.encoder IS 'name of the encoder';
COMMENT ON COLUMN xmcoh.encoder_grants.role IS 'role that may use the encoder; NULL: the role was dropped';
COMMENT ON COLUMN xmcoh.encoder_grants.granted_by IS 'role that gave the grant';
COMMENT ON COLUMN xmcoh.encoder_grants.granted_at IS 'when';

-- ---- vectors ----

CREATE FUNCTION xmcoh.embed(encoder text, "text" text) RETURNS real[]
    AS 'MODULE_PATHNAME', 'xmcoh_embed' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION xmcoh.embed(text, text) IS
    'Vector of a text: dim numbers (xmcoh.encoders). What is beyond max_tokens is not read. A session keeps its last vectors within xmcoh.encoder_cache. Errors: undefined_object, insufficient_privilege, data_corrupted (the stored file)';
CREATE FUNCTION xmcoh.embed(encoder text, texts text[]) RETURNS SETOF real[]
    AS 'MODULE_PATHNAME', 'xmcoh_embed_texts' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000000 ROWS 100;
COMMENT ON FUNCTION xmcoh.embed(text, text[]) IS
    'Vectors of several texts, which is faster than one by one: a row for each element, in their order, NULL for NULL. Errors as of xmcoh.embed(text, text)';
