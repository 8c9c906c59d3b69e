# Shared by the tests of dumps and upgrades: creates a database with models of several owners and with sources of every kind, and
# compares a copy with that database.
package XmcohDumps;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_server fill state after_restore differences);

# Starts a server, on request with the launcher, which schedules need, and of another installation of PostgreSQL.
sub new_server
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, $params{install_path} ? (install_path => $params{install_path}) : ());
	$node->init;
	$node->append_conf('postgresql.conf', qq{
max_worker_processes = 8
max_parallel_workers_per_gather = 0
fsync = off
timezone = 'UTC'
} . ($params{launcher} ? "shared_preload_libraries = 'xmcoh'\n" : ''));
	# Set the OID that the next object gets.
	$node->command_ok([ 'pg_resetwal', '-o', $params{next_oid}, $node->data_dir ], "$name: the next OID is set") if $params{next_oid};
	$node->start;
	return $node;
}

my $options = q('{"d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 10, "bag_dim": 0, "epochs": 3, "align_dim": 16, "held_out": 0.2, "evaluation_documents": 0}');
# With the evaluation, so that dumps hold its figures.
my $evaluated = $options =~ s/"evaluation_documents": 0/"folds": 3/r;

# Waits until a job ends. The final state of the job must be $state.
sub finish
{
	my ($node, $job, $state) = @_;
	my $end = $node->safe_psql('postgres', "CALL xmcoh.wait_for_job($job, '180 s')");
	die "job $job ended $end: " . $node->safe_psql('postgres', "SELECT message FROM xmcoh.job WHERE job_id = $job") if $end ne $state;
}

# Trains as a role. Returns the number of the job.
sub train
{
	my ($node, $role, $arguments) = @_;
	return $node->safe_psql('postgres', qq{SET ROLE $role; SELECT xmcoh.train($arguments)});
}

# Creates roles, sources and models. `manuals` (of the superuser): a table, approved pairs, versions, a rollback, an interrupted job and a
# schedule. `photos` (of alice): texts, photos in a separate relation, and a relation of pairs. `Ärgernis "1"` (of a role whose name needs
# quotes): a view whose schema and columns need quotes, and a schedule. `sums`: a materialized view that a dump creates after all data.
# `broken`: a failed job. `gone`: its owner is a dropped role. `imported`: no source.
sub fill
{
	my ($node) = @_;

	$node->safe_psql('postgres', qq{
CREATE ROLE alice LOGIN;
CREATE ROLE carol LOGIN;
CREATE ROLE "Team Ärger";
CREATE EXTENSION xmcoh;
SELECT xmcoh.grant_usage(role) FROM unnest('{alice,carol,"\\"Team Ärger\\""}'::regrole[]) AS role;

CREATE FUNCTION words(place int, subject int) RETURNS text LANGUAGE sql IMMUTABLE AS
	\$\$ SELECT (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[place] || ' part ' || subject % 7 \$\$;
CREATE TABLE work_step AS SELECT m AS manual, s AS step, s AS place, words(s, m) AS instruction
	FROM generate_series(1, 40) AS m, generate_series(1, 5) AS s;
SELECT xmcoh.create_model('manuals', options => $options);
SELECT xmcoh.attach_source('manuals', 'work_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');
INSERT INTO xmcoh.approved_pair (model_id, document, before, after)
	SELECT model_id, '7', '1', s::text FROM xmcoh.model, generate_series(2, 5) AS s WHERE name = 'manuals';
-- A later release has decisions: of all kinds, one of them withdrawn.
DO \$\$
BEGIN
	IF to_regclass('xmcoh.decision') IS NOT NULL THEN
		PERFORM xmcoh.approve_order('manuals', '8', note => 'as "built"'), xmcoh.decide('manuals', '8', '2', '3', 'either'),
			xmcoh.decide('manuals', '9', '5', '1', 'after'), xmcoh.decide('manuals', '9', '2', '3', 'skip');
		PERFORM xmcoh.withdraw(xmcoh.approve('manuals', '9', '2', '3'));
	END IF;
END \$\$;

-- Everything that depends on a primary key is made after the data.
CREATE TABLE part (part int PRIMARY KEY, name text);
INSERT INTO part SELECT p, words(1 + p % 5, p) FROM generate_series(1, 200) AS p;
CREATE MATERIALIZED VIEW part_sum AS SELECT part, part / 5 AS kit, 1 + part % 5 AS place, name FROM part GROUP BY part;
SELECT xmcoh.create_model('sums', options => $options);
SELECT xmcoh.attach_source('sums', 'part_sum', 'kit', 'part', text => 'name', "position" => 'place', approved => 'all');

CREATE VIEW broken_step AS SELECT manual, step, place, (1 / (manual - 30))::text AS instruction FROM work_step;
SELECT xmcoh.create_model('broken', options => $options);
SELECT xmcoh.attach_source('broken', 'broken_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');

CREATE SCHEMA alice AUTHORIZATION alice;
SET ROLE alice;
CREATE TABLE alice.step AS SELECT m AS manual, 's' || s AS item, public.words(s, m) AS words, s::float8 AS place, m % 5 > 0 AS ok,
	m % 13 AS "Line, 1", m % 2 AS half,
	CASE WHEN m <= 30 THEN (SELECT array_agg((k = s)::int + (m * 31 + s * 17) % 13 * 0.02 ORDER BY k)::real[] FROM generate_series(1, 8) AS k) END AS picture
	FROM generate_series(1, 50) AS m, generate_series(1, 5) AS s;
CREATE TABLE alice.photo AS SELECT m AS manual, 'p' || s AS item, s::float8 AS place, true AS ok,
	(SELECT array_agg((k = s)::int + (m * 31 + s * 17) % 13 * 0.02 ORDER BY k)::real[] FROM generate_series(1, 8) AS k) AS picture
	FROM generate_series(31, 50) AS m, generate_series(1, 5) AS s;
CREATE TABLE alice.pair AS SELECT m AS manual, 's1' AS first, 's2' AS second FROM generate_series(5, 45, 5) AS m;
SELECT xmcoh.create_model('photos', image_dim => 8, options => $evaluated);
SELECT xmcoh.attach_source('photos', 'alice.step', 'manual', 'item', text => 'words', image => 'picture', "position" => 'place', approved => 'ok',
	"group" => ARRAY['Line, 1', 'half']);
SELECT xmcoh.attach_source('photos', 'alice.photo', 'manual', 'item', image => 'picture', "position" => 'place', approved => 'ok',
	documents_of => 'alice.step');
SELECT xmcoh.attach_pairs('photos', 'alice.pair', 'manual', 'first', 'second');
RESET ROLE;

CREATE SCHEMA "Werk; ""Süd""" AUTHORIZATION "Team Ärger";
GRANT SELECT ON work_step TO "Team Ärger";
SET ROLE "Team Ärger";
CREATE VIEW "Werk; ""Süd"""."Schritte.1" AS SELECT manual AS "Anleitung", step AS "Nr. ""1""", place AS "role -", instruction AS "select"
	FROM public.work_step WHERE manual > 10;
SELECT xmcoh.create_model('Ärgernis "1"', options => $options);
SELECT xmcoh.attach_source('Ärgernis "1"', '"Werk; ""Süd"""."Schritte.1"', 'Anleitung', 'Nr. "1"', text => 'select', "position" => 'role -',
	approved => 'all');
RESET ROLE;

CREATE TABLE carol_step AS SELECT * FROM work_step;
ALTER TABLE carol_step OWNER TO carol;
SET ROLE carol;
SELECT xmcoh.create_model('gone', options => $options);
SELECT xmcoh.attach_source('gone', 'carol_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');
});

	# Three versions that differ.
	finish($node, train($node, 'postgres', q('manuals')), 'succeeded');
	finish($node, train($node, 'postgres', q('manuals', '{"seed": 2}', unlabelled => '{work_step}')), 'succeeded');
	finish($node, train($node, 'postgres', q('manuals', '{"seed": 3}', on_success => 'keep')), 'succeeded');
	my $long = train($node, 'postgres', q('manuals', '{"epochs": 10000, "patience": 10000, "d_model": 256, "layers": 2, "bag_dim": 64, "bag_documents": 0}'));
	my $model = q('Ärgernis "1"');
	my @jobs = (train($node, 'postgres', q('sums')), train($node, 'alice', q('photos')), train($node, 'carol', q('gone')),
		train($node, '"Team Ärger"', qq($model, unlabelled => '{"\\"Werk; \\"\\"Süd\\"\\"\\".\\"Schritte.1\\""}')));
	finish($node, train($node, 'postgres', q('broken')), 'failed');
	finish($node, $_, 'succeeded') for @jobs;
	$node->poll_query_until('postgres', "SELECT state = 'running' AND done > 0 FROM xmcoh.job WHERE job_id = $long") or die 'no worker';
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(worker_pid) FROM xmcoh.job WHERE job_id = $long");
	finish($node, $long, 'interrupted');
	$node->safe_psql('postgres', qq{
SELECT xmcoh.deploy('manuals', 3);
SELECT xmcoh.rollback('manuals');
SELECT xmcoh.deploy('imported', xmcoh.import_model('imported', xmcoh.export_model('manuals', 3)));
SELECT xmcoh.schedule_training('manuals', '\@yearly', 'Asia/Tokyo', '{"epochs": 4}', 'keep', '{work_step}');
SET ROLE "Team Ärger";
SELECT xmcoh.schedule_training('Ärgernis "1"', '0 3 1 1 *', unlabelled => '{"\\"Werk; \\"\\"Süd\\"\\"\\".\\"Schritte.1\\""}');
RESET ROLE;
-- A later release takes snapshots, has limits of alerts, and schedules of snapshots.
DO \$\$
BEGIN
	IF to_regclass('xmcoh.quality_snapshot') IS NOT NULL THEN
		PERFORM xmcoh.snapshot_quality('manuals'), xmcoh.set_alert_limit('manuals', 'age', 1000), xmcoh.set_alert_limit('manuals', 'unknown_words', 0),
			xmcoh.schedule_snapshot('manuals', '\@yearly', 'Asia/Tokyo', keep => 7);
	END IF;
END \$\$;
-- Two reviewers, who disagree about one of three pairs.
SET ROLE alice;
SELECT xmcoh.decide('photos', document, 's3', 's4', 'before') FROM unnest('{10,15,20}'::text[]) AS document;
RESET ROLE;
SELECT xmcoh.decide('photos', document, 's3', 's4', 'before') FROM unnest('{10,15}'::text[]) AS document;
SELECT xmcoh.withdraw(decision_id) FROM xmcoh.decision WHERE document = '20';
SELECT xmcoh.decide('photos', '20', 's3', 's4', 'after');
REASSIGN OWNED BY carol TO postgres;
DROP OWNED BY carol;
DROP ROLE carol;
-- A later release lets an owner give others a part in a model.
DO \$\$
BEGIN
	IF EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'xmcoh'::regnamespace AND proname = 'grant_model') THEN
		PERFORM xmcoh.grant_model('manuals', 'alice', 'score');
	END IF;
END \$\$;
-- A later release enforces orders. Manual 60 contradicts an approved pair: that is on record, and would be an error now.
INSERT INTO alice.pair VALUES (60, 's1', 's2');
INSERT INTO alice.step (manual, item, words, place, ok) VALUES (60, 's1', 'mount part 1', 2, false), (60, 's2', 'unpack part 1', 1, false);
SET ROLE alice;
DO \$\$
BEGIN
	IF EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'xmcoh'::regnamespace AND proname = 'enforce_order') THEN
		PERFORM xmcoh.enforce_order('photos', 'alice.step', 'record');
		UPDATE alice.step SET words = words || '.' WHERE manual = 60;
		SET CONSTRAINTS ALL IMMEDIATE;
		PERFORM xmcoh.enforce_order('photos', 'alice.step');
	END IF;
END \$\$;
RESET ROLE;
});
}

# Returns the state of a database as a hash: the contents of each table (except checkpoints and claims, which are not dumped) and sequence; the row
# count of each view; whether the sources of schedules are unchanged; the owner, the deployed version and a hash of all scores (or the
# error) of each model; and the models that each role sees.
sub state
{
	my ($node, $database) = @_;
	my ($code, $lines, $err) = $node->psql($database, q{
SET client_min_messages = error;
SET search_path = '';
SET extra_float_digits = 3;
CREATE FUNCTION pg_temp.answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE query INTO result;
	RETURN coalesce(result, 'nothing');
EXCEPTION WHEN OTHERS THEN
	RETURN 'error: ' || SQLERRM;
END $$;
CREATE FUNCTION pg_temp.seen_by(role text) RETURNS text LANGUAGE plpgsql SET role = 'none' AS $$
BEGIN
	EXECUTE pg_catalog.format('SET ROLE %I', role);
	RETURN (SELECT string_agg(model, ', ' ORDER BY model COLLATE "C") FROM xmcoh.model_overview);
EXCEPTION WHEN OTHERS THEN
	RETURN 'error: ' || SQLERRM;
END $$;
SELECT 'table ' || c.relname || '=' || pg_temp.answer(format(
		'SELECT count(*) || '' '' || md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C")) FROM %s AS t', c.oid::regclass))
	FROM pg_class AS c WHERE relnamespace = 'xmcoh'::regnamespace AND relkind = 'r' AND relname NOT IN ('job_checkpoint', 'review_claim_record', 'document_state_source', 'document_state_record', 'alert_state');
SELECT 'sequence ' || c.relname || '=' || pg_temp.answer(format('SELECT last_value || '' '' || is_called FROM %s', c.oid::regclass))
	FROM pg_class AS c WHERE relnamespace = 'xmcoh'::regnamespace AND relkind = 'S';
SELECT 'view ' || c.relname || '=' || pg_temp.answer(format('SELECT count(*) || '' rows'' FROM %s', c.oid::regclass))
	FROM pg_class AS c WHERE relnamespace = 'xmcoh'::regnamespace AND relkind = 'v' AND relname NOT IN ('claim_in_force', 'review_claim');
SELECT 'defined as scheduled ' || schedule_id || '=' || pg_temp.answer(format(
		'SELECT xmcoh_internal.is_defined_as(model_id, source_definition) FROM xmcoh.schedule WHERE schedule_id = %s', schedule_id))
	FROM xmcoh.schedule AS s WHERE to_jsonb(s) ? 'source_definition';
SELECT 'problem ' || (to_jsonb(s) ->> 'relation') || '=' || (to_jsonb(s) ->> 'problem') FROM xmcoh.source AS s WHERE to_jsonb(s) ->> 'problem' IS NOT NULL;
SELECT 'owner ' || model || '=' || regexp_replace(owner::text, '^role ', '') FROM xmcoh.model_overview;
SELECT 'deployed ' || model || '=' || coalesce(deployed_version::text, 'none') FROM xmcoh.model_overview;
SELECT what || ' ' || model || '=' || pg_temp.answer(format(
		'WITH d AS (SELECT document, min(item COLLATE "C") AS a, max(item COLLATE "C") AS b FROM xmcoh.order_documents(%1$L) GROUP BY 1)
			SELECT count(*) || '' '' || md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C")) FROM (SELECT ' || query || ') AS t', model))
	FROM xmcoh.model_overview, (VALUES
		('orders', '* FROM xmcoh.order_documents(%1$L)'),
		('pairs', 'p.* FROM d, xmcoh.pair_scores(%1$L, d.document) AS p'),
		('check', '* FROM xmcoh.check_documents(%1$L)'),
		('alignment', 'p.* FROM d, xmcoh.alignment(%1$L, d.document) AS p'),
		('explain', 'd.document, p.* FROM d, xmcoh.explain(%1$L, d.document, a, b) AS p WHERE a <> b'),
		('sentences', 'd.document, p.* FROM d, xmcoh.explain_document(%1$L, d.document) AS p'),
		('vocabulary', '* FROM xmcoh.model_words(%1$L)'),
		('steps', '* FROM xmcoh.missing_steps(%1$L, documents => ARRAY(SELECT document FROM d))'),
		('photos', '* FROM xmcoh.missing_photos(%1$L, documents => ARRAY(SELECT document FROM d))'),
		('queue', '* FROM xmcoh.review_queue(%1$L, 50)'),
		('agreement', '* FROM xmcoh.review_agreement(%1$L)'),
		('evaluate', '* FROM xmcoh.evaluate(%1$L)')) AS q (what, query)
	WHERE model = 'photos' OR what NOT IN ('alignment', 'photos');
SELECT 'words ' || model || '=' || pg_temp.answer(format(
		'SELECT md5(string_agg(xmcoh.precedes(%L, a, NULL, b, NULL)::text, '' '' ORDER BY a COLLATE "C", b COLLATE "C"))
			FROM unnest(''{unpack,mount part 3,connect,test part 1,clean}''::text[]) AS a, unnest(''{unpack part 2,test,clean part 6}''::text[]) AS b',
		model))
	FROM xmcoh.model_overview;
SELECT 'seen by ' || rolname || '=' || coalesce(pg_temp.seen_by(rolname), 'nothing') FROM pg_roles WHERE rolname !~ '^(pg_|xmcoh|postgres$)';
}, on_error_stop => 1);
	return { error => $err } if $code != 0;
	my %state;
	for my $line (split /\n/, $lines)
	{
		my ($key, $value) = $line =~ /^(.*?)=(.*)$/ or die $line;
		$state{$key} = $value;
	}
	return \%state;
}

# Returns the differences of two states, one line each. Keys that match the pattern are ignored.
sub differences
{
	my ($got, $wanted, $passed_over) = @_;
	my %all = (%$got, %$wanted);
	my @lines;
	for my $key (sort keys %all)
	{
		next if defined $passed_over && $key =~ $passed_over;
		my ($g, $w) = ($got->{$key} // 'missing', $wanted->{$key} // 'missing');
		push @lines, "$key: $g instead of $w" if $g ne $w;
	}
	return @lines;
}

# Checks that new rows do not conflict with restored ones, that a rollback to the earlier deployment works, and, on request, that a
# model can be trained. Returns the first failure, or an empty string.
sub after_restore
{
	my ($node, $database, %params) = @_;
	my ($code, $out, $err) = $node->psql($database, q{
SELECT xmcoh.create_model('after the restore');
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, 'new', '1', '2' FROM xmcoh.model WHERE name = 'manuals';
SELECT xmcoh.withdraw(xmcoh.approve('manuals', '10', '1', '2'));
SELECT xmcoh.stale_approval('manuals');
DO $$
BEGIN
	IF xmcoh.rollback('manuals') <> 1 THEN
		RAISE 'rolled back to another version than 1';
	END IF;
	PERFORM xmcoh.deploy('manuals', 2);
END $$});
	return $err if $code != 0;
	if ($params{train})
	{
		($code, $out, $err) = $node->psql($database, q{SELECT xmcoh.train('manuals', '{"seed": 4}')});
		return $err if $code != 0;
		my $job = $out;
		$out = $node->safe_psql($database, "CALL xmcoh.wait_for_job($job, '180 s')");
		return "job $job: $out: " . $node->safe_psql($database, "SELECT message FROM xmcoh.job WHERE job_id = $job") if $out ne 'succeeded';
		return 'not version 4' if $node->safe_psql($database, "SELECT version FROM xmcoh.job WHERE job_id = $job") != 4;
	}
	return '';
}

1;
