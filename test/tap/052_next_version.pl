# Tests the machinery of upgrades before there is a second version: makes a next version of the extension in a temporary folder, with
# its library and an upgrade script, and updates a database to it.
#
# catalogue.sql compares the updated database with one in which the next version was created new. The test also leaves statements out of
# the script, one at a time, and must find each. Models, jobs and scores must be the same before the update, with the next library
# under the old extension, and after the update.
use strict;
use warnings;

use Cwd;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohDumps;
use XmcohTest qw(ask value submit await outcome $long);

my $dir = PostgreSQL::Test::Utils::tempdir;
my ($version) = slurp_file('xmcoh.control') =~ /^default_version = '([^']+)'$/m;
my $next = $version =~ s/(\d+)$/$1 + 1/er;

# What the next version has besides: a function of the library, a changed function, a comment, a column, a table with data for dumps,
# a policy, a view, privileges. An upgrade script has these statements; the script of the new version has them after all others.
my @changes = split /^--\n/m, q{
CREATE FUNCTION xmcoh.next_thing(integer) RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_next_thing' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
--
COMMENT ON FUNCTION xmcoh.next_thing(integer) IS 'Adds one';
--
REVOKE ALL ON FUNCTION xmcoh.next_thing(integer) FROM PUBLIC;
--
GRANT EXECUTE ON FUNCTION xmcoh.next_thing(integer) TO xmcoh_user;
--
CREATE OR REPLACE FUNCTION xmcoh.model_exists(model text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT EXISTS (SELECT FROM xmcoh.model AS m WHERE m.name = model_exists.model AND m.name <> '');
    END;
--
COMMENT ON VIEW xmcoh.source IS 'Another comment';
--
ALTER TABLE xmcoh.model ADD COLUMN note text;
--
CREATE TABLE xmcoh.next_record (model_id integer PRIMARY KEY, text text NOT NULL);
--
SELECT pg_catalog.pg_extension_config_dump('xmcoh.next_record', '');
--
ALTER TABLE xmcoh.next_record ENABLE ROW LEVEL SECURITY;
--
CREATE POLICY scorer ON xmcoh.next_record FOR SELECT USING (true);
--
CREATE VIEW xmcoh.next_view AS SELECT model_id FROM xmcoh.next_record;
--
GRANT SELECT ON xmcoh.next_view TO xmcoh_user;
};
# A statement without which a later one fails cannot be left out.
my %needed = map { $_ => 1 } grep { $changes[$_] =~ /^\s*CREATE (FUNCTION|TABLE|VIEW)/ } 0 .. $#changes;

# ---- the next version, in a copy of PostgreSQL ----

# All of cluster.sh's copy of PostgreSQL is below a folder `server`.
sub folder { my ($config, $name) = @_; my $path = `$config --$name`; chomp $path; return $path; }
my ($server) = folder($ENV{PG_CONFIG}, 'bindir') =~ m{^(/.*/server)/} or die 'this is not a copy of PostgreSQL that cluster.sh made';
sub copied { my ($path) = @_; return $path =~ s/^\Q$server\E/$dir\/server/r; }
system_or_bail('cp', '-a', $server, "$dir/server");
my $config = copied($ENV{PG_CONFIG});
is(folder($config, 'pkglibdir'), copied(folder($ENV{PG_CONFIG}, 'pkglibdir')), 'the copy of PostgreSQL is at another place');

my $tree = "$dir/tree";
system_or_bail('cp', '-a', getcwd(), $tree);
unlink glob("$tree/sql/xmcoh--*.sql");
append_to_file("$tree/src/pg/load.c", q{
PG_FUNCTION_INFO_V1(xmcoh_next_thing);
Datum
xmcoh_next_thing(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_GETARG_INT32(0) + 1);
}
});
append_to_file("$tree/sql/privileges.sql", join("\n", @changes));
my $control = slurp_file("$tree/xmcoh.control") =~ s/^(default_version = ')[^']+/$1$next/mr;
unlink "$tree/xmcoh.control";
append_to_file("$tree/xmcoh.control", $control);

# Writes an upgrade script.
sub write_script
{
	my ($file, @statements) = @_;
	unlink $file;
	append_to_file($file, "\\echo Use \"ALTER EXTENSION xmcoh UPDATE\" to load this file. \\quit\n"
		. join("\n", 'SET LOCAL search_path = pg_catalog, pg_temp;', @statements));
}
write_script("$tree/sql/xmcoh--$version--$next.sql", @changes);

my @make = ($ENV{MAKE} // 'make', '-s', '-C', $tree, "PG_CONFIG=$config", "CLI_BINDIR=" . folder($config, 'bindir'));
system_or_bail(@make);
is(slurp_file("$tree/sql/xmcoh--$next.sql") =~ /next_thing/ ? 'yes' : 'no', 'yes', 'make makes the script of the version in the control file');

# ---- a server with the present version, and with models ----

my $old = new_server('old', install_path => folder($config, 'bindir') =~ s{/bin$}{}r, launcher => 1);
fill($old);
my $wanted = state($old, 'postgres');
is(join(', ', grep { $wanted->{$_} =~ /^error/ && !/ (broken|imported)$/ } sort keys %$wanted), '', 'the models give scores');

# The lines of catalogue.sql, as hash.
sub catalogue
{
	my ($database) = @_;
	my ($out, $err) = run_command([ 'psql', '-XAtq', '-d', $old->connstr($database), '-f', "$tree/test/catalogue.sql" ]);
	die $err if $err ne '';
	return map { $_ => 1 } split /\n(?! )/, $out;
}
sub lines_that_differ
{
	my ($got, $wanted) = @_;
	return join "\n", map({ "only after the update: $_" } grep { !$wanted->{$_} } sort keys %$got),
	  map({ "only in a new database: $_" } grep { !$got->{$_} } sort keys %$wanted);
}
$old->safe_psql('postgres', 'CREATE DATABASE before');
$old->safe_psql('before', 'CREATE EXTENSION xmcoh');
my %before = catalogue('before');
is(lines_that_differ({ catalogue('postgres') }, \%before), '', 'use does not change the catalogue');

# ---- the next library under the present extension ----

# A session goes on with the library that it has; the server too, which preloads the library.
my $session = $old->background_psql('postgres');
$session->query_safe('LOAD \'xmcoh\'');
system_or_bail(@make, 'install');

# PostgreSQL checks a function's symbol when the function is made.
my ($code, $out, $err) = $old->psql('before', 'ALTER EXTENSION xmcoh UPDATE');
like($err, qr/could not find function "xmcoh_next_thing" in file/, 'a preloaded older library does not have the new function, so the update fails');
is(lines_that_differ({ catalogue('before') }, \%before), '', 'and changes nothing');
is($session->query_safe('SELECT extversion FROM pg_extension WHERE extname = \'xmcoh\''), $version, 'an open session goes on');
$session->quit;

# A script without new symbols passes; then the older library refuses what changes something, and goes on to score. A training that this
# library has begun ends, and keeps its checkpoint.
$old->safe_psql('postgres', 'CREATE DATABASE ahead');
$old->safe_psql('ahead', q{CREATE EXTENSION xmcoh VERSION '} . $version . q{';
CREATE TABLE step AS SELECT m AS manual, s AS step, s AS place, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || ' part ' || m % 7 AS instruction
	FROM generate_series(1, 40) AS m, generate_series(1, 5) AS s;
SELECT xmcoh.create_model('steps');
SELECT xmcoh.attach_source('steps', 'step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all')});
$old->safe_psql('ahead', q{SELECT xmcoh.train('steps', '{"epochs": 2, "evaluation_documents": 0}')});
is($old->safe_psql('ahead', q{CALL xmcoh.wait_for_job(1, '180 s')}), 'succeeded', 'a model in another database is trained');
my $scores = q{SELECT md5(string_agg(o::text, ' ' ORDER BY o::text)) FROM xmcoh.order_documents('steps') AS o};
my $ordered = $old->safe_psql('ahead', $scores);
my $installed = folder($config, 'sharedir') . "/extension/xmcoh--$version--$next.sql";
write_script($installed, grep { !/next_thing/ } @changes);
ask($old, 'ahead');
my $overtaken = submit("SET xmcoh.checkpoint_interval = '10ms'; SELECT xmcoh.train('steps', $long)");
await($overtaken, "state = 'running' AND EXISTS (SELECT FROM xmcoh.job_checkpoint WHERE job_checkpoint.job_id = job_record.job_id)");
value('ALTER EXTENSION xmcoh UPDATE');
like(outcome($overtaken), qr/^interrupted: extension xmcoh has version \Q$next\E, but this process has loaded the library of version \Q$version\E\nHint: /,
	'a training that runs during the update is interrupted');
for my $change (q{SELECT xmcoh.train('steps')}, q{SELECT xmcoh.create_model('other')})
{
	($code, $out, $err) = $old->psql('ahead', $change);
	like($err, qr/ERROR:  extension xmcoh has version \Q$next\E, but this process has loaded the library of version \Q$version\E\nHINT:  Connect again\. If shared_preload_libraries contains xmcoh, restart the server\./,
		"$change: an older library does not change a newer extension");
}
is($old->safe_psql('ahead', $scores), $ordered, 'it scores');

$old->restart;
is(join("\n", differences(state($old, 'postgres'), $wanted)), '', 'with the next library, the present extension is the same to the bit');
is($old->safe_psql('postgres', q{SELECT xmcoh.train('manuals', '{"seed": 5}', on_success => 'keep') > 0}), 't', 'the next library trains for the present extension');
my $job = $old->safe_psql('postgres', 'SELECT max(job_id) FROM xmcoh.job');
is($old->safe_psql('postgres', "CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'the training succeeds');
is($old->safe_psql('ahead', $scores), $ordered, 'the next library gives the same scores');
is($old->safe_psql('ahead', q{SELECT xmcoh.create_model('other') > 0}), 't', 'after a restart the next library may change the next extension');
submit("SELECT xmcoh.resume_job($overtaken)");
ok(eval { await($overtaken, "state = 'running' AND done_before > 0"); 1 }, 'the next library continues the interrupted training from its checkpoint')
  or diag($@);
value("SELECT xmcoh.cancel_job($overtaken)");
like(outcome($overtaken), qr/^cancelled/, 'which can be cancelled');

# ---- the update ----

$wanted = state($old, 'postgres');
$old->safe_psql('postgres', "CREATE DATABASE fresh");
$old->safe_psql('fresh', 'CREATE EXTENSION xmcoh');
my %fresh = catalogue('fresh');
isnt(lines_that_differ(\%before, \%fresh), '', 'the next version differs from the present one');

for my $left_out (grep { !$needed{$_} } 0 .. $#changes)
{
	my ($first) = $changes[$left_out] =~ /(\S.*)/;
	write_script($installed, @changes[ grep { $_ != $left_out } 0 .. $#changes ]);
	$old->safe_psql('postgres', 'CREATE DATABASE updated');
	$old->safe_psql('updated', "CREATE EXTENSION xmcoh VERSION '$version'; ALTER EXTENSION xmcoh UPDATE");
	isnt(lines_that_differ({ catalogue('updated') }, \%fresh), '', "a script without this is found: $first");
	$old->safe_psql('postgres', 'DROP DATABASE updated');
}

write_script($installed, @changes);
$old->safe_psql('postgres', 'ALTER EXTENSION xmcoh UPDATE');
my %updated = catalogue('postgres');
is(lines_that_differ(\%updated, \%fresh), '', 'the catalogue of the updated database is that of a new one');
# The new column changes the rows of xmcoh.model, and there is one more table and view.
is(join("\n", differences(state($old, 'postgres'), $wanted, qr/^table (model|next_record)$|^view next_view$/)), '',
	'tables, jobs, grants, schedules are the same, and all scores to the bit');
is($old->safe_psql('postgres', 'SET ROLE alice; SELECT xmcoh.next_thing(41)'), 42, 'the new function answers');
is($old->safe_psql('postgres', q{SELECT xmcoh.model_exists('manuals')}), 't', 'the changed function answers');

# A symbol that both versions have gets the same arguments from both: the libraries of both serve both.
my %symbols;
push @{ $symbols{$_->[0]}{ $_->[1] } }, $_->[2]
  for map({ /^symbol: (\w+): (.*)/ ? [ $1, 'present', $2 ] : () } keys %before), map({ /^symbol: (\w+): (.*)/ ? [ $1, 'next', $2 ] : () } keys %updated);
my @changed = grep { my $s = $symbols{$_}; $s->{present} && $s->{next} && join(' ', sort @{ $s->{present} }) ne join(' ', sort @{ $s->{next} }) } sort keys %symbols;
is("@changed", '', 'no symbol of the library has got other arguments');
my %exported = map { $_ => 1 } `nm -D --defined-only '$tree/xmcoh.so'` =~ /\bT (xmcoh_\w+)/g;
is(join(' ', grep { !$exported{$_} } sort keys %symbols), '', 'the next library has every symbol of the present version');

# A dump of the updated database has the new table's rows.
$old->safe_psql('postgres', q{INSERT INTO xmcoh.next_record VALUES (1, 'kept'); CREATE DATABASE copy});
my $dump = "$dir/dump";
$old->command_ok([ 'pg_dump', '-Fc', '-d', $old->connstr('postgres'), '-f', $dump ], 'pg_dump');
$old->command_ok([ 'pg_restore', '-d', $old->connstr('copy'), $dump ], 'pg_restore');
is($old->safe_psql('copy', 'SELECT text FROM xmcoh.next_record'), 'kept', 'a dump of the updated database restores');
$old->stop;
done_testing();
