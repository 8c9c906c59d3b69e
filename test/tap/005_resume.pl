# Tests that a resumed job ends with the same bytes, whatever interrupted its worker and at whatever moment.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest;

my $node = new_cluster('resume', "max_worker_processes = 8\n");

# The texts show the ends of a document, the images nearly the whole order. In rounds each modality labels the pool for the other.
my $shape = '"d_model": 64, "heads": 2, "feed_forward": 64, "hash_bits": 12, "bag_bits": 12, "bag_dim": 8, "bag_documents": 0, "align_dim": 16';
my $options = qq('{$shape, "epochs": 60, "patience": 60, "rounds": 2}');
my $endless = qq('{$shape, "epochs": 10000, "patience": 10000}');
my $seed = $ENV{TEST_SEED} // 1;
srand($seed);
note "seed $seed";
value(q{
CREATE TABLE step AS
	SELECT m AS manual, s AS step, s AS place, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || ' part ' || m % 7 AS instruction,
		(SELECT array_agg((s * (k % 3 - 1) + sin(m * 37 + s * 11 + k * 5))::real ORDER BY k) FROM generate_series(1, 8) AS k) AS photo,
		m <= 100 AS ok
	FROM generate_series(1, 160) AS m, generate_series(1, 5) AS s;
SELECT xmcoh.create_model('pictured', image_dim => 8);
SELECT xmcoh.attach_source('pictured', 'step', 'manual', 'step', text => 'instruction', image => 'photo', "position" => 'place', approved => 'ok');
});

sub sha { my ($job) = @_; return value("SELECT sha256 FROM xmcoh.model_version WHERE job_id = $job"); }
sub figures
{
	my ($job) = @_;
	return value("SELECT count(*), md5(string_agg(concat_ws(' ', round, phase, epoch, metric, value), ',' ORDER BY round, phase, epoch, metric))
		FROM xmcoh.training_metric WHERE job_id = $job");
}
sub report { my ($job) = @_; return value("SELECT report FROM xmcoh.model_version WHERE job_id = $job"); }
sub checkpoints { my ($job) = @_; return value("SELECT count(*) FROM xmcoh.job_checkpoint WHERE job_id = $job"); }

sub train_with
{
	my ($interval, $with) = @_;
	return value("SET xmcoh.checkpoint_interval = $interval; SELECT xmcoh.train('pictured', $with, on_success => 'keep')");
}

# Starts a run, waits for a checkpoint, and interrupts the run. A run that has already succeeded is replaced by a new run.
sub interrupted
{
	my ($job, $outcome);
	for (1 .. 20)
	{
		$job = train_with(0, $options);
		next if !eval { await($job, "EXISTS (SELECT FROM xmcoh.job_checkpoint AS c WHERE c.job_id = $job)"); 1 };
		value("SELECT pg_terminate_backend(worker_pid) FROM xmcoh.job WHERE job_id = $job");
		$outcome = outcome($job);
		last if $outcome !~ /^succeeded: /;
	}
	like($outcome, qr/^interrupted: /, 'a job that is terminated');
	return $job;
}

sub terminate
{
	my ($job) = @_;
	value("SELECT pg_terminate_backend(worker_pid) FROM xmcoh.job WHERE job_id = $job");
	like(outcome($job), qr/^interrupted: /, 'a job that is terminated');
}

sub resume { my ($job) = @_; value("SELECT xmcoh.resume_job($job)"); }

# ---- the reference: a run without interruption ----

my $began = time;
my $reference = train_with(3600, $options);
like(outcome($reference), qr/^succeeded: /, 'a run that nobody interrupts');
my $length = time - $began;
note sprintf 'which takes %.1f s', $length;
is(value("SELECT count(DISTINCT round) FROM xmcoh.training_round WHERE job_id = $reference"), '2', 'with two rounds');
like(report($reference), qr/"alignment"/, 'and an alignment');
my ($sha, $figures, $report) = (sha($reference), figures($reference), report($reference));

# ---- interruptions of every kind at random moments ----

my %ways = (
	'pg_terminate_backend' => sub { value("SELECT pg_terminate_backend($_[0])") },
	'pg_cancel_backend' => sub { value("SELECT pg_cancel_backend($_[0])") },
	'kill -9 of the worker' => sub { kill_worker($_[0]) },
	'immediate shutdown' => sub { $node->stop('immediate'); $node->start },
	'restart' => sub { $node->restart });
my @ways = sort keys %ways;

my ($job, $interruptions, $from_checkpoint);
sub begin { $job = train_with(0, $options); $interruptions = $from_checkpoint = 0; return; }
sub check_end
{
	like(outcome($job), qr/^succeeded: /, "interrupted $interruptions times, it comes to its end");
	is(sha($job), $sha, 'with the same weights, to the bit');
	is(report($job), $report, 'the same report');
	is(figures($job), $figures, 'and the same figures of every epoch, each once');
	is(checkpoints($job), '0', 'its checkpoint is gone');
	unlike(job($job, 'message'), qr/anew/, 'it has never begun anew after its first checkpoint') if $from_checkpoint == $interruptions;
	return;
}

my @todo = (@ways, @ways, map { $ways[ rand @ways ] } 1 .. 4);
my $resumed = 0;
my $give_up = time + 3 * $patience;
begin();
while ((@todo || $resumed < 3) && time < $give_up)
{
	# Each interruption loses only the epoch in which it happens, so the loop ends.
	sleep 0.05 + rand($length / 8);
	my $pid = value("SELECT worker_pid FROM xmcoh.job WHERE job_id = $job AND state IN ('starting', 'running')");
	my $way = $todo[0] // $ways[ rand @ways ];
	$ways{$way}->($pid) if $pid ne '';
	my $state = value("CALL xmcoh.wait_for_job($job, '" . ($pid eq '' ? 0 : $patience) . " s')");
	if ($state eq 'succeeded')
	{
		# The job succeeded before an interruption. The next job is interrupted instead.
		check_end();
		begin();
		next;
	}
	next if $pid eq '';			# the job has not begun yet
	is($state, 'interrupted', "interrupted by $way while " . job($job, "concat_ws(' ', phase, 'round', round, 'epoch', epoch)"));
	shift @todo;
	$interruptions++;
	if (checkpoints($job) > 0)
	{
		$from_checkpoint++;
		$resumed++;
	}
	resume($job);
}
check_end();
cmp_ok($resumed, '>=', 3, "a job was resumed from a checkpoint $resumed times");

# ---- unusable checkpoints ----

$job = interrupted();
is(job($job, 'attempts'), '0', 'its attempts were counted anew at its checkpoint');
value("UPDATE xmcoh.job_checkpoint SET data = set_byte(data, octet_length(data) / 2, get_byte(data, octet_length(data) / 2) # 4) WHERE job_id = $job AND chunk = 0");
resume($job);
like(outcome($job), qr/^succeeded: .*; began anew: the checkpoint is damaged: .*(checksum is wrong|not finite)/,
	'with a damaged checkpoint it begins anew, and says so');
is(sha($job), $sha, 'with the same weights');
is(figures($job), $figures, 'and the same figures');

$job = interrupted();
value("UPDATE xmcoh.job_checkpoint SET data = substr(data, 1, 10000) WHERE job_id = $job");
resume($job);
like(outcome($job), qr/^succeeded: .*; began anew: the checkpoint is damaged: it ends too early/, 'so it does with one that was cut off');

$job = interrupted();
value("UPDATE step SET instruction = 'open part 1' WHERE manual = 3 AND step = 1");
resume($job);
like(outcome($job), qr/^succeeded: .*; began anew: the documents have changed since the checkpoint/, 'and after a change of the source');
isnt(sha($job), $sha, 'with what the source holds now');
value("UPDATE step SET instruction = 'unpack part 3' WHERE manual = 3 AND step = 1");

# ---- checkpoints that cannot be written ----

value(q{CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full USING MESSAGE = 'no space, as a test'; END $$;
CREATE TRIGGER no_space BEFORE INSERT ON xmcoh.job_checkpoint FOR EACH ROW EXECUTE FUNCTION no_space()});
$job = train_with(0, $options);
like(outcome($job), qr/^succeeded: .*; could not write a checkpoint: no space, as a test/, 'training outlives checkpoints that cannot be written');
is(sha($job), $sha, 'with the same weights');
value('DROP TRIGGER no_space ON xmcoh.job_checkpoint');

# ---- the checkpoint interval, and what a resumed worker knows ----

$job = train_with(3600, $endless);
await($job, 'epoch > 2');
is(checkpoints($job), '0', 'no checkpoint before xmcoh.checkpoint_interval, which the submitting session has set');
is(job($job, 'attempts'), '1', 'the attempt counts');
terminate($job);
resume($job);
await($job, "state = 'running' AND done > 0");
is(job($job, 'message'), 'began anew: there is no checkpoint', 'without a checkpoint it begins anew, and says so while it runs');
value("SELECT xmcoh.cancel_job($job)");
like(outcome($job), qr/^cancelled/, '(cancelled)');

# The time left is computed from the work done since the worker began.
$job = train_with(0, $endless);
await($job, "attempts = 0 AND epoch > 2");
terminate($job);
my $done = job($job, 'done');
resume($job);
await($job, 'done_before > 0 AND done > done_before');
my $pid = job($job, 'worker_pid');
stop_between_writes($job, $pid);
cmp_ok(job($job, 'done_before'), '<=', $done, 'a resumed job knows what was done before');
is(value("SELECT abs(extract(epoch FROM p.time_left) / extract(epoch FROM p.elapsed) / ((j.total - j.done)::float8 / (j.done - j.done_before)) - 1) < 0.01
	FROM xmcoh.training_progress AS p JOIN xmcoh.job AS j USING (job_id) WHERE j.job_id = $job"), 't', 'and so does its time left');

# ---- a dump and a cancel of a job with a checkpoint ----

my $dump = $node->basedir . '/dump.sql';
cmp_ok(checkpoints($job), '>', 0, 'it has a checkpoint');
$node->command_ok([ 'pg_dump', '-d', 'postgres', '-f', $dump, '-h', $node->host, '-p', $node->port ], 'pg_dump');
unlike(slurp_file($dump), qr/COPY xmcoh\.job_checkpoint/, 'does not dump it');
like(slurp_file($dump), qr/COPY xmcoh\.job_record/, '(but its job)');
kill 'CONT', $pid;
value("SELECT xmcoh.cancel_job($job)");
like(outcome($job), qr/^cancelled/, 'a cancelled job');
is(checkpoints($job), '0', 'leaves no checkpoint');

ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal (?!9:)/, 'nothing crashed but what was killed');
$node->stop;
done_testing();
