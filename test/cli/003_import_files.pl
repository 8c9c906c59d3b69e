# Tests that xmcoh import refuses a file that is truncated, damaged, of another format or being written to. The message must name
# the defect, and the import must leave nothing in the database.
use strict;
use warnings;
use lib 'test/cli';
use ImportTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;

start_cluster();

# Imports into `refused`. Returns the exit status, the output and the number of imported rows ('none' if the import fails).
sub try_import
{
	my ($tsv, @arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'xmcoh', 'import', @connection, '--table', 'refused', '--tsv', $tsv, @arguments ], '<', \'', '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	my $status = $? >> 8;
	my $rows = $status == 0 ? $node->safe_psql('postgres', 'SELECT count(*) FROM refused; DROP TABLE refused') : 'none';
	return ($status, $out . $err, $rows);
}

# ---- a gzipped file that is truncated at each byte ----

my $first = gzip("a\tb\n1\tx\n2\ty\n");
my $second = gzip("3\tz\n");
my $whole = $first . $second;
is((try_import(file('whole.gz', $whole)))[2], 3, 'two gzipped members are one file');
my @wrong;
for my $length (0 .. length($whole) - 1)
{
	my ($status, $said, $rows) = try_import(file('cut.gz', substr $whole, 0, $length));
	my $wanted = $length == 0 ? qr/is empty/ : $length == 1 ? qr/control character \(byte 0x1f\)/ : qr/is cut short/;
	if ($length == length $first)
	{
		push @wrong, "$length: $said" if $rows ne 2;	# the missing second member cannot be detected
	}
	elsif ($status != 1 || $said !~ $wanted) { push @wrong, "$length: $said"; }
}
is(join('; ', @wrong), '', 'cut at every byte, in header, data, checksum and length of each: refused');

srand 7;
my $big = gzip("a\tb\n" . join('', map { rand() . "\t$_\n" } 1 .. 20000));
is((try_import(file('big.gz', $big)))[2], 20000, 'a larger file, gzipped');
@wrong = ();
for my $length (int(length($big) / 2), 65535 .. 65537, 131071 .. 131073, map { length($big) - $_ } 1 .. 9)
{
	my ($status, $said) = try_import(file('cut.gz', substr $big, 0, $length));
	push @wrong, "$length: $said" if $status != 1 || $said !~ /is cut short/;
}
is(join('; ', @wrong), '', 'cut in the middle, where buffers end, and in its trailer: refused');
{
	my ($out, $err) = ('', '');
	my $cut = substr $big, 0, -4;
	ok(!IPC::Run::run([ 'xmcoh', 'import', @connection, '--table', 'refused', '--tsv', '-' ], '<', \$cut, '>', \$out, '2>', \$err),
		'a pipe that is cut short');
	like($err, qr/"-" is cut short/, 'is one, too');
	ok(IPC::Run::run([ 'xmcoh', 'import', @connection, '--table', 'piped', '--tsv', '-' ], '<', \$big, '>', \$out, '2>', \$err),
		'a gzipped pipe');
	is_sql('SELECT count(*) FROM piped', 20000, 'is unpacked');
}

# ---- damaged files, and files with trailing bytes ----

for my $case (
	[ 'the checksum', -8, qr/is damaged: incorrect data check/ ],
	[ 'the length', -4, qr/is damaged: incorrect length check/ ],
	[ 'the method', 2, qr/is damaged: unknown compression method/ ],
	[ 'the data', 10, qr/is damaged: / ])
{
	my ($what, $at, $message) = @$case;
	my $damaged = $first;
	substr($damaged, $at, 1) = chr(255 ^ ord substr $damaged, $at, 1);
	like((try_import(file('damaged.gz', $damaged)))[1], $message, "a bit of $what is wrong");
	like((try_import(file('damaged.gz', gzip("a\tb\n") . $damaged)))[1], $message, 'of a second member');
}
is((try_import(file('padded.gz', $first . "\0" x 70000)))[2], 2, 'zeros that fill up a block are passed over');
for my $rest ("\n", 'x', "\0\0x", "\x1f", "\x1f\x8c", "\x1f\x8b", "a\tb\n", "\0" x 70000 . "\x1f\x8b")
{
	my ($status, $said) = try_import(file('followed.gz', $first . $rest));
	ok($status == 1 && $said =~ /bytes that are not gzipped after|is damaged|is cut short/,
		'followed by ' . length($rest) . ' bytes: refused') or diag($said);
}

# ---- files of another format ----

my $text = "doc\tstep\ttext\na\t1\tone\n";
my $array = npy('array.npy', '<f4', 1, 2, pack 'f<*', 1, 2);
for my $case (
	[ 'gzip in gzip', gzip(gzip($text)), qr/unpacked, seems to be a gzip file.*gunzip/s ],
	[ '.npy', slurp_file($array), qr/seems to be a NumPy \.npy file.*--npy/s ],
	[ '.npy.gz', gzip(slurp_file($array)), qr/unpacked, seems to be a NumPy/ ],
	[ 'PNG', "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", qr/seems to be a PNG image/ ],
	[ 'JPEG', "\xff\xd8\xff\xe0\0\x10JFIF\0", qr/seems to be a JPEG image/ ],
	[ 'ZIP', "PK\x03\x04\x14\0", qr/seems to be a ZIP archive/ ],
	[ 'bzip2', "BZh91AY&SY\0\0", qr/seems to be a bzip2 file/ ],
	[ 'xz', "\xfd7zXZ\0\0\x04", qr/seems to be an xz file/ ],
	[ 'Zstandard', "\x28\xb5\x2f\xfd\x24\0", qr/seems to be a Zstandard file/ ],
	[ 'tar', 'steps.tsv' . "\0" x 248 . "ustar\000000", qr/seems to be a tar archive/ ],
	[ 'PDF', "%PDF-1.7\n", qr/seems to be a PDF/ ],
	[ 'Parquet', "PAR1\x15\x04\x15", qr/seems to be a Parquet file/ ],
	[ 'SQLite', "SQLite format 3\0\x10\0", qr/seems to be an SQLite database/ ],
	[ 'COPY binary', "PGCOPY\n\xff\r\n\0\0\0\0\0", qr/seems to be COPY's binary format/ ],
	[ 'UTF-16 with a mark', "\xff\xfed\0o\0c\0\t\0x\0\n\0", qr/seems to be text in UTF-16.*iconv/s ],
	[ 'UTF-16, the other order', "\xfe\xff\0d\0\t\0x\0\n", qr/seems to be text in UTF-16/ ],
	[ 'UTF-16 without a mark', "d\0o\0c\0\t\0x\0\n\0", qr/seems to be text in UTF-16/ ],
	[ 'UTF-32', "\xff\xfe\0\0d\0\0\0\t\0\0\0", qr/seems to be text in UTF-32/ ],
	[ 'JSON', qq([{"doc": "a", "step": 1}]\n), qr/seems to be JSON/ ],
	[ 'JSON in lines', qq({"doc":"a","step":1}\n{"doc":"a","step":2}\n), qr/seems to be JSON/ ],
	[ 'JSON with tabs', qq({\t"doc": "a",\n\t"step": 1}\n), qr/seems to be JSON/ ],
	[ 'CSV', "doc,step,text\na,1,one\n", qr/seems to be CSV, not tab-separated.*copy/s ],
	[ 'CSV with semicolons', "doc;step;text\n", qr/seems to be CSV/ ],
	[ 'CSV with a byte order mark', "\xef\xbb\xbfdoc,step\n", qr/seems to be CSV/ ],
	[ 'quoted fields with tabs', qq("doc"\t"step"\n"a"\t"1"\n), qr/seems to be CSV with tabs, its fields in quotes/ ],
	[ 'HTML', "<!DOCTYPE html>\n<html>\n", qr/seems to be an HTML page/ ],
	[ 'HTML with tabs', "<html>\t<head>\n", qr/seems to be an HTML page/ ],
	[ 'XML', "<?xml version=\"1.0\"?>\n", qr/seems to be XML/ ],
	[ 'SQL', "CREATE TABLE step (doc text);\n", qr/seems to be SQL/ ],
	[ 'prose', "Close the valve\n", qr/line 1: the line has no tab/ ],
	[ 'one column', "doc\n1\n", qr/line 1: the line has no tab.*at least two/s ],
	[ 'lines that end in CR', "doc\tstep\ra\t1\r", qr/line 1: the line has a carriage return.*CR alone/s ],
	[ 'one line that ends in CR', "doc\tstep\r\r\n", qr/line 1: the line has a carriage return/ ],
	[ 'a control character', "doc\tst\x01ep\n", qr/line 1: the line has a control character \(byte 0x01\)/ ],
	[ 'a NUL', "doc\tstep\0\n", qr/line 1: the line has a control character \(byte 0x00\)/ ],
	[ 'an escape', "doc\t\x1b[1mstep\n", qr/line 1: the line has a control character \(byte 0x1b\)/ ],
	[ 'a long name', "doc\t" . 'x' x 64 . "\n", qr/name of column 2 is longer than 63 bytes/ ])
{
	my ($what, $bytes, $message) = @$case;
	my ($status, $said) = try_import(file('kind.tsv', $bytes));
	ok($status == 1 && $said =~ $message, "$what is refused and named") or diag($said);
	if ($what =~ /CR|control|NUL|JSON|CSV/)
	{
		($status, $said) = try_import(file('kind.tsv', $bytes), '--raw');
		ok($status == 1 && $said =~ $message, "$what is refused with --raw, too") or diag($said);
	}
}
is((try_import(file('name.tsv', "doc\t" . 'x' x 63 . "\n")))[2], 0, 'a name of 63 bytes is not');
like((try_import($dir))[1], qr/could not read .*: it is a folder/, 'a folder');

# ---- messages give line numbers of the file ----

for my $case (
	[ 'a carriage return within', "a\tb\n1\t2\n1\t2\rx\n", qr/line 3: the line has a carriage return/ ],
	[ 'too few fields', "a\tb\r\n1\t2\r\n\r\n", qr/line 3: the number of fields is 1/ ],
	[ 'what the server refuses', "a\tb\n1\t2\n1\t2\nx\t2\n", qr/invalid input syntax for type integer.*line 4, column a/s, '--integer', 'a' ],
	[ 'bytes that are no UTF-8', "a\tb\n1\t2\n\xe9\t2\n", qr/invalid byte sequence.*line 3/s ])
{
	my ($what, $bytes, $message, @arguments) = @$case;
	like((try_import(file('line.tsv', $bytes), @arguments))[1], $message, "$what: the line's number in the file");
	like((try_import(file('line.tsv.gz', gzip($bytes)), @arguments))[1], $message, 'gzipped, too');
}

# ---- .npy files ----

my $tsv = file('one.tsv', $text);
my $bytes = slurp_file($array);
is((try_import($tsv, '--npy', "v=$array"))[2], 1, 'one row');
@wrong = ();
for my $length (0 .. length($bytes) - 1)
{
	my ($status, $said) = try_import($tsv, '--npy', 'v=' . file('cut.npy', substr $bytes, 0, $length));
	my $wanted = $length == 0 ? qr/is not a NumPy \.npy file, it is empty/ : $length < 10 ? qr/is not a NumPy \.npy file, it is too short|seems to be a NumPy/
	  : $length < length($bytes) - 8 ? qr/ends within its header/ : qr/has \d bytes after its header, which says 1 rows of 2 numbers/;
	push @wrong, "$length: $said" if $status != 1 || $said !~ $wanted;
}
is(join('; ', @wrong), '', 'cut at every byte: refused');
(my $version_2 = $bytes) =~ s/^(.NUMPY)\x01\0(..)/$1\x02\0$2\0\0/s;
is((try_import($tsv, '--npy', 'v=' . file('two.npy', $version_2)))[2], 1, 'version 2 of the format');
for my $case (
	[ 'version 0', $bytes =~ s/NUMPY\x01/NUMPY\0/r, qr/unknown version of the .npy format: 0/ ],
	[ 'version 4', $bytes =~ s/NUMPY\x01/NUMPY\x04/r, qr/unknown version of the .npy format: 4/ ],
	[ 'big-endian', $bytes =~ s/<f4/>f4/r, qr/little-endian .*its header says '>f4'/ ],
	[ 'integers', $bytes =~ s/<f4/<i4/r, qr/float16 or float32.*'<i4'/ ],
	[ 'Fortran order', $bytes =~ s/False, /True,  /r, qr/is not in C order/ ],
	[ 'three dimensions', slurp_file(npy('shape.npy', '<f4', '1, 1', 2, "\0" x 8)), qr/does not hold an array of two dimensions/ ],
	[ 'no columns', $bytes =~ s/\(1, 2\)/(1, 0)/r, qr/0 numbers in a row/ ],
	[ 'as many rows as there are numbers', slurp_file(npy('shape.npy', '<f4', '18446744073709551615', 2, "\0" x 8)), qr/after its header/ ],
	[ 'less than none', slurp_file(npy('shape.npy', '<f4', -1, 2, "\0" x 8)), qr/after its header/ ],
	[ 'a number too many', $bytes . "\0\0\0\0", qr/has 12 bytes after its header/ ],
	[ 'gzip', gzip($bytes), qr/not a NumPy \.npy file, it seems to be a gzip file/ ],
	[ 'ZIP (.npz)', "PK\x03\x04" . "\0" x 30, qr/not a NumPy \.npy file, it seems to be a ZIP archive/ ],
	[ 'PNG', "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", qr/not a NumPy \.npy file, it seems to be a PNG image/ ],
	[ 'pickle', "\x80\x04\x95" . "\0" x 30, qr/not a NumPy \.npy file, it seems to be a Python pickle/ ],
	[ 'text', $text, qr/is not a NumPy \.npy file$/m ])
{
	my ($what, $changed, $message) = @$case;
	my ($status, $said) = try_import($tsv, '--npy', 'v=' . file('kind.npy', $changed));
	ok($status == 1 && $said =~ $message, ".npy, $what: refused and named") or diag($said);
}
like((try_import($tsv, '--npy', "v=$dir"))[1], qr/could not read .*: it is a folder/, 'a folder');

# ---- pipes, and files that change during the import ----

# Starts an import of $tsv with a .npy file that comes through a pipe. Calls $meanwhile while the COPY waits for the numbers, then
# sends the numbers.
sub import_through_pipe
{
	my ($tsv, $numbers, $meanwhile) = @_;
	my ($out, $err) = ('', '');
	my $pipe = "$dir/pipe.npy";
	POSIX::mkfifo($pipe, 0600) or die;
	my $run = IPC::Run::start([ 'xmcoh', 'import', @connection, '--table', 'refused', '--tsv', $tsv, '--npy', "v=$pipe" ],
		'<', \'', '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	open my $to, '>:raw', $pipe or die;
	$to->autoflush;
	print $to substr $bytes, 0, -8;
	$node->poll_query_until('postgres', q(SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'COPY refused %' AND state = 'active')))
	  or die 'no COPY begins';
	$meanwhile->();
	print $to $numbers;
	close $to;
	$run->finish;
	unlink $pipe;
	return $out . $err;
}
is(import_through_pipe($tsv, pack('f<*', 1, 2), sub { }), "1 rows imported into refused\n", 'numbers through a pipe');
$node->safe_psql('postgres', 'DROP TABLE refused');
like(import_through_pipe($tsv, pack('f<*', 1), sub { }), qr/pipe\.npy" ends within row 1 of 1/, 'a number too few');
like(import_through_pipe($tsv, pack('f<*', 1, 2, 3), sub { }), qr/pipe\.npy" goes on after the 1 rows/, 'a number too many');
like(import_through_pipe($tsv, pack('f<*', 1, 2), sub { append_to_file($tsv, "a\t2\ttwo\n") }), qr/one\.tsv" was changed while it was read/,
	'a file that grows');
like(import_through_pipe(file('packed.gz', gzip($text)), pack('f<*', 1, 2), sub { append_to_file("$dir/packed.gz", gzip("a\t2\ttwo\n")) }),
	qr/packed\.gz" was changed while it was read/, 'a gzipped one');
is_sql(q(SELECT to_regclass('refused') IS NULL), 't', 'nothing is left of what was refused');

# ---- the row count is the count of the server ----

$node->safe_psql('postgres', q(CREATE TABLE picky (a text, b text);
	CREATE FUNCTION no_x() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN new.b <> 'x' THEN new END; END $$;
	CREATE TRIGGER no_x BEFORE INSERT ON picky FOR EACH ROW EXECUTE FUNCTION no_x()));
command_like([ 'xmcoh', 'import', @connection, '--table', 'picky', '--tsv', file('picky.tsv', "a\tb\n1\tx\n2\ty\n3\tx\n") ],
	qr/^1 rows imported into picky$/, 'rows that a trigger drops are not counted');

$node->stop;
done_testing();
