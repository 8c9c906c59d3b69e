# Tests that a job fails, and that the server keeps running, when the files with the training documents are truncated while the
# processes of the job have them mapped.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;

my $node = new_cluster('main', "max_worker_processes = 8\n");
my $session = background($node, 'postgres');
$session->query_safe('SELECT 1');

for my $workers (1, 2)
{
	value("ALTER DATABASE postgres SET xmcoh.training_workers = $workers");
	my $job = train_long('manuals');
	my @files = glob($node->data_dir . '/base/pgsql_tmp/*/documents');
	is(scalar(@files), 2, 'the documents lie in a file, and texts as documents of their sentences in a second one');
	for my $file (@files) { truncate $file, 0 or die "$file: $!"; }
	like(outcome($job), qr/^failed: could not read mapped file/, "$workers processes: the job fails and says why");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'xmcoh%'"), 'no process of it is left');
	@files = glob($node->data_dir . '/base/pgsql_tmp/*/documents');
	is(scalar(@files), 0, 'nor its files');
}
value('ALTER DATABASE postgres RESET xmcoh.training_workers');
is($session->query_safe('SELECT 1'), 1, 'other sessions go on');
$session->quit;
unharmed('after lost documents');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP|reinitializing/, 'nothing crashed');
$node->stop;
done_testing();
