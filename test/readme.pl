# readme.pl - runs the SQL of README.md and of doc/dashboards.md and compares the outputs of psql with the text: readme.pl [--write] DATA
#
# readme.sh and check.sh run this script in the top folder, with the environment of a running server. DATA is the data folder of
# the server. All blocks ```sql run in the order of the file in one session of `psql -X` in a fresh database. The block ```text
# after a block ```sql must have the output of psql. Spaces at the ends of lines, and empty lines around the output, do not count.
# The queries of doc/dashboard/grafana.json run after doc/dashboards.md, in the same database.
#
# A comment in the line above a block ```sql changes that:
#
#     <!-- not run: REASON -->        the block is not run
#     <!-- not compared: REASON -->   the block is run, must not raise an error, and its output is not compared
#     <!-- launcher -->               the server is restarted with xmcoh in shared_preload_libraries before the block
#
# README.ja.md must have the same blocks ```sql, and the same output if a block has an output there. The script prints TAP.
# --write puts the outputs into both files instead.
use strict;
use warnings;

use JSON::PP;

my $write = @ARGV > 1 && $ARGV[0] eq '--write' && shift @ARGV;
my ($data) = @ARGV;
my $database;				# of the present file
my $launcher = 0;			# the server was restarted with xmcoh in shared_preload_libraries
my $tests = 0;
my $failed = 0;

# The blocks ```sql of a file, with: line (number of the first line), sql, mark and reason (of the comment above), indent, shown
# (the text of the block ```text after it; undef: there is none), from and to (its lines; equal: where it belongs).
sub blocks
{
	my @lines = @_;
	my @blocks;
	for (my $k = 0; $k < @lines; $k++)
	{
		next if $lines[$k] !~ /^(\s*)```sql\s*$/;
		my %block = (line => $k + 1, sql => '', mark => '', reason => '', indent => $1);
		@block{qw(mark reason)} = ($1, $2 // '')
		  if $k > 0 && $lines[ $k - 1 ] =~ /^\s*<!--\s*(not run|not compared|launcher)(?::\s*(.*?))?\s*-->\s*$/;
		$block{sql} .= unindent($block{indent}, $lines[$k]) while ++$k < @lines && $lines[$k] !~ /^\s*```\s*$/;
		@block{qw(from to)} = ($k + 1, $k + 1);
		my $next = $k + 1;
		$next++ while $next < @lines && $lines[$next] =~ /^\s*$/;
		if ($next < @lines && $lines[$next] =~ /^\s*```text\s*$/)
		{
			@block{qw(from shown)} = ($next, '');
			$block{shown} .= unindent($block{indent}, $lines[$next]) while ++$next < @lines && $lines[$next] !~ /^\s*```\s*$/;
			$block{to} = $next + 1;
		}
		push @blocks, \%block;
	}
	return @blocks;
}

sub unindent
{
	my ($indent, $line) = @_;
	return $line =~ s/^\Q$indent\E//r;
}

sub lines_of
{
	my ($file) = @_;
	open my $in, '<:encoding(UTF-8)', $file or return;
	return <$in>;
}

# Runs the blocks in one session of psql and stores what it printed as `output`.
sub run_session
{
	my @blocks = @_;
	return unless @blocks;
	my $script = join '', map { "\\echo <<block $_>>\n$blocks[$_]{sql}\n" } 0 .. $#blocks;
	open my $out, '>:encoding(UTF-8)', "$data/readme.sql" or die "$data/readme.sql: $!";
	print $out $script;
	close $out;
	system("psql -X -d $database <'$data/readme.sql' >'$data/readme.out' 2>&1");
	my $printed = join '', lines_of("$data/readme.out");
	$blocks[$1]{output} = tidy($2) while $printed =~ /^<<block (\d+)>>\n(.*?)(?=^<<block \d+>>$|\z)/gms;
	$_->{output} //= '' for @blocks;
}

sub tidy
{
	my ($text) = @_;
	$text =~ s/[ \t]+$//gm;
	$text =~ s/\A\n+//;
	$text =~ s/\n+\z//;
	return $text eq '' ? '' : "$text\n";
}

sub run_all
{
	my @blocks = @_;
	my @session;
	run_command("createdb $database");
	for my $block (@blocks)
	{
		if ($block->{mark} eq 'launcher' && !$launcher++)
		{
			run_session(@session);
			@session = ();
			run_command(q(psql -Xqd postgres -c "ALTER SYSTEM SET shared_preload_libraries = 'xmcoh'"));
			run_command("pg_ctl --pgdata='$data' --log='$data/server.log' --wait restart >/dev/null");
		}
		push @session, $block if $block->{mark} ne 'not run';
	}
	run_session(@session);
}

sub run_command
{
	system($_[0]) == 0 or die "$_[0] failed";
}

sub ok
{
	my ($holds, $what, @details) = @_;
	$tests++;
	$failed++ unless $holds;
	print $holds ? '' : 'not ', "ok $tests - $what\n";
	print "#   $_\n" for $holds ? () : map { split /\n/ } @details;
}

sub check_blocks
{
	my ($file, @blocks) = @_;
	for my $block (@blocks)
	{
		my ($first) = $block->{sql} =~ /^(.*)/;
		my $what = "$file:$block->{line}: " . substr $first, 0, 90;
		if ($block->{mark} =~ /^not/)
		{
			ok($block->{reason} ne '', "$what ($block->{mark}: $block->{reason})", "the comment gives no reason");
			ok($block->{output} !~ /^(ERROR|FATAL|PANIC):/m, "$what: no error", $block->{output}) if $block->{mark} eq 'not compared';
			next;
		}
		my $shown = tidy($block->{shown} // '');
		ok($shown eq $block->{output}, $what, "$file shows:", map({ "  $_" } split /\n/, $shown), 'psql prints:',
			map({ "  $_" } split /\n/, $block->{output}));
	}
}

# The Japanese text: the same SQL, and no other output.
sub check_translation
{
	my ($original, $translated) = @_;
	ok(@$original == @$translated, 'README.ja.md has as many blocks of SQL as README.md',
		@$original . ' in README.md, ' . @$translated . ' in README.ja.md');
	for my $k (0 .. ($#$original < $#$translated ? $#$original : $#$translated))
	{
		my ($a, $b) = ($original->[$k], $translated->[$k]);
		ok($a->{sql} eq $b->{sql} && (!defined $b->{shown} || tidy($b->{shown}) eq tidy($a->{shown} // '')),
			"README.ja.md:$b->{line} is README.md:$a->{line}", 'README.md:', map({ "  $_" } split /\n/, $a->{sql} . ($a->{shown} // '')),
			'README.ja.md:', map({ "  $_" } split /\n/, $b->{sql} . ($b->{shown} // '')));
	}
}

# Puts the outputs into the file, after the blocks that are compared.
sub write_outputs
{
	my ($file, $lines, $blocks, $outputs) = @_;
	for my $k (reverse 0 .. $#$blocks)
	{
		my $block = $blocks->[$k];
		my $output = $outputs->[$k]{output};
		next if $outputs->[$k]{mark} =~ /^not/ || !defined $output;
		my @new = $output eq '' ? () : map { "$_\n" } '```text', split(/\n/, $output), '```';
		@new = ("\n", @new) if @new && !defined $block->{shown};
		splice @$lines, $block->{from}, $block->{to} - $block->{from}, map { $_ eq "\n" ? $_ : $block->{indent} . $_ } @new;
	}
	open my $out, '>:encoding(UTF-8)', $file or die "$file: $!";
	print $out @$lines;
	close $out;
}

# Panels of a dashboard of Grafana that have an own number and place, and whose queries run, with Grafana's variables and macros
# written out.
sub check_dashboard
{
	my ($file) = @_;
	my $dashboard = decode_json(join '', do { open my $in, '<', $file or die "$file: $!"; <$in> });
	my (%number, %cell);
	for my $panel (@{ $dashboard->{panels} })
	{
		my ($x, $y, $w, $h) = @{ $panel->{gridPos} }{qw(x y w h)};
		my @cells = map { my $row = $_; map { "$_ $row" } $x .. $x + $w - 1 } $y .. $y + $h - 1;
		ok(!$number{ $panel->{id} }++ && $x + $w <= 24 && !grep({ $cell{$_}++ } @cells), "$file: panel \"$panel->{title}\" has its own place");
	}
	my @queries = (map({ [ $_->{title}, $_->{targets}[0] ] } @{ $dashboard->{panels} }),
		map({ [ $_->{name}, $_->{target} ] } @{ $dashboard->{annotations}{list} }),
		map({ [ $_->{name}, { rawSql => $_->{query}, format => 'table' } ] } grep { $_->{type} eq 'query' } @{ $dashboard->{templating}{list} }));
	for (@queries)
	{
		my ($title, $target) = @$_;
		my $sql = $target->{rawSql} =~ s/\$model\b/manuals/gr =~ s/\$__timeFilter\(([^)]*)\)/$1 BETWEEN now() - interval '90 days' AND now()/gr;
		open my $out, '>', "$data/dashboard.sql" or die "$data/dashboard.sql: $!";
		print $out "\\pset tuples_only off\n$sql;\n";
		close $out;
		my $printed = `psql -XqA -d $database -f '$data/dashboard.sql' 2>&1`;
		ok($printed !~ /ERROR:/ && ($target->{format} eq 'table' || $printed =~ /^time\|/), "$file: query of \"$title\"", $sql, $printed);
	}
}

binmode STDOUT, ':encoding(UTF-8)';
my @lines = lines_of('README.md');
my @translated_lines = lines_of('README.ja.md');
my @blocks = blocks(@lines);
my @translated = blocks(@translated_lines);
my @page_lines = lines_of('doc/dashboards.md');
my @page = blocks(@page_lines);
$database = 'readme';
run_all(@blocks);
$database = 'dashboards';
run_all(@page);
if ($write)
{
	write_outputs('README.md', \@lines, \@blocks, \@blocks);
	write_outputs('README.ja.md', \@translated_lines, \@translated, \@blocks) if @translated == @blocks;
	write_outputs('doc/dashboards.md', \@page_lines, \@page, \@page);
	exit 0;
}
check_blocks('README.md', @blocks);
check_translation(\@blocks, \@translated);
check_blocks('doc/dashboards.md', @page);
check_dashboard('doc/dashboard/grafana.json');
print "1..$tests\n";
exit($failed > 0);
