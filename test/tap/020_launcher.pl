# Tests the launcher on a cluster: runs and privileges of schedules, a restart of the launcher, and the limit of running jobs.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest qw($long $patience background parallel_setting until_dropped);

my $node = PostgreSQL::Test::Cluster->new('launcher');
$node->init(allows_streaming => 1);
# Slots: one for the logical replication launcher, one for the xmcoh launcher, two for jobs, one for a schedule worker.
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'xmcoh'
max_worker_processes = 5
xmcoh.max_running_jobs_per_role = 4
max_prepared_transactions = 2
max_parallel_workers_per_gather = 0
timezone = 'Asia/Tokyo'
fsync = off
});
$node->start;

my $quick = q('{"epochs": 1, "d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0, "evaluation_documents": 0}');
my $prepare = q{
CREATE EXTENSION IF NOT EXISTS xmcoh;
CREATE TABLE IF NOT EXISTS step AS SELECT m AS manual, s AS step, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || m % 7 AS words
	FROM generate_series(1, 100) AS m, generate_series(1, 5) AS s;
SELECT xmcoh.attach_source(name, 'step', 'manual', 'step', text => 'words', "position" => 'step', approved => 'all')
	FROM unnest('{a,b,c}'::text[]) AS name, xmcoh.create_model(name)};
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql($_, $prepare) for 'postgres', 'other';

sub value { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub until_true { my ($query, $what, $database) = @_; return ok($node->poll_query_until($database // 'postgres', $query), $what); }
sub launcher { return value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'xmcoh launcher'"); }

# Returns how often a process went to sleep voluntarily, and its processor time in seconds.
sub restlessness
{
	my ($pid) = @_;
	my ($switches) = slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m;
	my @stat = split ' ', slurp_file("/proc/$pid/stat") =~ s/^.*\)//r;
	return ($switches, ($stat[11] + $stat[12]) / 100);
}

# ---- the launcher runs without a connection to a database ----

until_true("SELECT datid IS NULL FROM pg_stat_activity WHERE backend_type = 'xmcoh launcher'", 'the launcher is connected to no database');

# This schedule comes due during the other tests and is checked at the end.
my $minutely = value("SELECT xmcoh.schedule_training('c', '* * * * *', options => $quick)", 'other');

# ---- a schedule runs ----

my $schedule = value("SELECT xmcoh.schedule_training('a', '1 second', options => $quick, on_success => 'keep', unlabelled => '{step}')");
until_true("SELECT last_state = 'succeeded' FROM xmcoh.schedule_overview", 'a schedule trains');
is(value('SELECT timezone FROM xmcoh.schedule'), 'Asia/Tokyo', 'in the time zone that was set');
is(value("SELECT concat_ws(' ', submitted_by, on_success, options = $quick, unlabelled) FROM xmcoh.job WHERE job_id = (SELECT min(job_id) FROM xmcoh.job)"),
	value("SELECT concat_ws(' ', current_user, 'keep', true, '{public.step}')"), 'with what it was told');
my $jobs = value('SELECT count(*) FROM xmcoh.job');
until_true("SELECT count(*) > $jobs FROM xmcoh.job", 'and again');
until_true("SELECT next_run BETWEEN clock_timestamp() - interval '1 s' AND clock_timestamp() + interval '2 s' AND last_run IS NOT NULL
	FROM xmcoh.schedule_overview", 'the overview says when next');

# One job per model.
value("SELECT xmcoh.alter_schedule($schedule, options => $long)");
# The last quick job may still run, and may make a run skipped, too.
until_true(qq{SELECT o.running AND o.message = 'skipped: model "a" already has a running job ' || o.last_job AND j.options = $long
	FROM xmcoh.schedule_overview AS o JOIN xmcoh.job AS j ON j.job_id = o.last_job},
	'while a job of the model runs the schedule is skipped, and says so');
value("SELECT xmcoh.alter_schedule($schedule, active => false)");
is(value('SELECT next_run IS NULL FROM xmcoh.schedule_overview'), 't', 'a schedule at rest has no next run');
my $job = value('SELECT last_job FROM xmcoh.schedule_overview');
value("SELECT xmcoh.cancel_job($job)");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'cancelled', '(cancelled)');

# ---- an idle launcher ----

# A schedule worker that began earlier may still write to the schedule.
sleep 1.5;
until_true("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'xmcoh scheduler'", 'no schedule worker runs');
my $last = value('SELECT last_run_at FROM xmcoh.schedule');
# A minute may begin during the measurement, or earlier work may finish late. The next four seconds are then measured instead.
my $end = time + $patience;
my ($switches, $seconds);
do
{
	my @before = restlessness(launcher());
	sleep 4;
	my @after = restlessness(launcher());
	($switches, $seconds) = ($after[0] - $before[0], $after[1] - $before[1]);
} until (($switches < 20 && $seconds < 0.1) || time > $end);
cmp_ok($switches, '<', 20, 'an idle launcher sleeps');
cmp_ok($seconds, '<', 0.1, 'and takes no processor time');
is(value('SELECT last_run_at FROM xmcoh.schedule'), $last, 'a schedule at rest did not run');

# ---- changes that wake the launcher ----

sub changes { return $node->psql('postgres', $_[0]); }
changes(q{BEGIN; UPDATE xmcoh.schedule SET active = true; ROLLBACK});
changes(q{BEGIN; SAVEPOINT s; UPDATE xmcoh.schedule SET active = true; ROLLBACK TO s; COMMIT});
my ($code, $out, $err) = changes(q{BEGIN; UPDATE xmcoh.schedule SET active = true; PREPARE TRANSACTION 't'});
like($err, qr/cannot PREPARE a transaction that has .*changed a schedule/, 'PREPARE TRANSACTION is refused');
sleep 1.5;
is(value('SELECT last_run_at FROM xmcoh.schedule'), $last, 'a change that rolls back changes nothing');
changes("BEGIN; SAVEPOINT s; SELECT xmcoh.alter_schedule($schedule, active => true, options => $quick); RELEASE s; COMMIT");
until_true("SELECT last_run_at > '$last' FROM xmcoh.schedule", 'one that commits does');

# The launcher is terminated and restarted.
my $old = launcher();
value("SELECT pg_terminate_backend($old)");
until_true("SELECT pid <> $old FROM pg_stat_activity WHERE backend_type = 'xmcoh launcher'", 'a launcher that was ended is started anew');
$last = value('SELECT last_run_at FROM xmcoh.schedule');
until_true("SELECT last_run_at > '$last' FROM xmcoh.schedule", 'and schedules run on');
is(value("SELECT xmcoh.unschedule_training('a')"), '1', 'unschedule_training');
until_true("SELECT count(*) = 0 FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running')", '(the last job is over)');

# ---- the privileges of a schedule ----

$node->safe_psql('postgres', q{
CREATE ROLE clerk LOGIN; CREATE ROLE office NOLOGIN; GRANT office TO clerk;
SELECT xmcoh.grant_usage('office');
GRANT SELECT ON step TO office;
SELECT xmcoh.alter_model('b', new_owner => 'office')});
my $clerk = sub { return $node->safe_psql('postgres', "SET ROLE office; $_[0]", extra_params => [ '-U', 'clerk' ]); };
$schedule = $clerk->("SELECT xmcoh.schedule_training('b', '1 second', options => $long)");
until_true("SELECT last_state = 'running' FROM xmcoh.schedule_overview", 'a role that cannot log in schedules training');
is(value("SELECT concat_ws(' ', j.submitted_by, a.usename) FROM xmcoh.job AS j JOIN pg_stat_activity AS a ON a.pid = j.worker_pid
	WHERE j.state = 'running'"), 'office clerk', 'its job is that role\'s, and logs in as who had logged in');
is(value('SELECT login_role FROM xmcoh.schedule'), 'role clerk', 'whom the schedule remembers');
$job = value('SELECT last_job FROM xmcoh.schedule_overview');

value('REVOKE office FROM clerk');
value("SELECT xmcoh.cancel_job($job)");
until_true("SELECT message = 'permission denied to set role \"office\"' FROM xmcoh.schedule", 'who may not be that role any more trains no more');
value('ALTER ROLE clerk NOLOGIN');
until_true("SELECT message = 'role \"office\" cannot log in, nor can the role that made the schedule for it' FROM xmcoh.schedule",
	'nor if nobody can log in');
value('ALTER ROLE office LOGIN');
until_true("SELECT last_job > $job AND last_state = 'running' FROM xmcoh.schedule_overview", 'as itself the role can');
is(value("SELECT concat_ws(' ', j.submitted_by, a.usename) FROM xmcoh.job AS j JOIN pg_stat_activity AS a ON a.pid = j.worker_pid
	WHERE j.state = 'running'"), 'office office', 'and does');
$job = value('SELECT last_job FROM xmcoh.schedule_overview');
value("SELECT xmcoh.revoke_usage('office')");
value("SELECT xmcoh.cancel_job($job)");
until_true("SELECT message = 'permission denied for function train' FROM xmcoh.schedule", 'it needs the right to use the extension');
value("SELECT xmcoh.grant_usage('office'), xmcoh.alter_model('b', new_owner => 'postgres'), xmcoh.grant_model('b', 'office', 'review')");
until_true("SELECT message ~ '^permission denied for model \"b\"\\nLevel train is needed' FROM xmcoh.schedule", 'and that to train the model');
value("SELECT xmcoh.unschedule_training($schedule)");

# ---- the limit of running jobs ----

sub set_and_reload { my ($setting) = @_; value("ALTER SYSTEM SET $setting"); value('SELECT pg_reload_conf()'); return; }
sub train { my ($model, $options) = @_; return value("SELECT xmcoh.train('$model', $options)"); }
set_and_reload('xmcoh.max_running_jobs = 1');
set_and_reload('xmcoh.nice = 7');
# Three jobs are submitted in one statement, three times.
$last = value('SELECT max(job_id) FROM xmcoh.job');
for (1 .. 3)
{
	my @three = split /\n/, value("SELECT xmcoh.train(name, $quick) FROM xmcoh.model");
	value("CALL xmcoh.wait_for_job($_, '180 s')") for @three;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'xmcoh job'")
	  or die 'a worker goes on after its job';
}
is(value("SELECT count(*) FROM xmcoh.job WHERE job_id > $last AND state = 'succeeded'"), '9', 'jobs that are started at once all run');
is(value("SELECT count(*) FROM xmcoh.job AS one JOIN xmcoh.job AS two ON one.started_at < two.started_at AND two.started_at < one.finished_at
	WHERE least(one.job_id, two.job_id) > $last"), '0', 'one after the other');

my $first = train('a', $long);
until_true("SELECT state = 'running' FROM xmcoh.job WHERE job_id = $first", 'a first job runs');
my @stat = split ' ', slurp_file('/proc/' . value("SELECT worker_pid FROM xmcoh.job WHERE job_id = $first") . '/stat') =~ s/^.*\)//r;
my $nice = getpriority(0, 0);	# the test's nice value; only root can lower a nice value
is($stat[16], $nice > 7 ? $nice : 7, 'with the nice value of xmcoh.nice');
my $second = train('b', $long);
my $waits = "SELECT state = 'queued' AND asked_at IS NULL FROM xmcoh.job_record WHERE job_id = %s";
sleep 1.2;
is(value(sprintf($waits, $second)), 't', 'a second one waits');
is(value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'xmcoh job'"), '1', 'without a process');
value("SELECT xmcoh.cancel_job($second)");
is(value("SELECT state FROM xmcoh.job WHERE job_id = $second"), 'cancelled', 'it can be cancelled');
$second = train('b', $long);
sleep 1.2;
is(value(sprintf($waits, $second)), 't', 'a third one waits');
value("SELECT xmcoh.cancel_job($first)");
until_true("SELECT state = 'running' FROM xmcoh.job WHERE job_id = $second", 'until the first has ended');
$first = train('a', $long);
sleep 1.2;
is(value(sprintf($waits, $first)), 't', 'a fourth one waits');
set_and_reload('xmcoh.max_running_jobs = 2');
until_true("SELECT state = 'running' FROM xmcoh.job WHERE job_id = $first", 'until more may run');

# ---- no slot is free ----

# The two jobs, the two launchers and a parallel worker take all slots: the launcher's schedule worker cannot start.
my $log = -s $node->logfile;
my $tries_since = time;
# A schedule worker may hold the slot when the query begins. The query then runs without a parallel worker and is started again.
my $query = background($node, 'postgres', on_error_stop => 0);
$query->query_safe('SET max_parallel_workers_per_gather = 1; ' . parallel_setting($node));
$query->query_until(qr/asleep/, "\\echo asleep\n" . "SELECT pg_sleep(36000);\n" x 100);
my $parallel = q{FROM pg_stat_activity WHERE backend_type = 'parallel worker'};
my $alone = q{FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(36000);' AND backend_type = 'client backend' AND wait_event = 'PgSleep'};
for (1 .. 99)
{
	$node->poll_query_until('postgres', "SELECT (SELECT count(*) $parallel) + (SELECT count(*) $alone) > 0") or die 'no query begins';
	last if value("SELECT count(*) $parallel") eq '1';
	value("SELECT pg_cancel_backend(pid) $alone");
	sleep 0.5;
}
until_true("SELECT count(*) = 1 $parallel", 'all slots are taken');
set_and_reload('xmcoh.max_running_jobs = 3');
my $third = train('c', $long);
$node->wait_for_log(qr/no background worker is free to look for due schedules of xmcoh/, $log);
pass('the launcher says that no slot is free');
is(value(sprintf($waits, $third)), 't', 'a job in the queue waits for that');
my $no_slot = "message ~ '^no background worker is free for training job'";
value("SELECT pg_terminate_backend(leader_pid) $parallel");
until_true("SELECT state = 'queued' AND $no_slot FROM xmcoh.job WHERE job_id = $third",
	'with one slot a schedule worker starts, and has none for the job, which says so');
$query->{run}->kill_kill;
value("SELECT xmcoh.cancel_job($first)");
until_true("SELECT state = 'running' AND message IS NULL FROM xmcoh.job WHERE job_id = $third", 'with two it begins');
$schedule = value("SELECT xmcoh.schedule_training('a', '1 second', options => $quick)");
# The overview says it only until the schedule is due again, less than a second later, and skips that run.
until_true("SELECT state = 'queued' AND $no_slot FROM xmcoh.job WHERE job_id = (SELECT last_job FROM xmcoh.schedule_overview)",
	'so it is with the job of a schedule');
value("SELECT xmcoh.cancel_job($_)") for $second, $third;
until_true("SELECT last_state = 'succeeded' FROM xmcoh.schedule_overview", 'with two slots the schedule runs');
# A line for each due time would be one line per second. On a slow machine a slot may not be free yet. The launcher retries every
# ten seconds.
cmp_ok(() = slurp_file($node->logfile, $log) =~ /LOG:  (?:job \d+ has to wait: )?no background worker is free/g, '<=',
	4 + (time - $tries_since) / 10, 'the log is not flooded');

# ---- the extension and the database are dropped ----

value("SELECT xmcoh.schedule_training('a', '1 second', options => $quick)", 'other');
until_true("SELECT count(*) FILTER (WHERE last_job IS NOT NULL) >= 1 FROM xmcoh.schedule_overview", 'a second database has schedules of its own', 'other');
value("SELECT xmcoh.unschedule_training('a')");
until_true("SELECT count(*) = 0 FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running')", '(none runs in the first)');
$old = launcher();

value('CREATE DATABASE doomed');
value($prepare, 'doomed');
value("SELECT xmcoh.schedule_training('a', '1 second', options => $quick)", 'doomed');
until_true('SELECT last_job IS NOT NULL FROM xmcoh.schedule_overview', 'a new database is known at once', 'doomed');
value('DROP EXTENSION xmcoh', 'doomed');
sleep 1.5;
value($prepare, 'doomed');
value("SELECT xmcoh.schedule_training('a', '1 second', options => $quick)", 'doomed');
until_true('SELECT last_job IS NOT NULL FROM xmcoh.schedule_overview', 'schedules run after DROP and CREATE EXTENSION', 'doomed');
value("SELECT xmcoh.alter_schedule(schedule_id, options => $long) FROM xmcoh.schedule", 'doomed');
my @cancelled = split /\n/, value('SELECT job_id FROM xmcoh.job', 'doomed');
value('SELECT xmcoh.cancel_job(job_id) FROM xmcoh.job WHERE job_id IN (' . join(', ', @cancelled) . ')', 'doomed');
value("UPDATE xmcoh.schedule SET cron = '2 seconds'", 'doomed');
value("CALL xmcoh.wait_for_job($_, '180 s')", 'doomed') for @cancelled;
$log = -s $node->logfile;
until_dropped($node, 'DROP DATABASE doomed WITH (FORCE)');
pass('DROP DATABASE is not held up');
sleep 7;				# after a failed schedule worker the next would start after five seconds
is(launcher(), $old, 'the launcher lives on');
# Only schedule workers count: a training worker requested before the drop is restarted once.
my $logged = slurp_file($node->logfile, $log);
my $failed = grep { $logged =~ /"xmcoh scheduler" \(PID $_\)/ } $logged =~ /\[(\d+)\] .*FATAL:  database \d+ does not exist/g;
cmp_ok($failed, '<=', 1, 'and sends nobody to a database that is gone');

# ---- the schedule of every minute ----

until_true("SELECT last_job IS NOT NULL AND last_run IS NOT NULL FROM xmcoh.schedule_overview WHERE schedule_id = $minutely",
	'a schedule of every minute has run', 'other');
value("SELECT xmcoh.unschedule_training(name) FROM xmcoh.model", 'other');

ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal/, 'nothing crashed');
$node->stop;
done_testing();
