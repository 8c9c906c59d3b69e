# Tests that the private memory of a session does not grow when the session calls each scoring function many times.
# Each function is called 10,000 times if XMCOH_LONG_TESTS=1.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use List::Util qw(min);
use XmcohTest qw(trained_cluster);

# test/sanitizers.sh sets CHECK_SANITIZER.
plan skip_all => 'a sanitizer keeps freed blocks for a while' if $ENV{CHECK_SANITIZER};

my $long = $ENV{XMCOH_LONG_TESTS};
my $warmup = 500;
my $calls = $long ? 10_000 : 2_000;

# The permitted growth of the private memory (RssAnon) in half of the calls, in kB: less than 33 bytes per call. malloc and the
# catalog caches do not return to their initial size, and may take some blocks once. A leak grows in both halves.
my $tolerance = 32;

my $node = trained_cluster('main', "max_parallel_workers_per_gather = 0\nfsync = off\nautovacuum = off");
$node->safe_psql('postgres', q{
CREATE TABLE few AS SELECT * FROM step WHERE guide <= 10;
SELECT xmcoh.attach_source('guides', 'few', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
CREATE TABLE apart AS SELECT guide, step, place, words, NULL::real[] AS picture FROM few UNION ALL SELECT guide, step + 100, NULL, NULL, picture FROM few;
SELECT xmcoh.attach_source('guides', 'apart', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
-- candidates are read from all sources of a model, which must not share items
SELECT xmcoh.import_model('alone', xmcoh.export_model('guides')), xmcoh.deploy('alone', 1);
SELECT xmcoh.attach_source('alone', 'few', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place', approved => 'all');
ANALYZE});

my %function = (
	precedes => q{xmcoh.precedes('guides', 'open part ' || i, '{0.1,0.2,0.3,1}', 'pack', NULL)},
	order_score => q{xmcoh.order_score('guides', 'open part ' || i, '{0.1,0.2,0.3,1}', 'pack', NULL)},
	coherence => q{xmcoh.coherence('guides', place, words, picture) FROM few WHERE guide = 1 + i % 10},
	recover_order => q{xmcoh.recover_order('guides', step, words, picture) FROM few WHERE guide = 1 + i % 10},
	'recover_order of texts' => q{xmcoh.recover_order('guides', step::text, words, picture, NULL, 'image guided') FROM few WHERE guide = 1 + i % 10},
	recovered_position => q{xmcoh.recovered_position('guides', words, picture) OVER () FROM few WHERE guide = 1 + i % 10},
	order_documents => q{* FROM xmcoh.order_documents('guides', 'few')},
	pair_scores => q{* FROM xmcoh.pair_scores('guides', (1 + i % 10)::text, 'apart')},
	explain => q{* FROM xmcoh.explain('guides', (1 + i % 10)::text, '1', '2', source => 'apart')},
	picture => q{xmcoh.picture('guides', 'order', (1 + i % 10)::text, source => 'apart')},
	explain_document => q{* FROM xmcoh.explain_document('guides', (1 + i % 10)::text, 'apart')},
	model_words => q{* FROM xmcoh.model_words('guides', 5, 'few')},
	check_documents => q{* FROM xmcoh.check_documents('guides', 'apart', ARRAY[(1 + i % 10)::text])},
	alignment => q{* FROM xmcoh.alignment('guides', (1 + i % 10)::text, 'apart')},
	is_complete => q{xmcoh.is_complete('guides', (1 + i % 10)::text, 'apart')},
	missing_steps => q{* FROM xmcoh.missing_steps('alone', (1 + i % 10)::text, 3)},
	missing_photos => q{* FROM xmcoh.missing_photos('guides', (1 + i % 10)::text, 3, 'apart', 'apart')},
	evaluate => q{* FROM xmcoh.evaluate('guides', 'few')},
	'evaluate by a column' => q{* FROM xmcoh.evaluate('guides', 'few', by => 'guide')},
	'evaluate by the record' => q{* FROM xmcoh.evaluate('alone', documents => ARRAY[(1 + i % 10)::text])},
	check_groups => q{* FROM xmcoh.check_groups('guides', 'guide', 'apart', ARRAY[(1 + i % 10)::text], photos => true)},
	# Calls that end in an error are tested, too.
	'an error' => q{xmcoh.precedes('guides', 'open', '{1,2}', 'pack', NULL)},
	'an error in an aggregate' => q{xmcoh.recover_order('guides', step / 2, words, picture) FROM few WHERE guide = 1},
	'an error in a source' => q{* FROM xmcoh.order_documents('guides', 'few', evidence => 'smell')});
# These functions read the whole source, so they are called less often in the short run.
my %slow = map { $_ => !$long } ('order_documents', 'missing_steps', 'missing_photos', 'evaluate', 'evaluate by a column');

# Each call runs in its own transaction, as in a session of a connection pool.
sub repeat
{
	my ($what, $times) = @_;
	return $what =~ /^an error/ ? qq{
DO \$\$
BEGIN
	FOR i IN 1 .. $times LOOP
		BEGIN
			PERFORM $function{$what};
			RAISE 'no error';
		EXCEPTION WHEN data_exception OR unique_violation OR invalid_parameter_value THEN NULL;
		END;
		COMMIT;
	END LOOP;
END \$\$;
} : qq{
DO \$\$
BEGIN
	FOR i IN 1 .. $times LOOP
		PERFORM $function{$what};
		COMMIT;
	END LOOP;
END \$\$;
};
}

my $memory = q{SELECT (regexp_match(pg_read_file('/proc/self/status'), 'RssAnon:\s+([0-9]+)'))[1];};
for my $what (sort keys %function)
{
	my $times = $slow{$what} ? $calls / 10 : $calls;
	my $half = repeat($what, $times / 2);
	my @rss = split /\n/, $node->safe_psql('postgres',
		$memory . repeat($what, $slow{$what} ? $warmup / 10 : $warmup) . $memory . $half . $memory . $half . $memory);
	my @growth = ($rss[2] - $rss[1], $rss[3] - $rss[2]);
	cmp_ok(min(@growth), '<=', $tolerance, "$times calls of $what: private memory is flat");
	note(sprintf '%s: %d kB, then %+d and %+d kB', $what, $rss[1], @growth);
}
$node->stop;
done_testing();
