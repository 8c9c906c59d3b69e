# Tests what describes the extension to packagers: one version everywhere, and META.json after the rules of PGXN
# (https://pgxn.org/meta/spec.txt).
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

sub found
{
	my ($file, $pattern) = @_;
	return slurp_file($file) =~ $pattern ? $1 : "no version in $file";
}

my $meta = decode_json(slurp_file('META.json'));

# The extension's version has two numbers, which name its scripts; PGXN and packages have a third one.
my $version = found('xmcoh.control', qr/^default_version = '([^']+)'$/m);
like($version, qr/^\d+\.\d+$/, 'the control file has a version of two numbers');
like($meta->{version}, qr/^\Q$version\E\.\d+$/, 'META.json has that version');
is($meta->{provides}{xmcoh}{version}, $meta->{version}, 'META.json has one version');
is(found('debian/changelog', qr/\Axmcoh \(([^-)]+)-[^)]+\) /), $meta->{version}, 'debian/changelog has the version of META.json');
ok(-e "sql/xmcoh--$version.sql", 'make has made the script of that version');

# Returns what is wrong with the value of a key.
sub wrong
{
	my ($key, $value, $pattern) = @_;
	return !defined $value ? ("no $key") : ref $value || $value !~ $pattern ? ("$key: " . encode_json([$value])) : ();
}

my $number = qr/^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+)?$/;
my $word = qr/^[^\s\/\\[:cntrl:]]{2,}$/;
my @wrong = (
	wrong('name', $meta->{name}, $word),
	wrong('version', $meta->{version}, $number),
	wrong('abstract', $meta->{abstract}, qr/^\S.*\S$/),
	wrong('maintainer', $meta->{maintainer}, qr/\S/),
	wrong('license', $meta->{license}, qr/^postgresql$/),
	wrong('release_status', $meta->{release_status}, qr/^(stable|testing|unstable)$/),
	wrong('version of meta-spec', $meta->{'meta-spec'}{version}, qr/^1\.0\.0$/),
	wrong('url of meta-spec', $meta->{'meta-spec'}{url}, qr/^https:\/\/pgxn\.org\/meta\/spec\.txt$/),
	map({ wrong('tag', $_, qr/^[^\/\\[:cntrl:]]{2,255}$/) } @{ $meta->{tags} }));
for my $name (keys %{ $meta->{provides} })
{
	my $extension = $meta->{provides}{$name};
	push @wrong, wrong("version of $name", $extension->{version}, $number), wrong("abstract of $name", $extension->{abstract}, qr/\S/);
	push @wrong, map { -e ($extension->{$_} // '') ? () : "no $_ of $name" } qw(file docfile);
}
for my $phase (keys %{ $meta->{prereqs} })
{
	push @wrong, "phase $phase" if $phase !~ /^(configure|build|test|runtime|develop)$/;
	for my $relation (keys %{ $meta->{prereqs}{$phase} })
	{
		my $wanted = $meta->{prereqs}{$phase}{$relation};
		push @wrong, "relation $relation" if $relation !~ /^(requires|recommends|suggests|conflicts)$/;
		push @wrong, map { wrong("version of $_", $wanted->{$_}, qr/^(0|\d+\.\d+\.\d+)$/) } keys %$wanted;
	}
}
my %known = map { $_ => 1 } qw(name version abstract maintainer license provides meta-spec description generated_by tags no_index prereqs
  release_status resources);
push @wrong, map { /^x_/i || $known{$_} ? () : "unknown key $_" } keys %$meta;
is(join('; ', @wrong), '', 'META.json has what PGXN asks for');

SKIP:
{
	skip 'there is no pgxn_meta', 1 if system('command -v pgxn_meta >/dev/null') != 0;
	command_ok([ 'pgxn_meta', 'META.json' ], 'PGXN\'s own validator accepts META.json');
}

done_testing();
