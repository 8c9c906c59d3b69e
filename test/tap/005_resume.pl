# Interrupted training goes on: whatever ends a worker, and whenever, the job that is resumed ends with the same bytes.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = PostgreSQL::Test::Cluster->new('resume');
$node->init;
$node->append_conf('postgresql.conf', q{
restart_after_crash = on
synchronous_commit = on
fsync = off
});
$node->start;

# Texts that know the ends, images that know nearly the whole order, and a pool for rounds in which one teaches the other.
my $options = q('{"d_model": 64, "heads": 2, "feed_forward": 64, "hash_bits": 12, "bag_bits": 12, "bag_dim": 8, "bag_documents": 0,
	"align_dim": 16, "epochs": 30, "patience": 30, "rounds": 2}');
my $seed = $ENV{TEST_SEED} // 1;
srand($seed);
note "seed $seed";
$node->safe_psql('postgres', q{
CREATE EXTENSION xmcoh;
CREATE TABLE step AS
	SELECT m AS manual, s AS step, s AS place, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || ' part ' || m % 7 AS instruction,
		(SELECT array_agg((s * (k % 3 - 1) + sin(m * 37 + s * 11 + k * 5))::real ORDER BY k) FROM generate_series(1, 8) AS k) AS photo,
		m <= 100 AS ok
	FROM generate_series(1, 160) AS m, generate_series(1, 5) AS s;
SELECT xmcoh.create_model('manuals', image_dim => 8);
SELECT xmcoh.attach_source('manuals', 'step', 'manual', 'step', text => 'instruction', image => 'photo', "position" => 'place', approved => 'ok');
});

sub value { return $node->safe_psql('postgres', $_[0]); }
sub job { my ($job, $column) = @_; return value("SELECT $column FROM xmcoh.job WHERE job_id = $job"); }
sub sha { my ($job) = @_; return value("SELECT sha256 FROM xmcoh.model_version WHERE job_id = $job"); }
sub figures
{
	my ($job) = @_;
	return value("SELECT count(*), md5(string_agg(concat_ws(' ', round, phase, epoch, metric, value), ',' ORDER BY round, phase, epoch, metric))
		FROM xmcoh.training_metric WHERE job_id = $job");
}
sub report { my ($job) = @_; return value("SELECT report FROM xmcoh.model_version WHERE job_id = $job"); }
sub checkpoints { my ($job) = @_; return value("SELECT count(*) FROM xmcoh.job_checkpoint WHERE job_id = $job"); }

sub train
{
	my ($interval) = @_;
	return value("SET xmcoh.checkpoint_interval = $interval; SELECT xmcoh.train('manuals', $options, on_success => 'keep')");
}

# Starts a run and lets it get as far as a checkpoint.
sub train_to_checkpoint
{
	my $job = train(0);
	$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM xmcoh.job_checkpoint WHERE job_id = $job)")
	  or die "job $job writes no checkpoint: " . job($job, "concat(state, ' ', message)");
	return $job;
}

# A worker that stands still cannot end before it is looked at.
sub hold
{
	my ($job) = @_;
	my $pid = job($job, 'worker_pid');
	kill 'STOP', $pid;
	return $pid;
}

sub terminate
{
	my ($job) = @_;
	value("SELECT pg_terminate_backend(worker_pid) FROM xmcoh.job WHERE job_id = $job");
	return value("SELECT xmcoh.wait_for_job($job, '20 s')");
}

# ---- what it is to be ----

my $began = time;
my $reference = train(3600);
is(value("SELECT xmcoh.wait_for_job($reference, '120 s')"), 'succeeded', 'a run that nobody interrupts');
my $length = time - $began;
note sprintf 'which takes %.1f s', $length;
is(value("SELECT count(DISTINCT round) FROM xmcoh.training_round WHERE job_id = $reference"), '2', 'with two rounds');
like(report($reference), qr/"alignment"/, 'and an alignment');
my ($sha, $figures, $report) = (sha($reference), figures($reference), report($reference));

# ---- interrupted at random, in every way there is ----

my %ways = (
	'pg_terminate_backend' => sub { value("SELECT pg_terminate_backend($_[0])") },
	'pg_cancel_backend' => sub { value("SELECT pg_cancel_backend($_[0])") },
	'kill -9 of the worker' => sub { kill 'KILL', $_[0] },
	'immediate shutdown' => sub { $node->stop('immediate'); $node->start },
	'fast shutdown' => sub { $node->restart });
my @ways = sort keys %ways;

my $job = train(0);
my $interruptions = 0;
my $resumed_late = 0;
for my $way (@ways, @ways, map { $ways[ rand @ways ] } 1 .. 4)
{
	# Every interruption costs the epoch it falls into, no more; so this comes to an end.
	sleep 0.05 + rand($length / 8);
	my $pid = $node->safe_psql('postgres', "SELECT worker_pid FROM xmcoh.job WHERE job_id = $job AND state IN ('starting', 'running')");
	last if job($job, 'state') eq 'succeeded';
	next if $pid eq '';
	$ways{$way}->($pid);
	$node->poll_query_until('postgres', 'SELECT true');	# after a crash
	my $state = value("SELECT xmcoh.wait_for_job($job, '20 s')");
	last if $state eq 'succeeded';
	is($state, 'interrupted', "interrupted by $way while " . job($job, "concat_ws(' ', phase, 'round', round, 'epoch', epoch)"));
	$interruptions++;
	$resumed_late++ if checkpoints($job) > 0;
	value("SELECT xmcoh.resume_job($job)");
}
is(value("SELECT xmcoh.wait_for_job($job, '120 s')"), 'succeeded', "interrupted $interruptions times, it comes to its end");
cmp_ok($resumed_late, '>=', 3, 'having been resumed from checkpoints');
is(sha($job), $sha, 'with the same weights, to the bit');
is(report($job), $report, 'the same report');
is(figures($job), $figures, 'and the same figures of every epoch, each once');
is(checkpoints($job), '0', 'its checkpoint is gone');
unlike(job($job, 'message'), qr/anew/, 'it has never begun anew');

# ---- checkpoints that are no good ----

$job = train_to_checkpoint();
is(terminate($job), 'interrupted', 'a job with a checkpoint');
is(job($job, 'attempts'), '0', 'whose attempts were counted anew with it');
value("UPDATE xmcoh.job_checkpoint SET data = set_byte(data, octet_length(data) / 2, get_byte(data, octet_length(data) / 2) # 4) WHERE job_id = $job AND chunk = 0");
value("SELECT xmcoh.resume_job($job)");
is(value("SELECT xmcoh.wait_for_job($job, '120 s')"), 'succeeded', 'which is damaged then, succeeds');
like(job($job, 'message'), qr/; began anew: the checkpoint is damaged: .*(checksum is wrong|not finite)/, 'but begins anew, and says so');
is(sha($job), $sha, 'with the same weights');
is(figures($job), $figures, 'and the same figures');

$job = train_to_checkpoint();
terminate($job);
value("UPDATE xmcoh.job_checkpoint SET data = substr(data, 1, 10000) WHERE job_id = $job");
value("SELECT xmcoh.resume_job($job)");
is(value("SELECT xmcoh.wait_for_job($job, '120 s')"), 'succeeded', 'one that was cut off');
like(job($job, 'message'), qr/began anew: the checkpoint is damaged: it ends too early/, 'is told');

$job = train_to_checkpoint();
terminate($job);
value("UPDATE step SET instruction = 'open part 1' WHERE manual = 3 AND step = 1");
value("SELECT xmcoh.resume_job($job)");
is(value("SELECT xmcoh.wait_for_job($job, '120 s')"), 'succeeded', 'after a change of the source a resumed job');
like(job($job, 'message'), qr/began anew: the documents have changed since the checkpoint/, 'begins anew');
isnt(sha($job), $sha, 'with what the source holds now');
value("UPDATE step SET instruction = 'unpack part 3' WHERE manual = 3 AND step = 1");

# ---- checkpoints that cannot be written ----

value(q{CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full USING MESSAGE = 'no space, as a test'; END $$;
CREATE TRIGGER no_space BEFORE INSERT ON xmcoh.job_checkpoint FOR EACH ROW EXECUTE FUNCTION no_space()});
$job = train(0);
is(value("SELECT xmcoh.wait_for_job($job, '120 s')"), 'succeeded', 'training outlives checkpoints that cannot be written');
like(job($job, 'message'), qr/could not write a checkpoint: no space, as a test/, 'and says so');
is(sha($job), $sha, 'with the same weights');
value('DROP TRIGGER no_space ON xmcoh.job_checkpoint');

# ---- how often, and what a worker is told ----

$job = train(3600);
$node->poll_query_until('postgres', "SELECT epoch > 2 FROM xmcoh.job WHERE job_id = $job");
is(checkpoints($job), '0', 'no checkpoint before xmcoh.checkpoint_interval, which the submitting session has set');
is(job($job, 'attempts'), '1', 'the attempt counts');
is(terminate($job), 'interrupted', 'interrupted without a checkpoint');
value("SELECT xmcoh.resume_job($job)");
$node->poll_query_until('postgres', "SELECT state = 'running' AND done > 0 FROM xmcoh.job WHERE job_id = $job");
is(job($job, 'message'), 'began anew: there is no checkpoint', 'it begins anew, and says so while it runs');
value("SELECT xmcoh.cancel_job($job)");
is(value("SELECT xmcoh.wait_for_job($job, '20 s')"), 'cancelled', '(cancelled)');

# The time left counts from what was done when the worker began.
$job = train_to_checkpoint();
terminate($job);
my $done = job($job, 'done');
value("SELECT xmcoh.resume_job($job)");
$node->poll_query_until('postgres', "SELECT done_before > 0 FROM xmcoh.job WHERE job_id = $job");
hold($job);
cmp_ok(job($job, 'done_before'), '<=', $done, 'a resumed job knows what was done before');
is(value("SELECT j.done = j.done_before OR abs(extract(epoch FROM p.time_left) / extract(epoch FROM p.elapsed) / ((j.total - j.done)::float8 / (j.done - j.done_before)) - 1) < 0.01
	FROM xmcoh.training_progress AS p JOIN xmcoh.job AS j USING (job_id) WHERE j.job_id = $job"), 't', 'and so does its time left');

# ---- cancelled, dumped ----

my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', 'postgres', '-f', $dump, '-h', $node->host, '-p', $node->port ], 'pg_dump while a job has a checkpoint');
unlike(slurp_file($dump), qr/COPY xmcoh\.job_checkpoint/, 'does not dump it');
like(slurp_file($dump), qr/COPY xmcoh\.job_record/, '(but its job)');
kill 'CONT', job($job, 'worker_pid');
value("SELECT xmcoh.cancel_job($job)");
is(value("SELECT xmcoh.wait_for_job($job, '20 s')"), 'cancelled', 'a cancelled job');
is(checkpoints($job), '0', 'leaves no checkpoint');

ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal (?!9:)/, 'nothing crashed but what was killed');
$node->stop;
done_testing();
