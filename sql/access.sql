-- access.sql - who may do what with a model: levels, the look-up of a model by name, grants

CREATE FUNCTION xmcoh_internal.level_rank(level text) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_level_rank' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.level_rank(text) IS 'Internal: score, review, train and own as 0 to 3. Error: invalid_parameter_value';

CREATE FUNCTION xmcoh_internal.may(owner xmcoh.object_ref, model_id integer, level text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_may' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.may(xmcoh.object_ref, integer, text) IS 'Internal: whether the current role has a level on a model, as a member of its owner or by xmcoh.grant_model';
CREATE FUNCTION xmcoh_internal.may(owner xmcoh.object_ref, model_id integer, level text, role oid) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_may' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.may(xmcoh.object_ref, integer, text, oid) IS 'Internal: whether a role has a level on a model, as a member of its owner or by xmcoh.grant_model';

CREATE FUNCTION xmcoh_internal.may_become(role oid, other oid) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_may_become_role' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.may_become(oid, oid) IS 'Internal: whether a role may SET ROLE to another';

CREATE FUNCTION xmcoh_internal.owner_name(owner xmcoh.object_ref) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN coalesce(xmcoh_internal.object_name(CASE WHEN xmcoh_internal.object_oid(owner) IS NOT NULL THEN owner END),
                    (SELECT quote_ident(pg_get_userbyid(c.relowner)) FROM pg_class AS c WHERE c.oid = 'xmcoh.model'::regclass));
COMMENT ON FUNCTION xmcoh_internal.owner_name(xmcoh.object_ref) IS 'Internal: the role that owns a model; the owner of the extension where the model''s owner was dropped or is missing here';

CREATE FUNCTION xmcoh_internal.check_name(kind text, name text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF name = '' THEN
        RAISE invalid_parameter_value USING MESSAGE = format('the name of a %s must not be empty', kind);
    ELSIF octet_length(name) > 20000 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('the name of a %s has %s bytes, at most 20000 are allowed', kind, octet_length(name));
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.check_name(text, text) IS 'Internal: an error unless a model or a text encoder may have this name';

-- For every role and every model, because the name of a model is taken whoever owns the model. BEGIN ATOMIC, not RETURN: Citus cannot
-- send the statement of a RETURN to another node.

CREATE FUNCTION xmcoh.model_exists(model text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM xmcoh.model AS m WHERE m.name = model_exists.model);
END;
COMMENT ON FUNCTION xmcoh.model_exists(text) IS 'Whether a model of this name exists, whoever owns it';

CREATE FUNCTION xmcoh_internal.model_id(caller oid, model text, level text) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    m xmcoh.model;
BEGIN
    IF model_id.model IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'model must not be NULL';
    END IF;
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.name = model_id.model;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" does not exist', model_id.model);
    ELSIF xmcoh_internal.may(m.owner, m.model_id, model_id.level, caller) IS NOT TRUE THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied for model "%s"', model_id.model),
            DETAIL = format('Level %s is needed. The owner of a model has it, members of that role, and roles that got it from xmcoh.grant_model.',
                            model_id.level);
    END IF;
    RETURN m.model_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.model_id(oid, text, text) IS 'Internal: the number of a model. Errors: undefined_object, insufficient_privilege (the caller lacks this level)';

CREATE FUNCTION xmcoh_internal.refuse_elsewhere(action text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    subscription name;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE read_only_sql_transaction USING MESSAGE = format('cannot %s on a standby', action);
    ELSIF current_setting('transaction_read_only')::boolean THEN
        RAISE read_only_sql_transaction USING MESSAGE = format('cannot %s in a read-only transaction', action);
    END IF;
    SELECT s.subname INTO subscription FROM pg_subscription_rel AS r JOIN pg_subscription AS s ON s.oid = r.srsubid
        WHERE r.srrelid IN (SELECT d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
                            WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_class'::regclass AND e.extname = 'xmcoh')
        ORDER BY s.subname LIMIT 1;
    IF FOUND THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('cannot %s on a subscriber of the models', action),
            DETAIL = format('Subscription "%s" copies rows of the tables of xmcoh, whose numbers a row made here could take.', subscription),
            HINT = 'Do this on the publisher.';
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.refuse_elsewhere(text) IS 'Internal: raises an error where nothing can be written (standby, read-only transaction) and where the models come from another server (subscriber)';

CREATE FUNCTION xmcoh_internal.lock_model(caller oid, model text, level text, action text) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.model_id(caller, lock_model.model, lock_model.level);
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere(action);
    PERFORM FROM xmcoh.model AS m WHERE m.model_id = id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" does not exist', lock_model.model);    -- it was dropped meanwhile
    END IF;
    RETURN id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.lock_model(oid, text, text, text) IS 'Internal: as xmcoh_internal.model_id; refuses the action where xmcoh_internal.refuse_elsewhere does; and locks the model''s row until the transaction ends, so that one transaction at a time changes a model and what belongs to the model';

-- ---- grants on models ----

CREATE FUNCTION xmcoh_internal.revoke_model(caller oid, model text, role regrole) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.lock_model(caller, revoke_model.model, 'own', 'revoke a level on a model');
BEGIN
    DELETE FROM xmcoh.model_grant_record AS g WHERE g.model_id = id AND xmcoh_internal.object_oid(g.role) = revoke_model.role::oid;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION xmcoh_internal.revoke_model(oid, text, regrole) IS 'Internal: xmcoh.revoke_model';
CREATE FUNCTION xmcoh.revoke_model(model text, role regrole) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.revoke_model(text, regrole) IS
    'Takes the level that xmcoh.grant_model gave a role on a model back; false: the role had none. The owner of the model keeps all levels. Needs level own. Errors: undefined_object, insufficient_privilege';

CREATE FUNCTION xmcoh_internal.grant_model(caller oid, model text, role regrole, level text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.lock_model(caller, grant_model.model, 'own', 'grant a level on a model');
    new_role xmcoh.object_ref := xmcoh_internal.role_ref(grant_model.role::oid);
BEGIN
    PERFORM xmcoh_internal.level_rank(grant_model.level);
    PERFORM xmcoh_internal.revoke_model(caller, grant_model.model, grant_model.role);
    INSERT INTO xmcoh.model_grant_record (model_id, role, level, granted_by)
        VALUES (id, new_role, grant_model.level, pg_get_userbyid(caller));
END $$;
COMMENT ON FUNCTION xmcoh_internal.grant_model(oid, text, regrole, text) IS 'Internal: xmcoh.grant_model';
CREATE FUNCTION xmcoh.grant_model(model text, role regrole, level text) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.grant_model(text, regrole, text) IS
    'Gives a role and its members a level on a model, in place of the earlier one: ''score'' (read, score), ''review'' (approve pairs too), ''train'' (train, schedule, deploy too), ''own'' (all). The role also needs xmcoh.grant_usage. Errors: undefined_object, insufficient_privilege, invalid_parameter_value';
