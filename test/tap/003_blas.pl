# Tests how a session loads OpenBLAS: at its first backward pass. Scoring needs no OpenBLAS; a threaded or missing one is an error of
# training. A preloaded library makes dlopen open what the environment says in place of OpenBLAS.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/threaded.c", q{
int openblas_get_parallel(void) { return 1; }
void cblas_sgemm(void) { }
});
append_to_file("$dir/other.c", q{
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

void *
dlopen(const char *path, int flags)
{
	void *(*next) (const char *, int) = (void *(*) (const char *, int)) dlsym(RTLD_NEXT, "dlopen");

	return next(path && strstr(path, "libopenblas") ? getenv("OTHER_OPENBLAS") : path, flags);
}
});
my $compiler = $ENV{CC} || 'cc';
system_or_bail($compiler, '-shared', '-fPIC', '-o', "$dir/$_.so", "$dir/$_.c") for 'threaded', 'other';

my $node = PostgreSQL::Test::Cluster->new('blas');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\nfsync = off\n");

# Starts the server with another OpenBLAS.
sub start_with
{
	my ($openblas) = @_;
	local $ENV{LD_PRELOAD} = join(' ', grep { $_ } $ENV{LD_PRELOAD}, "$dir/other.so");
	local $ENV{OTHER_OPENBLAS} = $openblas;
	$node->start;
	return;
}

sub value { return $node->safe_psql('postgres', $_[0]); }
# Trains the model; returns the state of the job and its message.
sub train
{
	my $job = value(q{SELECT xmcoh.train('guides', '{"epochs": 1, "rounds": 1}')});
	my $state = value("CALL xmcoh.wait_for_job($job, '180 s')");
	return ($state, value("SELECT message FROM xmcoh.job WHERE job_id = $job"));
}
my $score = q{SELECT round(xmcoh.precedes('guides', 'open 1', array_fill(0.1::real, ARRAY[64]), 'close 1', array_fill(0.2::real, ARRAY[64]))::numeric, 6)};
# Whether a session has the library in its memory after a statement: the files that the session has mapped.
sub is_loaded
{
	my ($statement) = @_;
	return value(qq{$statement; SELECT pg_read_file('/proc/self/maps', 0, 10000000) ~ 'libopenblas'}) =~ /^(t|f)$/m ? $1 : undef;
}

$node->start;
value(q{
CREATE EXTENSION xmcoh;
CREATE TABLE step AS SELECT d AS guide, i AS step, (ARRAY['open', 'fill', 'wait', 'close'])[i] || ' ' || d AS instruction,
	(SELECT array_agg(sin(d * 7 + i * k)::real) FROM generate_series(1, 64) AS k) AS photo
FROM generate_series(1, 64) AS d, generate_series(1, 4) AS i;
SELECT xmcoh.create_model('guides', image_dim => 64);
SELECT xmcoh.attach_source('guides', 'step', 'guide', 'step', text => 'instruction', image => 'photo', "position" => 'step',
	approved => 'all');
});
my ($state, $error) = train();
is($state, 'succeeded', 'the serial one is welcome');
my $answer = value($score);
is(is_loaded($score), 'f', 'a session that scores does not load it');
$node->stop;

start_with("$dir/threaded.so");
($state, $error) = train();
is($state, 'failed', 'training with a threaded OpenBLAS fails');
like($error, qr/xmcoh cannot use a threaded OpenBLAS/, 'with a message');
is(value($score), $answer, 'scoring works');
$node->stop;
like(slurp_file($node->logfile), qr/HINT: .*serial OpenBLAS/, 'a hint is in the log');

start_with("$dir/missing.so");
($state, $error) = train();
is($state, 'failed', 'training without OpenBLAS fails');
like($error, qr/could not load library ".*libopenblas.*": .*missing\.so/, 'with a message');
is(value($score), $answer, 'scoring works');
is(value(q{SELECT count(*) FROM xmcoh.check_documents('guides')}), '64', 'also of many documents');
my ($code, $out, $err) = $node->psql('postgres', '\set VERBOSITY verbose' . "\nSELECT count(*) FROM xmcoh.explain('guides', '1', '1', '2')");
like($err, qr/ERROR:  58P01: could not load library/, 'an explanation is an error');
like($err, qr/HINT: .*libopenblas0-serial/, 'with a hint');
$node->stop;
like(slurp_file($node->logfile), qr/libopenblas0-serial/, 'the hint names the package');

$node->start;
($state, $error) = train();
is($state, 'succeeded', 'with the serial one training works again');
$node->stop;
done_testing();
