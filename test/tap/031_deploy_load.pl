# Tests that fifty sessions score without an error while another version is deployed every 100 ms, and that every answer comes
# from exactly one version. The test runs for a minute if XMCOH_LONG_TESTS=1.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use XmcohTest qw($patience trained_cluster);

my $seconds = $ENV{XMCOH_LONG_TESTS} ? 60 : 8;

my $node = trained_cluster('main', "max_connections = 70\nmax_worker_processes = 4\nmax_parallel_workers_per_gather = 0\nfsync = off");

sub value { return $node->safe_psql('postgres', $_[0]); }

# Version 2 has no knowledge of the documents, so the two versions never give the same answer.
value(q{SELECT xmcoh.import_model('guides', blind(xmcoh.export_model('guides')))});

# One row with the answers of several functions about one document. Two versions within one statement would give a mixed row.
my $ask = q{
SELECT concat_ws(' ', round(a::numeric, 6), round(b::numeric, 6), round(c::numeric, 6), round(d::numeric, 6), r, s, n, o)
  FROM (SELECT xmcoh.coherence('guides', place, words, picture) AS a, xmcoh.recover_order('guides', step, words, picture) AS r
          FROM step WHERE guide = 7) AS first,
       (SELECT min(xmcoh.order_score('guides', 'open part ' || i, NULL, 'pack part 2', NULL)) AS b,
               max(xmcoh.precedes('guides', 'open part 1', NULL, 'pack part ' || i, NULL)) AS c FROM generate_series(1, 3) AS i) AS pairs,
       (SELECT sum(score) AS d, count(*) AS n FROM (SELECT (p).fused AS score FROM xmcoh.pair_scores('guides', '7') AS p) AS p) AS scores,
       (SELECT string_agg(item, ' ' ORDER BY "position") AS o FROM xmcoh.order_documents('guides') WHERE document = '7') AS bulk,
       (SELECT xmcoh.recover_order('guides', step, words, picture) AS s FROM step WHERE guide = 7) AS last};
my %answer;
for my $version (2, 1)
{
	value("SELECT xmcoh.deploy('guides', $version)");
	$answer{$version} = value($ask);
}
isnt($answer{1}, $answer{2}, 'the versions say different things');

# Any other answer than these two causes a division by zero.
my $check = "SELECT 1 / (concat('', ($ask)) IN ('$answer{1}', '$answer{2}'))::integer";
my $pair = "SELECT 1 / (count(DISTINCT s) = 1)::integer FROM (SELECT xmcoh.order_score('guides', 'open', NULL, 'pack', NULL) AS s"
  . " FROM generate_series(1, 20)) AS x";
value($check);

sub script
{
	my ($name, $sql) = @_;
	my $path = $node->basedir . "/$name.sql";
	$sql =~ s/\s*\n\s*/ /g;
	append_to_file($path, "$sql;\n");
	return $path;
}

my @pgbench = ('pgbench', '-n', '-h', $node->host, '-p', $node->port, '-T', $seconds);
my %load = (
	deploy => [ @pgbench, '-c', 1, '-R', 10, '-f',
		script('deploy', q{SELECT xmcoh.deploy('guides', 3 - deployed_version) FROM xmcoh.model WHERE name = 'guides'}), 'postgres' ],
	# Long-lived sessions, with the simple and the extended query protocol, and sessions for a single call.
	simple => [ @pgbench, '-c', 25, '-f', script('check', $check), '-f', script('pair', $pair) . '@9', 'postgres' ],
	prepared => [ @pgbench, '-c', 20, '-M', 'prepared', '-f', script('check_p', $check), '-f', script('pair_p', $pair) . '@9', 'postgres' ],
	connecting => [ @pgbench, '-c', 5, '-C', '-f', script('check_c', $check), '-f', script('pair_c', $pair) . '@9', 'postgres' ]);
my %wanted = map { $_ => $_ eq 'deploy' ? 3 * $seconds : 50 } keys %load;
my (%done, %failed, %wrong);

# All loads run at the same time. The run is repeated if a slow machine has completed too few transactions.
my $end = time + $patience;
do
{
	my (%run, %output);
	for my $name (sort keys %load)
	{
		$output{$name} = '';
		$run{$name} = IPC::Run::start($load{$name}, '<', \undef, '>', \$output{$name}, '2>&1');
	}
	for my $name (sort keys %load)
	{
		$wrong{$name} .= $output{$name} if !$run{$name}->finish;
		$done{$name} += $output{$name} =~ /transactions actually processed: (\d+)/ ? $1 : 0;
		$failed{$name} += $output{$name} =~ /failed transactions: (\d+)/ ? $1 : 1;
		note("$name: $done{$name} by now, of the last ", $output{$name} =~ /- (\d+) transactions/ ? $1 : 'all', ' of the first script');
	}
} until (%wrong || time > $end || !grep { $done{$_} <= $wanted{$_} } keys %load);
for my $name (sort keys %load)
{
	is($wrong{$name} // '', '', "$name: no error and no mixed answer");
	is($failed{$name}, 0, 'none failed');
	cmp_ok($done{$name}, '>', $wanted{$name}, 'and many were made');
}
unlike(slurp_file($node->logfile), qr/ERROR:|FATAL:|cache file|terminated by signal/, 'nothing in the log');
cmp_ok(value('SELECT count(*) FROM xmcoh.deployment'), '>', 3 * $seconds, 'it was deployed all the while');
$node->stop;
done_testing();
