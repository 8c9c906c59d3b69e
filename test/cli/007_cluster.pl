# Tests xmcoh cluster on servers without Citus: models are copied to nodes by logical replication, a second call repairs what is
# missing, a node that is down does not keep the others from being served, and remove leaves nothing behind.
use strict;
use warnings;
use lib 'test/tap';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;

my $conf = "max_worker_processes = 16\nmax_replication_slots = 20\nwal_retrieve_retry_interval = 200ms\n";
my $publisher = new_cluster('publisher', "${conf}wal_level = logical\nmax_wal_senders = 20\n");
my @to = ('-h', $publisher->host, '-p', $publisher->port, '-d', 'postgres');
like(outcome(train('manuals')), qr/^succeeded: /, 'the publisher has a model');

sub new_node
{
	my ($name) = @_;
	my $made = PostgreSQL::Test::Cluster->new($name);
	$made->init;
	$made->append_conf('postgresql.conf', "${conf}wal_level = replica\nfsync = off\n");
	$made->start;
	$made->safe_psql('postgres', q{CREATE DATABASE "it's a ""copy"""});
	$made->safe_psql($_, q{CREATE EXTENSION xmcoh; CREATE TABLE work_step (manual int, step int, place int, instruction text)})
		for 'postgres', q{it's a "copy"};
	$made->safe_psql($_, $publisher->safe_psql('postgres', q{SELECT string_agg(format('INSERT INTO work_step VALUES (%s, %s, %s, %L)',
		manual, step, place, instruction), ';') FROM work_step WHERE manual <= 20})) for 'postgres', q{it's a "copy"};
	return $made;
}

my ($first, $second) = map { new_node($_) } qw(first second);
my $strange = q{it's a "copy"};
sub string { my ($server, $database) = @_; $database //= 'postgres'; return sprintf 'host=%s port=%s dbname=%s', $server->host, $server->port, "'" . $database =~ s/(['\\])/\\$1/gr . "'"; }

# Runs the command; checks its exit status, its output, and its errors.
sub cluster
{
	my ($what, $status, $out, $err, @arguments) = @_;
	my $command = shift @arguments;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	command_checks_all([ 'xmcoh', 'cluster', $command, @to, @arguments ], $status, ref $out eq 'ARRAY' ? $out : [$out], [$err], $what);
}

# What the functions answer on a server about documents that all servers have.
sub answers
{
	my ($server, $database) = @_;
	return $server->safe_psql($database // 'postgres', q{
		SELECT manual, xmcoh.coherence('manuals', place, instruction, NULL), xmcoh.recover_order('manuals', step, instruction, NULL)
		  FROM work_step WHERE manual <= 20 GROUP BY manual ORDER BY manual;
		SELECT * FROM xmcoh.order_documents('manuals', documents => '{3,4}') ORDER BY 1, 3;
		SELECT * FROM xmcoh.check_documents('manuals', documents => '{3,4,5}') ORDER BY 1;
		SELECT name, deployed_version FROM xmcoh.model ORDER BY 1});
}
sub same_answers
{
	my ($server, $what, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(answers($server, $database), answers($publisher), "$what: the answers are the publisher's, byte for byte");
}

# Waits until the status of nodes is as a pattern says.
sub until_status
{
	my ($pattern, @arguments) = @_;
	my ($out, $err);
	my $end = time + $patience;
	for (;;)
	{
		IPC::Run::run([ 'xmcoh', 'cluster', 'status', @to, @arguments ], '>', \$out, '2>', \$err);
		return $out if $out =~ $pattern;
		die "status is $out$err" if time > $end;
	}
}

# ---- before there is a node ----

cluster('status of no node', 0, qr/^no node has copies of the models$/, qr/^$/, 'status');
cluster('add without a node', 2, qr/^$/, qr/needs the connection strings of nodes/, 'add');
cluster('remove of nothing', 0, qr/^$/, qr/^$/, 'remove');
cluster('status of a node that was not added', 1, qr/state: has no subscription/, qr/^$/, 'status', string($first));
cluster('the publisher is no node', 1, qr/^$/, qr/node .*: is the publisher itself/, 'add', string($publisher));
{
	my ($code, $out, $err) = $first->psql('postgres', q{SELECT xmcoh.precedes('manuals', 'a', NULL, 'b', NULL)});
	like($err, qr/model "manuals" does not exist\nHINT:  xmcoh.model lists/, 'no hint about copies where there are none');
}

# A low wal_level, seen from the other side.
command_fails_like([ 'xmcoh', 'cluster', 'add', '-h', $first->host, '-p', $first->port, '-d', 'postgres', string($second) ],
	qr/wal_level of the publisher is replica instead of logical.*hint: ALTER SYSTEM/s, 'wal_level is checked');

# Another version of the extension, and none.
$second->safe_psql('postgres', q{UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'xmcoh'});
cluster('another version is refused', 1, qr/^$/, qr/extension xmcoh is of version 0.9, and of version [0-9.]+ on the publisher/, 'add', string($second));
$second->safe_psql('postgres', q{UPDATE pg_extension SET extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'xmcoh') WHERE extname = 'xmcoh'});
$second->safe_psql('postgres', q{CREATE DATABASE empty});
cluster('a database without the extension is refused', 1, qr/^$/, qr/extension xmcoh is not installed in this database/, 'add', string($second, 'empty'));

# Models of the node's own.
$second->safe_psql('postgres', q{SELECT xmcoh.create_model('mine')});
cluster('a node with models is refused', 1, qr/^$/, qr/table xmcoh.model has rows that are not from this publisher.*hint: Drop the models/s, 'add', string($second));
$second->safe_psql('postgres', q{SELECT xmcoh.drop_model('mine')});

# Rights of the role that copies.
$publisher->safe_psql('postgres', q{CREATE ROLE weak LOGIN REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA xmcoh TO weak; GRANT USAGE ON SCHEMA xmcoh TO weak});
cluster('a role that row-level security would show part of the rows is refused', 1, qr/^$/, qr/role "weak", as which .* may not copy all rows/,
	'add', '--publisher', 'user=weak', string($first));
cluster('so is a role that is missing', 1, qr/^$/, qr/role "nobody", .* does not exist/, 'add', '--publisher', 'user=nobody', string($first));
cluster('and a string that cannot be read', 1, qr/^$/, qr/invalid connection string of --publisher/, 'add', '--publisher', 'user', string($first));

# Whoever may create publications in the database could add tables whose triggers on a node would run as a superuser.
$publisher->safe_psql('postgres', q{DROP PUBLICATION IF EXISTS xmcoh_models; CREATE ROLE mallory; GRANT CREATE ON DATABASE postgres TO mallory;
	SET ROLE mallory; CREATE PUBLICATION xmcoh_models});
cluster('a publication of a role that is no superuser is refused', 1, qr/^$/, qr/publication "xmcoh_models" belongs to role mallory, .*hint: DROP PUBLICATION/s, 'add', string($first));
$publisher->safe_psql('postgres', 'DROP PUBLICATION xmcoh_models');
$first->safe_psql('postgres', q{CREATE ROLE mallory SUPERUSER; SET ROLE mallory;
	CREATE SUBSCRIPTION xmcoh_models CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false); RESET ROLE; ALTER ROLE mallory NOSUPERUSER});
cluster('so is such a subscription', 1, qr/^$/, qr/subscription "xmcoh_models" belongs to role mallory, which is not a superuser/, 'add', string($first));
$first->safe_psql('postgres', q{ALTER SUBSCRIPTION xmcoh_models SET (slot_name = NONE); DROP SUBSCRIPTION xmcoh_models});
# The owner of a node's database can set how names are printed there.
$first->safe_psql('postgres', q{ALTER DATABASE postgres SET quote_all_identifiers = on; CREATE SUBSCRIPTION other CONNECTION 'dbname=postgres' PUBLICATION p
	WITH (connect = false)});
$first->safe_psql('postgres', q{INSERT INTO pg_subscription_rel SELECT oid, 'xmcoh.model'::regclass, 'r' FROM pg_subscription});
cluster('so is a node with another subscription', 1, qr/^$/, qr/subscription "other" copies tables of xmcoh already/, 'add', string($first));
$first->safe_psql('postgres', q{ALTER SUBSCRIPTION other SET (slot_name = NONE); DROP SUBSCRIPTION other; ALTER DATABASE postgres RESET quote_all_identifiers});
is($publisher->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots'), '0', 'what is refused leaves no slot');

# The statement with the connection string fails, which is logged with the statement by default.
$first->safe_psql('postgres', q{ALTER SYSTEM SET log_statement = 'ddl'; SELECT pg_reload_conf()});
$first->poll_query_until('postgres', q{SELECT current_setting('log_statement') = 'ddl'}) or die;
cluster('nodes that do not reach the publisher', 1, qr/^$/, qr/could not connect to the publisher/, 'add', '--publisher', 'host=/nowhere password=Secret', string($first));
unlike(slurp_file($first->logfile), qr/Secret/, 'their log does not have the password');
$first->safe_psql('postgres', q{ALTER SYSTEM RESET log_statement; SELECT pg_reload_conf()});

# ---- add, status, changes ----

cluster('add a node, and a database with a strange name, by a role that is no superuser', 0, [ qr/\/postgres: up to date/, qr/\/it's a "copy": up to date/ ], qr/^$/,
	'add', '--publisher', 'user=able', string($first), string($first, $strange))
	if $publisher->safe_psql('postgres', q{CREATE ROLE able LOGIN REPLICATION BYPASSRLS; GRANT SELECT ON ALL TABLES IN SCHEMA xmcoh TO able; GRANT USAGE ON SCHEMA xmcoh TO able}) eq '';
same_answers($first, 'first');
same_answers($first, 'the strange database', $strange);
cluster('status', 0, [ qr/state: up to date\n  tables copied: 11 of 11\n  lag: .*\n  WAL kept for the node: .*\n  slot: xmcoh_/ ], qr/^$/, 'status', string($first), string($first, $strange));
cluster('status without names shows the slots', 0, qr/state: is connected/, qr/^$/, 'status');
cluster('add again', 0, qr/: up to date/, qr/^$/, 'add', string($first), string($first, $strange));
is($publisher->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots'), '2', 'a second call makes no second slot');

# A role that only the publisher has owns a model and has a level.
$publisher->safe_psql('postgres', q{CREATE ROLE "Here Only"; SELECT xmcoh.grant_usage('"Here Only"'), xmcoh.grant_model('manuals', '"Here Only"', 'score'),
	xmcoh.alter_model('others', new_owner => '"Here Only"')});
like(outcome(train('manuals')), qr/^succeeded: /, 'a second version');
cluster('add waits for what has changed', 0, qr/: up to date/, qr/^$/, 'add', string($first));
cluster('status compares the models, and a role that the node lacks makes no difference', 0, qr/state: up to date/, qr/^$/, 'status', string($first));
same_answers($first, 'after a training');

# ---- lag ----

my $holder = background($first, 'postgres');
$holder->query_safe('BEGIN; LOCK TABLE xmcoh.model_version IN SHARE MODE');
like(outcome(train('manuals')), qr/^succeeded: /, 'a version that does not arrive');
like(until_status(qr/has older models/, string($first)), qr/state: has older models\n  tables copied: 11 of 11\n  lag: [1-9]/, 'status shows the lag');
cluster('add does not wait longer than --timeout', 1, qr/^$/, qr/the copy is not complete/, 'add', '--timeout', '0.1', string($first));
is($first->safe_psql('postgres', q{SELECT deployed_version FROM xmcoh.model WHERE name = 'manuals'}), '2', 'the node answers by the older version');
$publisher->safe_psql('postgres', q{SELECT xmcoh.rollback('manuals')});
{
	my $deployments = q{SELECT (SELECT deployed_version FROM xmcoh.model WHERE name = 'manuals'), (SELECT count(*) FROM xmcoh.deployment)};
	my $before = $publisher->safe_psql('postgres', $deployments);
	my ($code, $out, $err) = $publisher->psql('postgres', q{SET statement_timeout = '300ms'; SELECT xmcoh.deploy('manuals', 3, wait => true)});
	like($err, qr/ERROR:  canceling statement due to statement timeout/, 'statement_timeout ends the waiting for a node that lags');
	is($publisher->safe_psql('postgres', $deployments), $before, 'and nothing is left of it');
}
my $deploying = background($publisher, 'postgres');
$deploying->query_until(qr/begins/, "\\echo begins\nSELECT xmcoh.deploy('manuals', 3, wait => true);\n");
$publisher->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')}) or die;
is($publisher->safe_psql('postgres', q{SELECT deployed_version FROM xmcoh.model WHERE name = 'manuals'}), '2', 'deploy(wait => true) waits for the node');
$holder->query_safe('COMMIT');
$holder->quit;
$deploying->quit;
is($publisher->safe_psql('postgres', q{SELECT deployed_version FROM xmcoh.model WHERE name = 'manuals'}), '3', 'and deploys when the node has the version');
cluster('then the node is up to date', 0, qr/: up to date/, qr/^$/, 'add', string($first));
same_answers($first, 'after the lag');

# Hints where something is not there yet.
for my $case ([ 'a model', q{'none'}, qr/model "none" does not exist/ ], [ 'a version', q{'others'}, qr/model "others" has no deployed version/ ])
{
	my ($code, $out, $err) = $first->psql('postgres', "SELECT xmcoh.precedes($case->[1], 'a', NULL, 'b', NULL)");
	like($err, qr/$case->[2]\nHINT:  The models here are copies .* may not have arrived yet; `xmcoh cluster status` shows the lag/, "$case->[0] that is not there: the hint names the lag");
}
{
	my ($code, $out, $err) = $first->psql('postgres', q{SELECT xmcoh.embed('tiny', 'a')});
	like($err, qr/encoder "tiny" does not exist\nHINT:  The models here are copies/, 'so does that of an encoder');
}

# ---- a node that is down, and one that is added later ----

$first->stop;
cluster('a node is down, another is added', 1, qr/^node .*: up to date$/, qr/node [^\n]*: .*(?:No such file|refused)/, 'add', string($first), string($second));
same_answers($second, 'second');
cluster('status tells them apart', 1, [ qr/state: cannot be reached/, qr/state: up to date/ ], qr/No such file|refused/, 'status', string($first), string($second));
cluster('status without names', 1, [ qr/state: is not connected/, qr/state: is connected/ ], qr/^$/, 'status');
{
	my ($code, $out, $err) = $publisher->psql('postgres', q{SELECT xmcoh.create_model('more'); SELECT xmcoh.deploy('manuals', 2, wait => true)});
	like($err, qr/a node that has copies of the models is not connected\nDETAIL:  Replication slots: xmcoh_.*\nHINT:  `xmcoh cluster status`/, 'deploy(wait => true) does not wait for a node that is down');
}
$publisher->safe_psql('postgres', q{SELECT xmcoh.deploy('manuals', 2)});
$first->start;
cluster('one call brings it up to date', 0, [ qr/(?:: up to date\n?){1}/ ], qr/^$/, 'add', string($first), string($first, $strange), string($second));
same_answers($_, 'when it is up again: ' . $_->name) for $first, $second;

# ---- repair ----

# The slot is gone; the subscription is disabled; a table is missing from the publication.
$first->safe_psql('postgres', 'ALTER SUBSCRIPTION xmcoh_models DISABLE');
my $slot = $first->safe_psql('postgres', q{SELECT subslotname FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = subdbid WHERE datname = 'postgres'});
$publisher->poll_query_until('postgres', "SELECT NOT active FROM pg_replication_slots WHERE slot_name = '$slot'") or die;
cluster('status sees a disabled subscription', 1, qr/state: subscription is disabled/, qr/^$/, 'status', string($first));
$publisher->safe_psql('postgres', "SELECT pg_drop_replication_slot('$slot')");
$publisher->safe_psql('postgres', q{SELECT xmcoh.approve_order('manuals', '3'), xmcoh.deploy('manuals', 3)});
cluster('a missing slot', 0, [ qr/publication or replication slot were missing, all is copied again/, qr/: up to date/ ], qr/^$/, 'add', string($first));
same_answers($first, 'after all was copied again');
$second->safe_psql('postgres', 'ALTER SUBSCRIPTION xmcoh_models DISABLE');
$publisher->safe_psql('postgres', 'ALTER PUBLICATION xmcoh_models DROP TABLE xmcoh.decision');
cluster('a disabled subscription and a publication without a table', 0, qr/: up to date/, qr/^$/, 'add', string($second));
$publisher->safe_psql('postgres', q{SELECT xmcoh.approve_order('manuals', '4')});
cluster('later decisions', 0, qr/: up to date/, qr/^$/, 'add', string($second));
same_answers($second, 'decisions are copied again');
$publisher->safe_psql('postgres', 'DROP PUBLICATION xmcoh_models; SELECT xmcoh.rollback(\'manuals\')');
cluster('a dropped publication', 0, [ qr/all is copied again/ ], qr/^$/, 'add', string($first), string($first, $strange), string($second));
same_answers($_, 'after the publication was made anew: ' . $_->name) for $first, $second;

# A subscription of somebody else.
my $third = new_node('third');
$publisher->safe_psql('postgres', 'CREATE PUBLICATION other FOR TABLE xmcoh.model');
$third->safe_psql('postgres', sprintf q{CREATE SUBSCRIPTION other CONNECTION '%s' PUBLICATION other}, $publisher->connstr . ' dbname=postgres');
cluster('another subscription', 1, qr/^$/, qr/subscription "other" copies tables of xmcoh already/, 'add', string($third));
$third->safe_psql('postgres', 'DROP SUBSCRIPTION other');

# A copy that was changed by hand.
$second->safe_psql('postgres', q{UPDATE xmcoh.model SET options = '{"epochs": 3}' WHERE name = 'others'});
like(until_status(qr/has other models/, string($second)), qr/state: has other models/, 'status sees a copy that was changed');

# A row of the node's own meets one of the publisher: the subscription makes the same error again and again.
my $next = $publisher->safe_psql('postgres', 'SELECT max(grant_id) + 1 FROM xmcoh.model_grant_record');
$first->safe_psql('postgres', "INSERT INTO xmcoh.model_grant_record OVERRIDING SYSTEM VALUE SELECT $next, model_id, owner, 'score', 'me' FROM xmcoh.model LIMIT 1");
$publisher->safe_psql('postgres', q{SELECT xmcoh.grant_model('manuals', 'able', 'score')});
is($publisher->safe_psql('postgres', 'SELECT max(grant_id) FROM xmcoh.model_grant_record'), $next, 'two rows of one number');
cluster('a copy that fails again and again', 1, qr/^$/, qr/the copy fails.*hint: The node's log says why/s, 'add', string($first));
$first->safe_psql('postgres', "DELETE FROM xmcoh.model_grant_record WHERE grant_id = $next");
cluster('without the row it goes on', 0, qr/: up to date/, qr/^$/, 'add', string($first));

# ---- remove ----

cluster('remove without names where nodes are left', 1, qr/^$/, qr/nodes still have copies: slots xmcoh_.*hint: Name the nodes/s, 'remove');
cluster('remove one', 0, qr/: removed/, qr/^$/, 'remove', string($second));
is($second->safe_psql('postgres', q{SELECT (SELECT count(*) FROM pg_subscription), (SELECT count(*) FROM xmcoh.model), (SELECT count(*) FROM xmcoh.decision)}),
	'0|0|0', 'neither subscription nor rows are left there');
$second->safe_psql('postgres', q{SELECT xmcoh.create_model('mine'); SELECT xmcoh.drop_model('mine')});
cluster('add it again', 0, qr/: up to date/, qr/^$/, 'add', string($second));
same_answers($second, 'added again');
$second->stop;
cluster('remove a node that is down', 1, [ qr/: removed/, qr/the publisher's slot is dropped; the subscription is still there/ ], qr/No such file|refused/, 'remove',
	string($first), string($second), string($first, $strange));
is($publisher->safe_psql('postgres', q{SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_publication WHERE pubname = 'xmcoh_models')}),
	'0|0', 'neither slot nor publication is left');
$second->start;
cluster('the node that was down comes back', 0, [ qr/all is copied again/, qr/: up to date/ ], qr/^$/, 'add', string($second));
cluster('and goes', 0, qr/: removed/, qr/^$/, 'remove', string($second));
cluster('remove again', 0, qr/: had no subscription/, qr/^$/, 'remove', string($second));

command_fails_like([ 'xmcoh', 'cluster' ], qr/cluster needs add, status or remove/, 'no command');
command_fails_like([ 'xmcoh', 'cluster', 'status', '--publisher', 'x' ], qr/invalid option of cluster status/, 'an option of another command');
command_fails_like([ 'xmcoh', 'cluster', 'add', '--timeout', 'x' ], qr/--timeout must be a number of seconds/, 'a time that is no number');

$_->stop for $first, $second, $third, $publisher;
done_testing();
