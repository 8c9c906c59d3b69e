# Tests xmcoh review: pairs are exported as CSV, and the answers of a spreadsheet become decisions, all of them or none.
use strict;
use warnings;
use lib 'test/cli';
use ImportTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $file_number = 0;

sub value { return $node->safe_psql('postgres', $_[0]); }

# Splits the text of a CSV file with commas into rows, each a reference to its fields.
sub parse
{
	my ($text) = @_;
	my @rows = ([]);
	$text =~ s/^\xef\xbb\xbf//;
	while ($text =~ /\G(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/gc)
	{
		push @{ $rows[-1] }, defined $1 ? $1 =~ s/""/"/gr : $2;
		push @rows, [] if $3 eq "\n";
	}
	pop @rows;
	return @rows;
}

# The text of a CSV file. Every field is in quotes.
sub csv
{
	my ($separator, $end, @rows) = @_;
	return join '', map { join($separator, map { '"' . s/"/""/gr . '"' } @$_) . $end } @rows;
}

# Exports the queue. Returns the first row, and the other rows by column.
sub export
{
	my (@arguments) = @_;
	my ($out, $err) = run_command([ 'xmcoh', 'review', 'export', @connection, 'reviewed', @arguments ]);
	unlike($err, qr/error/, "export @arguments");
	my ($header, @rows) = parse("$out\n");	# run_command cuts off the last end of line
	return ($header, map { my %row; @row{@$header} = @$_; \%row } @rows);
}

# Writes the rows to a new file.
sub sheet
{
	my ($header, @rows) = @_;
	return file('answers' . ++$file_number . '.csv', csv(',', "\n", $header, map { [ @$_{@$header} ] } @rows));
}

sub import_like
{
	my ($what, $path, $out, @arguments) = @_;
	command_checks_all([ 'xmcoh', 'review', 'import', @connection, $path, @arguments ], 0, [$out], [qr/^((NOTICE|DETAIL): .*\n)*$/], $what);
}

# The import of the file is refused: standard error matches every pattern, and there is no new decision.
sub refused
{
	my ($what, $path, @patterns) = @_;
	my $before = value('SELECT count(*), max(decision_id) FROM xmcoh.decision');
	command_checks_all([ 'xmcoh', 'review', 'import', @connection, $path ], 1, [qr/^$/], \@patterns, $what);
	is(value('SELECT count(*), max(decision_id) FROM xmcoh.decision'), $before, "$what: no decision");
}

sub decisions
{
	return value(q(SELECT coalesce(string_agg(concat_ws(' ', kind, document, items[1], items[2], note), '; ' ORDER BY decision_id), '')
		FROM xmcoh.decision WHERE withdrawn_by IS NULL AND kind <> 'withdrawal' AND decision_id > ) . ($_[0] // 0));
}

start_cluster();
# Keys that a spreadsheet would change, and texts with all that CSV has to quote.
$node->safe_psql('postgres', q(
	CREATE EXTENSION xmcoh;
	CREATE TABLE step (doc text, id text, place int, words text);
	INSERT INTO step
	SELECT CASE d WHEN 201 THEN '007' WHEN 202 THEN '=doc' WHEN 203 THEN '3-4' ELSE d::text END, '0' || d || '.' || p, p,
	       (ARRAY['open', 'drain', 'loosen', 'clean', 'insert', 'tighten'])[p] || ' item ' || (d * 7 + p * 3) % 50 ||
	       CASE WHEN d > 200 THEN (ARRAY[', "hot"; a', E'\n\u30d0\u30eb\u30d6', E'\tb', '', ' = 1', E'\r\nx'])[p] ELSE '' END
	  FROM generate_series(1, 206) AS d, generate_series(1, 6) AS p;
	UPDATE step SET words = '=' || words WHERE doc = '204' AND place = 1;
	UPDATE step SET words = E'\uff1d' || words, doc = E'\uff0b205' WHERE doc = '205';
	UPDATE step SET words = NULL WHERE doc = '204' AND place = 2;
	CREATE VIEW taught AS SELECT * FROM step WHERE doc ~ '^\d+$' AND doc::int BETWEEN 8 AND 200;
	CREATE VIEW open AS SELECT * FROM step WHERE doc !~ '^\d+$' OR doc::int NOT BETWEEN 8 AND 200;
	SELECT xmcoh.create_model('reviewed');
	SELECT xmcoh.attach_source('reviewed', 'taught', document => 'doc', item => 'id', text => 'words', "position" => 'place', approved => 'all');
	SELECT xmcoh.attach_source('reviewed', 'open', document => 'doc', item => 'id', text => 'words', "position" => 'place');
));
command_fails_like([ 'xmcoh', 'review', 'export', @connection, 'reviewed' ], qr/no deployed version/, 'export before any training');
my $job = value(q(SELECT xmcoh.train('reviewed', '{"epochs": 3}')));
value("CALL xmcoh.wait_for_job($job)");

# ---- export ----

my ($header, @rows) = export('--csv', '-n', '40', '--source', 'open');
is("@$header", 'rank document before_text after_text answer note probability reason value model before_item after_item seen', 'columns');
cmp_ok(scalar @rows, '>=', 12, 'rows');
my $formula = qr/^(?:[=+\-@\t\r]|\xef\xbc[\x9d\x8b\x8d\xa0])/;
my @shown = map { @$_{qw(document before_text after_text before_item after_item)} } @rows;
is((grep { /$formula/ } @shown), 0, 'no field begins as a formula');
cmp_ok((grep { s/^'//r =~ /$formula/ } @shown), '>', 3, 'though keys and texts do');
is((grep { $_->{answer} ne '' || $_->{note} ne '' } @rows), 0, 'answers and notes are empty');
my @three = export('-n', '3', '--source', 'open');
is(scalar @three, 1 + 3, '-n is the number of rows');
my $path = "$dir/queue.csv";
command_ok([ 'xmcoh', 'review', 'export', @connection, 'reviewed', '-n', '5', '--separator', ';', '-o', $path ], 'a new file');
my $written = slurp_file($path);
like($written, qr/^\xef\xbb\xbfrank;document;/, 'a byte order mark, and semicolons');
command_fails_like([ 'xmcoh', 'review', 'export', @connection, 'reviewed', '-o', $path ], qr/exists\nxmcoh: hint: Answers may be in it/,
	'a file with answers is not replaced');
is(slurp_file($path), $written, 'and stays as it was');
command_fails_like([ 'xmcoh', 'review', 'export', @connection, 'none' ], qr/model "none" does not exist/, 'an unknown model');
command_fails_like([ 'xmcoh', 'review', 'export', @connection, 'reviewed', '-n', 'many' ], qr/invalid input syntax for type integer/,
	'a number of pairs that is none');
command_fails_like([ 'xmcoh', 'review', 'export', @connection, 'reviewed', '--separator', '|' ], qr/must be a comma, a semicolon or a tab/,
	'a separator that import would not read');

my ($h, @held) = export('-n', '3', '--lease', '1 hour');
is(value('SELECT count(*) FROM xmcoh.review_claim'), '3', '--lease: the role holds the pairs');
export('-n', '0', '--lease', '1 hour');

# ---- import ----

# The first row of each document, so that no answer contradicts another; first the document with an item that has no text.
my %of;
$of{ $_->{document} } //= $_ for @rows;
my ($one, $two, $three, $four) = map { $of{$_} } sort { ($b eq '204') <=> ($a eq '204') || $a cmp $b } keys %of;

sub keys_of { my ($row, $turned) = @_; return join ' ', map { s/^'//r } @$row{ 'document', $turned ? qw(after_item before_item) : qw(before_item after_item) }; }
my $wanted = join '; ', 'before ' . keys_of($one), 'before ' . keys_of($two, 1) . ' see "drawing"', 'either ' . keys_of($three), 'skip ' . keys_of($four);
my @answers = ({ %$one, answer => 'before' }, { %$two, answer => ' After ', note => 'see "drawing"' }, { %$three, answer => 'EITHER' }, { %$four, answer => 'skip' });
my @all = (@answers, { %{ $rows[-1] }, answer => '' });
my $file = sheet($header, @all);

import_like('a dry run', $file, qr/^4 answers can be imported, 1 rows without an answer; dry run: nothing was changed$/, '--dry-run');
is(decisions(), '', 'decides nothing');
import_like('an import', $file, qr/^4 answers imported, 1 rows without an answer$/);
is(decisions(), $wanted, 'the decisions');
is(value('SELECT DISTINCT decided_by FROM xmcoh.decision'), 'postgres', 'by the role that is connected');
import_like('the same import again', $file, qr/^4 answers imported/);
is(decisions(), $wanted, 'adds nothing');

# What spreadsheets make of a file: other separators and ends of lines, no quotes where they are not needed, other columns.
sub import_anew
{
	my ($what, $text) = @_;
	my $last = value('SELECT max(decision_id) FROM xmcoh.decision');
	value(q(SELECT xmcoh.withdraw(decision_id) FROM xmcoh.decision WHERE withdrawn_by IS NULL AND kind <> 'withdrawal'));
	import_like($what, file('anew' . ++$file_number . '.csv', $text), qr/^4 answers imported, 1 rows without an answer$/);
	is(decisions($last), $wanted, "$what: the decisions");
}
my @fields = ([@$header], map { [ @$_{@$header} ] } @all);
import_anew('semicolons, CRLF and a byte order mark', "\xef\xbb\xbf" . csv(';', "\r\n", @fields));
import_anew('tabs', csv("\t", "\n", @fields));
import_anew('no end of the last line', csv(',', "\n", @fields) =~ s/\n\z//r);
import_anew('empty lines', csv(',', "\n\n", @fields) . "\r\n");
my @few = (qw(seen answer mine note after_item before_item document model));
import_anew('other columns, and no quotes', join '', map { join(',', @$_) . "\n" } [@few],
	map { my %row = (%$_, mine => 1, note => $_->{note} =~ s/"/""/gr =~ s/(.+)/"$1"/r); [ @row{@few} ] } @all);

# ---- refused rows ----

my @mine = (undef, $one->{document} =~ s/^'//r, map { s/^'//r } @$one{qw(before_item after_item)});
my $last = value('SELECT max(decision_id) FROM xmcoh.decision');
value(q(SELECT xmcoh.withdraw(decision_id) FROM xmcoh.decision WHERE withdrawn_by IS NULL AND kind <> 'withdrawal'));
$last = value('SELECT max(decision_id) FROM xmcoh.decision');

my @bad = ({ %$one, answer => 'before', note => "two\nlines" }, { %$two, answer => 'maybe' }, { %$three, answer => 'after', document => 'other' },
	{ %$four, answer => 'after', before_text => 'other' }, { %$one, answer => 'after' });
my $counted = sub { (my $text = csv(',', "\n", @_)) =~ tr/\n//; };
my @line = map { 1 + $counted->([@$header], map { [ @$_{@$header} ] } @bad[ 0 .. $_ - 1 ]) } 0 .. 5;
refused('several rows', sheet($header, @bad),
	qr/line $line[1] \(row 3\): the answer is "maybe" instead of before, after, either or skip\n/,
	qr/line $line[2] \(row 4\): the cells model, document, before_item, after_item and seen are not as exported\n/,
	qr/line $line[4] \(row 6\): decisions about document "\Q$mine[1]\E" contradict each other\nxmcoh: detail: /,
	qr/: 3 of 5 answers were refused, so none was imported\nxmcoh: hint: A spreadsheet may have sorted only some columns/);
refused('a number that lost its zeros', sheet($header, { %$one, answer => 'before', before_item => $one->{before_item} =~ s/^'0//r }),
	qr/are not as exported/);
refused('one column sorted alone', sheet($header, { %$one, answer => 'before', seen => $two->{seen} }), qr/are not as exported/);
refused('no hash', sheet($header, { %$one, answer => 'before', seen => '' }), qr/are not as exported/);

# The texts change after the export.
sub with_change
{
	my ($sql, $back, @refused) = @_;
	value($sql);
	refused(@refused);
	value($back);
}
my ($doc, $first, $second) = @mine[ 1 .. 3 ];
my $words = value("SELECT quote_nullable(words) FROM step WHERE id = '$second'");
my $good = sheet($header, { %$two, answer => 'after' }, { %$one, answer => 'before' });
my $at = 1 + $counted->([@$header], [ @$two{@$header} ]) ;
with_change("UPDATE step SET words = 'other' WHERE id = '$second'", "UPDATE step SET words = $words WHERE id = '$second'",
	'a text that has changed', $good, qr/error: file "[^"]*", line $at[^:]*: the text of item "\Q$second\E" has changed since the export\n[^\n]*: 1 of 2/);
with_change("UPDATE step SET id = 'gone' WHERE id = '$first'", "UPDATE step SET id = '$first' WHERE id = 'gone'",
	'an item that is gone', $good, qr/error: file "[^"]*", line $at[^:]*: [^\n]*\Q$first\E/);
value('CREATE ROLE stranger LOGIN');
my @stranger = @connection;
{
	local @connection = (@stranger, '-U', 'stranger');
	refused('a role that may not review', $good, qr/line 2: permission denied/, qr/: 2 of 2 answers were refused/);
}
is(decisions($last), '', 'nothing was decided by what was refused');
import_like('the texts are again as exported', $good, qr/^2 answers imported/);

# ---- a search path that finds operators of somebody else first ----

value(q(
	CREATE SCHEMA evil;
	CREATE FUNCTION evil.join(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'somebody else''s code runs'; END $$;
	CREATE FUNCTION evil.compare(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'somebody else''s code runs'; END $$;
	CREATE OPERATOR evil.|| (leftarg = text, rightarg = text, function = evil.join);
	CREATE OPERATOR evil.= (leftarg = text, rightarg = text, function = evil.compare);
	CREATE OPERATOR evil.~ (leftarg = text, rightarg = text, function = evil.compare);
	CREATE OPERATOR evil.< (leftarg = text, rightarg = text, function = evil.compare)));
{
	local $ENV{PGOPTIONS} = '-c search_path=evil,pg_catalog,public';
	export('-n', '1', '--source', 'open');
	import_like('and an import', $good, qr/^2 answers imported/);
	$ENV{PGOPTIONS} = q(-c search_path='');
	export('-n', '1', '--source', 'public.open');
}

# ---- files that are not such a CSV file ----

my $head = join(',', @$header) . "\n";
refused('no file', "$dir/missing.csv", qr/could not open file/);
refused('an empty file', file('empty.csv', ''), qr/is empty/);
refused('a spreadsheet', file('sheet.xlsx', "PK\x03\x04" . 'x' x 600), qr/seems to be a ZIP archive \(.*\), not CSV\nxmcoh: hint: .*"CSV UTF-8"/);
refused('UTF-16', file('utf16.csv', "\xff\xfea\0,\0"), qr/seems to be text in UTF-16, not CSV/);
refused('another encoding', file('latin.csv', $head . "1,\xe9\n"), qr/line 2: byte 3 of the line is not UTF-8\nxmcoh: hint: /);
refused('an overlong character', file('overlong.csv', $head . "1,\xc0\xaf\n"), qr/line 2: byte 3 of the line is not UTF-8/);
refused('a NUL byte', file('nul.csv', $head . "1,\0\n"), qr/line 2: the line has a NUL byte/);
refused('a quote that is not closed', file('open.csv', $head . "1,x\n2,\"y\n3,z\n"), qr/line 3: a quoted field of the row that begins here is not closed/);
refused('a quote within a field', file('within.csv', $head . "1,x\"y\"\n"), qr/line 2: field 2 has a quote but does not begin with one/);
refused('text after a closing quote', file('after.csv', $head . "1,\"x\ny\"z\n"), qr/line 3: field 2 goes on after its closing quote/);
refused('lines that end in CR', file('mac.csv', $head =~ s/\n/\r/r . "1,2\r"), qr/line 1: a carriage return stands outside of quotes/);
refused('a column that is missing', file('missing.csv', $head =~ s/,seen//r), qr/line 1: no column has the name "seen"/);
refused('a column twice', file('twice.csv', $head =~ s/note/answer/r), qr/line 1: two columns have the name "answer"/);
refused('lines that were not split', file('whole.csv', "\"" . $head =~ s/\n/"\n/r), qr/line 1: the whole line is one field\nxmcoh: hint: /);

# ---- arguments ----

for ([ 'review', 'needs export or import' ], [ 'review export', 'needs the name of one model' ], [ 'review import', 'needs one file' ],
	[ 'review import --all', 'invalid option of review import' ])
{
	my ($arguments, $message) = @$_;
	command_checks_all([ 'xmcoh', split ' ', $arguments ], 2, [qr/^$/], [qr/$message/], "wrong arguments: $arguments");
}

$node->stop;
done_testing();
