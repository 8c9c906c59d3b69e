-- jobs.sql - jobs

CREATE FUNCTION xmcoh.worker_is_alive(pid integer, started_at timestamptz) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_worker_is_alive' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION xmcoh.worker_is_alive(integer, timestamptz) IS 'Whether the process with this pid and start time still runs in this database; NULL on a standby, which cannot know';

CREATE VIEW xmcoh.visible_job WITH (security_barrier = true) AS
    SELECT j.job_id, j.state, j.worker_pid FROM xmcoh.job_record AS j JOIN xmcoh.visible_model AS m USING (model_id);
COMMENT ON VIEW xmcoh.visible_job IS 'Internal: the jobs that views show to the current role, as written in their rows; xmcoh_internal.job_state reads them again after it has seen that a worker is dead';

CREATE FUNCTION xmcoh_internal.job_state(job_id integer, state text, message text, asked_at timestamptz, queue_id text,
                                         worker_pid integer, worker_started_at timestamptz, OUT real_state text, OUT real_message text)
    AS 'MODULE_PATHNAME', 'xmcoh_job_state' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.job_state(integer, text, text, timestamptz, text, integer, timestamptz) IS
    'Internal: the state and message of a job from its row and from whether its worker still runs';

CREATE FUNCTION xmcoh_internal.public_message(message text, error_code text, may_train boolean) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN CASE WHEN error_code IS NULL OR may_train THEN message ELSE format('error %s; its text is for who may train the model', error_code) END;
COMMENT ON FUNCTION xmcoh_internal.public_message(text, text, boolean) IS 'Internal: the message of a job as a role may see it: whoever may not train the model sees only the SQLSTATE of an error, because the text may hold values of rows';

CREATE VIEW xmcoh.job WITH (security_barrier = true) AS
    SELECT j.job_id, m.name AS model, j.kind, s.real_state AS state, xmcoh_internal.object_name(j.submitted_by) AS submitted_by, j.options,
           j.on_success, xmcoh_internal.object_names(j.unlabelled) AS unlabelled, j.created_at,
           j.started_at, j.finished_at, j.worker_pid, j.phase, j.round, j.epoch, j.epochs, j.done, j.total, j.train_loss,
           j.held_out_loss, j.held_out_tau, xmcoh_internal.public_message(s.real_message, j.error_code, m.may_train) AS message,
           j.version, j.attempts, j.resumed_at, j.done_before
    FROM xmcoh.job_record AS j JOIN xmcoh.visible_model AS m USING (model_id),
         xmcoh_internal.job_state(j.job_id, j.state, j.message, j.asked_at, j.queue_id, j.worker_pid, j.worker_started_at) AS s;
COMMENT ON VIEW xmcoh.job IS 'Jobs of all kinds (training, study, snapshot). A job whose worker has died reads interrupted, whatever its row says. message: the outcome or the error; a role that may not train the model sees only the SQLSTATE of an error';
COMMENT ON COLUMN xmcoh.job.job_id IS 'number of the job';
COMMENT ON COLUMN xmcoh.job.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.job.kind IS 'training (makes a version), study (measures a learning curve) or snapshot (measures the documents as they are)';
COMMENT ON COLUMN xmcoh.job.state IS 'queued, starting, running, cancelling; succeeded, rejected, failed, cancelled, interrupted';
COMMENT ON COLUMN xmcoh.job.submitted_by IS 'role that asked for the job, as which documents are read';
COMMENT ON COLUMN xmcoh.job.options IS 'options of a training; arguments of a job of another kind';
COMMENT ON COLUMN xmcoh.job.on_success IS 'what happens to a trained version: deploy, challenge or keep';
COMMENT ON COLUMN xmcoh.job.unlabelled IS 'sources whose documents without approved pairs are read; NULL: all';
COMMENT ON COLUMN xmcoh.job.created_at IS 'when the job was submitted';
COMMENT ON COLUMN xmcoh.job.started_at IS 'when its present or last worker began';
COMMENT ON COLUMN xmcoh.job.finished_at IS 'when the job ended';
COMMENT ON COLUMN xmcoh.job.worker_pid IS 'process of its worker';
COMMENT ON COLUMN xmcoh.job.phase IS 'what the job is doing; done at its end';
COMMENT ON COLUMN xmcoh.job.round IS 'round of weak cross-modal guidance; 0: before the rounds';
COMMENT ON COLUMN xmcoh.job.epoch IS 'epoch of the phase';
COMMENT ON COLUMN xmcoh.job.epochs IS 'most epochs of the phase';
COMMENT ON COLUMN xmcoh.job.done IS 'work units that are done';
COMMENT ON COLUMN xmcoh.job.total IS 'work units of the whole job';
COMMENT ON COLUMN xmcoh.job.train_loss IS 'softplus loss per document in the last epoch';
COMMENT ON COLUMN xmcoh.job.held_out_loss IS 'softplus loss per held-out document';
COMMENT ON COLUMN xmcoh.job.held_out_tau IS 'Kendall tau on held-out documents';
COMMENT ON COLUMN xmcoh.job.message IS 'outcome, or error, or why the job waits';
COMMENT ON COLUMN xmcoh.job.version IS 'version that the job made; NULL: none';
COMMENT ON COLUMN xmcoh.job.attempts IS 'how often a worker has begun since the last checkpoint';
COMMENT ON COLUMN xmcoh.job.resumed_at IS 'when the job was last resumed';
COMMENT ON COLUMN xmcoh.job.done_before IS 'work units that were done when the present worker began';

CREATE VIEW xmcoh.training_progress WITH (security_barrier = true) AS
    SELECT job_id, model, kind, state, phase, round, epoch, epochs, done, total, train_loss, held_out_loss, held_out_tau, elapsed,
           CASE WHEN state = 'running' AND done > done_before
               THEN make_interval(secs => least(1e9, extract(epoch FROM elapsed) * (total - done) / (done - done_before))::double precision) END
               AS time_left,
           message
    FROM (SELECT j.*, coalesce(j.finished_at, clock_timestamp()) - j.started_at AS elapsed FROM xmcoh.job AS j) AS j;
COMMENT ON VIEW xmcoh.training_progress IS 'Progress of each job: kind, phase, epoch, work done of total, losses (softplus, mean per document), held-out Kendall tau, time since the worker began, estimated time left';
COMMENT ON COLUMN xmcoh.training_progress.job_id IS 'number of the job';
COMMENT ON COLUMN xmcoh.training_progress.model IS 'name of the model';
COMMENT ON COLUMN xmcoh.training_progress.kind IS 'training, study or snapshot';
COMMENT ON COLUMN xmcoh.training_progress.state IS 'state of the job, as in xmcoh.job';
COMMENT ON COLUMN xmcoh.training_progress.round IS 'round of weak cross-modal guidance; 0: before the rounds';
COMMENT ON COLUMN xmcoh.training_progress.epoch IS 'epoch of the phase';
COMMENT ON COLUMN xmcoh.training_progress.epochs IS 'most epochs of the phase';
COMMENT ON COLUMN xmcoh.training_progress.held_out_tau IS 'Kendall tau on held-out documents after the last epoch';
COMMENT ON COLUMN xmcoh.training_progress.message IS 'outcome, or error, or why the job waits';
COMMENT ON COLUMN xmcoh.training_progress.phase IS 'what the job is doing now; done at its end';
COMMENT ON COLUMN xmcoh.training_progress.done IS 'work units that are done';
COMMENT ON COLUMN xmcoh.training_progress.total IS 'work units of the whole job';
COMMENT ON COLUMN xmcoh.training_progress.train_loss IS 'softplus loss per document in the last epoch';
COMMENT ON COLUMN xmcoh.training_progress.held_out_loss IS 'softplus loss per held-out document';
COMMENT ON COLUMN xmcoh.training_progress.elapsed IS 'time since the worker began';
COMMENT ON COLUMN xmcoh.training_progress.time_left IS 'estimate; NULL: not running';

CREATE VIEW xmcoh.training_round WITH (security_barrier = true) AS
    SELECT m.job_id, m.round, m.phase AS lesson, m.modality AS pupil,
           (max(value) FILTER (WHERE metric = 'documents'))::integer AS documents,
           max(value) FILTER (WHERE metric = 'threshold') AS threshold,
           max(value) FILTER (WHERE metric = 'selected') AS selected,
           max(value) FILTER (WHERE metric = 'selected_precision') AS selected_precision,
           max(value) FILTER (WHERE metric = 'pool_agreement') AS pool_agreement,
           max(value) FILTER (WHERE metric = 'loss_before') AS loss_before,
           max(value) FILTER (WHERE metric = 'loss_after') AS loss_after,
           max(value) FILTER (WHERE metric = 'tau_before') AS tau_before,
           max(value) FILTER (WHERE metric = 'tau_after') AS tau_after,
           max(value) FILTER (WHERE metric = 'difference_low') AS difference_low,
           max(value) FILTER (WHERE metric = 'difference_high') AS difference_high,
           max(value) FILTER (WHERE metric = 'flips') AS flips,
           max(value) FILTER (WHERE metric = 'fused_tau_before') AS fused_tau_before,
           max(value) FILTER (WHERE metric = 'fused_tau_after') AS fused_tau_after,
           max(value) FILTER (WHERE metric = 'fused_low') AS fused_difference_low,
           max(value) FILTER (WHERE metric = 'fused_high') AS fused_difference_high,
           max(value) FILTER (WHERE metric = 'guided_tau_before') AS guided_tau_before,
           max(value) FILTER (WHERE metric = 'guided_tau_after') AS guided_tau_after,
           max(value) FILTER (WHERE metric = 'agreement_before') AS agreement_before,
           max(value) FILTER (WHERE metric = 'agreement_after') AS agreement_after,
           max(value) FILTER (WHERE metric = 'kept') = 1 AS kept
    FROM xmcoh.training_metric AS m JOIN xmcoh.visible_job AS j USING (job_id)
    WHERE m.phase IN ('text teaches image', 'image teaches text')
    GROUP BY m.job_id, m.round, m.phase, m.modality;
COMMENT ON VIEW xmcoh.training_round IS 'Result of each round of each training job (option rounds): how the guide labelled documents without approved pairs (the pool) for the pupil, and figures on held-out approved documents before and after. doc/method.md explains rounds';
COMMENT ON COLUMN xmcoh.training_round.job_id IS 'number of the job';
COMMENT ON COLUMN xmcoh.training_round.round IS 'number of the round, from 1';
COMMENT ON COLUMN xmcoh.training_round.lesson IS 'which modality teaches which';
COMMENT ON COLUMN xmcoh.training_round.fused_difference_low IS 'lower end of the bootstrap 95% interval of fused_tau_after - fused_tau_before';
COMMENT ON COLUMN xmcoh.training_round.fused_difference_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.training_round.pupil IS 'modality that learns from the labels of the other one, the guide';
COMMENT ON COLUMN xmcoh.training_round.documents IS 'documents without approved pairs that the guide has labelled';
COMMENT ON COLUMN xmcoh.training_round.threshold IS 'probability from which a pair is selected';
COMMENT ON COLUMN xmcoh.training_round.selected IS 'share of pairs that are selected';
COMMENT ON COLUMN xmcoh.training_round.selected_precision IS 'share of approved pairs above the threshold that the guide has right; the guide was not trained on these pairs, but they helped to choose the threshold. Target: option precision';
COMMENT ON COLUMN xmcoh.training_round.pool_agreement IS 'share of pairs of these documents on which guide and pupil agree';
COMMENT ON COLUMN xmcoh.training_round.loss_before IS 'loss of the pupil on held-out documents before the round';
COMMENT ON COLUMN xmcoh.training_round.loss_after IS 'the same after the round';
COMMENT ON COLUMN xmcoh.training_round.tau_before IS 'Kendall tau of the pupil on held-out documents before the round, at epochs and with weights that these documents have not chosen';
COMMENT ON COLUMN xmcoh.training_round.tau_after IS 'the same after the round';
COMMENT ON COLUMN xmcoh.training_round.difference_low IS 'lower end of the bootstrap 95% interval of tau_after - tau_before';
COMMENT ON COLUMN xmcoh.training_round.difference_high IS 'upper end of that interval';
COMMENT ON COLUMN xmcoh.training_round.flips IS 'share of held-out pairs that the pupil orders the other way after the round';
COMMENT ON COLUMN xmcoh.training_round.fused_tau_before IS 'Kendall tau of both modalities together before the round';
COMMENT ON COLUMN xmcoh.training_round.fused_tau_after IS 'the same after the round';
COMMENT ON COLUMN xmcoh.training_round.guided_tau_before IS 'Kendall tau of the pupil guided by the other modality, alignment inferred, before the round; NULL: no alignment';
COMMENT ON COLUMN xmcoh.training_round.guided_tau_after IS 'the same after the round';
COMMENT ON COLUMN xmcoh.training_round.agreement_before IS 'share of held-out pairs on which the modalities agree before the round';
COMMENT ON COLUMN xmcoh.training_round.agreement_after IS 'the same after the round';
COMMENT ON COLUMN xmcoh.training_round.kept IS 'false: the pupil was put back, because its tau or the fused tau got worse beyond doubt';

CREATE FUNCTION xmcoh_internal.reconcile_job(job_id integer) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_reconcile_job' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.reconcile_job(integer) IS 'Internal: writes the state that xmcoh.job shows for a job with a dead worker into the job''s row; true if the row changed';

CREATE FUNCTION xmcoh_internal.start_worker(job_id integer, role oid) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_start_worker' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh_internal.start_worker(integer, oid) IS 'Internal: last step of submitting and resuming a job. At commit wakes the launcher, which starts a worker when the job''s turn comes; without a launcher starts a worker as this role. Error: configuration_limit_exceeded (no launcher: xmcoh.max_running_jobs_per_role, or no worker slot at commit)';

-- A restored dump names relations that did not exist yet when the sources' rows came in. From here on the sources follow renames.

CREATE FUNCTION xmcoh_internal.pin_sources(model_id integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE xmcoh.source_record AS s SET relation = s.relation::text::xmcoh.object_ref, document = s.document::text::xmcoh.object_ref,
        item = s.item::text::xmcoh.object_ref, text = s.text::text::xmcoh.object_ref, image = s.image::text::xmcoh.object_ref,
        text_embedding = s.text_embedding::text::xmcoh.object_ref, position = s.position::text::xmcoh.object_ref,
        approved = s.approved::text::xmcoh.object_ref, documents_of = s.documents_of::text::xmcoh.object_ref,
        group_columns = s.group_columns::text[]::xmcoh.object_ref[]
        WHERE s.model_id = pin_sources.model_id AND xmcoh_internal.is_loose(s.relation);
    UPDATE xmcoh.pair_source_record AS s SET relation = s.relation::text::xmcoh.object_ref,
        document = s.document::text::xmcoh.object_ref, before = s.before::text::xmcoh.object_ref, after = s.after::text::xmcoh.object_ref
        WHERE s.model_id = pin_sources.model_id AND xmcoh_internal.is_loose(s.relation);
END $$;
COMMENT ON FUNCTION xmcoh_internal.pin_sources(integer) IS 'Internal: looks up the relations and columns of a model''s sources that are known by name alone until now';

-- What xmcoh.train refuses at once, and xmcoh.schedule_training too.

CREATE FUNCTION xmcoh_internal.check_training(caller oid, model text, options jsonb, on_success text, unlabelled regclass[],
                                              OUT model_id integer, OUT sources xmcoh.object_ref[])
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    m xmcoh.model;
    wanted_layers numeric;      -- of the text encoder that are to be fine-tuned
    encoder_layers integer;
    unlisted record;
BEGIN
    IF check_training.options IS NULL OR on_success IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'options and on_success must not be NULL';
    END IF;
    PERFORM xmcoh_internal.refuse_elsewhere('train a model');
    model_id := xmcoh_internal.model_id(caller, check_training.model, 'train');
    SELECT x.* INTO m FROM xmcoh.model AS x WHERE x.model_id = check_training.model_id;
    IF on_success NOT IN ('deploy', 'challenge', 'keep') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('on_success is "%s" instead of deploy, challenge or keep', on_success);
    END IF;
    IF jsonb_typeof(check_training.options) <> 'object' THEN
        PERFORM xmcoh.check_options(m.image_dim, m.text_dim, m.words, check_training.options);
    END IF;
    PERFORM xmcoh.check_options(m.image_dim, m.text_dim, m.words, m.options || check_training.options);
    wanted_layers := coalesce(((m.options || check_training.options) ->> 'fine_tune')::numeric, 0);
    SELECT e.layers INTO encoder_layers FROM xmcoh.encoder AS e WHERE e.encoder_id = m.encoder_id;
    IF wanted_layers > 0 AND encoder_layers IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('option "fine_tune" is %s, but model "%s" has no text encoder', wanted_layers, check_training.model),
            HINT = 'Create a model with the argument encoder, or set fine_tune to 0.';
    ELSIF wanted_layers > encoder_layers THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('option "fine_tune" is %s, but the text encoder of model "%s" has %s layers', wanted_layers,
                             check_training.model, encoder_layers);
    END IF;
    PERFORM FROM xmcoh.source_record AS s WHERE s.model_id = m.model_id;
    IF NOT FOUND THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('model "%s" has no source of documents', check_training.model),
            HINT = 'Attach one with xmcoh.attach_source.';
    END IF;
    PERFORM xmcoh_internal.pin_sources(m.model_id);
    SELECT coalesce(u.relation::text, 'NULL') AS name, xmcoh_internal.object_name(s.documents_of) AS documents_of INTO unlisted
        FROM unnest(unlabelled) AS u (relation) LEFT JOIN xmcoh.source_record AS s
            ON s.model_id = m.model_id AND xmcoh_internal.object_oid(s.relation) = u.relation::oid
        WHERE s.source_id IS NULL OR s.documents_of IS NOT NULL LIMIT 1;
    IF unlisted.documents_of IS NOT NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unlabelled names %s, whose rows belong to the documents of %s', unlisted.name, unlisted.documents_of),
            HINT = 'Name that one: its documents have all their rows.';
    ELSIF unlisted.name IS NOT NULL THEN
        RAISE undefined_object USING
            MESSAGE = format('unlabelled names %s, which is not a source of model "%s"', unlisted.name, check_training.model),
            HINT = 'Attach it with xmcoh.attach_source; xmcoh.source lists the sources that there are.';
    END IF;
    IF unlabelled IS NOT NULL THEN
        sources := ARRAY(SELECT xmcoh_internal.relation_ref(u.relation) FROM unnest(unlabelled) WITH ORDINALITY AS u (relation, place)
                         ORDER BY u.place);
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.check_training(oid, text, jsonb, text, regclass[]) IS 'Internal: the number of the model and the names of its sources of unlabelled documents (NULL: all); an error unless the caller can train the model with these options, this on_success and these sources';

CREATE FUNCTION xmcoh_internal.add_option(options jsonb, option text, value jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL OR jsonb_typeof(options) IS DISTINCT FROM 'object' THEN
        RETURN options;     -- no object: xmcoh_internal.check_training refuses it
    ELSIF options -> option <> value THEN
        RAISE invalid_parameter_value USING MESSAGE = format('%s is %s as an argument, but %s in options', option, value, options -> option),
            HINT = 'Name it in one place.';
    END IF;
    RETURN options || jsonb_build_object(option, value);
END $$;
COMMENT ON FUNCTION xmcoh_internal.add_option(jsonb, text, jsonb) IS 'Internal: adds an option that was given as an argument to options; an error if options have another value for the same key';

CREATE FUNCTION xmcoh_internal.stale_rule(stale text) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF stale NOT IN ('ignore', 'use') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('stale is "%s" instead of use or ignore', stale),
            HINT = 'By default pairs of items with unchanged texts are used.';
    END IF;
    RETURN CASE stale WHEN 'ignore' THEN 0 ELSE 2 END;
END $$;
COMMENT ON FUNCTION xmcoh_internal.stale_rule(text) IS 'Internal: the value of option stale by its name as an argument';

CREATE FUNCTION xmcoh_internal.doubt_rule(on_doubt text) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF on_doubt NOT IN ('deploy', 'keep') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('on_doubt is "%s" instead of deploy or keep', on_doubt);
    END IF;
    RETURN (on_doubt = 'keep')::integer;
END $$;
COMMENT ON FUNCTION xmcoh_internal.doubt_rule(text) IS 'Internal: the value of option on_doubt by its name as an argument';

-- A function that submits a job asks first whether the caller may, and calls xmcoh_internal.pin_sources if the job reads documents.

CREATE FUNCTION xmcoh_internal.refuse_second_job(model_id integer, kind text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    active integer;
BEGIN
    SELECT j.job_id INTO active FROM xmcoh.job_record AS j WHERE j.model_id = refuse_second_job.model_id
        AND (j.kind = 'snapshot') = (refuse_second_job.kind = 'snapshot') AND xmcoh_internal.is_active(j.state);
    RAISE object_in_use USING MESSAGE = format('model "%s" already has a running job %s',
            (SELECT m.name FROM xmcoh.model AS m WHERE m.model_id = refuse_second_job.model_id), active),
        HINT = format('Wait for it with CALL xmcoh.wait_for_job(%s), or cancel it with xmcoh.cancel_job(%1$s).', active);
END $$;
COMMENT ON FUNCTION xmcoh_internal.refuse_second_job(integer, text) IS 'Internal: the error that a model has an active job already: one snapshot, and one of the other kinds';

CREATE FUNCTION xmcoh_internal.submit_job(caller oid, model_id integer, kind text, options jsonb, on_success text DEFAULT 'keep',
                                          sources xmcoh.object_ref[] DEFAULT NULL) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column    -- in ON CONFLICT
DECLARE
    new_job integer;
BEGIN
    -- The worker of the model's active job may have died, which its row does not say yet.
    PERFORM xmcoh_internal.reconcile_job(j.job_id) FROM xmcoh.job_record AS j
        WHERE j.model_id = submit_job.model_id AND xmcoh_internal.is_active(j.state);
    INSERT INTO xmcoh.job_record AS j (model_id, kind, submitted_by, options, on_success, unlabelled, source_definition, created_at, settings)
        VALUES (submit_job.model_id, submit_job.kind, xmcoh_internal.role_ref(caller), submit_job.options, submit_job.on_success,
                submit_job.sources, xmcoh_internal.source_definition(submit_job.model_id), clock_timestamp(),
                (SELECT coalesce(jsonb_object_agg(s.name, s.setting), '{}') FROM pg_settings AS s
                 WHERE s.name LIKE 'xmcoh.%' AND s.source IN ('session', 'client')))
        ON CONFLICT (model_id, (kind = 'snapshot')) WHERE xmcoh_internal.is_active(state) DO NOTHING
        RETURNING j.job_id INTO new_job;
    IF new_job IS NULL THEN
        PERFORM xmcoh_internal.refuse_second_job(submit_job.model_id, submit_job.kind);
    END IF;
    PERFORM xmcoh_internal.start_worker(new_job, caller);
    RETURN new_job;
END $$;
COMMENT ON FUNCTION xmcoh_internal.submit_job(oid, integer, text, jsonb, text, xmcoh.object_ref[]) IS 'Internal: queues a job of any kind for a role and gives its number; the caller has checked the role''s level and the options. Errors: object_in_use, those of xmcoh_internal.start_worker';

CREATE FUNCTION xmcoh_internal.train(caller oid, model text, options jsonb, on_success text, rounds integer,
                                     "precision" double precision, unlabelled regclass[], stale text, on_doubt text)
    RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    all_options jsonb := xmcoh_internal.add_option(xmcoh_internal.add_option(xmcoh_internal.add_option(xmcoh_internal.add_option(
        train.options, 'rounds', to_jsonb(rounds)), 'precision', to_jsonb(train."precision")),
        'stale', to_jsonb(xmcoh_internal.stale_rule(train.stale))),
        'on_doubt', to_jsonb(xmcoh_internal.doubt_rule(train.on_doubt)));
    c record := xmcoh_internal.check_training(caller, train.model, all_options, train.on_success, train.unlabelled);
BEGIN
    RETURN xmcoh_internal.submit_job(caller, c.model_id, 'training', all_options, train.on_success, c.sources);
END $$;
COMMENT ON FUNCTION xmcoh_internal.train(oid, text, jsonb, text, integer, double precision, regclass[], text, text) IS 'Internal: xmcoh.train';
CREATE FUNCTION xmcoh.train(model text, options jsonb DEFAULT '{}', on_success text DEFAULT 'deploy', rounds integer DEFAULT NULL,
                            "precision" double precision DEFAULT NULL, unlabelled regclass[] DEFAULT NULL,
                            stale text DEFAULT NULL, on_doubt text DEFAULT NULL) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.train(text, jsonb, text, integer, double precision, regclass[], text, text) IS
    'Trains a version in the background after commit; gives the job. on_success: ''deploy'', ''keep'', ''challenge''; on_doubt (a challenge cannot tell): ''deploy'', ''keep''. options override the model''s. unlabelled: sources of unapproved documents. stale: ''use'', ''ignore''. Needs level train. Error: object_in_use';

CREATE PROCEDURE xmcoh.wait_for_job(job_id integer, timeout interval DEFAULT NULL, INOUT state text DEFAULT NULL)
    AS 'MODULE_PATHNAME', 'xmcoh_wait_for_job' LANGUAGE C;
COMMENT ON PROCEDURE xmcoh.wait_for_job(integer, interval, text) IS
    'Waits until a job is over, or until the timeout (NULL: none), and gives the job''s state. Commits between looks, so no snapshot holds up vacuum, except in a transaction block or a function. Needs level train. Error: undefined_object';

CREATE FUNCTION xmcoh_internal.model_of_job(caller oid, job_id integer) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer;
BEGIN
    SELECT j.model_id INTO id FROM xmcoh.job_record AS j JOIN xmcoh.model AS m USING (model_id)
        WHERE j.job_id = model_of_job.job_id AND xmcoh_internal.may(m.owner, m.model_id, 'train', caller);
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('job %s does not exist', model_of_job.job_id),    -- for this caller
            HINT = 'Only who may train its model sees a job.';
    END IF;
    RETURN id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.model_of_job(oid, integer) IS 'Internal: the model of a job that the caller may change';

CREATE FUNCTION xmcoh_internal.cancel_job(caller oid, job_id integer) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stored text;
BEGIN
    PERFORM xmcoh_internal.model_of_job(caller, cancel_job.job_id);
    PERFORM xmcoh_internal.reconcile_job(cancel_job.job_id);
    SELECT j.state INTO stored FROM xmcoh.job_record AS j WHERE j.job_id = cancel_job.job_id FOR NO KEY UPDATE;
    IF stored IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('job %s does not exist', cancel_job.job_id);
    ELSIF stored = 'queued' THEN
        -- No worker has claimed the job yet, and none claims a job in another state.
        UPDATE xmcoh.job_record AS j SET state = 'cancelled', message = 'cancelled before a worker began',
            finished_at = clock_timestamp() WHERE j.job_id = cancel_job.job_id;
    ELSIF xmcoh_internal.is_active(stored) THEN
        UPDATE xmcoh.job_record AS j SET state = 'cancelling' WHERE j.job_id = cancel_job.job_id;
        PERFORM xmcoh_internal.signal_worker(cancel_job.job_id);
    END IF;
    RETURN xmcoh_internal.is_active(stored);
END $$;
COMMENT ON FUNCTION xmcoh_internal.cancel_job(oid, integer) IS 'Internal: xmcoh.cancel_job';
CREATE FUNCTION xmcoh.cancel_job(job_id integer) RETURNS boolean
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.cancel_job(integer) IS 'Ends a job when this transaction commits; false: the job was over already. Needs level train. Error: undefined_object';

-- ---- resuming ----

CREATE FUNCTION xmcoh_internal.check_trigger(relation oid) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF relation IS DISTINCT FROM 'xmcoh.job_record'::regclass THEN
        RAISE trigger_protocol_violated USING MESSAGE = 'this trigger is for xmcoh.job_record alone';
    END IF;
END $$;
COMMENT ON FUNCTION xmcoh_internal.check_trigger(oid) IS 'Internal: an error unless a trigger of xmcoh.job_record is the caller';

CREATE FUNCTION xmcoh_internal.forget_checkpoint() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM xmcoh_internal.check_trigger(TG_RELID);
    DELETE FROM xmcoh.job_checkpoint AS c WHERE c.job_id = NEW.job_id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION xmcoh_internal.forget_checkpoint() IS 'Internal: deletes the checkpoint of a job in the transaction that ends the job for good';
CREATE TRIGGER forget_checkpoint AFTER UPDATE OF state ON xmcoh.job_record FOR EACH ROW
    WHEN (NEW.state IN ('succeeded', 'rejected', 'failed', 'cancelled')) EXECUTE FUNCTION xmcoh_internal.forget_checkpoint();

CREATE FUNCTION xmcoh_internal.requeue_job(job_id integer, by_person boolean) RETURNS oid
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j xmcoh.job_record;
    model text;
BEGIN
    PERFORM xmcoh_internal.refuse_elsewhere('resume a job');
    -- The worker of this job may have died, and so may that of the model's active job.
    PERFORM xmcoh_internal.reconcile_job(requeue_job.job_id);
    SELECT r.* INTO j FROM xmcoh.job_record AS r WHERE r.job_id = requeue_job.job_id FOR NO KEY UPDATE;
    SELECT m.name INTO model FROM xmcoh.model AS m WHERE m.model_id = j.model_id;
    IF model IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('job %s does not exist', requeue_job.job_id);
    ELSIF xmcoh_internal.is_active(j.state) THEN
        RAISE object_in_use USING MESSAGE = format('job %s is %s already', j.job_id, j.state),
            HINT = format('Wait for it with CALL xmcoh.wait_for_job(%s), or cancel it with xmcoh.cancel_job(%1$s).', j.job_id);
    ELSIF j.state <> 'interrupted' THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('job %s is over: %s', j.job_id, j.state),
            DETAIL = 'Only an interrupted job can be resumed.',
            HINT = CASE j.kind WHEN 'training' THEN format('Train anew with xmcoh.train(%L).', model) ELSE 'Submit a new one.' END;
    END IF;
    PERFORM xmcoh_internal.reconcile_job(r.job_id) FROM xmcoh.job_record AS r
        WHERE r.model_id = j.model_id AND xmcoh_internal.is_active(r.state);
    BEGIN
        UPDATE xmcoh.job_record AS r SET state = 'queued', message = NULL, error_code = NULL, worker_pid = NULL, worker_started_at = NULL,
            finished_at = NULL, queue_id = xmcoh_internal.queue_id(), asked_at = NULL, resumed_at = clock_timestamp(),
            queued_at = CASE WHEN by_person THEN clock_timestamp() ELSE r.queued_at END,    -- the launcher's resume keeps the place in the queue
            attempts = CASE WHEN by_person THEN 0 ELSE r.attempts END,
            source_definition = CASE WHEN by_person THEN xmcoh_internal.source_definition(r.model_id) ELSE r.source_definition END
            WHERE r.job_id = j.job_id;
    EXCEPTION WHEN unique_violation THEN
        PERFORM xmcoh_internal.refuse_second_job(j.model_id, j.kind);
    END;
    RETURN xmcoh_internal.object_oid(j.submitted_by);
END $$;
COMMENT ON FUNCTION xmcoh_internal.requeue_job(integer, boolean) IS 'Internal: puts an interrupted job into the queue again and gives the role that the job works as. by_person (xmcoh.resume_job): takes the sources as defined now and counts attempts anew; else the launcher asks';

CREATE FUNCTION xmcoh_internal.resume_job(caller oid, job_id integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    role oid;
BEGIN
    PERFORM xmcoh_internal.model_of_job(caller, resume_job.job_id);
    role := xmcoh_internal.requeue_job(resume_job.job_id, true);
    IF role IS NULL OR NOT xmcoh_internal.may_become(caller, role) THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied to resume job %s', resume_job.job_id),
            DETAIL = format('Role "%s" has submitted it, and it works with that role''s privileges.', coalesce(pg_get_userbyid(role), '?'));
    END IF;
    PERFORM xmcoh_internal.start_worker(resume_job.job_id, role);
END $$;
COMMENT ON FUNCTION xmcoh_internal.resume_job(oid, integer) IS 'Internal: xmcoh.resume_job';
CREATE FUNCTION xmcoh.resume_job(job_id integer) RETURNS void
    AS 'MODULE_PATHNAME', 'xmcoh_as_owner' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.resume_job(integer) IS
    'Continues an interrupted job from its last checkpoint, to the same weights; from the start without a checkpoint or if documents or options changed. Needs level train and membership in the submitter. Errors: undefined_object, insufficient_privilege, object_in_use, object_not_in_prerequisite_state';
