# Kills workers and servers at random moments, while jobs run one after another and a process approves pairs. Each job is resumed
# until the job ends. The weights must be those of an undisturbed run. (010 lists which file tests which fault.)
#
#   TORTURE_KILLS    number of kills: 8, and 200 by `make torture`
#   TORTURE_SECONDS  time limit, once a job has been resumed: 90, and 3600 by `make torture`
#   TORTURE_SEED     seed of the kinds and moments of kills: 1 (the phase at a kill also depends on the machine's speed)
#   TORTURE_PRELOAD  1: with shared_preload_libraries = 'xmcoh', where the launcher resumes jobs itself
use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest;

my $kills = $ENV{TORTURE_KILLS} // 8;
my $seconds = $ENV{TORTURE_SECONDS} // 90;
my $seed = $ENV{TORTURE_SEED} // 1;
my $preload = $ENV{TORTURE_PRELOAD} // 0;
# The limit in seconds for a server to restart, for a dead job to be detected, and for an undisturbed job to end.
my $bound = $patience;
srand $seed;

# fsync stays off: the kernel keeps what a process has written, even when a process or the postmaster is killed. Only a loss of
# power would lose such data. A loss of power is PostgreSQL's concern and is not tested here. synchronous_commit stays on: an
# acknowledged commit has been written.
my $node = new_cluster('torture', ($preload ? "shared_preload_libraries = 'xmcoh'\n" : '') . q{
max_worker_processes = 8
xmcoh.checkpoint_interval = 0
xmcoh.training_workers = 2
});	# two workers, so that there is a gradient process to kill

# ---- two models with their undisturbed weights, and a third model for approved pairs ----

# The model `rounds` is cross-fitted. Cross-fitting has no checkpoints: a job killed during cross-fitting repeats the cross-fitting.

my @model = ('rounds', 'plain');
$node->safe_psql('postgres', q{
CREATE TABLE guide AS
	SELECT g AS guide, p AS step, g <= 120 AS approved,
		(ARRAY['open', 'check', 'turn', 'press', 'close'])[p] || ' part ' || (g * 7 + p * 3) % 10 AS words,
		ARRAY[p * 0.2 + (g * 31 + p * 17) % 10 * 0.05] || ARRAY(SELECT ((g * 131 + p * 37 + k * k * 17 + g * k * 7) % 101) / 101.0
			FROM generate_series(1, 15) AS k)::real[] AS picture
	FROM generate_series(1, 300) AS g, generate_series(1, 5) AS p;
SELECT xmcoh.create_model('rounds', image_dim => 16, options => '{"d_model": 96, "feed_forward": 96, "hash_bits": 12, "epochs": 30,
	"patience": 30, "rounds": 2}');
SELECT xmcoh.create_model('plain', image_dim => 16, options => '{"d_model": 128, "feed_forward": 96, "hash_bits": 12, "epochs": 60,
	"patience": 60, "bag_documents": 0, "bag_bits": 10, "bag_dim": 16, "folds": 0}');
SELECT xmcoh.attach_source(m, 'guide', 'guide', 'step', text => 'words', image => 'picture', "position" => 'step',
	approved => 'approved') FROM unnest('{rounds,plain}'::text[]) AS m});
my %reference;
my %takes;				# seconds
for my $model (@model)
{
	my $began = time;
	my $job = train($model, q('{}'));
	like(outcome($job), qr/^succeeded: /, "an undisturbed run of $model");
	$reference{$model} = value("SELECT sha256 FROM xmcoh.versions WHERE job_id = $job");
	$takes{$model} = time - $began;
	note(sprintf('%s: %.1f s, %s', $model, $takes{$model}, $reference{$model}));
}

# A child process approves pairs all the time and lists the pairs whose commit was acknowledged.
my $ledger = PostgreSQL::Test::Utils::tempdir . '/approved';
my $approver = fork // die "fork: $!";
if ($approver == 0)
{
	my $parent = getppid;
	for (my $n = 1; getppid == $parent && !-e "$ledger.stop"; $n++)
	{
		my $code = -1;
		eval { ($code) = $node->psql('postgres', "INSERT INTO xmcoh.approved_pair (model_id, document, before, after)
			SELECT model_id, '$n', '1', '2' FROM xmcoh.model WHERE name = 'others'") };
		append_to_file($ledger, "$n\n") if $code == 0;
		sleep 0.1;
	}
	POSIX::_exit(0);		# skips the END blocks of the test
}

# ---- counters ----

my %violation;
my %count;
my %met;				# phase in the job's row at a kill => number of kills

sub violate
{
	my ($what, $details) = @_;
	$violation{$what}++;
	diag("seed $seed: $what: $details");
}

# Returns a statement's result, or undef while no server runs. (IPC::Run dies when psql does not read its input.)
sub ask_if_up
{
	my ($code, $out) = eval { $node->psql('postgres', $_[0]) };
	return defined $code && $code == 0 ? $out : undef;
}

# Waits until a test is true. A wait longer than $bound is a violation. Returns the time waited.
sub within_bound
{
	my ($what, $test) = @_;
	my $began = time;
	until ($test->())
	{
		if (time - $began > $bound)
		{
			violate($what, "after $bound s: " . (ask_if_up(q{SELECT string_agg(concat_ws(' ', job_id, state, phase, worker_pid, message), '; ')
				FROM xmcoh.job_record WHERE finished_at IS NULL OR state = 'interrupted'}) // 'no server'));
			last;
		}
		sleep 0.05;
	}
	my $took = time - $began;
	$count{slowest} = $took if $took > ($count{slowest} // 0);
	return $took;
}

# Returns a statement's result, and retries while the server restarts.
sub surely
{
	my ($sql) = @_;
	my $result;
	within_bound('a server is not back', sub { defined($result = ask_if_up($sql)) });
	return $result;
}

# ---- kills ----

sub postmaster_pid { return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0]; }

sub gradient_process
{
	my $pid = value("SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'xmcoh gradient'");
	return $pid eq '' ? undef : $pid;
}

my %kind = (
	'kill -9 worker' => [ 30, sub { kill 'KILL', $_[0] } ],
	'kill -9 gradient process' => [ 15, sub { kill 'KILL', gradient_process() // $_[0] } ],
	'kill -9 postmaster' => [ 20, sub { my $pid = postmaster_pid(); $node->kill9; sleep 0.01 while kill 0, $pid } ],
	'immediate stop' => [ 15, sub { $node->stop('immediate') } ],
	'pg_terminate_backend' => [ 20, sub { value("SELECT pg_terminate_backend($_[0])") } ]);

sub random_kind
{
	my $at = rand 100;
	for my $kind (sort keys %kind)
	{
		$at -= $kind{$kind}[0];
		return $kind if $at < 0;
	}
}

my $job;				# the job that is not over
my $turn = 0;			# counts finished jobs; the models alternate

# A job whose state reads active has a live worker, or is queued.
sub check_no_lie
{
	my $dead = q{SELECT string_agg(concat_ws(' ', job_id, state, worker_pid), '; ') FROM xmcoh.job AS j
		WHERE state IN ('starting', 'running', 'cancelling') AND NOT EXISTS (SELECT FROM pg_stat_activity AS a
			WHERE a.pid = j.worker_pid AND backend_type = 'xmcoh job')};
	within_bound('a job reads running without a worker', sub { surely($dead) eq '' });	# a job may end between the two reads
}

sub check_everything
{
	my @acknowledged = -e $ledger ? split /\n/, slurp_file($ledger) : ();
	my %there = map { $_ => 1 } split /\n/, surely("SELECT document FROM xmcoh.approved_pair JOIN xmcoh.model USING (model_id) WHERE name = 'others'");
	my @lost = grep { !$there{$_} } @acknowledged;
	violate('approved pairs are lost', "@lost") if @lost;
	$count{pairs} = @acknowledged;
	my $bad = ask_if_up(q{SELECT coalesce(string_agg(version::text, ' '), '') FROM xmcoh.model_version
		WHERE sha256 <> encode(sha256(weights), 'hex') OR xmcoh.inspect_weights(weights) IS NULL});
	violate('versions are damaged', $bad // 'cannot be read') if ($bad // 'x') ne '';
	$count{versions} = value('SELECT count(*) FROM xmcoh.model_version');
	violate('a checkpoint outlives its job', '')
	  if value("SELECT to_regclass('xmcoh.job_checkpoint') IS NOT NULL") eq 't' && value(q{SELECT EXISTS (SELECT FROM xmcoh.job_checkpoint AS c
		JOIN xmcoh.job_record AS j USING (job_id) WHERE j.state IN ('succeeded', 'rejected', 'failed', 'cancelled'))}) eq 't';
}

# Handles the job of the current model: resumes the job, checks a finished job, or starts the next. Returns whether a job runs.
sub look_after
{
	my $model = $model[ $turn % @model ];
	if (!defined $job)
	{
		$job = train($model, q('{}'));
		return 1;
	}
	my ($state, $message, $sha256, $pid) = split /\|/, surely("SELECT state, message, (SELECT sha256 FROM xmcoh.versions AS v WHERE v.job_id = j.job_id),
		worker_pid FROM xmcoh.job AS j WHERE job_id = $job"), -1;
	return 1 if $state =~ /^(queued|starting|running)$/;
	if ($state eq 'interrupted')
	{
		# The launcher resumes a job that a restart interrupted. A job that lost only its worker is resumed here.
		if ($preload)
		{
			my $end = time + 5;
			sleep 0.1 while time < $end && job($job, 'state') eq 'interrupted';
		}
		my ($code, $out, $err) = $node->psql('postgres', "SELECT xmcoh.resume_job($job)");
		if ($code == 0) { $count{resumed}++; $count{"resumed $job"}++ }
		elsif (job($job, 'state') !~ /^(queued|starting|running|succeeded)$/ && $err !~ /no background worker is free/)
		{
			violate('a job cannot be resumed', $err);
			undef $job;
		}
		return 0;
	}
	if ($state eq 'succeeded')
	{
		$count{succeeded}++;
		$count{'succeeded after being resumed'}++ if $count{"resumed $job"};
		violate('weights differ from those of an undisturbed run', "job $job of $model") if $sha256 ne $reference{$model};
	}
	else
	{
		violate('a job that nobody cancelled ends otherwise than by success', "job $job of $model: $state: $message");
	}
	undef $job;
	$turn++;
	return 0;
}

my $began = time;
my $done = 0;
while ($done < $kills && (time - $began < $seconds || ($count{resumed} // 0) == 0))
{
	within_bound('a job is stuck', sub { look_after() });

	# Some kills come at once, to meet starting workers and rows just written. Other kills come at any time up to the job's whole
	# duration, so that jobs get past cross-fitting.
	my $until = time + (rand() < 0.3 ? rand 0.2 : rand $takes{ $model[ $turn % @model ] });
	while (time < $until)
	{
		my $left = $until - time;
		sleep($left < 0.3 ? $left : 0.3) if $left > 0;
	}
	my $kind = random_kind();
	my ($pid, $phase) = split /\|/, value("SELECT worker_pid, concat_ws(' ', phase, 'of round ' || nullif(round, 0))
		FROM xmcoh.job_record JOIN pg_stat_activity AS a ON pid = worker_pid AND backend_type = 'xmcoh job'
		WHERE job_id = $job AND job_record.state IN ('starting', 'running')");
	$pid //= '';
	next if $pid eq '' && $kind =~ /worker|process|backend/;	# the job is over, or has not begun
	$kind{$kind}[1]->($pid);
	$count{$kind}++;
	$met{ $phase || 'starting' }++ if $pid ne '';
	$done++;
	if ($kind =~ /postmaster|stop/)
	{
		within_bound('a server cannot be started', sub { $node->start(fail_ok => 1) });
	}
	# Waits until the postmaster, if one runs, has noticed the kill: an earlier connection would be cut off.
	sleep 0.01 while $pid ne '' && ($kind =~ /postmaster|stop/ ? process_lives($pid) : -e "/proc/$pid");
	surely('SELECT true');
	check_no_lie();
	if ($done % 20 == 0 || $done == $kills)
	{
		check_everything();
		note(sprintf('%d kills in %.0f s: %d jobs succeeded, %d resumed, %d versions, %d pairs, %d violations', $done, time - $began,
			$count{succeeded} // 0, $count{resumed} // 0, $count{versions}, $count{pairs}, scalar keys %violation));
	}
}
append_to_file("$ledger.stop", '');
waitpid $approver, 0;

# A job that is not over comes to its end after the last kill.
within_bound('a job is stuck', sub { look_after() if defined $job; return !defined $job });
check_everything();
my $open = value(q{SELECT coalesce(string_agg(concat_ws(' ', job_id, state), '; '), '') FROM xmcoh.job_record
	WHERE state IN ('queued', 'starting', 'running', 'cancelling')});
violate('a job is stuck', $open) if $open ne '';
unharmed("$done kills");

note('');
note(sprintf '%-40s %6s', @$_) for (
	(map { [ $_, $count{$_} // 0 ] } sort keys %kind),
	[ 'seconds', sprintf '%.0f', time - $began ],
	[ 'longest wait for a server or a job, s', sprintf '%.1f', $count{slowest} ],
	(map { [ $_, $count{$_} // 0 ] } 'resumed', 'succeeded', 'succeeded after being resumed', 'versions', 'pairs'));
is($violation{$_} // 0, 0, "0 times: $_") for ('a job is stuck', 'a job reads running without a worker', 'versions are damaged',
	'approved pairs are lost', 'weights differ from those of an undisturbed run', sort keys %violation);
note(sprintf '%-40s %6d', $_, $met{$_}) for sort keys %met;
cmp_ok($done, '>=', 1, "$done kills");
cmp_ok($count{'succeeded after being resumed'} // 0, '>=', $done / 20, 'jobs got to their end although they were killed');
ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal (?!9:)/, 'nothing crashed but what was killed');
$node->stop;
done_testing();
