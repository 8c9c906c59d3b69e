# Tests attacks by mallory, a user of the extension who owns a schema with tables, views, types, casts, functions and operators.
# Mallory tries to become superuser, or to write rows of other roles. Each attack that once succeeded is a test in this file.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest qw($long $patience);

my $node = PostgreSQL::Test::Cluster->new('attacks');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'xmcoh'
max_worker_processes = 32
xmcoh.max_running_jobs = 12
xmcoh.max_running_jobs_per_role = 12
max_parallel_workers_per_gather = 0
restart_after_crash = on
log_statement = none
fsync = off
});
$node->start;

my $quick = q('{"epochs": 1, "d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0, "bilinear_dim": 0}');
my $super = $node->safe_psql('postgres', 'SELECT current_user');

# The queries of the test itself run with a fixed search path.
sub value
{
	my ($sql, $database) = @_;
	local $ENV{PGOPTIONS} = '-c search_path=pg_catalog,public';
	return $node->safe_psql($database // 'postgres', $sql);
}
sub until_true
{
	my ($sql, $database) = @_;
	local $ENV{PGOPTIONS} = '-c search_path=pg_catalog,public';
	return $node->poll_query_until($database // 'postgres', $sql);
}
# Runs SQL as a role. Returns the error output of the session.
sub as
{
	my ($role, $sql, $database) = @_;
	my ($code, $out, $err) = $node->psql($database // 'postgres', $sql, extra_params => [ '-U', $role ],
		on_error_stop => 0);
	return $err // '';
}
sub mallory { return as('mallory', @_); }

# Checks that since the last check no code of mallory's has run as another role, and that mallory has no additional rights.
my $seen = 0;
sub harmless
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $log = slurp_file($node->logfile);
	my %harm = map { $_ => 1 } substr($log, $seen) =~ /LOG:  (evil .*)/g;
	$seen = length $log;
	my $new = value("SELECT string_agg(rolname, ' ') FROM pg_roles WHERE (rolsuper OR rolcreaterole) AND oid <> 10");
	value("ALTER ROLE $new NOSUPERUSER NOCREATEROLE") if $new ne '';
	is(join("\n", (sort keys %harm)[ 0 .. (keys %harm < 5 ? keys(%harm) - 1 : 4) ], $new ? "$new is superuser" : ()), '',
		$what);
	return;
}

# ---- mallory's tools ----

# attack: logs the role that runs the function, and tries to switch to another role. touch: attacks from the function of a view, and
# leaves a search path, a deferred trigger and a cursor that is read at commit. fold: attacks while the query is planned.
my $tools = q{
CREATE FUNCTION evil.attack(tag text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
DECLARE method text;
BEGIN
	IF current_user <> 'mallory' THEN RAISE LOG 'evil % ran as %', tag, current_user; END IF;
	FOREACH method IN ARRAY ARRAY['SELECT 1', $$SELECT set_config('role', 'none', true)$$, 'RESET ROLE', 'SET ROLE NONE',
		'SET ROLE SUPER',
		'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION SUPER', $$SELECT set_config('session_authorization',
			'SUPER', false)$$] LOOP
		BEGIN
			EXECUTE method;
			EXECUTE 'ALTER ROLE mallory SUPERUSER';
			RAISE LOG 'evil % escaped by %', tag, method;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
END $f$;
CREATE FUNCTION evil.attack_later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.attack('deferred trigger');
	RETURN NULL; END $$;
CREATE FUNCTION evil.attack_cursor() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.attack('cursor at commit');
	RETURN 1; END $$;
CREATE TABLE evil.later (i int);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON evil.later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.attack_later();
CREATE FUNCTION evil.touch(words text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF words LIKE 'unpack%' THEN
		PERFORM evil.attack('view');
		BEGIN INSERT INTO evil.later VALUES (1); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT evil.attack_cursor()'; EXCEPTION WHEN OTHERS THEN NULL; END;
		PERFORM set_config('search_path', 'evil, pg_catalog', false);
	END IF;
	RETURN words;
END $$;
CREATE FUNCTION evil.fold(words text)
	RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN EXECUTE 'SELECT evil.attack(''planner'')'; RETURN words; END $$;
CREATE TABLE evil.base AS SELECT m AS manual, s AS step, s AS place, (ARRAY['unpack', 'mount', 'connect', 'test'])[s]
	|| m % 7 AS words
	FROM generate_series(1, 40) AS m, generate_series(1, 4) AS s;
CREATE VIEW evil.step AS SELECT manual, step, place, CASE WHEN manual = 1 THEN evil.touch(words) ELSE words END AS words
	FROM evil.base;
CREATE VIEW evil.folded AS SELECT manual, step, place, evil.fold('unpack') AS words, manual::text AS document,
	'1' AS before, evil.fold('2') AS after FROM evil.base;
} =~ s/SUPER(?!USER)/$super/gr;

# Creates functions, operators and types with the names, and arguments, of those in pg_catalog. They precede pg_catalog in a hijacked path.
sub shadows
{
	my ($schema) = @_;
	return qq{DO \$do\$ DECLARE p record; types oid[] := ARRAY['int', 'bigint', 'text', 'name', 'oid', 'timestamptz',
		'interval', 'jsonb', 'float8', 'bool', 'json',
		'anyarray', 'anyelement', '"char"', 'bytea', 'regclass']::regtype[]; n int := 0;
	BEGIN
	FOR p IN SELECT proname, format_type(prorettype, NULL) AS type, oid::regprocedure AS name,
			(SELECT array_agg(format_type(t, NULL)) FROM unnest(proargtypes::oid[]) AS t) AS types
		FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset
			AND proargtypes::oid[] <@ types AND prorettype = ANY (types)
			AND provariadic = 0 AND proname !~ '^(anyarray|anyelement|pg_stat|pg_ls|pg_read|pg_log|bt|hash|gin|gist|in_range|lo_|binary|.*(in|out|recv|send|sel)\$)' LOOP
		BEGIN
		EXECUTE format('CREATE FUNCTION $schema.%I(%s) RETURNS %s LANGUAGE plpgsql SET search_path = pg_catalog AS \$f\$ BEGIN PERFORM evil.attack(%L); RETURN NULL; END \$f\$',
			p.proname, array_to_string(p.types, ', '), p.type, 'shadow of ' || p.name);
		n := n + 1;
		EXCEPTION WHEN duplicate_function OR invalid_function_definition THEN NULL; END;
	END LOOP;
	FOR p IN SELECT oprname, format_type(NULLIF(oprleft, 0), NULL) AS l, format_type(oprright, NULL) AS r, proname
		FROM pg_operator JOIN pg_proc AS f ON f.oid = oprcode
		WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprleft = ANY (types || 0::oid) AND oprright = ANY (types)
			AND to_regprocedure(format('$schema.%I(%s)', proname,
			concat_ws(',', format_type(NULLIF(oprleft, 0), NULL), format_type(oprright, NULL)))) IS NOT NULL LOOP
		EXECUTE format('CREATE OPERATOR $schema.%s (%s rightarg = %s, function = $schema.%I)', p.oprname, 'leftarg = '
			|| p.l || ',', p.r, p.proname);
		n := n + 1;
	END LOOP;
	IF n < 500 THEN RAISE EXCEPTION '% shadows', n; END IF;
	-- What matches better than the catalog's own, which stands first in most paths.
	EXECUTE (SELECT string_agg(format('CREATE FUNCTION $schema.%s RETURNS text LANGUAGE plpgsql AS \$f\$ BEGIN PERFORM evil.attack(%L); RETURN NULL; END \$f\$;', f, f), '')
		FROM unnest(ARRAY['format(text, name)', 'format(text, text)', 'format(text, regprocedure)',
			'format(text, regrole)', 'format(text, text, regrole)', 'concat(text, text)',
			'quote_ident(name)']) AS f);
	CREATE FUNCTION $schema.same(oid, regnamespace)
		RETURNS bool LANGUAGE plpgsql AS \$f\$ BEGIN PERFORM evil.attack('operator'); RETURN true; END \$f\$;
	CREATE OPERATOR $schema.= (leftarg = oid, rightarg = regnamespace, function = $schema.same);
	-- Types: a cast to one of these names is an attack.
	CREATE FUNCTION $schema.is_attacked(type text) RETURNS bool LANGUAGE plpgsql AS \$f\$ BEGIN PERFORM evil.attack(type); RETURN true; END \$f\$;
	EXECUTE (SELECT string_agg(format('CREATE DOMAIN $schema.%1\$I AS %2\$s CHECK ($schema.is_attacked(%3\$L));', typname, t::regtype,
		'cast to ' || typname), '') FROM unnest(types || ARRAY['float4', 'numeric', 'regrole']::regtype[]::oid[]) AS t JOIN pg_type ON t = pg_type.oid
		WHERE typtype = 'b');
	END \$do\$};
}

value(q{
CREATE EXTENSION xmcoh;
CREATE ROLE mallory LOGIN; CREATE ROLE accomplice LOGIN; GRANT accomplice TO mallory; CREATE ROLE victim LOGIN;
SELECT xmcoh.grant_usage('mallory'), xmcoh.grant_usage('victim');
CREATE SCHEMA evil AUTHORIZATION mallory; GRANT ALL ON SCHEMA evil TO accomplice;
CREATE SCHEMA honest; GRANT USAGE ON SCHEMA honest TO PUBLIC;
CREATE TABLE honest.step AS SELECT m AS manual, s AS step, s AS place, (ARRAY['unpack', 'mount', 'connect', 'test'])[s]
	|| m % 7 AS words
	FROM generate_series(1, 40) AS m, generate_series(1, 4) AS s;
GRANT SELECT ON honest.step TO PUBLIC});
is(mallory($tools . shadows('evil')), '', 'mallory has tools');
is(as('victim', q{SELECT xmcoh.create_model('victim');
SELECT xmcoh.attach_source('victim', 'honest.step', 'manual', 'step', text => 'words', "position" => 'place',
	approved => 'all');
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '1', '1', '2' FROM xmcoh.model}), '',
	'there is somebody else\'s model');
is(mallory(q{
SELECT xmcoh.create_model('m');
SELECT xmcoh.attach_source('m', 'evil.step', 'manual', 'step', text => 'words', "position" => 'place',
	approved => 'all')}), '', 'and one of mallory\'s');
harmless('(nothing has happened yet)');

# ---- trigger functions, and SECURITY DEFINER functions ----

my $member = q{ FROM pg_proc AS p JOIN pg_depend AS d ON classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e'
	JOIN pg_extension AS e ON e.oid = refobjid AND extname = 'xmcoh' JOIN pg_namespace AS n ON n.oid = pronamespace
		JOIN pg_language AS l ON l.oid = prolang };

# The columns of a temporary table: each column name of the extension's tables, with a type whose assignment casts are attacks.
my $columns = value(q{SELECT string_agg(DISTINCT quote_ident(attname) || ' evil.boom', ', ') FROM pg_attribute
	JOIN pg_class AS c ON c.oid = attrelid JOIN pg_namespace AS n ON n.oid = relnamespace
	WHERE nspname IN ('xmcoh', 'xmcoh_internal') AND relkind = 'r' AND attnum > 0 AND NOT attisdropped});
is(mallory(q{CREATE TYPE evil.boom AS ENUM ('deployed', 'succeeded');
DO $do$ DECLARE t text; BEGIN
	FOREACH t IN ARRAY '{integer,bigint,smallint,text,name,timestamptz,interval,jsonb,boolean,regrole,oid,regclass,bytea,double precision}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION evil.%2$I(evil.boom) RETURNS %1$s LANGUAGE plpgsql
				AS $f$ BEGIN PERFORM evil.attack(''cast''); RETURN NULL; END $f$;
			CREATE CAST (evil.boom AS %1$s) WITH FUNCTION evil.%2$I(evil.boom) AS ASSIGNMENT', t, 'to ' || t);
	END LOOP; END $do$}), '', 'mallory has a type with casts');
for my $function (split /\n/,
	value("SELECT quote_ident(nspname) || '.' || quote_ident(proname) $member WHERE prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) ORDER BY 1"))
{
	my $err = mallory("CREATE TEMP TABLE forged ($columns);
		CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON forged FOR EACH ROW EXECUTE FUNCTION $function();
		INSERT INTO forged DEFAULT VALUES; INSERT INTO forged VALUES ('succeeded'); UPDATE forged SET state = 'succeeded';
			DELETE FROM forged");
	# Whoever enforces orders makes triggers of guard_order. On a relation that is not guarded they do nothing.
	like($err, $function eq 'xmcoh.guard_order' ? qr/is for the triggers that xmcoh\.enforce_order makes/ : qr/permission denied for (?:function|schema)/,
		"$function: mallory cannot make a trigger of it");
	harmless("$function: which runs nothing of his");
}
is(mallory("CREATE TEMP TABLE forged ($columns);
	CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON forged FOR EACH ROW EXECUTE FUNCTION xmcoh.guard_order('1');
	CREATE CONSTRAINT TRIGGER u AFTER INSERT OR UPDATE OR DELETE ON forged DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION xmcoh.guard_order('1');
	INSERT INTO forged DEFAULT VALUES; INSERT INTO forged VALUES ('succeeded'); UPDATE forged SET state = 'succeeded'; DELETE FROM forged"), '',
	'xmcoh.guard_order: with the number of a source it does nothing on another table');
harmless('xmcoh.guard_order: which runs nothing of his');
is(value(q{SELECT string_agg(p.oid::regprocedure::text, ', ')} . $member . q{WHERE (prosecdef OR lanname IN ('sql',
	'plpgsql') AND prosqlbody IS NULL)
	AND NOT EXISTS (SELECT FROM unnest(proconfig) AS c
		WHERE c ~ '^search_path=pg_catalog(, *xmcoh)?(, *xmcoh_internal)?, *"?pg_temp"?$')}), '',
	'every function that runs as its owner, or is no single query, pins its search path, with pg_temp last');

# ---- code that runs under SET ROLE cannot return to the superuser ----

value(qq{SET ROLE victim; SELECT xmcoh.train('victim', $quick)});
is(value("CALL xmcoh.wait_for_job(1, '180 s')"), 'succeeded', 'somebody else trains');
value(q{SELECT xmcoh.import_model('m', xmcoh.export_model('victim'))});
is(mallory(q{SELECT xmcoh.deploy('m', 1);
CREATE TABLE evil.cast_step AS SELECT 1000 AS manual, s AS step, 'deployed'::evil.boom AS words FROM generate_series(1,
	3) AS s;
ALTER TABLE evil.cast_step ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY attack ON evil.cast_step USING (evil.fold(manual::text) = '1000');
SELECT xmcoh.attach_source('m', 'evil.cast_step', 'manual', 'step', text => 'words')}), '', 'mallory\'s model scores');
harmless('(nothing has happened yet)');
for my $call (q{SELECT * FROM xmcoh.order_documents('m', 'evil.step')}, q{SELECT * FROM xmcoh.order_documents('m',
	'evil.cast_step')}, q{SELECT * FROM xmcoh.pair_scores('m', '1')}, q{SELECT * FROM xmcoh.alignment('m', '1')},
	q{SELECT * FROM xmcoh.check_documents('m', documents => '{1,2}')},
	q{SELECT * FROM xmcoh.explain('m', '1', '1', '2')}, q{SELECT * FROM xmcoh.explain_document('m', '1')},
	q{SELECT xmcoh.picture('m', 'pairs', '1')}, q{SELECT xmcoh.picture('m', 'rounds')}, q{SELECT xmcoh.report('m')},
	q{SELECT * FROM xmcoh.model_words('m')},
	q{SELECT * FROM xmcoh.check_documents('m', by => 'words')}, q{SELECT * FROM xmcoh.coverage('m', by => 'words')},
	q{SELECT * FROM xmcoh.refresh_document_state('m')}, q{SELECT * FROM xmcoh.snapshot_quality('m', by => 'manual')},
	q{SELECT xmcoh.is_complete('m', '1')}, q{SELECT * FROM xmcoh.is_complete('m', documents => '{1,2}')},
	q{SELECT * FROM xmcoh.evaluate('m', 'evil.step')}, q{SELECT * FROM xmcoh.evaluate('m')},
	q{SELECT * FROM xmcoh.evaluate('m', 'evil.cast_step', by => 'words')}, q{SELECT * FROM xmcoh.check_groups('m', 'words', 'evil.cast_step', photos => true)},
	q{SELECT * FROM xmcoh.review_queue('m')}, q{SELECT * FROM xmcoh.claim_reviews('m')},
	q{SELECT * FROM xmcoh.missing_steps('m', '1')}, q{SELECT * FROM xmcoh.missing_photos('m', '1', 3, 'evil.cast_step')},
	q{SELECT xmcoh.attach_source('m', 'evil.folded', 'manual', 'step', text => 'words')}, q{SELECT xmcoh.attach_pairs('m',
		'evil.folded', 'document', 'before', 'after')})
{
	as($super, "SET ROLE mallory; $call; SELECT xmcoh.detach_source('m', 'evil.folded'), xmcoh.detach_pairs('m', 'evil.folded')");
	harmless($call =~ s/^.*?xmcoh\.|\n\t+//gr . " as mallory, in a superuser's session");
}

# ---- guards and approved pairs, by who changes a table or calls functions in the middle of a statement ----

is(mallory(q{SELECT xmcoh.create_model('g'); SELECT xmcoh.import_model('g', xmcoh.export_model('m', 1)); SELECT xmcoh.deploy('g', 1);
DO $do$ DECLARE t text; BEGIN
	FOREACH t IN ARRAY '{retyped,widened,written}'::text[] LOOP
		EXECUTE format('CREATE TABLE evil.%I (document text, step int, place int, words text, other int[])', t);
		PERFORM xmcoh.attach_source('g', ('evil.' || t)::regclass, 'document', 'step', text => 'words', "position" => 'place');
		PERFORM xmcoh.enforce_order('g', ('evil.' || t)::regclass);
	END LOOP;
END $do$;
-- A column that was dropped is found by its name from then on.
ALTER TABLE evil.retyped DROP COLUMN document; ALTER TABLE evil.retyped ADD COLUMN document bytea;
ALTER TABLE evil.widened DROP COLUMN document}), '', 'mallory has guarded tables');
like(mallory(q{INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '1', '1', '2' FROM xmcoh.model WHERE name = 'g';
CREATE FUNCTION evil.check_now(step int) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN
	INSERT INTO evil.written VALUES ('1', 3, 3);
	SET CONSTRAINTS ALL IMMEDIATE;
	RETURN true;
END $f$;
BEGIN; INSERT INTO evil.written SELECT '1', 3 - n, n FROM generate_series(1, 2) AS n WHERE n = 2 OR evil.check_now(n); COMMIT}),
	qr/belongs before/, 'a guard checks the rows that a statement writes after a check in the middle of the statement');
is(value('SELECT count(*) FROM evil.written'), 0, 'and nothing is written');
like(mallory(q{CREATE FUNCTION evil.withdraw_and_undo() RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN
	PERFORM xmcoh.withdraw_pair('g', '1', '1', '2');
	INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '2', '1', '2' FROM xmcoh.model WHERE name = 'g';
	RAISE EXCEPTION 'undone';
EXCEPTION WHEN raise_exception THEN
	RETURN false;
END $f$;
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT m.model_id, '1', '2', '1'
	FROM xmcoh.model AS m, generate_series(1, 2) AS n WHERE m.name = 'g' AND (n = 1 OR evil.withdraw_and_undo())}),
	qr/decisions about document "1" contradict each other/, 'pairs are checked after what an inner statement saw is undone');
like(mallory('SELECT xmcoh.withdraw(1)'), qr/decision 1 does not exist(?!.*victim)/s, 'mallory learns nothing of others\' decisions');
like(mallory(q{BEGIN;
SAVEPOINT s;
DO $do$ BEGIN EXECUTE (SELECT 'ALTER TABLE evil.widened ' || string_agg('ADD COLUMN c' || n || ' int', ',') FROM generate_series(1, 1500) AS n); END $do$;
ALTER TABLE evil.widened ADD COLUMN document text;
INSERT INTO evil.widened (document, step, place) VALUES ('1', 1, 1);
ROLLBACK TO s;
INSERT INTO evil.widened (step, place) VALUES (1, 1), (2, 2);
COMMIT}), qr/a column of the source is missing/, 'a column that was rolled back is not read');
# Bytes that are an array of 20 million numbers, if the column's present type is asked.
is(mallory(q{BEGIN;
INSERT INTO evil.retyped (document, step, place) VALUES ('\x010000000000000017000000002d31010100000041414141', 1, 1);
ALTER TABLE evil.retyped RENAME COLUMN document TO was; ALTER TABLE evil.retyped RENAME COLUMN other TO document;
COMMIT}), '', 'a document is named by the type that the column had when the row was written');
harmless('and nothing of this runs as anybody else');
is(mallory(q{SELECT xmcoh.drop_model('g', discard_decisions => true); DROP TABLE evil.retyped, evil.widened, evil.written}), '',
	'mallory drops his model');

# ---- a model that the source's own functions change while the source is attached ----

is(mallory(q{CREATE TABLE evil.embedded AS SELECT m AS manual, s AS step, ARRAY[m, s]::real[] AS two, ARRAY[m, s, 1]::real[] AS three
	FROM generate_series(1, 3) AS m, generate_series(1, 2) AS s;
CREATE FUNCTION evil.meddle(deed text) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN EXECUTE deed; RETURN true; END $f$}), '', 'mallory has embeddings');
for my $case ([ 'dropped', q{SELECT xmcoh.drop_model('meddled'), xmcoh.create_model('meddled')} ],
	[ 'given other options', q{SELECT xmcoh.alter_model('meddled', '{"d_model": 64}')} ],
	[ 'given a source with other embeddings', q{SELECT xmcoh.attach_source('meddled', 'evil.embedded', 'manual', 'step', text_embedding => 'two')
		WHERE NOT EXISTS (SELECT FROM xmcoh.source WHERE model = 'meddled')} ])
{
	my ($what, $deed) = @$case;
	mallory(qq{SELECT xmcoh.create_model('meddled');
		CREATE OR REPLACE VIEW evil.meddler AS SELECT (manual + 10)::text AS manual, step::text, step::text AS next, three FROM evil.embedded
			WHERE manual > 1 OR step > 1 OR evil.meddle(\$d\$$deed\$d\$)});
	like(mallory(q{SELECT xmcoh.attach_source('meddled', 'evil.meddler', 'manual', 'step', text_embedding => 'three')}),
		qr/model "meddled" was changed or dropped by a function that evil\.meddler calls/, "attach_source: a model that is $what meanwhile");
	like(mallory(q{SELECT xmcoh.attach_pairs('meddled', 'evil.meddler', 'manual', 'step', 'next')}),
		qr/model "meddled" was changed or dropped by a function that evil\.meddler calls/, "attach_pairs: a model that is $what meanwhile");
	mallory(q{SELECT xmcoh.drop_model('meddled')});
}
is(value(q{SELECT count(*) FROM (SELECT model_id FROM xmcoh.source_record UNION ALL SELECT model_id FROM xmcoh.pair_source_record) AS s
	WHERE NOT EXISTS (SELECT FROM xmcoh.model AS m WHERE m.model_id = s.model_id)}), 0, 'no source is left of a model that does not exist');
harmless('and nothing of this runs as anybody else');

as($super, "SET ROLE mallory; SELECT xmcoh.train('m', $quick)");
my $job = value('SELECT max(job_id) FROM xmcoh.job_record');
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'train as mallory, in a superuser\'s session');
harmless('runs nothing as that superuser');
# A superuser who trains on mallory's documents without SET ROLE would run mallory's functions, as in any query. Mallory trains here.
mallory(qq{ALTER ROLE mallory SET search_path = evil, pg_catalog; SELECT xmcoh.train('m', $quick)});
is(value("CALL xmcoh.wait_for_job($job + 1, '180 s')"), 'succeeded', 'train by mallory, with a search path of his own');
harmless('runs nothing as anybody else');

# ---- a search path that mallory has set for a whole database ----

value("CREATE DATABASE tenant OWNER mallory; ALTER DATABASE tenant SET search_path = evil, pg_catalog");
value('CREATE SCHEMA evil AUTHORIZATION mallory; CREATE SCHEMA honest; GRANT USAGE ON SCHEMA honest TO PUBLIC;
	CREATE TABLE honest.step AS SELECT m AS manual, s AS step, s AS place, (ARRAY[$$unpack$$, $$mount$$, $$connect$$,
		$$test$$])[s] || m % 7 AS words
	FROM generate_series(1, 40) AS m, generate_series(1, 4) AS s;
	CREATE VIEW honest.draft AS SELECT manual + 100 AS manual, step, place, words FROM honest.step', 'tenant');
{
	local $ENV{PGOPTIONS} = '-c search_path=pg_catalog';
	is(mallory($tools . shadows('evil'), 'tenant'), '', 'mallory has tools in a database of his own');
}
my $files = PostgreSQL::Test::Utils::tempdir . '/files';
system('perl', 'test/encoder/tiny_encoder.pl', $files, 'bert') == 0 or die;
my $published = join ', ', "pg_catalog.pg_read_binary_file('$files/model.safetensors')",
	map { "pg_catalog.pg_read_file('$files/$_.json')" } qw(config tokenizer modules);
my @error;
# Calls of a DBA in that database, on documents that are not manipulated. The queries use only functions of the extension.
for my $call ('CREATE EXTENSION xmcoh', q{SELECT xmcoh.grant_usage('mallory')}, q{SELECT xmcoh.create_model('a')},
	q{SELECT xmcoh.attach_source('a', 'honest.step', 'manual', 'step', text => 'words', "position" => 'place',
		approved => 'all')},
	qq{SELECT xmcoh.train('a', $quick, on_success => 'challenge')}, q{CALL xmcoh.wait_for_job(1, '180 s')},
		q{SELECT xmcoh.deploy('a', 1)}, q{SELECT * FROM xmcoh.order_documents('a')},
	q{SELECT * FROM xmcoh.pair_scores('a', '1')}, q{SELECT * FROM xmcoh.alignment('a', '1')},
	q{SELECT * FROM xmcoh.explain('a', '1', '1', '2')}, q{SELECT * FROM xmcoh.explain_document('a', '1')},
	q{SELECT xmcoh.picture('a', 'pairs', '1')}, q{SELECT xmcoh.picture('a', 'reliability')}, q{SELECT xmcoh.report('a', 'ja', 1, 1, 1, 1)},
	q{SELECT * FROM xmcoh.pilot_report('a', 1, 1, 1, 1)}, q{SELECT * FROM xmcoh.coverage('a', level => 'pair', by => 'manual')},
	q{SELECT * FROM xmcoh.check_documents('a', by => 'manual')}, q{SELECT * FROM xmcoh.evaluate('a', by => 'manual')},
	q{SELECT * FROM xmcoh.refresh_document_state('a', take_over => true)}, q{SELECT * FROM xmcoh.document_state},
	q{SELECT * FROM xmcoh.model_words('a')},
	q{SELECT xmcoh.attach_source('a', 'honest.draft', 'manual', 'step', text => 'words', "position" => 'place')},
	q{SELECT * FROM xmcoh.review_queue('a')}, q{SELECT * FROM xmcoh.claim_reviews('a', 5)}, q{SELECT * FROM xmcoh.review_claim},
	q{SELECT xmcoh.decide('a', document, before_item, after_item, 'skip') FROM xmcoh.review_claim LIMIT 1},
	q{SELECT xmcoh.decide('a', document, items[1], items[2], 'skip') FROM xmcoh.decision LIMIT 1},
	q{SELECT * FROM xmcoh.claim_reviews('a', 3)}, q{SELECT * FROM xmcoh.review_agreement('a')},
	q{SELECT * FROM xmcoh.claim_reviews('a', 0)}, q{SELECT * FROM xmcoh.missing_steps('a', '101')},
	q{SELECT * FROM xmcoh.missing_photos('a', '101', pool_source => 'honest.draft')}, q{SELECT * FROM xmcoh.is_complete('a', documents => '{101}')},
	q{SELECT xmcoh.detach_source('a', 'honest.draft')}, q{SELECT *
		FROM xmcoh.evaluate('a')}, q{SELECT * FROM xmcoh.evaluate('a', 'honest.step')},
	q{SELECT * FROM xmcoh.check_groups('a', 'manual', 'honest.step')},
	q{SELECT xmcoh.precedes('a', 'mount', NULL, 'test', NULL)}, q{SELECT xmcoh.alter_model('a', '{"epochs": 1}', 'b',
		'mallory')}, q{SELECT xmcoh.alter_model('b', new_name => 'a')},
	q{SELECT xmcoh.recover_order('a', step, words, NULL) FROM honest.step GROUP BY manual}, q{SELECT xmcoh.coherence('a',
		place, words, NULL) FROM honest.step GROUP BY manual},
	q{SELECT xmcoh.recovered_position('a', words, NULL) OVER (PARTITION BY manual) FROM honest.step},
	q{SELECT xmcoh.export_model('a')}, q{SELECT xmcoh.prune_versions('a', 1)}, q{SELECT * FROM xmcoh.model_overview},
		q{SELECT * FROM xmcoh.job_history}, q{SELECT * FROM xmcoh.training_progress},
	q{SELECT * FROM xmcoh.snapshot_quality('a', by => 'manual')}, q{SELECT * FROM xmcoh.quality_snapshot}, q{SELECT * FROM xmcoh.alert},
		q{SELECT xmcoh.set_alert_limit('a', 'age', 1)}, q{SELECT * FROM xmcoh.alert_limit},
	q{SELECT * FROM xmcoh.training_round}, q{SELECT * FROM xmcoh.versions}, q{SELECT * FROM xmcoh.learning_curve}, qq{SELECT xmcoh.train('a', $quick)},
		q{SELECT xmcoh.cancel_job(2)}, q{CALL xmcoh.wait_for_job(2, '180 s')},
	q{SELECT xmcoh.queue_snapshot('a', by => 'manual')}, q{CALL xmcoh.wait_for_job(3, '180 s')}, q{SELECT xmcoh.picture('a', 'quality')},
	qq{SELECT xmcoh.study_learning_curve('a', '{12}', 1, $quick)}, q{CALL xmcoh.wait_for_job(4, '180 s')}, q{SELECT xmcoh.picture('a', 'learning')},
	qq{SELECT xmcoh.import_encoder('tiny', $published)}, q{SELECT xmcoh.embed('tiny', 'mount')},
	q{SELECT * FROM xmcoh.embed('tiny', '{mount,test}')}, q{SELECT xmcoh.grant_encoder('tiny', 'mallory')}, q{SELECT * FROM xmcoh.encoders},
	q{SELECT * FROM xmcoh.encoder_grants}, q{SELECT xmcoh.revoke_encoder('tiny', 'mallory')}, q{SELECT xmcoh.drop_encoder('tiny')},
	qq{SELECT xmcoh.schedule_training('a', '1 second', options => $quick)})
{
	my $err = as($super, $call, 'tenant');
	push @error, "$call: $err" if $err =~ /ERROR/;
	my $log = slurp_file($node->logfile);
	push @error, "$call ran $1" if substr($log, $seen) =~ /LOG:  evil (.* ran as .*)/;
	$seen = length $log;
}
is(join("\n", @error), '', 'a DBA works there, and runs nothing of mallory\'s');
ok(until_true("SELECT count(*) > 1 FROM xmcoh.job WHERE state = 'succeeded' AND job_id > 4", 'tenant'),
	'schedules run there');
value('SELECT xmcoh.alter_schedule(1, active => false)', 'tenant');
like(value('SELECT message FROM xmcoh.schedule', 'tenant'), qr/^(?:skipped: model "a" already has a running job \d+)?$/,	# a job can take a second
	'without an error');
harmless('and neither they nor the launcher\'s schedule worker run anything of mallory\'s');
as($super, 'SELECT 1 = 2', 'tenant');
like(slurp_file($node->logfile, $seen), qr/evil shadow of int4eq\(integer,integer\) ran as/,
	'(any operator of theirs would have)');
$seen = -s $node->logfile;
value('ALTER ROLE mallory NOSUPERUSER');

# ---- CREATE EXTENSION in a database that mallory has prepared ----

my $installed = q{SELECT string_agg(DISTINCT nspname || ' of ' || nspowner::regrole
	|| CASE WHEN has_schema_privilege('mallory', n.oid, 'CREATE') THEN ', open' ELSE '' END, '; ')
	FROM pg_proc AS p JOIN pg_depend AS d ON classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e'
		JOIN pg_extension AS e ON e.oid = refobjid AND extname = 'xmcoh'
		JOIN pg_namespace AS n ON n.oid = pronamespace WHERE nspowner <> 10 OR has_schema_privilege('mallory', n.oid,
			'CREATE')};
for my $case ([ 'planted', 'CREATE SCHEMA xmcoh; GRANT ALL ON SCHEMA xmcoh TO mallory', 'xmcoh', 1 ], [ 'open',
	'CREATE SCHEMA xmcoh; GRANT ALL ON SCHEMA xmcoh TO mallory', '', 0 ],
	[ 'inside', 'CREATE SCHEMA xmcoh_internal; GRANT ALL ON SCHEMA xmcoh_internal TO mallory', 'xmcoh_internal', 0 ],
		[ 'owned', 'CREATE SCHEMA xmcoh AUTHORIZATION mallory', 'xmcoh', 1 ],
	[ 'owned_inside', 'CREATE SCHEMA xmcoh_internal AUTHORIZATION mallory', '', 0 ])
{
	my ($database, $prepare, $schema, $refused) = @$case;
	value("CREATE DATABASE $database");
	value("CREATE SCHEMA evil AUTHORIZATION mallory; $prepare", $database);
	local $ENV{PGOPTIONS} = '-c search_path=pg_catalog';
	is(mallory($tools . ($schema ? shadows($schema) : ''), $database), '', "mallory has prepared database $database");
	my $err = as($super, 'CREATE EXTENSION xmcoh', $database);
	like($err, qr/ERROR: .*schema/, "$prepare: CREATE EXTENSION refuses that schema with what it holds") if $refused;
	is(value($installed, $database), '',
		"$prepare: nothing of the extension lies where mallory can create or replace anything");
	harmless("$prepare: nothing of mallory's runs");
}

# ---- the source of a job is replaced ----

my %exchange = (
	x1 => [ 'another relation is attached', q{SELECT xmcoh.detach_source('x1', 'evil.table_x1');
		SELECT xmcoh.attach_source('x1', 'evil.step', 'manual', 'step', text => 'words', "position" => 'place',
			approved => 'all')} ],
	x2 => [ 'the view is replaced',
		'CREATE OR REPLACE VIEW evil.table_x2 AS SELECT manual, step, place, evil.touch(words) AS words FROM evil.base' ],
	x3 => [ 'a view takes the table\'s name',
		'ALTER TABLE evil.table_x3 RENAME TO old_x3; CREATE VIEW evil.table_x3 AS TABLE evil.step;
		SELECT xmcoh.detach_source(\'x3\', \'evil.old_x3\');
		SELECT xmcoh.attach_source(\'x3\', \'evil.table_x3\', \'manual\', \'step\', text => \'words\',
			"position" => \'place\', approved => \'all\')' ],
	x4 => [ 'the table has another owner',
		'GRANT ALL ON evil.table_x4 TO mallory; ALTER TABLE evil.table_x4 OWNER TO accomplice' ],
	x5 => [ 'the schedule\'s source is exchanged', '' ],
	x6 => [ 'the table gets a policy', 'CREATE POLICY p ON evil.table_x6 USING (evil.fold(words) = words);
		ALTER TABLE evil.table_x6 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY' ],
	x7 => [ 'an operator of the view does something else', 'CREATE OR REPLACE FUNCTION evil.joined(a text, b text) RETURNS text
		LANGUAGE plpgsql AS $$ BEGIN RETURN evil.touch(a); END $$', q{CREATE FUNCTION evil.joined(a text, b text) RETURNS text
		LANGUAGE sql AS 'SELECT a'; CREATE OPERATOR evil.~+ (leftarg = text, rightarg = text, function = evil.joined);
		CREATE VIEW evil.table_x7 AS SELECT manual, step, place, words OPERATOR(evil.~+) '' AS words FROM evil.base} ],
	x8 => [ 'an index of the table calls a function', q{CREATE INDEX ON evil.table_x8 (step) WHERE evil.fold('unpack') = 'unpack'} ],
	x9 => [ 'a column\'s type gets a cast', q{CREATE FUNCTION evil.to_text(evil.word) RETURNS text LANGUAGE plpgsql
		AS $$ BEGIN RETURN evil.touch('unpack'); END $$; CREATE CAST (evil.word AS text) WITH FUNCTION evil.to_text(evil.word)},
		q{DO $$ BEGIN EXECUTE (SELECT format('CREATE TYPE evil.word AS ENUM (%s)',
		string_agg(DISTINCT quote_literal(words), ',')) FROM evil.base); END $$;
		CREATE TABLE evil.table_x9 AS SELECT manual, step, place, words::evil.word AS words FROM evil.base} ],
	xa => [ 'an aggregate of the view does something else', 'CREATE OR REPLACE FUNCTION evil.step_of(a text, b text) RETURNS text
		LANGUAGE plpgsql AS $$ BEGIN RETURN evil.touch(b); END $$', q{CREATE FUNCTION evil.step_of(a text, b text) RETURNS text
		LANGUAGE sql AS 'SELECT b'; CREATE AGGREGATE evil.last(text) (sfunc = evil.step_of, stype = text);
		CREATE VIEW evil.table_xa AS SELECT manual, step, place, evil.last(words) AS words FROM evil.base GROUP BY 1, 2, 3} ],
	xb => [ 'an index of a child of the table calls a function', 'CREATE TABLE evil.child_xb () INHERITS (evil.table_xb);
		CREATE INDEX ON evil.child_xb (step) WHERE evil.fold($$unpack$$) = $$unpack$$' ]);
$exchange{x5}[1] = $exchange{x1}[1] =~ s/x1/x5/gr;
for my $model (sort keys %exchange)
{
	my $create = $exchange{$model}[2] // 'CREATE ' . ($model eq 'x2' ? 'VIEW' : 'TABLE') . " evil.table_$model AS TABLE evil.base";
	mallory(qq{SET search_path = public; $create;
		SELECT xmcoh.create_model('$model');
		SELECT xmcoh.attach_source('$model', 'evil.table_$model', 'manual', 'step', text => 'words', "position" => 'place',
			approved => 'all')});
}
my %job = map { $_ => value("SELECT xmcoh.train('$_', $long)") } grep { $_ ne 'x5' } keys %exchange;
my $jobs = join ',', values %job;
value("SELECT xmcoh.schedule_training('x5', '1 second', options => $quick)");
ok(until_true("SELECT count(*) = 10 FROM xmcoh.job WHERE state = 'running' AND done > 0 AND job_id IN ($jobs)"),
	'a DBA trains models of mallory\'s');
ok(until_true("SELECT last_job_id IS NOT NULL FROM xmcoh.schedule"), 'and has one trained by a schedule');
harmless('while the documents are harmless');
my $own = value("SET ROLE mallory; SELECT xmcoh.train('m', $long)");
mallory('SET search_path = public; ' . $exchange{$_}[1]) for sort keys %exchange;
my $exchanged = value('SELECT clock_timestamp()');
until_true("SELECT last_run_at > '$exchanged' FROM xmcoh.schedule") or die 'the schedule does not run';
$node->stop('immediate');
$node->start;
# Wait until all jobs have ended, or until code of mallory's has run.
my $end = time + $patience;
my $over = q{state NOT IN ('queued', 'starting', 'running', 'cancelling')};
sleep 0.2 while time < $end && slurp_file($node->logfile, $seen) !~ /LOG:  evil /
  && value("SELECT count(*) FROM xmcoh.job WHERE $over AND message NOT LIKE 'worker died%' AND job_id IN ($jobs)") < 10;
for my $model (sort keys %job)
{
	like(value("SELECT concat(state, ' ', message) FROM xmcoh.job WHERE job_id = $job{$model}"),
		qr/^(?:failed|interrupted|cancelled) .*(?:source|table_$model|evil\.step)/,
		"$exchange{$model}[0]: the job is not taken up again, and says why");
}
sleep 0.2 while time < $end + $patience && value('SELECT message FROM xmcoh.schedule') !~ /source|evil\.step/;
like(value('SELECT message FROM xmcoh.schedule'), qr/source|evil\.step/,
	"$exchange{x5}[0]: it is not run again, and says why");
value("SELECT xmcoh.unschedule_training('x5')");
until_true("SELECT count(xmcoh.cancel_job(job_id)) = 0 FROM xmcoh.job WHERE NOT $over") or die 'jobs go on';
harmless('nothing of mallory\'s has run as the DBA, nor his own job as anybody else');

mallory('ALTER ROLE mallory RESET search_path');

# The definition of a source does not depend on settings such as TimeZone and DateStyle.
is(mallory(q{CREATE VIEW evil.since AS SELECT b.* FROM evil.base AS b WHERE '2020-01-01 00:00+00'::timestamptz < now()
		AND '1 day'::interval > '0'::interval AND '1/2/2020'::date < now() AND 0.1::float8 + 0.2::float8 < 1 AND 1.1::float8 < 2;
	SELECT xmcoh.create_model('since'); SELECT xmcoh.attach_source('since', 'evil.since', 'manual', 'step', text => 'words',
		"position" => 'place', approved => 'all')}), '', 'a source with constants');
$job = value(qq{SET TimeZone = 'Asia/Tokyo'; SET quote_all_identifiers = on; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = iso_8601;
	SET extra_float_digits = -10; SET ROLE mallory; SELECT xmcoh.train('since', $quick)});
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'is the same one whatever the settings of who trains');

# ---- forged rows ----

my $relations = q{ FROM pg_class AS c JOIN pg_depend AS d ON classid = 'pg_class'::regclass AND objid = c.oid
	AND deptype IN ('e', 'a', 'i')
	WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('xmcoh', 'xmcoh_internal'))};
is(value(qq{SELECT string_agg(DISTINCT concat_ws(' ', right_name, c.oid::regclass, columns), '; ' ORDER BY concat_ws(' ',
	right_name, c.oid::regclass, columns)) FROM (SELECT DISTINCT c.oid, relkind $relations) AS c,
	unnest('{INSERT,UPDATE,REFERENCES,DELETE,TRUNCATE,TRIGGER}'::text[]) AS right_name, LATERAL (SELECT string_agg(attname,
		', ' ORDER BY attname) FROM pg_attribute
		WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND right_name IN ('INSERT', 'UPDATE', 'REFERENCES')
			AND has_column_privilege('mallory', c.oid, attnum, right_name)) AS a (columns)
	WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND (columns IS NOT NULL OR right_name IN ('DELETE', 'TRUNCATE', 'TRIGGER')
		AND has_table_privilege('mallory', c.oid, right_name))}),
	'INSERT xmcoh.approved_pair after, before, document, model_id',
		'what a user may write: approved pairs');
is(value(qq{SELECT string_agg(DISTINCT c.oid::regclass::text, ', ') $relations
	AND CASE WHEN relkind = 'S' THEN has_sequence_privilege('mallory', c.oid, 'SELECT, USAGE, UPDATE') END}), '',
		'no sequence can be used');
is(value(q{SELECT string_agg(attrelid::regclass || '.' || attname, ', ') FROM pg_attribute
	JOIN pg_class AS c ON c.oid = attrelid JOIN pg_namespace AS n ON n.oid = relnamespace
	WHERE nspname ~ '^xmcoh' AND attidentity = 'd'}), '', 'no number can be chosen');
# Try every statement that writes, in one session. Only INSERT into approved_pair is tested further below.
my $script = '';
for (split /\n/, value(qq{SELECT DISTINCT relkind, c.oid::regclass $relations AND relkind IN ('r', 'v', 'S') ORDER BY 2}))
{
	my ($kind, $relation) = split /\|/;
	my @attempt = $kind eq 'S' ? ("SELECT nextval('$relation')", "SELECT setval('$relation', 1)",
		"SELECT currval('$relation')", "SELECT * FROM $relation") :
		("INSERT INTO $relation DEFAULT VALUES", "DELETE FROM $relation", "TRUNCATE $relation", "COPY $relation FROM STDIN",
		map { "UPDATE $relation SET $_ = $_" } split /\n/,
			value("SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = '$relation'::regclass AND attnum > 0"));
	@attempt = grep { !/^INSERT/ } @attempt if $relation eq 'xmcoh.approved_pair';
	$script .= join '', map { "\\warn \@$_\nBEGIN;\n$_;\n" . (/^COPY/ ? "\\.\n" : '') . "ROLLBACK;\n" } @attempt;
}
my ($attempts, @done) = 0;
for (split /^\@/m, mallory($script))
{
	my ($attempt, $answer) = /^(.*)\n(.*)/ or next;
	$attempts++;
	push @done, "$attempt: " . ($answer
		|| 'done') if $answer !~ /permission denied|cannot (?:insert into|delete from|update|truncate|change|copy to)|can only be updated to DEFAULT|is not a table/;
}
is(join("\n", splice(@done, 0, 8)), '', "and nothing else is written when somebody tries $attempts ways");

my $pair = q{INSERT INTO xmcoh.approved_pair (model_id, document, before, after%s) SELECT model_id, '%s', '1', '2'%s
	FROM xmcoh.model WHERE name = 'm'};
is(mallory(sprintf $pair, '', 1, ''), '', 'a user approves a pair');
is(value(q{SELECT concat(approved_by, approved_at > now() - interval '1 hour') FROM xmcoh.approved_pair
	WHERE approved_by <> 'victim'}), 'malloryt', 'in his own name');
like(mallory(sprintf $pair, ', approved_by', 2, q{, 'accomplice'}), qr/permission denied/, 'not in another one');
like(mallory(sprintf $pair, ', approved_at', 3, q{, 'infinity'}), qr/permission denied/, 'nor at another time');
like(mallory(q{INSERT INTO xmcoh.approved_pair (model_id, document, before, after) VALUES (} . value(q{SELECT model_id
	FROM xmcoh.model WHERE name = 'victim'}) . q{, '1', '2', '3')}),
	qr/row-level security|permission denied/, 'nor of another one\'s model');
like(mallory(q{SELECT xmcoh.withdraw_pair('victim', '1', '1', '2')}), qr/permission denied/, 'nor does he take one back there');
is(mallory(q{SELECT xmcoh.withdraw_pair('m', '1', '1', '2')}), '', 'but one of his own');
is(value('SELECT string_agg(approved_by, \' \') FROM xmcoh.approved_pair'), 'victim', 'and that alone');
mallory(q{SELECT xmcoh.deploy('m', 2); SELECT xmcoh.deploy('m', 1)});
is(value('SELECT deployed_by FROM xmcoh.deployment ORDER BY deployment_id DESC LIMIT 1'), 'mallory', 'who deploys is named');

harmless('in the end mallory is what he was');
my ($crash) = slurp_file($node->logfile) =~ /^(.*(?:TRAP:|PANIC:|terminated by signal).*)$/m;
is($crash, undef, 'nothing crashed');
$node->stop;
done_testing();
