# Tests reviewers who claim pairs and decide at the same time: no pair is held by two of them, none is lost, nobody waits for a
# transaction that claims, and there is no deadlock. Also tests how a claim ends.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use XmcohTest qw($patience new_cluster background value fails train outcome);

my $clients = 20;
my $node = new_cluster('reviewers', 'max_connections = 60');
like(outcome(train('manuals')), qr/^succeeded: /, 'a model');

# The steps of every third document are stored in reverse order. Steps 4 and 5 of some documents have no order.
value(q{CREATE TABLE draft AS SELECT manual + 1000 AS manual, step, CASE WHEN manual % 3 = 0 THEN -place ELSE place END AS place, instruction
	FROM make_steps(100);
SELECT xmcoh.attach_source('manuals', 'draft', 'manual', 'step', text => 'instruction', "position" => 'place');
CREATE TABLE answer (client int, document text, a text, b text, given bigint, done bigint, verdict text);
CREATE SEQUENCE event;
GRANT ALL ON answer, draft, work_step TO PUBLIC; GRANT ALL ON SEQUENCE event TO PUBLIC;
-- Each claim and each decision is a transaction. A number of the sequence is drawn after a pair is given and before it is decided.
CREATE PROCEDURE review(client int, n int) LANGUAGE plpgsql AS $$
DECLARE
	pairs jsonb;
	p jsonb;
	said text;
BEGIN
	LOOP
		SELECT jsonb_agg(to_jsonb(q) ORDER BY q.rank) INTO pairs FROM xmcoh.claim_reviews('manuals', n, '1 day', 'draft',
			CASE WHEN client % 2 = 0 THEN 'learn' ELSE 'correct' END) AS q;
		INSERT INTO answer (client, document, a, b, given) SELECT client, x ->> 'document', least(x ->> 'before_item', x ->> 'after_item'),
			greatest(x ->> 'before_item', x ->> 'after_item'), nextval('event') FROM jsonb_array_elements(pairs) AS x
			WHERE NOT EXISTS (SELECT FROM answer AS o WHERE o.client = review.client AND o.document = x ->> 'document' AND o.done IS NULL
				AND o.a IN (x ->> 'before_item', x ->> 'after_item') AND o.b IN (x ->> 'before_item', x ->> 'after_item'));
		COMMIT;
		IF pairs IS NULL THEN
			EXIT WHEN NOT EXISTS (SELECT FROM xmcoh.review_queue('manuals', 1, 'draft'));
			PERFORM pg_sleep(0.01);
			CONTINUE;
		END IF;
		-- What is given a second time has not been decided yet; here the last one of three or more is left for the next call.
		FOR p IN SELECT x.value FROM jsonb_array_elements(pairs) WITH ORDINALITY AS x (value, k) WHERE k < 3 OR k < jsonb_array_length(pairs) LOOP
			said := CASE WHEN p ->> 'reason' <> 'skipped' AND client % 5 = 0 THEN 'skip'
				WHEN (p ->> 'document')::int % 4 = 0 AND p ->> 'before_item' IN ('4', '5') AND p ->> 'after_item' IN ('4', '5') THEN 'either'
				WHEN (p ->> 'before_item')::int < (p ->> 'after_item')::int THEN 'before' ELSE 'after' END;
			UPDATE answer AS o SET done = nextval('event'), verdict = said
				WHERE o.client = review.client AND o.document = p ->> 'document' AND o.done IS NULL
				AND o.a IN (p ->> 'before_item', p ->> 'after_item') AND o.b IN (p ->> 'before_item', p ->> 'after_item');
			PERFORM xmcoh.decide('manuals', p ->> 'document', p ->> 'before_item', p ->> 'after_item', said);
			COMMIT;
		END LOOP;
	END LOOP;
END $$;
} . join('', map { "CREATE ROLE reviewer$_ LOGIN; SELECT xmcoh.grant_usage('reviewer$_'), xmcoh.grant_model('manuals', 'reviewer$_', 'review');" } 1 .. $clients));

# ---- claims of one reviewer and of two ----

sub claim
{
	my ($client, $arguments, $columns) = @_;
	return $node->safe_psql('postgres', 'SELECT ' . ($columns // q{string_agg(concat_ws(' ', document, before_item, after_item), ',' ORDER BY rank)})
		. " FROM xmcoh.claim_reviews('manuals', source => 'draft', $arguments)", extra_params => [ '-U', "reviewer$client" ]);
}
sub held { my ($client) = @_; return value("SELECT count(*) FROM xmcoh.review_claim WHERE claimed_by = 'reviewer$client'"); }
sub common { my ($one, $other) = @_; my %one = map { $_ => 1 } split /,/, $one; return scalar grep { $one{$_} } split /,/, $other; }

my $first = claim(1, 'n => 4');
is(claim(1, 'n => 4'), $first, 'who asks again gets what he holds');
my $second = claim(2, 'n => 4');
is(common($first, $second), 0, 'another reviewer gets other pairs');
like(claim(1, 'n => 6'), qr/^\Q$first\E,/, 'more are added to those that are held');
is(held(1), 6, 'and held');
is(claim(1, 'n => 4'), $first, 'fewer: the rest is given back');
is(held(1), 4, 'which others may have now');
is(claim(1, 'n => 0'), '', 'all can be given back');
is(claim(3, 'n => 4'), $first, 'and somebody else gets them');

# A lease that is over: by an end in the past, and by a length of 0.
value(q{UPDATE xmcoh.review_claim_record SET claimed_until = '-infinity' WHERE claimed_by = 'reviewer3'});
is(held(3), 0, 'a lease ends by itself');
is(claim(1, q{n => 4, lease => '0'}), $first, 'and returns its pairs');
is(claim(3, 'n => 4'), $first, 'a lease of 0 is over at once');
is(value(q{SELECT count(*) FROM xmcoh.review_claim_record WHERE claimed_until < now()}), 0, 'what is over is removed');

# A decision, its withdrawal and 'skip' end a claim, whoever makes them.
my ($document, $before, $after) = $first =~ /^(\S+) (\S+) (\S+?),/;
my $decision = value("SELECT xmcoh.decide('manuals', '$document', '$before', '$after', 'either')");
is(held(3), 3, 'a decision ends a claim');
unlike(claim(3, 'n => 4'), qr/(?:^|,)\Q$document $before $after\E(?:,|$)/, 'and the pair is not given any more');
claim(3, 'n => 0');
value("SELECT xmcoh.withdraw($decision)");
like(claim(3, 'n => 4'), qr/(?:^|,)\Q$document\E (?:$before $after|$after $before)(?:,|$)/, 'until the decision is withdrawn');
value("SELECT xmcoh.decide('manuals', '$document', '$before', '$after', 'skip')");
is(held(3), 3, 'skip ends a claim');
claim(3, 'n => 0');
value("SELECT xmcoh.decide('manuals', '$document', a, b, 'before') FROM (VALUES ('1', '2'), ('2', '3'), ('3', '4'), ('4', '5')) AS p (a, b)
	WHERE (a, b) NOT IN (('$before', '$after'), ('$after', '$before'))");
my $all = claim(4, 'n => 1000', q{string_agg(concat_ws(' ', document, before_item, after_item, reason), ',' ORDER BY rank)});
like($all, qr/\Q$document $before $after\E skipped$/, 'a skipped pair comes last');
value("SELECT xmcoh.decide('manuals', '$document', '$before', '$after', 'skip')");
unlike($all, qr/^$/, 'all that can be asked at a time is claimed');
is(value("SELECT count(*) FROM xmcoh.review_claim WHERE document = '$document' AND '$before' IN (before_item, after_item) AND '$after' IN (before_item, after_item)"),
	0, 'skipped again: its claim ends, though nothing new is recorded');
is(claim(5, 'n => 10') =~ tr/,//, 0, 'so another reviewer gets that one pair');
value(q{SELECT xmcoh.revoke_model('manuals', 'reviewer4')});
is(held(4), 0, 'who has lost the level holds nothing');
is(claim(6, 'n => 10') =~ tr/,//, 9, 'so others get those pairs');
value(q{SELECT xmcoh.grant_model('manuals', 'reviewer4', 'review')});
claim($_, 'n => 0') for 4 .. 6;

# Claimed pairs that somebody decides by an order no longer count.
is(claim(2, q{n => 10, documents => '{1050}'}) =~ tr/,//, 2, 'three pairs of one document at a time');
is(claim(1, q{n => 10, documents => '{1050}'}), '', 'by all together');
value(q{SELECT xmcoh.approve_order('manuals', '1050', '{1,2,3,4,5}'); INSERT INTO draft VALUES (1050, 6, 6, 'clean again')});
isnt(claim(1, q{n => 10, documents => '{1050}'}), '', 'but not those that an order has decided');
claim($_, 'n => 0') for 1, 2;

# ---- a claim whose transaction goes on ----

my $open = background($node, 'postgres', extra_params => [ '-U', 'reviewer1' ]);
$open->query_safe(q{BEGIN});
my $mine = $open->query_safe(q{SELECT string_agg(concat_ws(' ', document, before_item, after_item), ',' ORDER BY rank) FROM xmcoh.claim_reviews('manuals', 5, source => 'draft')});
my $others = claim(2, 'n => 5');
is($others =~ tr/,//, 4, 'nobody waits for a transaction that has claimed pairs');
is(common($mine, $others), 0, 'which others do not get');
my ($pair) = split /,/, $mine;
($document, $before, $after) = split / /, $pair;
is(value("SELECT xmcoh.decide('manuals', '$document', '$before', '$after', 'skip') > 0"), 't', 'a decision about one does not wait either');
$open->query_safe(q{ROLLBACK});
claim(3, 'n => 0');
is(common($mine, claim(3, 'n => 5')), 4, 'and they get them when it is rolled back, but for the one that was skipped');

# However many pairs a transaction claims, the server's table of locks has the same number of its locks.
my $locks = q{SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()};
claim($_, 'n => 0') for 2, 3;
$open->query_safe(q{BEGIN; SELECT count(*) FROM xmcoh.claim_reviews('manuals', 1, source => 'draft')});
my $few = $open->query_safe($locks);
cmp_ok($open->query_safe(q{SELECT count(*) FROM xmcoh.claim_reviews('manuals', 1000, source => 'draft')}), '>', 150, 'a transaction claims many pairs');
is($open->query_safe($locks), $few, 'and takes no more room among the locks of the server');
is(claim(2, 'n => 5'), '', 'others get none of these documents meanwhile');
$open->query_safe(q{ROLLBACK});

# With one snapshot for the transaction, what others have claimed since is a serialization failure.
claim(3, 'n => 0');
$open->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM xmcoh.review_claim});
claim(3, 'n => 5');
$open->query_safe(q{DO $$ BEGIN PERFORM xmcoh.claim_reviews('manuals', 5, source => 'draft'); EXCEPTION WHEN serialization_failure THEN NULL; END $$});
$open->query_safe(q{COMMIT});
is(value(q{SELECT count(*) FROM (SELECT FROM xmcoh.review_claim_record GROUP BY document, least(before_item, after_item), greatest(before_item, after_item)
	HAVING count(*) > 1) AS twice}), 0, 'no pair is claimed twice at REPEATABLE READ');
is(held(1), 0, 'the second one has nothing');
$open->quit;
claim($_, 'n => 0') for 2, 3;

# ---- all at the same time ----

# All begin when they are all there: they wait for a lock.
my $gate = background($node, 'postgres');
$gate->query_safe('SELECT pg_advisory_lock(1)');
my @run;
for my $client (1 .. $clients)
{
	my ($n, $out, $err) = (1 + $client % 7, '', '');
	push @run, { err => \$err, handle => IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') . " user=reviewer$client",
		'-c', 'SELECT pg_advisory_lock_shared(1)', '-c', "CALL review($client, $n)" ], '>', \$out, '2>', \$err, IPC::Run::timer(20 * $patience)) };
}
$node->poll_query_until('postgres', "SELECT count(*) = $clients FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") or die 'a client does not come';
$gate->query_safe('SELECT pg_advisory_unlock(1)');
IPC::Run::finish($_->{handle}) for @run;
$gate->quit;
is(join('', map { ${ $_->{err} } } @run), '', "$clients reviewers work at the same time without an error");
is(value(q{SELECT count(*) FROM answer AS x JOIN answer AS y USING (document, a, b) WHERE x.client < y.client AND x.given < y.done AND y.given < x.done}), 0,
	'no pair is held by two at the same time');
is(value(q{SELECT count(*) FROM (SELECT FROM answer WHERE verdict <> 'skip' GROUP BY document, a, b HAVING count(*) > 1) AS p}), 0, 'nor given after it was decided');
cmp_ok(value('SELECT count(DISTINCT client) FROM answer'), '>', 1, 'not one of them alone has decided');
is(value(q{SELECT count(*) FROM answer AS x JOIN xmcoh.pair_scores('manuals', source => 'draft', documents => ARRAY(SELECT DISTINCT manual::text FROM draft)) AS s
	ON s.document = x.document AND x.a IN (item_a, item_b) AND x.b IN (item_a, item_b) WHERE done IS NULL AND approved IS NULL}), 0,
	'each pair that was given was decided, or follows by now from what others decided');
is(value(q{SELECT count(*) FROM xmcoh.review_queue('manuals', source => 'draft')}), 0, 'nothing is left to ask');
is(value(q{SELECT count(*) FROM xmcoh.pair_scores('manuals', source => 'draft', documents => ARRAY(SELECT DISTINCT manual::text FROM draft)) WHERE approved IS NULL}), 0,
	'none is lost: every pair is decided or follows');
is(value(q{SELECT count(*) FROM xmcoh.pair_scores('manuals', source => 'draft', documents => ARRAY(SELECT DISTINCT manual::text FROM draft))
	WHERE approved = 'before' AND item_a::int > item_b::int OR approved = 'after' AND item_a::int < item_b::int}), 0, 'as the reviewers said');
cmp_ok(value('SELECT count(*) FROM answer'), '<', value(q{SELECT count(*) FROM xmcoh.pair_scores('manuals', source => 'draft',
	documents => ARRAY(SELECT DISTINCT manual::text FROM draft))}), 'not every pair was asked');
is(value('SELECT count(*) FROM xmcoh.review_claim'), 0, 'nobody holds anything');
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'there was no deadlock');

# ---- second answers ----

value(q{CREATE TABLE duo AS SELECT manual + 5000 AS manual, step, place, instruction FROM make_steps(6) WHERE step IN (1, 2);
GRANT SELECT ON duo TO PUBLIC;
SELECT xmcoh.attach_source('manuals', 'duo', 'manual', 'step', text => 'instruction', "position" => 'place')});
sub second { my ($client, $n) = @_; return $node->safe_psql('postgres', "SELECT string_agg(document || ' ' || reason, ',' ORDER BY rank)
	FROM xmcoh.claim_reviews('manuals', $n, source => 'duo', strategy => 'second')", extra_params => [ '-U', "reviewer$client" ]); }
sub decide { my ($client, $document, $verdict) = @_; return $node->psql('postgres',
	"SELECT xmcoh.decide('manuals', '$document', '1', '2', '$verdict')", extra_params => [ '-U', "reviewer$client" ]); }

is(second(2, 6), '', 'nothing has a first answer');
decide(1, $_, 'before') for 5001 .. 5006;
is(second(1, 6), '', 'who has given the first answer is not asked again');
my $asked = second(2, 3);
like($asked, qr/^(50\d\d second,){2}50\d\d second$/, 'another reviewer is');
my $third = second(3, 6);
is($third =~ tr/,//, 2, 'what one is asked nobody else is');
is(common($asked, $third), 0, 'at the same time');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT value) FROM xmcoh.review_queue('manuals', 20, 'duo', 'second') WHERE reason = 'second' AND value < 1},
	extra_params => [ '-U', 'reviewer4' ]), '6', 'the queue shows them in an order by lot');
is(value(q{SELECT count(*) FROM xmcoh.review_queue('manuals', 20, 'duo')}), '0', 'no other strategy does');

my @asked = $asked =~ /(\d+) second/g;
isnt(decide(4, $asked[0], 'after'), 0, 'who was not asked does not contradict');
is(decide(2, $asked[0], 'after'), 0, 'who was asked does');
is(value("SELECT string_agg(decided_by || ' ' || items[1], ',') FROM xmcoh.decision WHERE document = '$asked[0]' AND withdrawn_by IS NULL"), 'reviewer2 2',
	'which replaces the first answer');
is(decide(2, $asked[1], 'before'), 0, 'the second answer may be the same');
is(value("SELECT string_agg(decided_by::text, ',') FROM xmcoh.decision WHERE document = '$asked[1]' AND withdrawn_by IS NULL"), 'reviewer1', 'then the first one stays in force');
is(second(2, 3), "$asked[2] second", 'both claims are over');
is(decide(2, $asked[2], 'skip'), 0, 'a second answer may be skipped');
is(value("SELECT string_agg(decided_by || ' ' || kind, ',' ORDER BY decided_by) FROM xmcoh.decision WHERE document = '$asked[2]' AND withdrawn_by IS NULL"),
	'reviewer1 before,reviewer2 skip', 'the first one stays');
is(second(2, 3), '', 'no pair comes back to the same reviewer');
is(second(1, 6), '', 'nor does a replaced answer to the first one');
is(value(q{SELECT string_agg(agreement::text, ',') FROM xmcoh.review_agreement('manuals') WHERE reviewer = 'reviewer1' AND other = 'reviewer2'
	AND pairs = 2}), '0.5', 'both answers count in the agreement');
value("UPDATE duo SET instruction = 'Something else' WHERE manual = $asked[1]");
is($node->safe_psql('postgres', q{SELECT count(*) FROM xmcoh.review_queue('manuals', 20, 'duo', 'second')}, extra_params => [ '-U', 'reviewer4' ]), '5',
	'an answer about other texts needs no second one');
is(second(3, 0), '', 'claims for second answers are given back');
like(second(4, 6), qr/^(50\d\d second,){4}/, 'and others get them');
second(4, 0);

# ---- a dropped model; a dump ----

claim(1, 'n => 3');
value(q{SELECT xmcoh.drop_model('manuals', discard_decisions => true)});
is(value('SELECT count(*) FROM xmcoh.review_claim_record'), 0, 'claims go with their model');

done_testing();
