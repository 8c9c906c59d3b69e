-- Pictures and the report: well-formed, complete, read as the caller; trained.sql has the model.
CREATE TABLE draft AS
    SELECT guide + 1000 AS guide, step, words, picture,
           CASE WHEN guide = 3 AND place IN (2, 3) THEN 5 - place WHEN guide = 11 THEN -place ELSE place END AS place
      FROM step WHERE guide <= 20;
SELECT xmcoh.attach_source('guides', 'draft', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');

-- Every picture of a document is XML, in both languages, with a title and a description. The same call gives the same bytes.
SELECT what, language, xmlparse(DOCUMENT svg) IS NOT NULL AS xml, (xpath('//*[local-name() = "title"]/text()', svg::xml))[1] AS title,
       length((xpath('//*[local-name() = "desc"]/text()', svg::xml))[1]::text) > 40 AS description, svg = xmcoh.picture('guides', what, '1003', language) AS same
  FROM unnest('{pairs,order,alignment}'::text[]) AS w (what), unnest('{en,ja}'::text[]) AS l (language),
       LATERAL (SELECT xmcoh.picture('guides', what, '1003', language) AS svg) AS p ORDER BY 1, 2;
-- The order of rows in the table does not matter.
CREATE TABLE turned AS SELECT * FROM draft ORDER BY words DESC;
SET client_min_messages = warning;
SELECT xmcoh.attach_source('guides', 'turned', document => 'guide', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT what, xmcoh.picture('guides', what, '1003', source => 'draft') = xmcoh.picture('guides', what, '1003', source => 'turned') AS same
  FROM unnest('{pairs,order,alignment}'::text[]) AS w (what);
SELECT xmcoh.detach_source('guides', 'turned');
RESET client_min_messages;

-- What is shown is what the other functions say: the moved items, the pairs against the stored order, the decided pairs.
SELECT document, (regexp_matches(svg, '>(\d+) of (\d+) steps move'))::int[] AS moved,
       (regexp_matches(svg, '>\d+ of \d+ steps move')) = ARRAY['>' || jsonb_array_length(moves) || ' of ' || items || ' steps move'] AS as_check
  FROM xmcoh.check_documents('guides', 'draft', '{1003,1005,1011}') AS c, LATERAL (SELECT xmcoh.picture('guides', 'order', document) AS svg) AS p ORDER BY 1;
SELECT xmcoh.decide('guides', '1004', '2', '1', 'before') AS decision \gset
SELECT document, (regexp_matches(svg, 'Of (\d+) pairs .* in (\d+) and contradicts it in (\d+). (\d+) pairs are decided by people, (\d+) are'))::int[] =
       ARRAY[pairs, agreeing, pairs - agreeing, decided, violated] AS as_scores, decided, violated
  FROM (SELECT document, count(*)::int AS pairs, count(*) FILTER (WHERE (probability > 0.5) = (stored_a < stored_b))::int AS agreeing,
               count(approved)::int AS decided FROM xmcoh.pair_scores('guides', source => 'draft', documents => '{1003,1004,1011}') GROUP BY 1) AS s,
       LATERAL (SELECT count(*) FILTER (WHERE verdict = 'violated')::int AS violated FROM xmcoh.explain_document('guides', document, n => 1000)) AS e,
       LATERAL (SELECT xmcoh.picture('guides', 'pairs', document) AS svg) AS p ORDER BY 1;
SELECT xmcoh.withdraw(:decision) > 0 AS withdrawn;

-- Arguments.
CREATE FUNCTION try(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
    hint text;
BEGIN
    EXECUTE 'SELECT ' || call;
    RETURN 'answered';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || said || coalesce(' / ' || nullif(hint, ''), '');
END $$;
SELECT call, try(call) FROM unnest(ARRAY[
    $$xmcoh.picture('guides', 'pairs')$$, $$xmcoh.picture('guides', 'learning', '1003')$$, $$xmcoh.picture('guides', 'portrait')$$,
    $$xmcoh.picture('guides', NULL)$$, $$xmcoh.picture(NULL, 'pairs', '1003')$$, $$xmcoh.picture('guides', 'pairs', '1003', 'fr')$$,
    $$xmcoh.picture('guides', 'pairs', 'nowhere')$$, $$xmcoh.picture('nobody', 'rounds')$$, $$xmcoh.picture('guides', 'rounds')$$,
    $$xmcoh.report('nobody')$$, $$xmcoh.report('guides', 'fr')$$, $$xmcoh.report('guides', documents => 51)$$, $$xmcoh.report(NULL)$$]) AS call;

-- The report: its parts in both languages; nothing in it runs or is loaded.
CREATE TABLE page AS SELECT l AS language, xmcoh.report('guides', l) AS html FROM unnest('{en,ja}'::text[]) AS l;
SELECT language, html ~ '^<!DOCTYPE html>\n<html lang="(en|ja)">' AS begins, html ~ '</main></body></html>\n$' AS ends,
       html ~ 'Content-Security-Policy" content="default-src ''none''' AS policy,
       html ~* '<script|<link|<img|<iframe|<object|\son\w+\s*=|\s(src|href|action)\s*=|@import|url\(|javascript:' AS loads_or_runs
  FROM page ORDER BY 1;
SELECT language, array_agg(heading[1] ORDER BY n) AS headings
  FROM page, LATERAL regexp_matches(html, '<h2>([^<]*)</h2>', 'g') WITH ORDINALITY AS h (heading, n) GROUP BY 1 ORDER BY 1;
SELECT language, (SELECT count(*) FROM regexp_matches(html, 'class="xmcoh xmcoh-(order|pairs)"', 'g')) AS of_documents,
       (SELECT bool_and(xmlparse(DOCUMENT svg[1]) IS NOT NULL) FROM regexp_matches(html, '<svg .*?</svg>', 'g') AS svg) AS all_xml,
       html LIKE '%<h3>1011</h3>%' AS the_worst, html LIKE '%' || (SELECT sha256 FROM xmcoh.versions WHERE model = 'guides' AND deployed) || '%' AS hash
  FROM page ORDER BY 1;
SELECT bool_and(html LIKE '%' || replace(replace(explanation, '&', '&amp;'), '"', '&quot;') || '%') AS explained
  FROM page, xmcoh.explain_document('guides', '1011', n => 3, language => page.language);
SELECT (SELECT count(*) FROM regexp_matches(xmcoh.report('guides', documents => 0), 'xmcoh-(order|pairs)"', 'g')) AS without_documents,
       (SELECT count(*) FROM regexp_matches(xmcoh.report('guides', documents => 1), '<h3>', 'g')) AS of_one_and_the_versions;

-- Texts of rows, keys and names are escaped everywhere.
CREATE TABLE hostile ("<k a=""1"">" text, step text, words text, picture real[], place integer);
INSERT INTO hostile VALUES ('<script>alert(1)</script>', '"><b>', '</text><script>alert(2)</script>', '{0.1,0,0,1}', 3),
    ('<script>alert(1)</script>', '&amp;', E'\x01\x7f ]]> <!-- & '' "', '{0.6,0,0,1}', 2),
    ('<script>alert(1)</script>', '{0}', E'open \u202E part %s', '{0.9,0,0,1}', 1), ('<script>alert(1)</script>', 'none', NULL, NULL, NULL);
SET client_min_messages = warning;
SELECT xmcoh.attach_source('guides', 'hostile', document => '<k a="1">', item => 'step', text => 'words', image => 'picture', "position" => 'place');
SELECT what, xmlparse(DOCUMENT svg) IS NOT NULL AS xml, svg ~* '<script|<b>' AS escaped_not
  FROM unnest('{pairs,order,alignment}'::text[]) AS w (what), LATERAL (SELECT xmcoh.picture('guides', what, '<script>alert(1)</script>') AS svg) AS p;
SELECT xmcoh.alter_model('guides', new_name => '<img src=x onerror="alert(3)">') IS NOT NULL AS renamed;
SELECT html LIKE '%&lt;script&gt;alert(1)&lt;/script&gt;%' AS shown, html ~* '<script|<b>|<img' AS escaped_not,
       (SELECT bool_and(xmlparse(DOCUMENT svg[1]) IS NOT NULL) FROM regexp_matches(html, '<svg .*?</svg>', 'g') AS svg) AS all_xml
  FROM xmcoh.report('<img src=x onerror="alert(3)">', documents => 50) AS html;
SELECT xmcoh.alter_model('<img src=x onerror="alert(3)">', new_name => 'guides') IS NOT NULL AS renamed;
SELECT xmcoh.detach_source('guides', 'hostile');
RESET client_min_messages;

-- As the caller: who may not read the source gets no picture of its documents, and a report without documents.
CREATE ROLE pictures_reader;
SELECT xmcoh.grant_usage('pictures_reader'), xmcoh.grant_model('guides', 'pictures_reader', 'score');
SET ROLE pictures_reader;
\set VERBOSITY terse
SELECT xmcoh.picture('guides', 'pairs', '1003', source => 'draft') IS NOT NULL;
SELECT xmcoh.report('guides') IS NOT NULL;
SELECT xmcoh.report('guides', documents => 0) LIKE '%</html>%' AS without_documents;
\set VERBOSITY default
RESET ROLE;
SELECT xmcoh.revoke_model('guides', 'pictures_reader'), xmcoh.revoke_usage('pictures_reader');
DROP ROLE pictures_reader;

SELECT xmcoh.detach_source('guides', 'draft');
DROP TABLE draft, turned, page, hostile;
DROP FUNCTION try(text);
