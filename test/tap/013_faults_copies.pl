# Tests a database copied in the middle of a job: by dump and restore, or by promotion. (010 lists which file tests which fault.)
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest;

my $node = new_cluster('copies', "max_worker_processes = 4\n", allows_streaming => 1);
unharmed('nothing');
my $standby = new_standby($node, 'standby');

# One job trains. Another job stays queued while $holder holds a lock that the queued job's worker needs.
$node->safe_psql('postgres', q{
SELECT xmcoh.create_model('waiting');
SELECT xmcoh.attach_source('waiting', 'work_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all')});
my $running = train_long('others');
my $session = background($node, 'postgres');
my $holder = background($node, 'postgres');
my $queued = $session->query_safe("BEGIN; SELECT xmcoh.train('waiting', $quick)");
$holder->query_safe('BEGIN');
$holder->{stdin} .= "LOCK TABLE xmcoh.job_record IN SHARE MODE;\n";
$holder->{run}->pump_nb;
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE mode = 'ShareLock' AND NOT granted") or die 'nobody waits';
$session->query_safe('COMMIT');
$session->quit;
my $states = "SELECT string_agg(state, ' ' ORDER BY job_id) FROM xmcoh.job WHERE job_id IN ($running, $queued)";
is(value($states), 'running queued', 'one job runs, one is queued');

# ---- pg_dump and restore into another database of the server on which both workers run ----

my $dump = $node->basedir . '/dump.sql';
my @server = ('-h', $node->host, '-p', $node->port);
$node->command_ok([ 'pg_dump', '-d', 'postgres', '-f', $dump, @server ], 'pg_dump in the middle of a job');
value('CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', $dump, @server ], 'restored without an error');
is(value($states), 'running queued', 'the jobs are as they were');

# Checks the jobs in a copy, which has no workers: in the view, and by wait_for_job, cancel_job and train.
sub check_copy
{
	my ($copy) = @_;
	is(value("SELECT string_agg(state, ' ' ORDER BY job_id) FROM xmcoh.job_record WHERE job_id IN ($running, $queued)"),
		'running queued', "$copy: the rows say what they said");
	is(value($states), 'interrupted interrupted', 'but both jobs read interrupted');
	is(outcome($running), 'interrupted: worker died (crash or termination)', 'and who waits for them writes it down');
	is(value("SELECT xmcoh.cancel_job($queued)"), 'f', 'there is nothing to cancel');
	is(row($queued, "state || ': ' || message"),
		'interrupted: the server was restarted, or the database copied, before a worker began', 'which is written down, too');
	unharmed($copy);
	my $job = train('waiting');
	cmp_ok($job, '>', $queued, 'sequences go on');
	like(outcome($job), qr/^succeeded: /, 'the model that had a queued job is trained');
}
ask($node, 'restored');
check_copy('a restored dump');
ask($node, 'postgres');
is(value($states), 'running queued', 'meanwhile the jobs of the original are as they were');

# ---- a standby is promoted while the old primary runs ----

$node->wait_for_catchup($standby);
ask($standby, 'postgres');
is(value($states), 'running queued', 'a standby shows what was written');
$standby->promote;
check_copy('a promoted standby');

ask($node, 'postgres');
$holder->query_safe('COMMIT');
$holder->quit;
like(outcome($queued), qr/^succeeded: /, 'on the old primary the queued job begins');
is(job($running, 'state'), 'running', 'and the other one runs');
value("SELECT xmcoh.cancel_job($running)");
like(outcome($running), qr/^cancelled: /, '(cancelled)');
unharmed('the old primary');

for my $server ($node, $standby)
{
	ok(slurp_file($server->logfile) !~ /PANIC:|TRAP:|terminated by signal/, 'nothing crashed');
	$server->stop;
}
done_testing();
