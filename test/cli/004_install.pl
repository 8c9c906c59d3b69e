# Tests where make install puts the client and its manual page, and that make uninstall removes both; and, from PostgreSQL 18 on, an
# extension in a folder of its own.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $bindir = `$ENV{PG_CONFIG} --bindir`;
my $major = (`$ENV{PG_CONFIG} --version` =~ /(\d+)/)[0];
chomp $bindir;

# Runs make. Returns the files of the client below DESTDIR, sorted.
sub make
{
	my ($root, @arguments) = @_;
	my $said;
	IPC::Run::run([ $ENV{MAKE} // 'make', "PG_CONFIG=$ENV{PG_CONFIG}", "DESTDIR=$root", @arguments ], '&>', \$said)
	  or diag($said);
	my @files = map { s/^\Q$root\E//r } split /\n/, `find $root -type f \\( -name xmcoh -o -name 'xmcoh.1*' \\)`;
	return join ' ', sort @files;
}

my $versioned = $bindir =~ /(^|\D)$major(\D|$)/;
my $default = $versioned ? '/usr/local' : $bindir =~ s{/bin$}{}r;
is(make("$dir/a", 'install'), join(' ', sort "$default/bin/xmcoh", "$default/share/man/man1/xmcoh.1"),
	'the client is in /usr/local/bin when bindir belongs to one version of PostgreSQL, else in bindir; its manual page is beside it');
is(make("$dir/a", 'uninstall'), '', 'make uninstall removes both');
is(make("$dir/b", 'CLI_BINDIR=/opt/x/bin', 'install'), '/opt/x/bin/xmcoh /opt/x/share/man/man1/xmcoh.1', 'CLI_BINDIR');
is(make("$dir/c", 'CLI_BINDIR=/opt/x/bin', 'CLI_MANDIR=/man', 'install'), '/man/man1/xmcoh.1 /opt/x/bin/xmcoh', 'CLI_MANDIR');

# The manual page must contain every word of the help text.
my $page = slurp_file("$dir/b/opt/x/share/man/man1/xmcoh.1") =~ s/^\.(TH|SH|SS|TP|PP|B|BR|nf|fi)\b ?//gmr;
$page = lc($page =~ s/\\(.)/$1 eq 'e' ? '\\' : $1/ger);
my ($help, $err) = run_command([ 'xmcoh', '--help' ]);
my @missing = grep { index($page, lc s/:$//r) < 0 } grep { $_ ne 'Usage:' } split ' ', $help;
is("@missing", '', 'the manual page has every word of the help');

SKIP:
{
	skip 'there is no groff', 1 if system('command -v groff >/dev/null') != 0;
	my ($out, $warnings) = run_command([ 'groff', '-man', '-Tascii', '-ww', "$dir/b/opt/x/share/man/man1/xmcoh.1" ]);
	is($warnings, '', 'groff has no warnings');
}

SKIP:
{
	skip 'before PostgreSQL 18 an extension is in the folders of the server', 2 if $major < 18;
	make("$dir/d", 'datadir=/share', 'pkglibdir=/lib', 'install');
	my $node = PostgreSQL::Test::Cluster->new('apart');
	$node->init;
	$node->append_conf('postgresql.conf', qq{extension_control_path = '$dir/d/share:\$system'
dynamic_library_path = '$dir/d/lib:\$libdir'
});
	$node->start;
	is($node->safe_psql('postgres', "CREATE EXTENSION xmcoh; SELECT count(*) > 0 FROM xmcoh.options();
		SELECT pg_read_file('/proc/self/maps') LIKE '%$dir/d/lib/xmcoh.so%'"), "t\nt", 'the extension is loaded from a folder of its own');
	is($node->safe_psql('postgres', q{LOAD 'xmcoh'; SELECT version = extversion FROM pg_get_loaded_modules(), pg_extension
		WHERE module_name = 'xmcoh' AND extname = 'xmcoh'}), 't', 'the library names its release');
	$node->stop;
}

done_testing();
