# Tests queries over foreign tables (postgres_fdw): by default the aggregates are computed where the rows are, by the model there.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest qw(trained_cluster);

# ---- two databases with documents and a model, and a third one that has neither ----

my $node = trained_cluster('main', "max_worker_processes = 8\nautovacuum = off\nfsync = off\njit = off");

# `part` are the documents by the hash of their number, for partitions in two databases; `whole` is all of them.
$node->safe_psql('postgres', q{
	CREATE TABLE whole AS SELECT guide + 1000 * copy AS guide, step, place, words, picture FROM step, generate_series(1, 5) AS copy;
	CREATE TABLE part (LIKE whole) PARTITION BY HASH (guide);
	CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO part TABLE whole;
	VACUUM ANALYZE whole, part});
my $weights = $node->safe_psql('postgres', q{SELECT encode(xmcoh.export_model('guides'), 'hex')});
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', qq{
	CREATE EXTENSION xmcoh;
	SELECT xmcoh.deploy('guides', xmcoh.import_model('guides', decode('$weights', 'hex')));
	CREATE TABLE part_1 (guide int, step int, place int, words text, picture real[])});
system_or_bail('bash', '-c', sprintf('psql -XAtq -d "%s" -c "COPY part_1 TO STDOUT" | psql -XAtq -d "%s" -c "COPY part_1 FROM STDIN"',
	$node->connstr('postgres'), $node->connstr('second')));

$node->safe_psql('postgres', 'CREATE DATABASE caller');
my $columns = '(guide int, step int, place int, words text, picture real[])';
my $setup = 'CREATE EXTENSION xmcoh; CREATE EXTENSION postgres_fdw;';
# One server as postgres_fdw makes it, one that asks the other side for estimates, and one that does not know of xmcoh.
for my $server ([ 'far', 'postgres', q{, extensions 'xmcoh'} ], [ 'second', 'second', q{, extensions 'xmcoh'} ],
	[ 'asked', 'postgres', q{, extensions 'xmcoh', use_remote_estimate 'true'} ], [ 'plain', 'postgres', '' ],
	[ 'costly', 'postgres', q{, extensions 'xmcoh', use_remote_estimate 'true', fdw_tuple_cost '1'} ])
{
	my ($name, $database, $options) = @$server;
	$setup .= sprintf(q{CREATE SERVER %s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '%s', port '%s', dbname '%s'%s);
		CREATE USER MAPPING FOR CURRENT_USER SERVER %1$s;
		CREATE FOREIGN TABLE %1$s_whole %s SERVER %1$s OPTIONS (table_name 'whole');}, $name, $node->host, $node->port, $database, $options, $columns);
}
$node->safe_psql('caller', $setup . qq{
	CREATE TABLE part $columns PARTITION BY HASH (guide);
	CREATE FOREIGN TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0) SERVER far;
	CREATE FOREIGN TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1) SERVER second});

# ---- who computes ----

my %aggregate = (
	coherence => q{xmcoh.coherence('guides', place, words, picture)},
	recover_order => q{xmcoh.recover_order('guides', step, words, picture)},
	recover_order_by => q{xmcoh.recover_order('guides', step, words, picture, NULL, 'image')});
sub query { my ($name, $table, $more) = @_; return "SELECT guide, $aggregate{$name} AS answer FROM $table " . ($more // '') . ' GROUP BY guide'; }
sub plan_of { my ($query, $settings) = @_; return $node->safe_psql('caller', ($settings // '') . "; EXPLAIN (VERBOSE, COSTS OFF) $query"); }
sub answers { my ($database, $query) = @_; return $node->safe_psql($database, "SELECT * FROM ($query) AS q ORDER BY guide"); }

# The plan must have one foreign scan, whose query computes the aggregate.
sub is_pushed_down
{
	my ($query, $what, $settings) = @_;
	my $plan = plan_of($query, $settings);
	like($plan, qr/^(Append\n.*|Sort\n.*)?(Async )?Foreign Scan.*Relations: Aggregate on .*Remote SQL: SELECT guide, xmcoh\.\w+\(/s, "$what: computed where the rows are");
	unlike($plan, qr/(Group|Hash)Aggregate/, "$what: nothing is left to do here") or diag($plan);
}

for my $name (sort keys %aggregate)
{
	my $want = answers('postgres', query($name, 'whole'));
	cmp_ok(length $want, '>', 3000, "$name: there are answers");
	is_pushed_down(query($name, 'far_whole'), "$name, a table that was never analyzed");
	is(answers('caller', query($name, 'far_whole')), $want, "$name: the answers of the other side");
}
$node->safe_psql('caller', 'ANALYZE far_whole; ANALYZE asked_whole');
for my $name (sort keys %aggregate)
{
	is_pushed_down(query($name, $_ . '_whole'), "$name, $_, analyzed") for qw(far asked);
	is_pushed_down(query($name, 'far_whole') . ' ORDER BY guide', "$name, analyzed, in order");
	is_pushed_down(query($name, 'far_whole', 'WHERE guide < 3000'), "$name, analyzed, some documents");
	is_pushed_down(query($name, 'costly_whole'), "$name, use_remote_estimate, never analyzed, fdw_tuple_cost");
}

like(plan_of(q{SELECT xmcoh.coherence('guides', place, words, picture) FROM far_whole WHERE guide = 1007}), qr/^Foreign Scan\n.*Remote SQL: SELECT xmcoh\.coherence/s,
	'one document without GROUP BY');

# ---- partitions ----

my $by_partition = 'SET enable_partitionwise_aggregate = on';
for my $name (sort keys %aggregate)
{
	is_pushed_down(query($name, 'part'), "$name, partitions that were never analyzed", $by_partition);
	is($node->safe_psql('caller', "$by_partition; SELECT * FROM (" . query($name, 'part') . ') AS q ORDER BY guide'),
		answers('postgres', query($name, 'whole')), "$name: the answers of both sides");
}
like(plan_of(query('coherence', 'part')), qr/Aggregate\n.*Append/s, 'without enable_partitionwise_aggregate the rows come here');
$node->safe_psql('caller', 'ALTER SERVER far OPTIONS (ADD async_capable \'true\'); ALTER SERVER second OPTIONS (ADD async_capable \'true\')');
like(plan_of(query('coherence', 'part'), $by_partition), qr/Append\n.*Async Foreign Scan.*Aggregate on.*Async Foreign Scan.*Aggregate on/s,
	'with async_capable both sides compute at the same time');

# Local partitions are computed in parallel workers, each document in one of them; the low cost of the final functions must not change that.
my $parallel = "SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0";
like($node->safe_psql('postgres', "$parallel; $by_partition; EXPLAIN (COSTS OFF) " . query('coherence', 'part')),
	qr/Gather.*Parallel Append.*(Group|Hash)Aggregate/s, 'local partitions: whole documents in parallel workers');
is($node->safe_psql('postgres', "$parallel; $by_partition; SELECT * FROM (" . query('coherence', 'part') . ') AS q ORDER BY guide'),
	answers('postgres', query('coherence', 'whole')), 'with the same answers');

# ---- what is not computed there ----

# A server without the option is sent no function of the extension, so the rows come here, where there is no such model.
like(plan_of(query('coherence', 'plain_whole')), qr/Aggregate\n.*Foreign Scan/s, 'without extensions the rows come here');
my ($status, $out, $err) = $node->psql('caller', query('coherence', 'plain_whole'));
like($err, qr/model "guides" does not exist/, 'and meet no model');
# A function that looks a model up by its name is STABLE, so postgres_fdw sends no such call.
unlike(plan_of(q{SELECT xmcoh.precedes('guides', words, picture, 'pack', NULL) FROM far_whole}), qr/Remote SQL: .*precedes/, 'precedes is computed here');

# A foreign table is a source like any other: the rows come here, to the model here.
$node->safe_psql('caller', qq{
	SELECT xmcoh.deploy('guides', xmcoh.import_model('guides', decode('$weights', 'hex')));
	SELECT xmcoh.attach_source('guides', 'part', document => 'guide', item => 'step', text => 'words', image => 'picture')});
is($node->safe_psql('caller', q{SELECT document::int, array_agg(item ORDER BY "position") FROM xmcoh.order_documents('guides') GROUP BY 1 ORDER BY 1}),
	answers('postgres', query('recover_order', 'whole')), 'order_documents over partitions in two databases');

$node->stop;
done_testing();
