# Tests the recipes of doc/operations.md for pg_cron, on a server without xmcoh's own launcher. Where the server does not have pg_cron,
# the tests are skipped. pg_cron looks at its table once a minute, so the file takes a minute.
use strict;
use warnings;

use lib 'test/tap';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;

my $share = `$ENV{PG_CONFIG} --sharedir`;
chomp $share;
plan skip_all => 'THE SERVER HAS NO pg_cron: its recipes were not tested (Debian: postgresql-15-cron)' if !-e "$share/extension/pg_cron.control";

# The recipes are the statements that doc/operations.md shows.
my @recipes = slurp_file('doc/operations.md') =~ /^```sql\n(SELECT cron\.schedule.*?)^```$/gms;
@recipes = grep { /'(training|states) of manuals'/ } @recipes;
is(scalar @recipes, 2, 'doc/operations.md has recipes: training, and states of documents');

my $node = new_cluster('cron', q{
shared_preload_libraries = 'pg_cron'
cron.use_background_workers = on
cron.database_name = 'postgres'
max_worker_processes = 10
});
value(q{CREATE EXTENSION pg_cron; CREATE ROLE trainer LOGIN; GRANT USAGE ON SCHEMA cron TO trainer; SELECT xmcoh.grant_usage('trainer');
GRANT SELECT ON work_step TO trainer; SELECT xmcoh.grant_model('manuals', 'trainer', 'train')});
is(value('SELECT xmcoh.launcher_is_loaded()'), 'f', 'xmcoh has no launcher here');
outcome(train('manuals'));		# the states are those of a version

# Every minute instead of the times that are shown; nothing else is changed.
for my $recipe (@recipes)
{
	for my $statement (split /;\n/, $recipe)
	{
		next if $statement !~ /\S/;
		my $now = $statement =~ s/'[\d*\/]+( [\d*\/]+){4}'/'* * * * *'/r;
		isnt($now, $statement, 'a recipe with a time');
		value("SET ROLE trainer; $now");
	}
}
is(value('SELECT count(*) FROM cron.job WHERE username = \'trainer\' AND active'), 2, 'the role that trains has scheduled both');
for my $name ('training of manuals', 'states of manuals')
{
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM cron.job_run_details JOIN cron.job USING (jobid)
		WHERE jobname = '$name' AND status IN ('succeeded', 'failed')") or die "pg_cron did not run $name";
	is(value("SELECT status FROM cron.job_run_details JOIN cron.job USING (jobid) WHERE jobname = '$name' ORDER BY runid LIMIT 1"), 'succeeded', "pg_cron ran: $name")
	  or diag value("SELECT return_message FROM cron.job_run_details JOIN cron.job USING (jobid) WHERE jobname = '$name' ORDER BY runid LIMIT 1");
}
value('SELECT cron.unschedule(jobid) FROM cron.job');
my $job = value(q{SELECT min(job_id) FROM xmcoh.job WHERE submitted_by = 'trainer'});
is(value("CALL xmcoh.wait_for_job($job, '$patience s')"), 'succeeded', 'the training that pg_cron started succeeds, as that role');
is(value(q{SELECT count(*), min(kept_by) FROM xmcoh.document_state WHERE model = 'manuals'}), '200|trainer', 'the states are there');
$node->stop;
done_testing();
