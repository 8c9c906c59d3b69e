# Tests xmcoh watch and xmcoh report with jobs and a trained model.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('watch');
$node->init;
$node->start;
my @connection = ('-h', $node->host, '-p', $node->port, '-d', 'postgres');

# Two hundred documents of six steps. The first word of a step identifies its position.
$node->safe_psql('postgres', q(
	CREATE EXTENSION xmcoh;
	CREATE TABLE step (doc int, id serial, place int, words text);
	INSERT INTO step (doc, place, words)
	SELECT d, p, (ARRAY['open', 'drain', 'loosen', 'clean', 'insert', 'tighten'])[p] || ' item ' || (d * 7 + p * 3) % 50
	  FROM generate_series(1, 200) AS d, generate_series(1, 6) AS p;
	SELECT xmcoh.create_model('cli');
	SELECT xmcoh.attach_source('cli', 'step', document => 'doc', item => 'id', text => 'words', "position" => 'place', approved => 'all');
));

command_fails_like([ 'xmcoh', 'report', @connection, 'cli' ], qr/no deployed version/, 'report before any training says so');

my $job = $node->safe_psql('postgres', q(SELECT xmcoh.train('cli', '{"epochs": 3}')));
my ($out, $err);
my $ok = IPC::Run::run([ 'xmcoh', 'watch', @connection, '--interval', '0.05', $job ], '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
ok($ok, 'watch ends with 0 when the job succeeded') or diag($out, $err);
like($out, qr/^job $job succeeded/m, 'and says so');
unlike($out, qr/[\r\033]/, 'no terminal codes when it does not write to a terminal');
command_like([ 'xmcoh', 'watch', @connection, $job ], qr/\Ajob $job succeeded.*\n\z/, 'a job that has ended');

# The test inserts rows with the states that a worker writes.
for my $state (qw(rejected failed cancelled interrupted))
{
	my $id = $node->safe_psql('postgres', qq(INSERT INTO xmcoh.job_record (model_id, state, message, finished_at)
		SELECT model_id, '$state', 'because of $state', now() FROM xmcoh.model WHERE name = 'cli' RETURNING job_id));
	command_checks_all([ 'xmcoh', 'watch', @connection, $id ], 1, [qr/^job $id $state: because of $state$/], [qr/^$/],
		"watch ends with 1 when the job is $state");
}
command_fails_like([ 'xmcoh', 'watch', @connection, '4711' ], qr/job 4711 does not exist/, 'an unknown job');
command_fails_like([ 'xmcoh', 'watch', @connection, 'x' ], qr/invalid input syntax for type integer/, 'a job number that is none');
command_fails_like([ 'xmcoh', 'watch', @connection ], qr/needs the number of one job/, 'no job number');
command_fails_like([ 'xmcoh', 'watch', @connection, '--interval', '0', '1' ], qr/between 0\.05 and 3600/, 'an interval of zero');

command_like([ 'xmcoh', 'report', @connection, 'cli' ],
	qr/\Amodality +guidance +documents +seen +items +Acc \[95%\] .*random tau\n.*text .*\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]/s, 'report on held-out documents');
my @source = ('xmcoh', 'report', @connection, 'cli', '--source', 'step');
command_checks_all(\@source, 0, [qr/text +solo +200 +200 +1200 /], [qr/^NOTICE:  version 1 was trained on \d+ of these 200 documents/],
	'report on a source, all of which taught the version in the end');
command_fails_like([ 'xmcoh', 'report', @connection, 'cli', '--source', 'nowhere' ], qr/relation "nowhere" does not exist/, 'no such source');
command_fails_like([ 'xmcoh', 'report', @connection, 'no"such' ], qr/no"such/, 'an unknown model');
command_fails_like([ 'xmcoh', 'report', @connection ], qr/needs the name of one model/, 'no model');

# The page is complete: nothing else is loaded, and no script runs.
my ($page, $said);
ok(IPC::Run::run([ 'xmcoh', 'report', @connection, 'cli', '--html', '--language', 'ja' ], '>', \$page, '2>', \$said), 'report --html') or diag($said);
like($page, qr/\A<!DOCTYPE html>\n<html lang="ja">.*<\/html>\n\z/s, 'a whole page');
unlike($page, qr/<script|<link|<img|\bon\w+=|\bsrc=|\bhref=|\@import|url\(/i, 'and with neither script nor reference');
command_like([ 'xmcoh', 'report', @connection, 'cli', '--html', '--documents', '0' ], qr/<h2>Model card<\/h2>/, 'a page without documents');
command_fails_like([ 'xmcoh', 'report', @connection, 'cli', '--html', '--source', 'step' ], qr/--html has no option --source/, 'a page of a source');
command_fails_like([ 'xmcoh', 'report', @connection, 'cli', '--language', 'ja' ], qr/needs --html/, 'a language without a page');
command_fails_like([ 'xmcoh', 'report', @connection, 'cli', '--html', '--language', 'fr' ], qr/language/, 'an unknown language');

command_like([ 'xmcoh', '--version' ], qr/^xmcoh \d/, 'version');
command_like([ 'xmcoh', '--help' ], qr/xmcoh import .*xmcoh watch .*xmcoh report /s, 'help');
command_fails_like([ 'xmcoh', 'frobnicate' ], qr/unknown command "frobnicate"\nxmcoh: hint: /, 'an unknown command');

$node->stop;
done_testing();
