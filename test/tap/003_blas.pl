# Tests that the library refuses a threaded OpenBLAS. A preloaded library makes the serial OpenBLAS report itself as threaded.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/threaded.c", "int openblas_get_parallel(void) { return 1; }\n");
my $compiler = $ENV{CC} || 'cc';
system_or_bail($compiler, '-shared', '-fPIC', '-o', "$dir/threaded.so", "$dir/threaded.c");

my $node = PostgreSQL::Test::Cluster->new('blas');
$node->init;
{
	local $ENV{LD_PRELOAD} = "$dir/threaded.so";
	$node->start;
}
for my $try ('first', 'second')
{
	my ($code, $out, $err) = $node->psql('postgres', '\set VERBOSITY verbose' . "\nCREATE EXTENSION xmcoh");
	like($err, qr/ERROR:  55000: xmcoh cannot be loaded with a threaded OpenBLAS/, "the $try attempt to load it is refused");
	like($err, qr/HINT: .*serial OpenBLAS/, 'with a hint');
}
my ($code, $out, $err) = $node->psql('postgres', "LOAD 'xmcoh'; SELECT 1;");
like($err, qr/threaded OpenBLAS/, 'so is LOAD');
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server goes on');

$node->stop;
$node->start;
is($node->safe_psql('postgres', 'CREATE EXTENSION xmcoh; SELECT count(*) FROM xmcoh.model'), '0', 'the serial one is welcome');
$node->stop;
done_testing();
