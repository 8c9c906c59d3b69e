# Shared by the tests of `xmcoh import`: starts a cluster, creates files, and imports files.
package ImportTest;

use strict;
use warnings;
use Exporter 'import';
use IO::Compress::Gzip ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw($node $dir @connection start_cluster file gzip npy import_ok import_fails is_sql);

our ($node, $dir, @connection);

# Starts the cluster for the imports. $dir is the directory of the test files.
sub start_cluster
{
	$node = PostgreSQL::Test::Cluster->new('import');
	$node->init;
	$node->start;
	$dir = PostgreSQL::Test::Utils::tempdir;
	@connection = ('-h', $node->host, '-p', $node->port, '-d', 'postgres');
}

sub file
{
	my ($name, $bytes) = @_;
	open my $out, '>:raw', "$dir/$name" or die;
	print $out $bytes;
	close $out;
	return "$dir/$name";
}

sub gzip
{
	my ($bytes) = @_;
	my $packed;
	IO::Compress::Gzip::gzip(\$bytes, \$packed) or die;
	return $packed;
}

# Creates a .npy file (format version 1) from packed numbers.
sub npy
{
	my ($name, $type, $rows, $columns, $body, %change) = @_;
	my $order = $change{order} // 'False';
	my $header = "{'descr': '$type', 'fortran_order': $order, 'shape': ($rows, $columns), }";
	$header .= ' ' x (63 - (10 + length $header) % 64) . "\n";
	return file($name, "\x93NUMPY\x01\x00" . pack('v', length $header) . $header . $body);
}

sub import_ok
{
	my ($what, @arguments) = @_;
	command_ok([ 'xmcoh', 'import', @connection, @arguments ], $what);
}

sub import_fails
{
	my ($what, $message, @arguments) = @_;
	command_fails_like([ 'xmcoh', 'import', @connection, @arguments ], $message, $what);
}

sub is_sql
{
	my ($sql, $wanted, $what) = @_;
	is($node->safe_psql('postgres', $sql), $wanted, $what);
}

1;
