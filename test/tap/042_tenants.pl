# Tests that a tenant cannot prevent schedules and jobs of other tenants from starting: by many schedules, locks, wake-ups or a full
# queue of notifications. Also tests a revoked level, a nondeterministic collation, and the extension's names after DROP EXTENSION.
use strict;
use warnings;

use File::Temp;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest qw($long $patience);

my $node = PostgreSQL::Test::Cluster->new('tenants');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'xmcoh'
max_worker_processes = 16
max_connections = 40
max_parallel_workers_per_gather = 0
fsync = off
});
$node->start;

my $quick = q('{"epochs": 1, "d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0, "bilinear_dim": 0, "evaluation_documents": 0}');

sub value { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub as
{
	my ($role, $sql, $database) = @_;
	my ($code, $out, $err) = $node->psql($database // 'postgres', $sql, extra_params => [ '-U', $role ], on_error_stop => 0);
	return $err // '';
}
# Starts a session in the background.
sub begin
{
	my ($role, $database, $sql) = @_;
	my ($file, $name) = File::Temp::tempfile(UNLINK => 1);
	print $file $sql;
	close $file;
	return IPC::Run::start([ 'psql', '-XqAt', '-f', $name, '-d', $node->connstr($database) . " user=$role" ], '>', '/dev/null');
}
sub until_true { my ($sql, $what, $database) = @_; return ok($node->poll_query_until($database // 'postgres', $sql), $what); }
my $make = q{CREATE TABLE %1$s.step AS SELECT m AS manual, s AS step, s AS place, (ARRAY['unpack', 'mount', 'connect', 'test'])[s]
		|| m %% 7 AS words FROM generate_series(1, 40) AS m, generate_series(1, 4) AS s;
	SELECT xmcoh.create_model('%1$s'), xmcoh.create_model('%1$s two');
	SELECT xmcoh.attach_source(model, '%1$s.step', 'manual', 'step', text => 'words', "position" => 'place', approved => 'all')
		FROM unnest('{%1$s,%1$s two}'::text[]) AS model};

value('CREATE ROLE mallory LOGIN; CREATE ROLE victim LOGIN; CREATE DATABASE tenant OWNER mallory');
value('CREATE DATABASE other');
for my $database (qw(postgres tenant other))
{
	value(q{CREATE EXTENSION xmcoh; SELECT xmcoh.grant_usage('mallory'), xmcoh.grant_usage('victim');
		CREATE SCHEMA mallory AUTHORIZATION mallory; CREATE SCHEMA victim AUTHORIZATION victim}, $database);
	is(as($_, sprintf($make, $_), $database), '', "$_ has models in $database") for qw(mallory victim);
}

# ---- a database whose schedules are changed all the time ----

as('mallory', q{SELECT xmcoh.schedule_training('mallory', '0 0 1 1 *')}, 'tenant');
my @flood = map { begin('mallory', 'tenant', 'DO $$ BEGIN LOOP PERFORM xmcoh.alter_schedule(1, active => true); COMMIT; END LOOP; END $$') } 1 .. 3;
my $flooding = q{FROM pg_stat_activity WHERE usename = 'mallory' AND datname = 'tenant' AND query ~ 'alter_schedule' AND state = 'active'};
until_true("SELECT count(*) = 3 $flooding", 'a tenant changes a schedule all the time');
sleep 1;
as('victim', qq{SELECT xmcoh.schedule_training('victim', '1 second', options => $quick)}, 'other');
until_true('SELECT last_job_id IS NOT NULL FROM xmcoh.schedule', 'schedules of one database run while another one wants to be visited all the time',
	'other');
is(value("SELECT count(*) $flooding"), '3', '(it still does)');
value("SELECT pg_terminate_backend(pid) $flooding");
$_->kill_kill for @flood;
value('SELECT xmcoh.unschedule_training(schedule_id) FROM xmcoh.schedule', $_) for qw(tenant other);

# ---- many schedules on a locked relation ----

is(as('mallory', qq{CREATE VIEW mallory.view AS TABLE mallory.step;
	SELECT xmcoh.detach_source('mallory', 'mallory.step');
	SELECT xmcoh.attach_source('mallory', 'mallory.view', 'manual', 'step', text => 'words', "position" => 'place', approved => 'all');
	DO \$\$ BEGIN FOR k IN 1 .. 200 LOOP PERFORM xmcoh.schedule_training('mallory', '1 second', options => $quick); END LOOP; END \$\$}), '',
	'a tenant has two hundred schedules');
my $lock = begin('mallory', 'postgres', 'BEGIN; LOCK TABLE mallory.view IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(36000);');
my $locked = q{SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'mallory.view'::regclass AND mode = 'AccessExclusiveLock' AND granted)};
until_true($locked, 'and locks the source');
sleep 2;
as('victim', qq{SELECT xmcoh.schedule_training('victim', '1 second', options => $quick)});
until_true(q{SELECT last_job_id IS NOT NULL FROM xmcoh.schedule JOIN xmcoh.model USING (model_id) WHERE name = 'victim'},
	'another tenant\'s schedule runs all the same');
my $job = value(qq{SET ROLE victim; SELECT xmcoh.train('victim two', $quick)});
until_true("SELECT state = 'succeeded' FROM xmcoh.job WHERE job_id = $job", 'and so does a job');
is(value($locked), 't', '(it is still locked)');
$lock->kill_kill;
value(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mallory'});
value('SELECT xmcoh.unschedule_training(schedule_id) FROM xmcoh.schedule');
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running', 'cancelling')})
  or die 'jobs go on';

# ---- a job that cannot be begun ----

# The definition of a view can be so large that the check of a job exceeds the time limit of the launcher's schedule worker. The test
# replaces is_defined_as by a function that sleeps. A slow machine can delay one check of any job: here the first check of the victim's.
value(q{CREATE SEQUENCE public.look; ALTER FUNCTION xmcoh_internal.is_defined_as(integer, text) RENAME TO is_really_defined_as;
	CREATE FUNCTION xmcoh_internal.is_defined_as(model_id integer, definition text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		IF model_id = 1 AND pg_backend_pid() IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'xmcoh scheduler') THEN
			PERFORM pg_sleep(36000);
		ELSIF model_id = 3 THEN
			IF pg_catalog.nextval('public.look') = 1 THEN PERFORM pg_sleep(36000); END IF;
		END IF;
		RETURN xmcoh_internal.is_really_defined_as(model_id, definition); END $$}, 'other');
value(qq{SET ROLE mallory; SELECT xmcoh.train('mallory', $quick)}, 'other');
my $slow = value(qq{SET ROLE victim; SELECT xmcoh.train('victim', $quick)}, 'other');
$job = value(qq{SET ROLE victim; SELECT xmcoh.train('victim two', $quick)}, 'other');
until_true("SELECT state = 'succeeded' FROM xmcoh.job WHERE job_id = $job", 'a job that takes for ever to look at keeps no other one from its turn',
	'other');
until_true(q{SELECT state = 'failed' AND message ~ '^not begun: ' FROM xmcoh.job WHERE model = 'mallory'}, 'and fails', 'other');
until_true("SELECT state = 'succeeded' FROM xmcoh.job WHERE job_id = $slow", 'one that takes as long once begins at the second look', 'other');

# The same holds for a schedule: a due time whose check timed out does not count as a run.
value(qq{CREATE TABLE public.written (n serial, what text);
	CREATE FUNCTION public.write() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
		INSERT INTO public.written (what) VALUES (concat(NEW.message, ', run ', NEW.last_run_at IS NOT NULL)); RETURN NULL; END \$\$;
	CREATE TRIGGER write AFTER UPDATE ON xmcoh.schedule FOR EACH ROW EXECUTE FUNCTION public.write();
	SELECT setval('public.look', 1, false), xmcoh.schedule_training('victim', '1 second', options => $quick)}, 'other');
until_true('SELECT last_job_id IS NOT NULL FROM xmcoh.schedule', 'a schedule that takes as long once runs', 'other');
is(value('SELECT what FROM public.written ORDER BY n LIMIT 1', 'other'), 'canceling statement due to statement timeout, run f', 'for the time when it came due');
value('DROP TRIGGER write ON xmcoh.schedule; SELECT xmcoh.unschedule_training(schedule_id) FROM xmcoh.schedule', 'other');
until_true("SELECT count(*) = 0 FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running', 'cancelling')", '(nothing runs)', 'other');

# ---- the queue of notifications ----

for my $full (0, 1)
{
	value('SET allow_system_table_mods = on; CREATE OR REPLACE FUNCTION pg_catalog.pg_notification_queue_usage() RETURNS float8
		LANGUAGE sql VOLATILE STRICT PARALLEL RESTRICTED AS $$ SELECT 0.9::float8 $$', 'other') if $full;
	my ($code, $out) = $node->psql('other', qq{LISTEN xmcoh;
SET ROLE victim;
SELECT xmcoh.train('victim two', $quick) AS job \\gset
CALL xmcoh.wait_for_job(:job, '180 s');
SELECT 1;
});
	like($out, qr/^succeeded/m, 'a job succeeds' . ($full ? ' while the queue of notifications is nearly full' : ''));
	my $told = () = $out =~ /Asynchronous notification "xmcoh"/g;
	ok($full ? $told == 0 : $told > 1, $full ? 'and puts nothing into it' : 'and says so');
}

# ---- a revoked level ----

value(q{SELECT xmcoh.grant_model('victim', 'mallory', 'train'), xmcoh.schedule_training('victim', '0 0 1 1 *')});
my $revoke = q{psql -XqAt -d '} . $node->connstr('postgres') . q{' -c "SELECT xmcoh.revoke_model('victim', 'mallory')"};
like(as('mallory', qq{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM xmcoh.model;
\\! $revoke
SELECT xmcoh.unschedule_training('victim'); COMMIT}), qr/permission denied for model/, 'who has lost a level does nothing by it, whatever his snapshot sees');
is(value('SELECT count(*) FROM xmcoh.schedule'), 1, 'the schedule is there');

# ---- a nondeterministic collation ----

SKIP:
{
	skip 'no ICU', 2 if value(q{SELECT count(*) FROM pg_collation WHERE collprovider = 'i'}) == 0;
	is(as('mallory', q{CREATE COLLATION mallory.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		SELECT xmcoh.create_model('Mallory')}), '', 'a collation that takes names for others');
	like(as('mallory', q{SELECT xmcoh.drop_model('MALLORY' COLLATE mallory.ci)}), qr/model "MALLORY" does not exist/,
		'names no other model');
}

# ---- names of the extension after DROP EXTENSION ----

$job = value(qq{SET ROLE victim; SELECT xmcoh.train('victim two', $long)}, 'tenant');
ok($node->poll_query_until('tenant', "SELECT state = 'running' AND done > 0 FROM xmcoh.job WHERE job_id = $job"), 'a job runs');
my $pid = value("SELECT worker_pid FROM xmcoh.job WHERE job_id = $job", 'tenant');
value(qq{SET lock_timeout = '$patience s'; BEGIN; DROP EXTENSION xmcoh; DROP SCHEMA IF EXISTS xmcoh CASCADE; SET ROLE mallory; CREATE SCHEMA xmcoh;
	CREATE TABLE xmcoh.model (); CREATE TABLE xmcoh.training_metric (job_id int, round int, phase text, modality text, epoch int,
		metric text, value float8, PRIMARY KEY (job_id, round, phase, epoch, metric));
	CREATE TABLE xmcoh.job_record (job_id int, state text, phase text, epoch int, epochs int, done bigint, total bigint,
		train_loss float8, held_out_loss float8, held_out_tau float8, round int, done_before bigint, attempts int);
	INSERT INTO xmcoh.job_record (job_id, state) VALUES ($job, 'running');
	CREATE FUNCTION mallory.later() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE LOG 'evil trigger ran as %', current_user;
		RETURN NULL; END \$\$;
	CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON xmcoh.job_record DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		EXECUTE FUNCTION mallory.later(); COMMIT}, 'tenant');
my $end = time + $patience;
sleep 0.2 while kill(0, $pid) && time < $end && slurp_file($node->logfile) !~ /evil trigger ran as \w/;	# \w: the log also has the statement, with %
ok(!kill(0, $pid), 'a worker ends whose extension has gone');
is(slurp_file($node->logfile) =~ /(evil trigger ran as \w+)/ ? $1 : '', '', 'a worker of then writes to no tables of those names');

my ($crash) = slurp_file($node->logfile) =~ /^(.*(?:TRAP:|PANIC:|terminated by signal).*)$/m;
is($crash, undef, 'nothing crashed');
$node->stop('immediate');
done_testing();
