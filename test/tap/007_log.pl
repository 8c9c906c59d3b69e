# Tests what the server's log says about jobs, and the context of an error of a worker.
use strict;
use warnings;

use lib 'test/tap';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;

my $node = new_cluster('log', "log_min_messages = info\n");

sub logged { my ($pattern, $from) = @_; return slurp_file($node->logfile, $from) =~ $pattern; }

my $from = -s $node->logfile;
my $job = train('manuals');
like(outcome($job), qr/^succeeded: /, 'a job');
ok(logged(qr/INFO:  training job $job of model "manuals" begins/, $from), 'its start is logged, with its model');
ok(logged(qr/INFO:  training job $job of model "manuals" ended succeeded with version 1, deployed/, $from),
	'its end, its version, and that it is deployed');

$job = value("SELECT xmcoh.train('manuals', $quick, on_success => 'keep')");
like(outcome($job), qr/^succeeded: /, 'one that is only kept');
ok(logged(qr/ended succeeded with version 2, not deployed/, $from), 'is said not to be deployed');

$from = -s $node->logfile;
value('ALTER TABLE other_step RENAME TO moved; ALTER TABLE moved DROP COLUMN instruction');
$job = train('others');
like(outcome($job), qr/^failed: /, 'one that fails');
ok(logged(qr/ERROR:  .*instruction.*\n(?:.*\n)*?.*CONTEXT: .*(?:\n\t.*)*training job $job of model "others"/, $from),
	'has its error logged with job and model as context');
ok(logged(qr/INFO:  training job $job of model "others" ended failed/, $from), 'and its end');

$from = -s $node->logfile;
$job = train_long('manuals');
value("SELECT xmcoh.cancel_job($job)");
like(outcome($job), qr/^cancelled: /, 'one that is cancelled');
ok(logged(qr/INFO:  training job $job of model "manuals" ended cancelled/, $from), 'is said to be');

$node->append_conf('postgresql.conf', 'log_min_messages = warning');
$node->reload;
$from = -s $node->logfile;
$job = train('manuals');
outcome($job);
ok(!logged(qr/training job $job/, $from), 'by default the log is not told of what goes well');

$node->stop;
done_testing();
