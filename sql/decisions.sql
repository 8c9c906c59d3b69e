-- decisions.sql - what people decide about documents: approve, decide, withdraw; the approved pairs that follow

-- ---- the table's rows are only added ----

-- The one change of a row is the mark that a later decision withdrew it. Rows go with their model, whose own row xmcoh.drop_model
-- deletes first. Nothing here fires when a row is restored.
CREATE FUNCTION xmcoh_internal.guard_decision() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    marked xmcoh.decision;
BEGIN
    IF TG_RELID <> 'xmcoh.decision'::regclass THEN
        RAISE trigger_protocol_violated USING MESSAGE = 'this trigger is for xmcoh.decision alone';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        marked := OLD;
        marked.withdrawn_by := NEW.withdrawn_by;
        IF OLD.withdrawn_by IS NULL AND NEW IS NOT DISTINCT FROM marked THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM FROM xmcoh.model AS m WHERE m.model_id = OLD.model_id;
        IF NOT FOUND THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE object_not_in_prerequisite_state USING
        MESSAGE = 'rows of xmcoh.decision are neither changed nor deleted',
        HINT = 'Withdraw a decision with xmcoh.withdraw(decision_id).';
END $$;
COMMENT ON FUNCTION xmcoh_internal.guard_decision() IS 'Internal: refuses changes of decisions besides their withdrawal, and deletion before their model is dropped';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON xmcoh.decision FOR EACH ROW EXECUTE FUNCTION xmcoh_internal.guard_decision();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON xmcoh.decision FOR EACH STATEMENT EXECUTE FUNCTION xmcoh_internal.guard_decision();

-- ---- what the C code does for a decision ----

CREATE FUNCTION xmcoh_internal.lock_document(model_id integer, document text) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_lock_document' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.lock_document(integer, text) IS 'Internal: waits until no other transaction decides about this document, and locks the document until the transaction ends';

CREATE FUNCTION xmcoh_internal.check_decisions(model_id integer, document text, present bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_check_decisions' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.check_decisions(integer, text, bigint) IS 'Internal: data_exception when the decisions in force about a document contradict each other; the detail names the chain, who decided each link, and when. present: the decision being made';

CREATE FUNCTION xmcoh_internal.see_document(caller oid, model text, document text, items text[], with_probability boolean,
                                            OUT seen_items text[], OUT places integer[], OUT version integer,
                                            OUT probability double precision, OUT order_hash bytea, OUT texts_hash bytea,
                                            OUT item_hashes bytea[])
    AS 'MODULE_PATHNAME', 'xmcoh_see_document' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.see_document(oid, text, text, text[], boolean) IS 'Internal: reads a document as this role, for a decision about these items (NULL: its stored order). Errors: undefined_object (document, item), object_not_in_prerequisite_state (no stored order), and those of reading a source';

-- ---- decisions ----

CREATE FUNCTION xmcoh_internal.lock_decisions(caller oid, model text, document text) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.model_id(caller, lock_decisions.model, 'review');
BEGIN
    -- Other decisions may be made at the same time, but the model is not dropped.
    PERFORM FROM xmcoh.model AS m WHERE m.model_id = id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('model "%s" does not exist', lock_decisions.model);
    END IF;
    PERFORM xmcoh_internal.lock_document(id, lock_decisions.document);
    RETURN id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.lock_decisions(oid, text, text) IS 'Internal: the number of a model on which a role has level review; until the transaction ends nobody else decides about the document, and the model stays';

CREATE FUNCTION xmcoh_internal.implies(items text[], places integer[], other_items text[], other_places integer[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT bool_and(g.lowest IS NOT NULL AND g.known AND coalesce(g.lowest > g.before, true))
            FROM (SELECT min(i.place) AS lowest, bool_and(i.place IS NOT NULL) AS known, lag(max(i.place)) OVER (ORDER BY i.other_place) AS before
                  FROM (SELECT coalesce(other_places[o.n], o.n::integer) AS other_place,
                               coalesce(places[array_position(items, o.item)], array_position(items, o.item)) AS place
                        FROM unnest(other_items) WITH ORDINALITY AS o (item, n)) AS i
                  GROUP BY i.other_place) AS g);
COMMENT ON FUNCTION xmcoh_internal.implies(text[], integer[], text[], integer[]) IS 'Internal: whether one order of items has all pairs of another';

-- What the four functions have in common. A decision that is in force and was made about the same order and texts is not made
-- again; that another role makes it, too, is only recorded. One that was made about others, or about none, is replaced.
CREATE FUNCTION xmcoh_internal.record_decision(caller oid, model text, document text, kind text, items text[], note text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id integer;
    seen record;
    decided_items text[];
    new_id bigint;
    earlier xmcoh.decision;
    second boolean;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('decide about a document');
    PERFORM xmcoh_internal.model_id(caller, model, 'review');
    IF document IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'document must not be NULL';
    ELSIF cardinality(items) = 0 OR array_ndims(items) > 1 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'items must be a list of one or more items';
    ELSIF array_position(items, NULL) IS NOT NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'an item must not be NULL';
    ELSIF cardinality(items) <> (SELECT count(DISTINCT i.item COLLATE "C") FROM unnest(items) AS i (item)) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'an item must not be named twice';
    END IF;
    BEGIN
        seen := xmcoh_internal.see_document(caller, model, document, items, kind <> 'order');
    EXCEPTION WHEN data_corrupted OR object_not_in_prerequisite_state THEN
        -- Damaged weights keep nobody from deciding; no probability was shown then.
        seen := xmcoh_internal.see_document(caller, model, document, items, false);
    END;
    decided_items := seen.seen_items;
    id := xmcoh_internal.lock_decisions(caller, model, document);
    SELECT d.* INTO earlier FROM xmcoh.decision AS d
        WHERE d.model_id = id AND d.document = document AND d.withdrawn_by IS NULL AND d.kind = kind
          AND (d.items = decided_items OR kind IN ('either', 'skip') AND d.items @> decided_items)
          AND d.places IS NOT DISTINCT FROM seen.places AND d.seen_order = seen.order_hash AND d.seen_texts = seen.texts_hash
        ORDER BY d.decision_id LIMIT 1;
    IF FOUND THEN
        -- A second person's equal answer is written down once, for xmcoh.review_agreement; the first one stays in force.
        INSERT INTO xmcoh.decision (model_id, document, kind, items, places, decided_by, logged_in_as, version, probability,
                                    seen_order, seen_texts, seen_items, note, withdrawn_by)
            SELECT id, document, kind, decided_items, seen.places, pg_get_userbyid(caller), session_user, seen.version,
                   seen.probability, seen.order_hash, seen.texts_hash, seen.item_hashes, note, earlier.decision_id
            WHERE earlier.decided_by <> pg_get_userbyid(caller) AND NOT EXISTS (SELECT FROM xmcoh.decision AS d
                WHERE d.model_id = id AND d.document = document AND d.withdrawn_by = earlier.decision_id AND d.kind = kind
                  AND d.decided_by = pg_get_userbyid(caller) AND d.seen_order = seen.order_hash AND d.seen_texts = seen.texts_hash);
        PERFORM xmcoh_internal.end_claims(id, document, decided_items);
        RETURN earlier.decision_id;
    END IF;
    -- Whoever was asked for a second answer may contradict the first one, which is replaced.
    second := kind IN ('before', 'either') AND EXISTS (SELECT FROM xmcoh.claim_in_force AS c
        WHERE c.model_id = id AND c.document = document AND c.reason = 'second' AND c.claimed_by = pg_get_userbyid(caller)
          AND decided_items @> ARRAY[c.before_item, c.after_item]);
    new_id := nextval('xmcoh.decision_decision_id_seq');
    UPDATE xmcoh.decision AS d SET withdrawn_by = new_id
        WHERE second AND d.model_id = id AND d.document = document AND d.withdrawn_by IS NULL AND d.kind IN ('before', 'either')
          AND d.items @> decided_items;
    UPDATE xmcoh.decision AS d SET withdrawn_by = new_id
        WHERE d.model_id = id AND d.document = document AND d.withdrawn_by IS NULL
          AND (d.seen_order IS DISTINCT FROM seen.order_hash OR d.seen_texts IS DISTINCT FROM seen.texts_hash)
          AND CASE WHEN kind IN ('before', 'order') THEN d.kind IN ('before', 'order')
                        AND xmcoh_internal.implies(decided_items, seen.places, d.items, d.places)
                   ELSE d.kind = kind AND d.items @> decided_items END;
    INSERT INTO xmcoh.decision (decision_id, model_id, document, kind, items, places, decided_by, logged_in_as, version, probability,
                                seen_order, seen_texts, seen_items, note)
        OVERRIDING SYSTEM VALUE
        VALUES (new_id, id, document, kind, decided_items, seen.places, pg_get_userbyid(caller), session_user, seen.version,
                seen.probability, seen.order_hash, seen.texts_hash, seen.item_hashes, note);
    IF kind <> 'skip' THEN
        PERFORM xmcoh_internal.check_decisions(id, document, new_id);
    END IF;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.record_decision(oid, text, text, text, text[], text) IS 'Internal: makes a decision about items of a document';

CREATE FUNCTION xmcoh_internal.approve(caller oid, model text, document text, before text, after text, note text) RETURNS bigint
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT xmcoh_internal.record_decision(caller, model, document, 'before', ARRAY[before, after], note);
    END;
COMMENT ON FUNCTION xmcoh_internal.approve(oid, text, text, text, text, text) IS 'Internal: xmcoh.approve';
CREATE FUNCTION xmcoh.approve(model text, document text, before text, after text, note text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.approve(text, text, text, text, text) IS
    'Decides that one item of a document stands before another and gives the decision''s number. A repeated call adds nothing. Needs level review. Errors: undefined_object (model, document, item), data_exception (decisions contradict each other; the detail lists them), insufficient_privilege';

CREATE FUNCTION xmcoh_internal.approve_order(caller oid, model text, document text, items text[], note text) RETURNS bigint
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT xmcoh_internal.record_decision(caller, model, document, 'order', items, note);
    END;
COMMENT ON FUNCTION xmcoh_internal.approve_order(oid, text, text, text[], text) IS 'Internal: xmcoh.approve_order';
CREATE FUNCTION xmcoh.approve_order(model text, document text, items text[] DEFAULT NULL, note text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.approve_order(text, text, text[], text) IS
    'Decides that the items of a document stand in this order (NULL: the stored order) and gives the number of the decision. Pairs decided ''either'' stay without an order. Needs level review. Errors: as xmcoh.approve, and object_not_in_prerequisite_state (no stored order)';

CREATE FUNCTION xmcoh_internal.decide(caller oid, model text, document text, a text, b text, verdict text, note text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF decide.verdict IS NULL OR decide.verdict NOT IN ('before', 'after', 'either', 'skip') THEN
        PERFORM xmcoh_internal.model_id(caller, decide.model, 'review');
        RAISE invalid_parameter_value USING
            MESSAGE = format('verdict is %s instead of before, after, either or skip', coalesce('"' || decide.verdict || '"', 'NULL'));
    END IF;
    RETURN xmcoh_internal.record_decision(caller, decide.model, decide.document,
        CASE decide.verdict WHEN 'after' THEN 'before' ELSE decide.verdict END,
        CASE decide.verdict WHEN 'after' THEN ARRAY[decide.b, decide.a] ELSE ARRAY[decide.a, decide.b] END, decide.note);
END $$;
COMMENT ON FUNCTION xmcoh_internal.decide(oid, text, text, text, text, text, text) IS 'Internal: xmcoh.decide';
CREATE FUNCTION xmcoh.decide(model text, document text, a text, b text, verdict text, note text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.decide(text, text, text, text, text, text) IS
    'Decides about two items of a document: ''before'' (a before b), ''after'', ''either'' (parallel steps without an order) or ''skip'' (unclear; only recorded), and gives the number of the decision. Needs level review. Errors: as xmcoh.approve, and invalid_parameter_value (verdict)';

CREATE FUNCTION xmcoh_internal.withdraw(caller oid, decision_id bigint, note text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d xmcoh.decision;
    m xmcoh.model;
    new_id bigint;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('withdraw a decision');
    IF withdraw.decision_id IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'decision_id must not be NULL';
    END IF;
    SELECT x.* INTO d FROM xmcoh.decision AS x WHERE x.decision_id = withdraw.decision_id;
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = d.model_id;
    IF xmcoh_internal.may(m.owner, m.model_id, 'review', caller) IS NOT TRUE THEN    -- whether there is such a row is not for everybody
        RAISE undefined_object USING MESSAGE = format('decision %s does not exist', withdraw.decision_id),
            HINT = 'xmcoh.decision lists the decisions about the models on which you have level review.';
    END IF;
    PERFORM xmcoh_internal.lock_decisions(caller, m.name, d.document);
    SELECT x.* INTO d FROM xmcoh.decision AS x WHERE x.decision_id = withdraw.decision_id;   -- as it is now that nobody else decides
    IF d.kind = 'withdrawal' THEN
        RAISE invalid_parameter_value USING MESSAGE = format('decision %s is itself a withdrawal', withdraw.decision_id),
            HINT = 'To undo the withdrawal, make the withdrawn decision again.';
    ELSIF d.withdrawn_by IS NOT NULL THEN
        RETURN d.withdrawn_by;
    END IF;
    new_id := nextval('xmcoh.decision_decision_id_seq');
    UPDATE xmcoh.decision AS x SET withdrawn_by = new_id WHERE x.decision_id = withdraw.decision_id;
    INSERT INTO xmcoh.decision (decision_id, model_id, document, kind, items, decided_by, logged_in_as, note) OVERRIDING SYSTEM VALUE
        VALUES (new_id, d.model_id, d.document, 'withdrawal', d.items, pg_get_userbyid(caller), session_user, withdraw.note);
    RETURN new_id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.withdraw(oid, bigint, text) IS 'Internal: xmcoh.withdraw';
CREATE FUNCTION xmcoh.withdraw(decision_id bigint, note text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.withdraw(bigint, text) IS
    'Withdraws a decision and gives the number of the withdrawal, which is a row of xmcoh.decision, too. For a decision withdrawn or replaced before, gives the number of the decision that did so. Needs level review. Errors: undefined_object, invalid_parameter_value (a withdrawal), insufficient_privilege';

-- ---- approved pairs ----

CREATE VIEW xmcoh.pair_in_force WITH (security_barrier = true) AS
    SELECT DISTINCT ON (p.model_id, p.document, p.before, p.after) p.model_id, p.document, p.before, p.after,
           p.decided_by AS approved_by, p.decided_at AS approved_at
    FROM (SELECT d.decision_id, d.model_id, d.document, d.items[1] AS before, d.items[2] AS after, d.decided_by, d.decided_at
          FROM xmcoh.decision AS d WHERE d.kind = 'before' AND d.withdrawn_by IS NULL
          UNION ALL
          SELECT d.decision_id, d.model_id, d.document, a.item, b.item, d.decided_by, d.decided_at
          FROM xmcoh.decision AS d, unnest(d.items) WITH ORDINALITY AS a (item, n), unnest(d.items) WITH ORDINALITY AS b (item, n)
          WHERE d.kind = 'order' AND d.withdrawn_by IS NULL AND a.n < b.n AND (d.places IS NULL OR d.places[a.n] <> d.places[b.n])
            AND NOT EXISTS (SELECT FROM xmcoh.decision AS e WHERE e.model_id = d.model_id AND e.document = d.document
                            AND e.kind = 'either' AND e.withdrawn_by IS NULL AND e.items @> ARRAY[a.item, b.item])) AS p
    ORDER BY p.model_id, p.document, p.before, p.after, p.decision_id;
COMMENT ON VIEW xmcoh.pair_in_force IS 'Internal: the pairs of the decisions in force';

CREATE VIEW xmcoh.approved_pair WITH (security_barrier = true) AS
    SELECT p.* FROM xmcoh.pair_in_force AS p
    WHERE EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = p.model_id AND xmcoh_internal.may(m.owner, m.model_id, 'review'));
COMMENT ON VIEW xmcoh.approved_pair IS 'Pairs of items from decisions in force, with the pairs of approved orders: before stands before after. A role with level review may insert model_id, document, before and after; each row becomes a decision by that role';
COMMENT ON COLUMN xmcoh.approved_pair.model_id IS 'number of the model (xmcoh.model_id)';
COMMENT ON COLUMN xmcoh.approved_pair.document IS 'key of the document';
COMMENT ON COLUMN xmcoh.approved_pair.before IS 'key of the item that stands before';
COMMENT ON COLUMN xmcoh.approved_pair.after IS 'key of the item that stands after';
COMMENT ON COLUMN xmcoh.approved_pair.approved_by IS 'role that decided, written by the server';
COMMENT ON COLUMN xmcoh.approved_pair.approved_at IS 'when the pair was decided';

CREATE FUNCTION xmcoh_internal.insert_pair(caller oid, model_id integer, document text, before text, after text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM FROM xmcoh.model AS m WHERE m.model_id = model_id AND xmcoh_internal.may(m.owner, m.model_id, 'review', caller) FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied for model %s', model_id),
            DETAIL = 'Level review on a model is needed to approve pairs of its documents.';
    END IF;
    PERFORM xmcoh_internal.lock_document(model_id, document);
    INSERT INTO xmcoh.decision (model_id, document, kind, items, decided_by, logged_in_as)
        VALUES (model_id, document, 'before', ARRAY[before, after], pg_get_userbyid(caller), session_user)
        ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION xmcoh_internal.insert_pair(oid, integer, text, text, text) IS 'Internal: a pair inserted into xmcoh.approved_pair becomes a decision; false: it is one already';

-- Runs as the extension's owner, because a role that inserts has no privilege in xmcoh_internal. It reads no row.
CREATE FUNCTION xmcoh_internal.before_approval() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_RELID <> 'xmcoh.approved_pair'::regclass THEN
        RAISE trigger_protocol_violated USING MESSAGE = 'this trigger is for xmcoh.approved_pair alone';
    END IF;
    PERFORM xmcoh_internal.refuse_elsewhere('approve a pair');
    RETURN NULL;
END $$;
COMMENT ON FUNCTION xmcoh_internal.before_approval() IS 'Internal: refuses approved pairs on a subscriber, where a decision that arrives later from the publisher would stop replication';
CREATE FUNCTION xmcoh_internal.insert_pair() RETURNS trigger
    AS 'MODULE_PATHNAME', 'xmcoh_insert_pair' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.insert_pair() IS 'Internal: calls the other function of this name as the extension''s owner';
CREATE FUNCTION xmcoh_internal.check_inserted_pairs() RETURNS trigger
    AS 'MODULE_PATHNAME', 'xmcoh_check_inserted_pairs' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.check_inserted_pairs() IS 'Internal: refuses inserted pairs that contradict other decisions';
CREATE TRIGGER approval BEFORE INSERT ON xmcoh.approved_pair FOR EACH STATEMENT EXECUTE FUNCTION xmcoh_internal.before_approval();
CREATE TRIGGER insertion INSTEAD OF INSERT ON xmcoh.approved_pair FOR EACH ROW EXECUTE FUNCTION xmcoh_internal.insert_pair();
CREATE TRIGGER check_pairs AFTER INSERT ON xmcoh.approved_pair FOR EACH STATEMENT EXECUTE FUNCTION xmcoh_internal.check_inserted_pairs();

CREATE FUNCTION xmcoh_internal.withdraw_pair(caller oid, model text, document text, before text, after text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer := xmcoh_internal.model_id(caller, withdraw_pair.model, 'review');
    decision bigint;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('withdraw a pair');
    SELECT d.decision_id INTO decision FROM xmcoh.decision AS d WHERE d.model_id = id AND d.document = withdraw_pair.document
        AND d.kind = 'before' AND d.withdrawn_by IS NULL AND d.items[1] = withdraw_pair.before AND d.items[2] = withdraw_pair.after;
    IF FOUND THEN
        PERFORM xmcoh_internal.withdraw(caller, decision, NULL);
        RETURN true;
    END IF;
    SELECT d.decision_id INTO decision FROM xmcoh.decision AS d WHERE d.model_id = id AND d.document = withdraw_pair.document
        AND d.kind = 'order' AND d.withdrawn_by IS NULL
        AND xmcoh_internal.implies(d.items, d.places, ARRAY[withdraw_pair.before, withdraw_pair.after], NULL) ORDER BY d.decision_id LIMIT 1;
    IF FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('the pair is one of the order that decision %s approved', decision),
            HINT = format('Withdraw the order with xmcoh.withdraw(%s), or decide ''either'' about the two items.', decision);
    END IF;
    RETURN false;
END $$;
COMMENT ON FUNCTION xmcoh_internal.withdraw_pair(oid, text, text, text, text) IS 'Internal: xmcoh.withdraw_pair';
CREATE FUNCTION xmcoh.withdraw_pair(model text, document text, before text, after text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.withdraw_pair(text, text, text, text) IS 'Withdraws the decision that one item stands before another, found by its items; false: no such decision is in force. Needs level review. Errors: undefined_object, object_not_in_prerequisite_state (an approved order has the pair), insufficient_privilege';

-- ---- documents that have changed since ----

-- A function, because it reads the sources, which a view would read with the rights of its owner.
CREATE FUNCTION xmcoh.stale_approval(model text)
    RETURNS TABLE (document text, decision_id bigint, kind text, decided_by name, decided_at timestamptz, order_changed boolean,
                   changed text[], gone text[])
    AS 'MODULE_PATHNAME', 'xmcoh_stale_approval' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 100;
COMMENT ON FUNCTION xmcoh.stale_approval(text) IS
    'Decisions in force about documents that have changed since. order_changed: whether the stored order has (NULL: the document is gone). changed, gone: decided items whose text has changed, or that are gone; both NULL: only other items have changed, or the order. Needs level review';
