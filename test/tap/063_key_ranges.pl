# Tests the recipe of doc/scaling.md that orders all documents by ranges of keys: what is done stays, whatever stops it, and is done once.
use strict;
use warnings;

use lib 'test/tap';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;

my $node = new_cluster('ranges', "max_worker_processes = 4\n");
like(outcome(train('manuals')), qr/^succeeded: /, 'a model is trained');

# The recipe as it stands in the document, but for smaller ranges, over a table with the names that the document has.
my ($recipe) = slurp_file('doc/scaling.md') =~ /^<!-- bulk -->\n```sql\n(.*?)^```/ms;
ok($recipe, 'the document has the recipe');
is($recipe =~ s/\b10000\b/7/g, 1, 'with a size of the ranges');
$node->safe_psql('postgres', q{
	SELECT xmcoh.detach_source('manuals', 'work_step');
	ALTER TABLE work_step RENAME TO taught;
	CREATE TABLE work_step AS SELECT 'M' || lpad(manual::text, 3, '0') AS manual_id, chr(96 + step) AS step_id, instruction FROM taught;
	SELECT xmcoh.attach_source('manuals', 'work_step', 'manual_id', 'step_id', text => 'instruction')});
$node->safe_psql('postgres', $recipe);
is(value('SELECT count(*), count(done_at) FROM order_range'), '29|0', 'two hundred documents in ranges of seven');

# A call that fails in the middle.
$node->safe_psql('postgres', q{ALTER TABLE restored_step ADD CONSTRAINT stop CHECK (manual_id <> 'M100')});
like(fails(q{CALL order_ranges('manuals')}), qr/violates check constraint "stop"/, 'a call fails in a range');
is(value('SELECT count(done_at), max(last) FILTER (WHERE done_at IS NOT NULL) FROM order_range'), '14|M098', 'the ranges before stay done');
is(value('SELECT count(*) FROM restored_step'), 14 * 7 * 5, 'with their documents, and with no others');

# A session that is terminated within a range.
$node->safe_psql('postgres', 'ALTER TABLE restored_step DROP CONSTRAINT stop');
my $holder = background($node, 'postgres');
$holder->query_safe('BEGIN; LOCK TABLE restored_step IN SHARE MODE');
my ($in, $out, $err) = ('', '', '');
my $call = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{CALL order_ranges('manuals')} ], '<', \$in, '>', \$out, '2>', \$err);
my $blocked = q{FROM pg_stat_activity WHERE query LIKE 'CALL order_ranges%' AND wait_event_type = 'Lock'};
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 $blocked"), 'a session waits within a range');
value("SELECT pg_terminate_backend(pid) $blocked");
$call->finish;
like($err, qr/terminating connection/, 'and is terminated');
is(value('SELECT count(done_at) FROM order_range'), '14', 'its range is not done');

# Two sessions go on. Both wait for the lock, each in a range of its own.
my @calls = map { my ($i, $o, $e) = ('', '', '');
	IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', q{CALL order_ranges('manuals')} ], '<', \$i, '>', \$o, '2>', \$e) } 1 .. 2;
ok($node->poll_query_until('postgres', "SELECT count(*) = 2 $blocked"), 'two sessions have a range each');
$holder->query_safe('COMMIT');
$holder->quit;
ok($_->finish, 'a session ends') for @calls;
is(value('SELECT count(*), count(done_at), min(version), max(version) FROM order_range'), '29|29|1|1', 'all ranges are done, by one version');
is(value('SELECT count(*), count(DISTINCT (manual_id, step_id)) FROM restored_step'), '1000|1000', 'each step once');
is(value(q{SELECT count(*) FROM xmcoh.order_documents('manuals') AS o JOIN restored_step AS r ON (r.manual_id, r.step_id, r."position") = (o.document, o.item, o."position")}),
	'1000', 'in the order that one call gives');
value(q{CALL order_ranges('manuals')});
is(value('SELECT count(*) FROM restored_step'), '1000', 'a further call does nothing');

$node->stop;
done_testing();
