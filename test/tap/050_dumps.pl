# Tests each way to dump and restore a database: into the same cluster, into a cluster with other OIDs, and into a cluster that lacks
# the role of an owner. No model, version, source, pair, job or schedule is lost, owners are right, and scores are bitwise equal.
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
is($original->safe_psql('postgres', q{SELECT count(*) FROM xmcoh.claim_reviews('photos', 2, lease => '1 day')}), '2', 'a reviewer holds two pairs');
my $wanted = state($original, 'postgres');
is(join("\n", grep { $wanted->{$_} =~ /^error/ && !/ (broken|imported)$/ } sort keys %$wanted), '', 'whatever has a version and a source gives an answer');
is($original->safe_psql('postgres', q{SELECT bool_and(position('"measured.'::bytea IN weights) > 0 AND position('"gaps"'::bytea IN weights) > 0)
	FROM xmcoh.model_version}), 't', 'every version has what was measured before the refit, and gaps');
is($original->safe_psql('postgres', q{SELECT min(agreement) > 0.6 AND min(agreement) < 0.7 FROM xmcoh.review_agreement('photos') WHERE against = 'reviewer'}),
	't', 'two reviewers agree about two of three pairs');
is($wanted->{'owner gone'}, 'postgres', 'the model of a role that was dropped belongs to the owner of the extension');

# A second cluster, where the objects have other OIDs. A dump of a database has no roles and memberships, so the test creates them.
my $other = new_server('other', launcher => 1);
$other->safe_psql('postgres', q{SELECT lo_unlink(lo_create(0)) FROM generate_series(1, 1000);
CREATE ROLE "Team Ärger"; CREATE ROLE alice LOGIN; CREATE ROLE xmcoh_user; GRANT xmcoh_user TO alice, "Team Ärger"});

# A third cluster has no role alice. The OIDs of alice and of the dropped role carol belong to other roles there.
my $oid = $original->safe_psql('postgres', q{SELECT oid FROM pg_roles WHERE rolname = 'alice'});
my $lacking = new_server('lacking', next_oid => $oid);
$lacking->safe_psql('postgres', q{CREATE ROLE mallory LOGIN; CREATE ROLE mallory_too LOGIN; CREATE ROLE "Team Ärger"; CREATE ROLE xmcoh_user;
GRANT xmcoh_user TO mallory, mallory_too, "Team Ärger"});
is($lacking->safe_psql('postgres', "SELECT oid FROM pg_roles WHERE rolname = 'mallory'"), $oid, 'mallory has the OID that alice has elsewhere');

my $folder = $original->basedir;

is($original->safe_psql('postgres', q{SELECT document, state, found_by FROM xmcoh.violation}), '60|open|alice', 'a document in a wrong order is on record');

sub value { return $original->safe_psql('postgres', $_[0]); }

# Runs a program. Returns its errors and warnings, one line each, or the exit status if the program fails without any.
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

# What reads the sources of a model.
my $reads = 'orders|pairs|check|alignment|explain|sentences|vocabulary|steps|photos|queue|evaluate';

# The errors of a restore where the role alice is missing, from ALTER OWNER and GRANT.
my $no_role = qr/role "alice" does not exist/;

# dump: arguments of pg_dump. restore: arguments of pg_restore, or a list of lists for several steps; without restore, psql runs the
# script. psql: arguments of psql. before: arguments of another pg_dump, whose script is restored first. after: SQL to run after the restore.
# expected: an error that must occur. differs: keys of the state that may differ. missing: models that lack a source. none: no models exist.
# all_roles: skip clusters that lack a role. times: number of checks, each in a new database. repeat: number of restores into one database.
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
	# The owner of a view is part of the definition of a source.
	{ name => 'no owners', dump => ['--no-owner'], differs => qr/^defined as scheduled 2$/ },
	{ name => 'no owners and privileges, by four at a time', dump => ['-Fc'], restore => [ '--no-owner', '--no-privileges', '-j4' ],
		differs => qr/^seen by|^defined as scheduled 2$/ },
	{ name => 'no privileges', dump => ['--no-privileges'], differs => qr/^seen by|^($reads) Ärgernis/ },
	{ name => 'data only', dump => ['--data-only'], before => ['--schema-only'], after => 'REFRESH MATERIALIZED VIEW part_sum' },
	{ name => 'data only, by four at a time', dump => [ '-Fc', '--data-only' ], restore => [ '-j4', '--disable-triggers' ],
		before => ['--schema-only'], after => 'REFRESH MATERIALIZED VIEW part_sum' },
	{ name => 'data only, by four at a time, with triggers', dump => [ '-Fc', '--data-only' ], restore => ['-j4'],
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
	{ name => 'one schema without the extension', dump => [ '-n', 'alice' ], none => 'nothing',
		expected => qr/schema "xmcoh" does not exist/ },
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

# Restores a dump into a new database of a cluster and checks the contents.
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

	# The states must be equal, except for models whose source is missing. Such a model must report the missing relation.
	my $missing = $way->{missing} // {};
	my $passed_over = join '|', '^problem ', map { "($reads) \Q$_" } keys %$missing;
	$passed_over .= "|$way->{differs}" if $way->{differs};
	my %right = %$wanted;
	if ($node == $lacking)
	{
		$right{'owner photos'} = 'postgres';		# the role alice does not exist there
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
	is($node->safe_psql('copy', 'SELECT count(*) FROM xmcoh.review_claim_record'), '0', "$name: nobody holds a pair there");
	my @problems = grep { my $problem = $_; !grep { $problem eq "relation $_ is missing" } values %$missing }
	  map { $state->{$_} } grep { /^problem / } sort keys %$state;
	is(join("\n", @problems), '', "$name: there is no other problem");
	is(after_restore($node, 'copy', train => $way->{train}), '', "$name: and it goes on from there");
	if (!$missing->{photos})
	{
		my ($code, $out, $err) = $node->psql('copy', q{UPDATE alice.step SET words = words || '.' WHERE manual = 60});
		like($err, qr/step 2 "mount part 1\..*" belongs before step 1 .*\(approved\)/, "$name: orders are enforced");
	}
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

# A role with pg_read_all_data and BYPASSRLS can dump without being a superuser.
value('CREATE ROLE dumper LOGIN BYPASSRLS; GRANT pg_read_all_data TO dumper');
is(join("\n", complaints($original, 'pg_dump', '-U', 'dumper', '-d', 'postgres', '-f', "$folder/dumper")), '', 'dumper: pg_dump says nothing');
is(join("\n", complaints($original, 'pg_dump', '-d', 'postgres', '-f', "$folder/superuser")), '', 'superuser: pg_dump says nothing');
my ($by_dumper, $by_superuser) = map { slurp_file("$folder/$_") =~ s/^\\(un)?restrict.*$//mgr } 'dumper', 'superuser';
ok($by_dumper eq $by_superuser, 'who may read everything and passes row-level security dumps the same as a superuser');
value('DROP OWNED BY dumper; DROP ROLE dumper');

# A copy of the database's files: all OIDs are the same, except for the OID of the database.
until_dropped($original, 'DROP DATABASE IF EXISTS copy WITH (FORCE)');
until_dropped($original, 'CREATE DATABASE copy TEMPLATE postgres');
is(join("\n", differences(state($original, 'copy'), $wanted)), '', 'CREATE DATABASE ... TEMPLATE: all is there');
is(after_restore($original, 'copy', train => 1), '', 'CREATE DATABASE ... TEMPLATE: and it goes on from there');
until_dropped($original, 'DROP DATABASE copy WITH (FORCE)');

# A dump of a whole cluster, with roles.
my $fresh = new_server('fresh');
is(join("\n", complaints($original, 'pg_dumpall', '--no-sync', '-f', "$folder/cluster")), '', 'pg_dumpall says nothing');
is(join("\n", grep { !/role "postgres" already exists/ } complaints($fresh, 'psql', '-Xq', '-d', 'postgres', '-f', "$folder/cluster")), '',
	'the dump of the cluster restores without an error');
is(join("\n", differences(state($fresh, 'postgres'), $wanted)), '', 'the dump of the cluster: all is there');
is(after_restore($fresh, 'postgres', train => 1), '', 'the dump of the cluster: and it goes on from there');
$fresh->stop;

# The launcher's schedule worker runs during a restore. The worker does not damage partly restored data, and runs the schedule later.
my $script = slurp_file("$folder/superuser");
$script =~ s/\@yearly/1 second/;
$script =~ s/(^COPY xmcoh\.schedule .*?^\\\.$)/$1\nSELECT pg_sleep(2.5);/ms or die;
append_to_file("$folder/slow", $script);
until_dropped($other, 'DROP DATABASE IF EXISTS copy WITH (FORCE)');
$other->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE template0');
is(join("\n", complaints($other, 'psql', '-Xq', '-d', 'copy', '-f', "$folder/slow")), '', 'a slow restore: no error');
ok($other->poll_query_until('copy', "SELECT last_state = 'succeeded' AND active FROM xmcoh.schedule_overview WHERE model = 'manuals' AND kind = 'training'"),
	'a slow restore: its schedule runs')
  or diag $other->safe_psql('copy', 'SELECT * FROM xmcoh.schedule_overview');

# ---- renamed roles, relations, columns and schemas ----

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
# A schedule from before the renaming matches neither by OIDs nor by names in the copy, so the schedule waits for xmcoh.alter_schedule.
is(join("\n", differences(state($other, 'copy'), $renamed, qr/^defined as scheduled/)), '', 'renamed: a dump has the new names');

# ---- dropped relations, columns and roles ----

# A missing relation is reported by the name under which the relation was attached.
value(q{DROP TABLE public.photo; ALTER TABLE "Alice's".pair DROP COLUMN "1st"});
my $dropped = state($original, 'postgres');
is(join("\n", differences($dropped, $renamed, qr/^(table|problem) | photos$/)), '', 'dropped: other models do not notice');
is($dropped->{'problem alice.photo'}, 'relation alice.photo is missing', 'dropped: a source says that it is missing');
like($dropped->{'orders photos'}, qr/alice\.photo/, 'dropped: so does who needs it');

# REASSIGN OWNED does not change the owner of models. The models of a dropped role belong to the owner of the extension.
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

# A dump and restore of this state gives the same state.
until_dropped($other, 'DROP DATABASE copy WITH (FORCE)');
$other->safe_psql('postgres', $_) for 'CREATE DATABASE copy TEMPLATE template0', 'CREATE ROLE heir', 'CREATE ROLE alice', 'GRANT xmcoh_user TO heir, alice';
is(join("\n", complaints($original, 'pg_dump', '-Fc', '-d', 'postgres', '-f', $archive)), '', 'dropped: pg_dump says nothing');
is(join("\n", complaints($other, 'pg_restore', '-j4', '-d', 'copy', $archive)), '', 'dropped: pg_restore says nothing');
is(join("\n", differences(state($other, 'copy'), state($original, 'postgres'), qr/^defined as scheduled/)), '', 'dropped: a copy is the same');

done_testing();
