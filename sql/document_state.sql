-- document_state.sql - what check_documents says of each document, kept and refreshed

CREATE FUNCTION xmcoh_internal.changed_documents(caller oid, model text, source regclass, documents text[], "precision" double precision, afresh boolean)
    RETURNS TABLE (source_relation oid, change text, documents_changed bigint, fingerprint bytea, version integer, document text, items integer,
                   approved boolean, coherence double precision, best_coherence double precision, gain double precision, confident_pairs integer,
                   violated_pairs integer, worst_before text, worst_after text, worst_probability double precision, verdict text, moves jsonb)
    AS 'MODULE_PATHNAME', 'xmcoh_changed_documents' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.changed_documents(oid, text, regclass, text[], double precision, boolean) IS
    'Internal: checks the documents that have no state, or that have changed since, as this role (change: checked); states without a document (removed); one row with the number of the others (unchanged). afresh: no state counts';

-- A state says what one role may read. So another role neither overwrites nor removes states by what it does not see.
CREATE FUNCTION xmcoh_internal.keeps_states(caller oid, id integer, source regclass, take_over boolean) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    k record;
    m xmcoh.model;
BEGIN
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = id;
    FOR k IN SELECT s.relation, d.kept_by FROM xmcoh.document_state_source AS d JOIN xmcoh.source_record AS s USING (source_id)
        WHERE s.model_id = id AND (source IS NULL OR xmcoh_internal.object_oid(s.relation) = source::oid)
          AND xmcoh_internal.object_oid(d.kept_by) IS DISTINCT FROM caller ORDER BY s.source_id
    LOOP
        IF xmcoh_internal.object_oid(k.kept_by) IS NULL THEN
            RETURN false;    -- the role was dropped
        ELSIF NOT take_over THEN
            RAISE object_not_in_prerequisite_state USING
                MESSAGE = format('the states of documents of %s are kept by role %s', xmcoh_internal.object_name(k.relation), xmcoh_internal.object_name(k.kept_by)),
                DETAIL = 'They say what that role may read.',
                HINT = 'Refresh as that role, or, with level own, take the states over with take_over => true.';
        ELSIF xmcoh_internal.may(m.owner, id, 'own', caller) IS NOT TRUE THEN
            RAISE insufficient_privilege USING MESSAGE = format('permission denied for model "%s"', m.name),
                DETAIL = 'Level own is needed to take over states that another role keeps.';
        END IF;
        RETURN false;
    END LOOP;
    RETURN true;
END $$;
COMMENT ON FUNCTION xmcoh_internal.keeps_states(oid, integer, regclass, boolean) IS 'Internal: whether a role keeps the states of these documents, or nobody does. Errors: object_not_in_prerequisite_state (another role does), insufficient_privilege (and take_over is true, without level own)';

CREATE FUNCTION xmcoh_internal.refresh_document_state(caller oid, model text, source regclass, documents text[], "precision" double precision,
                                                      take_over boolean)
    RETURNS TABLE (checked bigint, unchanged bigint, removed bigint)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    id integer := xmcoh_internal.model_id(caller, refresh_document_state.model, 'train');
    -- With one snapshot for the transaction, the documents are as they were when that began.
    as_of timestamptz := CASE WHEN current_setting('transaction_isolation') IN ('read committed', 'read uncommitted') THEN clock_timestamp()
                              ELSE transaction_timestamp() END;
    keeps boolean;
    begun boolean := false;
    changed record;
    own_source integer;
    of_relation oid;
    n bigint;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('refresh the states of documents');
    IF refresh_document_state.take_over IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'take_over must not be NULL';
    END IF;
    keeps := xmcoh_internal.keeps_states(caller, id, refresh_document_state.source, refresh_document_state.take_over);
    checked := 0;
    unchanged := 0;
    removed := 0;
    -- All is read before the first row comes, so no code of a source runs after a row has been locked or written here.
    FOR changed IN SELECT c.* FROM xmcoh_internal.changed_documents(caller, refresh_document_state.model, refresh_document_state.source,
        refresh_document_state.documents, refresh_document_state."precision", NOT keeps) AS c
    LOOP
        IF NOT begun THEN
            begun := true;
            n := xmcoh_internal.begin_states(caller, refresh_document_state.model, id, refresh_document_state.source, keeps, refresh_document_state.take_over);
            removed := removed + n;
        END IF;
        IF of_relation IS DISTINCT FROM changed.source_relation THEN
            of_relation := changed.source_relation;
            SELECT s.source_id INTO own_source FROM xmcoh.source_record AS s
                WHERE s.model_id = id AND xmcoh_internal.object_oid(s.relation) = of_relation AND s.documents_of IS NULL;
        END IF;
        IF changed.change = 'unchanged' THEN
            unchanged := changed.documents_changed;
        ELSIF changed.change = 'removed' THEN
            -- What another refresh has checked since is not removed, nor is it overwritten.
            DELETE FROM xmcoh.document_state_record AS d WHERE d.source_id = own_source AND d.document = changed.document AND d.checked_at <= as_of;
            GET DIAGNOSTICS n = ROW_COUNT;
            removed := removed + n;
        ELSIF own_source IS NOT NULL THEN
            checked := checked + 1;
            INSERT INTO xmcoh.document_state_record AS d
                VALUES (own_source, changed.document, changed.fingerprint, changed.version, coalesce(refresh_document_state."precision", 0.95), as_of,
                        changed.items, changed.approved, changed.coherence, changed.best_coherence, changed.gain, changed.confident_pairs,
                        changed.violated_pairs, changed.worst_before, changed.worst_after, changed.worst_probability, changed.verdict, changed.moves)
                ON CONFLICT ON CONSTRAINT document_state_record_pkey DO UPDATE SET fingerprint = excluded.fingerprint, version = excluded.version,
                    "precision" = excluded."precision", checked_at = excluded.checked_at, items = excluded.items, approved = excluded.approved,
                    coherence = excluded.coherence, best_coherence = excluded.best_coherence, gain = excluded.gain,
                    confident_pairs = excluded.confident_pairs, violated_pairs = excluded.violated_pairs, worst_before = excluded.worst_before,
                    worst_after = excluded.worst_after, worst_probability = excluded.worst_probability, verdict = excluded.verdict, moves = excluded.moves
                WHERE d.checked_at <= excluded.checked_at;
        END IF;
    END LOOP;
    IF refresh_document_state.documents IS NULL THEN
        UPDATE xmcoh.document_state_source AS k SET refreshed_at = greatest(k.refreshed_at, as_of) FROM xmcoh.source_record AS s
            WHERE s.source_id = k.source_id AND s.model_id = id
              AND (refresh_document_state.source IS NULL OR xmcoh_internal.object_oid(s.relation) = refresh_document_state.source::oid);
    END IF;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION xmcoh_internal.refresh_document_state(oid, text, regclass, text[], double precision, boolean) IS 'Internal: xmcoh.refresh_document_state';
CREATE FUNCTION xmcoh.refresh_document_state(model text, source regclass DEFAULT NULL, documents text[] DEFAULT NULL, "precision" double precision DEFAULT 0.95,
                                             take_over boolean DEFAULT false)
    RETURNS TABLE (checked bigint, unchanged bigint, removed bigint)
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1;
COMMENT ON FUNCTION xmcoh.refresh_document_state(text, regclass, text[], double precision, boolean) IS
    'Checks the documents that are new or have changed since the last call, or were checked by another version or precision, and keeps what xmcoh.check_documents says in xmcoh.document_state. The first role keeps the states of a source; take_over (level own) makes it the caller. Needs level train';

-- After the reading: the level is asked for again, since code of a source may have run for long.
CREATE FUNCTION xmcoh_internal.begin_states(caller oid, model text, id integer, source regclass, kept boolean, take_over boolean) RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    n bigint;
BEGIN
    IF xmcoh_internal.model_id(caller, model, 'train') IS DISTINCT FROM id THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" does not exist', model);    -- it was dropped meanwhile
    END IF;
    -- Neither the model nor a source is dropped before the transaction ends; and one refresh at a time writes.
    PERFORM FROM xmcoh.model AS m WHERE m.model_id = id FOR KEY SHARE;
    PERFORM FROM xmcoh.source_record AS s WHERE s.model_id = id ORDER BY s.source_id FOR KEY SHARE;
    INSERT INTO xmcoh.document_state_source (source_id, kept_by) SELECT s.source_id, xmcoh_internal.role_ref(caller) FROM xmcoh.source_record AS s
        WHERE s.model_id = id AND s.documents_of IS NULL AND (source IS NULL OR xmcoh_internal.object_oid(s.relation) = source::oid)
        ORDER BY s.source_id ON CONFLICT DO NOTHING;
    PERFORM FROM xmcoh.document_state_source AS k JOIN xmcoh.source_record AS s USING (source_id)
        WHERE s.model_id = id AND (source IS NULL OR xmcoh_internal.object_oid(s.relation) = source::oid) ORDER BY k.source_id FOR UPDATE OF k;
    IF xmcoh_internal.keeps_states(caller, id, source, take_over) <> kept THEN
        RAISE serialization_failure USING MESSAGE = 'another role has taken over the states of documents meanwhile', HINT = 'Call the function again.';
    ELSIF kept THEN
        RETURN 0;
    END IF;
    DELETE FROM xmcoh.document_state_record AS d USING xmcoh.source_record AS s
        WHERE s.source_id = d.source_id AND s.model_id = id AND (source IS NULL OR xmcoh_internal.object_oid(s.relation) = source::oid);
    GET DIAGNOSTICS n = ROW_COUNT;
    UPDATE xmcoh.document_state_source AS k SET kept_by = xmcoh_internal.role_ref(caller), refreshed_at = NULL FROM xmcoh.source_record AS s
        WHERE s.source_id = k.source_id AND s.model_id = id AND (source IS NULL OR xmcoh_internal.object_oid(s.relation) = source::oid);
    RETURN n;
END $$;
COMMENT ON FUNCTION xmcoh_internal.begin_states(oid, text, integer, regclass, boolean, boolean) IS 'Internal: locks what a refresh of states writes, and makes the role the keeper; gives the number of states that were removed because another role kept some of them';

-- What is the same for all documents of a source is computed once.
CREATE VIEW xmcoh.document_state WITH (security_barrier = true) AS
    WITH kept AS MATERIALIZED (
        SELECT k.source_id, m.name AS model, xmcoh_internal.object_name(s.relation) AS source, m.deployed_version,
               xmcoh_internal.object_name(k.kept_by) AS kept_by, k.refreshed_at
        FROM xmcoh.document_state_source AS k JOIN xmcoh.source_record AS s USING (source_id)
        JOIN xmcoh.visible_model AS m USING (model_id) JOIN xmcoh.model AS x USING (model_id)
        WHERE xmcoh_internal.may(x.owner, x.model_id, 'review'))
    SELECT k.model, k.source, d.document, d.verdict, d.items, d.approved, d.coherence, d.best_coherence, d.gain, d.confident_pairs, d.violated_pairs,
           d.worst_before, d.worst_after, d.worst_probability, d.moves, d."precision", d.version,
           d.version IS NOT DISTINCT FROM k.deployed_version AS by_deployed_version, d.checked_at, k.refreshed_at, k.kept_by
    FROM kept AS k JOIN xmcoh.document_state_record AS d USING (source_id);
COMMENT ON VIEW xmcoh.document_state IS 'What xmcoh.check_documents said of each document at the last xmcoh.refresh_document_state, for dashboards. Shows models on which the role has level review';
COMMENT ON COLUMN xmcoh.document_state.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.document_state.source IS 'relation that holds the document';
COMMENT ON COLUMN xmcoh.document_state.document IS 'key of the document, as text';
COMMENT ON COLUMN xmcoh.document_state.verdict IS 'suspect, ok, unsure, approved or stale, as xmcoh.check_documents gives it';
COMMENT ON COLUMN xmcoh.document_state.items IS 'number of items of the document';
COMMENT ON COLUMN xmcoh.document_state.approved IS 'people have approved the whole stored order, and the document has not changed since';
COMMENT ON COLUMN xmcoh.document_state.coherence IS 'expected Kendall tau between the stored and the true order, -1 to 1';
COMMENT ON COLUMN xmcoh.document_state.best_coherence IS 'the same of the recovered order';
COMMENT ON COLUMN xmcoh.document_state.gain IS 'best_coherence - coherence';
COMMENT ON COLUMN xmcoh.document_state.confident_pairs IS 'pairs of items whose order the model is sure of, or people have approved';
COMMENT ON COLUMN xmcoh.document_state.violated_pairs IS 'those of them that are stored the other way round';
COMMENT ON COLUMN xmcoh.document_state.worst_before IS 'of the surest violated pair: the item that should stand first';
COMMENT ON COLUMN xmcoh.document_state.worst_after IS 'the item that should stand after worst_before, and is stored first';
COMMENT ON COLUMN xmcoh.document_state.worst_probability IS 'probability that worst_before stands before worst_after';
COMMENT ON COLUMN xmcoh.document_state.moves IS 'the fewest items to move, with their places in the stored and in the recovered order';
COMMENT ON COLUMN xmcoh.document_state."precision" IS 'at least this share of documents in right order is not suspect';
COMMENT ON COLUMN xmcoh.document_state.version IS 'version that checked the document';
COMMENT ON COLUMN xmcoh.document_state.by_deployed_version IS 'that version is the deployed one; false: the next refresh checks the document again';
COMMENT ON COLUMN xmcoh.document_state.checked_at IS 'as of when the document was checked';
COMMENT ON COLUMN xmcoh.document_state.refreshed_at IS 'as of when all documents of the source were compared with their states; NULL: only some of them';
COMMENT ON COLUMN xmcoh.document_state.kept_by IS 'role whose refreshes wrote the state; a document that this role may not read has none. NULL: the role was dropped';
