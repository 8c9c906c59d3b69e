# Tests training jobs on a cluster: the state of a job after its worker, server, source or model is gone.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest;

my $node = new_cluster('jobs', 'max_prepared_transactions = 2
log_min_messages = debug1
', allows_streaming => 1);

# ---- an ordinary run, with nothing preloaded ----

my $job = train('manuals', $quick);
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'a job trains without shared_preload_libraries');
is(job($job, 'version'), '1', 'it has stored version 1');
is(value("SELECT deployed FROM xmcoh.versions WHERE model = 'manuals' AND version = 1"), 't', 'which is deployed');
is(value("SELECT bool_and(n = CASE WHEN phase LIKE '%network' THEN most ELSE 1 END)
	FROM (SELECT phase, count(*) AS n, max(epoch) AS most FROM xmcoh.training_metric
	WHERE job_id = $job AND metric = 'train_loss' AND modality = 'text' GROUP BY phase) AS p"),
	't', 'every epoch left its loss, and of a linear term its fit');
is(value("SELECT (report ->> 'documents')::int = 200 AND (report ->> 'held_out_documents')::int >= 4
	FROM xmcoh.model_version"), 't', 'the report counts documents');

$job = submit("SELECT xmcoh.train('manuals', $quick, on_success => 'keep')");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'a second run');
is(value("SELECT string_agg(version || ' ' || deployed, ', ' ORDER BY version) FROM xmcoh.versions"), '1 true, 2 false',
	'on_success => keep does not deploy');
is(value("SELECT count(DISTINCT sha256) FROM xmcoh.versions"), '1', 'the same documents, options and seed give the same weights');

# ---- cancel ----

$job = train_long('manuals');
is(value("SELECT xmcoh.cancel_job($job)"), 't', 'cancel_job on a running job');
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'cancelled', 'ends it');
like(job($job, 'message'), qr/^cancelled while /, 'and says in which phase');
is(value("SELECT xmcoh.cancel_job($job)"), 'f', 'a second time there is nothing to cancel');

# A cancel that is rolled back has no effect. A cancel that commits late blocks no other session.
$job = train_long('manuals');
$node->safe_psql('postgres', "BEGIN; SELECT xmcoh.cancel_job($job); ROLLBACK;");
is(job($job, 'state'), 'running', 'a cancel that is rolled back does nothing');
$node->safe_psql('postgres', "BEGIN; SELECT xmcoh.cancel_job($job); SELECT pg_sleep(1.5); COMMIT;");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'cancelled', 'a cancel in a longer transaction works at its commit');

# The owner of another model can write any pid into a job row of that model. Such a row must not let the owner stop this worker.
$job = train_long('manuals');
$node->safe_psql('postgres', "INSERT INTO xmcoh.job_record (job_id, model_id, state, worker_pid, worker_started_at) OVERRIDING SYSTEM VALUE
	SELECT 9000, xmcoh.model_id('others'), 'running', worker_pid, worker_started_at FROM xmcoh.job_record WHERE job_id = $job");
$node->safe_psql('postgres', 'SELECT xmcoh.cancel_job(9000)');
sleep 1;
is(job($job, 'state'), 'running', 'a job is not stopped by another job that names its worker');
$node->safe_psql('postgres', 'DELETE FROM xmcoh.job_record WHERE job_id = 9000');
value("SELECT xmcoh.cancel_job($job)");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'cancelled', 'but by its own cancel_job');

# ---- one job per model, one worker slot for all models ----

$job = train_long('manuals');
my ($code, $out, $err) = $node->psql('postgres', "SELECT xmcoh.train('manuals')");
like($err, qr/model "manuals" already has a running job $job/, 'one job per model at a time');
like($err, qr/HINT: .*xmcoh\.cancel_job\($job\)/, 'with a hint');

($code, $out, $err) = $node->psql('postgres', "SELECT xmcoh.train('others', $quick)");
like($err, qr/no background worker is free/, 'no free worker slot is an error');
like($err, qr/HINT: .*max_worker_processes/, 'whose hint names the setting');
is(value("SELECT count(*) FROM xmcoh.job WHERE model = 'others'"), '0', 'and leaves no job behind');

# ---- signals from outside ----

value("SELECT pg_cancel_backend(worker_pid) FROM xmcoh.job WHERE job_id = $job");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'interrupted', 'pg_cancel_backend interrupts');
is(job($job, 'message'), 'cancelled by pg_cancel_backend', 'and the job says so');

$job = train_long('manuals');
value("SELECT pg_terminate_backend(worker_pid) FROM xmcoh.job WHERE job_id = $job");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'interrupted', 'pg_terminate_backend interrupts');
like(job($job, 'message'), qr/worker died/, 'and the job says so');
unharmed('pg_terminate_backend of a worker');

$job = train_long('manuals');
my $pid = job($job, 'worker_pid');
kill_worker($pid);
await($job, "state = 'interrupted'");
is(row($job, "state || ': ' || message"), 'interrupted: worker died (crash or termination)',
	'after kill -9 the server comes back and the restarted worker writes what happened');
ok(worker_is_gone(), 'and does not train again by itself');
unharmed('kill -9 of a worker');

# The worker is killed while the job is being cancelled. The job still ends cancelled.
$job = train_long('manuals');
$pid = job($job, 'worker_pid');
stop_between_writes($job, $pid);
value("SELECT xmcoh.cancel_job($job)");
is(job($job, 'state'), 'cancelling', 'a worker that does not react leaves the job cancelling');
kill_worker($pid);
await($job, "state = 'cancelled'");
unharmed('kill -9 of a worker that is being cancelled, which ends cancelled');

# ---- the server stops ----

$job = train_long('manuals');
$node->stop('immediate');
$node->start;
is(row($job, 'state'), 'running', 'after an immediate shutdown the row still says running');
is(job($job, 'state'), 'interrupted', 'but the view knows better');
is(value("CALL xmcoh.wait_for_job($job)"), 'interrupted', 'and so does wait_for_job');
is(row($job, 'state'), 'interrupted', 'which writes it down');
unharmed('an immediate shutdown');

$job = train_long('manuals');
$node->restart;
my $next = train('manuals', $quick);
is(row($job, 'state'), 'interrupted', 'train finds a job that a restart ended');
is(value("CALL xmcoh.wait_for_job($next, '180 s')"), 'succeeded', 'and takes its place');

# ---- the extension and the database are dropped ----

# The worker must end for good. A worker that is restarted every second would keep the only slot taken.
$node->safe_psql('postgres', 'CREATE DATABASE other');
my $other_long = $long =~ s/'//gr;
for my $how ('DROP EXTENSION xmcoh', 'DROP DATABASE other WITH (FORCE)')
{
	$node->safe_psql('other', q{
		CREATE EXTENSION IF NOT EXISTS xmcoh;
		CREATE TABLE IF NOT EXISTS step AS SELECT m AS manual, s AS step, 'do ' || s AS words
			FROM generate_series(1, 100) AS m, generate_series(1, 5) AS s;
		SELECT xmcoh.create_model('m');
		SELECT xmcoh.attach_source('m', 'step', 'manual', 'step', text => 'words', "position" => 'step', approved => 'all')});
	submit("SELECT xmcoh.train('m', '$other_long')", database => 'other');
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'xmcoh job'")
	  or die 'no worker begins';
	$how =~ /EXTENSION/ ? $node->safe_psql('other', $how) : until_dropped($node, $how);
	$job = train('manuals', $quick);
	is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', "after $how its worker's slot is free again");
	unharmed($how);
}

# ---- the source and the model are dropped ----

$job = train_long('manuals');
$node->safe_psql('postgres', 'CREATE TABLE work_step_copy AS TABLE work_step; DROP TABLE work_step');
is(job($job, 'state'), 'running', 'documents that were read need no table any more');
value("SELECT xmcoh.cancel_job($job)");
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'cancelled', '(cancelled)');
$job = train('manuals', $quick);
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'failed', 'a job whose source was dropped fails');
like(job($job, 'message'), qr/source relation public\.work_step does not exist any more\nHint: Create the relation again, or detach it/, 'and says why');
is(value("SELECT problem FROM xmcoh.source WHERE model = 'manuals'"), 'relation public.work_step is missing', 'and so does xmcoh.source');
$node->safe_psql('postgres', q{
SELECT xmcoh.detach_source(model, relation) FROM xmcoh.source WHERE problem IS NOT NULL;
ALTER TABLE work_step_copy RENAME TO work_step;
SELECT xmcoh.attach_source('manuals', 'work_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');
});

$node->safe_psql('postgres', q{
SELECT xmcoh.create_model('doomed');
SELECT xmcoh.attach_source('doomed', 'work_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');
});
$job = train_long('doomed');
value("SELECT xmcoh.drop_model('doomed')");
ok(worker_is_gone(), 'dropping a model ends its worker');
is(value("SELECT count(*) FROM xmcoh.job_record WHERE job_id = $job"), '0', 'and takes the job along');

# The rows are deleted without drop_model. The worker sees the deletion at its next progress update or at its end.
$node->safe_psql('postgres', q{
SELECT xmcoh.create_model('doomed');
SELECT xmcoh.attach_source('doomed', 'work_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');
});
$job = train_long('doomed');
value("DELETE FROM xmcoh.job_record WHERE job_id = $job");
ok(worker_is_gone(), 'so does deleting the job\'s row');
$job = train('doomed', q('{"epochs": 10, "d_model": 256, "layers": 2, "bag_documents": 0}'));
await($job, "state = 'running' AND done > 0");
my $doomed = value("DELETE FROM xmcoh.model WHERE name = 'doomed' RETURNING model_id");
ok(worker_is_gone(), 'and a worker ends whose model\'s row was deleted');
is(value("SELECT count(*) FROM xmcoh.model_version WHERE model_id = $doomed"), '0', 'and stores no version of it');
value("DELETE FROM xmcoh.source_record WHERE model_id = $doomed; DELETE FROM xmcoh.job_record WHERE model_id = $doomed");
unharmed('models dropped');

# ---- transactions ----

my $jobs = value('SELECT count(*) FROM xmcoh.job_record');
my $before = -s $node->logfile;
$node->safe_psql('postgres', "BEGIN; SELECT xmcoh.train('manuals', $quick); ROLLBACK;");
$node->safe_psql('postgres', "BEGIN; SAVEPOINT s; SELECT xmcoh.train('manuals', $quick); ROLLBACK TO s; COMMIT;");
is(value('SELECT count(*) FROM xmcoh.job_record'), $jobs, 'a rolled back train leaves no job');
ok(slurp_file($node->logfile, $before) !~ /starting background worker process "xmcoh job/, 'and starts no worker');

$job = submit("BEGIN; SAVEPOINT s; SELECT xmcoh.train('manuals', $quick); RELEASE s; SELECT pg_sleep(0.5); COMMIT;");
$job =~ s/\s//g;
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'a released savepoint starts one');

($code, $out, $err) = $node->psql('postgres', "BEGIN; SELECT xmcoh.train('manuals', $quick); PREPARE TRANSACTION 't';");
like($err, qr/cannot PREPARE a transaction that has started or cancelled a training job/, 'PREPARE TRANSACTION is refused');
unharmed('train in transactions that fail');

ok(slurp_file($node->logfile, $before) =~ /starting background worker process "xmcoh job $job"/, '(seen in the log)');

# wait_for_job sees the end of a job even in a transaction whose snapshot is older.
$job = train('manuals', $quick);
$out = $node->safe_psql('postgres', "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) > 0 FROM xmcoh.job_record;
	CALL xmcoh.wait_for_job($job, '180 s'); COMMIT;");
like($out, qr/succeeded$/, 'wait_for_job under REPEATABLE READ');

# ---- a wait does not hold back vacuum ----

$job = train_long('manuals');
my $waiter = background($node, 'postgres');
my $waiting = $waiter->query_safe('SELECT pg_backend_pid()');
$waiter->query_until(qr/waiting/, "\\echo waiting\nCALL xmcoh.wait_for_job($job);\n");
$node->poll_query_until('postgres', "SELECT state = 'active' AND query LIKE 'CALL%' FROM pg_stat_activity WHERE pid = $waiting")
  or die 'nobody waits';
value('CREATE TABLE gone AS SELECT generate_series(1, 1000) AS n; DELETE FROM gone');
my $left = 1;
my $end = time + $patience;
while ($left != 0 && time < $end)	# the job's worker has a snapshot while the worker writes
{
	$left = value("VACUUM gone; SELECT pg_relation_size('gone')");
	sleep 0.1 if $left != 0;
}
is($left, 0, 'vacuum removes what was deleted after the wait began');
ok($node->poll_query_until('postgres', "SELECT backend_xmin IS NULL FROM pg_stat_activity WHERE pid = $waiting"),
	'who waits has no snapshot');
is(job($job, 'state') . value("SELECT state FROM pg_stat_activity WHERE pid = $waiting"), 'runningactive', 'all while it waits');

# A transaction block keeps its snapshot while wait_for_job waits in the block.
my $holder = background($node, 'postgres');
my $holding = $holder->query_safe('SELECT pg_backend_pid()');
$holder->query_until(qr/waiting/, "BEGIN;\n\\echo waiting\nCALL xmcoh.wait_for_job($job);\n");
ok($node->poll_query_until('postgres', "SELECT backend_xmin IS NOT NULL AND query LIKE 'CALL%' FROM pg_stat_activity WHERE pid = $holding"),
	'in a transaction block it waits, too, under the snapshot of that');
value('CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n; DELETE FROM kept');
isnt(value("VACUUM kept; SELECT pg_relation_size('kept')"), 0, 'which vacuum must heed');
value("SELECT xmcoh.cancel_job($job)");
is($_->query_safe('SELECT 1'), "cancelled\n1", 'and hears of the end') for $waiter, $holder;
$_->quit for $waiter, $holder;

# A wait commits the procedure's earlier work, so a procedure can wait for a job that the procedure started.
value(q{CREATE PROCEDURE train_and_wait(INOUT state text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	job integer := xmcoh.train('manuals', '{"epochs": 2}');
BEGIN
	CALL xmcoh.wait_for_job(job, '180 s', state);
END $$});
is(submit('CALL train_and_wait()'), 'succeeded', 'a procedure trains and waits');
like(fails('BEGIN; CALL train_and_wait()'), qr/this very transaction, which it waits for/, 'but not in a transaction block');

# ---- privileges of the worker ----

$node->safe_psql('postgres', q{
CREATE ROLE clerk LOGIN; CREATE ROLE office NOLOGIN; GRANT office TO clerk;
SELECT xmcoh.grant_usage('office');
CREATE TABLE guarded AS SELECT *, m <= 100 AS visible FROM (SELECT *, manual AS m FROM make_steps(200)) AS s;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded USING (visible);
GRANT SELECT ON guarded TO office;
});
my $as_office = sub {
	return $node->safe_psql('postgres', "SET ROLE office; $_[0]", extra_params => [ '-U', 'clerk' ]);
};
my $train_papers = sub { return submit("SET ROLE office; SELECT xmcoh.train('papers', $quick)", extra_params => [ '-U', 'clerk' ]); };
$as_office->(q{SELECT xmcoh.create_model('papers');
SELECT xmcoh.attach_source('papers', 'guarded', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all')});
$job = $train_papers->();
is($as_office->("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'a role that cannot log in trains');
is(value("SELECT report ->> 'documents' FROM xmcoh.model_version JOIN xmcoh.model USING (model_id) WHERE name = 'papers'"), '100',
	'on the rows that row-level security shows it');
is(job($job, 'submitted_by'), 'office', 'the job is the current role\'s, not the session\'s');

$node->safe_psql('postgres', 'REVOKE SELECT ON guarded FROM office');
$job = $train_papers->();
is($as_office->("CALL xmcoh.wait_for_job($job, '180 s')"), 'failed', 'no privilege on the source: the job fails');
is(job($job, 'message'), 'permission denied for table guarded', 'and says so');

# The submitting session may belong to any role that can SET ROLE to the submitter. A source's code must not get the session's role.
$node->safe_psql('postgres', 'CREATE SCHEMA trap AUTHORIZATION office');
$as_office->(q{
CREATE TABLE trap.caught (who text);
CREATE FUNCTION trap.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'trapped %', current_user; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON trap.caught DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap.note();
CREATE FUNCTION trap.defer() RETURNS int LANGUAGE sql AS 'INSERT INTO trap.caught VALUES (current_user) RETURNING 1';
CREATE FUNCTION trap.reset() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; RETURN 1; END $$;
CREATE VIEW trap.deferring AS SELECT 'd' AS manual, 1 AS step, 'x' AS instruction;
CREATE VIEW trap.resetting AS SELECT 'd' AS manual, 1 AS step, 'x' AS instruction;
SELECT xmcoh.create_model('trap');
});
for my $trap ([ 'deferring', 'defer', 'cannot fire deferred trigger within security-restricted operation' ],
	[ 'resetting', 'reset', 'cannot set parameter "role" within security-definer function' ])
{
	my ($view, $function, $message) = @$trap;
	my $attach = "SELECT xmcoh.attach_source('trap', 'trap.$view', 'manual', 'step', text => 'instruction')";
	$as_office->($attach);
	$as_office->("CREATE OR REPLACE VIEW trap.$view AS SELECT 'd' AS manual, trap.$function() AS step, 'x' AS instruction");
	$job = submit("SET ROLE office; SELECT xmcoh.train('trap', $quick)");
	is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'failed', "a source that is a trap: $view");
	is(job($job, 'message'), $message, 'is refused');
	$as_office->("SELECT xmcoh.detach_source('trap', 'trap.$view')");
	like(fails("SET ROLE office; $attach"), qr/\Q$message\E/, 'and when it is attached');
}

# ---- items without evidence, foreign tables, memory ----

$node->safe_psql('postgres', q{
CREATE EXTENSION postgres_fdw;
CREATE TABLE bare AS SELECT manual, step, place, CASE WHEN step > 1 THEN instruction END AS instruction FROM make_steps(40);
SELECT xmcoh.create_model('far');
} . "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '" . $node->host . "', port '" . $node->port . "', dbname 'postgres');" . q{
CREATE USER MAPPING FOR CURRENT_USER SERVER far;
CREATE FOREIGN TABLE far_step (manual int, step int, place int, instruction text) SERVER far OPTIONS (table_name 'bare');
SELECT xmcoh.attach_source('far', 'far_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');
});
$before = -s $node->logfile;
$job = train('far', $quick);
is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'a foreign table is a source');
my @notices = slurp_file($node->logfile, $before) =~ /NOTICE:  (item .* has neither text nor image)/g;
is_deeply(\@notices, ['item "1" of document "1" has neither text nor image'], 'an item without evidence is reported once');

SKIP:
{
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	skip 'no prlimit(1) here', 3 if system("prlimit --pid $postmaster >/dev/null 2>&1") != 0;
	my ($size) = slurp_file("/proc/$postmaster/statm") =~ /^(\d+)/;
	my $limit = $size * 4096 + 300 * 1024 * 1024;
	system("prlimit --pid $postmaster --as=$limit:$limit") == 0 or die 'prlimit';
	# 420 MB of weights
	$node->safe_psql('postgres', q{
	SELECT xmcoh.create_model('big', image_dim => 2, options => '{"d_model": 2048, "layers": 2, "feed_forward": 8192}');
	CREATE TABLE pictured AS SELECT *, ARRAY[manual, step]::real[] AS photo FROM make_steps(20);
	SELECT xmcoh.attach_source('big', 'pictured', 'manual', 'step', image => 'photo', "position" => 'place', approved => 'all');
	});
	$job = train('big', $quick);
	is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'failed', 'a job that runs out of memory fails');
	like(job($job, 'message'), qr/^out of memory/, 'and says so');
	system("prlimit --pid $postmaster --as=unlimited:unlimited");
	unharmed('a job that ran out of memory');
}

# ---- dump and restore ----

$node->safe_psql('postgres', q{
CREATE TABLE pairs (manual int, first int, second int);
SELECT xmcoh.attach_pairs('manuals', 'pairs', 'manual', 'first', 'second');
CREATE TABLE remark (manual int, remark text, said text);
SELECT xmcoh.attach_source('manuals', 'remark', 'manual', 'remark', text => 'said', documents_of => 'work_step');
});
$job = submit("SELECT xmcoh.train('manuals', $quick, 'keep', unlabelled => '{work_step}')");
value("CALL xmcoh.wait_for_job($job, '180 s')");
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', 'postgres', '-f', $dump, '-h', $node->host, '-p', $node->port ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', $dump, '-h', $node->host, '-p', $node->port ],
	'restored without an error');
for my $query (
	q{SELECT encode(sha256(xmcoh.export_model('manuals')), 'hex')},
	q{SELECT string_agg(format('%s %s %s', model, version, sha256), ';' ORDER BY model, version) FROM xmcoh.versions},
	q{SELECT string_agg(concat_ws(' ', model, relation, document, position, approved, documents_of, problem), ';' ORDER BY model, relation) FROM xmcoh.source},
	q{SELECT string_agg(name || ' ' || split_part(xmcoh_internal.source_definition(model_id), ' ', 2), ';' ORDER BY name) FROM xmcoh.model},
	q{SELECT string_agg(model || ' ' || owner, ';' ORDER BY model) FROM xmcoh.model_overview},
	q{SELECT string_agg(format('%s %s', relation, document), ';' ORDER BY relation) FROM xmcoh.pair_source},
	q{SELECT string_agg(format('%s %s %s %s', job_id, state, submitted_by, unlabelled), ';' ORDER BY job_id) FROM xmcoh.job},
	q{SELECT count(*) FROM xmcoh.training_metric},
	q{SELECT count(*) FROM xmcoh.approved_pair},
	q{SELECT has_schema_privilege('office', 'xmcoh', 'USAGE'), pg_has_role('office', 'xmcoh_user', 'MEMBER')})
{
	is($node->safe_psql('restored', $query), value($query), "the same in the restored database: $query");
}
$job = submit("SELECT xmcoh.train('manuals', $quick)", database => 'restored');
cmp_ok($job, '>', value('SELECT max(job_id) FROM xmcoh.job_record'), 'sequences were restored');
is($node->safe_psql('restored', "CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'the restored model can be trained');

# ---- a standby ----

my $standby = new_standby($node, 'standby');
$job = train_long('manuals');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "SELECT state FROM xmcoh.job WHERE job_id = $job"), 'running',
	'a standby shows the state as it was written: the worker is on the primary');
is($standby->safe_psql('postgres', "SELECT xmcoh.worker_is_alive(1, now()) IS NULL"), 't', 'it cannot know whether a worker lives');
is($standby->safe_psql('postgres', "SELECT length(xmcoh.export_model('manuals')) > 0"), 't', 'models can be read there');
($code, $out, $err) = $standby->psql('postgres', "SELECT xmcoh.train('others')");
like($err, qr/cannot train a model on a standby/, 'but not trained');
value("SELECT xmcoh.cancel_job($job)");
value("CALL xmcoh.wait_for_job($job, '180 s')");
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "CALL xmcoh.wait_for_job($job, '180 s')"), 'cancelled', 'wait_for_job works on a standby');
$standby->stop;

ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal (?!9:)/, 'nothing crashed but what was killed');
$node->stop;
done_testing();
