# Tests that a job fails, and that the server keeps running, when the file with the training documents is truncated while all
# processes of the job have the file mapped.
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
	my ($file, @others) = glob($node->data_dir . '/base/pgsql_tmp/*/documents');
	ok($file && !@others, 'the documents lie in a file');
	truncate $file, 0 or die "$file: $!";
	like(outcome($job), qr/^failed: could not read mapped file/, "$workers processes: the job fails and says why");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'xmcoh%'"), 'no process of it is left');
	is(scalar(@others = glob($node->data_dir . '/base/pgsql_tmp/*/documents')), 0, 'nor its file');
}
value('ALTER DATABASE postgres RESET xmcoh.training_workers');
is($session->query_safe('SELECT 1'), 1, 'other sessions go on');
$session->quit;
unharmed('after lost documents');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP|reinitializing/, 'nothing crashed');
$node->stop;
done_testing();
