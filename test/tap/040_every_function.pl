# Tests every function of the extension with many arguments and as several roles. A call must return an answer or an ordinary
# error, and must not crash, hang or raise an internal error. Also tests which roles may execute which function.
use strict;
use warnings;

use IPC::Run qw(run timer);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# The functions that other roles than the owner may execute, sorted by signature. all: every role. user: the roles to which
# xmcoh.grant_usage was applied. view: users and members of pg_monitor, because a view that both read calls the function. These
# roles cannot name a function in xmcoh_internal, because these roles lack USAGE on that schema. Aggregate support functions take
# arguments of type internal, which SQL cannot create. A function that is missing in this list is internal: only its owner may
# execute the function.
my $public = q{
user  xmcoh.accept_violation(bigint,text)
user  xmcoh.aggregate_combine(internal,internal)
user  xmcoh.aggregate_deserialize(bytea,internal)
user  xmcoh.aggregate_serialize(internal)
user  xmcoh.alignment(text,text,regclass,text[])
user  xmcoh.alter_model(text,jsonb,text,regrole)
user  xmcoh.alter_schedule(integer,text,text,jsonb,text,boolean,regclass[],text,integer)
user  xmcoh.approve(text,text,text,text,text)
user  xmcoh.approve_order(text,text,text[],text)
user  xmcoh.attach_pairs(text,regclass,name,name,name)
user  xmcoh.attach_source(text,regclass,name,name,name,name,name,name,name,regclass,name)
user  xmcoh.attach_source(text,regclass,name,name,name[],name,name,name,name,name,regclass)
all   xmcoh.bootstrap_mean(double precision[])
user  xmcoh.cancel_job(integer)
user  xmcoh.check_documents(text,regclass,text[],double precision,text)
user  xmcoh.check_groups(text,text,regclass,text[],double precision,boolean)
user  xmcoh.check_options(integer,integer,boolean,jsonb)
user  xmcoh.claim_reviews(text,integer,interval,regclass,text,text[])
user  xmcoh.coherence(text,double precision,text,real[])
user  xmcoh.coherence(text,double precision,text,real[],real[])
user  xmcoh.coherence(text,double precision,text,real[],real[],text)
user  xmcoh.coherence_final(internal)
user  xmcoh.coherence_step(internal,text,double precision,text,real[])
user  xmcoh.coherence_step(internal,text,double precision,text,real[],real[])
user  xmcoh.coherence_step(internal,text,double precision,text,real[],real[],text)
user  xmcoh.coverage(text,double precision,text,text)
user  xmcoh.create_model(text,integer,integer,boolean,jsonb,text,text)
user  xmcoh.decide(text,text,text,text,text,text)
user  xmcoh.deploy(text,integer,boolean)
user  xmcoh.detach_pairs(text,text)
user  xmcoh.detach_source(text,text)
user  xmcoh.drop_encoder(text,boolean)
user  xmcoh.drop_model(text,boolean,boolean)
user  xmcoh.embed(text,text)
user  xmcoh.embed(text,text[])
user  xmcoh.enforce_order(text,regclass,text,double precision,boolean,boolean)
user  xmcoh.evaluate(text,regclass,text,text,integer,text[],text)
user  xmcoh.explain(text,text,text,text,integer,regclass)
user  xmcoh.explain_document(text,text,regclass,double precision,integer,text)
user  xmcoh.export_model(text,integer)
user  xmcoh.grant_encoder(text,regrole)
user  xmcoh.grant_model(text,regrole,text)
user  xmcoh.guard_order()
user  xmcoh.import_encoder(text,bytea,text,text,text,text,text,text)
user  xmcoh.import_model(text,bytea)
user  xmcoh.inspect_weights(bytea)
user  xmcoh.is_complete(text,text,regclass)
user  xmcoh.is_complete(text,text[],regclass)
all   xmcoh.kendall_tau(anyarray,anyarray)
user  xmcoh.launcher_is_loaded()
user  xmcoh.missing_photos(text,text,integer,regclass,regclass,text[])
user  xmcoh.missing_steps(text,text,integer,regclass,text[])
user  xmcoh.model_exists(text)
user  xmcoh.model_id(text)
user  xmcoh.model_words(text,integer,regclass)
user  xmcoh.next_run(text,timestamp with time zone,text)
user  xmcoh.options()
user  xmcoh.order_coherence(text,text[],real[],real[])
user  xmcoh.order_documents(text,regclass,text,text,text,integer,text[])
user  xmcoh.order_holds(text,text[],real[],real[],double precision)
user  xmcoh.order_score(text,text,real[],text,real[],real[],real[])
user  xmcoh.pair_scores(text,text,regclass,text,text,integer,text[])
all   xmcoh.paired_bootstrap(double precision[],double precision[])
all   xmcoh.perfect_match(anyarray,anyarray)
user  xmcoh.pilot_report(text,double precision,double precision,double precision,double precision,text)
user  xmcoh.picture(text,text,text,text,regclass)
all   xmcoh.position_accuracy(anyarray,anyarray)
user  xmcoh.precedes(text,text,real[],text,real[],real[],real[])
user  xmcoh.prune_versions(text,integer)
user  xmcoh.queue_snapshot(text,text,integer)
user  xmcoh.recover_order(text,anynonarray,text,real[])
user  xmcoh.recover_order(text,anynonarray,text,real[],real[])
user  xmcoh.recover_order(text,anynonarray,text,real[],real[],text)
user  xmcoh.recover_order_final(internal,text,anynonarray,text,real[])
user  xmcoh.recover_order_final(internal,text,anynonarray,text,real[],real[])
user  xmcoh.recover_order_final(internal,text,anynonarray,text,real[],real[],text)
user  xmcoh.recover_order_step(internal,text,anynonarray,text,real[])
user  xmcoh.recover_order_step(internal,text,anynonarray,text,real[],real[])
user  xmcoh.recover_order_step(internal,text,anynonarray,text,real[],real[],text)
user  xmcoh.recovered_position(text,text,real[])
user  xmcoh.recovered_position(text,text,real[],real[])
user  xmcoh.recovered_position(text,text,real[],real[],text)
user  xmcoh.refresh_document_state(text,regclass,text[],double precision,boolean)
user  xmcoh.report(text,text,double precision,double precision,double precision,double precision,integer)
view  xmcoh.report_integer(jsonb,text[])
view  xmcoh.report_number(jsonb,text[])
user  xmcoh.resume_job(integer)
user  xmcoh.review_agreement(text)
user  xmcoh.review_queue(text,integer,regclass,text,text[])
user  xmcoh.revoke_encoder(text,regrole)
user  xmcoh.revoke_model(text,regrole)
user  xmcoh.rollback(text)
user  xmcoh.schedule_snapshot(text,text,text,text,integer)
user  xmcoh.schedule_training(text,text,text,jsonb,text,regclass[],integer)
user  xmcoh.set_alert_limit(text,text,double precision)
user  xmcoh.snapshot_quality(text,text,integer)
user  xmcoh.stale_approval(text)
user  xmcoh.study_learning_curve(text,integer[],integer,jsonb)
user  xmcoh.train(text,jsonb,text,integer,double precision,regclass[],text,text)
user  xmcoh.unenforce_order(text,text)
user  xmcoh.unschedule(integer)
user  xmcoh.unschedule_training(integer)
user  xmcoh.unschedule_training(text)
user  xmcoh.validate_document(text,text,regclass,double precision,boolean)
user  xmcoh.wait_for_job(integer,interval,text)
user  xmcoh.withdraw(bigint,text)
user  xmcoh.withdraw_pair(text,text,text,text)
user  xmcoh.worker_is_alive(integer,timestamp with time zone)
view  xmcoh_internal.alert_kinds()
view  xmcoh_internal.guard_triggers(oid,integer)
view  xmcoh_internal.is_active(text)
view  xmcoh_internal.job_state(integer,text,text,timestamp with time zone,text,integer,timestamp with time zone)
view  xmcoh_internal.learning_curve_points(integer[],integer[],double precision[],integer)
view  xmcoh_internal.may(xmcoh.object_ref,integer,text)
view  xmcoh_internal.may(xmcoh.object_ref,integer,text,oid)
view  xmcoh_internal.may_encoder(xmcoh.object_ref,integer,text)
view  xmcoh_internal.object_name(xmcoh.object_ref)
view  xmcoh_internal.object_names(xmcoh.object_ref[])
view  xmcoh_internal.object_oid(xmcoh.object_ref)
view  xmcoh_internal.owner_name(xmcoh.object_ref)
view  xmcoh_internal.percent(double precision)
view  xmcoh_internal.public_message(text,text,boolean)
view  xmcoh_internal.schedule_next_run(text,text,timestamp with time zone)
view  xmcoh_internal.share_interval(bigint,bigint)
view  xmcoh_internal.what_is_missing(xmcoh.object_ref[])
};

# Intended internal errors (XX000; damaged bytes raise XX001 instead): signature => pattern of the message.
my %may_be_internal = ();
# Functions that may still wait when the statement timeout expires.
my %may_wait = ();

# ---- a server with models and jobs ----

my $node = PostgreSQL::Test::Cluster->new('every');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'xmcoh'
max_worker_processes = 8
max_parallel_workers_per_gather = 0
restart_after_crash = on
fsync = off
log_min_messages = log
});
$node->start;

sub value { return $node->safe_psql('postgres', $_[0], extra_params => [ $_[1] ? ('-U', $_[1]) : () ]); }

value(q{
CREATE EXTENSION xmcoh;
CREATE ROLE grantee LOGIN; CREATE ROLE watcher LOGIN IN ROLE pg_monitor; CREATE ROLE stranger LOGIN;
SELECT xmcoh.grant_usage('grantee');
GRANT CREATE ON SCHEMA public TO grantee;
CREATE SCHEMA "a ""schema"""; CREATE TABLE "a ""schema"""."a ""table""" ("a ""column""" int);
CREATE MATERIALIZED VIEW unpopulated AS SELECT 1 AS manual, 1 AS step WITH NO DATA;
GRANT SELECT ON unpopulated TO grantee;
});
value(q{
CREATE TABLE step AS SELECT m AS manual, s AS step, s AS place, (ARRAY['unpack', 'mount', 'connect', 'test'])[s]
	|| m % 7 AS words,
	ARRAY[s, m % 3, 1, 0]::real[] AS photo, ARRAY[m, s, 1]::real[] AS embedding FROM generate_series(1, 40) AS m,
		generate_series(1, 4) AS s;
CREATE TABLE step_pair AS SELECT m::text AS document, '1'::text AS before, '2'::text AS after FROM generate_series(1,
	9) AS m;
CREATE TABLE other_step AS TABLE step; CREATE TABLE other_pair AS TABLE step_pair;
CREATE INDEX step_index ON step (manual);
CREATE SEQUENCE counter;
CREATE VIEW failing AS SELECT manual, 1 / (step - step) AS step, words FROM step;
SELECT xmcoh.create_model('manuals', image_dim => 4, text_dim => 3,
	options => '{"epochs": 1, "d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0, "folds": 2, "bilinear_dim": 4}');
SELECT xmcoh.attach_source(name, 'step', 'manual', 'step', text => 'words', image => photo, text_embedding => embedding,
	"position" => 'place',
	approved => 'all') FROM (VALUES ('manuals', 'photo', 'embedding'), ('halted', NULL, NULL)) AS m (name, photo,
		embedding), xmcoh.create_model('halted');
SELECT xmcoh.create_model('empty', image_dim => 4);
SELECT xmcoh.attach_pairs('manuals', 'step_pair', 'document', 'before', 'after');
SELECT xmcoh.schedule_training('manuals', '0 0 1 1 *');
SELECT xmcoh.train('manuals')}, 'grantee');
is(value("CALL xmcoh.wait_for_job(1, '180 s')", 'grantee'), 'succeeded', 'a trained model');
value(q{SELECT xmcoh.train('halted', '{"epochs": 10000, "patience": 10000, "d_model": 256, "bag_documents": 0}')},
	'grantee');
$node->poll_query_until('postgres', q{SELECT state = 'running' FROM xmcoh.job
	WHERE job_id = 2}) or die 'job 2 does not begin';
value(q{SELECT pg_terminate_backend(worker_pid) FROM xmcoh.job WHERE job_id = 2});
ok($node->poll_query_until('postgres', q{SELECT state = 'interrupted' FROM xmcoh.job WHERE job_id = 2}),
	'and an interrupted job');
value(q{CREATE TABLE blob AS SELECT weights AS sound, substr(weights, 1, octet_length(weights) - 3) AS short,
		overlay(weights PLACING '\xffffffffffffff7f' FROM 1) AS length, overlay(weights PLACING '\x7d' FROM 40) AS header,
		overlay(weights PLACING '\x0000c07f' FROM octet_length(weights) - 3) AS nan, weights || weights AS twice
	FROM xmcoh.model_version WHERE version = 1 LIMIT 1;
	GRANT SELECT ON blob TO PUBLIC});

# A tiny text encoder, and its files.
my $files = PostgreSQL::Test::Utils::tempdir . '/files';
system('perl', 'test/encoder/tiny_encoder.pl', $files, 'bert') == 0 or die;
value(qq{CREATE TABLE published AS SELECT pg_read_binary_file('$files/model.safetensors') AS weights, pg_read_file('$files/config.json') AS config,
		pg_read_file('$files/tokenizer.json') AS tokenizer, pg_read_file('$files/modules.json') AS modules,
		pg_read_file('$files/1_Pooling/config.json') AS pooling, pg_read_file('$files/sentence_bert_config.json') AS sentence;
	GRANT SELECT ON published TO PUBLIC});
value(q{SELECT xmcoh.import_encoder('tiny', weights, config, tokenizer) FROM published}, 'grantee');

# ---- values ----

my $huge = "repeat('x', 1048576)";
my %extreme = (
	'boolean' => [ qw(true false) ],
	'smallint' => [ map { "'$_'::smallint" } qw(-32768 32767 0 -1 1) ],
	'integer' => [ map { "'$_'::integer" } qw(-2147483648 2147483647 0 -1 1 2) ],
	'bigint' => [ map { "'$_'::bigint" } qw(-9223372036854775808 9223372036854775807 0 -1 1) ],
	'oid' => [ map { "'$_'::oid" } qw(0 1 1259 4294967295) ],
	'real' => [ map { "'$_'::real" } qw(NaN Infinity -Infinity 3e38 -3e38 1e-45 0 -0) ],
	'double precision' => [ map { "'$_'::float8" } qw(NaN Infinity -Infinity 1e308 -1e308 5e-324 0 -0 0.5 -1) ],
	'numeric' => [ map { "'$_'::numeric" } qw(NaN Infinity 1e1000 -1e-1000 0) ],
	'text' => [ "''", $huge, "'manuals'", "'empty'", "'halted'", "'1'", "'text guided'", "'stored'", "'paper'",
		"'inferred'",
		"'tiny'", "'* * * * *'", "'0 0 31 2 *'", "'99999999999999999999 seconds'", "' '", q(E'\x01\n\t\x7f'),
			q(E'\u0301\uFFFF\U0001F469\u200D\U0001F527\u202E'),
		q('%s %n %% $1 \ '' " ; --'), "repeat('(', 20000)", q(repeat(E'\u5B57', 3000)) ],
	'name' => [ "''", $huge, "'ctid'", "'tableoid'", "'*'", "'manual'", "'no such column'",
		q('x" FROM pg_authid --'), q(repeat(E'\u5B57', 30)) ],
	'timestamp with time zone' => [ map { "'$_'::timestamptz" } 'infinity', '-infinity', '4714-11-24 00:00:00+00 BC',
		'294276-12-31 23:59:59.999999+00', 'epoch', '2024-02-29 23:59:60+14' ],
	'interval' => [ map { "'$_'::interval" } '0', '-1 microsecond', '178000000 years', '-178000000 years',
		'2147483647 days', 'infinity' ],
	'jsonb' => [ map { "'$_'::jsonb" } '{}', 'null', 'true', '1', '"x"', '[]', '[{"epochs": 1}]', '{"": null}',
		'{"epochs": 1e300}', '{"epochs": -1}',
		'{"epochs": "1"}', '{"epochs": [1]}', '{"no such option": 1}' ],
	'bytea' => [ "''::bytea", q('\x00'::bytea), q('\xffffffffffffffff'::bytea), q('\x0200000000000000'::bytea || '{}'),
		"decode(repeat('5a', 4000), 'hex')",
		map { "(SELECT $_ FROM public.blob)" } qw(sound short length header nan twice) ],
	'regclass' => [ map { "'$_'::regclass" } qw(4294967295 0 pg_catalog.pg_class pg_catalog.pg_authid public.step_index public.counter public.step
		public.failing public.unpopulated public.step_pair pg_temp.passing pg_catalog.pg_stat_activity xmcoh.model),
			q("a ""schema"""."a ""table""") ],
	'regrole' => [ map { "'$_'::regrole" } qw(4294967295 0 pg_monitor grantee pg_read_all_data) ],
	'xmcoh.object_ref' => [ map { "'$_'::xmcoh.object_ref" } 'role grantee', 'role -', 'role "-"', 'role "no such role"', 'relation public.step',
		'relation "no such"."re l."""', 'column public.step.words', 'column public.step."no such"', 'column pg_catalog.pg_class.ctid',
		'column "no"."such"."c""o l"' ],
	'internal' => [],				# not even NULL can be passed
	'anyarray' => [ "'{}'::int[]", "'{3,1,2}'::int[]", "'{1,NULL}'::int[]", "'{1,1}'::int[]", "'{{1,2},{3,4}}'::int[]",
		"'{{{{{{1}}}}}}'::int[]",
		"'[-5:-3]={3,1,2}'::int[]", "'[2147483645:2147483646]={1,2}'::int[]", "'{a,\"\",NULL}'::text[]",
			"ARRAY[$huge, '']", "'{NaN,Infinity,0,-0}'::float8[]",
		"ARRAY[(1, 'a'), (2, 'b')]", "ARRAY[(1, NULL), NULL]", "ARRAY['{}'::json, '1']", "'{\"(1,2)\"}'::point[]",
			"'1 2'::int2vector", "'1 2'::oidvector",
		"'{a,b}'::name[]", "'{1e1000,NaN}'::numeric[]", "'{\"[1,2)\",empty}'::int4range[]", "ARRAY['{}'::jsonb, '1']",
			"ARRAY[B'1', B'0']",
		"(SELECT array_agg(g) FROM generate_series(1, 3000) AS g)" ],
	'anyelement' => [ 'NULL::int', '1', "''::text", $huge, "'NaN'::float8", "'NaN'::numeric", "(1, 'a')", "(NULL, NULL)",
		"'(1,2)'::point", "'{}'::json",
		"'{}'::jsonb", "'infinity'::timestamptz", "'[1,2)'::int4range", "B'101'", q('\x00'::bytea), q('a'::"char"),
			"'pg_class'::regclass", "'a'::name", "'0'::money" ]);
push @{ $extreme{jsonb} }, "(repeat('[', 5000) || repeat(']', 5000))::jsonb",
	"(SELECT jsonb_object_agg(g, g) FROM generate_series(1, 20000) AS g)",
  "jsonb_build_object('epochs', repeat('9', 400)::numeric)", "jsonb_build_object($huge, 1)";
$extreme{anynonarray} = $extreme{anyelement};

# Arrays of a type: empty, with NULLs, of two and six dimensions, with other lower bounds, large, and with a NULL bitmap but no NULL.
sub arrays
{
	my ($type) = @_;
	my @element = values_of($type);
	my $one = $element[-1] // "NULL";
	return ("'{}'::$type\[]", "ARRAY[NULL]::$type\[]", "ARRAY[$one, NULL, $one]::$type\[]",
		"ARRAY[[$one, $one], [$one, $one]]::$type\[]",
		"ARRAY[[[[[[$one]]]]]]::$type\[]", "array_fill(($one)::$type, '{4}', '{-5}')",
			"array_fill(($one)::$type, '{20000}')",
		"array_remove(ARRAY[$one, NULL, $one]::$type\[], NULL)", "array_cat(ARRAY[$one]::$type\[], ARRAY[NULL]::$type\[])",
		map { "array_fill(($_)::$type, '{4}')" } @element);
}
sub values_of
{
	my ($type) = @_;
	return @{ $extreme{$type} //= [ $type =~ /^(.*)\[\]$/ ? arrays($1) : map { "'$_'::$type" } '', '0', '()' ] };
}

# Arguments of a valid call. Keys: function and argument name, argument name and type, argument name, or type.
my %good = (
	'attach_source relation' => "'public.other_step'", 'attach_pairs relation' => "'public.other_pair'",
	'model' => "'manuals'", 'strategy' => "'learn'", 'source' => "'public.step'", 'relation' => "'public.step'", 'documents_of' => 'NULL',
		'document text' => "'1'",
	'document name' => "'manual'", 'item name' => "'step'", 'text name' => "'words'", 'image name' => "'photo'",
		'text_embedding name' => "'embedding'",
	'position name' => "'place'", 'approved name' => "'all'", 'before name' => "'before'", 'after name' => "'after'",
		'column name' => "'step'", 'group name' => "'manual'", 'group name[]' => "'{manual}'",
	'job_id' => '2', 'version' => '1', 'evidence' => "'fused'", 'guidance' => "'soft'", 'alignment' => "'known'",
		'rounds' => '2', 'precision' => '0.9',
	'on_success' => "'keep'", 'cron' => "'0 3 * * *'", 'timezone' => "'UTC'", 'state text' => "'queued'",
		'role regrole' => "'grantee'",
	'caller' => "'grantee'::regrole::oid", 'relation text' => "'step'", 'path' => "'{documents}'::text[]",
	'new_owner' => "'grantee'", 'schedule_id' => '1', 'alert' => "'age'", 'by' => "'manual'", 'keep' => '3', 'level' => "'score'", 'position double precision' => 'g',
		'item anynonarray' => 'g',
	'image_dim' => '4', 'text_dim' => '3', 'type text' => "'text'", 'option text' => "'epochs'",
	'before text' => "'1'", 'after text' => "'2'", 'item_a' => "'1'", 'item_b' => "'2'",
	'text_embedding real[]' => "'{1,2,3}'", 'text_embedding_a' => "'{1,2,3}'", 'text_embedding_b' => "'{3,2,1}'",
		'new_name' => 'NULL',
	'text' => "'mount 3'", 'real[]' => "'{1,2,3,4}'", 'integer' => '1', 'boolean' => 'true', 'jsonb' => q('{"epochs": 2}'),
		'anyarray' => "'{2,1,3}'::int[]",
	'double precision' => '0.5', 'double precision[]' => "'{0.5,0.6,0.7}'", 'timestamp with time zone' => 'now()',
		'interval' => "'1 s'",
	'encoder text' => "'tiny'", 'kind text' => "'model'", 'may_encoder level' => "'use'", 'lock_encoder level' => "'use'",
	(map { my $f = $_; map { ("$f $_" => "(SELECT $_ FROM public.published)") } qw(weights config tokenizer modules pooling sentence) }
		'import_encoder', 'store_encoder'), 'import_encoder name' => "'new'", 'store_encoder name' => "'new'",
	'bytea' => '(SELECT sound FROM public.blob)', 'regclass[]' => "'{public.step}'", 'anynonarray' => '1',
		'anyelement' => '1', 'internal' => 'NULL');
sub good
{
	my ($f, $name, $type) = @_;
	my $value = $good{ $f->{name} =~ s/^.*\.//sr . " $name" } // $good{"$name $type"} // $good{$name} // $good{$type} // (values_of($type))[0] // 'NULL';
	return '1' if $value eq 'g' && $f->{kind} !~ /[aw]/;
	return $value =~ /^'.*'$/s && $type !~ /^any/ ? "$value\::$type" : $value;
}

# ---- the functions, and their calls ----

my @function;
for my $line (split /\n/, value(q{SET search_path = pg_catalog;
	SELECT concat_ws(E'\t', p.oid::regprocedure, quote_ident(nspname) || '.' || quote_ident(proname), prokind, proretset
		OR typtype = 'c' OR prorettype = 'record'::regtype,
			format_type(prorettype, NULL), provariadic <> 0,
			(SELECT string_agg(coalesce(proargnames[i], '') || '=' || format_type(t, NULL), ';' ORDER BY i)
				FROM unnest(all_types) WITH ORDINALITY AS a (t, i)
			 WHERE proargmodes IS NULL OR proargmodes[i] IN ('i', 'b', 'v') OR (prokind = 'p' AND proargmodes[i] = 'o')))
	FROM pg_proc AS p JOIN pg_depend AS d ON classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e'
		AND refclassid = 'pg_extension'::regclass
		JOIN pg_extension AS e ON e.oid = refobjid AND extname = 'xmcoh' JOIN pg_namespace AS n ON n.oid = pronamespace
			JOIN pg_type AS y ON y.oid = prorettype,
		LATERAL (SELECT coalesce(proallargtypes, proargtypes::oid[])) AS t (all_types)
	ORDER BY p.oid::regprocedure::text COLLATE "C"}))
{
	my %f;
	(@f{qw(signature name kind rows returns variadic)}, my $arguments) = split /\t/, $line;
	$f{arguments} = [ map { [ split /=/, $_, 2 ] } split /;/, $arguments // '' ];
	push @function, \%f;
}

srand 1;
my @call;						# [function, statement]
sub add
{
	my ($f, @values) = @_;
	my $call = "$f->{name}(" . join(', ', @values[ 0 .. $#values - 1 ], @values ? ($f->{variadic} eq 't' ? 'VARIADIC ' : '') . $values[-1] :
		()) . ')';
	my $g = 'generate_series(1, 3) AS g (g)';
	my @form =
		$f->{kind} eq 'p' ? "CALL $call" :
		$f->{kind} eq 'a' ? ("SELECT $call FROM $g", "SELECT $call FROM $g WHERE g > 3", "SELECT $call OVER () FROM $g",
			"SELECT $call FROM $g GROUP BY g % 2",
			"SELECT $call OVER (ORDER BY g ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM $g") :
		$f->{kind} eq 'w' ? ("SELECT $call OVER () FROM $g",
			"SELECT $call OVER (PARTITION BY g % 2 ORDER BY g ROWS CURRENT ROW) FROM $g", "SELECT $call FROM $g") :
		$f->{rows} eq 't' ? ("SELECT * FROM $call", "SELECT $call", "SELECT * FROM $call LIMIT 1") : "SELECT $call";
	# The first two calls of a function (valid arguments, all NULL) use every form; each later call uses the next form.
	my @chosen = $f->{calls}++ < 2 ? @form : $form[ $f->{calls} % @form ];
	push @call, map { [ $f, $_, $f->{calls} ] } @chosen;
	return;
}

for my $f (@function)
{
	my @argument = @{ $f->{arguments} };
	my @good = map { good($f, @$_) } @argument;
	my @null = map { $_->[1] =~ /^any/ ? 'NULL::' . ($_->[1] eq 'anyarray' ? 'int[]' : 'int') :
		"NULL::$_->[1]" =~ s/NULL::internal/NULL/r } @argument;
	add($f, @good);
	add($f, @null);
	next if grep { $_->[1] eq 'internal' } @argument;	# no role can call such a function
	for my $i (0 .. $#argument)
	{
		for my $value ($null[$i], values_of($argument[$i][1]))
		{
			for my $others (\@good, \@null)
			{
				my @values = @$others;
				$values[$i] = $value;
				add($f, @values);
			}
		}
	}
	# First the same value for all arguments of one type, as polymorphic arguments need equal types; then random combinations.
	my %types = map { $_->[1] => 1 } @argument;
	for my $type (grep { my $t = $_; (grep { $_->[1] eq $t } @argument) > 1 } sort keys %types)
	{
		add($f, map { my $v = $_; map { $argument[$_][1] eq $type ? $v :
			$good[$_] } 0 .. $#argument } $_) for values_of($type);
	}
	next if @argument < 2;
	for (1 .. 20)
	{
		my @any = map { my $i = $_; [ map { my @v = ($good[$i], $null[$i], values_of($argument[$i][1]));
			$v[ rand @v ] } 1 .. 3 ] } 0 .. $#argument;
		add($f, map { $_->[0] } @any);
		# A different value in each row, for arguments that are not polymorphic.
		add($f, map { $argument[$_][1] =~ /^any|^internal/ ? $good[$_] :
			sprintf 'CASE g WHEN 1 THEN (%s)::%4$s WHEN 2 THEN (%s)::%4$s ELSE (%s)::%4$s END', @{ $any[$_] },
			$argument[$_][1] }
			0 .. $#argument) if $f->{kind} =~ /[aw]/;
	}
}
cmp_ok(scalar @function, '>=', 60, 'the functions of the extension');

# ---- calling the functions ----

my %trouble;					# signature => what went wrong
my $calls = 0;

# A message can contain an argument of 1 MB. So session() prints only the SQLSTATE, and this function repeats a call whose message
# is needed. The statement timeout is longer here, for a call that timed out only because the machine was slow.
sub message
{
	my ($role, $statement) = @_;
	my ($code, $out, $err) = $node->psql('postgres',
		"CREATE TEMP TABLE passing (i int); SET statement_timeout = '$PostgreSQL::Test::Utils::timeout_default s'; BEGIN; $statement; ROLLBACK",
		extra_params => [ '-U', $role ]);
	return substr($err // '', 0, 300);
}

# Runs the calls from number $first in one session. Returns the number of the next call after a crash, or nothing at the end. If a
# role may not execute a function, only a few calls of that function are made.
sub session
{
	my ($role, $first) = @_;
	my %may = map { $_ => 1 } split /\n/, value(qq{SET search_path = pg_catalog; SELECT oid::regprocedure FROM pg_proc
		WHERE has_function_privilege('$role', oid, 'EXECUTE') AND has_schema_privilege('$role', pronamespace, 'USAGE')});
	my $script = "CREATE TEMP TABLE passing (manual int, step int, words text);\nSET statement_timeout = '10s';\nSET client_min_messages = warning;\n"
		. "\\set VERBOSITY sqlstate\n\\o /dev/null\n";
	for my $n ($first .. $#call)
	{
		my ($f, $statement, $number) = @{ $call[$n] };
		next if ($f->{crashes} // 0) > 1;		# already reported
		next if $number > 4 && !$may{ $f->{signature} };
		# The changes of a call are rolled back, except for procedures, which may end transactions themselves.
		$script .= "\\warn \@$n\n$statement" . ($f->{kind} eq 'p' ? ";\n" : "\\; ROLLBACK;\n");
	}
	$script .= "\\warn \@done\n";
	my ($out, $err) = ('', '');
	my $guard = timer(100);
	my $told = time;
	# A test that prints nothing for long counts as hung.
	my $read = sub
	{
		$err .= $_[0];
		return if time < $told + 10;
		note("$role: " . scalar(() = $err =~ /^\@/gm) . ' calls in this session');
		$told = time;
	};
	eval { run([ 'psql', '-XqAt', '-d', $node->connstr('postgres') . " user=$role" ], '<', \$script, '>', \$out, '2>',
		$read, $guard) };
	my $ended = $err =~ /^\@done$/m;
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back' if !$ended;
	my $last;
	for my $line (split /\n/, $err)
	{
		if ($line =~ /^\@(\d+)$/)
		{
			$last = $1;
			$calls++;
			$call[$last][0]{answers}++;
		}
		elsif (defined $last && $line =~ /(ERROR|WARNING|FATAL|PANIC): +(\w{5})/)
		{
			my ($kind, $state) = ($1, $2);
			next if $state eq '25P01';			# the ROLLBACK after the call
			my ($f, $statement) = @{ $call[$last] };
			if ($kind ne 'WARNING')
			{
				$f->{answers}--;
				$f->{errors}{$state}++;
			}
			next if $state !~ /^(?:57014|XX000|01000)$/;
			my $what = message($role, $statement);
			next if $state eq '57014' && ($may_wait{ $f->{signature} } || $what !~ /canceling statement/);
			next if $state eq '01000' && $what !~ /leak|alloc|corrupt|not closed|refcount/;
			next if $state eq 'XX000' && $may_be_internal{ $f->{signature} } && $what =~ $may_be_internal{ $f->{signature} };
			push @{ $trouble{ $f->{signature} } }, "$role: $statement: " . ($state eq '57014' ? 'does not end: ' :
				'') . $what;
		}
	}
	return if $ended;
	die "nothing was called as $role: $err" if !defined $last;
	my ($f, $statement) = @{ $call[$last] };
	push @{ $trouble{ $f->{signature} } }, "$role: $statement: " . ($guard->is_expired ? 'no answer at all' :
		'the server crashed');
	$f->{crashes}++;
	return $last + 1;
}

my @role = (value('SELECT current_user'), qw(grantee watcher stranger));
for my $role (@role)
{
	my $began = time;
	my $next = 0;
	$next = session($role, $next) while defined $next;
	note(sprintf '%s: %.1f s', $role, time - $began);
}
for my $f (@function)
{
	my @what = @{ $trouble{ $f->{signature} } // [] };
	is(join("\n", map { substr $_, 0, 600 } splice(@what, 0, 4)), '',
		"$f->{signature}: called " . (grep { $_->[0] == $f } @call) . ' ways');
}
for my $f (grep { !$_->{answers} } @function)
{
	note("$f->{signature} has answered nobody: " . join ', ',
		map { "$_ ($f->{errors}{$_} times)" } sort keys %{ $f->{errors} });
}
note(scalar(@function) . " functions, $calls calls as " . @role . ' roles');

# ---- EXECUTE privileges ----

my $actual = value(q{SET search_path = pg_catalog;
	SELECT string_agg(rpad(CASE WHEN everybody THEN 'all' WHEN monitor AND user_may THEN 'view' WHEN user_may
		THEN 'user' WHEN monitor THEN 'monitor' ELSE 'other' END, 6)
			|| signature, E'\n' ORDER BY signature COLLATE "C")
	FROM (SELECT p.oid::regprocedure::text AS signature, has_function_privilege('stranger', p.oid, 'EXECUTE') AS everybody,
			has_function_privilege('watcher', p.oid, 'EXECUTE') AS monitor, has_function_privilege('grantee', p.oid,
				'EXECUTE') AS user_may,
			EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a
				WHERE a.grantee <> proowner) AS anybody
		FROM pg_proc AS p JOIN pg_depend AS d ON classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e'
			JOIN pg_extension AS e ON e.oid = refobjid AND extname = 'xmcoh') AS p
	WHERE anybody});
my %wanted = map { $_ => 1 } grep { /\S/ } split /\n/, $public;
my %actual = map { $_ => 1 } split /\n/, $actual;
is(join("\n", sort grep { !$actual{$_} } keys %wanted), '', 'what is public can be executed by those whom it is for');
is(join("\n", sort grep { !$wanted{$_} } keys %actual), '', 'what is not public can be executed by nobody but its owner');

# ---- trigger functions on tables outside the extension ----

# A copy of each table of the extension, and of each view with a trigger, with the same name in another schema, and one unrelated table.
value(q{CREATE SCHEMA copies; CREATE TABLE copies.plain (i int);
DO $$ DECLARE t record; BEGIN
	FOR t IN SELECT relname, c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
		WHERE nspname IN ('xmcoh', 'xmcoh_internal') AND (relkind = 'r' OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid)) LOOP
		EXECUTE format('CREATE TABLE copies.%I (LIKE %s)', t.relname, t.oid::regclass);
		EXECUTE (SELECT format('ALTER TABLE copies.%I %s', t.relname, string_agg(format('ALTER %I DROP NOT NULL', attname),
			', '))
			FROM pg_attribute WHERE attrelid = format('copies.%I', t.relname)::regclass AND attnum > 0);
	END LOOP; END $$});
for my $f (grep { $_->{returns} eq 'trigger' } @function)
{
	my @table = split /\n/, value(qq{SELECT DISTINCT format('copies.%I', relname) FROM pg_trigger
		JOIN pg_class AS c ON c.oid = tgrelid
		WHERE tgfoid = '$f->{signature}'::regprocedure AND NOT tgisinternal UNION SELECT 'copies.plain'});
	my @state;
	for my $table (@table)
	{
		for my $when ('BEFORE INSERT', 'AFTER INSERT', 'AFTER UPDATE', 'BEFORE DELETE')
		{
			for my $each (qw(ROW STATEMENT))
			{
				my ($code, $out, $err) = $node->psql('postgres', qq{\\set VERBOSITY verbose
BEGIN;
INSERT INTO $table DEFAULT VALUES;
CREATE TRIGGER foreign_trigger $when ON $table FOR EACH $each EXECUTE FUNCTION $f->{name}();
INSERT INTO $table DEFAULT VALUES;
DO \$\$ BEGIN EXECUTE (SELECT format('UPDATE $table SET %1\$I = %1\$I', attname) FROM pg_attribute
	WHERE attrelid = '$table'::regclass AND attnum = 1); END \$\$;
DELETE FROM $table;
ROLLBACK}, on_error_stop => 1);
				my ($state) = $err =~ /ERROR: +(\w{5})/;
				push @state, "$when $each on $table: " . ($state ? $err =~ s/\n.*//sr : 'no error')
				  if ($state // '') !~ /^(?:39P01|0A000|42501|55000)$/;
			}
		}
	}
	is(join("\n", splice(@state, 0, 3)), '', "$f->{signature}: serves no table but its own");
}

my ($crash) = slurp_file($node->logfile) =~ /^(.*(?:TRAP:|PANIC:|terminated by signal).*)$/m;
is($crash, undef, 'nothing crashed');
is(value(q{SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolsuper AND oid <> 10}), '', 'nobody became a superuser');
$node->stop;
done_testing();
