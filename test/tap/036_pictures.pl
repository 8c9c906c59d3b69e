# Tests that pictures and the report are well-formed by an independent parser (xmllint), with hostile texts in them, in English and
# Japanese, in databases with and without UTF-8; and that the client writes the same page.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;

my $node = new_cluster('pictures', "max_worker_processes = 8\n");
my $folder = PostgreSQL::Test::Utils::tempdir();
my $options = q('{"d_model": 16, "heads": 2, "feed_forward": 16, "hash_bits": 10, "bag_dim": 0, "epochs": 4, "find_groups": 0}');

# Writes a text and lets xmllint read it.
sub lint
{
	my ($text, $what) = @_;
	open my $file, '>:raw', "$folder/picture.svg" or die;
	print $file $text;
	close $file;
	my ($out, $err) = run_command([ 'xmllint', '--noout', '--nonet', "$folder/picture.svg" ]);
	is($err, '', "$what is well-formed");
}

for my $database (qw(utf8 latin1))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$database' LC_COLLATE 'C' LC_CTYPE 'C'");
	# 60 manuals are approved; one has hostile texts and keys. Documents and photos of their own rows make an alignment.
	$node->safe_psql($database, qq{
		CREATE EXTENSION xmcoh;
		CREATE TABLE step AS SELECT 'm' || m AS manual, s AS step, s AS place, (ARRAY['unpack', 'mount', 'wire', 'test'])[s] || ' part ' || m % 7 AS words,
			ARRAY[s * 0.2, m % 5 * 0.1, 1]::real[] AS photo, m <= 60 AS ok FROM generate_series(1, 64) AS m, generate_series(1, 4) AS s;
		ALTER TABLE step ALTER step TYPE text;
		INSERT INTO step VALUES ('</text><script>', '"><b>', 1, '</svg><script>alert(1)</script>', NULL, false), ('</text><script>', E'\\x01', 2, E'\\x02\\x1f\\x7f&amp;<!--', NULL, false),
			('</text><script>', '{0}', 3, repeat(chr(233), 500), NULL, false), ('</text><script>', 'a photo', 4, NULL, '{0.2,0.1,1}', false);
		UPDATE step SET place = 5 - place WHERE manual = 'm61';
		SELECT xmcoh.create_model('m<&">', image_dim => 3, options => $options);
		SELECT xmcoh.attach_source('m<&">', 'step', 'manual', 'step', text => 'words', image => 'photo', "position" => 'place', approved => 'ok');
	});
	my $job = $node->safe_psql($database, q{SELECT xmcoh.train('m<&">', rounds => 1)});
	is($node->safe_psql($database, "CALL xmcoh.wait_for_job($job, '100 s')"), 'succeeded', "$database: trained");
	for my $language (qw(en ja))
	{
		for my $what (qw(pairs order alignment))
		{
			my $svg = $node->safe_psql($database, qq{SELECT xmcoh.picture('m<&">', '$what', '</text><script>', '$language')});
			lint($svg, "$database, $language: $what of hostile texts");
			unlike($svg, qr/<script/, 'without their markup');
			unlike($svg, qr/[^\x00-\x7f]/, 'in ASCII') if $database eq 'latin1';
		}
		lint($node->safe_psql($database, qq{SELECT xmcoh.picture('m<&">', 'rounds', language => '$language')}), "$database, $language: rounds");
	}
	my $page = $node->safe_psql($database, q{SELECT xmcoh.report('m<&">', documents => 50)});
	unlike($page, qr/<script|<b>/, "$database: report without the markup of texts");
	my @pictures = $page =~ /(<svg .*?<\/svg>)/gs;
	cmp_ok(scalar(@pictures), '>=', 3, 'with pictures');
	lint($_, "$database: a picture of the report") for @pictures;
	my ($out, $err) = run_command([ 'xmcoh', 'report', '-h', $node->host, '-p', $node->port, '-d', $database, 'm<&">', '--html', '--documents', '50' ]);
	is(scalar(() = $out =~ /<svg /g), scalar(@pictures), 'the client writes the page');
}

$node->stop;
done_testing();
