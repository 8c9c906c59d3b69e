# Tests processes that are killed or cancelled in every phase of a job, and what a running job costs other sessions.
#
# Each fault of a job, and the file that tests the fault and the state of the tables afterwards (XmcohTest::unharmed):
#   kill -9 of the worker, pg_terminate_backend                  001 (training), here (reading, saving)
#   kill -9 of a gradient process                                006
#   pg_ctl stop -m immediate, restart                            001
#   kill -9 of the postmaster                                    here
#   cancel, in every phase                                       001 (training), here (each phase), test/sql/jobs.sql (queued)
#   vacuum's horizon                                             here
#   DROP TABLE of the source, DROP of the model                  001
#   DROP EXTENSION, DROP DATABASE ... WITH (FORCE)               001
#   DROP DATABASE, DROP EXTENSION while reading                  011
#   ALTER TABLE of the source, before reading and later          011
#   privileges revoked                                           001 (before), 011 (while training)
#   row-level security on the source                             001 (before), 011 (changed while training)
#   DROP ROLE, DROP OWNED, a role that cannot connect            011
#   statement_timeout, lock_timeout and similar settings         012
#   no free worker slot                                          001
#   out of memory                                                001 (the server's limit), 012 (of a worker that trains)
#   disk full, file size limit, temp_file_limit                  012
#   two trains of one model at once                              001, test/isolation/specs/train.spec
#   train rolled back, also in a subtransaction                  001
#   PREPARE TRANSACTION                                          001
#   hot standby                                                  001 (train), 002 (scoring)
#   promotion of a standby during a job                          013
#   pg_dump and restore                                          001 (of finished jobs), 013 (in the middle of a job)
#   all of these signals at random moments                       014, `make torture`
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest;

my $node = new_cluster('processes');
unharmed('nothing');

# ---- cancel in every phase ----

# Documents with text embeddings and images; most of their orders are not approved. The view slow takes minutes to read.
$node->safe_psql('postgres', q{
CREATE TABLE pictured AS
	SELECT s.*, manual <= 200 AS approved, ARRAY[step, manual % 7, manual % 3, 1]::real[] AS photo,
		ARRAY[manual % 5, step * 2, 1]::real[] AS embedding FROM make_steps(5000) AS s;
CREATE TABLE wide_pictured AS		-- so that even the fit of a linear term, which is soon over, takes seconds
	SELECT *, ARRAY(SELECT ((manual * 31 + step * k * 7) % 101)::real FROM generate_series(1, 500) AS k) AS numbers FROM make_steps(3000);
CREATE VIEW slow AS SELECT s.* FROM make_steps(10000) AS s, LATERAL pg_sleep(0.001 * s.step) AS wait;
CREATE TABLE much AS SELECT manual, step, place, 'step ' || step || ' of ' || manual % 50 AS instruction
	FROM generate_series(1, 1000) AS manual, generate_series(1, 30) AS step, LATERAL (SELECT step AS place) AS p;
});

sub model
{
	my ($name, $inputs, $source, $columns, $options) = @_;
	$node->safe_psql('postgres', qq{
SELECT xmcoh.create_model('$name', $inputs options => '{$options}');
SELECT xmcoh.attach_source('$name', '$source', 'manual', 'step', $columns, "position" => 'place')});
}

my $endless = '"epochs": 10000, "patience": 10000';
my $wide = '"d_model": 256, "layers": 2';
# The phases before the phase under test are short.
my $then_wide = qq{"epochs": 200, "patience": 200, $wide};
my ($words, $photos) = map { "$_, approved => 'approved'" } (q{text => 'instruction'}, q{image => 'photo'});
my $all = q{text => 'instruction', approved => 'all'};
my @phase = (
	[ 'reading', '', 'slow', $all, $endless ],
	[ 'training alignment', 'image_dim => 4, text_dim => 3,', 'pictured', "text_embedding => 'embedding', $photos", $endless ],
	[ 'training sparse text term', '', 'much', $all, $endless ],
	[ 'training linear text term', 'words => false, text_dim => 500,', 'wide_pictured', q{text_embedding => 'numbers', approved => 'all'}, $endless ],
	[ 'training text network', '', 'pictured', $words, qq{$then_wide, "bag_documents": 0} ],
	[ 'training linear image term', 'words => false, image_dim => 500,', 'wide_pictured', q{image => 'numbers', approved => 'all'}, $endless ],
	[ 'training image network', 'words => false, image_dim => 4,', 'pictured', $photos, $then_wide ],
	[ 'calibrating', '', 'much', $all, '"epochs": 1, "held_out": 0.9' ],
	[ 'labelling', 'image_dim => 4,', 'pictured', "text => 'instruction', $photos", qq{"epochs": 1, "rounds": 1, $wide}, 1 ],
	[ 'training image network', 'image_dim => 4,', 'pictured', "text => 'instruction', $photos",
		qq{"epochs": 2, "rounds": 1, "d_model": 64}, 1 ]);
for my $phase (@phase)
{
	my ($name, @model) = @$phase;
	my $round = $model[4] // 0;
	model("$name $round", @model);
	my $outcome;
	for (1 .. 20)				# a job may be in a later phase before the poll or the cancel
	{
		my $job = train("$name $round", q('{}'));
		value("SELECT xmcoh.cancel_job($job)") if eval { await($job, "state = 'running' AND phase = '$name' AND round = $round"); 1 };
		$outcome = outcome($job);
		last if $outcome !~ /^succeeded: |^cancelled: cancelled while (?!\Q$name\E$)/;
	}
	is($outcome, "cancelled: cancelled while $name", "cancel, $name, round $round");
}
unharmed('cancel in every phase');

# The fault occurs while a version is written. The worker waits for an advisory lock, so the write cannot end before the fault.
$node->safe_psql('postgres', q{
CREATE FUNCTION wait_for_lock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
CREATE TRIGGER wait BEFORE INSERT ON xmcoh.model_version FOR EACH ROW EXECUTE FUNCTION wait_for_lock();
});

# Applies a fault to a worker that waits for the lock while saving. The fault gets the worker's pid and the job.
sub while_saving
{
	my ($how, $fault, $outcome) = @_;
	my $versions = value('SELECT count(*) FROM xmcoh.model_version');
	my $holder = background($node, 'postgres');
	$holder->query_safe('SELECT pg_advisory_lock(1)');
	my $job = train('manuals');
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
	  or die 'the worker does not wait';
	$fault->(job($job, 'worker_pid'), $job);
	like(outcome($job), $outcome, "$how while it saves");	# the lock is still held
	is(value('SELECT count(*) FROM xmcoh.model_version'), $versions, 'and there is no version');
	$holder->{run}->kill_kill;
	unharmed("$how while it saves");
}
while_saving('cancel_job', sub { value("SET lock_timeout = '60s'; SELECT xmcoh.cancel_job($_[1])") }, qr/^cancelled: cancelled while /);
while_saving('pg_cancel_backend', sub { value("SELECT pg_cancel_backend($_[0])") }, qr/^interrupted: cancelled by pg_cancel_backend/);
while_saving('pg_terminate_backend', sub { value("SELECT pg_terminate_backend($_[0])") }, qr/^interrupted: worker died/);
while_saving('kill -9', sub { kill_worker($_[0]); await($_[1], "state = 'interrupted'") }, qr/^interrupted: worker died/);

# ---- kill -9 of the postmaster ----

# A new server does not start while a process of the old server lives.
sub kill_postmaster
{
	my ($job, $phase) = @_;
	my $pid = job($job, 'worker_pid');
	my $postmaster = value("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)");
	$node->kill9;
	my $end = time + $patience;
	sleep 0.01 while process_lives($pid) && time < $end;
	ok(!process_lives($pid), "the postmaster is killed: a worker that is $phase ends, too");
	sleep 0.01 while kill(0, $postmaster);	# even a zombie prevents the start of a new server
	$node->start;
}
while_saving('kill -9 of the postmaster', sub { kill_postmaster($_[1], 'saving') }, qr/^interrupted: worker died/);
value('DROP TRIGGER wait ON xmcoh.model_version');
for my $phase ('reading', 'training alignment', 'calibrating')
{
	my $job;
	for (1 .. 20)
	{
		$job = train("$phase 0", q('{}'));
		last if eval { await($job, "state = 'running' AND phase = '$phase'"); 1 };
	}
	kill_postmaster($job, $phase);
	is(row($job, 'state'), 'running', 'the row still says running');
	is(job($job, 'state'), 'interrupted', 'but the view knows better');
	is(outcome($job), 'interrupted: worker died (crash or termination)', 'and who waits for it writes it down');
}
unharmed('kill -9 of the postmaster');

# ---- a worker that dies while it reads ----

for my $signal ('TERM', 'KILL')
{
	my $job = train('reading 0', q('{}'));
	await($job, "state = 'running' AND phase = 'reading'");
	my $pid = job($job, 'worker_pid');
	$signal eq 'KILL' ? kill_worker($pid) : kill($signal, $pid);
	await($job, "state = 'interrupted'");
	unharmed("SIG$signal while reading");
}

# ---- a long training and vacuum's horizon ----

my $job = train_long('manuals');
my $horizon = "SELECT coalesce(age(backend_xmin), 0) FROM pg_stat_activity WHERE backend_type = 'xmcoh job'";
value('CREATE TABLE churn AS SELECT 1 AS n');
value('UPDATE churn SET n = n + 1; ' x 400);	# each statement is a transaction
# A training in one transaction would show a snapshot at every query, and the snapshot would be 400 transactions old.
my ($free, $young) = (0, 0);
my $end = time + $patience;
while (($free < 20 || $young < 20) && time < $end)
{
	my ($age) = split /\n/, value('UPDATE churn SET n = n + 1; ' x 10 . $horizon);
	$free++ if $age == 0;
	$young++ if $age < 300;
}
is(job($job, 'state'), 'running', 'while a job trains');
cmp_ok($free, '>=', 20, 'its worker does not always hold a snapshot');
cmp_ok($young, '>=', 20, 'and none for long');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'xmcoh job' AND state = 'idle'
	AND backend_xmin IS NULL AND xact_start IS NULL"), 'between its writes it counts as idle, in no transaction');
my ($code, $out, $err);
$end = time + $patience;
do					# VACUUM may run during one of the worker's writes
{
	($code, $out, $err) = $node->psql('postgres', 'VACUUM VERBOSE churn');
} until ($err =~ /\b0 are dead but not yet removable/ || time > $end);
like($err, qr/\b0 are dead but not yet removable/, 'vacuum removes what died since the job began');
is(job($job, 'state'), 'running', '(which still trains)');
value("SELECT xmcoh.cancel_job($job)");
is(outcome($job) =~ s/:.*//r, 'cancelled', '(cancelled)');

ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal (?!9:)/, 'nothing crashed but what was killed');
$node->stop;
done_testing();
