# Tests the launcher after a stop or a crash of the server, on a standby, and in copied databases.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest qw($long kill_worker new_standby until_dropped);

my $node = PostgreSQL::Test::Cluster->new('restart');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'xmcoh'
max_worker_processes = 12
max_parallel_workers_per_gather = 0
restart_after_crash = on
fsync = off
});
$node->start;

my $quick = q('{"epochs": 1, "d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0, "evaluation_documents": 0}');
$node->safe_psql('postgres', q{
CREATE EXTENSION xmcoh;
CREATE TABLE step AS SELECT m AS manual, s AS step, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || m % 7 AS words
	FROM generate_series(1, 100) AS m, generate_series(1, 5) AS s;
SELECT xmcoh.attach_source(name, 'step', 'manual', 'step', text => 'words', "position" => 'step', approved => 'all')
	FROM unnest('{a,b,c}'::text[]) AS name, xmcoh.create_model(name)});

sub value { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub until_true { my ($query, $what, $database) = @_; return ok($node->poll_query_until($database // 'postgres', $query), $what); }
sub row { my ($job, $column) = @_; return value("SELECT $column FROM xmcoh.job_record WHERE job_id = $job"); }
sub runs_again
{
	my ($what, $database) = @_;
	my $last = value('SELECT last_run_at FROM xmcoh.schedule WHERE schedule_id = 1', $database);
	return until_true("SELECT last_run_at > '$last' FROM xmcoh.schedule WHERE schedule_id = 1", $what, $database);
}
sub train_long
{
	my ($model) = @_;
	my $job = value("SELECT xmcoh.train('$model', $long)");
	$node->poll_query_until('postgres', "SELECT state = 'running' AND done > 0 FROM xmcoh.job WHERE job_id = $job") or die "job $job does not begin";
	return $job;
}

# Where xmcoh.resume_job exists, the launcher resumes interrupted jobs.
my $resumed = value("SELECT to_regprocedure('xmcoh.resume_job(integer)') IS NOT NULL") eq 't';
sub taken_up
{
	my ($job, $what) = @_;
	until_true($resumed ? "SELECT state = 'running' FROM xmcoh.job WHERE job_id = $job" :
		"SELECT state = 'interrupted' AND message = 'worker died (crash or termination)' FROM xmcoh.job_record WHERE job_id = $job", $what);
	value("SELECT xmcoh.cancel_job($job)");
	value("CALL xmcoh.wait_for_job($job, '180 s')");
	return;
}

# ---- a trap: a database whose schema xmcoh is not the extension's ----

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE DATABASE bait OWNER mallory');
$node->safe_psql('bait', q{
CREATE SCHEMA xmcoh;
CREATE FUNCTION xmcoh.trap() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'trapped %', current_user; RETURN 1; END $$;
CREATE FUNCTION xmcoh.reconcile_job(int) RETURNS boolean LANGUAGE sql AS 'SELECT xmcoh.trap() = 1';
CREATE VIEW xmcoh.job_record AS SELECT xmcoh.trap() AS job_id, 'running' AS state;
CREATE TABLE xmcoh.model AS SELECT 1 AS model_id, 'm' AS name;
CREATE VIEW xmcoh.schedule AS SELECT xmcoh.trap() AS schedule_id, 1 AS model_id, '1 second' AS cron, 'UTC' AS timezone, true AS active,
	now() AS created_at, now() AS last_run_at}, extra_params => [ '-U', 'mallory' ]);

# ---- the server stops ----

is(value("SELECT xmcoh.schedule_training('a', '1 second', options => $quick)"), 1, 'schedule 1');
# Schedule 2 came due before this server run.
value("INSERT INTO xmcoh.schedule (schedule_id, model_id, cron, timezone, created_at) OVERRIDING SYSTEM VALUE SELECT 2, model_id, '0 0 1 * *', 'UTC', '2020-01-01'
	FROM xmcoh.model WHERE name = 'b'");
until_true('SELECT last_job_id IS NOT NULL FROM xmcoh.schedule WHERE schedule_id = 1', 'runs');

my $ended = train_long('b');
value("SELECT pg_terminate_backend(worker_pid) FROM xmcoh.job_record WHERE job_id = $ended");
until_true("SELECT state = 'interrupted' FROM xmcoh.job_record WHERE job_id = $ended", 'a job that somebody has ended');
my $job = train_long('c');
$node->stop('immediate');
$node->start;
taken_up($job, 'after an immediate shutdown a job is seen to without anybody asking');
is(row($ended, 'state'), 'interrupted', 'but not what somebody had ended before');
runs_again('schedules run after an immediate shutdown');
$node->restart;
runs_again('and after an ordinary one');

$job = train_long('c');
kill_worker(row($job, 'worker_pid'), $node);
taken_up($job, 'a job whose worker was killed is seen to after the crash');
runs_again('schedules run after a crash');
is(row($ended, 'state'), 'interrupted', 'what somebody had ended stays so');
is(value('SELECT last_run_at IS NULL AND message IS NULL FROM xmcoh.schedule WHERE schedule_id = 2'), 't', 'what came due before is not made up for');

ok(slurp_file($node->logfile) !~ /LOG:  trapped/, 'in a database without the extension nothing is run');

# ---- a standby ----

my $standby = new_standby($node, 'standby');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^xmcoh'"), '0', 'a standby has no launcher');
my ($code, $out, $err) = $standby->psql('postgres', "SELECT xmcoh.schedule_training('a', '0 3 * * *')");
like($err, qr/cannot train a model on a standby/, 'and takes no schedule');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM xmcoh.schedule_overview WHERE next_run IS NOT NULL'), '2', 'but shows those of the primary');

# The primary is stopped while one job runs there and another job is queued.
value('ALTER SYSTEM SET xmcoh.max_running_jobs = 1');
value('SELECT pg_reload_conf()');
value('UPDATE xmcoh.schedule SET active = false WHERE schedule_id = 1');
until_true("SELECT count(*) = 0 FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running')", '(nothing runs)');
$job = train_long('c');
my $waiting = value("SELECT xmcoh.train('b', $quick)");
value("SELECT xmcoh.alter_schedule(1, active => true)");
$node->wait_for_catchup($standby);
$node->stop('immediate');
my $last = $standby->safe_psql('postgres', 'SELECT max(last_run_at) FROM xmcoh.schedule');
$standby->promote;
ok($standby->poll_query_until('postgres', "SELECT last_run_at > '$last' FROM xmcoh.schedule WHERE schedule_id = 1"), 'after its promotion schedules run');
if ($resumed)
{
	ok($standby->poll_query_until('postgres', "SELECT state = 'running' FROM xmcoh.job WHERE job_id = $job"), 'the primary\'s job is taken up');
	ok($standby->poll_query_until('postgres', "SELECT state = 'succeeded' FROM xmcoh.job WHERE job_id = $waiting"), 'and the one that waited');
}
else
{
	ok($standby->poll_query_until('postgres', "SELECT state = 'interrupted' FROM xmcoh.job_record WHERE job_id = $job"), 'the primary\'s job is settled');
}
$standby->stop;
$node->start;
value('UPDATE xmcoh.schedule SET active = false WHERE schedule_id = 1');
taken_up($job, 'so it is on the primary when that is back');
until_true("SELECT count(xmcoh.cancel_job(job_id)) = 0 FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running', 'cancelling')", '(nothing runs)');

# ---- copies ----

value("UPDATE xmcoh.schedule SET active = true WHERE schedule_id = 1");
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', 'postgres', '-f', $dump, '-h', $node->host, '-p', $node->port ], 'pg_dump');
value("UPDATE xmcoh.schedule SET active = false WHERE schedule_id = 1");
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', $dump, '-h', $node->host, '-p', $node->port ], 'restored');
my $all = q{SELECT string_agg(concat_ws(' ', schedule_id, model_id, cron, timezone, options, on_success, submitted_by, login_role, created_at), ';' ORDER BY schedule_id)
	FROM xmcoh.schedule};
is(value($all, 'restored'), value($all), 'schedules are dumped and restored');
runs_again('and run in the new database', 'restored');
is(value('SELECT last_run_at IS NULL AND message IS NULL FROM xmcoh.schedule WHERE schedule_id = 2', 'restored'), 't',
	'where nothing is made up for either');
cmp_ok(value("SELECT xmcoh.schedule_training('a', '0 3 * * *')", 'restored'), '>', 2, 'sequences are restored');
value('UPDATE xmcoh.schedule SET active = false', 'restored');

# CREATE DATABASE copies rows without firing a trigger. A launcher looks for new databases every five minutes and at its start.
until_true("SELECT count(*) = 0 FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running', 'cancelling')", '(nothing runs)');
value("ALTER TABLE xmcoh.schedule DISABLE TRIGGER schedule_changed; UPDATE xmcoh.schedule SET active = true, last_run_at = NULL WHERE schedule_id = 1");
until_dropped($node, 'CREATE DATABASE copied TEMPLATE postgres', 'bait');
$node->safe_psql('bait', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'xmcoh launcher'");
until_true('SELECT last_run_at IS NOT NULL FROM xmcoh.schedule WHERE schedule_id = 1', 'schedules run in a database made from a template', 'copied');

ok(slurp_file($node->logfile) !~ /LOG:  trapped|PANIC:|TRAP:|terminated by signal (?!9:)/, 'nothing crashed but what was killed');
$node->stop;
done_testing();
