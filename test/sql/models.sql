-- Models and their versions: created, altered, deployed, rolled back, exported, imported, dropped.
CREATE EXTENSION xmcoh;

-- Returns what a statement raises: SQLSTATE, message, hint.
CREATE FUNCTION pg_temp.fails(statement text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;

-- options
SELECT count(*) > 10 AS many, bool_and(low <= default_value AND default_value <= high) AS within_bounds,
       bool_and(meaning <> '') AS explained, bool_or(option IN ('image_dim', 'text_dim', 'words')) AS inputs
  FROM xmcoh.options();
SELECT option, default_value, low, high FROM xmcoh.options() WHERE option IN ('epochs', 'seed') ORDER BY option;
SELECT xmcoh.check_options(512, 0, true, '{"epochs": 3, "dropout": 0.25}');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.check_options(512, 0, true, '{"epoch": 3}')$$);
DO $$
DECLARE
    detail text;
BEGIN
    PERFORM xmcoh.check_options(512, 0, true, '{"epoch": 3}');
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RAISE INFO 'every known option is listed: %', (SELECT bool_and(detail ~ ('\m' || option || '\M')) FROM xmcoh.options());
END $$;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.check_options(512, 0, true, '{"image_dim": 3}')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.check_options(512, 0, true, '{"epochs": "3"}')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.check_options(512, 0, true, '[1]')$$);
SELECT state, message ~ 'epochs' AS named FROM pg_temp.fails($$SELECT xmcoh.check_options(512, 0, true, '{"epochs": 0}')$$);
SELECT state, message ~ 'epochs' AS named FROM pg_temp.fails($$SELECT xmcoh.check_options(512, 0, true, '{"epochs": 1.5}')$$);
SELECT state, message ~ 'epochs' AS named FROM pg_temp.fails($$SELECT xmcoh.check_options(512, 0, true, '{"epochs": 1e400}')$$);
SELECT state FROM pg_temp.fails($$SELECT xmcoh.check_options(512, 0, true, '{"d_model": 100, "heads": 64}')$$);
SELECT state FROM pg_temp.fails($$SELECT xmcoh.check_options(0, 0, false, '{}')$$);
SELECT state, message ~ 'image_dim' AS named FROM pg_temp.fails($$SELECT xmcoh.check_options(-1, 0, true, '{}')$$);

-- create, alter, drop
SELECT xmcoh.create_model('manuals', options => '{"d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0}') > 0 AS created;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.create_model('manuals')$$);
SELECT state FROM pg_temp.fails($$SELECT xmcoh.create_model('')$$);
SELECT state FROM pg_temp.fails($$SELECT xmcoh.create_model('blind', words => false)$$);
SELECT xmcoh.create_model('albums', image_dim => 4, words => false) > 0 AS created;
SELECT name, xmcoh_internal.object_oid(owner) = current_user::regrole AS mine, image_dim, text_dim, words, options, deployed_version FROM xmcoh.model ORDER BY model_id;

SELECT xmcoh.alter_model('albums', options => '{"epochs": 3, "seed": 7}');
SELECT xmcoh.alter_model('albums', options => '{"epochs": null, "patience": 2}', new_name => 'photos');
SELECT name, options FROM xmcoh.model WHERE name = 'photos';
SELECT state, message FROM pg_temp.fails($$SELECT xmcoh.alter_model('photos', options => '{"epoch": 3}')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.alter_model('photos', new_name => 'manuals')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.alter_model('albums', new_name => 'x')$$);
SELECT xmcoh.drop_model('photos');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.drop_model('photos')$$);
SELECT xmcoh.drop_model('photos', if_exists => true);

-- two versions
CREATE TABLE work_step AS
    SELECT m AS manual, s AS step, (ARRAY['unpack', 'mount', 'test', 'clean'])[s] || ' part ' || m % 5 AS instruction
      FROM generate_series(1, 40) AS m, generate_series(1, 4) AS s;
SELECT xmcoh.attach_source('manuals', 'work_step', 'manual', 'step', text => 'instruction', "position" => 'step', approved => 'all');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.export_model('manuals')$$);
SELECT xmcoh.train('manuals', '{"epochs": 2}') AS job \gset
CALL xmcoh.wait_for_job(:job, '180 s');
SELECT xmcoh.train('manuals', '{"epochs": 1, "seed": 2}', on_success => 'keep') AS job \gset
CALL xmcoh.wait_for_job(:job, '180 s');
SELECT model, version, deployed, sha256 = encode(sha256(xmcoh.export_model(model, version)), 'hex') AS hash_fits, bytes > 0 AS has_bytes, documents, job_id
  FROM xmcoh.versions ORDER BY version;

-- deploy and roll back
SELECT * FROM pg_temp.fails($$SELECT xmcoh.deploy('manuals', 3)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.deploy('nothing', 1)$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.rollback('manuals')$$);
SELECT xmcoh.deploy('manuals', 1);
SELECT xmcoh.deploy('manuals', 2);
SELECT deployed_version FROM xmcoh.model;
SELECT xmcoh.deploy('manuals', 1);
SELECT version, deployed_by = current_user AS by_me, rolled_back_at IS NOT NULL AS rolled_back FROM xmcoh.deployment ORDER BY deployment_id;
SELECT xmcoh.rollback('manuals');
SELECT xmcoh.rollback('manuals');
SELECT * FROM pg_temp.fails($$SELECT xmcoh.rollback('manuals')$$);
SELECT deployed_version FROM xmcoh.model;
SELECT version, rolled_back_at IS NOT NULL AS rolled_back FROM xmcoh.deployment ORDER BY deployment_id;
BEGIN;
SELECT xmcoh.deploy('manuals', 2);
ROLLBACK;
SELECT deployed_version FROM xmcoh.model;

-- export and import: the same bytes
SELECT xmcoh.import_model('copy', xmcoh.export_model('manuals', 2)) AS version;
SELECT xmcoh.import_model('copy', xmcoh.export_model('manuals')) AS version;
SELECT xmcoh.export_model('copy', 1) = xmcoh.export_model('manuals', 2) AS same;
SELECT c.options = m.options || '{"epochs": 1, "seed": 2}' AS same_options, c.deployed_version
  FROM xmcoh.model AS c, xmcoh.model AS m WHERE c.name = 'copy' AND m.name = 'manuals';
SELECT * FROM pg_temp.fails($$SELECT xmcoh.export_model('copy')$$);
SELECT * FROM pg_temp.fails($$SELECT xmcoh.export_model('copy', 3)$$);
SELECT xmcoh.create_model('albums', image_dim => 4) > 0 AS created;
SELECT * FROM pg_temp.fails($$SELECT xmcoh.import_model('albums', xmcoh.export_model('manuals'))$$);
SELECT d ->> 'words' AS words, d ->> 'image_dim' AS image_dim, d -> 'options' ->> 'd_model' AS d_model, (d ->> 'parameters')::int > 0 AS parameters
  FROM xmcoh.inspect_weights(xmcoh.export_model('manuals')) AS d;

-- damaged weights and weights of another program
CREATE TEMP TABLE blob AS SELECT xmcoh.export_model('manuals') AS b;
SELECT 'empty' AS blob, state FROM pg_temp.fails($$SELECT xmcoh.inspect_weights('')$$)
UNION ALL SELECT 'foreign', state FROM pg_temp.fails($$SELECT xmcoh.inspect_weights('just some text that is long enough')$$)
UNION ALL SELECT 'cut off', state FROM pg_temp.fails($$SELECT xmcoh.inspect_weights(substr(b, 1, length(b) - 4)) FROM blob$$)
UNION ALL SELECT 'too long', state FROM pg_temp.fails($$SELECT xmcoh.inspect_weights(b || '\x00000000') FROM blob$$)
UNION ALL SELECT 'NaN at the end', state FROM pg_temp.fails($$SELECT xmcoh.inspect_weights(substr(b, 1, length(b) - 4) || '\x0000c07f') FROM blob$$)
UNION ALL SELECT 'header damaged', state FROM pg_temp.fails($$SELECT xmcoh.inspect_weights(set_byte(b, 20, 0)) FROM blob$$)
UNION ALL SELECT 'imported', state FROM pg_temp.fails($$SELECT xmcoh.import_model('bad', substr(b, 1, 1000)) FROM blob$$);
SELECT count(*) AS half_made FROM xmcoh.model WHERE name = 'bad';

SELECT xmcoh.drop_model('manuals'), xmcoh.drop_model('copy'), xmcoh.drop_model('albums');
SELECT (SELECT count(*) FROM xmcoh.model_version) AS versions, (SELECT count(*) FROM xmcoh.job_record) AS jobs,
       (SELECT count(*) FROM xmcoh.source) AS sources, (SELECT count(*) FROM xmcoh.training_metric) AS metrics;
DROP TABLE work_step;
DROP EXTENSION xmcoh;
