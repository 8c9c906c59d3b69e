# Tests text encoders in a cluster: one shared copy for all sessions, cache files, cancel, a hot standby, other encodings, and dumps.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest qw(background new_standby);

my $node = PostgreSQL::Test::Cluster->new('encoders');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', 'max_connections = 40');
$node->start;
sub value { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql); }

# An encoder whose file needs two chunks of the table.
my $published = PostgreSQL::Test::Utils::tempdir . '/published';
system('perl', 'test/encoder/tiny_encoder.pl', $published, 'bert', 80000) == 0 or die;
sub load
{
	my ($name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	command_ok([ 'xmcoh', 'encoder', 'load', '-h', $node->host, '-p', $node->port, '-d', $database // 'postgres', $name, $published ],
		"encoder $name is imported");
}
value('CREATE EXTENSION xmcoh');
load('large');
my $sha256 = value('SELECT sha256 FROM xmcoh.encoders');
is(value('SELECT count(*), max(length(data)) = 4194304, sum(length(data)) = (SELECT bytes FROM xmcoh.encoders) FROM xmcoh.encoder_chunk'),
	'2|t|t', 'the file is in two chunks');

my $ask = q{SELECT xmcoh.embed('large', 'cut the wood and glue more77777')};
my $answer = value($ask);
like($answer, qr/^\{(?:-?[\d.e-]+,){15}-?[\d.e-]+\}$/, 'a vector');
my $directory = $node->data_dir . '/base/pgsql_tmp';
sub cached { return grep { !/seal$/ } glob("$directory/pgsql_tmp.xmcoh.*"); }
my ($file) = cached();
like($file, qr/\.\Q$sha256\E$/, 'there is a cache file, named by the hash of its content');
is(-s $file, value('SELECT bytes FROM xmcoh.encoders'), 'of the size of the file');

# ---- one copy for all sessions ----

# The lines of smaps about the file, in kB, and the private memory of the process.
sub memory
{
	my ($pid) = @_;
	my (%of, $mapped);
	for my $line (split /\n/, slurp_file("/proc/$pid/smaps"))
	{
		if ($line =~ /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ (\S+ \d+)\s*(.*)/)
		{
			my ($mode, $inode, $path) = ($1, $2, $3);
			$mapped = $path =~ /\Q$sha256\E/;
			@of{qw(mode inode)} = ($mode, $inode) if $mapped;
		}
		elsif ($mapped && $line =~ /^(\w+): +(\d+) kB/) { $of{$1} += $2; }
	}
	($of{RssAnon}) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	return \%of;
}
SKIP:
{
	skip 'no /proc', 1 if !-e "/proc/$$/smaps";
	my $kb = (-s $file) / 1024;
	my @session = map { background($node, 'postgres') } 1 .. 2;
	my @pid = map { $_->query_safe('SELECT pg_backend_pid()') } @session;
	$_->query_safe('SELECT xmcoh.options() LIMIT 1') for @session;    # the library is loaded
	my @before = map { memory($_)->{RssAnon} } @pid;
	is($_->query_safe($ask), $answer, 'a session embeds') for @session;
	my ($one, $other) = map { memory($_) } @pid;
	is($one->{inode}, $other->{inode}, 'two sessions map the same file');
	for my $k (0, 1)
	{
		my $of = ($one, $other)[$k];
		is($of->{mode}, 'r--s', 'shared, and read-only');
		cmp_ok($of->{Size}, '>=', $kb, 'all of it');
		cmp_ok($of->{RssAnon} - $before[$k], '<', $kb / 2, 'and private memory grows by less than half of the file');
	}
	$_->quit for @session;
}

# ---- the cache file ----

# Asks in a new session. Returns what the server logged meanwhile.
sub asked
{
	my ($what) = @_;
	my $offset = -s $node->logfile;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(value($ask), $answer, "$what: the same vector");
	return slurp_file($node->logfile, $offset);
}
my $whole = slurp_file($file);
unlink $file or die;
asked('without the cache file');
ok(slurp_file($file) eq $whole, 'it is written again');
my $session = background($node, 'postgres');
is($session->query_safe($ask), $answer, 'a session has the file mapped');
chmod 0600, $file;
truncate $file, 4096 or die;
is($session->query_safe("SET xmcoh.encoder_cache = 0; $ask"), $answer, 'truncated between two statements: the next one is right');
ok(slurp_file($file) eq $whole, 'the file is written again');
chmod 0600, $file;
truncate $file, 4096 or die;
like(asked('truncated'), qr/cache file of encoder "large" is damaged and is written again/, 'the log says so');
$session->query_safe("BEGIN; SELECT xmcoh.drop_encoder('large')");
ok(-e $file, 'dropped, but not committed: the cache file stays');
$session->query_safe('ROLLBACK');
ok(-e $file, 'rolled back: it stays');
load('twin');
value(q{SELECT xmcoh.drop_encoder('twin')});
ok(-e $file, 'another encoder with the same file was dropped: it stays');
$session->quit;

# ---- cancel ----

value(q{CREATE TABLE line AS SELECT g AS id, 'cut the wood ' || g || repeat(' glue', 40) AS words FROM generate_series(1, 1000000) AS g});
my ($status, $out, $err) = $node->psql('postgres', qq{SET statement_timeout = '200ms';
	SELECT count(*) FROM xmcoh.embed('large', (SELECT array_agg(words) FROM line));}, on_error_stop => 0);
like($err, qr/canceling statement due to statement timeout/, 'many texts: the statement can be cancelled');
$session = background($node, 'postgres', on_error_stop => 0);
$session->query(q{SET statement_timeout = '200ms'; SELECT count(xmcoh.embed('large', words)) FROM line});
like($session->{stderr}, qr/canceling statement due to statement timeout/, 'and one by one');
$session->{stderr} = '';
is($session->query_safe("SET statement_timeout = 0; $ask"), $answer, 'the session goes on');
is($session->query_safe(q{SELECT bool_and(a = b) FROM (SELECT xmcoh.embed('large', words) AS a, words FROM line ORDER BY id LIMIT 50) AS l,
	LATERAL xmcoh.embed('large', ARRAY[words]) AS e (b)}), 't', 'with right vectors');
$session->quit;

# ---- a hot standby ----

my $standby = new_standby($node, 'standby');
$node->wait_for_catchup($standby);
is(scalar(my @none = glob($standby->data_dir . '/base/pgsql_tmp/pgsql_tmp.xmcoh.*')), 0, 'a base backup holds no cache file');
is($standby->safe_psql('postgres', $ask), $answer, 'the standby embeds');
is(scalar(my @one = glob($standby->data_dir . "/base/pgsql_tmp/*.$sha256")), 1, 'with a cache file of its own');
($status, $out, $err) = $standby->psql('postgres', q{SELECT xmcoh.import_encoder('new', '\x00', '{}', '{}')});
like($err, qr/cannot import an encoder on a standby/, 'but imports none');
load('later');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $ask =~ s/large/later/r), $answer, 'an encoder that is imported later arrives');
value(q{SELECT xmcoh.drop_encoder('later')});
$node->wait_for_catchup($standby);
($status, $out, $err) = $standby->psql('postgres', $ask =~ s/large/later/r);
like($err, qr/encoder "later" does not exist/, 'and goes');
$standby->stop;

# ---- other encodings ----

for my $encoding ('LATIN1', 'SQL_ASCII')
{
	value("CREATE DATABASE $encoding ENCODING '$encoding' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
	value('CREATE EXTENSION xmcoh', lc $encoding);
	load('large', lc $encoding);
	is(value("SET client_encoding = 'UTF8'; SELECT xmcoh.embed('large', 'Stück für Stück')", lc $encoding), value(q{SELECT xmcoh.embed('large', 'Stück für Stück')}),
		"the same vector in $encoding");
}
($status, $out, $err) = $node->psql('sql_ascii', q{SELECT xmcoh.embed('large', E'\\xff')});
like($err, qr/invalid byte sequence for encoding "UTF8"/, 'bytes that are no text');
is(value("$ask; DROP EXTENSION xmcoh; CREATE EXTENSION xmcoh", 'latin1'), $answer, 'the extension is made again');
load('large', 'latin1');
is(value($ask, 'latin1'), $answer, 'with the encoder');
value('DROP DATABASE latin1');
value('DROP DATABASE sql_ascii');

# ---- dumps ----

value(q{
CREATE ROLE alice; CREATE ROLE bob LOGIN;
SELECT xmcoh.grant_usage('alice'), xmcoh.grant_usage('bob');
UPDATE xmcoh.encoder SET owner = 'role alice';
SELECT xmcoh.grant_encoder('large', 'bob')});
my $state = q{SELECT encoder, owner, sha256, bytes, license, created_at FROM xmcoh.encoders; TABLE xmcoh.encoder_grants};
my $wanted = value($state);
my $folder = $node->basedir;
my $next = 0;
for my $way ([ 'a script', [], undef ], [ 'a custom archive, restored by two at a time', ['-Fc'], ['-j2'] ],
	[ 'a folder, dumped and restored by two at a time', [ '-Fd', '-j2' ], ['-j2'] ])
{
	my ($name, $dump, $restore) = @$way;
	my $path = "$folder/dump" . ++$next;
	my $copy = "copy$next";
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	value("CREATE DATABASE $copy TEMPLATE template0");
	command_ok([ 'pg_dump', '-d', 'postgres', '-T', 'line', '-f', $path, @$dump ], "$name: dumped");
	command_ok($restore ? [ 'pg_restore', '-d', $copy, '--exit-on-error', @$restore, $path ]
		: [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $copy, '-f', $path ], "$name: restored");
	is(value($state, $copy), $wanted, "$name: the encoder is there, with its owner and grants");
	is(value($ask, $copy), $answer, "$name: and makes the same vectors");
	is($node->safe_psql($copy, $ask, extra_params => [ '-U', 'bob' ]), $answer, "$name: also for whom it was granted to");
	load('another', $copy);
	is(value('SELECT count(DISTINCT encoder_id) FROM xmcoh.encoder', $copy), '2', "$name: with a number of its own");
}

# ---- dropped ----

ok(-e $file, 'the cache file is there');
value(q{SELECT xmcoh.drop_encoder('large')});
ok(!-e $file, 'the encoder is dropped: its cache file is gone');
ok(!-e "$file.seal", 'and the seal of that');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP:/, 'nothing crashed');

$node->stop;
done_testing();
