# Tests that a training which encodes texts can be cancelled and interrupted at that, and ends with the same bytes when it is resumed.
use strict;
use warnings;

use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;
use XmcohTest qw(background kill_worker);

my $node = new_cluster('encoder_models', "max_worker_processes = 8\n");

# A tiny text encoder with random weights.
my $folder = PostgreSQL::Test::Utils::tempdir();
system($^X, 'test/encoder/tiny_encoder.pl', $folder, 'bert') == 0 or die 'no tiny encoder';
my $weights = encode_base64(slurp_file("$folder/model.safetensors"), '');
my ($config, $tokenizer) = map { slurp_file("$folder/$_") } qw(config.json tokenizer.json);
value("SELECT xmcoh.import_encoder('tiny', decode('$weights', 'base64'), \$json\$$config\$json\$, \$json\$$tokenizer\$json\$)");

# 120 manuals of 6 steps are approved, and 60 are the pool. Half of all texts stand there twice.
value(q{
CREATE TABLE step AS
	SELECT m AS manual, s AS step, s AS place, (ARRAY['draw', 'cut', 'fold', 'glue', 'paint', 'wash'])[s] || ' part ' || m % 90 AS words,
		'done: ' || (ARRAY['box', 'wood', 'paper', 'line', 'side', 'step'])[s] || ' ' || m % 90 AS line, m <= 120 AS ok
	FROM generate_series(1, 180) AS m, generate_series(1, 6) AS s;
SELECT xmcoh.create_model('encoded', encoder => 'tiny', image_encoder => 'tiny');
SELECT xmcoh.attach_source('encoded', 'step', 'manual', 'step', text => 'words', image => 'line', "position" => 'place', approved => 'ok');
});
my $options = q('{"d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 12, "bag_dim": 0, "align_dim": 16, "epochs": 12, "patience": 12}');

sub train_with
{
	my ($interval) = @_;
	return value("SET xmcoh.checkpoint_interval = $interval; SELECT xmcoh.train('encoded', $options, on_success => 'keep')");
}
sub sha { my ($job) = @_; return value("SELECT sha256 FROM xmcoh.model_version WHERE job_id = $job"); }
sub end_is
{
	my ($job, $wanted, $what) = @_;
	like(outcome($job), qr/^$wanted: /, $what);
}

# ---- the reference ----

my $reference = train_with(3600);
end_is($reference, 'succeeded', 'a training that nobody interrupts');
my $sha = sha($reference);
is(value("SELECT (report ->> 'pool_documents')::int > 0 FROM xmcoh.model_version WHERE job_id = $reference"), 't', 'with a pool');

# ---- while texts are encoded ----

# Starts a training whose worker waits for the table of encoders, because a session has locked that.
my $holder = background($node, 'postgres');
my $source_holder = background($node, 'postgres');
sub train_held
{
	my ($job);
	$source_holder->query_safe('BEGIN; LOCK TABLE step');
	$job = train_with(0);
	await($job, "state = 'running' AND phase = 'reading'");
	$holder->query_safe('BEGIN; LOCK TABLE xmcoh.encoder');
	$source_holder->query_safe('COMMIT');
	await($job, "phase = 'embedding texts' AND EXISTS (SELECT FROM pg_locks WHERE pid = worker_pid AND relation = 'xmcoh.encoder'::regclass AND NOT granted)");
	return $job;
}

my $job = train_held();
is(value("SELECT done || ' of ' || total FROM xmcoh.training_progress WHERE job_id = $job"), '0 of 2160', 'texts to be encoded, in the progress');
value("SELECT xmcoh.cancel_job($job)");
end_is($job, 'cancelled', 'a training that is cancelled while texts are encoded');
$holder->query_safe('COMMIT');

my %ways = (
	'pg_terminate_backend' => sub { value("SELECT pg_terminate_backend($_[0])") },
	'kill -9' => sub { kill_worker($_[0]) });
for my $way (sort keys %ways)
{
	$job = train_held();
	$ways{$way}->(row($job, 'worker_pid'));
	# After kill -9 the server has restarted, and the sessions are gone.
	if ($way eq 'kill -9')
	{
		$node->poll_query_until('postgres', 'SELECT true');
		eval { $_->quit } for $holder, $source_holder;
		($holder, $source_holder) = (background($node, 'postgres'), background($node, 'postgres'));
	}
	else
	{
		$holder->query_safe('COMMIT');
	}
	end_is($job, 'interrupted', "$way while texts are encoded");
	value("SELECT xmcoh.resume_job($job)");
	end_is($job, 'succeeded', '(resumed)');
	is(sha($job), $sha, 'and the same weights');
}

# ---- while a network is trained ----

for (1 .. 20)
{
	$job = train_with(0);
	next if !eval { await($job, "EXISTS (SELECT FROM xmcoh.job_checkpoint AS c WHERE c.job_id = $job)"); 1 };
	value("SELECT pg_terminate_backend(worker_pid) FROM xmcoh.job WHERE job_id = $job");
	last if outcome($job) !~ /^succeeded: /;
}
end_is($job, 'interrupted', 'interrupted after a checkpoint');
value("SELECT xmcoh.resume_job($job)");
end_is($job, 'succeeded', '(resumed)');
is(sha($job), $sha, 'the texts are encoded anew, to the same weights');
unlike(job($job, 'message'), qr/anew/, 'and the training went on from its checkpoint');

eval { $_->quit } for $holder, $source_holder;

# ---- a dump ----

value("SELECT xmcoh.deploy('encoded', max(version)) FROM xmcoh.versions WHERE model = 'encoded'");
my $ask = q{SELECT md5(string_agg(p::text, ',' ORDER BY p)) FROM xmcoh.pair_scores('encoded', documents => '{1,2,170}') AS p};
my $answer = value($ask);
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'a database with a model that uses an encoder is dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '-j', '2', '-d', 'copy', $dump ], 'and restored');
is($node->safe_psql('copy', $ask), $answer, 'the copy scores the same');
like(fails(q{SELECT xmcoh.drop_encoder('tiny')}), qr/cannot drop encoder "tiny" because 1 model needs it/, 'the encoder is not dropped while the model is there');
value(q{SELECT xmcoh.drop_model('encoded'), xmcoh.drop_encoder('tiny')});
is($node->safe_psql('copy', $ask), $answer, 'nor by a drop in the other database');
$node->stop;
done_testing();
