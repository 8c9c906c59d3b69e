# A database that is copied in the middle of a job: dumped and restored, or promoted. (Where which fault is tested: 010.)
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest;

my $node = new_cluster('copies', "max_worker_processes = 4\n", allows_streaming => 1);
unharmed('nothing');
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;

# Two jobs: one that trains; one that is queued for as long as its worker finds its database closed. And a third model for others.
$node->safe_psql('postgres', q{
SELECT xmcoh.create_model('waiting');
SELECT xmcoh.attach_source('waiting', 'work_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all')});
my $running = train_long('others');
my $session = $node->background_psql('postgres');
my $elsewhere = $node->background_psql('template1');
$elsewhere->query_safe('ALTER DATABASE postgres ALLOW_CONNECTIONS false');
my $queued = $session->query_safe("SELECT xmcoh.train('waiting', $quick)");
$node->wait_for_log(qr/database "postgres" is not currently accepting connections/);
$elsewhere->query_safe('ALTER DATABASE postgres ALLOW_CONNECTIONS true');
is($session->query_safe("SELECT string_agg(state, ' ' ORDER BY job_id) FROM xmcoh.job WHERE job_id IN ($running, $queued)"), 'x', 'x');
