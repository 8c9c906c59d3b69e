# Tests scoring with several processes (xmcoh.scoring_workers): the answers stay the same whatever becomes of the workers, and no
# process remains.
use strict;
use warnings;

use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest qw(new_standby);

my $node = PostgreSQL::Test::Cluster->new('scoring');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = ''
max_worker_processes = 12
max_parallel_workers_per_gather = 0
restart_after_crash = on
log_min_messages = debug1	# the postmaster says which workers it starts
fsync = off
});
$node->start;

# A network of the paper's size: a document takes about a millisecond.
$node->safe_psql('postgres', q{
CREATE EXTENSION xmcoh;
CREATE TABLE step AS SELECT d AS document, i AS step, 'word' || (d * i) % 97 || ' of ' || i AS instruction,
		(SELECT array_agg(sin(d * 7 + i * k)::real) FROM generate_series(1, 64) AS k) AS photo
	FROM generate_series(1, 1200) AS d, generate_series(1, 8) AS i;
CREATE TABLE few AS SELECT * FROM step WHERE document <= 60;
SELECT xmcoh.create_model('manuals', image_dim => 64, options =>
	'{"epochs": 1, "d_model": 768, "layers": 2, "feed_forward": 512, "bag_documents": 0, "evaluation_documents": 0}');
SELECT xmcoh.attach_source('manuals', 'few', 'document', 'step', text => 'instruction', image => 'photo', "position" => 'step', approved => 'all');
SELECT xmcoh.train('manuals');
CALL xmcoh.wait_for_job(1, '180 s');
SELECT xmcoh.attach_source('manuals', 'step', 'document', 'step', text => 'instruction', image => 'photo', "position" => 'step');
});

my $workers = "FROM pg_stat_activity WHERE backend_type = 'xmcoh scoring'";
my $check = q{SELECT md5(string_agg(c::text, ' ')) FROM xmcoh.check_documents('manuals', 'step') AS c};
my $order = q{SELECT md5(string_agg(o::text, ' ')) FROM xmcoh.order_documents('manuals', 'step') AS o};

sub value { return $node->safe_psql('postgres', $_[0]); }
sub with { my ($n, $query) = @_; return value("SET xmcoh.scoring_workers = $n; $query"); }
sub nobody_left { return $node->poll_query_until('postgres', "SELECT count(*) = 0 $workers"); }

# How many workers the postmaster has started since a place in the log.
sub started
{
	my ($of, $since) = @_;
	my $log = slurp_file($of->logfile, $since);
	my $n = () = $log =~ /starting background worker process "xmcoh scoring process of session/g;
	return $n;
}

# ---- the same answers ----

my $checked = value($check);
my $ordered = value($order);
for my $n (1, 3)
{
	my $since = -s $node->logfile;
	is(with($n, $check), $checked, "check_documents with $n workers gives the same, in the same order");
	is(started($node, $since), $n, "and starts $n");
	is(with($n, $order), $ordered, 'and so does order_documents');
	ok(nobody_left(), 'the workers go');
}
my $since = -s $node->logfile;
with(3, q{SELECT count(*) FROM xmcoh.check_documents('manuals', 'step', documents => '{1,2,3}')});
is(started($node, $since), 0, 'a call for few documents starts no process');

# ---- a worker that stands still, and what can become of it ----

# Starts psql with some statements; returns it with its output.
sub begin
{
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start([$node->installed_command('psql'), '-XAtq', '-d', $node->connstr('postgres') . " application_name='scorer'",
			map { ('-c', $_) } @_], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(10 * $PostgreSQL::Test::Utils::timeout_default));
	return { run => $run, out => \$out, err => \$err };
}
sub end
{
	my ($session) = @_;
	$session->{run}->finish;
	return ${$session->{out}} . ${$session->{err}};
}

my $session = "FROM pg_stat_activity WHERE application_name = 'scorer'";

# Starts a query with one worker, and stops the worker. Returns when the session waits for a batch that the worker has taken.
sub stop_worker
{
	for (1 .. 50)
	{
		my $begun = begin('SET xmcoh.scoring_workers = 1', $check, "SELECT 'goes on'");
		$node->poll_query_until('postgres', "SELECT count(*) = 1 $workers") or die 'no worker is seen';
		my $worker = value("SELECT pid $workers");
		if ($worker ne '' && kill('STOP', $worker))
		{
			# It waits for the batch, or for the end of a worker that had none.
			$node->poll_query_until('postgres',
				"SELECT count(*) FILTER (WHERE wait_event IS NULL OR wait_event NOT IN ('Extension', 'BgWorkerShutdown')) = 0 $session")
			  or die 'the session does not wait';
			return ($begun, $worker) if value("SELECT wait_event $session") eq 'Extension';
			kill('CONT', $worker);
		}
		end($begun);
		nobody_left();
	}
	die 'no worker was stopped while it had a batch';
}

my ($begun, $worker) = stop_worker();
value("SELECT pg_terminate_backend($worker)");
kill('CONT', $worker);
is(end($begun), "$checked\ngoes on\n", 'the batch of a worker that is terminated is computed by the session');
ok(nobody_left(), 'nobody is left');

($begun, $worker) = stop_worker();
value("SELECT pg_cancel_backend(pid) $session");
like(end($begun), qr/^goes on\n.*canceling statement due to user request/s, 'a session that waits for a worker is cancelled, and goes on');
kill('CONT', $worker);
ok(nobody_left(), 'its worker ends when it can');

($begun, $worker) = stop_worker();
value("SELECT pg_terminate_backend(pid) $session");
like(end($begun), qr/terminating connection due to administrator command/, 'such a session is terminated');
kill('CONT', $worker);
ok(nobody_left(), 'its worker ends');

like(end(begin('SET xmcoh.scoring_workers = 1', 'SET statement_timeout = 300', $check, "SELECT 'goes on'")),
	qr/^goes on\n.*canceling statement due to statement timeout/s, 'statement_timeout ends a session with workers');
ok(nobody_left(), 'and the workers');

# ---- kill -9: the server restarts, as after the crash of any of its processes ----

my $killed = 0;
for (1 .. 50)
{
	$begun = begin('SET xmcoh.scoring_workers = 1', $check);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 $workers") or die 'no worker is seen';
	$worker = value("SELECT pid $workers");
	$killed = $worker ne '' && kill('KILL', $worker);
	end($begun);
	last if $killed;
}
ok($killed, 'a worker is killed');
ok($node->poll_query_until('postgres', 'SELECT true'), 'the server is there again');
is(with(2, $check), $checked, 'and gives the same answer');

# ---- text encoders: the workers compute the vectors that rows lack, and read the encoder that a version fine-tunes ----

my $folder = PostgreSQL::Test::Utils::tempdir();
system($^X, 'test/encoder/tiny_encoder.pl', $folder, 'bert') == 0 or die 'no tiny encoder';
my $weights = encode_base64(slurp_file("$folder/model.safetensors"), '');
my ($config, $tokenizer) = map { slurp_file("$folder/$_") } qw(config.json tokenizer.json);
value("SELECT xmcoh.import_encoder('tiny', decode('$weights', 'base64'), \$json\$$config\$json\$, \$json\$$tokenizer\$json\$)");
value(q{
CREATE TABLE log AS
	SELECT m AS manual, s AS step, s AS place, (ARRAY['draw', 'cut', 'fold', 'glue', 'paint', 'wash'])[s] || ' part ' || m % 90 AS words,
		'done: ' || (ARRAY['box', 'wood', 'paper', 'line', 'side', 'step'])[s] || ' ' || m % 90 AS line
	FROM generate_series(1, 600) AS m, generate_series(1, 6) AS s;
CREATE VIEW few_logs AS SELECT * FROM log WHERE manual <= 60;
SELECT xmcoh.create_model('encoded', encoder => 'tiny', image_encoder => 'tiny'), xmcoh.create_model('tuned', encoder => 'tiny');
SELECT xmcoh.attach_source('encoded', 'few_logs', 'manual', 'step', text => 'words', image => 'line', "position" => 'place', approved => 'all'),
	xmcoh.attach_source('tuned', 'few_logs', 'manual', 'step', text => 'words', "position" => 'place', approved => 'all');
});
for my $model ('encoded', 'tuned')
{
	my $tune = $model eq 'tuned' ? '"fine_tune": 1, "adapter_rank": 8, "fine_tune_epochs": 1, ' : '';
	my $job = value("SELECT xmcoh.train('$model', '{${tune}\"d_model\": 16, \"heads\": 2, \"feed_forward\": 16, \"bag_dim\": 0, \"epochs\": 2, \"evaluation_documents\": 0}')");
	is(value("CALL xmcoh.wait_for_job($job, '180 s')"), 'succeeded', "model $model is trained");
	value("SELECT xmcoh.attach_source('$model', 'log', 'manual', 'step', text => 'words', image => " . ($model eq 'tuned' ? 'NULL' : "'line'") . ", \"position\" => 'place')");
	my $query = "SELECT md5(string_agg(c::text, ' ')) FROM xmcoh.check_documents('$model', 'log') AS c";
	my $alone = value($query);
	$since = -s $node->logfile;
	is(with(2, $query), $alone, 'workers give the same answers');
	is(started($node, $since), 2, 'two of them');
	is(with(2, "SET xmcoh.encoder_cache = 0; $query"), $alone, 'and without a cache of vectors');
}

# ---- who cannot have workers ----

value(q{CREATE ROLE nologin; SELECT xmcoh.grant_usage('nologin'), xmcoh.grant_model('manuals', 'nologin', 'score'); GRANT SELECT ON step TO nologin});
is(value("SET SESSION AUTHORIZATION nologin; SET xmcoh.scoring_workers = 2; $check"), $checked, 'a role that cannot log in scores alone');
ok(nobody_left(), 'nobody is left');
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
$since = -s $node->logfile;
is(with(3, $check), $checked, 'without a free slot the session scores alone');
is(started($node, $since), 0, 'and starts none');
$node->append_conf('postgresql.conf', 'max_worker_processes = 12');
$node->restart;

# ---- a standby ----

my $standby = new_standby($node, 'standby');
$since = -s $standby->logfile;
is($standby->safe_psql('postgres', "SET xmcoh.scoring_workers = 2; $check"), $checked, 'a standby scores with workers');
is(started($standby, $since), 2, 'of its own');

done_testing();
