# Tests fine-tuning of a text encoder with several processes: the weights do not depend on who computes, a process may be lost, and a
# cancelled job ends within a second.
use strict;
use warnings;

use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('tuned');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = ''
max_worker_processes = 8
max_parallel_workers_per_gather = 0
fsync = off
});
$node->start;

sub value { return $node->safe_psql('postgres', $_[0]); }
sub set { value("ALTER DATABASE postgres SET $_[0]"); return; }
sub job { my ($job, $column) = @_; return value("SELECT $column FROM xmcoh.job WHERE job_id = $job"); }

my $folder = PostgreSQL::Test::Utils::tempdir();
system($^X, 'test/encoder/tiny_encoder.pl', $folder, 'bert', 0, 64) == 0 or die 'no tiny encoder';
my $weights = encode_base64(slurp_file("$folder/model.safetensors"), '');
my ($config, $tokenizer) = map { slurp_file("$folder/$_") } qw(config.json tokenizer.json);
value(qq{
CREATE EXTENSION xmcoh;
SELECT xmcoh.import_encoder('tiny', decode('$weights', 'base64'), \$json\$$config\$json\$, \$json\$$tokenizer\$json\$);
CREATE TABLE step AS
	SELECT m AS manual, s AS step, (ARRAY['draw', 'cut', 'fold', 'glue', 'paint', 'wash'])[s] || ' part ' || m % 30 AS words
	FROM generate_series(1, 60) AS m, generate_series(1, 6) AS s;
SELECT xmcoh.create_model('tuned', encoder => 'tiny', words => false, options => '{"find_groups": 0}');
SELECT xmcoh.attach_source('tuned', 'step', 'manual', 'step', text => 'words', "position" => 'step', approved => 'all');
});

my $options = '"fine_tune": 2, "fine_tune_rate": 0.01, "fine_tune_dropout": 0.1, "d_model": 16, "heads": 2, "feed_forward": 16, "epochs": 2, "learning_rate": 0.0001, "folds": 2, "evaluation_documents": 0';

# Runs a job to its end. Returns the job and the hash of the version's weights.
sub train
{
	my ($more) = @_;
	my $job = value("SELECT xmcoh.train('tuned', '{$options, $more}')");
	is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', "job $job") or diag(job($job, 'message'));
	return ($job, value("SELECT sha256 FROM xmcoh.versions AS v JOIN xmcoh.job AS j USING (model, version) WHERE j.job_id = $job"));
}

my $quick = '"fine_tune_epochs": 2, "adapter_rank": 8';
my $gradient = "FROM pg_stat_activity WHERE backend_type = 'xmcoh gradient'";
my ($job, $one) = train($quick);
cmp_ok(value("SELECT max(epoch) FROM xmcoh.training_metric WHERE job_id = $job AND phase = 'training text network'"), '>', 2, 'adapters learn');
set('xmcoh.training_workers = 2');
($job, my $two) = train($quick);
unlike(job($job, 'message'), qr/processes/, 'two processes');
isnt($two, $one, 'two shards are another training than one');
($job, my $again) = train($quick);
is($again, $two, 'the same weights once more');

# The same for whole layers; what two processes trained is read back as it was measured.
my $whole = '"fine_tune_epochs": 2';
($job, my $layers) = train($whole);
unlike(job($job, 'message'), qr/processes/, 'two processes train whole layers');
cmp_ok(value("SELECT max(epoch) FROM xmcoh.training_metric WHERE job_id = $job AND phase = 'training text network'"), '>', 2, 'they learn');
($job, $again) = train($whole);
is($again, $layers, 'the same weights once more');
like(value("SELECT xmcoh.order_documents('tuned', documents => '{7}')"), qr/7/, 'the version scores');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 $gradient"), 'the other process goes');

# A gradient process is terminated while whole layers learn.
my $long = '"fine_tune_epochs": 100, "patience": 1000, "folds": 0';
($job, my $undisturbed) = train($long);

# Submits jobs until one is seen that learns with two processes. A fast one may be over before it is looked at.
sub learning_job
{
	for (1 .. 20)
	{
		my $job = value("SELECT xmcoh.train('tuned', '{$options, $long}')");
		$node->poll_query_until('postgres',
			"SELECT epoch > 2 AND phase LIKE '%network' AND (SELECT count(*) $gradient) = 1 OR finished_at IS NOT NULL FROM xmcoh.job WHERE job_id = $job")
		  or die "job $job does not begin";
		return $job if job($job, 'finished_at') eq '';
	}
	die 'every job was over before it was seen';
}

for (1 .. 20)
{
	$job = learning_job();
	my $terminated = value("SELECT pg_terminate_backend(pid) $gradient");
	value("CALL xmcoh.wait_for_job($job, '180 s')");
	last if $terminated eq 't' && job($job, 'message') =~ /processes/;
}
like(job($job, 'message'), qr/; 1 of 2 training processes: the others were terminated$/, 'a process is terminated, the job goes on');
is(value("SELECT sha256 FROM xmcoh.versions AS v JOIN xmcoh.job AS j USING (model, version) WHERE j.job_id = $job"), $undisturbed,
	'and ends with the same weights');

# A job of two processes is cancelled.
my ($start, $ended);
for (1 .. 20)
{
	$job = learning_job();
	$start = time;
	value("SELECT xmcoh.cancel_job($job)");
	$ended = value("CALL xmcoh.wait_for_job($job, '180 s')");
	last if $ended ne 'succeeded';
}
is($ended, 'cancelled', 'a job is cancelled while layers learn');
cmp_ok(time - $start, '<', 10, 'soon');	# usually within 0.2 s; the machine may be busy
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'xmcoh %'"), 'nobody is left');

# Without a free slot the leader computes all shards.
$node->append_conf('postgresql.conf', "max_worker_processes = 3\nxmcoh.max_running_jobs = 1");
$node->restart;
($job, my $alone) = train($quick);
is($alone, $two, 'alone the same weights');
($job, $alone) = train($whole);
is($alone, $layers, 'of whole layers, too');
like(job($job, 'message'), qr/; 1 of 2 training processes: no background worker slot was free$/, 'and a remark');

ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal|leak/, 'nothing crashed');
$node->stop;
done_testing();
