# Tests xmcoh behind PgBouncer in transaction mode, where the statements of many clients take turns in one session of the server.
# PGBOUNCER names the program. Without it all tests of this file are skipped.
use strict;
use warnings;

use lib 'test/tap';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;

my ($pgbouncer) = grep { -x } ($ENV{PGBOUNCER} // (), map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin');
if (!$pgbouncer)
{
	diag('****  skipped: PgBouncer is not installed (package pgbouncer; PGBOUNCER= names the program). NOTHING WAS TESTED behind a pooler.  ****');
	plan skip_all => 'PgBouncer is not installed';
}

my $node = new_cluster('pooled', "max_worker_processes = 4\nshared_preload_libraries = xmcoh\n");
like(outcome(train('manuals')), qr/^succeeded: /, 'a model is trained');

# ---- a pooler with one session of the server for all clients ----

my $folder = PostgreSQL::Test::Utils::tempdir_short;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $user = value('SELECT current_user');
my $host = $node->host;
append_to_file("$folder/users", qq{"$user" ""\n});
append_to_file("$folder/pgbouncer.ini", qq{[databases]
postgres = host=$host port=${\ $node->port} dbname=postgres
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $folder
auth_type = trust
auth_file = $folder/users
admin_users = $user
pool_mode = transaction
default_pool_size = 1
logfile = $folder/log
pidfile = $folder/pid
});
system_or_bail($pgbouncer, '-q', '-d', "$folder/pgbouncer.ini");
END { my $status = $?; if ($folder && -e "$folder/pid") { kill 'TERM', slurp_file("$folder/pid") =~ /^(\d+)/; } $? = $status; }

my $pooled = "host=$folder port=$port dbname=postgres user=$user";
# Runs each statement on its own, so that another client may come between any two.
sub clients
{
	my @answers;
	for my $statement (@_)
	{
		my ($out, $err) = run_command([ 'psql', '-XAtq', '-d', $pooled, '-c', $statement ]);
		die "$statement: $err" if $err ne '';
		push @answers, $out;
	}
	return @answers;
}

# A column of the pooler's own table of pools.
sub pool
{
	my ($column) = @_;
	my ($out) = run_command([ 'psql', '-XA', '-P', 'footer=off', '-d', $pooled =~ s/dbname=postgres/dbname=pgbouncer/r, '-c', 'SHOW POOLS' ]);
	my ($names, @pools) = map { [ split /\|/ ] } split /\n/, $out;
	my ($at) = grep { $names->[$_] eq $column } 0 .. $#$names;
	return (map { $_->[$at] } grep { $_->[0] eq 'postgres' } @pools)[0];
}

sub poll
{
	my ($condition) = @_;
	my $end = time + $patience;
	until ($condition->())
	{
		return 0 if time > $end;
		select(undef, undef, undef, 0.05);
	}
	return 1;
}

# ---- scoring ----

# The program goes into the background before it listens.
ok(poll(sub { (run_command([ 'psql', '-XAtq', '-d', $pooled, '-c', 'SELECT 1' ]))[0] eq '1' }), 'the pooler answers') or die;
my @pids = clients(('SELECT pg_backend_pid()') x 2);
is($pids[0], $pids[1], 'two clients have one session of the server');
my @scores = (
	q{SELECT xmcoh.order_score('manuals', 'unpack part 1', NULL, 'mount part 2', NULL)},
	q{SELECT md5(string_agg(concat_ws(' ', manual, answer), ';' ORDER BY manual)) FROM (SELECT manual, xmcoh.coherence('manuals', place, instruction, NULL) AS answer FROM work_step GROUP BY manual) AS a},
	q{SELECT md5(string_agg(concat_ws(' ', document, item, position), ';' ORDER BY document, position)) FROM xmcoh.order_documents('manuals')},
	q{SELECT count(*) FROM xmcoh.check_documents('manuals')});
is(join("\n", clients(@scores)), join("\n", map { value($_) } @scores), 'clients of the pooler get the same answers');
my $score = value($scores[0]);
like(outcome(train('manuals', q('{"epochs": 3, "seed": 7}'))), qr/^succeeded: /, 'a second version is deployed elsewhere');
isnt(value($scores[0]), $score, 'which answers otherwise');
is((clients($scores[0]))[0], value($scores[0]), 'a pooled session follows a deployment');
value(q{SELECT xmcoh.rollback('manuals')});
is((clients($scores[0]))[0], $score, 'and a rollback');

# ---- settings and training ----

# The statements of one transaction stay in one session, so SET LOCAL reaches the job and nobody else.
my ($job) = clients(qq{BEGIN; SET LOCAL xmcoh.nice = 7; SELECT xmcoh.train('manuals', $quick); COMMIT});
is(row($job, q{settings ->> 'xmcoh.nice'}), '7', 'SET LOCAL reaches a job that is submitted through the pooler');
is((clients('SHOW xmcoh.nice'))[0], '0', 'and no other client');
like(outcome($job), qr/^succeeded: /, 'the job succeeds');
clients('SET xmcoh.nice = 8');
is((clients('SHOW xmcoh.nice'))[0], '8', 'while SET reaches whoever comes next');
clients('RESET xmcoh.nice');

# ---- waiting ----

my $long_job = train('manuals', $long);
await($long_job, "state = 'running' AND done > 0");
is((clients("CALL xmcoh.wait_for_job($long_job, '0 s')"))[0], 'running', 'wait_for_job with a short time returns');
is((clients('SELECT 1'))[0], '1', 'and gives the session back');
# wait_for_job is one statement, so it keeps its session until it returns; with the only one taken, the next client waits.
my ($in, $out, $err) = ('', '', '');
my $waiter = IPC::Run::start([ 'psql', '-XAtq', '-d', $pooled, '-c', "CALL xmcoh.wait_for_job($long_job)" ], '<', \$in, '>', \$out, '2>', \$err);
ok(poll(sub { pool('cl_active') eq '1' && value(q{SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CALL xmcoh.wait_for_job%'}) eq '1' }),
	'a client waits for a job');
my ($next_out, $next_err) = ('', '');
my $next = IPC::Run::start([ 'psql', '-XAtq', '-d', $pooled, '-c', 'SELECT 2' ], '<', \$in, '>', \$next_out, '2>', \$next_err);
ok(poll(sub { pool('cl_waiting') eq '1' }), 'and holds the session, so another client waits for that');
value("SELECT xmcoh.cancel_job($long_job)");
$_->finish for $waiter, $next;
is($out, "cancelled\n", 'the wait ends with the job');
is($next_out, "2\n", 'and the other client is served');

# ---- events ----

# A pooled session is given to another client after each statement, so LISTEN needs a session of its own.
my $listener = background($node, 'postgres');
$listener->query_safe('LISTEN xmcoh');
($job) = clients(qq{SELECT xmcoh.train('manuals', $quick)});
like(outcome($job), qr/^succeeded: /, 'a job is submitted through the pooler');
my $heard = '';
ok(poll(sub { ($heard .= $listener->query('SELECT 1')) =~ /Asynchronous notification "xmcoh".*"job_id" ?: ?$job\b.*"succeeded"/s }),
	'LISTEN in a direct session hears of its end') or diag($heard);
$listener->quit;

$node->stop;
done_testing();
