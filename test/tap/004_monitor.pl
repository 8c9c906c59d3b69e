# Tests what a DBA sees: notifications of a worker, transitions after a kill, and a dump and restore in the middle of a job.
# The comparison of two versions must keep no transaction open.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest qw($long $patience ask background kill_worker stop_between_writes);

my $node = PostgreSQL::Test::Cluster->new('monitor');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nmax_worker_processes = 8\nrestart_after_crash = on");
$node->start;
$node->safe_psql('postgres', q{
CREATE EXTENSION xmcoh;
CREATE TABLE work_step AS SELECT m AS manual, s AS step, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || ' part ' || m % 7 AS instruction
  FROM generate_series(1, 100) AS m, generate_series(1, 5) AS s;
SELECT xmcoh.create_model('manuals', options => '{"d_model": 8, "heads": 2, "feed_forward": 8, "hash_bits": 10, "bag_dim": 0, "epochs": 3}');
SELECT xmcoh.attach_source('manuals', 'work_step', 'manual', 'step', text => 'instruction', "position" => 'step', approved => 'all');
});

ask($node, 'postgres');
sub value { return $node->safe_psql('postgres', $_[0]); }
sub job { my ($job, $column) = @_; return value("SELECT $column FROM xmcoh.job WHERE job_id = $job"); }

sub train_long
{
	my $job = value("SELECT xmcoh.train('manuals', $long)");
	$node->poll_query_until('postgres', "SELECT state = 'running' AND done > 0 FROM xmcoh.job WHERE job_id = $job")
	  or die "job $job does not begin: " . job($job, "state || ' ' || coalesce(message, '')");
	return $job;
}

# Returns the payloads that a session receives, in order, without those of alerts (024_snapshots.pl). A notifier sends a payload after its commit, so a payload may arrive later
# than the change becomes visible. $last is the state that must arrive last, if any must arrive.
sub heard
{
	my ($session, $last, $statement) = @_;
	my $end = time + $patience;
	my @heard;
	for (;;)
	{
		push @heard, grep { $_->{event} ne 'alert' } map { decode_json($_) }
		  $session->query($statement // 'SELECT 1') =~ /Asynchronous notification "xmcoh" with payload "(\{.*\})" received/g;
		return @heard if !defined $last || time > $end || (@heard && ($heard[-1]{state} // '') eq $last);
		undef $statement;
		sleep 0.1;
	}
}

sub told { return join ' ', map { $_->{event} eq 'job' ? $_->{state} : "$_->{event}:$_->{version}" } @_; }

# ---- notifications ----

my $listener = background($node, 'postgres');
$listener->query('LISTEN xmcoh');
my $job = value("SELECT xmcoh.train('manuals', on_success => 'challenge')");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'a job with a listener');
my @events = heard($listener, 'succeeded');
is(told(@events), 'queued starting running deployment:1 succeeded', 'hears of every state, and of the deployment');
is_deeply($events[3], { event => 'deployment', model => 'manuals', version => 1, previous => undef, rollback => JSON::PP::false },
	'the deployment');
is_deeply($events[4], { event => 'job', job_id => int $job, kind => 'training', model => 'manuals', state => 'succeeded', version => 1 }, 'and the end');

# A worse version: in all but the held-out documents two steps have changed places.
my $turn = 'UPDATE work_step SET step = 5 - step WHERE step IN (2, 3) AND manual IN (TABLE taught)';
$node->safe_psql('postgres', "CREATE TABLE taught AS SELECT manual FROM generate_series(1, 100) AS manual
	WHERE (SELECT sum(documents) = 0 FROM xmcoh.evaluate('manuals', guidance => 'hard', documents => ARRAY[manual::text])); $turn");
$job = value("SELECT xmcoh.train('manuals', on_success => 'challenge')");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'rejected', 'a worse version');
$node->safe_psql('postgres', $turn);
@events = heard($listener, 'rejected');
is(told(@events), 'queued starting running rejected', 'is told of, and that nothing was deployed');
is($events[3]{version}, 2, 'with its number');

($job) = $node->safe_psql('postgres', "BEGIN; SELECT xmcoh.train('manuals'); ROLLBACK;");
is(told(heard($listener)), '', 'of a transaction that rolls back nobody hears');

# A listener in a long transaction receives notifications at the end of that transaction, and blocks no job meanwhile.
$listener->query('BEGIN');
$job = value("SELECT xmcoh.train('manuals', on_success => 'keep')");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'a listener in a transaction holds up no job');
is(told(heard($listener)), '', 'hears nothing yet');
is(told(heard($listener, 'succeeded', 'COMMIT')), 'queued starting running succeeded', 'and all of it later');

$listener->quit;

# ---- transitions ----

$job = train_long();
my $worker = job($job, 'worker_pid');
kill_worker($worker, $node);
$node->poll_query_until('postgres', "SELECT state = 'interrupted' FROM xmcoh.job_record WHERE job_id = $job")
  or die 'nobody writes that the worker was killed';
is(value("SELECT string_agg(concat_ws('>', old_state, new_state), ' ' ORDER BY transition_id) FROM xmcoh.job_transition WHERE job_id = $job"),
	'queued queued>starting starting>running running>interrupted', 'a killed worker leaves a transition');
is(value("SELECT concat(worker_pid = $worker, ' ', reason) FROM xmcoh.job_transition WHERE job_id = $job AND new_state = 'interrupted'"),
	't worker died (crash or termination)', 'with the pid that it had, and the reason');

# ---- dump and restore in the middle of a job ----

$job = train_long();
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'pg_dump in the middle of a job');
my $transitions = q{SELECT string_agg(t::text, E'\n' ORDER BY t) FROM xmcoh.job_transition AS t};
my $before = value($transitions);
value("SELECT xmcoh.cancel_job($job)");
value("CALL xmcoh.wait_for_job($job, '180 s')");

$node->safe_psql('postgres', 'CREATE DATABASE restored');
$listener = background($node, 'restored');
$listener->query('LISTEN xmcoh');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'restored without an error');
is($node->safe_psql('restored', $transitions), $before, 'transitions were restored, and none was written anew');
is(told(heard($listener)), '', 'nobody was notified');
is($node->safe_psql('restored', 'SELECT count(*) FROM xmcoh.deployment'), '1', '(there are deployments)');
is($node->safe_psql('restored', "SELECT last_job_state, active_job IS NULL FROM xmcoh.model_overview"), 'interrupted|t',
	'the job that was running reads interrupted');
is($node->safe_psql('restored', "CALL xmcoh.wait_for_job($job)"), 'interrupted', 'which somebody writes down');
is(told(heard($listener, 'interrupted')), 'interrupted', 'now that is news');
is($node->safe_psql('restored', "SELECT new_state FROM xmcoh.job_transition ORDER BY transition_id DESC LIMIT 1"), 'interrupted',
	'and numbers of transitions go on');
$job = $node->safe_psql('restored', "SELECT xmcoh.train('manuals', on_success => 'challenge')");
is($node->safe_psql('restored', "CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'the restored model is challenged');
is($node->safe_psql('restored', "SELECT champion FROM xmcoh.job_history WHERE job_id = $job"), '1', 'by its own champion');
$listener->quit;

# ---- a long comparison ----

# The champion is large and the challenger is small: scoring with the champion takes longer than training the challenger. Nothing is
# told by what both trainings measured, since option challenge_documents asks for more documents.
$node->safe_psql('postgres', q{
CREATE TABLE long_step AS SELECT m AS manual, s AS step, 'word' || (s * 7919 + m * 104729) % 997 AS instruction
  FROM generate_series(1, 60) AS m, generate_series(1, 200) AS s;
SELECT xmcoh.create_model('long', options => '{"hash_bits": 12, "bag_documents": 0, "epochs": 1, "held_out": 0.8, "evaluation_documents": 0,
  "challenge_documents": 61, "d_model": 8, "heads": 2, "feed_forward": 8}');
SELECT xmcoh.attach_source('long', 'long_step', 'manual', 'step', text => 'instruction', "position" => 'step', approved => 'all');
});
$job = value(q{SELECT xmcoh.train('long', '{"d_model": 256, "layers": 6, "feed_forward": 256}')});
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'long documents');
value("SELECT xmcoh.import_model('long', xmcoh.export_model('long')) FROM generate_series(2, 4)");
$job = value("SELECT xmcoh.train('long', on_success => 'challenge')");
ok($node->poll_query_until('postgres', "SELECT phase = 'comparing' FROM xmcoh.job WHERE job_id = $job"), 'are compared');
ok($node->poll_query_until('postgres', "SELECT a.xact_start IS NULL AND a.backend_xmin IS NULL AND a.backend_xid IS NULL
	FROM pg_stat_activity AS a JOIN xmcoh.job_record AS j ON a.pid = j.worker_pid
	WHERE j.job_id = $job AND j.state = 'running' AND phase = 'comparing'"), 'with no transaction open');
my $pid = job($job, 'worker_pid');
stop_between_writes($job, $pid);	# the comparison must not end during the next statements
value("SELECT xmcoh.deploy('long', 2), xmcoh.deploy('long', 3)");
is(value("SELECT xmcoh.prune_versions('long', 1)"), '0', 'and while they are, their champion stays');
value("SELECT xmcoh.cancel_job($job)");
kill 'CONT', $pid;
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'cancelled', 'and the job can be cancelled');
is(job($job, 'message'), 'cancelled while comparing', 'while it compares');
is(value("SELECT xmcoh.prune_versions('long', 1)"), '1', 'after which the champion can go');
is(value("SELECT string_agg(version || ' ' || deployed, ', ' ORDER BY version) FROM xmcoh.versions WHERE model = 'long'"),
	'2 false, 3 true, 4 false', 'and no version has come');

$node->stop;
done_testing();
