-- guides_data.sql - the guides and their folds, after the import of guides.raw (guide_id, step_no, instruction, repository, image,
-- words_embedding).
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE EXTENSION xmcoh;

-- The key of a step is a hash, so that ties broken by the key are independent of the true order.
CREATE TABLE guides.step AS
    SELECT guide_id, md5(guide_id || '/' || step_no) AS step_key, step_no, instruction, repository, image, words_embedding
      FROM guides.raw
     WHERE guide_id IN (SELECT guide_id FROM guides.raw GROUP BY guide_id HAVING count(*) >= 2);
DROP TABLE guides.raw;

-- Folds. By document: unseen guides of known repositories. By repository: every repository is in one fold, so its
-- wording and screenshots are new to the model. Repositories are taken by size, each into the fold that is smallest so far.
CREATE TABLE guides.fold (split text, guide_id text, fold int, PRIMARY KEY (split, guide_id));

INSERT INTO guides.fold
    SELECT 'document', guide_id, abs(hashtext(guide_id)::bigint) % 5 FROM (SELECT DISTINCT guide_id FROM guides.step) AS d;

DO $$
DECLARE
    size bigint[] := '{0,0,0,0,0}';
    repository record;
    k int;
BEGIN
    FOR repository IN SELECT s.repository AS name, count(DISTINCT s.guide_id) AS documents FROM guides.step s GROUP BY 1 ORDER BY 2 DESC, 1
    LOOP
        k := (SELECT n FROM unnest(size) WITH ORDINALITY AS f (documents, n) ORDER BY documents, n LIMIT 1);
        size[k] := size[k] + repository.documents;
        INSERT INTO guides.fold SELECT DISTINCT 'repository', s.guide_id, k - 1 FROM guides.step s WHERE s.repository = repository.name;
    END LOOP;
END $$;

-- A guide with steps from two repositories would be in two folds; the primary key above refuses such a guide.

-- The training documents of one fold and one sample; size NULL: all are approved. The others are the pool.
CREATE FUNCTION guides.sample(split text, fold int, size int, seed int) RETURNS TABLE (guide_id text, approved boolean) LANGUAGE sql STABLE AS $$
    SELECT f.guide_id, sample.size IS NULL OR row_number() OVER (ORDER BY md5(format('%s/%s', seed, f.guide_id))) <= sample.size
      FROM guides.fold AS f WHERE f.split = sample.split AND f.fold <> sample.fold $$;

CREATE FUNCTION guides.size_of(size int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(size || ' approved', 'all approved') $$;

CREATE FUNCTION guides.interval_of(float8[]) RETURNS text LANGUAGE sql AS
    $$ SELECT format('%s [%s, %s]', to_char(mean, 'FM0.000'), to_char(low, 'FM0.000'), to_char(high, 'FM0.000')) FROM xmcoh.bootstrap_mean($1) $$;
CREATE FUNCTION guides.difference_of(float8[], float8[]) RETURNS text LANGUAGE sql AS
    $$ SELECT format('%s [%s, %s]', to_char(difference, 'FMSG0.000'), to_char(low, 'FMSG0.000'), to_char(high, 'FMSG0.000'))
         FROM xmcoh.paired_bootstrap($1, $2) $$;

SELECT split, fold, count(*) AS documents, sum(steps)::int AS steps, count(DISTINCT repository) AS repositories
  FROM guides.fold JOIN (SELECT guide_id, count(*) AS steps, min(repository) AS repository FROM guides.step GROUP BY 1) AS d USING (guide_id)
 GROUP BY split, fold ORDER BY split, fold;
