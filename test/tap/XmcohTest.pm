# Shared by the TAP tests: a cluster with two models or with a trained one, jobs, waits, and a check of the tables after a fault.
package XmcohTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT = qw($long $quick $patience new_cluster trained_cluster new_standby background parallel_setting ask value fails submit train train_long job row await outcome
  process_lives kill_worker worker_is_gone until_dropped stop_between_writes approve unharmed);

# $long is training that no test waits for; $quick is hardly any training, without the evaluation, which trains many models. $long
# has the bag, which is needed for a network of the words. Without the bag only the sparse term is trained, which takes seconds.
our $long = q('{"epochs": 10000, "patience": 10000, "d_model": 256, "layers": 2, "bag_documents": 0}');
our $quick = q('{"epochs": 2, "evaluation_documents": 0}');

# A test that waits longer than $patience seconds fails as hung. A busy machine needs a large value. No other time limit may decide
# a test, because any process, or the whole machine, may pause for some seconds at any moment. test/bench holds the measurements.
our $patience = $PostgreSQL::Test::Utils::timeout_default;

my $node;				# the cluster that the subs below query
my $database = 'postgres';
# What must be present. approved: number of pairs committed by approve. version: model and number => sha256, as seen by unharmed.
my $known = { approved => 0, version => {} };
my %known;				# the same for each database of each cluster

# Starts a cluster with the extension, the function make_steps and the models `manuals` (200 documents) and `others` (40). The
# logical replication launcher has one of the two worker slots, so one job runs at a time.
sub new_cluster
{
	my ($name, $conf, %init) = @_;
	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%init);
	$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = ''
max_worker_processes = 2
max_parallel_workers_per_gather = 0
restart_after_crash = on
fsync = off
} . ($conf // ''));
	$node->start;

	# The words of a document's first and last steps show their place.
	$node->safe_psql('postgres', q{
CREATE EXTENSION xmcoh;
CREATE FUNCTION make_steps(n int) RETURNS TABLE (manual int, step int, place int, instruction text) LANGUAGE sql AS
$$ SELECT m, s, s, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || ' part ' || m % 7
     FROM generate_series(1, n) AS m, generate_series(1, 5) AS s $$;
CREATE TABLE work_step AS SELECT * FROM make_steps(200);
CREATE TABLE other_step AS SELECT * FROM make_steps(40);
SELECT xmcoh.create_model('manuals'), xmcoh.create_model('others');
SELECT xmcoh.attach_source('manuals', 'work_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');
SELECT xmcoh.attach_source('others', 'other_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');
});
	return $node;
}

# Starts a cluster with the extension, the table `step` and the small trained model `guides` of the regression tests.
sub trained_cluster
{
	my ($name, $conf, %init) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $server = PostgreSQL::Test::Cluster->new($name);
	$server->init(%init);
	$server->append_conf('postgresql.conf', $conf);
	$server->start;
	my ($code, $out, $err) = $server->psql('postgres', slurp_file('test/sql/trained.sql'), on_error_stop => 1);
	is($code, 0, 'a model is trained') or diag($err);
	return $server;
}

# Starts a standby of a server. The server keeps for the slot what the standby has yet to receive: on a busy machine a job may write
# more than the server keeps otherwise, before the standby asks for the first byte.
sub new_standby
{
	my ($server, $name) = @_;
	$server->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('$name', true)");
	$server->backup($name);
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($server, $name, has_streaming => 1);
	$standby->append_conf('postgresql.conf', "primary_slot_name = '$name'");
	$standby->start;
	return $standby;
}

# Opens a long session. PostgreSQL::Test would limit the whole session to $patience seconds.
sub background
{
	my ($server, $in, %params) = @_;
	return $server->background_psql($in, timeout => 20 * $patience, %params);
}

# Returns the statement after which a session plans every query that may be parallel so. PostgreSQL 16 has renamed the setting.
sub parallel_setting
{
	my ($server) = @_;
	return $server->safe_psql('postgres', q{SELECT format('SET %s = on', name) FROM pg_settings
		WHERE name IN ('force_parallel_mode', 'debug_parallel_query')});
}

# Selects another database for queries. At its first selection the database is a copy of the last one and must hold the same state.
sub ask
{
	$known{ $node->name . " $database" } = $known if $node;
	($node, $database) = @_;
	$known = $known{ $node->name . " $database" } // { approved => $known->{approved}, version => { %{ $known->{version} } } };
}

sub value { return $node->safe_psql($database, $_[0]); }

# Returns the error of a statement. Dies if the statement succeeds.
sub fails
{
	my ($sql, %params) = @_;
	my ($code, $out, $err) = $node->psql($database, $sql, %params);
	die "no error: $sql" if $code == 0;
	return $err;
}

sub job { my ($job, $column) = @_; return value("SELECT $column FROM xmcoh.job WHERE job_id = $job"); }
sub row { my ($job, $column) = @_; return value("SELECT $column FROM xmcoh.job_record WHERE job_id = $job"); }

# Waits until a condition on a job's row in xmcoh.job_record holds, also while the server recovers. Dies after $patience seconds,
# or when the job is over and the condition does not hold.
sub await
{
	my ($job, $condition) = @_;
	my $end = time + $patience;
	my $over = '';
	for (;;)
	{
		my ($code, $out) =
		  eval { $node->psql($database, "SELECT $condition, finished_at IS NOT NULL FROM xmcoh.job_record WHERE job_id = $job") };
		$code //= -1;			# no server; IPC::Run dies when psql does not read its input
		my ($holds, $finished) = split /\|/, $out;
		return if $code == 0 && $holds eq 't';
		die "job $job is not ($condition): " . row($job, "concat_ws(' ', state, phase, round, epoch, message)")
		  if $over eq 't' || time > $end;
		$over = $finished if $code == 0;
		sleep 0.02;
	}
}

# Waits for the end of a job. Returns the job's state and message.
sub outcome
{
	my ($job) = @_;
	value("CALL xmcoh.wait_for_job($job, '$patience s')");
	return row($job, "state || ': ' || coalesce(message, '')");
}

# Returns the result of a statement that starts a job. The only slot stays taken for a moment after a worker's last write, and for
# a second after a worker was killed or terminated, until the restarted worker has ended.
sub submit
{
	my ($sql, %params) = @_;
	my $in = delete $params{database} // $database;
	my $end = time + $patience;
	while (time < $end)
	{
		my ($code, $out, $err) = $node->psql($in, $sql, %params);
		return $out if $code == 0;
		die $err unless $err =~ /no background worker is free/;
		sleep 0.1;
	}
	die 'no background worker is free';
}

# Starts a job as a role.
sub train
{
	my ($model, $options, $role) = @_;
	$options //= $quick;
	return submit("SELECT xmcoh.train('$model', $options)", extra_params => [ $role ? ('-U', $role) : () ]);
}

# Starts a long run and waits until it trains.
sub train_long
{
	my ($model, $role) = @_;
	my $job = train($model, $long, $role);
	await($job, "state = 'running' AND done > 0");
	return $job;
}

# Returns whether a process lives. A zombie does not count.
sub process_lives
{
	my ($pid) = @_;
	return `ps -o stat= -p $pid` =~ /^[^Z]/;
}

# Kills a process of a server and waits until the server accepts connections again. An earlier connection would be cut off.
sub kill_worker
{
	my ($pid, $server) = @_;
	my $end = time + $patience;
	kill 'KILL', $pid;
	while (-e "/proc/$pid")		# a zombie until the postmaster reaps the process
	{
		die "the postmaster does not notice that $pid was killed" if time > $end;
		sleep 0.01;
	}
	($server // $node)->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
	return;
}

# Waits until no worker of a job exists. A worker writes its last message before the worker exits.
sub worker_is_gone
{
	return $node->poll_query_until($database, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'xmcoh job'");
}

# Runs a statement that needs a database without connections (DROP DATABASE, CREATE DATABASE from a template). PostgreSQL waits
# five seconds for other connections to end, and an exiting process may need longer.
sub until_dropped
{
	my ($server, $sql, $from) = @_;
	my $end = time + $patience;
	for (;;)
	{
		my ($code, $out, $err) = $server->psql($from // 'postgres', $sql);
		return if $code == 0;
		die $err if $err !~ /is being accessed by other users/ || time > $end;
	}
}

# Stops a worker while the worker holds no lock: it is in no transaction, nor does it hold its job's row. A worker writes twice a
# second, and checkpoints. A query that needs a lock of shared memory would wait for ever if the stopped worker held the lock.
sub stop_between_writes
{
	my ($job, $pid) = @_;
	my $end = time + $patience;
	while (time < $end)
	{
		kill 'STOP', $pid;
		my ($code) = $node->psql($database, "SELECT 1 / (backend_xid IS NULL AND backend_xmin IS NULL)::int FROM pg_stat_activity WHERE pid = $pid;
			SELECT 1 FROM xmcoh.job_record WHERE job_id = $job FOR UPDATE NOWAIT",
			timeout => 20, timed_out => \my $timed_out);
		return if defined $code && $code == 0 && !$timed_out;
		kill 'CONT', $pid;
		sleep 0.1;
	}
	die "worker $pid is always in a transaction";
}

# Approves a new pair of a document of `manuals`.
sub approve
{
	my $document = $known->{approved} + 1;
	value("INSERT INTO xmcoh.approved_pair (model_id, document, before, after)
		SELECT model_id, '$document', '1', '2' FROM xmcoh.model WHERE name = 'manuals'");
	$known->{approved}++;
}

# Checks that every known version is present and sound, that every approved pair is present, that no job reads active, and that
# `manuals` can be trained. Approves one more pair, which the next check must find.
sub unharmed
{
	my ($why) = @_;
	my @harm;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, $out, $err) = $node->psql($database, q{SELECT name, version, sha256, sha256 = encode(sha256(weights), 'hex')
		AND xmcoh.inspect_weights(weights) IS NOT NULL FROM xmcoh.model_version JOIN xmcoh.model USING (model_id)});
	push @harm, "a version cannot be read: $err" if $code != 0;
	my %now;
	for my $line (split /\n/, $out)
	{
		my ($model, $number, $sha256, $sound) = split /\|/, $line;
		push @harm, "version $number of $model is damaged" if $sound ne 't';
		$now{"$model $number"} = $sha256;
	}
	for my $version (sort keys %{ $known->{version} })
	{
		push @harm, "version $version is lost or another" if ($now{$version} // '') ne $known->{version}{$version};
	}
	push @harm, 'a deployed version is not there' if value(q{SELECT EXISTS (SELECT FROM xmcoh.model AS m
		WHERE deployed_version IS NOT NULL AND NOT EXISTS (SELECT FROM xmcoh.model_version AS v
			WHERE v.model_id = m.model_id AND version = deployed_version))}) ne 'f';
	my $pairs = value("SELECT count(*) FROM xmcoh.approved_pair JOIN xmcoh.model USING (model_id) WHERE name = 'manuals'");
	push @harm, "of $known->{approved} approved pairs $pairs are there" if $pairs != $known->{approved};
	my $stuck = value(q{SELECT string_agg(format('job %s reads %s', job_id, state), '; ') FROM xmcoh.job
		WHERE state IN ('queued', 'starting', 'running', 'cancelling')});
	push @harm, $stuck if $stuck ne '';
	approve();
	my $end = outcome(train('manuals'));
	push @harm, "the next run of manuals ends $end" if $end !~ /^succeeded: /;
	%{ $known->{version} } = %now;
	is(join('; ', @harm), '', "$why: versions, approved pairs and states are sound, and the next job succeeds");
}

1;
