# Tests that a study of a learning curve ends with the same rows, whatever interrupted its worker and at whatever moment.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use XmcohTest;

my $node = new_cluster('study', "max_worker_processes = 8\n");

# A network of the words, so that a cell takes a moment.
my $options = q('{"bag_documents": 0, "bag_dim": 8, "bag_bits": 10, "hash_bits": 10, "epochs": 30, "patience": 30}');
my $sizes = q('{12,24,48,96,160}');

sub begin_study
{
	my ($with) = @_;
	return submit('SELECT xmcoh.study_learning_curve(' . ($with // "'manuals', $sizes, 3, $options") . ')');
}
sub cells { my ($job) = @_; return value("SELECT count(*) FROM xmcoh.learning_curve_record WHERE job_id = $job"); }
sub rows
{
	my ($job) = @_;
	return value("SELECT count(*), md5(string_agg(concat_ws(' ', size, sample, approved, taught, measured, tau, acc, pmr, coverage, sums, fingerprint), ','
		ORDER BY size, sample)) FROM xmcoh.learning_curve_record WHERE job_id = $job");
}
sub curve { return value("SELECT c.* FROM xmcoh.learning_curve AS c WHERE model = 'manuals' ORDER BY size") =~ s/^manuals\|\d+\|//gmr; }

# Waits until the job has stored as many cells as that. Returns the pid of its worker.
sub until_cells
{
	my ($job, $n) = @_;
	await($job, "(SELECT count(*) FROM xmcoh.learning_curve_record AS c WHERE c.job_id = $job) >= $n");
	return row($job, 'worker_pid');
}

# ---- the reference: a study without interruption ----

my $reference = begin_study();
like(outcome($reference), qr/^succeeded: 15 models were taught from 12 to 160 of 200 approved documents$/, 'a study that nobody interrupts');
is(cells($reference), '15', 'stores a row for each size and sample');
my ($rows, $curve) = (rows($reference), curve());
is(value('SELECT count(*), count(*) FILTER (WHERE extrapolated), max(size) FROM xmcoh.learning_curve'), '6|1|400',
	'and has a curve, with an extrapolated row');
is(value("SELECT phase, done = total, done = 3 * 340 FROM xmcoh.training_progress WHERE job_id = $reference"), 'done|t|t', 'its progress is complete');

# ---- interruptions of every kind ----

my %ways = (
	'pg_terminate_backend' => sub { value("SELECT pg_terminate_backend($_[0])") },
	'pg_cancel_backend' => sub { value("SELECT pg_cancel_backend($_[0])") },
	'kill -9 of the worker' => sub { kill_worker($_[0]) },
	'immediate shutdown' => sub { $node->stop('immediate'); $node->start });

my $job = begin_study();
my $n = 0;
for my $way (sort keys %ways)
{
	my $pid = until_cells($job, ++$n);
	$ways{$way}->($pid);
	my $outcome = outcome($job);
	if ($outcome =~ /^succeeded: /)		# it was faster
	{
		note "$way came too late";
		last;
	}
	like($outcome, qr/^interrupted: /, "after $way the study is interrupted");
	my $stored = cells($job);
	cmp_ok($stored, '>=', $n, 'what it had measured is kept');
	$n = $stored;
	value("SELECT xmcoh.resume_job($job)");
	await($job, "done_before > 0 AND state = 'running' OR state = 'succeeded'");
}
like(outcome($job), qr/^succeeded: 15 models were taught from 12 to 160 of 200 approved documents$/, 'it comes to its end');
is(rows($job), $rows, 'with the same rows, to the bit');
is(curve(), $curve, 'and the same curve');

# ---- documents that have changed since ----

$job = begin_study();
value('SELECT pg_terminate_backend(' . until_cells($job, 1) . ')');
like(outcome($job), qr/^interrupted: /, 'a study is interrupted');
value(q{UPDATE work_step SET instruction = 'pack' WHERE manual = 1 AND step = 1});
value("SELECT xmcoh.resume_job($job)");
like(outcome($job), qr/^succeeded: 15 models .*; began anew: documents or options have changed since the interruption$/,
	'resumed after a document has changed it begins anew');
is(value("SELECT count(*), count(DISTINCT fingerprint) FROM xmcoh.learning_curve_record WHERE job_id = $job"), '15|1', 'with all of its rows');
isnt(rows($job), $rows, 'which are others');

# ---- cancelling ----

my $endless = q('manuals', '{100}', 100, '{"epochs": 10000, "patience": 10000, "d_model": 256, "layers": 2, "bag_documents": 0}');
$job = begin_study($endless);
await($job, "state = 'running' AND phase = 'study'");
value("SELECT xmcoh.cancel_job($job)");
like(outcome($job), qr/^cancelled: cancelled while study$/, 'a study within a cell can be cancelled');
like(fails("SELECT xmcoh.resume_job($job)"), qr/Only an interrupted job can be resumed/, 'and is over then');
is(value("SELECT count(*) FROM xmcoh.learning_curve WHERE job_id = $job"), '0', 'it has no curve');
is(value('SELECT count(*) FROM xmcoh.learning_curve'), '6', 'the one of the last study is shown');

# ---- one study or training at a time; the model is dropped while it is studied ----

$job = begin_study($endless);
await($job, "state = 'running' AND phase = 'study'");
like(fails(q{SELECT xmcoh.train('manuals')}), qr/model "manuals" already has a running job $job/, 'no training begins while the model is studied');
value(q{SELECT xmcoh.drop_model('manuals')});
ok(worker_is_gone(), 'a study ends when its model is dropped');
is(value('SELECT count(*) FROM xmcoh.learning_curve_record'), '0', 'and leaves nothing');

# ---- a dump brings the curve along, of the jobs that are over and of others ----

$job = begin_study(q('others', '{12,16,20}', 2));
like(outcome($job), qr/^succeeded: /, 'a study of another model');
my $others = value('SELECT * FROM xmcoh.learning_curve ORDER BY size');
like($others, qr/^(?:others\|.*\n){3}others\|\d+\|80\|.*\|t$/, 'has its curve');
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'a dump');
value('CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'restored', $dump ], 'is restored');
is($node->safe_psql('restored', 'SELECT * FROM xmcoh.learning_curve ORDER BY size'), $others, 'with the same curve');

$node->stop;
done_testing();
