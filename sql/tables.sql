\echo Use "CREATE EXTENSION xmcoh" to load this file. \quit

/*
 * The SQL surface of xmcoh, in files that the Makefile puts together in this order: tables; access (who may do what);
 * reports; cache; encoders; models; sources; decisions; review; versions; jobs; schedules; monitor (what happened, for people and
 * dashboards); scores (and orders); explain; gaps; evaluate; pilot; guard; privileges (and dumps).
 *
 * Two schemas. xmcoh is what users see. xmcoh_internal holds functions that only the extension's owner may call, and some that
 * views and policies evaluate. A public function that changes something is a shell around the internal one of the same name,
 * which runs as the extension's owner and is told who called (its first argument): see src/pg/base/access.c.
 */

-- Nothing that others have made may be found by a name in this script, neither now nor when what it makes is used.
SET LOCAL search_path = pg_catalog, pg_temp;

-- A schema xmcoh that is there already must be a trusted role's, empty, and nobody else's to put something into.
DO $$
DECLARE
    owner_name name;
    problem text;
BEGIN
    SELECT r.rolname INTO owner_name FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_roles AS r
        ON r.oid OPERATOR(pg_catalog.=) n.nspowner
        WHERE n.nspname OPERATOR(pg_catalog.=) 'xmcoh'::pg_catalog.name AND NOT r.rolsuper;
    IF FOUND THEN
        RAISE insufficient_privilege USING
            MESSAGE = pg_catalog.format('schema xmcoh belongs to role %I, which is no superuser', owner_name),
            HINT = 'Drop the schema, or give it to a superuser, and look at what it holds, before you install xmcoh.';
    END IF;
    SELECT pg_catalog.format('schema xmcoh holds %s', pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)) INTO problem
        FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) 'xmcoh'::pg_catalog.regnamespace
          AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_extension'::pg_catalog.regclass LIMIT 1;
    IF FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = problem,
            HINT = 'Look at what it holds, and drop the schema, before you install xmcoh.';
    END IF;
    PERFORM FROM pg_catalog.pg_namespace AS n, pg_catalog.aclexplode(n.nspacl) AS a
        WHERE n.nspname OPERATOR(pg_catalog.=) 'xmcoh'::pg_catalog.name AND a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
          AND a.grantee OPERATOR(pg_catalog.<>) n.nspowner;
    IF FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'others than its owner may create objects in schema xmcoh',
            HINT = 'Drop the schema before you install xmcoh.';
    END IF;
END $$;

CREATE SCHEMA xmcoh_internal;
COMMENT ON SCHEMA xmcoh_internal IS 'Functions of xmcoh that only the owner of the extension may call, and some that its views and policies evaluate';

-- ---- names that follow what they name ----

CREATE TYPE xmcoh.object_ref;
CREATE FUNCTION xmcoh_internal.reference_in(cstring) RETURNS xmcoh.object_ref
    AS 'MODULE_PATHNAME', 'xmcoh_reference_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.reference_in(cstring) IS 'Internal: input of xmcoh.object_ref';
CREATE FUNCTION xmcoh_internal.reference_out(xmcoh.object_ref) RETURNS cstring
    AS 'MODULE_PATHNAME', 'xmcoh_reference_out' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.reference_out(xmcoh.object_ref) IS 'Internal: output of xmcoh.object_ref';
CREATE FUNCTION xmcoh_internal.reference_recv(internal) RETURNS xmcoh.object_ref
    AS 'MODULE_PATHNAME', 'xmcoh_reference_recv' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.reference_recv(internal) IS 'Internal: binary input of xmcoh.object_ref';
CREATE FUNCTION xmcoh_internal.reference_send(xmcoh.object_ref) RETURNS bytea
    AS 'MODULE_PATHNAME', 'xmcoh_reference_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.reference_send(xmcoh.object_ref) IS 'Internal: binary output of xmcoh.object_ref';
CREATE TYPE xmcoh.object_ref (
    INPUT = xmcoh_internal.reference_in, OUTPUT = xmcoh_internal.reference_out, RECEIVE = xmcoh_internal.reference_recv,
    SEND = xmcoh_internal.reference_send, ALIGNMENT = int4, STORAGE = plain);
COMMENT ON TYPE xmcoh.object_ref IS 'Name of a role, relation or column, such as ''relation public.step''. The name follows ALTER ... RENAME, is dumped as text, and may name a missing object';

CREATE FUNCTION xmcoh_internal.role_ref(role oid) RETURNS xmcoh.object_ref
    AS 'MODULE_PATHNAME', 'xmcoh_role_ref' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.role_ref(oid) IS 'Internal: names a role. Error: undefined_object';
CREATE FUNCTION xmcoh_internal.relation_ref(relation oid) RETURNS xmcoh.object_ref
    AS 'MODULE_PATHNAME', 'xmcoh_relation_ref' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.relation_ref(oid) IS 'Internal: names a relation. Error: undefined_table';
CREATE FUNCTION xmcoh_internal.column_ref(relation oid, "column" name) RETURNS xmcoh.object_ref
    AS 'MODULE_PATHNAME', 'xmcoh_column_ref' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.column_ref(oid, name) IS 'Internal: names a column. Error: undefined_table';
CREATE FUNCTION xmcoh_internal.object_oid(object xmcoh.object_ref) RETURNS oid
    AS 'MODULE_PATHNAME', 'xmcoh_object_oid' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.object_oid(xmcoh.object_ref) IS 'Internal: OID of the named object (of a column: its relation); NULL: the object is missing';
CREATE FUNCTION xmcoh_internal.object_name(object xmcoh.object_ref) RETURNS text
    AS 'MODULE_PATHNAME', 'xmcoh_object_name' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.object_name(xmcoh.object_ref) IS 'Internal: present name of an object for people, quoted and qualified where needed (of a column: the column name alone); the last known name where the object is gone; NULL: a dropped role';

CREATE FUNCTION xmcoh_internal.object_names(objects xmcoh.object_ref[]) RETURNS text[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN ARRAY(SELECT xmcoh_internal.object_name(o.object) FROM unnest(objects) WITH ORDINALITY AS o (object, place) ORDER BY o.place);
COMMENT ON FUNCTION xmcoh_internal.object_names(xmcoh.object_ref[]) IS 'Internal: the names of several objects';

CREATE FUNCTION xmcoh_internal.is_loose(object xmcoh.object_ref) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_is_loose' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.is_loose(xmcoh.object_ref) IS 'Internal: whether the named object was missing when the value was made, or has gone since, so that only the name can find it';

-- ---- tables ----
--
-- No foreign keys: a restore in several processes, a subscriber and Citus do without. Whoever writes here is a function that
-- locks the model's row first; xmcoh_internal.delete_model removes all that hangs on a model.

CREATE TABLE xmcoh.model (
    model_id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name             text NOT NULL UNIQUE CHECK (name <> ''),
    owner            xmcoh.object_ref NOT NULL,
    image_dim        integer NOT NULL DEFAULT 0 CHECK (image_dim BETWEEN 0 AND 16384),
    text_dim         integer NOT NULL DEFAULT 0 CHECK (text_dim BETWEEN 0 AND 16384),
    words            boolean NOT NULL DEFAULT true,
    options          jsonb NOT NULL DEFAULT '{}',
    deployed_version integer,
    created_at       timestamptz NOT NULL DEFAULT now(),
    encoder_id       integer,
    image_encoder_id integer,
    CHECK (words OR image_dim > 0 OR text_dim > 0),
    CHECK (encoder_id IS NULL OR text_dim > 0),
    CHECK (image_encoder_id IS NULL OR image_dim > 0)
);
COMMENT ON TABLE xmcoh.model IS 'Models: what each reads, its options, and which of its versions is deployed';
COMMENT ON COLUMN xmcoh.model.owner IS 'role whose members own the model; if the role was dropped, the owner of the extension does';
COMMENT ON COLUMN xmcoh.model.image_dim IS 'numbers in an image embedding; 0: the model reads no images';
COMMENT ON COLUMN xmcoh.model.text_dim IS 'numbers in a supplied text embedding; 0: the model reads none';
COMMENT ON COLUMN xmcoh.model.words IS 'whether the model reads the raw text';
COMMENT ON COLUMN xmcoh.model.encoder_id IS 'text encoder (xmcoh.encoder) that computes the text embeddings that rows lack, from their texts; NULL: none does';
COMMENT ON COLUMN xmcoh.model.image_encoder_id IS 'text encoder that computes vectors of texts which stand for images; NULL: none does';
COMMENT ON COLUMN xmcoh.model.options IS 'options that differ from their defaults; see xmcoh.options()';

-- src/pg/base/access.c knows these columns by number.
CREATE TABLE xmcoh.model_grant_record (
    grant_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id   integer NOT NULL,
    role       xmcoh.object_ref NOT NULL,
    level      text NOT NULL CHECK (level IN ('score', 'review', 'train', 'own')),
    granted_by name NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE xmcoh.model_grant_record IS 'Levels on models; read xmcoh.model_grants';

CREATE TABLE xmcoh.model_version (
    model_id   integer NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    sha256     text NOT NULL CHECK (sha256 = encode(sha256(weights), 'hex')),
    weights    bytea NOT NULL,
    job_id     integer,
    report     jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model_id, version)
);
ALTER TABLE xmcoh.model_version ALTER COLUMN weights SET STORAGE EXTERNAL;
COMMENT ON TABLE xmcoh.model_version IS 'Versions of models: the weights of each are one safetensors file, never changed, named by its SHA-256';
COMMENT ON COLUMN xmcoh.model_version.report IS 'figures of training on held-out approved documents: per evidence tau with its 95% interval, pair_accuracy, calibration_error, confident (share of pairs with p or 1 - p >= option precision); challenge: the comparison with the deployed version';

CREATE TABLE xmcoh.encoder (
    encoder_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    owner      xmcoh.object_ref NOT NULL,
    sha256     text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    bytes      bigint NOT NULL CHECK (bytes > 0),
    family     text NOT NULL,
    dim        integer NOT NULL,
    layers     integer NOT NULL,
    heads      integer NOT NULL,
    vocabulary integer NOT NULL,
    max_tokens integer NOT NULL,
    parameters bigint NOT NULL,
    pooling    text NOT NULL CHECK (pooling IN ('mean', 'first token')),
    normalised boolean NOT NULL,
    license    text,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE xmcoh.encoder IS 'Imported text encoders; the file of each is in xmcoh.encoder_chunk. Read xmcoh.encoders';
COMMENT ON COLUMN xmcoh.encoder.owner IS 'role whose members own the encoder; if the role was dropped, the owner of the extension does';
COMMENT ON COLUMN xmcoh.encoder.sha256 IS 'SHA-256 of the whole file, in hexadecimal; the file is never changed';

-- In chunks, because the file may be larger than a bytea, and pg_dump could not dump a bytea of 1 GB.
CREATE TABLE xmcoh.encoder_chunk (
    encoder_id integer NOT NULL,
    chunk      integer NOT NULL CHECK (chunk >= 0),
    data       bytea NOT NULL,
    PRIMARY KEY (encoder_id, chunk)
);
ALTER TABLE xmcoh.encoder_chunk ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE xmcoh.encoder_chunk IS 'Files of text encoders, in chunks of 4 MiB from 0 (the last one is shorter): a safetensors file of F32 weights, tables of the tokenizer, and the shape as metadata';

-- src/pg/base/access.c knows these columns by number.
CREATE TABLE xmcoh.encoder_grant_record (
    grant_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    encoder_id integer NOT NULL,
    role       xmcoh.object_ref NOT NULL,
    granted_by name NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE xmcoh.encoder_grant_record IS 'Roles that may use a text encoder of another role; read xmcoh.encoder_grants';

CREATE TABLE xmcoh.deployment (
    deployment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id      integer NOT NULL,
    version       integer NOT NULL,
    deployed_by   name NOT NULL,
    deployed_at   timestamptz NOT NULL DEFAULT now(),
    rolled_back_at timestamptz
);
CREATE INDEX ON xmcoh.deployment (model_id, deployment_id);
COMMENT ON TABLE xmcoh.deployment IS 'Which version was deployed when and by whom; xmcoh.rollback goes back along these rows. Rows of pruned versions stay as history';

CREATE TABLE xmcoh.source_record (
    source_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id       integer NOT NULL,
    relation       xmcoh.object_ref NOT NULL,
    document       xmcoh.object_ref NOT NULL,
    item           xmcoh.object_ref NOT NULL,
    text           xmcoh.object_ref,
    image          xmcoh.object_ref,
    text_embedding xmcoh.object_ref,
    position       xmcoh.object_ref,
    approved       xmcoh.object_ref,
    all_approved   boolean NOT NULL,
    documents_of   xmcoh.object_ref,
    group_columns  xmcoh.object_ref[]
);
CREATE INDEX ON xmcoh.source_record (model_id);
COMMENT ON TABLE xmcoh.source_record IS 'Relations that hold documents, one row per item, and the use of their columns; read xmcoh.source';

CREATE TABLE xmcoh.pair_source_record (
    pair_source_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id       integer NOT NULL,
    relation       xmcoh.object_ref NOT NULL,
    document       xmcoh.object_ref NOT NULL,
    before         xmcoh.object_ref NOT NULL,
    after          xmcoh.object_ref NOT NULL
);
CREATE INDEX ON xmcoh.pair_source_record (model_id);
COMMENT ON TABLE xmcoh.pair_source_record IS 'Relations that hold approved pairs, besides xmcoh.approved_pair; read xmcoh.pair_source';

CREATE TABLE xmcoh.decision (
    decision_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id     integer NOT NULL,
    document     text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('before', 'order', 'either', 'skip', 'withdrawal')),
    items        text[] NOT NULL CHECK (array_position(items, NULL) IS NULL),
    places       integer[] CHECK (cardinality(places) = cardinality(items)),
    decided_by   name NOT NULL,
    logged_in_as name NOT NULL,
    decided_at   timestamptz NOT NULL DEFAULT now(),
    version      integer,
    probability  double precision,
    seen_order   bytea,
    seen_texts   bytea,
    seen_items   bytea[],
    note         text,
    withdrawn_by bigint,
    CONSTRAINT two_items CHECK (kind NOT IN ('before', 'either', 'skip') OR cardinality(items) = 2 AND items[1] <> items[2])
);
CREATE UNIQUE INDEX decision_pair ON xmcoh.decision (model_id, document, (items[1]), (items[2])) WHERE kind = 'before' AND withdrawn_by IS NULL;
CREATE INDEX decision_document ON xmcoh.decision (model_id, document) WHERE withdrawn_by IS NULL;
COMMENT ON TABLE xmcoh.decision IS 'Decisions of people (xmcoh.approve, approve_order, decide, withdraw). A row is never changed, except that withdrawn_by is set once. xmcoh.approved_pair has the pairs of the decisions in force';
COMMENT ON COLUMN xmcoh.decision.kind IS 'before: the first item stands before the second; order: the items stand in this order; either: the two have no order; skip: unclear; withdrawal of an earlier decision';
COMMENT ON COLUMN xmcoh.decision.items IS 'items that were decided about; of a withdrawal those of the withdrawn decision';
COMMENT ON COLUMN xmcoh.decision.places IS 'place of each item, for an order in which some items share a place; NULL: each item has its own';
COMMENT ON COLUMN xmcoh.decision.decided_by IS 'role that decided (current_user), written by the server';
COMMENT ON COLUMN xmcoh.decision.logged_in_as IS 'role that had logged in (session_user)';
COMMENT ON COLUMN xmcoh.decision.version IS 'version that was deployed at the time of the decision; NULL: none';
COMMENT ON COLUMN xmcoh.decision.probability IS 'probability by that version that the first item stands before the second; NULL: none, or an order';
COMMENT ON COLUMN xmcoh.decision.seen_order IS 'hash of the stored order of the document as read for the decision; NULL: the document was not read (INSERT INTO xmcoh.approved_pair)';
COMMENT ON COLUMN xmcoh.decision.seen_texts IS 'hash of all items of the document and their texts, as read for the decision; NULL: not read';
COMMENT ON COLUMN xmcoh.decision.seen_items IS 'hashes of the texts of the decided items, in the same order: the first 16 bytes of the SHA-256 of int4send(bytes + 1) and the text in UTF-8, of int4send(0) for no text; NULL: not read';
COMMENT ON COLUMN xmcoh.decision.withdrawn_by IS 'decision that withdrew or replaced this one, or that this one repeats (an equal one of another role, in force before); NULL: this one is in force';

CREATE TABLE xmcoh.review_claim_record (
    claim_id      bigint PRIMARY KEY DEFAULT nextval('xmcoh.decision_decision_id_seq'),
    model_id      integer NOT NULL,
    document      text NOT NULL,
    before_item   text NOT NULL,
    after_item    text NOT NULL,
    probability   double precision NOT NULL,
    value         double precision NOT NULL,
    reason        text NOT NULL,
    claimed_by    name NOT NULL,
    claimed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    claimed_until timestamptz NOT NULL
);
CREATE UNIQUE INDEX review_claim_record_pair ON xmcoh.review_claim_record (model_id, document,
    least(before_item COLLATE "C", after_item COLLATE "C"), greatest(before_item COLLATE "C", after_item COLLATE "C"));
COMMENT ON TABLE xmcoh.review_claim_record IS 'Pairs that reviewers hold for a time (xmcoh.claim_reviews); read xmcoh.review_claim. The next call for the model removes rows that are no longer in force. Never dumped';

-- Not unique: a subscriber of all tables copies the rows once more, and the lock of a slot is that of all its rows.
CREATE TABLE xmcoh.review_lock (slot integer NOT NULL);
CREATE INDEX review_lock_slot ON xmcoh.review_lock (slot);
INSERT INTO xmcoh.review_lock SELECT generate_series(1, 1023);
COMMENT ON TABLE xmcoh.review_lock IS 'Internal: rows that transactions lock while they write claims of reviews; a document''s is chosen by a hash';
COMMENT ON COLUMN xmcoh.review_claim_record.claim_id IS 'from the numbers of decisions, so a decision about the pair that was made later has a larger number';

CREATE FUNCTION xmcoh_internal.queue_id() RETURNS text
    AS 'MODULE_PATHNAME', 'xmcoh_queue_id' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.queue_id() IS
    'Internal: identifies the jobs'' table of this database in this run of the server. The value differs after a restart, in a restored copy and on a promoted standby, where nobody will start what was queued before';

CREATE FUNCTION xmcoh_internal.is_active(state text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_job_is_active' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh_internal.is_active(text) IS 'Internal: whether a job in this state is not over';

CREATE TABLE xmcoh.job_record (
    job_id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id          integer NOT NULL,
    kind              text NOT NULL DEFAULT 'training' CHECK (kind IN ('training', 'study', 'snapshot')),
    state             text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'starting', 'running', 'cancelling',
                          'succeeded', 'rejected', 'failed', 'cancelled', 'interrupted')),
    submitted_by      xmcoh.object_ref NOT NULL DEFAULT xmcoh_internal.role_ref(quote_ident(current_user)::regrole),
    options           jsonb NOT NULL DEFAULT '{}',
    on_success        text NOT NULL DEFAULT 'deploy' CHECK (on_success IN ('deploy', 'challenge', 'keep')),
    unlabelled        xmcoh.object_ref[],
    source_definition text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    queued_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    queue_id          text NOT NULL DEFAULT xmcoh_internal.queue_id(),
    asked_at          timestamptz,
    started_at        timestamptz,
    finished_at       timestamptz,
    worker_pid        integer,
    worker_started_at timestamptz,
    phase             text,
    round             integer NOT NULL DEFAULT 0,
    epoch             integer,
    epochs            integer,
    done              bigint NOT NULL DEFAULT 0,
    total             bigint,
    train_loss        double precision,
    held_out_loss     double precision,
    held_out_tau      double precision,
    message           text,
    error_code        text,
    version           integer,
    champion          integer,
    login_role        xmcoh.object_ref NOT NULL DEFAULT xmcoh_internal.role_ref(quote_ident(session_user)::regrole),
    settings          jsonb NOT NULL DEFAULT '{}',
    slices            integer CHECK (slices > 0),
    attempts          integer NOT NULL DEFAULT 0,
    resumed_at        timestamptz,
    done_before       bigint NOT NULL DEFAULT 0,
    keep              integer
);
-- A snapshot does not wait for a training of hours.
CREATE UNIQUE INDEX job_record_one_per_model ON xmcoh.job_record (model_id, (kind = 'snapshot'))
    WHERE xmcoh_internal.is_active(state);
COMMENT ON TABLE xmcoh.job_record IS 'Jobs as last written by their workers; read xmcoh.job, which also knows whether the worker still runs';
COMMENT ON COLUMN xmcoh.job_record.kind IS 'what the worker does: training makes a version, study measures a learning curve, snapshot measures the documents as they are';
COMMENT ON COLUMN xmcoh.job_record.options IS 'options of the training; a job of another kind has its arguments here, too';
COMMENT ON COLUMN xmcoh.job_record.submitted_by IS 'role that asked for the job; the worker reads the documents with its rights';
COMMENT ON COLUMN xmcoh.job_record.unlabelled IS 'sources whose documents without approved pairs are read; NULL: all';
COMMENT ON COLUMN xmcoh.job_record.source_definition IS 'definition of the model''s sources at submission (xmcoh_internal.source_definition); the job does not read sources that are defined otherwise';
COMMENT ON COLUMN xmcoh.job_record.queue_id IS 'where a worker was asked for; a queued job with another xmcoh_internal.queue_id() never starts';
COMMENT ON COLUMN xmcoh.job_record.asked_at IS 'when a worker was asked for; NULL: the launcher asks when the job''s turn comes';
COMMENT ON COLUMN xmcoh.job_record.champion IS 'deployed version that the new version is or was compared with (on_success => ''challenge'')';
COMMENT ON COLUMN xmcoh.job_record.error_code IS 'SQLSTATE of the error that ended the job; the message may hold values of rows and is for the owner and for roles with level train';
COMMENT ON COLUMN xmcoh.job_record.login_role IS 'role that had logged in where the job was submitted; the worker logs in as this role, then reads as submitted_by';
COMMENT ON COLUMN xmcoh.job_record.settings IS 'settings xmcoh.* of the submitting session; the worker uses the same';
COMMENT ON COLUMN xmcoh.job_record.slices IS 'shards that a minibatch is cut into: xmcoh.training_workers when the job first ran. The weights depend on this number';
COMMENT ON COLUMN xmcoh.job_record.attempts IS 'how often a worker has begun since the last checkpoint';
COMMENT ON COLUMN xmcoh.job_record.resumed_at IS 'when the job was last put into the queue again after an interruption';
COMMENT ON COLUMN xmcoh.job_record.done_before IS 'work units that were done when the present worker began';
COMMENT ON COLUMN xmcoh.job_record.keep IS 'versions that are kept when this training has succeeded; NULL: all';

CREATE TABLE xmcoh.job_transition (
    job_id            integer NOT NULL,
    transition_id     bigint GENERATED ALWAYS AS IDENTITY,
    changed_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    old_state         text,
    new_state         text NOT NULL,
    reason            text,
    worker_pid        integer,
    worker_started_at timestamptz,
    PRIMARY KEY (job_id, transition_id)
);
COMMENT ON TABLE xmcoh.job_transition IS 'Changes of jobs'' states, each in the transaction that made the change: when, why (the message, without values of rows), and which worker the job had. Only a trigger on xmcoh.job_record writes here. A state that xmcoh.job derives from a dead worker is no change yet';
COMMENT ON COLUMN xmcoh.job_transition.old_state IS 'state before; NULL: the job was submitted';

CREATE TABLE xmcoh.job_checkpoint (
    job_id     integer NOT NULL,
    chunk      integer NOT NULL CHECK (chunk >= 0),
    data       bytea NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, chunk)
);
ALTER TABLE xmcoh.job_checkpoint ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE xmcoh.job_checkpoint IS 'State of each unfinished training at the end of some epoch, in chunks. xmcoh.resume_job continues from here. Rows go when the job ends and are never dumped';

CREATE TABLE xmcoh.training_metric (
    job_id   integer NOT NULL,
    round    integer NOT NULL DEFAULT 0,
    phase    text NOT NULL,
    modality text NOT NULL CHECK (modality IN ('text', 'image', 'fused')),
    epoch    integer NOT NULL,
    metric   text NOT NULL,
    value    double precision,
    PRIMARY KEY (job_id, round, phase, epoch, metric)
);
COMMENT ON TABLE xmcoh.training_metric IS 'Losses and held-out figures of every epoch of every job, and results of rounds (read xmcoh.training_round). In a round with few held-out documents, held_out_loss and held_out_tau are of pool documents that are kept back, by the guide''s labels';

CREATE TABLE xmcoh.learning_curve_record (
    job_id      integer NOT NULL,
    size        integer NOT NULL,
    sample      integer NOT NULL,
    approved    integer NOT NULL,
    taught      integer NOT NULL,
    measured    integer NOT NULL,
    tau         double precision,
    acc         double precision,
    pmr         double precision,
    coverage    double precision,
    sums        double precision[] NOT NULL CHECK (array_ndims(sums) = 1 AND cardinality(sums) = 320),
    fingerprint bigint NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, size, sample)
);
COMMENT ON TABLE xmcoh.learning_curve_record IS 'What studies have measured (xmcoh.study_learning_curve), a row for each model that they have trained; read xmcoh.learning_curve. Rows of old studies go with xmcoh.prune_versions';
COMMENT ON COLUMN xmcoh.learning_curve_record.approved IS 'approved documents that the study has read';
COMMENT ON COLUMN xmcoh.learning_curve_record.taught IS 'of them, those that taught the model: whole groups, as near to size as groups allow';
COMMENT ON COLUMN xmcoh.learning_curve_record.measured IS 'of them, those of other groups, on which the model was measured; 0: there was no model';
COMMENT ON COLUMN xmcoh.learning_curve_record.sums IS 'of 40 blocks of documents, for tau, acc, pmr and coverage: the sum of values and that of weights';
COMMENT ON COLUMN xmcoh.learning_curve_record.fingerprint IS 'checksum of documents and options; a resumed study measures rows with another one anew';

CREATE TABLE xmcoh.schedule (
    schedule_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id     integer NOT NULL,
    kind         text NOT NULL DEFAULT 'training' CHECK (kind IN ('training', 'snapshot')),
    cron         text NOT NULL,
    timezone     text NOT NULL DEFAULT current_setting('TimeZone'),
    options      jsonb NOT NULL DEFAULT '{}',
    on_success   text NOT NULL DEFAULT 'deploy',
    unlabelled   xmcoh.object_ref[],
    source_definition text,
    active       boolean NOT NULL DEFAULT true,
    submitted_by xmcoh.object_ref NOT NULL DEFAULT xmcoh_internal.role_ref(quote_ident(current_user)::regrole),
    login_role   xmcoh.object_ref NOT NULL DEFAULT xmcoh_internal.role_ref(quote_ident(session_user)::regrole),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_run_at  timestamptz,
    last_job_id  integer,
    message      text,
    by           text,
    keep         integer CHECK (keep > 0)
);
CREATE INDEX ON xmcoh.schedule (model_id);
COMMENT ON TABLE xmcoh.schedule IS 'Schedules of trainings and snapshots; see xmcoh.schedule_training, xmcoh.schedule_snapshot and xmcoh.schedule_overview';
COMMENT ON COLUMN xmcoh.schedule.kind IS 'kind of the jobs: training or snapshot';
COMMENT ON COLUMN xmcoh.schedule.by IS 'of snapshots: column of the sources that names a document''s group; NULL: none';
COMMENT ON COLUMN xmcoh.schedule.keep IS 'of trainings: versions that are kept after a successful one (NULL: all); of snapshots: snapshots that are kept';
COMMENT ON COLUMN xmcoh.schedule.unlabelled IS 'sources whose documents without approved pairs are read; NULL: all';
COMMENT ON COLUMN xmcoh.schedule.source_definition IS 'definition of the model''s sources when the schedule was made or altered; no job is started on sources that are defined otherwise';
COMMENT ON COLUMN xmcoh.schedule.submitted_by IS 'role that made the schedule; its jobs have this role''s rights';
COMMENT ON COLUMN xmcoh.schedule.login_role IS 'role that had logged in when the schedule was made; the workers log in as this role';
COMMENT ON COLUMN xmcoh.schedule.last_run_at IS 'when the schedule was last due and was handled';
COMMENT ON COLUMN xmcoh.schedule.last_job_id IS 'last job that the schedule started';
COMMENT ON COLUMN xmcoh.schedule.message IS 'why no job was started when the schedule was last due; NULL: a job was started';

CREATE TABLE xmcoh.guard_record (
    source_id      integer PRIMARY KEY,
    on_violation   text NOT NULL CHECK (on_violation IN ('error', 'warning', 'record')),
    "precision"    double precision NOT NULL CHECK ("precision" > 0.5 AND "precision" < 1),
    allow_approved boolean NOT NULL,
    strict         boolean NOT NULL,
    enforced_by    name NOT NULL,
    enforced_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE xmcoh.guard_record IS 'Sources whose orders are checked when their rows change (xmcoh.enforce_order); read xmcoh.guard. The triggers on the relation name source_id';

CREATE TABLE xmcoh.violation_record (
    violation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id     integer NOT NULL,
    source       xmcoh.object_ref NOT NULL,
    document     text NOT NULL,
    version      integer NOT NULL,
    "precision"  double precision NOT NULL,
    message      text NOT NULL,
    pairs        jsonb NOT NULL,
    found_by     name NOT NULL,
    found_at     timestamptz NOT NULL DEFAULT now(),
    accepted_by  name,
    accepted_at  timestamptz,
    note         text,
    resolved_at  timestamptz
);
CREATE UNIQUE INDEX violation_record_one_per_document ON xmcoh.violation_record (model_id, document) WHERE resolved_at IS NULL;
COMMENT ON TABLE xmcoh.violation_record IS 'Documents that a guard with on_violation ''record'' has found in a wrong order; read xmcoh.violation. Only guards and xmcoh.accept_violation write here';
COMMENT ON COLUMN xmcoh.violation_record.resolved_at IS 'when a guard has found the document in a right order, without rows, or with other violated pairs; NULL: not yet';

-- Not dumped: xmcoh.refresh_document_state makes both anew.
CREATE TABLE xmcoh.document_state_source (
    source_id    integer PRIMARY KEY,
    kept_by      xmcoh.object_ref NOT NULL,
    refreshed_at timestamptz
);
COMMENT ON TABLE xmcoh.document_state_source IS 'Sources whose documents have states (xmcoh.document_state), and the role as which they are read';
COMMENT ON COLUMN xmcoh.document_state_source.refreshed_at IS 'as of when all documents of the source were compared with their states; NULL: never all of them';

CREATE TABLE xmcoh.document_state_record (
    source_id         integer NOT NULL,
    document          text NOT NULL,
    fingerprint       bytea NOT NULL,
    version           integer NOT NULL,
    "precision"       double precision NOT NULL,
    checked_at        timestamptz NOT NULL,
    items             integer NOT NULL,
    approved          boolean NOT NULL,
    coherence         double precision,
    best_coherence    double precision,
    gain              double precision,
    confident_pairs   integer NOT NULL,
    violated_pairs    integer NOT NULL,
    worst_before      text,
    worst_after       text,
    worst_probability double precision,
    verdict           text NOT NULL,
    moves             jsonb NOT NULL,
    PRIMARY KEY (source_id, document)
);
COMMENT ON TABLE xmcoh.document_state_record IS 'What xmcoh.check_documents said of each document; read xmcoh.document_state. Only xmcoh.refresh_document_state writes here';
COMMENT ON COLUMN xmcoh.document_state_record.fingerprint IS 'hash of all that the version read of the document, and of the decisions about the document';
COMMENT ON COLUMN xmcoh.document_state_record.checked_at IS 'as of when the document was as its state says';

CREATE TABLE xmcoh.quality_snapshot_record (
    snapshot_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id         integer NOT NULL,
    version          integer NOT NULL,
    taken_at         timestamptz NOT NULL,
    taken_by         name NOT NULL,
    by               text,
    "group"          text,
    documents        integer NOT NULL,
    items            bigint NOT NULL,
    coherence        double precision,
    gain             double precision,
    suspect          double precision,
    unsure           double precision,
    stale            double precision,
    violations_open  integer NOT NULL,
    confident        double precision,
    coherence_drift  double precision,
    drift_by_chance  double precision,
    unknown_words    double precision,
    decisions        bigint NOT NULL,
    agreement        double precision,
    agreement_low    double precision,
    agreement_high   double precision,
    promised         double precision,
    coherences       bigint[] NOT NULL
);
CREATE INDEX quality_snapshot_record_series ON xmcoh.quality_snapshot_record (model_id, taken_at);
COMMENT ON TABLE xmcoh.quality_snapshot_record IS 'Quality of the documents of models at points in time; read xmcoh.quality_snapshot. Rows are added by snapshots alone, and removed when more than `keep` snapshots are there';
COMMENT ON COLUMN xmcoh.quality_snapshot_record.coherences IS 'documents by their coherence, in 200 bins of width 0.01 from -1 to 1';

-- An alert that is not named here has its default limit.
CREATE TABLE xmcoh.alert_limit_record (
    model_id integer NOT NULL,
    alert    text NOT NULL,
    value    double precision NOT NULL CHECK (value >= 0 AND value <> 'NaN'),
    set_by   name NOT NULL,
    set_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model_id, alert)
);
COMMENT ON TABLE xmcoh.alert_limit_record IS 'Limits of alerts that differ from their defaults (xmcoh.set_alert_limit); read xmcoh.alert_limit';

CREATE TABLE xmcoh.alert_state (
    model_id  integer NOT NULL,
    alert     text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model_id, alert)
);
COMMENT ON TABLE xmcoh.alert_state IS 'Alerts whose opening was notified and whose closing was not yet; xmcoh.alert says which are open now';
