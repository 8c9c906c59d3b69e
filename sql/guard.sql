-- guard.sql - orders that are checked when rows change: triggers on sources, violations, and checks by call

-- ---- the triggers ----

-- PUBLIC has no EXECUTE, so only a member of xmcoh_user can put the function on a table. A writer needs no privilege on a trigger's function.
CREATE FUNCTION xmcoh.guard_order() RETURNS trigger
    AS 'MODULE_PATHNAME', 'xmcoh_guard_order' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.guard_order() IS 'Trigger function of xmcoh.enforce_order; its argument is the number of the source. A trigger that xmcoh.enforce_order has not made on the source''s relation, or whose guard is gone, does nothing';

CREATE FUNCTION xmcoh_internal.make_guard(relation regclass, source_id integer, caller oid) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_make_guard' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.make_guard(regclass, integer, oid) IS 'Internal: makes the triggers of a guard as this role, which needs TRIGGER on the relation';
CREATE FUNCTION xmcoh_internal.remove_guard(relation regclass, source_id integer, caller oid) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_remove_guard' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.remove_guard(regclass, integer, oid) IS 'Internal: drops the triggers of a guard as this role, which must own the relation';

CREATE FUNCTION xmcoh_internal.guard_triggers(relation oid, source_id integer) RETURNS integer
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT count(*)::integer FROM pg_trigger AS t WHERE t.tgrelid = relation AND t.tgfoid = 'xmcoh.guard_order()'::regprocedure
            AND t.tgargs = convert_to(source_id::text, 'SQL_ASCII') || '\x00'::bytea AND t.tgenabled IN ('O', 'A'));
COMMENT ON FUNCTION xmcoh_internal.guard_triggers(oid, integer) IS 'Internal: how many triggers of a guard a relation has, enabled; a guard has 3';

CREATE FUNCTION xmcoh_internal.check_guarded(source xmcoh.source_record) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation oid := xmcoh_internal.object_oid(source.relation);
    kind "char" := (SELECT c.relkind FROM pg_class AS c WHERE c.oid = relation);
    name text := xmcoh_internal.object_name(source.relation);
    is_distributed boolean := false;
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN    -- Citus
        EXECUTE $q$SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = $1 AND (partmethod <> 'n' OR repmodel = 't'))$q$
            INTO is_distributed USING relation::regclass;
    END IF;
    IF is_distributed THEN
        RAISE wrong_object_type USING MESSAGE = format('%s is a distributed table', name),
            DETAIL = 'The order of a document is checked by triggers, and Citus refuses triggers on distributed tables.',
            HINT = 'Check documents with xmcoh.validate_document, or rows by a CHECK constraint with xmcoh.order_holds.';
    ELSIF kind IS NULL THEN
        RAISE undefined_table USING MESSAGE = format('source relation %s does not exist any more', name);
    ELSIF kind NOT IN ('r', 'p') THEN
        RAISE wrong_object_type USING MESSAGE = format('%s is not a table', name),
            DETAIL = 'The order of a document is checked by triggers that see each changed row, and only a table has such triggers.',
            HINT = CASE kind WHEN 'f' THEN 'Call xmcoh.enforce_order on the server that stores the rows, or check documents with xmcoh.validate_document.'
                ELSE 'Attach the table that holds the rows as a source, or check documents with xmcoh.validate_document.' END;
    ELSIF source.position IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('source %s has no position column', name),
            DETAIL = 'Without a stored order there is nothing to check.',
            HINT = 'Detach the source and attach it again with "position" => the column of the stored order.';
    ELSIF source.all_approved THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('all stored orders of source %s are approved', name),
            DETAIL = 'A guard accepts approved orders, so there is nothing to check.',
            HINT = 'Detach the source and attach it again with approved => a boolean column, or without approved.';
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.check_guarded(xmcoh.source_record) IS 'Internal: an error unless a guard can check the orders of this source';

CREATE FUNCTION xmcoh_internal.enforce_order(caller oid, model text, source regclass, on_violation text, "precision" double precision,
                                             allow_approved boolean, strict boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id integer := xmcoh_internal.lock_model(caller, enforce_order.model, 'own', 'enforce orders');
    s xmcoh.source_record;
BEGIN
    IF on_violation NOT IN ('error', 'warning', 'record') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('on_violation is "%s" instead of error, warning or record', on_violation);
    ELSIF NOT ("precision" > 0.5 AND "precision" < 1) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('precision is %s, but must be above 0.5 and below 1', "precision");
    END IF;
    SELECT x.* INTO s FROM xmcoh.source_record AS x WHERE x.model_id = id AND xmcoh_internal.object_oid(x.relation) = source::oid;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('%s is not a source of model "%s"', source, model),
            HINT = 'xmcoh.source lists the sources of each model.';
    END IF;
    PERFORM xmcoh_internal.check_guarded(s);
    INSERT INTO xmcoh.guard_record AS g (source_id, on_violation, "precision", allow_approved, strict, enforced_by)
        VALUES (s.source_id, on_violation, "precision", allow_approved, strict, pg_get_userbyid(caller))
        ON CONFLICT (source_id) DO UPDATE SET on_violation = excluded.on_violation, "precision" = excluded."precision",
            allow_approved = excluded.allow_approved, strict = excluded.strict, enforced_by = excluded.enforced_by, enforced_at = now();
    PERFORM xmcoh_internal.make_guard(source, s.source_id, caller);
END $$;
COMMENT ON FUNCTION xmcoh_internal.enforce_order(oid, text, regclass, text, double precision, boolean, boolean) IS 'Internal: xmcoh.enforce_order';
CREATE FUNCTION xmcoh.enforce_order(model text, source regclass, on_violation text DEFAULT 'error', "precision" double precision DEFAULT 0.95,
                                    allow_approved boolean DEFAULT true, strict boolean DEFAULT false) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.enforce_order(text, regclass, text, double precision, boolean, boolean) IS
    'Checks each changed document of a source at the end of the transaction. on_violation: error (check_violation), warning, or record (xmcoh.violation). strict: a check that cannot be made is an error. A second call sets new settings. Needs level own, TRIGGER on the table';

-- A source's guard goes with its triggers, as far as the caller may drop them. A trigger that stays does nothing.
CREATE FUNCTION xmcoh_internal.unguard(caller oid, id integer, must boolean) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s xmcoh.source_record;
    table_oid oid;
BEGIN
    SELECT x.* INTO s FROM xmcoh.source_record AS x WHERE x.source_id = id;
    DELETE FROM xmcoh.guard_record AS g WHERE g.source_id = id;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    table_oid := xmcoh_internal.object_oid(s.relation);
    IF table_oid IS NOT NULL AND (must OR pg_has_role(caller, (SELECT c.relowner FROM pg_class AS c WHERE c.oid = table_oid), 'USAGE')) THEN
        PERFORM xmcoh_internal.remove_guard(table_oid, id, caller);
    END IF;
    UPDATE xmcoh.violation_record AS v SET resolved_at = now()
        WHERE v.model_id = s.model_id AND v.resolved_at IS NULL AND v.source::text = s.relation::text;
    RETURN true;
END $$;
COMMENT ON FUNCTION xmcoh_internal.unguard(oid, integer, boolean) IS 'Internal: removes the guard of a source with its triggers; false: the source had none. must: an error if the caller may not drop the triggers';

CREATE FUNCTION xmcoh_internal.unenforce_order(caller oid, model text, source text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.lock_model(caller, unenforce_order.model, 'own', 'end the enforcing of orders');
    found_id integer;
BEGIN
    SELECT s.source_id INTO STRICT found_id FROM xmcoh.source_record AS s JOIN xmcoh.guard_record AS g USING (source_id)
        WHERE s.model_id = id AND xmcoh_internal.bears_name(s.relation, unenforce_order.source);
    PERFORM xmcoh_internal.unguard(caller, found_id, true);
EXCEPTION
    WHEN no_data_found THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" does not guard %s', unenforce_order.model, unenforce_order.source),
            HINT = 'xmcoh.guard lists the guarded sources of each model.';
    WHEN too_many_rows THEN
        RAISE ambiguous_alias USING MESSAGE = format('%s could be several sources of model "%s"', unenforce_order.source, unenforce_order.model),
            HINT = 'Add the schema to the name.';
END $$;
COMMENT ON FUNCTION xmcoh_internal.unenforce_order(oid, text, text) IS 'Internal: xmcoh.unenforce_order';
CREATE FUNCTION xmcoh.unenforce_order(model text, source text) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.unenforce_order(text, text) IS 'Ends xmcoh.enforce_order for a source by its name in xmcoh.guard, with or without schema; the relation may be gone. Its open violations are resolved. Needs level own, and ownership of the table. Errors: undefined_object, ambiguous_alias, insufficient_privilege';

CREATE VIEW xmcoh.guard WITH (security_barrier = true) AS
    SELECT m.name AS model, xmcoh_internal.object_name(s.relation) AS source, g.on_violation, g."precision", g.allow_approved, g.strict,
           g.enforced_by, g.enforced_at,
           coalesce(xmcoh_internal.what_is_missing(s.relation, s.document, s.item, s.position),
                    CASE WHEN m.deployed_version IS NULL THEN 'no version is deployed'
                         WHEN xmcoh_internal.guard_triggers(xmcoh_internal.object_oid(s.relation), s.source_id) < 3
                         THEN 'a trigger is missing or disabled' END) AS problem
    FROM xmcoh.guard_record AS g JOIN xmcoh.source_record AS s USING (source_id) JOIN xmcoh.visible_model AS m USING (model_id);
COMMENT ON VIEW xmcoh.guard IS 'Sources whose orders are checked when their rows change, with the arguments of xmcoh.enforce_order. problem: why nothing is checked; NULL: no problem';
COMMENT ON COLUMN xmcoh.guard.model IS 'model whose orders are checked';
COMMENT ON COLUMN xmcoh.guard.source IS 'table whose changes are checked';
COMMENT ON COLUMN xmcoh.guard.on_violation IS 'what happens then: error, warning or record';
COMMENT ON COLUMN xmcoh.guard."precision" IS 'precision at which a pair is violated';
COMMENT ON COLUMN xmcoh.guard.allow_approved IS 'whether approved orders pass';
COMMENT ON COLUMN xmcoh.guard.strict IS 'whether a check that cannot be made is an error';
COMMENT ON COLUMN xmcoh.guard.enforced_by IS 'role that made the guard or changed its settings last';
COMMENT ON COLUMN xmcoh.guard.enforced_at IS 'when';
COMMENT ON COLUMN xmcoh.guard.problem IS 'what keeps the guard from checking; NULL: nothing';

-- ---- violations ----

-- Called by the triggers, as the owner of the extension.
CREATE FUNCTION xmcoh_internal.record_violation(model_id integer, source oid, document text, version integer, "precision" double precision,
                                                message text, pairs jsonb, found_by oid) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    items jsonb := (SELECT jsonb_agg(p.pair - 'probability' ORDER BY p.place) FROM jsonb_array_elements(pairs) WITH ORDINALITY AS p (pair, place));
BEGIN
    -- The same pairs: the row stays as it is, open or accepted.
    UPDATE xmcoh.violation_record AS v SET resolved_at = clock_timestamp()
        WHERE v.model_id = model_id AND v.document = document AND v.resolved_at IS NULL
          AND items IS DISTINCT FROM (SELECT jsonb_agg(p.pair - 'probability' ORDER BY p.place)
                                      FROM jsonb_array_elements(v.pairs) WITH ORDINALITY AS p (pair, place));
    IF pairs IS NOT NULL THEN
        INSERT INTO xmcoh.violation_record (model_id, source, document, version, "precision", message, pairs, found_by)
            VALUES (model_id, xmcoh_internal.relation_ref(source), document, version, "precision", message, pairs, pg_get_userbyid(found_by))
            ON CONFLICT DO NOTHING;
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.record_violation(integer, oid, text, integer, double precision, text, jsonb, oid) IS 'Internal: writes down that a document violates these pairs; NULL: none, so its row, if there is one, is resolved';

CREATE FUNCTION xmcoh_internal.accept_violation(caller oid, violation_id bigint, note text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    v xmcoh.violation_record;
    m xmcoh.model;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('accept a violation');
    SELECT x.* INTO v FROM xmcoh.violation_record AS x WHERE x.violation_id = violation_id FOR UPDATE;
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = v.model_id;
    IF xmcoh_internal.may(m.owner, m.model_id, 'review', caller) IS NOT TRUE THEN    -- whether there is such a row is not for everybody
        RAISE undefined_object USING MESSAGE = format('violation %s does not exist', violation_id),
            HINT = 'xmcoh.violation lists the violations of the models on which you have level review.';
    ELSIF v.resolved_at IS NOT NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('violation %s is resolved', violation_id);
    END IF;
    UPDATE xmcoh.violation_record AS x SET accepted_by = pg_get_userbyid(caller), accepted_at = now(), note = note
        WHERE x.violation_id = v.violation_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.accept_violation(oid, bigint, text) IS 'Internal: xmcoh.accept_violation';
CREATE FUNCTION xmcoh.accept_violation(violation_id bigint, note text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.accept_violation(bigint, text) IS 'Marks a row of xmcoh.violation as accepted; the row stays accepted until the document violates other pairs or none. The model does not learn from it, but from approved pairs. Needs level review. Errors: undefined_object, object_not_in_prerequisite_state (resolved)';

CREATE VIEW xmcoh.violation WITH (security_barrier = true) AS
    SELECT v.violation_id, m.name AS model, xmcoh_internal.object_name(v.source) AS source, v.document,
           CASE WHEN v.resolved_at IS NOT NULL THEN 'resolved' WHEN v.accepted_at IS NOT NULL THEN 'accepted' ELSE 'open' END AS state,
           v.message, v.pairs, v.version, v."precision", v.found_by, v.found_at, v.accepted_by, v.accepted_at, v.note, v.resolved_at
    FROM xmcoh.violation_record AS v JOIN xmcoh.visible_model AS m USING (model_id) JOIN xmcoh.model AS x USING (model_id)
    WHERE xmcoh_internal.may(x.owner, x.model_id, 'review');
COMMENT ON VIEW xmcoh.violation IS 'Documents that a guard (on_violation => ''record'') has found in a wrong order. state: open, accepted (xmcoh.accept_violation), or resolved (a later check has found the order right, or other pairs violated). Shows models on which the role has level review';
COMMENT ON COLUMN xmcoh.violation.violation_id IS 'number of the violation (xmcoh.accept_violation)';
COMMENT ON COLUMN xmcoh.violation.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.violation.source IS 'table of the document';
COMMENT ON COLUMN xmcoh.violation.document IS 'key of the document';
COMMENT ON COLUMN xmcoh.violation.state IS 'open, accepted or resolved';
COMMENT ON COLUMN xmcoh.violation.message IS 'what is wrong, as a sentence';
COMMENT ON COLUMN xmcoh.violation.version IS 'version that was deployed when the violation was found';
COMMENT ON COLUMN xmcoh.violation."precision" IS 'precision of the guard';
COMMENT ON COLUMN xmcoh.violation.found_by IS 'role that wrote the rows';
COMMENT ON COLUMN xmcoh.violation.found_at IS 'when the violation was found';
COMMENT ON COLUMN xmcoh.violation.accepted_by IS 'role that accepted the order; NULL: nobody';
COMMENT ON COLUMN xmcoh.violation.accepted_at IS 'when';
COMMENT ON COLUMN xmcoh.violation.note IS 'what that role wrote';
COMMENT ON COLUMN xmcoh.violation.resolved_at IS 'when a later check found the order right, or other pairs violated';
COMMENT ON COLUMN xmcoh.violation.pairs IS 'violated pairs, the surest first: item before should stand before item after; probability: the model''s';

-- ---- checks by call ----

-- Documents and violations are read as the caller. What a model finds is joined with what guards have found before.
CREATE FUNCTION xmcoh.check_groups(model text, by text DEFAULT NULL, source regclass DEFAULT NULL, documents text[] DEFAULT NULL,
                                   "precision" double precision DEFAULT 0.95, photos boolean DEFAULT false)
    RETURNS TABLE ("group" text, documents bigint, items bigint, coherence double precision, gain double precision,
                   suspect bigint, unsure bigint, ok bigint, approved bigint, stale bigint,
                   share_suspect double precision, share_suspect_low double precision, share_suspect_high double precision,
                   share_passed double precision, share_passed_low double precision, share_passed_high double precision,
                   violations_open bigint, missing_photos bigint, foreign_photos bigint)
    LANGUAGE sql STABLE PARALLEL RESTRICTED COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH checked AS MATERIALIZED
        (SELECT c.document, c.items, c.coherence, c.gain, c.verdict, c."group"
           FROM xmcoh.check_documents(check_groups.model, check_groups.source, check_groups.documents, check_groups."precision",
                                      check_groups.by) AS c),
    of_model AS
        (SELECT check_groups.photos AND m.image_dim > 0 AS aligns, xmcoh_internal.may(m.owner, m.model_id, 'review') AS reviews
           FROM xmcoh.model AS m WHERE m.name = check_groups.model),
    aligned AS
        (SELECT a.document, count(*) FILTER (WHERE a.image_item IS NULL) AS missing,
                count(*) FILTER (WHERE a.text_item IS NULL) AS "foreign"
           FROM xmcoh.alignment(check_groups.model, source => check_groups.source,
                                documents => (SELECT coalesce(array_agg(c.document), '{}') FROM checked AS c)) AS a
          WHERE (SELECT o.aligns FROM of_model AS o) GROUP BY a.document),
    violated AS
        (SELECT v.document, count(*) AS n FROM xmcoh.violation AS v
          WHERE v.model = check_groups.model AND v.state = 'open' GROUP BY v.document),
    grouped AS
        (SELECT c."group", count(*) AS documents, sum(c.items) AS items,
                avg(c.coherence ORDER BY c.document COLLATE "C") AS coherence, avg(c.gain ORDER BY c.document COLLATE "C") AS gain,
                count(*) FILTER (WHERE c.verdict = 'suspect') AS suspect, count(*) FILTER (WHERE c.verdict = 'unsure') AS unsure,
                count(*) FILTER (WHERE c.verdict = 'ok') AS ok, count(*) FILTER (WHERE c.verdict = 'approved') AS approved,
                count(*) FILTER (WHERE c.verdict = 'stale') AS stale,
                count(*) FILTER (WHERE c.verdict IN ('ok', 'approved')) AS passed,
                coalesce(sum(v.n), 0)::bigint AS violations, coalesce(sum(a.missing), 0)::bigint AS missing,
                coalesce(sum(a."foreign"), 0)::bigint AS "foreign"
           FROM checked AS c LEFT JOIN violated AS v USING (document) LEFT JOIN aligned AS a USING (document)
          GROUP BY c."group")
    SELECT g."group", g.documents, g.items, g.coherence, g.gain, g.suspect, g.unsure, g.ok, g.approved, g.stale,
           g.suspect::double precision / g.documents, s.low, s.high, g.passed::double precision / g.documents, p.low, p.high,
           CASE WHEN o.reviews THEN g.violations END, CASE WHEN o.aligns THEN g.missing END, CASE WHEN o.aligns THEN g."foreign" END
      FROM grouped AS g LEFT JOIN of_model AS o ON true,     -- in this order: without a model, xmcoh.check_documents raises the error
           xmcoh_internal.share_interval(g.suspect, g.documents) AS s, xmcoh_internal.share_interval(g.passed, g.documents) AS p
     ORDER BY g."group" COLLATE "C" NULLS LAST;
END;
COMMENT ON FUNCTION xmcoh.check_groups(text, text, regclass, text[], double precision, boolean) IS
    'xmcoh.check_documents by the values of column by of the sources (NULL: one row): means of coherence and gain, documents by verdict; share_passed: ok or approved. violations_open: NULL without level review. photos: counts missing and foreign photos, too, by xmcoh.alignment, if the model reads images';

CREATE PROCEDURE xmcoh.validate_document(model text, document text, source regclass DEFAULT NULL, "precision" double precision DEFAULT 0.95,
                                         allow_approved boolean DEFAULT true)
    AS 'MODULE_PATHNAME', 'xmcoh_validate_document' LANGUAGE C;
COMMENT ON PROCEDURE xmcoh.validate_document(text, text, regclass, double precision, boolean) IS
    'Raises check_violation if the model is sure of a pair that the stored order of a document contradicts. source: NULL for all. Needs level score and SELECT on the source. Errors: check_violation, no_data_found (no such document), object_not_in_prerequisite_state and others';

CREATE FUNCTION xmcoh.order_coherence(model text, texts text[], images real[] DEFAULT NULL, text_embeddings real[] DEFAULT NULL)
    RETURNS double precision AS 'MODULE_PATHNAME', 'xmcoh_order_coherence' LANGUAGE C STABLE PARALLEL SAFE COST 50000;
COMMENT ON FUNCTION xmcoh.order_coherence(text, text[], real[], real[]) IS
    'Coherence, in [-1, 1], of items in the order of the arrays; NULL for fewer than two. texts: one per item; images, text_embeddings: one row of a two-dimensional array per item. An argument may be NULL, and so may a text or a whole row. Errors: as xmcoh.coherence';
CREATE FUNCTION xmcoh.order_holds(model text, texts text[], images real[] DEFAULT NULL, text_embeddings real[] DEFAULT NULL,
                                  "precision" double precision DEFAULT 0.95)
    RETURNS boolean AS 'MODULE_PATHNAME', 'xmcoh_order_holds' LANGUAGE C STABLE PARALLEL SAFE COST 50000;
COMMENT ON FUNCTION xmcoh.order_holds(text, text[], real[], real[], double precision) IS
    'False if the order of the arrays contradicts a pair of which the model is sure, else true; NULL: no version is deployed. Arguments as xmcoh.order_coherence. For CHECK constraints, which should be NOT VALID: a later version may judge otherwise, and a restore must not depend on it';
