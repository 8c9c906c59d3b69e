-- review.sql - what is worth a reviewer's time: the queue, claims of reviewers who work at the same time, and how far they agree

-- ---- the queue ----

CREATE FUNCTION xmcoh.review_queue(model text, n integer DEFAULT 20, source regclass DEFAULT NULL, strategy text DEFAULT 'learn',
                                   documents text[] DEFAULT NULL)
    RETURNS TABLE (rank integer, document text, before_item text, after_item text, before_text text, after_text text,
                   probability double precision, value double precision, reason text)
    AS 'MODULE_PATHNAME', 'xmcoh_review_queue' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 20;
COMMENT ON FUNCTION xmcoh.review_queue(text, integer, regclass, text, text[]) IS
    'The n pairs most worth a decision, at most 3 of a document; before_item: what the model puts first. strategy: ''learn'', ''correct'' (probably stored wrong), ''second'' (decided by others alone, by lot). reason: suspect, uncertain, modalities disagree, stale, skipped, second. Needs level review';

CREATE FUNCTION xmcoh_internal.review_candidates(caller oid, model text, n integer, source regclass, strategy text, documents text[])
    RETURNS TABLE (document text, before_item text, after_item text, before_text text, after_text text,
                   probability double precision, value double precision, reason text, claim_id bigint, seen bigint)
    AS 'MODULE_PATHNAME', 'xmcoh_review_candidates' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.review_candidates(oid, text, integer, regclass, text, text[]) IS 'Internal: what a role holds of the queue, then pairs that nobody holds, more than n. Reads the sources as this role. seen: the sum of review_state when the pair was chosen';

-- ---- claims ----

-- A decision, or withdrawal, about the pair that has a larger number than the claim was made later. Whoever may no longer decide holds nothing.
CREATE VIEW xmcoh.claim_in_force WITH (security_barrier = true) AS
    SELECT c.* FROM xmcoh.review_claim_record AS c JOIN xmcoh.model AS m USING (model_id)
    WHERE c.claimed_until > clock_timestamp()
      AND NOT EXISTS (SELECT FROM xmcoh.decision AS d WHERE d.model_id = c.model_id AND d.document = c.document AND d.withdrawn_by IS NULL
                      AND d.decision_id > c.claim_id AND d.items @> ARRAY[c.before_item, c.after_item] AND cardinality(d.items) = 2)
      AND xmcoh_internal.may(m.owner, m.model_id, 'review', to_regrole(quote_ident(c.claimed_by))::oid);
COMMENT ON VIEW xmcoh.claim_in_force IS 'Internal: the claims of reviews that are in force';

CREATE VIEW xmcoh.review_claim WITH (security_barrier = true) AS
    SELECT m.name AS model, c.document, c.before_item, c.after_item, c.reason, c.claimed_by, c.claimed_at, c.claimed_until
    FROM xmcoh.claim_in_force AS c JOIN xmcoh.visible_model AS m USING (model_id) JOIN xmcoh.model AS x USING (model_id)
    WHERE xmcoh_internal.may(x.owner, x.model_id, 'review');
COMMENT ON VIEW xmcoh.review_claim IS 'Pairs that reviewers hold at this moment (xmcoh.claim_reviews). A claim ends at claimed_until, with a decision about the pair or its withdrawal, and when its holder loses level review. Shows models on which the role has level review';
COMMENT ON COLUMN xmcoh.review_claim.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.review_claim.document IS 'key of the document';
COMMENT ON COLUMN xmcoh.review_claim.before_item IS 'item that the model puts before';
COMMENT ON COLUMN xmcoh.review_claim.after_item IS 'item that the model puts after';
COMMENT ON COLUMN xmcoh.review_claim.reason IS 'why the pair is in the queue';
COMMENT ON COLUMN xmcoh.review_claim.claimed_by IS 'role that holds the pair';
COMMENT ON COLUMN xmcoh.review_claim.claimed_at IS 'since when';
COMMENT ON COLUMN xmcoh.review_claim.claimed_until IS 'when the claim ends';

-- A lock of a row takes no room in the server's table of locks, which all sessions share.
CREATE FUNCTION xmcoh_internal.try_lock_claims(model_id integer, document text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE COST 1000000 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM xmcoh.review_lock AS l
        WHERE l.slot = mod(hashtextextended(try_lock_claims.document, try_lock_claims.model_id), 512) + 512 FOR UPDATE SKIP LOCKED;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION xmcoh_internal.try_lock_claims(integer, text) IS 'Internal: locks the claims of a document until the transaction ends; false: another transaction has them. Whoever writes a claim has this lock, so nobody waits for a row';

CREATE FUNCTION xmcoh_internal.review_state(model_id integer, document text, reviewer name) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT coalesce(sum(x.id), 0)::bigint
            FROM (SELECT d.decision_id AS id FROM xmcoh.decision AS d
                  WHERE d.model_id = review_state.model_id AND d.document = review_state.document AND d.withdrawn_by IS NULL
                    AND d.kind <> 'withdrawal'
                  UNION ALL
                  SELECT c.claim_id FROM xmcoh.claim_in_force AS c
                  WHERE c.model_id = review_state.model_id AND c.document = review_state.document
                    AND c.claimed_by <> review_state.reviewer) AS x);
COMMENT ON FUNCTION xmcoh_internal.review_state(integer, text, name) IS 'Internal: the sum of the numbers of the decisions in force about a document and of others'' claims. When it has changed, other pairs of the document may be worth asking';

-- A decision that adds no row has no number that would end the claim.
CREATE FUNCTION xmcoh_internal.end_claims(model_id integer, document text, items text[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF cardinality(items) = 2 AND EXISTS (SELECT FROM xmcoh.review_claim_record AS c WHERE c.model_id = model_id AND c.document = document
            AND items @> ARRAY[c.before_item, c.after_item]) AND xmcoh_internal.try_lock_claims(model_id, document) THEN
        DELETE FROM xmcoh.review_claim_record AS c
            WHERE c.model_id = model_id AND c.document = document AND items @> ARRAY[c.before_item, c.after_item];
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.end_claims(integer, text, text[]) IS 'Internal: ends claims of a pair that somebody has decided again as before';

-- Takes or renews one claim; NULL: it is not to be had. A pair that is claimed (claim_id) keeps its number.
CREATE FUNCTION xmcoh_internal.claim_review(caller oid, id integer, candidate record, until timestamptz, OUT claim bigint, OUT held_until timestamptz)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT xmcoh_internal.try_lock_claims(id, candidate.document) THEN
        -- Another transaction is claiming pairs of the document; what the caller holds is still the caller's.
        SELECT c.claim_id, c.claimed_until INTO claim, held_until FROM xmcoh.claim_in_force AS c WHERE c.claim_id = candidate.claim_id;
    ELSIF candidate.claim_id IS NOT NULL THEN
        UPDATE xmcoh.review_claim_record AS c SET claimed_until = until
            WHERE c.claim_id = candidate.claim_id AND EXISTS (SELECT FROM xmcoh.claim_in_force AS f WHERE f.claim_id = candidate.claim_id)
            RETURNING c.claim_id, c.claimed_until INTO claim, held_until;
    ELSIF xmcoh_internal.review_state(id, candidate.document, pg_get_userbyid(caller)) = candidate.seen THEN
        DELETE FROM xmcoh.review_claim_record AS c WHERE c.model_id = id AND c.document = candidate.document
            AND NOT EXISTS (SELECT FROM xmcoh.claim_in_force AS f WHERE f.claim_id = c.claim_id);
        INSERT INTO xmcoh.review_claim_record AS c (model_id, document, before_item, after_item, probability, value, reason, claimed_by, claimed_until)
            VALUES (id, candidate.document, candidate.before_item, candidate.after_item, candidate.probability, candidate.value, candidate.reason,
                    pg_get_userbyid(caller), until)
            ON CONFLICT DO NOTHING RETURNING c.claim_id, c.claimed_until INTO claim, held_until;
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.claim_review(oid, integer, record, timestamptz) IS 'Internal: claims a row of review_candidates, or renews its claim; NULL: others have it, or the document has changed since';

CREATE FUNCTION xmcoh_internal.claim_reviews(caller oid, model text, n integer, lease interval, source regclass, strategy text, documents text[])
    RETURNS TABLE (rank integer, document text, before_item text, after_item text, before_text text, after_text text,
                   probability double precision, value double precision, reason text, claimed_until timestamptz)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    id integer;
    candidate record;
    claim record;
    begun timestamptz := clock_timestamp();
    until timestamptz;
    held bigint[] := '{}';
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('claim reviews');
    id := xmcoh_internal.model_id(caller, claim_reviews.model, 'review');
    IF claim_reviews.n IS NULL OR claim_reviews.n NOT BETWEEN 0 AND 1000 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'n must be between 0 and 1000';
    ELSIF claim_reviews.lease IS NULL OR claim_reviews.lease NOT BETWEEN interval '0' AND interval '1 day'
       -- The first comparison bounds the dates of the second one, and takes each month for 30 days.
       OR begun + claim_reviews.lease NOT BETWEEN begun AND begun + interval '1 day' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'lease must be between 0 and 1 day';
    END IF;
    rank := 0;
    IF claim_reviews.n > 0 THEN
        -- All candidates are read before the first one comes, so no code of a source runs after a lock has been taken here.
        FOR candidate IN SELECT q.* FROM xmcoh_internal.review_candidates(caller, claim_reviews.model, claim_reviews.n, claim_reviews.source,
                                                                          claim_reviews.strategy, claim_reviews.documents) AS q LOOP
            IF until IS NULL THEN
                PERFORM FROM xmcoh.model AS m WHERE m.model_id = id FOR KEY SHARE;     -- the model is not dropped
                IF NOT FOUND THEN
                    RAISE undefined_object USING MESSAGE = format('model "%s" does not exist', claim_reviews.model);
                END IF;
                until := clock_timestamp() + (begun + claim_reviews.lease - begun);
            END IF;
            claim := xmcoh_internal.claim_review(caller, id, candidate, until);
            CONTINUE WHEN claim.claim IS NULL;
            held := held || claim.claim;
            rank := rank + 1;
            document := candidate.document;
            before_item := candidate.before_item;
            after_item := candidate.after_item;
            before_text := candidate.before_text;
            after_text := candidate.after_text;
            probability := candidate.probability;
            value := candidate.value;
            reason := candidate.reason;
            claimed_until := claim.held_until;
            RETURN NEXT;
            EXIT WHEN rank = claim_reviews.n;
        END LOOP;
    END IF;
    -- The caller gives back what is not in the result; and what is no longer in force is removed.
    WITH gone AS MATERIALIZED (SELECT c.claim_id, c.document FROM xmcoh.review_claim_record AS c WHERE c.model_id = id
            AND (c.claimed_by = pg_get_userbyid(caller) AND c.claim_id <> ALL (held)
                 OR NOT EXISTS (SELECT FROM xmcoh.claim_in_force AS f WHERE f.claim_id = c.claim_id)))
        DELETE FROM xmcoh.review_claim_record AS c USING gone
            WHERE c.claim_id = gone.claim_id AND xmcoh_internal.try_lock_claims(id, gone.document);
END $$;
COMMENT ON FUNCTION xmcoh_internal.claim_reviews(oid, text, integer, interval, regclass, text, text[]) IS 'Internal: xmcoh.claim_reviews';
CREATE FUNCTION xmcoh.claim_reviews(model text, n integer DEFAULT 10, lease interval DEFAULT '15 min', source regclass DEFAULT NULL,
                                    strategy text DEFAULT 'learn', documents text[] DEFAULT NULL)
    RETURNS TABLE (rank integer, document text, before_item text, after_item text, before_text text, after_text text,
                   probability double precision, value double precision, reason text, claimed_until timestamptz)
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10;
COMMENT ON FUNCTION xmcoh.claim_reviews(text, integer, interval, regclass, text, text[]) IS
    'At most n rows of xmcoh.review_queue that nobody else gets during the lease: those that the role holds, then more. Other held pairs are given back; n => 0: all. A decision ends a claim; after ''second'' it replaces the first. Needs level review. Errors: as xmcoh.review_queue, invalid_parameter_value';

-- ---- agreement ----

CREATE FUNCTION xmcoh_internal.review_agreement(caller oid, model text)
    RETURNS TABLE (reviewer name, against text, other name, pairs bigint, documents bigint, agreement double precision,
                   kappa double precision, kappa_low double precision, kappa_high double precision)
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    id integer := xmcoh_internal.model_id(caller, review_agreement.model, 'review');
BEGIN
    RETURN QUERY
    WITH answer AS (
        -- The last answer of a reviewer about two items with these texts; what the reviewer has withdrawn does not count. Answer 1: the
        -- item with the smaller key stands first; -1: last; 0: either.
        SELECT DISTINCT ON (p.decided_by, p.document, p.a, p.b, p.texts) p.*
        FROM (SELECT d.decision_id, d.decided_by, d.document, least(d.items[1] COLLATE "C", d.items[2]) AS a, greatest(d.items[1] COLLATE "C", d.items[2]) AS b,
                     coalesce(CASE WHEN d.items[1] COLLATE "C" < d.items[2] THEN d.seen_items ELSE ARRAY[d.seen_items[2], d.seen_items[1]] END, '{}') AS texts,
                     CASE WHEN d.kind = 'either' THEN 0 WHEN d.items[1] COLLATE "C" < d.items[2] THEN 1 ELSE -1 END AS answer, d.probability
              FROM xmcoh.decision AS d
              WHERE d.model_id = id AND d.kind IN ('before', 'either')
                AND NOT EXISTS (SELECT FROM xmcoh.decision AS w WHERE w.decision_id = d.withdrawn_by AND w.kind = 'withdrawal'
                                AND w.decided_by = d.decided_by)) AS p
        ORDER BY p.decided_by, p.document, p.a, p.b, p.texts, p.decision_id DESC),
    same AS (
        SELECT x.decided_by AS reviewer, g.against, CASE g.against WHEN 'reviewer' THEN y.decided_by END AS other, x.document,
               (x.answer = y.answer)::integer AS equal, (x.answer = 0)::integer AS either, (y.answer = 0)::integer AS other_either
        FROM answer AS x JOIN answer AS y ON y.document = x.document AND y.a = x.a AND y.b = x.b AND y.texts = x.texts AND y.decided_by <> x.decided_by
        JOIN (VALUES ('reviewer'), ('all others')) AS g (against) ON g.against = 'all others' OR x.decided_by < y.decided_by
        UNION ALL
        -- The probability is that of the order that was decided. The model never says 'either'.
        SELECT x.decided_by, 'model', NULL, x.document, (x.probability > 0.5)::integer, 0, 0
        FROM answer AS x WHERE x.answer <> 0 AND x.probability <> 0.5),
    of_document AS (
        SELECT s.reviewer, s.against, s.other, count(*) AS n, sum(s.equal) AS equal, sum(s.either) AS either, sum(s.other_either) AS other_either
        FROM same AS s GROUP BY s.reviewer, s.against, s.other, s.document),
    total AS (
        SELECT t.*, (1 - t.e) * (1 - t.f) / 2 + t.e * t.f AS chance
        FROM (SELECT o.reviewer, o.against, o.other, sum(o.n)::double precision AS n, count(*)::double precision AS documents,
                     (sum(o.equal) / sum(o.n))::double precision AS share, (sum(o.either) / sum(o.n))::double precision AS e,
                     (sum(o.other_either) / sum(o.n))::double precision AS f
              FROM of_document AS o GROUP BY o.reviewer, o.against, o.other) AS t),
    effective AS (
        -- Answers about one document depend on each other: their number is divided by the design effect.
        SELECT t.*, CASE WHEN t.documents = 1 OR t.share IN (0, 1) THEN t.documents
                         ELSE least(t.n, t.share * (1 - t.share) / nullif(t.documents / (t.documents - 1) * v.squares / t.n ^ 2, 0)) END AS m
        FROM total AS t, LATERAL (SELECT sum((o.equal - t.share * o.n) ^ 2)::double precision AS squares FROM of_document AS o
            WHERE o.reviewer = t.reviewer AND o.against = t.against AND o.other IS NOT DISTINCT FROM t.other) AS v),
    bounds AS (
        SELECT f.*, (f.share + z.z2 / (2 * f.m)) / (1 + z.z2 / f.m) AS middle,
               sqrt(z.z2 * (f.share * (1 - f.share) / f.m + z.z2 / (4 * f.m ^ 2))) / (1 + z.z2 / f.m) AS half
        FROM effective AS f, (SELECT 1.959963984540054 ^ 2 AS z2) AS z)
    SELECT b.reviewer, b.against, b.other, b.n::bigint, b.documents::bigint, b.share, (b.share - b.chance) / nullif(1 - b.chance, 0),
           (b.middle - b.half - b.chance) / nullif(1 - b.chance, 0), (b.middle + b.half - b.chance) / nullif(1 - b.chance, 0)
    FROM bounds AS b ORDER BY b.reviewer COLLATE "C", b.against, b.other COLLATE "C";
END $$;
COMMENT ON FUNCTION xmcoh_internal.review_agreement(oid, text) IS 'Internal: xmcoh.review_agreement';
CREATE FUNCTION xmcoh.review_agreement(model text)
    RETURNS TABLE (reviewer name, against text, other name, pairs bigint, documents bigint, agreement double precision,
                   kappa double precision, kappa_low double precision, kappa_high double precision)
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 10000 ROWS 20;
COMMENT ON FUNCTION xmcoh.review_agreement(text) IS
    'How often a reviewer gave the same answer (before, after, either) about a pair as another reviewer, all others, or the model at that time (against); Cohen''s kappa with 95% interval (doc/method.md). The last answer of a reviewer counts, also a replaced one; approved orders do not. Needs level review';
