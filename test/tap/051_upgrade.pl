# Tests that pg_upgrade preserves models. The test upgrades from a release to the same release: this upgrade also uses binary-upgrade
# mode, which creates the members of the extension one by one and copies the files of tables.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohDumps;

my $old = new_server('old', launcher => 1);
fill($old);
my $wanted = state($old, 'postgres');
# pg_upgrade preserves the OIDs of types, relations and roles. The OIDs of other objects will differ.
$old->safe_psql('postgres', q{SELECT lo_unlink(lo_create(0)) FROM generate_series(1, 1000);
CREATE TABLE late_step AS TABLE work_step;
SELECT xmcoh.create_model('late');
SELECT xmcoh.attach_source('late', 'late_step', 'manual', 'step', text => 'instruction', "position" => 'place', approved => 'all')});
my $late = state($old, 'postgres');
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'xmcoh'\nfsync = off\ntimezone = 'UTC'\nmax_worker_processes = 8\n");
my $bin = $old->config_data('--bindir');
chdir $new->basedir or die;
$new->command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin, '-s', $new->host,
	'-p', $old->port, '-P', $new->port ], 'pg_upgrade');
$new->start;

is(join("\n", differences(state($new, 'postgres'), $late)), '', 'all is there, and scores are the same to the bit');
is(join("\n", differences($late, $wanted, qr/ late$|^table (model|source_record)$|^sequence (model|source)|^view (model_overview|visible_model|source|alert_limit|alert_measure)$|^seen by/)),
	'', '(nothing else had changed)');

# References to objects remain valid in the new cluster when those objects are renamed there.
$new->safe_psql('postgres', q{ALTER ROLE alice RENAME TO bob; ALTER TABLE late_step RENAME TO later_step; ALTER TABLE later_step RENAME place TO spot;
ALTER TABLE alice.step RENAME words TO text});
my $now = state($new, 'postgres');
is($now->{'owner photos'}, 'bob', 'a role that is renamed afterwards still owns its model');
is($now->{"$_ photos"}, $late->{"$_ photos"}, "$_ of a model whose column is renamed afterwards") for qw(orders pairs alignment);
my $job = $new->safe_psql('postgres', "SELECT xmcoh.train('late')");
is($new->safe_psql('postgres', "CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'a model whose table and column are renamed is trained');
is(after_restore($new, 'postgres', train => 1), '', 'and it goes on from there');

# A dump of the new cluster is complete.
$new->safe_psql('postgres', 'CREATE DATABASE copy');
my $dump = $new->basedir . '/dump';
$new->command_ok([ 'pg_dump', '-Fc', '-d', 'postgres', '-p', $new->port, '-h', $new->host, '-f', $dump ], 'pg_dump');
$new->command_ok([ 'pg_restore', '-j2', '-d', 'copy', '-p', $new->port, '-h', $new->host, $dump ], 'pg_restore');
is(join("\n", differences(state($new, 'copy'), state($new, 'postgres'))), '', 'a dump of the new cluster restores');
$new->stop;
done_testing();
