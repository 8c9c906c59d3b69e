-- Installs and removes the extension, and checks rules that every object of the extension must follow.

-- CREATE EXTENSION refuses a schema that somebody else created.
CREATE ROLE regress_xmcoh_squatter;
CREATE SCHEMA xmcoh AUTHORIZATION regress_xmcoh_squatter;
-- The context is not shown: in PostgreSQL 18 a line of the script is part of it.
\set SHOW_CONTEXT never
CREATE EXTENSION xmcoh;
\set SHOW_CONTEXT errors
DROP SCHEMA xmcoh;
DROP ROLE regress_xmcoh_squatter;

CREATE EXTENSION xmcoh;
SELECT extversion, extnamespace::regnamespace FROM pg_extension WHERE extname = 'xmcoh';

-- Every relation and function has a comment.
SELECT pg_describe_object(d.classid, d.objid, 0) AS without_comment
  FROM pg_depend d
 WHERE d.refclassid = 'pg_extension'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'xmcoh')
   AND d.deptype = 'e'
   AND (d.classid = 'pg_proc'::regclass
        OR d.classid = 'pg_class'::regclass AND (SELECT relkind IN ('r', 'v', 'm') FROM pg_class WHERE oid = d.objid))
   AND obj_description(d.objid, d.classid::regclass::name) IS NULL
   -- support functions of aggregates are internal; users do not call them
   AND NOT EXISTS (SELECT FROM pg_aggregate a
                    WHERE d.classid = 'pg_proc'::regclass
                      AND d.objid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                                      a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn))
 ORDER BY 1;

-- No function in SQL or PL/pgSQL, and no SECURITY DEFINER function, uses the search_path of its caller.
SELECT p.oid::regprocedure AS unpinned
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = 'xmcoh'::regnamespace
   AND (l.lanname IN ('sql', 'plpgsql') OR p.prosecdef)
   AND p.prosqlbody IS NULL
   AND NOT coalesce(p.proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)
 ORDER BY 1;

-- DROP EXTENSION leaves only the schema.
DROP EXTENSION xmcoh;
SELECT relname FROM pg_class WHERE relnamespace = 'xmcoh'::regnamespace
 UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'xmcoh'::regnamespace
 UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'xmcoh'::regnamespace;
