# Tests columns of pgvector's types. xmcoh does not depend on pgvector; where the server does not have it, the tests are skipped.
use strict;
use warnings;

use lib 'test/tap';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest;

my $share = `$ENV{PG_CONFIG} --sharedir`;
chomp $share;
plan skip_all => 'THE SERVER HAS NO pgvector: nothing was tested with its types (Debian 13: postgresql-17-pgvector)'
  if !-e "$share/extension/vector.control";
plan skip_all => 'THE SERVER HAS A pgvector BEFORE 0.7, without halfvec and sparsevec: nothing was tested with its types (Ubuntu 24.04 has 0.6)'
  if slurp_file("$share/extension/vector.control") =~ /^default_version = '0\.[0-6]\./m;

my $node = new_cluster('vectors');
value(q{CREATE EXTENSION vector;
CREATE DOMAIN photo AS vector(8);
CREATE TABLE photo_step AS SELECT m AS manual, s AS step, s AS place, (ARRAY['unpack', 'mount', 'connect', 'test', 'clean'])[s] || ' part ' || m % 7 AS instruction,
	a AS reals, a::vector(8) AS plain, a::halfvec(8) AS half, a::vector(8)::sparsevec(8) AS sparse, a::vector(8)::photo AS domain, a::vector AS loose,
	binary_quantize(a::vector(8))::bit(8) AS bits
	FROM generate_series(1, 60) AS m, generate_series(1, 5) AS s,
		LATERAL (SELECT array_agg((k = s)::int + (m * 31 + s * 17 + k) % 16 / 64.0 ORDER BY k)::real[] AS a FROM generate_series(1, 8) AS k) AS p;
ALTER TABLE photo_step ALTER plain TYPE vector(8), ALTER half TYPE halfvec(8), ALTER sparse TYPE sparsevec(8);
CREATE TABLE empty_step AS TABLE photo_step WITH NO DATA;
CREATE VIEW dense_step AS SELECT manual, step, place, instruction, sparse::vector AS dense, plain || plain AS twice FROM photo_step});

sub attach
{
	my ($model, $relation, $column) = @_;
	return qq{SELECT xmcoh.attach_source('$model', '$relation', 'manual', 'step', text => 'instruction', image => '$column', "position" => 'place', approved => 'all')};
}

# What a type declares counts at once, although there is no row.
value(q{SELECT xmcoh.create_model('wide', image_dim => 16)});
for my $column (qw(plain half domain))
{
	like(fails(attach('wide', 'empty_step', $column)),
		qr/ERROR:  column "$column" of public.empty_step holds embeddings of 8 numbers as image, but the model reads 16\nHINT:  Create a model with image_dim => 8, or name another column\./,
		"$column: another number of dimensions is refused");
}
value(attach('wide', 'empty_step', 'loose'));
pass('a vector without a number of dimensions is accepted while there is no row');
like(fails(attach('wide', 'photo_step', 'loose')), qr/holds embeddings of 8 numbers as image, but the model reads 16/, 'and refused by its first row');

# What has no cast to real[] is told how.
like(fails(attach('wide', 'photo_step', 'sparse')),
	qr/column "sparse" of public.photo_step cannot be read as image: it is of type public\.sparsevec\(8\)\nHINT:  The type of the column must be real\[\].* Attach a view that has sparse::vector as a column\./,
	'sparsevec');
like(fails(attach('wide', 'photo_step', 'plain || plain')), qr/has no column "plain \|\| plain" to be read as image\nHINT:  .* Attach a view that has the expression as a column\./,
	'an expression');
like(fails(attach('wide', 'photo_step', 'bits')), qr/cannot be read as image: it is of type bit\(8\)\nHINT:  The type of the column must be real\[\]/, 'bit');
value(attach('wide', 'dense_step', 'twice'));
pass('a view with an expression');

# The model takes image_dim from the type, without a row; all types give the same scores.
my %scores;
for my $column (qw(reals plain half domain loose))
{
	value(qq{SELECT xmcoh.create_model('$column', options => '{"epochs": 2, "bag_dim": 0}')});
	if ($column ne 'reals' && $column ne 'loose')
	{
		value(attach($column, 'empty_step', $column));
		is(value("SELECT image_dim FROM xmcoh.model WHERE name = '$column'"), 8, "$column: image_dim is that of the type");
		value("SELECT xmcoh.detach_source('$column', 'empty_step')");
	}
	value(attach($column, 'photo_step', $column));
	is(value("SELECT image_dim FROM xmcoh.model WHERE name = '$column'"), 8, "$column: image_dim");
	is(outcome(train($column, q('{}'))) =~ /^(\w+)/ && $1, 'succeeded', "$column: training");
	$scores{$column} = value("SELECT md5(string_agg(concat_ws(' ', d, p::text), ';' ORDER BY d, p::text))
		FROM generate_series(1, 9) AS d, LATERAL xmcoh.pair_scores('$column', d::text) AS p");
	is($scores{$column}, $scores{reals}, "$column: the scores are those of real[]");
}

# Calls take a vector as it is. pgvector's cast of halfvec to real[] is not implicit, so a call needs it in writing.
my $coherence = q{SELECT md5(string_agg(c::text, ' ' ORDER BY manual)) FROM (SELECT manual, xmcoh.coherence('reals', place, instruction, %s) AS c FROM photo_step GROUP BY manual) AS q};
my $wanted = value(sprintf $coherence, 'reals');
is(value(sprintf $coherence, 'plain'), $wanted, 'a call with a vector');
is(value(sprintf $coherence, 'half::real[]'), $wanted, 'a call with a halfvec, with a cast');
like(fails(sprintf $coherence, 'half'), qr/HINT: .*explicit type casts/s, 'a call with a halfvec without a cast: the hint is PostgreSQL\'s');
$node->stop;
done_testing();
