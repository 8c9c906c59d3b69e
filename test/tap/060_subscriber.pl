# Tests a subscriber that receives models by logical replication: functions that would write such rows locally must refuse, so that
# replicated rows never conflict with local rows.
use strict;
use warnings;

use lib 'test/tap';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;

my $publisher = new_cluster('publisher', "wal_level = logical\nmax_wal_senders = 4\nmax_replication_slots = 4\nmax_worker_processes = 8\n");
like(outcome(train('manuals')), qr/^succeeded: /, 'the publisher has a model');
my $score = q{SELECT md5(string_agg(concat_ws(' ', document, item, position), ';' ORDER BY document, position)) FROM xmcoh.order_documents('manuals')};
my $there = value($score);

my $files = PostgreSQL::Test::Utils::tempdir . '/files';
system('perl', 'test/encoder/tiny_encoder.pl', $files, 'bert') == 0 or die;
my $import = join ', ', "pg_read_binary_file('$files/model.safetensors')", map { "pg_read_file('$files/$_.json')" } qw(config tokenizer);
value("SELECT xmcoh.import_encoder('tiny', $import)");
my $embed = q{SELECT xmcoh.embed('tiny', 'cut the wood')};
my $vector = value($embed);

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->append_conf('postgresql.conf', "max_worker_processes = 8\nfsync = off\n");
$subscriber->start;
$subscriber->safe_psql('postgres', q{CREATE EXTENSION xmcoh; CREATE TABLE work_step (manual int, step int, place int, instruction text)});
$publisher->safe_psql('postgres', q{CREATE PUBLICATION models FOR TABLE xmcoh.model, xmcoh.model_version, xmcoh.encoder, xmcoh.encoder_chunk, xmcoh.source_record, xmcoh.decision, work_step;
	ALTER TABLE work_step REPLICA IDENTITY FULL});
$subscriber->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION models CONNECTION '%s' PUBLICATION models}, $publisher->connstr . ' dbname=postgres'));
$subscriber->wait_for_subscription_sync($publisher, 'models');

is($subscriber->safe_psql('postgres', $score), $there, 'the subscriber scores as the publisher does');
is($subscriber->safe_psql('postgres', $embed), $vector, 'and embeds as the publisher does');
is($subscriber->safe_psql('postgres', 'SELECT relation, problem IS NULL FROM xmcoh.source ORDER BY model LIMIT 1 OFFSET 0'), 'public.work_step|t',
	'and resolves the source by its name') if $subscriber->safe_psql('postgres', q{SELECT count(*) FROM xmcoh.source WHERE model = 'manuals'}) eq '1';

my $weights = $publisher->safe_psql('postgres', q{SELECT encode(xmcoh.export_model('manuals'), 'hex')});
for my $call (q{xmcoh.train('manuals')}, q{xmcoh.create_model('mine')}, q{xmcoh.deploy('manuals', 1)}, q{xmcoh.rollback('manuals')},
	q{xmcoh.prune_versions('manuals')}, q{xmcoh.grant_model('manuals', 'postgres', 'score')}, q{xmcoh.alter_model('manuals', new_name => 'mine')}, qq{xmcoh.import_model('mine', decode('$weights', 'hex'))},
	qq{xmcoh.import_encoder('mine', $import)}, q{xmcoh.grant_encoder('tiny', 'postgres')}, q{xmcoh.revoke_encoder('tiny', 'postgres')}, q{xmcoh.drop_encoder('tiny')},
	q{xmcoh.attach_source('manuals', 'work_step', 'manual', 'step', text => 'instruction')}, q{xmcoh.detach_source('manuals', 'work_step')},
	q{xmcoh.detach_pairs('manuals', 'work_step')}, q{xmcoh.revoke_model('manuals', 'postgres')}, q{xmcoh.drop_model('manuals')})
{
	my ($code, $out, $err) = $subscriber->psql('postgres', "SELECT $call");
	my $name = $call =~ s/\(.*//r;
	like($err, qr/cannot .* on a subscriber of the models.*on the publisher/s, "$name refuses, and names the place");
}

for my $statement (q{INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '1', '1', '2' FROM xmcoh.model WHERE name = 'manuals'},
	q{SELECT xmcoh.withdraw_pair('manuals', '1', '1', '2')}, q{SELECT xmcoh.approve('manuals', '1', '1', '2')},
	q{SELECT xmcoh.approve_order('manuals', '1')}, q{SELECT xmcoh.decide('manuals', '1', '1', '2', 'skip')}, q{SELECT xmcoh.withdraw(1)}, q{SELECT FROM xmcoh.claim_reviews('manuals')})
{
	my ($code, $out, $err) = $subscriber->psql('postgres', $statement);
	like($err, qr/cannot (?:approve a pair|withdraw a (?:pair|decision)|decide about a document|claim reviews) on a subscriber of the models.*on the publisher/s, "so is refused: $statement");
}

# Later changes on the publisher reach the subscriber.
value(q{INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, '1', '1', '2' FROM xmcoh.model WHERE name = 'manuals'});
value(q{SELECT xmcoh.approve_order('manuals', '2'), xmcoh.withdraw(xmcoh.decide('manuals', '3', '1', '2', 'either'))});
$publisher->safe_psql('postgres', q{SELECT xmcoh.create_model('later')});
like(outcome(train('manuals')), qr/^succeeded: /, 'the publisher trains on');
$publisher->wait_for_catchup('models');
is($subscriber->safe_psql('postgres', q{SELECT string_agg(name, ' ' ORDER BY name) FROM xmcoh.model}), 'later manuals others', 'its models arrive');
is($subscriber->safe_psql('postgres', q{SELECT max(version), max(deployed_version) FROM xmcoh.model_version JOIN xmcoh.model USING (model_id) WHERE name = 'manuals'}),
	'2|2', 'and its versions');
is($subscriber->safe_psql('postgres', $score), value($score), 'with the same scores');
my $decisions = q{SELECT string_agg(concat_ws(' ', document, kind, items, decided_by, withdrawn_by IS NOT NULL), '; ' ORDER BY decision_id) FROM xmcoh.decision};
my $pairs = q{SELECT string_agg(concat_ws(' ', document, before, after), '; ' ORDER BY document, before, after) FROM xmcoh.approved_pair};
like($subscriber->safe_psql('postgres', $decisions), qr/^1 before .* f; 2 order .* f; 3 either .* t; 3 withdrawal .* f$/, 'decisions arrive, with what was withdrawn');
is($subscriber->safe_psql('postgres', $_), $publisher->safe_psql('postgres', $_), 'as they are on the publisher') for $decisions, $pairs;

# A guarded table, with its triggers on both servers: what is replicated is not held up, what is written there is checked.
$_->safe_psql('postgres', q{CREATE TABLE task (job int, step int PRIMARY KEY, place int, instruction text)}) for $publisher, $subscriber;
$publisher->safe_psql('postgres', q{
SELECT xmcoh.attach_source('manuals', 'task', 'job', 'step', text => 'instruction', "position" => 'place');
SELECT xmcoh.enforce_order('manuals', 'task');
INSERT INTO xmcoh.approved_pair (model_id, document, before, after) SELECT model_id, d, '1', '2' FROM xmcoh.model, unnest('{100,200}'::text[]) AS d WHERE name = 'manuals';
ALTER PUBLICATION models ADD TABLE task, xmcoh.guard_record});
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION models REFRESH PUBLICATION');
$subscriber->wait_for_subscription_sync($publisher, 'models');
$subscriber->safe_psql('postgres', $publisher->safe_psql('postgres',
	q{SELECT string_agg(pg_get_triggerdef(oid), ';') FROM pg_trigger WHERE tgrelid = 'task'::regclass}));
my $wrong = q{INSERT INTO task VALUES (100, 1, 2, 'a'), (100, 2, 1, 'b')};
for my $node ($publisher, $subscriber)
{
	my ($code, $out, $err) = $node->psql('postgres', $wrong);
	like($err, qr/step 2 "a" belongs before step 1 "b" \(approved\)/, 'a wrong order is refused on the ' . $node->name);
}
$publisher->safe_psql('postgres', "SET session_replication_role = replica; $wrong");
$publisher->wait_for_catchup('models');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM task'), '2', 'what is there on the publisher is replicated');
$subscriber->safe_psql('postgres', q{SET session_replication_role = replica; INSERT INTO task VALUES (200, 3, 2, 'a'), (200, 4, 1, 'b')});

# After DROP SUBSCRIPTION the server may create models.
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION models');
my ($code, $out, $err) = $subscriber->psql('postgres', q{SELECT xmcoh.create_model('mine')});
isnt($err =~ /subscriber/, 1, 'without the subscription nothing is refused for it');

$subscriber->stop;
$publisher->stop;
done_testing();
