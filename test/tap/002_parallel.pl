# Tests scoring in several processes: parallel plans, a hot standby, other databases, and memory use.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest qw(new_standby parallel_setting trained_cluster);

my $node = trained_cluster('primary', "max_worker_processes = 16\nmax_connections = 50\nautovacuum = off", allows_streaming => 1);

# A table large enough for a parallel plan.
$node->safe_psql('postgres', q{
	CREATE TABLE many AS SELECT guide + 1000 * copy AS guide, step, place, words, picture FROM step,
		generate_series(1, 20) AS copy;
	ALTER TABLE many SET (parallel_workers = 2);
	VACUUM ANALYZE many});

# ---- parallel plans ----

my $parallel = q{
	SET max_parallel_workers_per_gather = 2;
	SET parallel_setup_cost = 0;
	SET parallel_tuple_cost = 0;
	SET min_parallel_table_scan_size = 0;
};
my $serial = "SET max_parallel_workers_per_gather = 0;\n";
my %query = (
	coherence => q{SELECT guide, round(xmcoh.coherence('guides', place, words, picture)::numeric, 6) FROM many
		GROUP BY guide ORDER BY guide},
	recover_order => q{SELECT guide, xmcoh.recover_order('guides', step, words, picture) FROM many GROUP BY guide
		ORDER BY guide},
	recover_order_by => q{SELECT guide, xmcoh.recover_order('guides', step, words, picture, NULL, 'image') FROM many
		GROUP BY guide ORDER BY guide},
	precedes => q{SELECT guide, step, round(xmcoh.precedes('guides', words, picture, 'turn part 3',
		'{0.5,0.5,0.5,1}')::numeric, 6) FROM many
		WHERE guide < 4000 ORDER BY guide, step});

for my $name (sort keys %query)
{
	my $plan = $node->safe_psql('postgres', "$parallel EXPLAIN (COSTS OFF) $query{$name}");
	like($plan, $name eq 'precedes' ? qr/Gather/ : qr/Partial (Hash|Group)?Aggregate/, "$name: the plan is parallel");
	my $want = $node->safe_psql('postgres', "$serial $query{$name}");
	is($node->safe_psql('postgres', "$parallel SET parallel_leader_participation = $_; $query{$name}"), $want,
		"$name: the same answers in parallel, leader_participation $_") for ('on', 'off');
	cmp_ok(length $want, '>', 10000, "$name: they are answers");
}
my $always_parallel = parallel_setting($node);
like($node->safe_psql('postgres', "$always_parallel; SELECT count(*) FROM xmcoh.order_documents('guides')"), qr/^750$/,
	'a function that reads a source, where the plan is made to run in parallel: in the leader');
# Whether a role may review is found out in the leader, and by the view in a worker.
$node->safe_psql('postgres', q{
	CREATE ROLE reviewer;
	SELECT xmcoh.grant_usage('reviewer'), xmcoh.grant_model('guides', 'reviewer', 'review');
	INSERT INTO xmcoh.review_claim_record (model_id, document, before_item, after_item, probability, value, reason, claimed_by, claimed_until)
		SELECT model_id, '1', '1', '2', 0.5, 1, 'uncertain', 'reviewer', 'infinity' FROM xmcoh.model});
is($node->safe_psql('postgres', "SET ROLE reviewer; $always_parallel;
	SELECT count(*) FROM xmcoh.review_claim; SELECT count(*) FROM xmcoh.review_agreement('guides')"), "1\n0",
	'functions and the view of reviewers in parallel plans');

# ---- a hot standby ----

my $standby = new_standby($node, 'standby');
my @cached = glob($standby->data_dir . '/base/pgsql_tmp/pgsql_tmp.xmcoh.*');
is(scalar @cached, 0, 'a base backup holds no cache file');
$node->wait_for_catchup($standby);
for my $name (sort keys %query)
{
	is($standby->safe_psql('postgres', "$_ $query{$name}"), $node->safe_psql('postgres', $query{$name}),
		"$name on the standby")
		for ($serial, $parallel);
}
is($standby->safe_psql('postgres', q{SELECT count(*) FROM xmcoh.order_documents('guides')}), 750,
	'order_documents on the standby');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM xmcoh.evaluate('guides')}), 5, 'evaluate on the standby');
@cached = grep { !/seal$/ } glob($standby->data_dir . '/base/pgsql_tmp/pgsql_tmp.xmcoh.*');
is(scalar @cached, 1, 'the standby has a cache file of its own');

my $blind = q{xmcoh.import_model('guides', blind(xmcoh.export_model('guides')))};
my $ask = q{SELECT xmcoh.precedes('guides', 'open', NULL, 'pack', NULL) > 0.9};
$node->safe_psql('postgres', "SELECT xmcoh.deploy('guides', $blind)");
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $ask), 'f', 'the standby follows a deployment');
$node->safe_psql('postgres', q{SELECT xmcoh.rollback('guides')});
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $ask), 't', 'and its rollback');
# Whatever writes says where it cannot.
for my $call (q{create_model('mine')}, q{alter_model('guides', new_name => 'mine')}, q{drop_model('guides')}, q{import_model('mine', xmcoh.export_model('guides'))},
	q{attach_source('guides', 'step', 'guide', 'step')}, q{detach_source('guides', 'step')}, q{attach_pairs('guides', 'step', 'guide', 'step', 'place')},
	q{detach_pairs('guides', 'step')}, q{deploy('guides', 1)}, q{rollback('guides')}, q{prune_versions('guides')}, q{grant_model('guides', 'reviewer', 'score')},
	q{revoke_model('guides', 'reviewer')}, q{train('guides')}, q{study_learning_curve('guides')}, q{schedule_training('guides', '0 3 * * *')},
	q{snapshot_quality('guides')}, q{queue_snapshot('guides')}, q{refresh_document_state('guides')}, q{set_alert_limit('guides', 'drift', 0.3)},
	q{approve('guides', '1', '1', '2')}, q{approve_order('guides', '1')}, q{decide('guides', '1', '1', '2', 'skip')}, q{withdraw_pair('guides', '1', '1', '2')},
	q{claim_reviews('guides')}, q{enforce_order('guides', 'step')}, q{unenforce_order('guides', 'step')}, q{accept_violation(1)}, q{withdraw(1)}, q{resume_job(1)})
{
	my ($status, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT FROM xmcoh.$call");
	like($err, qr/^psql:.*ERROR:  25006: cannot .* on a standby$/m, "$call is refused on the standby");
}
$standby->stop;

# ---- other encodings, other databases ----

# The databases get the same bytes of weights and the same texts, so the answers are the same.
my $blob = $node->safe_psql('postgres', q{SELECT encode(xmcoh.export_model('guides'), 'hex')});
my $words = q{SELECT xmcoh.order_score('guides', 'prüfen: open part 1', NULL, 'Größe: pack part 2', NULL),
	xmcoh.recover_order('guides', i, i, NULL) FROM unnest('{öffnen,prüfen,open,pack,größer}'::text[]) AS i};
for my $encoding ('LATIN1', 'SQL_ASCII')
{
	$node->safe_psql('postgres',
		"CREATE DATABASE $encoding ENCODING '$encoding' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
	$node->safe_psql(lc $encoding, qq{
		CREATE EXTENSION xmcoh;
		SELECT xmcoh.deploy('guides', xmcoh.import_model('guides', decode('$blob', 'hex')));});
	is($node->safe_psql(lc $encoding, "SET client_encoding = 'UTF8'; $words"), $node->safe_psql('postgres', $words),
		"answers in $encoding");
	$node->safe_psql(lc $encoding, q{SET client_encoding = 'UTF8';
		CREATE TABLE step AS SELECT g AS guide, p AS step, (ARRAY['prüfen', 'öffnen', 'schließen'])[p] || ' ' || g AS words
			FROM generate_series(1, 2) AS g, generate_series(1, 3) AS p;
		SELECT xmcoh.attach_source('guides', 'step', 'guide', 'step', text => 'words', "position" => 'step', approved => 'all')});
	is($node->safe_psql(lc $encoding, q{SELECT bool_and(candidate_text = words) FROM xmcoh.missing_steps('guides', '1')
		JOIN step ON guide::text = candidate_document AND step::text = candidate_item}), 't', "texts of steps in $encoding");
}
my ($status, $out, $err) = $node->psql('sql_ascii', q{SELECT xmcoh.precedes('guides', E'\\xff', NULL, 'pack', NULL)});
like($err, qr/invalid byte sequence for encoding "UTF8"/, 'bytes that are no text');

# One session drops the extension and creates the extension again. Prepared look-ups must find the new tables.
like($node->safe_psql('latin1', qq{
	$ask;
	DROP EXTENSION xmcoh;
	CREATE EXTENSION xmcoh;
	SELECT xmcoh.deploy('guides', xmcoh.import_model('guides', decode('$blob', 'hex')));
	$ask}), qr/^t\n\nt$/, 'the extension made again');

# ---- memory ----

# (test/sanitizers.sh sets CHECK_SANITIZER)
my $own_memory = 'a sanitizer keeps memory of its own beside every block of the server';

# The weights take 16 MB. A session must not have its own copy of the weights.
$node->safe_psql('postgres', q{
	SELECT xmcoh.create_model('large', options => '{"hash_bits": 22, "bag_dim": 0, "epochs": 1}');
	SELECT xmcoh.attach_source('large', 'step', document => 'guide', item => 'step', text => 'words',
		"position" => 'place', approved => 'all')});
my $job = $node->safe_psql('postgres', q{SELECT xmcoh.train('large', on_success => 'deploy')});
is($node->safe_psql('postgres', "CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', 'a large model is trained');
$node->safe_psql('postgres', q{SELECT xmcoh.precedes('large', 'open', NULL, 'pack', NULL)});
cmp_ok($node->safe_psql('postgres', q{SELECT bytes FROM xmcoh.versions WHERE model = 'large'}), '>', 16_000_000,
	'it is large');

# Private (anonymous) memory of a session in kB, before and after the first call; the library is loaded before both.
my $private = q{SELECT (regexp_match(pg_read_file('/proc/self/smaps_rollup'), 'Anonymous: +([0-9]+)'))[1]};
my $first_call = $node->safe_psql('postgres', qq{
	SELECT count(*) FROM xmcoh.options();
	$private;
	SELECT xmcoh.precedes('large', 'open part 1', NULL, 'pack part 2', NULL) > 0;
	$private;});
my (undef, $before, undef, $after) = split /\n/, $first_call;
SKIP:
{
	skip $own_memory, 1 if $ENV{CHECK_SANITIZER};
	cmp_ok($after - $before, '<', 2048, 'private memory of a first call, kB');
}
note('private memory of a first call: ', $after - $before, ' kB');

# Each kind of call, failing or succeeding, runs a thousand times. Memory and open files must not grow.
my $calls = <<'SQL';
DO $$
BEGIN
	FOR i IN 1..500 LOOP
		BEGIN
			PERFORM xmcoh.precedes('none', 'a', NULL, 'b', NULL);
		EXCEPTION WHEN undefined_object THEN NULL;
		END;
		BEGIN
			PERFORM xmcoh.precedes('guides', 'a', '{1,2}', 'b', NULL);
		EXCEPTION WHEN data_exception THEN NULL;
		END;
		BEGIN
			PERFORM xmcoh.recover_order('guides', step / 2, words, picture) FROM step WHERE guide = 1;
		EXCEPTION WHEN unique_violation THEN NULL;
		END;
		BEGIN
			PERFORM * FROM xmcoh.order_documents('guides', evidence => 'smell');
		EXCEPTION WHEN invalid_parameter_value THEN NULL;
		END;
		PERFORM xmcoh.precedes('guides', 'open', NULL, 'pack', NULL);
		PERFORM xmcoh.recover_order('guides', step, words, picture), xmcoh.coherence('guides', place, words, picture)
			FROM step WHERE guide = i % 100;
		PERFORM xmcoh.recovered_position('guides', words, picture) OVER () FROM step WHERE guide = i % 100;
		PERFORM * FROM xmcoh.pair_scores('guides', '7');
	END LOOP;
END $$;
SQL
my $measure = q{SELECT sum(total_bytes), (SELECT count(*) FROM pg_ls_dir('/proc/self/fd')),
	(SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmRSS:\s+([0-9]+)'))[1])
		FROM pg_backend_memory_contexts;};
my @rows = split /\n/, $node->safe_psql('postgres', "$calls $calls $measure $calls $calls $measure");
my ($bytes, $files, $rss) = split /\|/, $rows[0];
my ($bytes_later, $files_later, $rss_later) = split /\|/, $rows[1];
cmp_ok($bytes_later - $bytes, '<', 200_000, 'memory contexts do not grow');
SKIP:
{
	skip $own_memory, 1 if $ENV{CHECK_SANITIZER};
	cmp_ok($rss_later - $rss, '<', 2000, 'nor does the process, kB');
}
cmp_ok($files_later, '<=', $files, 'nor its open files');	# the server may close some files

# Scoring a source of five times the size must take no more memory.
$node->safe_psql('postgres', q{
	CREATE TABLE five AS SELECT guide + 100000 * copy AS guide, step, words, picture FROM many,
		generate_series(1, 5) AS copy;
	SELECT xmcoh.attach_source('guides', 'five', document => 'guide', item => 'step', text => 'words',
		image => 'picture');
	SELECT xmcoh.attach_source('guides', 'many', document => 'guide', item => 'step', text => 'words',
		image => 'picture')});
my $peak = q{SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmHWM:\s+([0-9]+)'))[1];};
my %peak;
for my $source ('many', 'five')
{
	my @lines = split /\n/, $node->safe_psql('postgres', "SELECT count(*)
		FROM xmcoh.order_documents('guides', '$source'); $peak");
	($peak{"$source items"}, $peak{$source}) = @lines;
}
is($peak{'five items'}, 5 * $peak{'many items'}, 'five times the documents');
SKIP:
{
	skip $own_memory, 1 if $ENV{CHECK_SANITIZER};
	cmp_ok($peak{five} - $peak{many}, '<', 8000, 'in the same memory, kB');
}

# Every step of a document that lacks its photo competes for every photo without a step; long keys are kept once.
$node->safe_psql('postgres', q{
	CREATE TABLE apart AS SELECT 'apart' AS guide, repeat('k', 20000) || k AS step,
		CASE WHEN k <= 128 THEN (ARRAY['open', 'close'])[1 + k % 2] || ' thing ' || k END AS words,
		CASE WHEN k > 128 THEN ARRAY[k % 7 * 100, k % 5 * -50, k, 1]::real[] END AS picture FROM generate_series(1, 256) AS k;
	SELECT xmcoh.attach_source('guides', 'apart', document => 'guide', item => 'step', text => 'words', image => 'picture')});
my ($photos, $small, $found, $large) = split /\n/, $node->safe_psql('postgres', "
	SELECT count(*) FROM xmcoh.missing_photos('guides', '7', source => 'step'); $peak
	SELECT count(DISTINCT item) > 50 FROM xmcoh.missing_photos('guides', 'apart', 1, source => 'apart'); $peak");
is($found, 't', 'a document with many steps and photos apart');
SKIP:
{
	skip $own_memory, 1 if $ENV{CHECK_SANITIZER};
	cmp_ok($large - $small, '<', 80_000, 'in little memory, kB');
}

done_testing();
