# Tests snapshots on a cluster with a launcher: jobs and schedules, whose documents they read, what a schedule keeps, and events of
# alerts.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest qw($long $patience background);

my $node = PostgreSQL::Test::Cluster->new('snapshots');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'xmcoh'
max_worker_processes = 8
max_parallel_workers_per_gather = 0
timezone = 'UTC'
fsync = off
});
$node->start;

my $quick = q('{"epochs": 1, "d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 12, "bag_dim": 0, "evaluation_documents": 0}');

sub value { return $node->safe_psql('postgres', $_[0]); }
sub until_true { my ($query, $what) = @_; return ok($node->poll_query_until('postgres', $query), $what); }
sub ended { my ($job) = @_; return value("CALL xmcoh.wait_for_job($job, '$patience s')"); }

value(q{
CREATE EXTENSION xmcoh;
CREATE TABLE step AS SELECT m AS manual, s AS step, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || m % 7 AS words
	FROM generate_series(1, 60) AS m, generate_series(1, 5) AS s;
CREATE TABLE gate (open boolean); INSERT INTO gate VALUES (true);
-- Reading waits while the gate is closed. The function is volatile, so each look has a snapshot of its own.
CREATE FUNCTION pass() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
	WHILE NOT (SELECT open FROM public.gate) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN true; END $$;
CREATE VIEW gated AS SELECT * FROM step WHERE CASE WHEN step = 1 AND manual = 1 THEN pass() ELSE true END;
SELECT xmcoh.create_model('a'), xmcoh.create_model('b');
SELECT xmcoh.attach_source('a', 'gated', 'manual', 'step', text => 'words', "position" => 'step', approved => 'all'),
	xmcoh.attach_source('b', 'step', 'manual', 'step', text => 'words', "position" => 'step', approved => 'all')});
is(ended(value("SELECT xmcoh.train('a', $quick)")), 'succeeded', 'a version is trained');

# ---- a schedule takes snapshots ----

my $schedule = value("SELECT xmcoh.schedule_snapshot('a', '1 second', keep => 3)");
until_true("SELECT count(*) = 3 FROM xmcoh.quality_snapshot", 'a schedule takes snapshots');
my $newest = value('SELECT max(snapshot_id) FROM xmcoh.quality_snapshot');
until_true("SELECT count(*) = 4 AND min(snapshot_id) = 1 AND max(snapshot_id) > $newest + 2 FROM xmcoh.quality_snapshot",
	'and keeps three, besides the first one of the version');
is(value("SELECT DISTINCT concat_ws(' ', kind, submitted_by) FROM xmcoh.job WHERE kind <> 'training'"), 'snapshot ' . value('SELECT current_user'),
	'by jobs of their own kind');
is(value("SELECT concat_ws(' ', kind, keep, next_run > last_run) FROM xmcoh.schedule_overview"), 'snapshot 3 t', 'which the overview tells');

# A snapshot does not wait for a training, nor a training for a snapshot.
my $training = value("SELECT xmcoh.train('a', $long)");
until_true("SELECT state = 'running' FROM xmcoh.job WHERE job_id = $training", 'a training runs');
$newest = value('SELECT max(snapshot_id) FROM xmcoh.quality_snapshot');
until_true("SELECT max(snapshot_id) > $newest + 1 FROM xmcoh.quality_snapshot", 'while snapshots are taken');
is(value("SELECT state FROM xmcoh.job WHERE job_id = $training"), 'running', '(and still does)');
value("SELECT xmcoh.cancel_job($training)");
is(ended($training), 'cancelled', '(cancelled)');

# One snapshot of a model at a time.
value('UPDATE gate SET open = false');
until_true("SELECT running AND message ~ '^skipped: model \"a\" already has a running job \\d+\$' FROM xmcoh.schedule_overview",
	'while a snapshot is taken the schedule is skipped');
value("SELECT xmcoh.unschedule($schedule)");

# ---- cancelled, interrupted, resumed ----

my $job = value("SELECT max(job_id) FROM xmcoh.job WHERE kind = 'snapshot'");
until_true("SELECT state = 'running' FROM xmcoh.job WHERE job_id = $job", 'a snapshot is being taken');
value("SELECT xmcoh.cancel_job($job)");
is(ended($job), 'cancelled', 'a snapshot is cancelled');
$newest = value('SELECT max(snapshot_id) FROM xmcoh.quality_snapshot');
$job = value("SELECT xmcoh.queue_snapshot('a')");
until_true("SELECT phase = 'checking documents' FROM xmcoh.job WHERE job_id = $job AND state = 'running'", 'another one runs');
value("SELECT pg_terminate_backend(worker_pid) FROM xmcoh.job WHERE job_id = $job");
until_true("SELECT state = 'interrupted' FROM xmcoh.job WHERE job_id = $job", 'and is interrupted when its worker is ended');
value('UPDATE gate SET open = true');
is(value("SELECT max(snapshot_id) FROM xmcoh.quality_snapshot"), $newest, 'nothing was stored');
value("SELECT xmcoh.resume_job($job)");
is(ended($job), 'succeeded', 'resumed, it succeeds');
is(value("SELECT max(snapshot_id) - $newest FROM xmcoh.quality_snapshot"), '1', 'and stores one row');

# ---- events of alerts ----

my $listener = background($node, 'postgres');
$listener->query_safe('LISTEN xmcoh');
my $heard = '';
sub hears
{
	my ($payload, $what) = @_;
	my $end = time + $patience;
	until ($heard =~ $payload || time > $end)
	{
		$heard .= $listener->query_safe('SELECT pg_sleep(0.1)');
	}
	like($heard, $payload, $what);
	$heard = '';
	return;
}

# a job fails: its worker tells
value('ALTER TABLE step RENAME words TO said; DROP VIEW gated');
$job = value("SELECT xmcoh.queue_snapshot('a')");
is(ended($job), 'failed', 'without its source a snapshot fails');
hears(qr/"event" : "alert", "model" : "a", "alert" : "snapshot", "open" : true, "value" : 1, "limit" : 0\}/, 'an alert opens at the end of the job');
is(value(q{SELECT concat_ws(' ', alert, value, "limit") FROM xmcoh.alert}), 'snapshot 1 0', 'and stands in the view');
value('ALTER TABLE step RENAME said TO words; CREATE VIEW gated AS SELECT * FROM step');
is(ended(value("SELECT xmcoh.queue_snapshot('a')")), 'succeeded', 'with its source back the next one succeeds');
hears(qr/"alert" : "snapshot", "open" : false, "value" : 0, "limit" : 0\}/, 'and the alert closes');

# time passes: the schedule worker tells, at its next visit
value("UPDATE xmcoh.model_version SET created_at = now() - interval '200.5 days'");
$schedule = value("SELECT xmcoh.schedule_training('b', '\@yearly')");
hears(qr/"model" : "a", "alert" : "age", "open" : true, "value" : 200\.\d+, "limit" : 180\}/, 'a visit of the schedule worker finds an old version');
value("SELECT xmcoh.unschedule($schedule)");

# ---- whose documents a snapshot reads ----

value(q{
CREATE ROLE clerk LOGIN; CREATE ROLE office NOLOGIN; GRANT office TO clerk;
SELECT xmcoh.grant_usage('office'), xmcoh.grant_model('a', 'office', 'train');
CREATE TABLE few AS SELECT manual FROM generate_series(1, 7) AS manual;
GRANT SELECT ON few TO office;
ALTER TABLE step ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON step TO office USING (manual IN (SELECT manual FROM few));
ALTER VIEW gated SET (security_invoker = true);
GRANT SELECT ON step, gated TO office});
my $clerk = sub { return $node->safe_psql('postgres', "SET ROLE office; $_[0]", extra_params => [ '-U', 'clerk' ]); };
$clerk->("SELECT xmcoh.schedule_snapshot('a', '1 second')");
until_true("SELECT count(*) > 0 FROM xmcoh.quality_snapshot WHERE taken_by = 'office'", 'a role takes snapshots on schedule');
is(value("SELECT DISTINCT documents FROM xmcoh.quality_snapshot WHERE taken_by = 'office'"), '7', 'of the documents that the role sees');
value("SELECT xmcoh.grant_model('a', 'office', 'review')");
until_true("SELECT message LIKE 'permission denied for model \"a\"%' FROM xmcoh.schedule_overview", 'without level train it takes none');
is($node->psql('postgres', 'SET ROLE office; SELECT xmcoh.unschedule(max(schedule_id)) FROM xmcoh.schedule', extra_params => [ '-U', 'clerk' ]) != 0, 1,
	'nor may it remove the schedule then');
value('SELECT xmcoh.unschedule(schedule_id) FROM xmcoh.schedule');

# ---- a schedule of trainings prunes ----

$schedule = value("SELECT xmcoh.schedule_training('b', '1 second', options => $quick, keep => 1)");
until_true("SELECT count(*) >= 4 FROM xmcoh.job WHERE model = 'b' AND state = 'succeeded'", 'a schedule trains');
value("SELECT xmcoh.alter_schedule($schedule, active => false)");
until_true("SELECT NOT running FROM xmcoh.schedule_overview", '(at rest)');
until_true("SELECT array_agg(version ORDER BY version) = ARRAY[m.deployed_version - 1, m.deployed_version] FROM xmcoh.versions AS v
	JOIN xmcoh.model AS m ON m.name = v.model WHERE v.model = 'b' GROUP BY m.deployed_version",
	'and keeps the deployed version and the one to roll back to');
value("SELECT xmcoh.unschedule($schedule)");
value("SELECT xmcoh.grant_model('a', 'office', 'train')");
my ($code, $out, $err) = $node->psql('postgres', "SET ROLE office; SELECT xmcoh.schedule_training('a', '1 second', keep => 2)", extra_params => [ '-U', 'clerk' ]);
like($err, qr/permission denied for model "a".*Level own is needed/s, 'who may only train cannot have versions pruned');
value("DROP POLICY few ON step; CREATE POLICY every ON step TO office USING (true); SELECT xmcoh.grant_model('a', 'office', 'own')");
$clerk->("SELECT xmcoh.schedule_training('a', '1 second', options => $quick, keep => 2)");
value("SELECT xmcoh.grant_model('a', 'office', 'train')");
until_true("SELECT message LIKE '%; no version was pruned, because%' FROM xmcoh.job WHERE model = 'a' AND kind = 'training' AND state = 'succeeded' ORDER BY job_id DESC LIMIT 1",
	'nor who could when the schedule was made');

$listener->quit;
$node->stop;
done_testing();
