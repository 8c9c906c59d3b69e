# Tests the cache files through which sessions share the weights of a model: how a file is created, how a damaged file is detected
# and replaced, and when a file is removed.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest qw(background trained_cluster);

my $node = trained_cluster('main', "max_worker_processes = 16\nmax_connections = 50\nmax_parallel_workers_per_gather = 0");

my $directory = $node->data_dir . '/base/pgsql_tmp';
my $score = q{xmcoh.order_score('guides', 'open part 1', '{0.1,0.2,0.3,1}', 'pack part 2', '{0.9,0.2,0.3,1}')};
my $ask = "SELECT round($score\::numeric, 6)";
my $answer = $node->safe_psql('postgres', $ask);
cmp_ok($answer, ">", 1, 'the model knows something');
my $log_start = -s $node->logfile;

sub value { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql); }

# Returns the cache files of a database: those of one version, or those of all versions.
sub cached
{
	my ($database, $sha256) = @_;
	my $oid = value("SELECT oid FROM pg_database WHERE datname = '$database'");
	return sort(grep { !/seal$/ } glob("$directory/pgsql_tmp.xmcoh.*.$oid.*." . ($sha256 // '*')));
}

sub sha256 { return value("SELECT sha256 FROM xmcoh.versions WHERE model = '$_[0]' AND deployed", $_[1]); }

# Queries the score in a new session. Returns what the server logged meanwhile.
sub asked
{
	my ($what) = @_;
	my $offset = -s $node->logfile;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(value($ask), $answer, "$what: the right answer");
	return slurp_file($node->logfile, $offset);
}

my ($file) = cached('postgres', sha256('guides'));
my $size = -s $file;
my $whole = slurp_file($file);

# Overwrites the bytes of the file in place; the file keeps its inode.
sub overwrite
{
	my ($bytes) = @_;
	chmod 0600, $file;
	open my $handle, '+<:raw', $file or die "$file: $!";
	print $handle $bytes;
	close $handle or die;
}
sub shorten { chmod 0600, $file; truncate $file, $_[0] or die "$file: $!"; }

# Returns the bytes of the file with the sign of every weight inverted.
sub negated
{
	my $head = 8 + unpack 'Q<', $whole;
	my $weights = substr $whole, $head;
	return substr($whole, 0, $head) . ($weights ^ ("\0\0\0\x80" x (length($weights) / 4)));
}

# ---- created, used, created again ----

my $inode = (stat $file)[1];
unlike(asked('with the cache file'), qr/cache file/, 'nothing to say');
is((stat $file)[1], $inode, 'it is used as it is');
is((stat $file)[2] & 0222, 0, 'it is read-only');

unlink $file or die;
asked('without it');
ok(slurp_file($file) eq $whole, 'it is written again');

unlink glob("$directory/*");
rmdir $directory or die "$directory: $!";
asked('without its folder');
is(-s $file, $size, 'the folder is made again');

SKIP:
{
	skip 'a superuser can write anywhere', 2 if $> == 0;
	unlink $file;
	chmod 0500, $directory;
	like(asked('when it cannot be written'), qr/could not write cache file/, 'the log says so');
	chmod 0700, $directory;
	ok(!-e $file, 'there is none');
}

unlink $file;
$node->pgbench('--no-vacuum --client=8 --connect --transactions=20', 0, [qr{160/160}], [qr{^}],
	'eight sessions at once without a cache file',
	{ first_call => "SELECT 1 / ($score > 0.9)::int;" });
is(-s $file, $size, 'one file');
is(scalar(my @drafts = grep { !/\.[0-9a-f]{64}(\.seal)?$/ } glob("$directory/*")), 0, 'no drafts left');

# The seal file records that a session has verified the cache file.
my $seal = slurp_file("$file.seal");
unlink "$file.seal";
unlike(asked('without the seal'), qr/cache file/, 'nothing to say');
is(slurp_file("$file.seal"), $seal, 'the file is sealed again');

# ---- damaged before a session opens it ----

my %damage = (
	'the last byte missing' => sub { shorten($size - 1) },
	'half of it missing' => sub { shorten(int($size / 2)) },
	'nothing left' => sub { shorten(0) },
	'too long' => sub { overwrite($whole . 'x') },
	'all bytes changed' => sub { overwrite("\xff" x $size) },
	'one bit changed' => sub { overwrite(substr($whole, 0, -9) . (substr($whole, -9, 1) ^ "\1") . substr($whole, -8)) },
	'all weights negated' => sub { overwrite(negated()) },
	'negated behind the back of its modification time' => sub {
		my ($read, $modified) = (stat $file)[8, 9];
		overwrite(negated());
		utime $read, $modified, $file;
	},
	'two signs changed' => sub {
		my $bytes = $whole;
		substr($bytes, $_, 1) ^= "\x80" for (-1, -9);
		overwrite($bytes);
	});
for my $how (sort keys %damage)
{
	$damage{$how}->();
	like(asked($how), qr/cache file of the weights of model "guides" is damaged/, 'the log says so');
	ok(slurp_file($file) eq $whole, 'it is written again');
}

# ---- damaged between two statements of a session that has the file mapped ----

my $session = background($node, 'postgres', on_error_stop => 0);
my $bystander = background($node, 'postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
for my $how ('half of it missing', 'nothing left', 'all weights negated', 'two signs changed')
{
	is($session->query_safe($ask), $answer, 'a session asks');
	is($bystander->query_safe($ask), $answer, 'and another one');
	$damage{$how}->();
	is($session->query_safe($ask), $answer, "$how: the next statement is right");
	is($bystander->query_safe($ask), $answer, 'also that of the other one');
	ok(slurp_file($file) eq $whole, 'the file is written again');
}
unlink $file;
is($session->query_safe($ask), $answer, 'removed: the next statement is right');
is(-s $file, $size, 'and the file is written again');
chmod 0400, $file;
is($session->query_safe($ask), $answer, 'only its times changed');

# ---- truncated during a statement ----

value(q{
CREATE FUNCTION cut(path text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', format('cat >/dev/null; chmod u+w "%s"; truncate -s 4096 "%1$s"', path));
END $$});
my $cut_and_ask = "SELECT CASE WHEN i = 2 THEN cut('$file') END, $score FROM generate_series(1, 3) AS i";
for (1 .. 3)
{
	my $result = $session->query($cut_and_ask);
	unlike($result, qr/\d/, 'truncated within a statement: no answer');
	like($session->{stderr}, qr/ERROR:  could not read mapped file "base.pgsql_tmp.*Run the statement again/s, 'but an error');
	$session->{stderr} = '';
	is($session->query_safe($ask), $answer, 'the next statement is right');
	is($bystander->query_safe($ask), $answer, 'also that of another session');
}
# Returns a DO statement that catches the error of a truncated file $times times.
sub caught
{
	my ($times) = @_;
	return qq{
DO \$\$
DECLARE
	caught integer := 0;
BEGIN
	FOR k IN 1 .. $times LOOP
		BEGIN
			PERFORM max(b) FROM ($cut_and_ask OFFSET 0) AS x (a, b);
		EXCEPTION WHEN io_error THEN
			caught := caught + (round($score\::numeric, 6) = $answer)::integer;
		END;
	END LOOP;
	RAISE NOTICE 'caught %', caught;
END \$\$};
}
$session->query(caught(3));
like($session->{stderr}, qr/NOTICE:  caught 3$/, 'in one transaction: an error each time, and the right answer after it');
$session->{stderr} = '';
is($session->query_safe('SELECT pg_backend_pid()'), $pid, 'the session is the same');
$session->query(caught(200));
like($session->{stderr}, qr/NOTICE:  caught 200$/, 'a session that loses its files again and again goes on');
$session->{stderr} = '';
is($bystander->query_safe($ask), $answer, 'others go on');
unlike(slurp_file($node->logfile, $log_start), qr/terminated by signal|PANIC|reinitializing/, 'nothing of all that harmed the server');

$session->quit;
$bystander->quit;

# ---- a dropped model ----

my $import = q{xmcoh.import_model('%s', blind(xmcoh.export_model('guides')))};
my $blind_file = (cached('postgres', sha256('blind')))[0];
my $asked_blind = q{SELECT xmcoh.precedes('blind', 'open', NULL, 'pack', NULL)};
sub new_blind
{
	value(q{SELECT xmcoh.drop_model('blind', if_exists => true); SELECT xmcoh.deploy('blind', xmcoh.import_model('blind', blind(xmcoh.export_model('guides'))));});
	is(value($asked_blind), '0.5', 'a model is asked');
	($blind_file) = cached('postgres', sha256('blind'));
	ok($blind_file && -e $blind_file, 'it has a cache file');
}
new_blind();
my $reader = background($node, 'postgres');
$reader->query_safe("BEGIN; DECLARE c CURSOR FOR $asked_blind FROM generate_series(1, 10)");
is($reader->query_safe('FETCH c'), '0.5', 'a session has it mapped');
$session = background($node, 'postgres');
$session->query_safe("BEGIN; SELECT xmcoh.drop_model('blind')");
ok(-e $blind_file, 'dropped, but not committed: the file stays');
$session->query_safe('ROLLBACK');
ok(-e $blind_file, 'rolled back: it stays');
$session->query_safe("BEGIN; SELECT xmcoh.drop_model('blind'); COMMIT");
ok(!-e $blind_file, 'committed: it is gone');
ok(-e $file, 'those of other models are there');
is($reader->query_safe('FETCH 9 FROM c'), join("\n", ('0.5') x 9), 'who has it mapped reads on');
$reader->query_safe('COMMIT');
$reader->quit;
$session->quit;

# ---- pruned versions ----

new_blind();
value(q{SELECT xmcoh.deploy('blind', xmcoh.import_model('blind', xmcoh.export_model('guides'))) FROM generate_series(1, 3)});
is(value($asked_blind . ' > 0.9'), 't', 'another version is deployed');
ok(-e $blind_file, 'the file of the old one is there');
is(value(q{SELECT xmcoh.prune_versions('blind', 1)}), 2, 'versions are pruned');
ok(!-e $blind_file, 'its file is gone');
ok(-e $file, 'that of the deployed one is there');

# If a user deletes the rows of a model by hand, the next write of a cache file removes the files of that model.
new_blind();
value(q{WITH gone AS (DELETE FROM xmcoh.model WHERE name = 'blind' RETURNING model_id)
	DELETE FROM xmcoh.model_version AS v USING gone WHERE v.model_id = gone.model_id});
ok(-e $blind_file, 'a model deleted by hand leaves its file');
unlink $file;
asked('which the next sweep finds');
ok(!-e $blind_file, 'it is gone');
new_blind();
value(q{WITH gone AS (DELETE FROM xmcoh.model WHERE name = 'blind' RETURNING model_id)
	DELETE FROM xmcoh.model_version AS v USING gone WHERE v.model_id = gone.model_id});
is(value('SELECT xmcoh.sweep_cache()'), 1, 'the sweep by hand');
ok(!-e $blind_file, 'it is gone');

# The sweep does not depend on the models that the current role may see.
value(q{
CREATE ROLE other LOGIN;
SELECT xmcoh.grant_usage('other');
SET ROLE other;
SELECT xmcoh.create_model('hers');
SELECT xmcoh.drop_model('hers');
SELECT xmcoh.create_model('hers');
});
ok(-e $file, 'a sweep for a role that does not see the model');

# ---- other databases, dropped databases and dropped extensions ----

my $blob = value(q{SELECT encode(xmcoh.export_model('guides'), 'hex')});
sub other_database
{
	value('CREATE DATABASE other');
	value("CREATE EXTENSION xmcoh; SELECT xmcoh.deploy('guides', xmcoh.import_model('guides', decode('$blob', 'hex')))", 'other');
	is(value($ask, 'other'), $answer, 'another database is asked');
	is(scalar(my @files = cached('other')), 1, 'it has a cache file of its own');
	unlink $file;
	asked('the first one sweeps');
	is(scalar(@files = cached('other')), 1, 'that of the other database stays');
	return $files[0];
}
my $other_file = other_database();
value('DROP DATABASE other');
unlink $file;
asked('the database is dropped, and another file is written');
ok(!-e $other_file, 'its cache file is gone');

$other_file = other_database();
value('DROP EXTENSION xmcoh CASCADE', 'other');
value('CHECKPOINT');
unlink $file;
asked('its extension is dropped, and another file is written');
ok(!-e $other_file, 'its cache file is gone');

# VACUUM FULL moves the table to another relation file.
value('VACUUM FULL xmcoh.model_version');
asked('after VACUUM FULL');
my ($moved) = cached('postgres', sha256('guides'));
value('CHECKPOINT');
value('SELECT xmcoh.sweep_cache()');
is(join(' ', cached('postgres', sha256('guides'))), join(' ', grep { $_ ne $file } cached('postgres', sha256('guides'))), 'the old file is gone');
$file = (cached('postgres', sha256('guides')))[0];
asked('with the new one');

# ---- age ----

# The sweep removes a file that no session has opened for a week, and drafts of dead processes. Files in use stay.
my ($old, $recent, $draft) = map { "$file.$_" } 111, 222, 333;
for ($old, $recent) { open my $handle, '>', $_ or die; close $handle; }
utime time - 8 * 86400, time - 8 * 86400, $old;
utime time - 8 * 86400, time - 8 * 86400, $file;
unlike(asked('a file that is opened after a long time'), qr/cache file/, 'it is used as it is');
value('SELECT xmcoh.sweep_cache()');
ok(!-e $old && -e $recent && -e $file, 'old files are removed, not those in use');
utime time - 8 * 86400, time - 8 * 86400, $file;
is(value('SELECT xmcoh.sweep_cache()'), 1, 'one that nobody opens is removed');
ok(!-e $file, 'it is gone');
asked('and comes again');

$node->restart;
is(scalar(my @left = glob("$directory/pgsql_tmp.xmcoh.*")), 0, 'a restart removes them all');
asked('after a restart');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
