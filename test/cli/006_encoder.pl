# Tests xmcoh encoder load: an imported text encoder, its licence, another encoding of the database, and files that are missing or wrong.
use strict;
use warnings;

use lib 'test/cli';
use ImportTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

start_cluster();
$node->safe_psql('postgres', 'CREATE EXTENSION xmcoh');

# Writes the files of a tiny encoder into a new folder.
my $folders = 0;
sub published
{
	my ($family) = @_;
	my $folder = "$dir/encoder" . ++$folders;
	system('perl', 'test/encoder/tiny_encoder.pl', $folder, $family // 'bert') == 0 or die;
	return $folder;
}

sub load_fails
{
	my ($what, $message, @arguments) = @_;
	command_checks_all([ 'xmcoh', 'encoder', 'load', @connection, @arguments ], 1, [qr/^$/], [$message], $what);
}

# ---- import ----

my $folder = published();
command_checks_all([ 'xmcoh', 'encoder', 'load', @connection, 'tiny', $folder ], 0,
	[qr/^encoder "tiny" was imported: bert, 2 layers, vectors of 16 numbers$/], [qr/^$/], 'an encoder');
is_sql(q{SELECT pooling, normalised, license IS NULL FROM xmcoh.encoders}, 'mean|t|t', 'with what the further files say, without a licence');
is_sql(q{SELECT cardinality(xmcoh.embed('tiny', 'cut the wood'))}, '16', 'which makes vectors');
unlink "$folder/modules.json", "$folder/1_Pooling/config.json", "$folder/sentence_bert_config.json";
append_to_file("$folder/LICENSE", "Permission is granted.\n");
command_ok([ 'xmcoh', 'encoder', 'load', @connection, 'bare', "$folder/" ], 'without the files that are not needed');
is_sql(q{SELECT normalised, license FROM xmcoh.encoders WHERE encoder = 'bare'}, "f|Permission is granted.", 'LICENSE is the licence');
append_to_file("$dir/other license", 'No permission.');
command_ok([ 'xmcoh', 'encoder', 'load', @connection, 'named "x"', $folder, '--license', "$dir/other license" ], 'with a file of the licence');
is_sql(q{SELECT license FROM xmcoh.encoders WHERE encoder = 'named "x"'}, 'No permission.', 'which is taken');

# Characters of the vocabulary that the database's encoding lacks arrive as escapes, so the encoder is the same.
my $languages = published('xlm-roberta');
command_ok([ 'xmcoh', 'encoder', 'load', @connection, 'languages', $languages ], 'another family');
$node->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
$node->safe_psql('latin', 'CREATE EXTENSION xmcoh');
for my $name ('tiny', 'languages')
{
	my $from = $name eq 'tiny' ? published() : $languages;
	command_ok([ 'xmcoh', 'encoder', 'load', '-h', $node->host, '-p', $node->port, '-d', 'latin', $name, $from ], "$name in a database of encoding LATIN1");
	my ($here, $there) = map { $node->safe_psql($_, "SELECT sha256 FROM xmcoh.encoders WHERE encoder = '$name'") } 'postgres', 'latin';
	is($there, $here, 'is the same file');
	($here, $there) = map { $node->safe_psql($_, qq{SELECT xmcoh.embed('$name', U&'caf\\00e9 box')}) } 'postgres', 'latin';
	is($there, $here, 'and makes the same vector');
}

# ---- what is refused ----

load_fails('a name that is taken', qr/^xmcoh: error: ERROR:  encoder "tiny" already exists$/m, 'tiny', $folder);
load_fails('no folder', qr/^xmcoh: error: folder "\S*none" has no file model\.safetensors\nxmcoh: hint: A text encoder is published as/, 'new', "$dir/none");
load_fails('a file for a folder', qr/^xmcoh: error: could not open file "\S*config\.json\/model\.safetensors": Not a directory$/, 'new', "$folder/config.json");
for my $missing ('model.safetensors', 'config.json', 'tokenizer.json')
{
	my $lacking = published();
	unlink "$lacking/$missing" or die;
	load_fails("no $missing", qr/^xmcoh: error: folder "\Q$lacking\E" has no file \Q$missing\E\n/, 'new', $lacking);
	append_to_file("$lacking/$missing", '[]');
	load_fails("a $missing of two bytes", qr/^xmcoh: error: ERROR: .*\Q$missing\E/, 'new', $lacking);
}
load_fails('no such licence', qr/could not open file "\S*none": No such file/, 'new', $folder, '--license', "$dir/none");
my $large = published();
truncate "$large/model.safetensors", 1 << 30 or die;
load_fails('weights of 1 GB', qr/^xmcoh: error: file "\S*model\.safetensors" is larger than \d+ bytes\nxmcoh: hint: .*F16/, 'new', $large);
is_sql(q{SELECT count(*) FROM xmcoh.encoders WHERE encoder = 'new'}, '0', 'none of these is there');
command_fails_like([ 'xmcoh', 'encoder', 'load', @connection, '-d', 'template1', 'new', $folder ], qr/schema "xmcoh" does not exist/, 'a database without the extension');

for ([ 'encoder', 'encoder needs load' ], [ 'encoder load', 'needs a name and a folder' ], [ 'encoder load tiny', 'needs a name and a folder' ],
	[ 'encoder load --all', 'invalid option of encoder load' ])
{
	my ($arguments, $message) = @$_;
	command_checks_all([ 'xmcoh', split ' ', $arguments ], 2, [qr/^$/], [qr/$message/], "wrong arguments: $arguments");
}

$node->stop;
done_testing();
