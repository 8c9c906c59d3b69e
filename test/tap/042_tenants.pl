# What one tenant does to others: whose schedules and jobs must start all the same, however many he has, whatever he locks, wakes or
# fills; and what a level that was taken back, a collation or the extension's names still do for him.
use strict;
use warnings;

use File::Temp;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest qw($long);

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

my $quick = q('{"epochs": 1, "d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0, "bilinear_dim": 0}');

sub value { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub as
{
	my ($role, $sql, $database) = @_;
	my ($code, $out, $err) = $node->psql($database // 'postgres', $sql, extra_params => [ '-U', $role ], on_error_stop => 0);
	return $err // '';
}
# A session that goes on by itself.
sub begin
{
	my ($role, $database, $sql) = @_;
	my ($file, $name) = File::Temp::tempfile(UNLINK => 1);
	print $file $sql;
	close $file;
	return IPC::Run::start([ 'psql', '-XqAt', '-f', $name, '-d', $node->connstr($database) . " user=$role" ], '>', '/dev/null');
}
sub seconds_until
{
	my ($limit, $sql, $database) = @_;
	my $began = time;
	sleep 0.2 while value($sql, $database) ne 't' && time < $began + $limit;
	return time - $began;
}
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

# ---- a database that is changed all the time ----

as('mallory', q{SELECT xmcoh.schedule_training('mallory', '0 0 1 1 *')}, 'tenant');
my @flood = map { begin('mallory', 'tenant', "SELECT xmcoh.alter_schedule(1, active => true);\n" x 40000) } 1 .. 3;
cmp_ok(seconds_until(20, q{SELECT count(*) = 3 FROM pg_stat_activity WHERE usename = 'mallory' AND datname = 'tenant' AND query ~ 'alter_schedule'}),
	'<', 20, 'a tenant changes a schedule all the time');
sleep 1;
as('victim', qq{SELECT xmcoh.schedule_training('victim', '1 second', options => $quick)}, 'other');
cmp_ok(seconds_until(25, 'SELECT last_job_id IS NOT NULL FROM xmcoh.schedule', 'other'), '<', 25,
	'schedules of one database run while another one wants to be visited all the time');
is(value(q{SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'mallory' AND datname = 'tenant'}), 't', '(it still does)');
$_->kill_kill for @flood;
value('SELECT xmcoh.unschedule_training(schedule_id) FROM xmcoh.schedule', $_) for qw(tenant other);

# ---- many schedules on a relation that is locked ----

is(as('mallory', qq{CREATE VIEW mallory.view AS TABLE mallory.step;
	SELECT xmcoh.detach_source('mallory', 'mallory.step');
	SELECT xmcoh.attach_source('mallory', 'mallory.view', 'manual', 'step', text => 'words', "position" => 'place', approved => 'all');
	DO \$\$ BEGIN FOR k IN 1 .. 200 LOOP PERFORM xmcoh.schedule_training('mallory', '1 second', options => $quick); END LOOP; END \$\$}), '',
	'a tenant has two hundred schedules');
my $lock = begin('mallory', 'postgres', 'BEGIN; LOCK TABLE mallory.view IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(300);');
cmp_ok(seconds_until(10, q{SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'mallory.view'::regclass AND mode = 'AccessExclusiveLock'
	AND granted)}), '<', 10, 'and locks the source');
sleep 2;
as('victim', qq{SELECT xmcoh.schedule_training('victim', '1 second', options => $quick)});
cmp_ok(seconds_until(40, q{SELECT last_job_id IS NOT NULL FROM xmcoh.schedule JOIN xmcoh.model USING (model_id) WHERE name = 'victim'}), '<', 40,
	'another tenant\'s schedule runs all the same');
my $job = value(qq{SET ROLE victim; SELECT xmcoh.train('victim two', $quick)});
cmp_ok(seconds_until(40, "SELECT state = 'succeeded' FROM xmcoh.job WHERE job_id = $job"), '<', 40, 'and so does a job');
$lock->kill_kill;
value(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mallory'});
value('SELECT xmcoh.unschedule_training(schedule_id) FROM xmcoh.schedule');
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running', 'cancelling')});

# ---- a job that cannot be begun ----

# A view whose text takes longer than a schedule worker has for one job: who may look at it is not kept from that, so a function stands for it.
value(q{ALTER FUNCTION xmcoh_internal.is_defined_as(integer, text) RENAME TO is_really_defined_as;
	CREATE FUNCTION xmcoh_internal.is_defined_as(model_id integer, definition text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		IF model_id = 1 AND pg_backend_pid() IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'xmcoh scheduler') THEN
			PERFORM pg_sleep(100); END IF;
		RETURN xmcoh_internal.is_really_defined_as(model_id, definition); END $$}, 'other');
value(qq{SET ROLE mallory; SELECT xmcoh.train('mallory', $quick)}, 'other');
$job = value(qq{SET ROLE victim; SELECT xmcoh.train('victim two', $quick)}, 'other');
cmp_ok(seconds_until(40, "SELECT state = 'succeeded' FROM xmcoh.job WHERE job_id = $job", 'other'), '<', 40,
	'a job that takes for ever to look at keeps no other one from its turn');
like(value(q{SELECT concat(state, ' ', message) FROM xmcoh.job WHERE model = 'mallory'}, 'other'), qr/^failed not begun: /, 'and fails');

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

# ---- a level that was taken back ----

value(q{SELECT xmcoh.grant_model('victim', 'mallory', 'train'), xmcoh.schedule_training('victim', '0 0 1 1 *')});
my $revoke = q{psql -XqAt -d '} . $node->connstr('postgres') . q{' -c "SELECT xmcoh.revoke_model('victim', 'mallory')"};
like(as('mallory', qq{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM xmcoh.model;
\\! $revoke
SELECT xmcoh.unschedule_training('victim'); COMMIT}), qr/permission denied for model/, 'who has lost a level does nothing by it, whatever his snapshot sees');
is(value('SELECT count(*) FROM xmcoh.schedule'), 1, 'the schedule is there');

# ---- another collation ----

SKIP:
{
	skip 'no ICU', 2 if value(q{SELECT count(*) FROM pg_collation WHERE collprovider = 'i'}) == 0;
	is(as('mallory', q{CREATE COLLATION mallory.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		SELECT xmcoh.create_model('Mallory')}), '', 'a collation that takes names for others');
	like(as('mallory', q{SELECT xmcoh.drop_model('MALLORY' COLLATE mallory.ci)}), qr/model "MALLORY" does not exist/,
		'names no other model');
}

# ---- names of the extension after it has gone ----

$job = value(qq{SET ROLE victim; SELECT xmcoh.train('victim two', $long)}, 'tenant');
ok($node->poll_query_until('tenant', "SELECT state = 'running' AND done > 0 FROM xmcoh.job WHERE job_id = $job"), 'a job runs');
my $pid = value("SELECT worker_pid FROM xmcoh.job WHERE job_id = $job", 'tenant');
value(qq{SET lock_timeout = '20 s'; BEGIN; DROP EXTENSION xmcoh; DROP SCHEMA IF EXISTS xmcoh CASCADE; SET ROLE mallory; CREATE SCHEMA xmcoh;
	CREATE TABLE xmcoh.model (); CREATE TABLE xmcoh.training_metric (job_id int, round int, phase text, modality text, epoch int,
		metric text, value float8, PRIMARY KEY (job_id, round, phase, epoch, metric));
	CREATE TABLE xmcoh.job_record (job_id int, state text, phase text, epoch int, epochs int, done bigint, total bigint,
		train_loss float8, held_out_loss float8, held_out_tau float8, round int, done_before bigint, attempts int);
	INSERT INTO xmcoh.job_record (job_id, state) VALUES ($job, 'running');
	CREATE FUNCTION mallory.later() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE LOG 'evil trigger ran as %', current_user;
		RETURN NULL; END \$\$;
	CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON xmcoh.job_record DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		EXECUTE FUNCTION mallory.later(); COMMIT}, 'tenant');
my $end = time + 20;
sleep 0.2 while kill(0, $pid) && time < $end && slurp_file($node->logfile) !~ /evil trigger ran/;
is(slurp_file($node->logfile) =~ /(evil trigger ran as \w+)/ ? $1 : '', '', 'a worker of then writes to no tables of those names');

my ($crash) = slurp_file($node->logfile) =~ /^(.*(?:TRAP:|PANIC:|terminated by signal).*)$/m;
is($crash, undef, 'nothing crashed');
$node->stop('immediate');
done_testing();
