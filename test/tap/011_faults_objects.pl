# Tests a source, a privilege or a role that changes or is dropped while a job exists. (010 lists which file tests which fault.)
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest;

my $node = new_cluster('objects', "max_worker_processes = 4\n");
unharmed('nothing');

# Creates a model with one source. The view slow, below, takes minutes to read.
sub source
{
	my ($model, $relation, $columns) = @_;
	$node->safe_psql('postgres', qq{SELECT xmcoh.create_model('$model', image_dim => 4);
SELECT xmcoh.attach_source('$model', '$relation', 'manual', 'step', $columns)});
}
my $columns = q{text => 'instruction', image => 'photo', "position" => 'place', approved => 'ok'};
$node->safe_psql('postgres', q{
CREATE TABLE changing AS SELECT s.*, true AS ok, ARRAY[step, manual % 7, manual % 3, 1]::real[] AS photo FROM make_steps(60) AS s;
CREATE TABLE ticking AS SELECT s.* FROM make_steps(10000) AS s;
CREATE VIEW slow AS SELECT t.* FROM ticking AS t, LATERAL pg_sleep(0.001 * t.step) AS wait;
});
source('changing', 'changing', $columns);
source('slow', 'slow', q{text => 'instruction', "position" => 'place', approved => 'all'});

# Starts a job and waits until its worker has locked the source's table. The phase is reported shortly before the lock.
sub train_slow
{
	my $job = train('slow');
	await($job, "state = 'running' AND phase = 'reading' AND EXISTS (SELECT FROM pg_locks WHERE pid = worker_pid AND relation = 'ticking'::regclass)");
	return $job;
}

sub cancel
{
	my ($job) = @_;
	value("SELECT xmcoh.cancel_job($job)");
	like(outcome($job), qr/^cancelled: /, '(cancelled)');
}

# ---- ALTER TABLE of the source ----

# The table changes before the job reads the table, so the attachment describes other columns. The job follows renames.
my $gone = 'DROP TABLE changing';
for my $change (
	[ 'a text that is gone', 'DROP COLUMN instruction', qr/failed: public\.changing has no column "instruction" to be read as text\nHint: Rename the column back, or detach/, $gone ],
	[ 'another name of a column', 'RENAME COLUMN photo TO picture', qr/succeeded: /, $gone ],
	[ 'a place that is no number', q{ALTER COLUMN place TYPE text USING 'place ' || place},
		qr/failed: invalid input syntax for type double precision: "place 1"/, $gone ],
	[ 'an order of dates', q{ALTER COLUMN place TYPE date USING '2000-01-01'::date + place},
		qr/failed: column "place" of public\.changing cannot be read as position: it is of type date\nHint: The type of the column must be a numeric type/, $gone ],
	[ 'longer embeddings', q{ALTER COLUMN photo TYPE real[] USING photo || 7::real},
		qr/failed: image of item "1" of document "1" has 5 numbers, but the model reads 4/, $gone ],
	[ 'another name of the table', 'RENAME TO changed; CREATE VIEW changing AS SELECT 1 AS manual', qr/succeeded: /,
		'DROP VIEW changing; DROP TABLE changed' ])
{
	my ($what, $alter, $end, $away) = @$change;
	value("CREATE TABLE kept AS TABLE changing; ALTER TABLE changing $alter");
	like(outcome(train('changing')), qr/^$end/, "ALTER TABLE before reading: $what");
	value($away);
	isnt(value(q{SELECT problem FROM xmcoh.source WHERE model = 'changing'}), '', 'a source that is gone is a problem');
	value(qq{ALTER TABLE kept RENAME TO changing;
		SELECT xmcoh.detach_source(model, relation) FROM xmcoh.source WHERE model = 'changing';
		SELECT xmcoh.attach_source('changing', 'changing', 'manual', 'step', $columns)});
}
unharmed('ALTER TABLE of the source before it is read');

# ALTER TABLE waits while the job reads the source, as for any reader. After the read the job has no lock on the table.
my $job = train_slow();
like(fails("SET lock_timeout = '200ms'; ALTER TABLE ticking ADD COLUMN remark text"), qr/canceling statement due to lock timeout/,
	'ALTER TABLE while the source is read waits');
is(job($job, 'phase'), 'reading', 'and the job reads on');
cancel($job);
$job = train_long('changing');
value("SET lock_timeout = '$patience s'; ALTER TABLE changing DROP COLUMN instruction; ALTER TABLE changing ALTER COLUMN place TYPE text");
sleep 0.6;
is(job($job, 'state'), 'running', 'ALTER TABLE while the job trains: neither waits for the other');
cancel($job);
value(q{ALTER TABLE changing ADD COLUMN instruction text DEFAULT 'do'; ALTER TABLE changing ALTER COLUMN place TYPE int USING place::int});
unharmed('ALTER TABLE of the source while training');

# ---- privileges and row-level security, while training ----

$node->safe_psql('postgres', q{
CREATE ROLE office LOGIN; CREATE ROLE clerk LOGIN IN ROLE office;
SELECT xmcoh.grant_usage('office');
CREATE TABLE guarded AS SELECT * FROM make_steps(200);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded USING (manual <= 100);
GRANT SELECT ON guarded TO office;
});

# papers() creates the model `papers` as the role office. as() runs a statement as the given role.
sub as { my ($role, $sql) = @_; return $node->safe_psql('postgres', $sql, extra_params => [ '-U', $role ]); }

sub papers
{
	as('office', q{SELECT xmcoh.create_model('papers');
SELECT xmcoh.attach_source('papers', 'guarded', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all')});
}

papers();
$job = train_long('papers', 'office');
value('REVOKE SELECT ON guarded FROM office; DROP POLICY p ON guarded; CREATE POLICY p ON guarded USING (false)');
sleep 0.6;
is(job($job, 'state'), 'running', 'a privilege on documents that were read, and rows hidden later, are not missed');
as('office', "SELECT xmcoh.cancel_job($job)");
is(as('office', "CALL xmcoh.wait_for_job($job, '180 s')"), 'cancelled', '(cancelled)');
value('GRANT SELECT ON guarded TO office');
$job = train('papers', $quick, 'office');
like(outcome($job), qr/^failed: .*(0|no) /, 'a job whose every document is hidden fails');
value('ALTER POLICY p ON guarded USING (manual <= 100)');

# A job whose submitter may no longer train the model must deploy nothing. The training takes some seconds.
my $some = q('{"epochs": 12, "patience": 12, "d_model": 256, "layers": 2, "bag_documents": 0}');
my $versions = "SELECT count(*) FROM xmcoh.versions WHERE model = 'papers'";
# Trains as a role and runs a statement in the middle. Returns the job and the number of versions at that moment.
sub while_training
{
	my ($role, $sql) = @_;
	for (1 .. 20)				# a job may end before the poll sees the training
	{
		my $job = train('papers', $some, $role);
		next if !eval { await($job, "state = 'running' AND done > 0"); 1 };
		my $pid = row($job, 'worker_pid');
		stop_between_writes($job, $pid);
		my $trains = row($job, 'finished_at IS NULL') eq 't';
		my $there = value($versions);
		value($sql) if $trains;
		kill 'CONT', $pid;
		return ($job, $there) if $trains;
	}
	die 'training is always over at once';
}
($job, my $there) = while_training('clerk', 'REVOKE office FROM clerk');
like(outcome($job), qr/^failed: role "clerk", which submitted the job, may no longer train model "papers"/,
	'the submitter is no member of the owner any more: the job fails in the end');
is(as('office', "SELECT state FROM xmcoh.job WHERE job_id = $job"), 'failed', 'and the owner sees it');
is(value($versions), $there, 'without a version');
value('GRANT office TO clerk');
$job = train('papers', $quick, 'clerk');
like(outcome($job), qr/^succeeded: /, 'the next one succeeds');

$job = train_long('papers', 'office');
value('DROP OWNED BY office');
sleep 1.2;
is(job($job, 'state'), 'running', 'DROP OWNED takes the privileges on documents that were read: they are not missed');
cancel($job);
like(outcome(train('papers', $quick, 'office')), qr/^failed: permission denied for table guarded/, 'but by the next job');
unharmed('DROP OWNED');

my $before;
value('GRANT SELECT ON guarded TO office');
($job, $there) = while_training('office', 'DROP OWNED BY office; DROP ROLE office');
like(outcome($job), qr/^failed: the role that submitted the job does not exist any more/, 'DROP ROLE while its job runs: the job fails in the end');
is(job($job, 'submitted_by IS NULL'), 't', 'and is nobody\'s');
is(value($versions), $there, 'without a version');
is(value("SELECT owner FROM xmcoh.model_overview WHERE model = 'papers'"), value('SELECT current_user'),
	'the model falls to the owner of the extension');
like(outcome(train('papers')), qr/^succeeded: /, 'who can train it');
unharmed('DROP ROLE');

# A worker that cannot connect is restarted every second. A worker whose role was dropped is not restarted.
$node->safe_psql('postgres', 'CREATE ROLE guest LOGIN; CREATE DATABASE other');
$node->safe_psql('other', q{
CREATE EXTENSION xmcoh;
SELECT xmcoh.grant_usage('guest');
CREATE TABLE step AS SELECT m AS manual, s AS step, 'do ' || s AS words FROM generate_series(1, 40) AS m, generate_series(1, 5) AS s;
GRANT SELECT ON step TO guest});
my $super = background($node, 'other');
my $guest = background($node, 'other', extra_params => [ '-U', 'guest' ]);
$guest->query_safe(q{SELECT xmcoh.create_model('m')});
$guest->query_safe(q{SELECT xmcoh.attach_source('m', 'step', 'manual', 'step', text => 'words', "position" => 'step', approved => 'all')});
worker_is_gone() or die 'the worker goes on';
value('ALTER DATABASE other ALLOW_CONNECTIONS false');
$before = -s $node->logfile;
$job = $guest->query_safe("SELECT xmcoh.train('m', $quick)");
$node->wait_for_log(qr/database "other" is not currently accepting connections/, $before);
is($guest->query_safe("SELECT state FROM xmcoh.job WHERE job_id = $job"), 'queued', 'a job whose worker cannot connect stays queued');
value('ALTER DATABASE other ALLOW_CONNECTIONS true');
is($guest->query_safe("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'and begins when it can');

value('ALTER DATABASE other ALLOW_CONNECTIONS false');
$before = -s $node->logfile;
$job = $guest->query_safe("SELECT xmcoh.train('m', $quick)");
$super->query_safe('DROP OWNED BY guest');
value('DROP ROLE guest');
$node->wait_for_log(qr/role with OID \d+ does not exist/, $before);
my $after = -s $node->logfile;
sleep 2.5;
unlike(slurp_file($node->logfile, $after), qr/role with OID/, 'a worker whose role is gone tries no more');
is($super->query_safe("SELECT state FROM xmcoh.job WHERE job_id = $job"), 'queued',
	'its job reads queued as long as another would try to connect');
$super->query_safe("UPDATE xmcoh.job_record SET asked_at = asked_at - interval '65 s' WHERE job_id = $job");
$super->query_safe("CALL xmcoh.wait_for_job($job, '180 s')");
is($super->query_safe("SELECT state || ': ' || message FROM xmcoh.job_record WHERE job_id = $job"),
	"interrupted: no worker could begin; the server's log says why", 'and then interrupted');
$guest->quit;
$super->quit;
value('ALTER DATABASE other ALLOW_CONNECTIONS true');
unharmed('DROP ROLE before the worker connects');

# ---- DROP DATABASE and DROP EXTENSION, while reading ----

$job = train_slow();
my ($code, $out, $err) = $node->psql('other', 'DROP DATABASE postgres');
like($err, qr/database "postgres" is being accessed by other users/, 'DROP DATABASE without FORCE is refused while a job runs');
is(job($job, 'state'), 'running', 'and does the job no harm');
cancel($job);
unharmed('DROP DATABASE refused');

# The end of the job waits for the table that is dropped. Afterwards no row is left to write, and the worker is not restarted.
$job = train_slow();
my $dropper = background($node, 'postgres');
$dropper->query_until(qr/dropping/, "\\echo dropping\nDROP EXTENSION xmcoh;\n\\echo dropped\n");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") or die 'DROP EXTENSION does not wait';
$before = -s $node->logfile;
value("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'xmcoh job'");
$dropper->query_until(qr/dropped/, '');
ok(worker_is_gone(), 'DROP EXTENSION waits for a job that reads; when that is cancelled, both come to their end');
sleep 2.5;
is(value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'xmcoh job'"), '0', 'and its worker does not come back');
$dropper->quit;
is(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'xmcoh'"), '1', 'the schema stays');

ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal (?!9:)/, 'nothing crashed but what was killed');
$node->stop;
done_testing();
