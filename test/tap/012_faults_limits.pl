# Tests a job with too little time, memory or disk space. (010 lists which file tests which fault.)
use strict;
use warnings;

# The small disk is a tmpfs of 48 MB. An ordinary user can mount a tmpfs in a user namespace, where the user counts as root. This
# file runs again in a second namespace inside the first, where the user has the original uid: a server does not run as root.
# The exec comes first because PostgreSQL::Test::Utils redirects this process's output to a file.
my $small_disk;
BEGIN
{
	use File::Temp;
	$small_disk = $ENV{XMCOH_SMALL_DISK};
	if (!defined $small_disk)
	{
		$small_disk = File::Temp::tempdir(DIR => $ENV{TESTDIR} // '/tmp');
		my @in_namespace = (qw(unshare --user --map-root-user --mount sh -c),
			'disk=$0 uid=$1 gid=$2; shift 2; mount -t tmpfs -o size=48m none "$disk" &&
				exec unshare --user --map-user="$uid" --map-group="$gid" env XMCOH_SMALL_DISK="$disk" "$@"',
			$small_disk, $>, $) =~ s/ .*//r);
		exec(@in_namespace, $^X, (map { "-I$_" } @INC), $0) if system(@in_namespace, 'true') == 0;
		rmdir $small_disk;
		$small_disk = '';
	}
}

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use XmcohTest;

# These options apply to the sessions of this test, not to workers.
$ENV{PGOPTIONS} = '-c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off'
  . ' -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0';
my $node = new_cluster('limits', "statement_timeout = 100ms\nautovacuum = off\n");
unharmed('nothing');

# ---- timeouts of the server, the role and the database do not end a job ----

$node->safe_psql('postgres', q{
CREATE VIEW slow AS SELECT s.* FROM make_steps(60) AS s, pg_advisory_xact_lock_shared(1) AS gate, LATERAL pg_sleep(0.001 * s.step) AS wait;
SELECT xmcoh.create_model('slow', options => '{"d_model": 1024, "feed_forward": 4096, "layers": 4, "bag_documents": 0}');
SELECT xmcoh.attach_source('slow', 'slow', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all');
ALTER ROLE CURRENT_USER SET lock_timeout = '100ms';
ALTER ROLE CURRENT_USER IN DATABASE postgres SET idle_session_timeout = '100ms';
ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '100ms';
ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
ALTER ROLE CURRENT_USER SET default_transaction_read_only = on});
my $locker = background($node, 'postgres');
$locker->query_safe('BEGIN; LOCK TABLE work_step');
my $job = train('manuals');
await($job, "phase = 'reading'");
sleep 0.5;
$locker->query_safe('COMMIT');
like(outcome($job), qr/^succeeded: /, 'no timeout ends a job that waits for a lock');
$job = train('slow', q('{"epochs": 1, "d_model": 64, "layers": 1}'));
like(outcome($job), qr/^succeeded: /, 'nor one that reads for long');
ok(worker_is_gone(), '(over)');
$node->safe_psql('postgres', q{
ALTER ROLE CURRENT_USER RESET ALL; ALTER ROLE CURRENT_USER IN DATABASE postgres RESET ALL; ALTER DATABASE postgres RESET ALL});
unharmed('timeouts');

# ---- memory of a worker ----

# Trains with a limit that is set for the worker from the given phase on. Returns the outcome and the number of versions stored.
# A lock makes a worker that reads wait until the limit is set.
sub train_limited
{
	my ($model, $phase, $limit, $lock) = @_;
	my ($outcome, $versions);
	for (1 .. 20)				# the phase may end before the poll sees the phase
	{
		$versions = value('SELECT count(*) FROM xmcoh.model_version');
		$locker->query_safe("BEGIN; $lock") if $lock;
		my $job = submit("SELECT xmcoh.train('$model', on_success => 'keep')");
		if (eval { await($job, "state = 'running' AND phase = '$phase'"); 1 })
		{
			my $pid = job($job, 'worker_pid');
			my ($pages) = slurp_file("/proc/$pid/statm") =~ /^(\d+)/;
			my $bytes = $limit =~ s/now([+-]\d+)/$pages * 4096 + $1/er;
			system("prlimit --pid $pid $bytes:") == 0 or note "prlimit --pid $pid $bytes: it is over";
		}
		$locker->query_safe('COMMIT') if $lock;
		$outcome = outcome($job);
		last if $outcome !~ /^succeeded: /;
	}
	return ($outcome, value('SELECT count(*) FROM xmcoh.model_version') - $versions);
}

$node->safe_psql('postgres', q{
CREATE TABLE much AS SELECT manual, step, 'step ' || step || ' of ' || manual % 50 AS instruction
	FROM generate_series(1, 1000) AS manual, generate_series(1, 30) AS step;
SELECT xmcoh.create_model('large', options => '{"epochs": 1, "held_out": 0.9, "hash_bits": 23}');
SELECT xmcoh.attach_source('large', 'much', 'manual', 'step', text => 'instruction', "position" => 'step', approved => 'all')});

SKIP:
{
	# (test/sanitizers.sh sets CHECK_SANITIZER)
	skip 'a sanitizer reserves terabytes of addresses, so that no limit of them can be set', 7 if ($ENV{CHECK_SANITIZER} // '') eq 'asan';
	skip 'NO prlimit(1) HERE: WORKERS WITHOUT MEMORY ARE NOT TESTED', 7 if system("prlimit --pid $$ >/dev/null 2>&1") != 0;
	my ($outcome, $versions) = train_limited('slow', 'reading', '--as=now+30000000', 'SELECT pg_advisory_xact_lock(1)');
	like($outcome, qr/^failed: out of memory/, 'no memory for the model');
	# Before the version is written, the worker frees more than these 40 MB.
	($outcome, $versions) = train_limited('large', 'calibrating', '--as=now-40000000');
	like($outcome, qr/^failed: out of memory/, 'no memory to write the version');
	is($versions, 0, 'there is none');
	unharmed('out of memory');

	# The limit of 20 MB for a file is more than a segment of WAL and less than the version.
	($outcome, $versions) = train_limited('large', 'reading', '--fsize=20971520', 'LOCK TABLE much');
	like($outcome, qr/^failed: could not extend file "[^"]*": File too large\nHint: Check free disk space/,
		'a limit of the size of files');
	is($versions, 0, 'there is no version');
	unharmed('a limit of the size of files');
}

# ---- disk ----

$node->append_conf('postgresql.conf', "temp_file_limit = 1MB\nwork_mem = 64kB");
$node->reload;
$node->safe_psql('postgres', q{
CREATE TABLE wide AS SELECT s.manual, s.step, s.place, repeat('word ', 50) AS instruction FROM make_steps(2000) AS s;
SELECT xmcoh.create_model('wide');
SELECT xmcoh.attach_source('wide', 'wide', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all')});
$job = train('wide');
like(outcome($job), qr/^failed: temporary file size exceeds "?temp_file_limit"? \(1024kB\)/, 'temp_file_limit');
# With 30 items a document, the weak labels take 5 MB for each modality. The documents take about 1.5 MB.
$node->safe_psql('postgres', q{
CREATE TABLE pooled AS SELECT manual, step, 'step ' || step AS instruction, ARRAY[step, step % 7]::real[] AS photo,
	manual <= 40 AS approved FROM generate_series(1, 500) AS manual, generate_series(1, 30) AS step;
SELECT xmcoh.create_model('pooled', image_dim => 2, options => '{"rounds": 1, "d_model": 16, "heads": 2, "feed_forward": 16,
	"layers": 1, "align_dim": 8}');
SELECT xmcoh.attach_source('pooled', 'pooled', 'manual', 'step', text => 'instruction', image => 'photo', "position" => 'step',
	approved => 'approved')});
$node->append_conf('postgresql.conf', "temp_file_limit = 4MB\nwork_mem = 64MB");
$node->reload;
$job = train('pooled', q('{"epochs": 1}'));
like(outcome($job), qr/^failed: the training documents and the weak labels of the pool take more than temp_file_limit \(4096 kB\)/,
	'temp_file_limit, of labels');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_ls_tmpdir()'), 'nothing is left of their file');
$node->append_conf('postgresql.conf', "temp_file_limit = -1");
$node->reload;
unharmed('temp_file_limit');

SKIP:
{
	skip 'NO SMALL DISK HERE (NO USER NAMESPACES): A DISK THAT IS FULL IS NOT TESTED', 10 if $small_disk eq '';
	mkdir "$small_disk/tablespace" or die "$small_disk: $!";
	value("CREATE TABLESPACE small LOCATION '$small_disk/tablespace'");
	value('ALTER TABLE xmcoh.model_version SET TABLESPACE small');
	system("dd if=/dev/zero of=$small_disk/filler bs=4096 count=250 2>/dev/null");
	$job = train('large', q('{}'));
	like(outcome($job), qr/^failed: could not extend file "[^"]*": .*No space left on device.*\nHint: Check free disk space/s,
		'the disk of the versions is full');
	unlink "$small_disk/filler";
	value('VACUUM xmcoh.model_version');
	unharmed('a full disk, once there is space again');

	# Even the job's state cannot be written.
	value("ALTER TABLE xmcoh.$_ SET TABLESPACE small") for 'job_record', 'training_metric';
	$job = train_long('manuals', undef);
	system("dd if=/dev/zero of=$small_disk/filler bs=4096 2>/dev/null");
	ok(worker_is_gone(), 'no space for the progress of a job: its worker ends');
	sleep 2.5;
	ok(worker_is_gone(), 'and does not come back for ever');
	like(job($job, "state || ': ' || message"), qr/^(failed: could not extend file|interrupted: worker died)/, 'the job reads so');
	unlink "$small_disk/filler";
	unharmed('no space for the progress of a job, once there is space again');
	value("ALTER TABLE xmcoh.$_ SET TABLESPACE pg_default") for 'model_version', 'job_record', 'training_metric';

	# The disk has 4 MB free: enough for the documents, too little for the weak labels.
	$node->append_conf('postgresql.conf', 'temp_tablespaces = small');
	$node->reload;
	system("dd if=/dev/zero of=$small_disk/filler bs=1M count=\$((\$(df --output=avail -BM $small_disk | tr -dc 0-9) - 4)) 2>/dev/null");
	$job = train('pooled', q('{"epochs": 1}'));
	like(outcome($job), qr/^failed: could not allocate the weak labels of the pool in temporary file "[^"]*": No space left on device/,
		'no space for labels');
	unharmed('no space for labels');
	unlink "$small_disk/filler";
	$job = train('pooled', q('{"epochs": 1}'));
	like(outcome($job), qr/^succeeded: /, 'there is again');
	is(value('SELECT count(*) FROM xmcoh.training_round'), '1', 'and a round');
}

$locker->quit;
ok(slurp_file($node->logfile) !~ /PANIC:|TRAP:|terminated by signal/, 'nothing crashed');
$node->stop;
done_testing();
