# Training with little memory and with several processes: the same weights, nothing left behind, whatever goes away meanwhile.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

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

# 8 items of 256 numbers: 8 kB a document.
$node->safe_psql('postgres', q{
CREATE EXTENSION xmcoh;
CREATE TABLE step AS SELECT d AS document, i AS step, 'word' || (d * i) % 97 || ' of ' || i AS instruction,
		(SELECT array_agg(sin(d * 7 + i * k)::real) FROM generate_series(1, 256) AS k) AS photo
	FROM generate_series(1, 600) AS d, generate_series(1, 8) AS i;
CREATE FUNCTION attach(model text) RETURNS void LANGUAGE sql AS $$
SELECT xmcoh.create_model(model, image_dim => 256);
SELECT xmcoh.attach_source(model, 'step', 'document', 'step', text => 'instruction', image => 'photo', "position" => 'step',
	approved => 'all') $$;
SELECT attach('manuals');
});

sub value { return $node->safe_psql('postgres', $_[0]); }
sub set { value("ALTER DATABASE postgres SET $_[0]"); return; }
sub job { my ($job, $column) = @_; return value("SELECT $column FROM xmcoh.job WHERE job_id = $job"); }
sub no_files { return value('SELECT count(*) FROM pg_ls_tmpdir()'); }

# Runs a job to its end; its state, and the hash of the version's weights.
sub train
{
	my ($options, $model) = @_;
	my $job = value("SELECT xmcoh.train('" . ($model // 'manuals') . "', '$options')");
	my $state = value("SELECT xmcoh.wait_for_job($job, '120 s')");
	return ($job, $state, value("SELECT sha256 FROM xmcoh.versions AS v JOIN xmcoh.job AS j USING (model, version) WHERE j.job_id = $job"));
}

# ---- little memory ----

my $quick = '{"epochs": 2}';
my ($job, $state, $ample) = train($quick);
is($state, 'succeeded', 'training with ample memory');
is(no_files(), '0', 'no temporary file is left');

set("xmcoh.training_memory = '1MB'");
($job, $state, my $sparing) = train($quick);
is($state, 'succeeded', 'training with documents of five times the memory');
is($sparing, $ample, 'gives the same weights');

set("work_mem = '64MB'");	# sorting takes no file
set('temp_file_limit = 1024');
($job, $state) = train($quick);
is($state, 'failed', 'training with more documents than temp_file_limit fails');
like(job($job, 'message'), qr/^the training documents take more than temp_file_limit \(1024 kB\)\nHint: Raise temp_file_limit/,
	'and says what to do');
is(no_files(), '0', 'nothing is left of its file');
set('temp_file_limit = -1');

$node->stop;
done_testing();
