# Tests training with little memory and with several processes: the weights stay the same, and no process or file remains, even
# after a process is killed.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use XmcohTest qw(kill_worker);

my $node = PostgreSQL::Test::Cluster->new('crew');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = ''
max_worker_processes = 8
max_parallel_workers_per_gather = 0
restart_after_crash = on
fsync = off
});
$node->start;

# A document has 8 items of 256 numbers, which is 8 kB.
$node->safe_psql('postgres', q{
CREATE EXTENSION xmcoh;
CREATE TABLE step AS SELECT d AS document, i AS step, 'word' || (d * i) % 97 || ' of ' || i AS instruction, d % 4 > 0 AS approved,
		(SELECT array_agg(sin(d * 7 + i * k)::real) FROM generate_series(1, 256) AS k) AS photo
	FROM generate_series(1, 600) AS d, generate_series(1, 8) AS i;
CREATE FUNCTION attach(model text) RETURNS void LANGUAGE sql AS $$
SELECT xmcoh.create_model(model, image_dim => 256);
SELECT xmcoh.attach_source(model, 'step', 'document', 'step', text => 'instruction', image => 'photo', "position" => 'step',
	approved => 'approved') $$;
SELECT attach('manuals');
CREATE TABLE few AS SELECT * FROM step WHERE document <= 60;	-- the linear term's epochs, which come first, are soon over
SELECT xmcoh.create_model('slow', image_dim => 256, words => false, options =>
	'{"epochs": 10000, "patience": 10000, "d_model": 768, "layers": 2, "feed_forward": 512}');
SELECT xmcoh.attach_source('slow', 'few', 'document', 'step', image => 'photo', "position" => 'step', approved => 'all');
});

sub value { return $node->safe_psql('postgres', $_[0]); }
sub set { value("ALTER DATABASE postgres SET $_[0]"); return; }
sub job { my ($job, $column) = @_; return value("SELECT $column FROM xmcoh.job WHERE job_id = $job"); }
# A job's temporary files are removed when its process exits, which is shortly after the end of the job is written.
sub no_files { return $node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_ls_tmpdir()'); }

# Runs a job to its end. Returns the job, its state, and the hash of the version's weights.
sub train
{
	my ($options, $model) = @_;
	my $job = value("SELECT xmcoh.train('" . ($model // 'manuals') . "', '$options')");
	my $state = value("CALL xmcoh.wait_for_job($job, '180 s')");
	return ($job, $state, value("SELECT sha256 FROM xmcoh.versions AS v JOIN xmcoh.job AS j USING (model, version) WHERE j.job_id = $job"));
}

# ---- little memory ----

# The minibatches hold every kind of input: words in bags, documents with approved orders, and documents with weak labels.
my $quick = '{"epochs": 2, "rounds": 1, "bag_documents": 0, "evaluation_documents": 0}';
my ($job, $state, $ample) = train($quick);
is($state, 'succeeded', 'training with ample memory');
ok(no_files(), 'no temporary file is left');

set("xmcoh.training_memory = '1MB'");
($job, $state, my $sparing) = train($quick);
is($state, 'succeeded', 'training with documents of five times the memory');
is($sparing, $ample, 'gives the same weights');

set("work_mem = '64MB'");	# the sort needs no temporary file
set('temp_file_limit = 1024');
($job, $state) = train($quick);
is($state, 'failed', 'training with more documents than temp_file_limit fails');
like(job($job, 'message'), qr/^the training documents take more than temp_file_limit \(1024 kB\)\nHint: Raise temp_file_limit/,
	'and says what to do');
ok(no_files(), 'nothing is left of its file');
set('temp_file_limit = -1');
set("xmcoh.training_memory = '256MB'");

# ---- texts of many sentences ----

# The order of sentences is learned from 1,600 texts. Their documents take 8 MB, the other documents less than 1 MB.
value(q{
CREATE TABLE chapter AS SELECT d AS document, i AS step, d <= 40 AS approved,
		(SELECT string_agg('turn part ' || (d * 131 + i * 37 + k * d) % 499 || ' by ' || (d + k * i) % 97 || ' degrees to the left. ', '' ORDER BY k)
			FROM generate_series(1, 30) AS k) AS instruction
	FROM generate_series(1, 200) AS d, generate_series(1, 8) AS i;
SELECT xmcoh.create_model('chapters');
SELECT xmcoh.attach_source('chapters', 'chapter', 'document', 'step', text => 'instruction', "position" => 'step', approved => 'approved')});
my $of_texts = '{"epochs": 2, "pool_documents": 1, "evaluation_documents": 0}';
($job, $state, $ample) = train($of_texts, 'chapters');
is($state, 'succeeded', 'training with texts of many sentences');
set("xmcoh.training_memory = '1MB'");
($job, $state, $sparing) = train($of_texts, 'chapters');
is($sparing, $ample, 'gives the same weights with less memory than the sentences take');
set("xmcoh.training_memory = '256MB'");
set('temp_file_limit = 4096');
($job, $state) = train($of_texts, 'chapters');
is($state, 'failed', 'more sentences than temp_file_limit: fails');
like(job($job, 'message'), qr/^the training documents take more than temp_file_limit \(4096 kB\)\nHint: Raise temp_file_limit/,
	'and says what to do');
ok(no_files(), 'nothing is left of their file');
set('temp_file_limit = -1');

# ---- several processes ----

my $gradient = "FROM pg_stat_activity WHERE backend_type = 'xmcoh gradient'";
sub nobody_left { return $node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'xmcoh %'"); }

sub restart_with_slots
{
	$node->append_conf('postgresql.conf', "max_worker_processes = $_[0]");
	$node->restart;
	return;
}

# Starts a long run and waits until all gradient processes run.
sub train_long
{
	my ($processes) = @_;
	my $job = value("SELECT xmcoh.train('slow')");
	$node->poll_query_until('postgres', "SELECT phase LIKE '%network' AND (SELECT count(*) $gradient) = $processes FROM xmcoh.job WHERE job_id = $job")
	  or die "job $job does not begin: " . job($job, "state || ' ' || coalesce(message, '')");
	return $job;
}

set('xmcoh.training_workers = 2');
($job, $state, my $two) = train($quick);
is($state, 'succeeded', 'training with two processes');
unlike(job($job, 'message'), qr/processes/, 'needs no remark');
isnt($two, $ample, 'is another training than with one');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 $gradient"), 'the other process goes when the job is done');
ok(no_files(), 'and no temporary file is left');
set("xmcoh.training_memory = '1MB'");
($job, $state, $sparing) = train($quick);
is($sparing, $two, 'the same weights with little memory');
set("xmcoh.training_memory = '256MB'");
set('xmcoh.training_workers = 3');
($job, $state, my $three) = train($quick);
unlike(job($job, 'message'), qr/processes/, 'three processes');

# One gradient process is terminated after the training began. The remaining process computes the lost part again.
set('xmcoh.training_workers = 2');
my $longer = '{"epochs": 12, "patience": 12, "d_model": 192, "layers": 2}';
($job, $state, my $undisturbed) = train($longer);
is($state, 'succeeded', 'a longer training');
my $terminated = '';
for (1 .. 20)				# a job may end before the poll sees its phase
{
	$job = value("SELECT xmcoh.train('manuals', '$longer')");
	$node->poll_query_until('postgres', "SELECT epoch > 0 AND phase LIKE '%network' OR finished_at IS NOT NULL FROM xmcoh.job WHERE job_id = $job")
	  or die "job $job does not begin";
	$terminated = value("SELECT pg_terminate_backend(pid) $gradient");
	$state = value("CALL xmcoh.wait_for_job($job, '180 s')");
	last if $terminated eq 't' && job($job, 'message') =~ /processes/;
}
is($terminated, 't', 'a gradient process is seen, and terminated');
is($state, 'succeeded', 'the job goes on');
like(job($job, 'message'), qr/; 1 of 2 training processes: the others were terminated$/, 'says so');
is(value("SELECT sha256 FROM xmcoh.versions AS v JOIN xmcoh.job AS j USING (model, version) WHERE j.job_id = $job"), $undisturbed,
	'and ends with the same weights');

# The job is cancelled, or its leader is terminated: no process remains.
for my $how ('xmcoh.cancel_job(job_id)', 'pg_terminate_backend(worker_pid)')
{
	$job = train_long(1);
	sleep 0.3;
	value("SELECT $how FROM xmcoh.job WHERE job_id = $job");
	$state = value("CALL xmcoh.wait_for_job($job, '180 s')");
	is($state, $how =~ /cancel/ ? 'cancelled' : 'interrupted', "$how ends a job of two processes");
	ok(nobody_left(), 'and leaves nobody behind');
	ok(no_files(), 'nor a file');
}

# kill -9 of a gradient process makes the postmaster restart all server processes.
$job = train_long(1);
kill_worker(value("SELECT pid $gradient"), $node);
$node->poll_query_until('postgres', "SELECT state = 'interrupted' FROM xmcoh.job_record WHERE job_id = $job")
  or die 'state of the job: ' . value("SELECT state FROM xmcoh.job_record WHERE job_id = $job");
is(job($job, 'state'), 'interrupted', 'after kill -9 of a gradient process the job is interrupted');
ok(nobody_left(), 'and leaves nobody behind');
ok(no_files(), 'nor a file');

# ---- too few slots: the logical replication launcher has one, the job has one, and one stays free for others ----

$node->append_conf('postgresql.conf', 'xmcoh.max_running_jobs = 1');
restart_with_slots(3);
($job, $state, my $alone) = train($quick);
is($alone, $two, 'without a free slot the same weights');
like(job($job, 'message'), qr/; 1 of 2 training processes: no background worker slot was free$/, 'and a remark');
restart_with_slots(4);
set('xmcoh.training_workers = 3');
($job, $state, my $fewer) = train($quick);
is($fewer, $three, 'with a slot too few the same weights');
like(job($job, 'message'), qr/; 2 of 3 training processes: no background worker slot was free$/, 'and a remark');

# Gradient processes leave the slots of jobs that may still begin. Two such slots and one spare slot leave none of five free.
$node->append_conf('postgresql.conf', 'xmcoh.max_running_jobs = 3');
restart_with_slots(5);
($job, $state, $fewer) = train($quick);
is($fewer, $three, 'where other jobs may begin the same weights');
like(job($job, 'message'), qr/; 1 of 3 training processes: no background worker slot was free$/, 'by fewer processes: the slots are left to other jobs');
restart_with_slots(6);
($job, $state, $fewer) = train($quick);
like(job($job, 'message'), qr/; 2 of 3 training processes: no background worker slot was free$/, 'unless there is one more');

ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal (?!9:)|leak/, 'nothing crashed but what was killed');
$node->stop;
done_testing();
