# Tests xmcoh import: TSV and .npy files are imported into tables, and a refused import leaves nothing in the database.
use strict;
use warnings;
use lib 'test/cli';
use ImportTest;
use PostgreSQL::Test::Utils;
use Test::More;

start_cluster();

# ---- a table created from the header ----

my $text = "doc\tstep_no\tinstruction\n"
  . "a\t1\tClose the valve\\\\ then wait\n"
  . "a\t2\t\xe3\x83\x90\xe3\x83\xab\xe3\x83\x96\xe3\x82\x92\xe9\x96\x89\xe3\x81\x98\xe3\x82\x8b\n"
  . "b\t1\t\\N\n" . "b\t2\t\n";
my $tsv = file('steps.tsv', $text);
# The first four numbers: 1, -2.5, the smallest half-precision number above 0, the greatest half-precision number.
my $half = npy('half.npy', '<f2', 4, 2, pack('v*', 0x3c00, 0xc100, 0x0001, 0x7bff, 0x0000, 0x8000, 0x3555, 0x2e66));
my $single = npy('single.npy', '<f4', 4, 1, pack('f<*', 0.1, -1e-30, 3.4e38, 16777217));

import_ok('imports text and two arrays', '--table', 'steps', '--tsv', $tsv, '--integer', 'step_no',
	'--npy', "image=$half", '--npy', "words=$single");
is_sql(q(SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
           FROM pg_attribute WHERE attrelid = 'steps'::regclass AND attnum > 0),
	'doc text, step_no integer, instruction text, image real[], words real[]', 'columns and types');
is_sql(q(SELECT instruction FROM steps WHERE doc = 'a' AND step_no = 1), 'Close the valve\\ then wait', 'an escaped backslash');
is_sql(q(SELECT length(instruction) FROM steps WHERE doc = 'a' AND step_no = 2), '7', 'UTF-8');
is_sql(q(SELECT instruction IS NULL FROM steps WHERE doc = 'b' AND step_no = 1), 't', '\N is NULL');
is_sql(q(SELECT instruction = '' FROM steps WHERE doc = 'b' AND step_no = 2), 't', 'an empty field is empty text');
is_sql(q(SELECT image = ARRAY[1, -2.5]::real[] FROM steps WHERE doc = 'a' AND step_no = 1), 't', 'half precision');
is_sql(q(SELECT image = ARRAY[5.9604644775390625e-8, 65504]::real[] FROM steps WHERE doc = 'a' AND step_no = 2),
	't', 'subnormal and greatest half');
is_sql(q(SELECT image[1] = (1 + 341 / 1024.0)::real / 4 FROM steps WHERE doc = 'b' AND step_no = 2), 't', 'a third in half precision');
is_sql(q(SELECT array_agg(words[1] ORDER BY doc, step_no) = ARRAY[0.1, -1e-30, 3.4e38, 16777216]::real[] FROM steps), 't',
	'every float comes back');

# ---- an existing table, other types, quoting ----

$node->safe_psql('postgres', q(CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."T""x" (id bigint DEFAULT 7,
	"step_no" smallint, doc varchar(10), "instruction" text)));
import_ok('an existing table with a name that needs quotes, gzipped, CRLF', '--table', '"My Schema"."T""x"', '--tsv', file('crlf.tsv.gz', gzip($text =~ s/\n/\r\n/gr)));
is_sql(q(SELECT count(*), sum(step_no), min(id), count(*) FILTER (WHERE instruction LIKE E'%\r') FROM "My Schema"."T""x"), '4|6|7|0',
	'types of the table, defaults, no carriage return');
import_ok('column names that need quotes', '--table', 'odd', '--tsv', file('odd.tsv', "\xef\xbb\xbfSelect\ta\"b;--\n1\t2\n"));
is_sql(q(SELECT "Select" || "a""b;--" FROM odd), '12', 'column names are kept as they are');
import_ok('raw backslashes', '--table', 'raw', '--raw', '--tsv', file('raw.tsv', "a\tb\tc\nx\\ty\t\tz\\\n\t\t\\N\n"));
is_sql(q(SELECT a, b IS NULL, c FROM raw WHERE a IS NOT NULL), 'x\\ty|t|z\\', 'a raw backslash is one');
is_sql(q(SELECT b IS NULL, c FROM raw WHERE a IS NULL), 't|\\N', 'raw \N is text');
import_ok('no line after the first', '--table', 'none', '--tsv', file('none.tsv', "a\tb"));
is_sql(q(SELECT count(*) FROM none), '0', 'an empty table');
is_sql(q(SELECT count(*) FROM steps), '4', 'as many as before');
import_ok('a second import adds', '--table', 'Steps', '--tsv', $tsv, '--npy', "image=$half");
is_sql(q(SELECT count(*) FROM steps), '8', 'names are folded as in SQL');

# ---- refused imports ----

my @new = ('--table', 'refused');
import_fails('fewer rows than lines', qr/half2\.npy" has rows \(3\)/, @new, '--tsv', $tsv,
	'--npy', 'i=' . npy('half2.npy', '<f2', 3, 1, pack('v*', 1, 2, 3)));
import_fails('more rows than lines', qr/has 4 lines after the first, but .*has 5 rows/, @new, '--tsv', $tsv,
	'--npy', 'i=' . npy('half5.npy', '<f2', 5, 1, pack('v*', 1 .. 5)));
import_fails('a file cut short', qr/has 14 bytes after its header, which says 4 rows of 2 numbers/, @new, '--tsv', $tsv,
	'--npy', 'i=' . npy('cut.npy', '<f2', 4, 2, pack('v*', 1 .. 7)));
import_fails('not a number', qr/number 2 of row 1 is not finite/, @new, '--tsv', $tsv,
	'--npy', 'i=' . npy('nan.npy', '<f2', 4, 2, pack('v*', 1, 0x7e00, (1) x 6)));
import_fails('infinity', qr/number 1 of row 4 is not finite/, @new, '--tsv', $tsv,
	'--npy', 'i=' . npy('inf.npy', '<f4', 4, 1, pack('f<*', 1, 2, 3, 9**9**9)));
import_fails('double precision', qr/does not hold little-endian float16 or float32 numbers.*'<f8'/, @new, '--tsv', $tsv,
	'--npy', 'i=' . npy('f8.npy', '<f8', 4, 1, pack('d<*', 1 .. 4)));
import_fails('Fortran order', qr/is not in C order/, @new, '--tsv', $tsv,
	'--npy', 'i=' . npy('fortran.npy', '<f2', 4, 1, pack('v*', 1 .. 4), order => 'True'));
import_fails('rows times numbers overflow', qr/after its header|numbers in a row/, @new, '--tsv', $tsv,
	'--npy', 'i=' . npy('huge.npy', '<f2', '9223372036854775808', 4, ''));
import_fails('one dimension', qr/does not hold an array of two dimensions/, @new, '--tsv', $tsv,
	'--npy', 'i=' . npy('flat.npy', '<f2', 4, '', pack('v*', 1 .. 4)));
import_fails('not a .npy file', qr/is not a NumPy/, @new, '--tsv', $tsv, '--npy', "i=$tsv");
import_fails('a line with too few fields', qr/line 3: the number of fields is 1, but 2 in the first line/, @new,
	'--tsv', file('few.tsv', "a\tb\n1\t2\n3\n"));
import_fails('a raw backslash at the end', qr/line 2: the line ends in a single backslash\nxmcoh: hint: .*--raw/, @new,
	'--tsv', file('slash.tsv', "a\tb\n1\t2\\\n"));
import_fails('a NUL byte', qr/line 2: the line has a NUL byte/, @new, '--tsv', file('nul.tsv', "a\tb\n1\t2\0x\ty\n"));
import_fails('bytes that are no UTF-8', qr/invalid byte sequence/, @new, '--tsv', file('latin.tsv', "a\tb\n\xe9\t\n"));
import_fails('an integer that is none', qr/invalid input syntax for type integer/, @new, '--integer', 'a',
	'--tsv', file('integer.tsv', "a\tb\nx\t\n"));
import_fails('no such column', qr/has no column "nope"/, @new, '--integer', 'nope', '--tsv', $tsv);
import_fails('a column without a name', qr/column 2 has no name/, @new, '--tsv', file('nameless.tsv', "a\t\tb\n"));
import_fails('a column twice', qr/"a" specified more than once/, @new, '--tsv', file('twice.tsv', "a\ta\n"));
import_fails('an empty file', qr/is empty/, @new, '--tsv', file('empty.tsv', ''));
import_fails('no file', qr/could not open file .*: No such file/, @new, '--tsv', "$dir/missing.tsv");
import_fails('no table', qr/needs --table and --tsv/, '--tsv', $tsv);
import_fails('no server', qr/No such file or directory/, '-h', "$dir/nowhere", @new, '--tsv', $tsv);
is_sql(q(SELECT to_regclass('refused') IS NULL), 't', 'nothing is left of what was refused');

# ---- constant memory ----

{
	my $rows = 100_000;
	my $big = file('big.tsv', "id\tn\n" . join('', map { "$_\t\n" } 1 .. $rows));
	my $matrix = npy('big.npy', '<f2', $rows, 256, "\x00\x3c" x (256 * $rows));
	# 100 MB of address space suffice for the program and its libraries, but not for the file's numbers as text or floats.
	my ($out, $err);
	my $ok = run_log([ 'bash', '-c', 'ulimit -v 100000; exec "$@"', 'limit', 'xmcoh', 'import', @connection, '--table', 'big',
			'--tsv', $big, '--npy', "m=$matrix" ]);
	ok($ok, 'imports 100,000 rows of 256 numbers within 100 MB of address space');
	is_sql(q(SELECT count(*), sum(m[256]) FROM big), "$rows|$rows", 'all of them');
}

# ---- real data ----

SKIP:
{
	my $guides = $ENV{GUIDES};
	skip 'no real data: GUIDES names no folder with steps.tsv.gz', 3 unless $guides && -e "$guides/steps.tsv.gz";
	import_ok('the guides', '--table', 'guide', '--tsv', "$guides/steps.tsv.gz", '--integer', 'step_no',
		'--npy', "image=$guides/image.npy", '--npy', "words=$guides/text.npy");
	is_sql(q(SELECT count(*) > 10000, count(*) = sum((array_length(image, 1) = 256 AND array_length(words, 1) = 256)::int) FROM guide),
		't|t', 'every step has both arrays');
	is_sql(q(SELECT count(*) FROM (SELECT FROM guide GROUP BY guide_id
		HAVING max(step_no) <> count(*) OR count(DISTINCT step_no) <> count(*)) AS bad), '0', 'steps are numbered 1 to n');
}

$node->stop;
done_testing();
