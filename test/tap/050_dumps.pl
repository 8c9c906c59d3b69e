# Every dump restores: each way to dump and restore a database, into the same cluster, into one with other OIDs, and into one that lacks
# the role of an owner. No model, version, source, pair, job or schedule is lost, owners are right, and scores are the same to the bit.
use strict;
use warnings;

use File::Path qw(rmtree);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use XmcohDumps;
use XmcohTest qw(until_dropped);

my $original = new_server('original', launcher => 1);
fill($original);
my $wanted = state($original, 'postgres');
is($wanted->{'owner gone'}, 'postgres', 'the model of a role that was dropped belongs to the owner of the extension');

# Another cluster, where other objects have other OIDs. (Roles and memberships are the cluster's: a dump of a database has none.)
my $other = new_server('other', launcher => 1);
$other->safe_psql('postgres', q{SELECT lo_unlink(lo_create(0)) FROM generate_series(1, 1000);
CREATE ROLE "Team Ärger"; CREATE ROLE alice LOGIN; CREATE ROLE xmcoh_user; GRANT xmcoh_user TO alice, "Team Ärger"});

# A third one has no alice; the OIDs of hers and of carol, who is no more, are those of other roles.
my $oid = $original->safe_psql('postgres', q{SELECT oid FROM pg_roles WHERE rolname = 'alice'});
my $lacking = new_server('lacking', next_oid => $oid);
$lacking->safe_psql('postgres', q{CREATE ROLE mallory LOGIN; CREATE ROLE mallory_too LOGIN; CREATE ROLE "Team Ärger"; CREATE ROLE xmcoh_user;
GRANT xmcoh_user TO mallory, mallory_too, "Team Ärger"});
is($lacking->safe_psql('postgres', "SELECT oid FROM pg_roles WHERE rolname = 'mallory'"), $oid, 'mallory has the OID that alice has elsewhere');

my $folder = $original->basedir;

sub value { return $original->safe_psql('postgres', $_[0]); }

# Runs a program; gives its status and each error and warning that it prints, a line each.
sub complaints
{
	my ($node, @command) = @_;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my ($out, $err) = ('', '');
	IPC::Run::run(\@command, '>', \$out, '2>', \$err);
	my $status = $?;
	my @lines = grep { /(?:ERROR|FATAL|PANIC|WARNING|error|warning):/ && !/errors ignored on restore/ } split /\n/, $err;
	push @lines, "status $status: $err" if $status != 0 && !@lines;
	return @lines;
}

# A role that is missing cannot own a table, nor be granted anything.
my $no_role = qr/role "alice" does not exist/;

# dump: arguments of pg_dump; by default its script goes to psql, else restore has arguments of pg_restore, or, if there are several
# steps, a list of lists. psql: arguments of psql. before: arguments of another pg_dump, whose script is restored first. after: SQL that is
# needed then. expected: errors that there must be. differs: keys of the state that may differ. missing: models that lack a source.
# none: there are no models at all. all_roles: not where one is missing. times: how often; repeat: into one database.
my @ways = (
	{ name => 'a script', train => 1 },
	{ name => 'a script in one transaction', psql => ['--single-transaction', '-v', 'ON_ERROR_STOP=1'], all_roles => 1 },
	{ name => 'a script with INSERTs', dump => ['--inserts', '--rows-per-insert=10'] },
	{ name => 'a script with all names quoted, in LATIN1', dump => ['--quote-all-identifiers', '--column-inserts', '--encoding=LATIN1'] },
	{ name => 'a custom archive', dump => ['-Fc'], restore => [], train => 1 },
	{ name => 'a custom archive, restored by four at a time', dump => ['-Fc'], restore => ['-j4'], times => 2, train => 1 },
	{ name => 'a custom archive in one transaction', dump => ['-Fc'], restore => ['-1'], all_roles => 1 },
	{ name => 'a folder, dumped and restored by four at a time', dump => ['-Fd', '-j4'], restore => ['-j4'], times => 2 },
	{ name => 'a tar file', dump => ['-Ft'], restore => [] },
	{ name => 'sections one after the other', dump => ['-Fc'],
		restore => [ ['--section=pre-data'], [ '--section=data', '-j2' ], [ '--section=post-data', '-j2' ] ] },
	# Who owns a view is part of how a source is defined.
	{ name => 'no owners', dump => ['--no-owner'], differs => qr/^defined as scheduled 2$/ },
	{ name => 'no owners and privileges, by four at a time', dump => ['-Fc'], restore => [ '--no-owner', '--no-privileges', '-j4' ],
		differs => qr/^seen by|^defined as scheduled 2$/ },
	{ name => 'no privileges', dump => ['--no-privileges'], differs => qr/^seen by|^(orders|pairs) Ärgernis/ },
	{ name => 'data only', dump => ['--data-only'], before => ['--schema-only'], after => 'REFRESH MATERIALIZED VIEW part_sum' },
	{ name => 'data only, by four at a time', dump => [ '-Fc', '--data-only' ], restore => [ '-j4', '--disable-triggers' ],
		before => ['--schema-only'], after => 'REFRESH MATERIALIZED VIEW part_sum' },
	{ name => 'the data of schema xmcoh, into a database that has all others', dump => [ '-Fc', '-n', 'xmcoh' ], restore => [ '--data-only', '-j2' ],
		before => ['--exclude-table-data=xmcoh.*'] },
	{ name => 'schema only', dump => ['--schema-only'], none => 1 },
	{ name => 'without a source', dump => [ '-T', 'alice.step' ], missing => { photos => 'alice.step' } },
	{ name => 'without a source, by four at a time', dump => [ '-Fc', '-T', 'alice.photo' ], restore => ['-j4'],
		missing => { photos => 'alice.photo' } },
	{ name => 'without the schema of a source', dump => [ '-N', '"Werk; ""Süd"""' ],
		missing => { 'Ärgernis "1"' => '"Werk; ""Süd"""."Schritte.1"' }, differs => qr/^defined as scheduled 2$/ },
	{ name => 'the schemas by name, and the extension', dump => [ '-n', 'public', '-n', 'alice', '-n', '"Werk; ""Süd"""', '-n', 'xmcoh*', '-e', 'xmcoh' ],
		expected => qr/schema "public" already exists/ },
	{ name => 'one schema without the extension', dump => [ '-n', 'alice' ], none => 'nothing' },
	{ name => 'a script that cleans, twice', dump => [ '--clean', '--if-exists' ], repeat => 2 },
	{ name => 'an archive that cleans, twice', dump => ['-Fc'], restore => [ '--clean', '--if-exists' ], repeat => 2 },
);

sub dump_file
{
	my ($way, $arguments, $file) = @_;
	rmtree($file);
	my @lines = complaints($original, 'pg_dump', '-d', 'postgres', '-f', $file, @$arguments);
	is(join("\n", @lines), '', "$way->{name}: pg_dump says nothing");
}

sub restore_file
{
	my ($way, $node, $database, $file) = @_;
	my $restore = $way->{restore};
	return complaints($node, 'psql', '-Xq', '-d', $database, '-f', $file, @{ $way->{psql} // [] }) if !$restore;
	my @steps = ref $restore->[0] ? @$restore : ($restore);
	return map { complaints($node, 'pg_restore', '-d', $database, @$_, $file) } @steps;
}

# Restores into a new database of a cluster and looks at what is there.
sub check
{
	my ($way, $node, $file) = @_;
	my $name = "$way->{name}, into " . $node->name;
	my $expected = $way->{expected};
	until_dropped($node, 'DROP DATABASE IF EXISTS copy WITH (FORCE)');
	$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE template0');
	if ($way->{before})
	{
		my @lines = grep { $node != $lacking || !/$no_role/ } complaints($node, 'psql', '-Xq', '-d', 'copy', '-f', "$file.before");
		is(join("\n", @lines), '', "$name: what must be there first");
	}
	my @lines;
	push @lines, restore_file($way, $node, 'copy', $file) for 1 .. $way->{repeat} // 1;
	@lines = grep { $node != $lacking || !/$no_role/ } @lines;
	$node->safe_psql('copy', $way->{after}) if $way->{after};
	if ($expected)
	{
		ok((grep { /$expected/ } @lines), "$name: the error that must be");
		@lines = grep { !/$expected/ } @lines;
	}
	is(join("\n", @lines), '', "$name: no error");

	if ($way->{none})
	{
		my $models = $way->{none} eq 'nothing' ? 'SELECT count(*) FROM pg_namespace WHERE nspname ~ $$^xmcoh$$'
			: 'SELECT count(*) FROM xmcoh.model';
		is($node->safe_psql('copy', $models), '0', "$name: there are no models");
		return if $way->{none} eq 'nothing';
		is($node->safe_psql('copy', "SELECT xmcoh.create_model('first')"), '1', "$name: but there can be");
		return;
	}

	# What must be the same; what is not there says so, and only that.
	my $missing = $way->{missing} // {};
	my $passed_over = join '|', '^problem ', map { quotemeta } map { ("orders $_", "pairs $_", "alignment $_") } keys %$missing;
	$passed_over .= "|$way->{differs}" if $way->{differs};
	my %right = %$wanted;
	if ($node == $lacking)
	{
		$right{'owner photos'} = 'postgres';		# until somebody makes alice
		$passed_over .= '|^seen by (alice|mallory)';
	}
	my $state = state($node, 'copy');
	is(join("\n", differences($state, \%right, qr/$passed_over/)), '', "$name: all is there, and scores are the same to the bit");
	if ($node == $lacking && !$way->{differs})
	{
		unlike($state->{"seen by $_"} // '', qr/photos|gone/, "$name: $_ does not see a model of a role that had the same OID") for 'mallory', 'mallory_too';
	}
	for my $model (sort keys %$missing)
	{
		like($state->{"orders $model"}, qr/^error: .*\Q$missing->{$model}\E/, "$name: $model says what it misses");
		is($state->{"problem $missing->{$model}"}, "relation $missing->{$model} is missing", "$name: so does its source");
	}
	my @problems = grep { my $problem = $_; !grep { $problem eq "relation $_ is missing" } values %$missing }
	  map { $state->{$_} } grep { /^problem / } sort keys %$state;
	is(join("\n", @problems), '', "$name: there is no other problem");
	is(after_restore($node, 'copy', train => $way->{train}), '', "$name: and it goes on from there");
}

for my $way (@ways)
{
	my $file = "$folder/dump";
	dump_file($way, $way->{before}, "$file.before") if $way->{before};
	dump_file($way, $way->{dump} // [], $file);
	for my $node ($other, $lacking)
	{
		next if $node == $lacking && $way->{all_roles};
		check($way, $node, $file) for 1 .. $way->{times} // 1;
	}
	check($way, $original, $file) if $way->{train} || $way->{missing};
}

# Who may read everything and passes row-level security can dump, without being a superuser.
value('CREATE ROLE dumper LOGIN BYPASSRLS; GRANT pg_read_all_data TO dumper');
is(join("\n", complaints($original, 'pg_dump', '-U', 'dumper', '-d', 'postgres', '-f', "$folder/dumper")), '', 'dumper: pg_dump says nothing');
is(join("\n", complaints($original, 'pg_dump', '-d', 'postgres', '-f', "$folder/superuser")), '', 'superuser: pg_dump says nothing');
my ($by_dumper, $by_superuser) = map { slurp_file("$folder/$_") =~ s/^\\(un)?restrict.*$//mgr } 'dumper', 'superuser';
ok($by_dumper eq $by_superuser, 'who may read everything and passes row-level security dumps the same as a superuser');
value('DROP OWNED BY dumper; DROP ROLE dumper');

# A copy of the files, where all numbers are the same but the database's.
until_dropped($original, 'DROP DATABASE IF EXISTS copy WITH (FORCE)');
until_dropped($original, 'CREATE DATABASE copy TEMPLATE postgres');
is(join("\n", differences(state($original, 'copy'), $wanted)), '', 'CREATE DATABASE ... TEMPLATE: all is there');
is(after_restore($original, 'copy', train => 1), '', 'CREATE DATABASE ... TEMPLATE: and it goes on from there');
until_dropped($original, 'DROP DATABASE copy WITH (FORCE)');

# All of a cluster, roles too.
my $fresh = new_server('fresh');
is(join("\n", complaints($original, 'pg_dumpall', '--no-sync', '-f', "$folder/cluster")), '', 'pg_dumpall says nothing');
is(join("\n", grep { !/role "postgres" already exists/ } complaints($fresh, 'psql', '-Xq', '-d', 'postgres', '-f', "$folder/cluster")), '',
	'the dump of the cluster restores without an error');
is(join("\n", differences(state($fresh, 'postgres'), $wanted)), '', 'the dump of the cluster: all is there');
is(after_restore($fresh, 'postgres', train => 1), '', 'the dump of the cluster: and it goes on from there');
$fresh->stop;

# A launcher looks in while a restore is under way: what it finds half restored is not harmed, and a schedule goes on once all is there.
my $script = slurp_file("$folder/superuser");
$script =~ s/\@yearly/1 second/;
$script =~ s/(^COPY xmcoh\.schedule .*?^\\\.$)/$1\nSELECT pg_sleep(2.5);/ms or die;
append_to_file("$folder/slow", $script);
until_dropped($other, 'DROP DATABASE IF EXISTS copy WITH (FORCE)');
$other->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE template0');
is(join("\n", complaints($other, 'psql', '-Xq', '-d', 'copy', '-f', "$folder/slow")), '', 'a slow restore: no error');
ok($other->poll_query_until('copy', "SELECT last_state = 'succeeded' AND active FROM xmcoh.schedule_overview WHERE model = 'manuals'"),
	'a slow restore: its schedule runs')
  or diag $other->safe_psql('copy', 'SELECT * FROM xmcoh.schedule_overview');

# ---- what the living database does to what models name ----

value(q{
ALTER ROLE alice RENAME TO "Alice; B.";
ALTER ROLE "Team Ärger" RENAME TO team;
ALTER TABLE work_step RENAME TO "Work Step";
ALTER TABLE "Work Step" RENAME instruction TO "role alice";
ALTER TABLE alice.photo SET SCHEMA public;
ALTER TABLE alice.pair RENAME first TO "1st";
ALTER SCHEMA alice RENAME TO "Alice's";
ALTER SCHEMA "Werk; ""Süd""" RENAME TO werk;
ALTER VIEW werk."Schritte.1" RENAME "select" TO "from";
ALTER MATERIALIZED VIEW part_sum RENAME part TO number;
ALTER MATERIALIZED VIEW part_sum RENAME TO sum});
my $renamed = state($original, 'postgres');
is(join("\n", differences($renamed, $wanted, qr/^table |^owner (photos|Ärgernis "1")|^seen by/)), '', 'renamed: everything is scored as before');
is($renamed->{'owner photos'}, '"Alice; B."', 'renamed: alice owns her model');
is($renamed->{'seen by team'}, 'Ärgernis "1"', 'renamed: the team sees its own');
for my $model ('manuals', 'photos', 'Ärgernis "1"', 'sums')
{
	my $job = value("SELECT xmcoh.train('$model', on_success => 'keep')");
	is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', "renamed: $model is trained")
	  or diag value("SELECT message FROM xmcoh.job WHERE job_id = $job");
}
$renamed = state($original, 'postgres');
until_dropped($other, 'DROP DATABASE copy WITH (FORCE)');
$other->safe_psql('postgres', $_) for 'CREATE DATABASE copy TEMPLATE template0',
	'ALTER ROLE alice RENAME TO "Alice; B."', 'ALTER ROLE "Team Ärger" RENAME TO team';
my $archive = "$folder/renamed";
is(join("\n", complaints($original, 'pg_dump', '-Fc', '-d', 'postgres', '-f', $archive)), '', 'renamed: pg_dump says nothing');
is(join("\n", complaints($other, 'pg_restore', '-j4', '-d', 'copy', $archive)), '', 'renamed: pg_restore says nothing');
# (What was scheduled before the names changed is known here neither by numbers nor by names: it waits for xmcoh.alter_schedule.)
is(join("\n", differences(state($other, 'copy'), $renamed, qr/^defined as scheduled/)), '', 'renamed: a dump has the new names');

# ---- what is dropped ----

# (What is missing has the name by which it was attached.)
value(q{DROP TABLE public.photo; ALTER TABLE "Alice's".pair DROP COLUMN "1st"});
my $dropped = state($original, 'postgres');
is(join("\n", differences($dropped, $renamed, qr/^(table|problem) | photos$/)), '', 'dropped: other models do not notice');
is($dropped->{'problem alice.photo'}, 'relation alice.photo is missing', 'dropped: a source says that it is missing');
like($dropped->{'orders photos'}, qr/alice\.photo/, 'dropped: so does who needs it');

# Who reassigns what a role owns does not thereby give its models away; when it is dropped, they are the extension's owner's.
value(q{CREATE ROLE heir LOGIN; SELECT xmcoh.grant_usage('heir')});
value(q{REASSIGN OWNED BY "Alice; B." TO heir});
value(q{DROP OWNED BY "Alice; B."});
value(q{DROP ROLE "Alice; B."});
$dropped = state($original, 'postgres');
is($dropped->{'owner photos'}, 'postgres', 'the model of a dropped role belongs to the owner of the extension');
value(q{CREATE ROLE "Alice; B." LOGIN; CREATE ROLE alice LOGIN; SELECT xmcoh.grant_usage('"Alice; B."'), xmcoh.grant_usage('alice')});
$dropped = state($original, 'postgres');
is($dropped->{"seen by $_"}, 'nothing', "it is not another role's: $_") for 'alice', 'Alice; B.', 'heir';
value(q{SELECT xmcoh.alter_model('photos', new_owner => 'heir')});
is(state($original, 'postgres')->{'seen by heir'}, 'photos', 'until it is given to one');

# A dump of all that knows none of them either.
until_dropped($other, 'DROP DATABASE copy WITH (FORCE)');
$other->safe_psql('postgres', $_) for 'CREATE DATABASE copy TEMPLATE template0', 'CREATE ROLE heir', 'CREATE ROLE alice', 'GRANT xmcoh_user TO heir, alice';
is(join("\n", complaints($original, 'pg_dump', '-Fc', '-d', 'postgres', '-f', $archive)), '', 'dropped: pg_dump says nothing');
is(join("\n", complaints($other, 'pg_restore', '-j4', '-d', 'copy', $archive)), '', 'dropped: pg_restore says nothing');
is(join("\n", differences(state($other, 'copy'), state($original, 'postgres'), qr/^defined as scheduled/)), '', 'dropped: a copy is the same');

done_testing();
