# Tests the queue of training jobs: the order of jobs, the cost of a queued job, and events during the wait.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest qw($long background until_dropped);

my $quick = q('{"epochs": 1, "d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 8, "bag_dim": 0, "evaluation_documents": 0}');
my $node;

sub value { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub until_true { my ($query, $what, $database) = @_; return ok($node->poll_query_until($database // 'postgres', $query), $what); }
sub row { my ($job, $column, $database) = @_; return value("SELECT $column FROM xmcoh.job_record WHERE job_id = $job", $database); }
sub settings { value("ALTER SYSTEM SET $_") for @_; value('SELECT pg_reload_conf()'); return; }
sub processes { return value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'xmcoh job'"); }
sub launcher { return value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'xmcoh launcher'"); }

sub train
{
	my ($role, $model, $options, $database) = @_;
	return $node->safe_psql($database // 'postgres', "SELECT xmcoh.train('$model', $options)", extra_params => [ '-U', $role ]);
}

sub runs
{
	my ($job, $what, $database) = @_;
	return until_true("SELECT state = 'running' FROM xmcoh.job WHERE job_id = $job", $what, $database);
}

# Checks that a job is queued and that no worker was requested for the job.
sub waits
{
	my ($job, $what, $database) = @_;
	return is(row($job, "state || ' ' || (asked_at IS NULL)", $database), 'queued true', $what);
}

sub cancel_all
{
	my ($database) = @_;
	value("SELECT xmcoh.cancel_job(job_id) FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running')", $database);
	$node->poll_query_until($database // 'postgres', "SELECT count(*) = 0 FROM xmcoh.job WHERE state IN ('queued', 'starting', 'running', 'cancelling')")
	  or die 'jobs go on';
	return;
}

# Creates sixteen models of alice, and two each of bob and carol.
sub prepare
{
	my ($database) = @_;
	$node->safe_psql($database, q{
CREATE EXTENSION xmcoh;
CREATE TABLE step AS SELECT m AS manual, s AS step, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || m % 7 AS words
	FROM generate_series(1, 100) AS m, generate_series(1, 5) AS s;
GRANT SELECT ON step TO PUBLIC;
SELECT xmcoh.grant_usage(r) FROM unnest('{alice,bob,carol}'::regrole[]) AS r;
SELECT xmcoh.attach_source(name, 'step', 'manual', 'step', text => 'words', "position" => 'step', approved => 'all')
	FROM (SELECT r || n AS name, r FROM unnest('{alice,bob,carol}'::text[]) AS r, generate_series(1, 16) AS n WHERE r = 'alice' OR n <= 2) AS m,
		xmcoh.create_model(name), xmcoh.alter_model(name, new_owner => r::regrole)});
	return;
}

$node = PostgreSQL::Test::Cluster->new('queue');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'xmcoh'
max_worker_processes = 12
max_parallel_workers_per_gather = 0
xmcoh.max_running_jobs = 3
xmcoh.max_running_jobs_per_role = 2
fsync = off
});
$node->start;
value('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN; CREATE ROLE dave LOGIN');
prepare('postgres');

# ---- the turns of roles ----

my @alice = map { train('alice', "alice$_", $long) } 1 .. 14;
runs($_, 'of fourteen jobs of a role a first and a second run') for @alice[ 0, 1 ];
sleep 1.5;
is(processes(), '2', 'and no process is there for the others');
is(value("SELECT count(*) FROM xmcoh.job_record WHERE state = 'queued' AND asked_at IS NULL"), '12', 'which wait');
my $bob = train('bob', 'bob1', $long);
runs($bob, 'another role gets its turn');
my $carol = train('carol', 'carol1', $long);
sleep 1;
waits($carol, 'when no more may run a third role waits, too');
is(processes(), '3', 'without a process');
settings('xmcoh.max_running_jobs = 4', 'xmcoh.max_running_jobs_per_role = 16');
runs($carol, 'who has no job yet is next');
my $second = train('bob', 'bob2', $long);
sleep 1;
waits($second, '(a second job of one who has one)');
settings('xmcoh.max_running_jobs = 5');
runs($second, 'one that came later comes before the third one of one who has two');
value("SELECT xmcoh.cancel_job($alice[1])");
runs($alice[2], 'of one role the oldest job is next');
is(value("SELECT string_agg(state, ' ' ORDER BY job_id) FROM xmcoh.job_record WHERE job_id IN ($alice[3], $alice[13])"), 'queued queued', 'and no other');

# ---- rows locked by a session ----

my $holder = background($node, 'postgres');
$holder->query_safe("BEGIN; SELECT xmcoh.cancel_job($alice[3])");
value("SELECT xmcoh.cancel_job($carol)");
runs($alice[4], 'a job whose row is held gives its turn to the next');
waits($alice[3], 'and waits itself');
my $held = value("SELECT xmcoh.schedule_training('alice15', '0 0 1 1 *', options => $quick)");
$holder->query_safe("SELECT xmcoh.alter_schedule($held, cron => '1 second')");
my $free = value("SELECT xmcoh.schedule_training('alice16', '1 second', options => $quick)");
until_true("SELECT last_job_id IS NOT NULL FROM xmcoh.schedule WHERE schedule_id = $free", 'other schedules run meanwhile');
my $run_at = value("SELECT last_run_at FROM xmcoh.schedule WHERE schedule_id = $free");
until_true("SELECT last_run_at > '$run_at' FROM xmcoh.schedule WHERE schedule_id = $free", 'and again');
$holder->query_safe('ROLLBACK');
value("SELECT xmcoh.alter_schedule($held, cron => '1 second')");
until_true("SELECT last_job_id IS NOT NULL FROM xmcoh.schedule WHERE schedule_id = $held", '(the other one runs, too)');
$holder->query_safe("BEGIN; SELECT FROM xmcoh.schedule WHERE schedule_id = $held FOR UPDATE");
$run_at = value("SELECT greatest(last_run_at, clock_timestamp()) FROM xmcoh.schedule WHERE schedule_id = $free");
until_true("SELECT last_run_at > timestamptz '$run_at' + interval '2 s' FROM xmcoh.schedule WHERE schedule_id = $free",
	'one that is due and whose row is held keeps no other from running');
is(value("SELECT last_run_at < timestamptz '$run_at' + interval '1 s' FROM xmcoh.schedule WHERE schedule_id = $held"), 't', 'it waits');
$holder->query_safe('COMMIT');
until_true("SELECT last_run_at > timestamptz '$run_at' + interval '1 s' FROM xmcoh.schedule WHERE schedule_id = $held", 'until it is let go of');
value("SELECT xmcoh.unschedule_training(schedule_id) FROM xmcoh.schedule");
value("SELECT xmcoh.cancel_job($second)");
runs($alice[3], 'so does the job');
cancel_all();

# ---- jobs that can no longer begin ----

settings('xmcoh.max_running_jobs = 1');
my $first = train('bob', 'bob1', $long);
runs($first, 'one job may run');
value(q{CREATE VIEW shown AS TABLE step; GRANT SELECT ON shown TO alice;
SELECT xmcoh.attach_source('alice1', 'shown', 'manual', 'step', text => 'words'), xmcoh.detach_source('alice1', 'step')});
value(q{SELECT xmcoh.grant_usage('dave'), xmcoh.grant_model('alice2', 'dave', 'train'), xmcoh.grant_model('alice3', 'carol', 'train')});
my %lost = map { $_->[0] => train(@$_[ 1, 2 ], $quick) }
	([ 'view', 'alice', 'alice1' ], [ 'role', 'dave', 'alice2' ], [ 'grant', 'carol', 'alice3' ], [ 'connect', 'carol', 'carol1' ],
	[ 'good', 'alice', 'alice4' ]);
value("CREATE OR REPLACE VIEW shown AS SELECT manual, step, 'other'::text AS words FROM step");
value(q{DROP ROLE dave; SELECT xmcoh.revoke_model('alice3', 'carol')});
value("SELECT xmcoh.cancel_job($first)");
is(value("CALL xmcoh.wait_for_job($lost{good})"), 'succeeded', 'a job that waited for several that cannot begin');
my %why = (view => 'the sources of model "alice1" are defined otherwise than when the job was submitted',
	role => 'the role that submitted it does not exist any more',
	grant => 'role "carol", which submitted it, may no longer train model "alice3"');
is(row($lost{$_}, "state || ': ' || message"), "failed: not begun: $why{$_}", "of these: $_") for sort keys %why;
is(value("CALL xmcoh.wait_for_job($lost{connect})"), 'succeeded', '(carol herself trains)');
value('ALTER ROLE carol NOLOGIN');
my $outside = value("SET ROLE carol; SELECT xmcoh.train('carol1', $quick)");
is(value("CALL xmcoh.wait_for_job($outside)"), 'succeeded', 'who cannot log in trains in the session of one who can');

# ---- two databases ----

value('CREATE DATABASE other');
prepare('other');
$first = train('bob', 'bob1', $long);
runs($first, 'one job runs');
my (@here, @there);
push @here, train('alice', "alice$_", $quick) for 4 .. 8;
push @there, train('alice', "alice$_", $quick, 'other') for 4 .. 8;
sleep 1;
is(processes(), '1', 'in whatever database');
value("SELECT xmcoh.cancel_job($first)");
value("CALL xmcoh.wait_for_job($_)") for @here;
value("CALL xmcoh.wait_for_job($_)", 'other') for @there;
my @turn = sort { $a->[0] cmp $b->[0] }
	map { my $database = $_; map { [ (split /\|/, $_), $database ] } split /\n/, value("SET timezone = 'UTC'; SELECT started_at, finished_at
		FROM xmcoh.job_record WHERE job_id IN (" . join(', ', $database eq 'other' ? @there : @here) . ')', $database) } 'postgres', 'other';
is(join(' ', map { $_->[2] } @turn), join(' ', ('other postgres') x 5), 'two databases take turns');
is(scalar(grep { $turn[ $_ - 1 ][1] gt $turn[$_][0] } 1 .. $#turn), 0, 'one job after the other');

# The limit of jobs per role counts the jobs of all databases.
settings('xmcoh.max_running_jobs = 4', 'xmcoh.max_running_jobs_per_role = 1');
$first = train('alice', 'alice4', $long);
runs($first, 'a job of a role runs');
$second = train('alice', 'alice4', $long, 'other');
$bob = train('bob', 'bob1', $long, 'other');
runs($bob, 'so does one of another role in another database', 'other');
waits($second, 'but the first role has had its turn', 'other');
value("SELECT xmcoh.cancel_job($first)");
runs($second, 'until its job is over', 'other');
cancel_all($_) for 'postgres', 'other';

# ---- the launcher ends, the server stops, the database is dropped ----

settings('xmcoh.max_running_jobs = 1');
$first = train('alice', 'alice4', $long);
runs($first, 'again one runs');
my @queued = map { train('alice', "alice$_", $long) } 5 .. 7;
train('alice', "alice$_", $long, 'other') for 5 .. 7;
my $old = launcher();
value("SELECT pg_terminate_backend($old)");
until_true("SELECT pid <> $old FROM pg_stat_activity WHERE backend_type = 'xmcoh launcher'", 'the launcher is ended while jobs wait');
is(value("SELECT string_agg(state, ' ') FROM xmcoh.job WHERE job_id IN (" . join(', ', @queued) . ')'), 'queued queued queued', 'they still do');
until_dropped($node, 'DROP DATABASE other');
pass('a database whose jobs wait can be dropped');
value("SELECT xmcoh.cancel_job($first)");
runs($queued[0], 'and the next job of another begins');

$node->stop('immediate');
$node->start;
runs($queued[0], 'after a restart the job that ran goes on');
sleep 1;
is(value("SELECT string_agg(state, ' ' ORDER BY job_id) FROM xmcoh.job WHERE job_id IN (" . join(', ', @queued) . ')'), 'running queued queued',
	'and the others wait again');
is(processes(), '1', 'without a process');
value("SELECT xmcoh.cancel_job($queued[0])");
runs($queued[1], 'in the order that they were in');
cancel_all();

ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal/, 'nothing crashed');
$node->stop;

# ---- without a launcher ----

$node = PostgreSQL::Test::Cluster->new('alone');
$node->init;
$node->append_conf('postgresql.conf', q{
max_worker_processes = 12
max_parallel_workers_per_gather = 0
xmcoh.max_running_jobs_per_role = 2
fsync = off
});
$node->start;
value('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN');
prepare('postgres');
@alice = map { train('alice', "alice$_", $long) } 1, 2;
my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT xmcoh.train('alice3')", extra_params => [ '-U', 'alice' ]);
like($err, qr/ERROR:  53400: role "alice" already has 2 training jobs/, 'without a launcher a role may not have more jobs than may run of it');
like($err, qr/HINT: .*shared_preload_libraries/, 'the hint says what lets them wait');
is(value('SELECT count(*) FROM xmcoh.job_record'), '2', 'and no job is left behind');
runs($_, 'the others run') for @alice, train('bob', 'bob1', $long);
value("SELECT xmcoh.cancel_job($alice[0])");
value("CALL xmcoh.wait_for_job($alice[0])");
runs(train('alice', 'alice3', $long), 'when one is over the next one begins');
cancel_all();
ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal/, 'nothing crashed');
$node->stop;
done_testing();
