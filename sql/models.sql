-- models.sql - models: inputs, options, names, owners; the views common list of visible models

CREATE FUNCTION xmcoh.options(OUT option text, OUT default_value double precision, OUT low double precision,
                              OUT high double precision, OUT meaning text)
    RETURNS SETOF record AS 'MODULE_PATHNAME', 'xmcoh_options' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.options() IS 'All options of models and trainings: default, bounds (both included) and meaning with unit';

CREATE FUNCTION xmcoh.check_options(image_dim integer, text_dim integer, words boolean, options jsonb) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_check_options' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.check_options(integer, integer, boolean, jsonb) IS 'Raises an error if a model cannot have these options: unknown key (the message lists the known ones), wrong type, out of bounds';

CREATE FUNCTION xmcoh.inspect_weights(weights bytea) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'xmcoh_inspect_weights' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.inspect_weights(bytea) IS 'Checks a safetensors file in full (structure, names, shapes, every number) and gives its metadata. Error: data_corrupted (the message says what is wrong)';

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
            DETAIL = 'The owner of a model can use it, members of that role, and roles with a level from xmcoh.grant_model.';
    ELSIF found_id IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" does not exist', model_id.model);
    END IF;
    RETURN found_id;
END $$;
COMMENT ON FUNCTION xmcoh.model_id(text) IS 'Number of a model. Needs level score. Errors: undefined_object, insufficient_privilege';

CREATE FUNCTION xmcoh_internal.dim_of_encoder(encoder_id integer, argument text, given integer) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    e xmcoh.encoder;
BEGIN
    IF dim_of_encoder.encoder_id IS NULL THEN
        RETURN given;
    END IF;
    SELECT x.* INTO STRICT e FROM xmcoh.encoder AS x WHERE x.encoder_id = dim_of_encoder.encoder_id;
    IF given NOT IN (0, e.dim) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('%s is %s, but encoder "%s" makes vectors of %s numbers', argument, given, e.name, e.dim),
            HINT = format('Leave out %s.', argument);
    END IF;
    RETURN e.dim;
END $$;
COMMENT ON FUNCTION xmcoh_internal.dim_of_encoder(integer, text, integer) IS 'Internal: numbers in the embeddings of a model with this encoder (NULL: none; then what is given). Error: invalid_parameter_value (another number is given in this argument)';

CREATE FUNCTION xmcoh_internal.create_model(caller oid, model text, image_dim integer, text_dim integer, words boolean, options jsonb,
                                            encoder text, image_encoder text)
    RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id integer;
    its_encoder integer;
    its_image_encoder integer;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('create a model');
    IF create_model.model IS NULL OR image_dim IS NULL OR text_dim IS NULL OR words IS NULL OR options IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'model, image_dim, text_dim, words and options must not be NULL';
    END IF;
    its_encoder := CASE WHEN encoder IS NOT NULL THEN xmcoh_internal.lock_encoder(caller, encoder, 'use') END;
    its_image_encoder := CASE WHEN image_encoder IS NOT NULL THEN xmcoh_internal.lock_encoder(caller, image_encoder, 'use') END;
    text_dim := xmcoh_internal.dim_of_encoder(its_encoder, 'text_dim', text_dim);
    image_dim := xmcoh_internal.dim_of_encoder(its_image_encoder, 'image_dim', image_dim);
    PERFORM xmcoh_internal.check_name('model', create_model.model);
    PERFORM xmcoh.check_options(image_dim, text_dim, words, options);
    INSERT INTO xmcoh.model AS m (name, owner, image_dim, text_dim, words, options, encoder_id, image_encoder_id)
        VALUES (create_model.model, xmcoh_internal.role_ref(caller), create_model.image_dim, create_model.text_dim,
                create_model.words, create_model.options, its_encoder, its_image_encoder)
        ON CONFLICT (name) DO NOTHING RETURNING m.model_id INTO new_id;
    IF new_id IS NULL THEN
        RAISE duplicate_object USING MESSAGE = format('model "%s" already exists', create_model.model);
    END IF;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.create_model(oid, text, integer, integer, boolean, jsonb, text, text) IS 'Internal: xmcoh.create_model';
CREATE FUNCTION xmcoh.create_model(model text, image_dim integer DEFAULT 0, text_dim integer DEFAULT 0,
                                   words boolean DEFAULT true, options jsonb DEFAULT '{}', encoder text DEFAULT NULL,
                                   image_encoder text DEFAULT NULL) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.create_model(text, integer, integer, boolean, jsonb, text, text) IS
    'Creates a model of the current role; gives its number. image_dim, text_dim: numbers in an embedding (0: those of its first source that has some); words: raw text is read; encoder: for missing text embeddings; image_encoder: for texts in place of images. Errors: duplicate_object and others';

CREATE FUNCTION xmcoh_internal.alter_model(caller oid, model text, options jsonb, new_name text, new_owner regrole) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.lock_model(caller, alter_model.model, 'own', 'alter a model');
    m xmcoh.model;
BEGIN
    SELECT * INTO m FROM xmcoh.model AS x WHERE x.model_id = id FOR UPDATE;
    IF alter_model.options IS NOT NULL THEN
        IF jsonb_typeof(alter_model.options) = 'object' THEN
            m.options := jsonb_strip_nulls(m.options || alter_model.options);
        ELSE
            m.options := alter_model.options;   -- the check below refuses this
        END IF;
        PERFORM xmcoh.check_options(m.image_dim, m.text_dim, m.words, m.options);
        UPDATE xmcoh.model AS x SET options = m.options WHERE x.model_id = m.model_id;
    END IF;
    IF new_name IS NOT NULL AND new_name <> m.name THEN
        PERFORM xmcoh_internal.check_name('model', new_name);
        IF xmcoh.model_exists(new_name) THEN
            RAISE duplicate_object USING MESSAGE = format('model "%s" already exists', new_name);
        END IF;
        UPDATE xmcoh.model AS x SET name = new_name WHERE x.model_id = m.model_id;
    END IF;
    IF new_owner IS NOT NULL THEN
        IF NOT pg_has_role(caller, new_owner::oid, 'MEMBER') THEN
            RAISE insufficient_privilege USING MESSAGE = format('must be a member of role %s to give it a model', new_owner);
        END IF;
        UPDATE xmcoh.model AS x SET owner = xmcoh_internal.role_ref(new_owner::oid) WHERE x.model_id = m.model_id;
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.alter_model(oid, text, jsonb, text, regrole) IS 'Internal: xmcoh.alter_model';
CREATE FUNCTION xmcoh.alter_model(model text, options jsonb DEFAULT NULL, new_name text DEFAULT NULL,
                                  new_owner regrole DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.alter_model(text, jsonb, text, regrole) IS
    'Sets options for later versions (JSON null: back to the default), renames a model, or gives the model to a role of which the caller is a member; NULL changes nothing. Needs level own. Errors: undefined_object, insufficient_privilege, duplicate_object, invalid_parameter_value';

CREATE FUNCTION xmcoh_internal.signal_worker(job_id integer) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_signal_worker' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.signal_worker(integer) IS 'Internal: interrupts the worker of a job when this transaction commits';

CREATE FUNCTION xmcoh_internal.drop_model(caller oid, model text, if_exists boolean, discard_decisions boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer;
    decisions bigint;
    jobs integer[];
BEGIN
    IF if_exists AND NOT xmcoh.model_exists(drop_model.model) THEN
        RAISE NOTICE 'model "%" does not exist, skipping', drop_model.model;
        RETURN;
    END IF;
    id := xmcoh_internal.model_id(caller, drop_model.model, 'own');
    PERFORM xmcoh_internal.refuse_elsewhere('drop a model');
    -- The model's row first: then no other transaction adds rows to those that are deleted below. A worker locks the model's row
    -- before its job's row, too, so the two do not deadlock.
    DELETE FROM xmcoh.model AS m WHERE m.model_id = id;
    IF NOT discard_decisions THEN
        SELECT count(*) INTO decisions FROM xmcoh.decision AS d WHERE d.model_id = id;
        IF decisions > 0 THEN
            RAISE dependent_objects_still_exist USING
                MESSAGE = format('cannot drop model "%s" because people have made %s %s', drop_model.model, decisions,
                                 CASE decisions WHEN 1 THEN 'decision' ELSE 'decisions' END),
                HINT = 'Keep a copy of xmcoh.decision, or drop the model with discard_decisions => true.';
        END IF;
    END IF;
    PERFORM xmcoh_internal.signal_worker(j.job_id) FROM xmcoh.job_record AS j
        WHERE j.model_id = id AND xmcoh_internal.is_active(j.state);
    DELETE FROM xmcoh.model_grant_record AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.model_version AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.deployment AS x WHERE x.model_id = id;
    PERFORM xmcoh_internal.unguard(caller, s.source_id, false) FROM xmcoh.source_record AS s WHERE s.model_id = id;
    DELETE FROM xmcoh.violation_record AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.document_state_record AS x USING xmcoh.source_record AS s WHERE s.source_id = x.source_id AND s.model_id = id;
    DELETE FROM xmcoh.document_state_source AS x USING xmcoh.source_record AS s WHERE s.source_id = x.source_id AND s.model_id = id;
    DELETE FROM xmcoh.source_record AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.pair_source_record AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.decision AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.review_claim_record AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.schedule AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.quality_snapshot_record AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.alert_limit_record AS x WHERE x.model_id = id;
    DELETE FROM xmcoh.alert_state AS x WHERE x.model_id = id;
    jobs := ARRAY(SELECT x.job_id FROM xmcoh.job_record AS x WHERE x.model_id = id);
    WITH job AS (DELETE FROM xmcoh.job_record AS x WHERE x.model_id = id RETURNING x.job_id),
         t AS (DELETE FROM xmcoh.job_transition AS x USING job WHERE x.job_id = job.job_id),
         c AS (DELETE FROM xmcoh.job_checkpoint AS x USING job WHERE x.job_id = job.job_id)
        DELETE FROM xmcoh.training_metric AS x USING job WHERE x.job_id = job.job_id;
    -- In a statement of its own, after those rows: a worker that stores a result has locked its job's row until then.
    DELETE FROM xmcoh.learning_curve_record AS x WHERE x.job_id = ANY (jobs);
    PERFORM xmcoh.sweep_cache();
END $$;
COMMENT ON FUNCTION xmcoh_internal.drop_model(oid, text, boolean, boolean) IS 'Internal: xmcoh.drop_model';
CREATE FUNCTION xmcoh.drop_model(model text, if_exists boolean DEFAULT false, discard_decisions boolean DEFAULT false) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.drop_model(text, boolean, boolean) IS 'Drops a model with its versions, sources, grants, schedules and jobs, and with its decisions if discard_decisions is true; a running job ends. Needs level own. Errors: undefined_object, dependent_objects_still_exist (people have made decisions), insufficient_privilege';

-- All views join this one, which decides what the current role sees. They run with their owner's privileges, so a role that monitors
-- needs no privilege on the tables.

CREATE VIEW xmcoh.visible_model WITH (security_barrier = true) AS
    SELECT m.model_id, m.name, xmcoh_internal.owner_name(m.owner) AS owner, m.deployed_version,
           xmcoh_internal.may(m.owner, m.model_id, 'train') AS may_train
    FROM xmcoh.model AS m WHERE xmcoh_internal.may(m.owner, m.model_id, 'score') OR pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW xmcoh.visible_model IS 'Internal: the models that views show to the current role: those that the role may score by; all of them to a member of pg_monitor';

CREATE VIEW xmcoh.model_grants WITH (security_barrier = true) AS
    SELECT m.name AS model, xmcoh_internal.object_name(g.role) AS role, g.level, g.granted_by, g.granted_at
    FROM xmcoh.model_grant_record AS g JOIN xmcoh.visible_model AS m USING (model_id);
COMMENT ON VIEW xmcoh.model_grants IS 'Levels on models that xmcoh.grant_model gave: to which role, by whom and when; role NULL: the role was dropped';
COMMENT ON COLUMN xmcoh.model_grants.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.model_grants.role IS 'role that has the level; NULL: the role was dropped';
COMMENT ON COLUMN xmcoh.model_grants.level IS 'score, review, train or own; each includes those before it';
COMMENT ON COLUMN xmcoh.model_grants.granted_by IS 'role that gave the level';
COMMENT ON COLUMN xmcoh.model_grants.granted_at IS 'when';
