-- catalogue.sql - prints what the extension xmcoh is in the catalogue of this database, one fact a line, sorted; run by psql -XAtq.
--
-- A database in which the extension was updated must print the same lines as a database in which it was created new. Every line has
-- the form `kind: object: facts`. No line has an OID.
\set ON_ERROR_STOP 1
SET search_path = '';
SET client_min_messages = warning;

CREATE TEMP VIEW member AS
    SELECT d.classid, d.objid, i.type, i.identity
      FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid,
           LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
     WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e' AND e.extname = 'xmcoh';
CREATE TEMP VIEW member_relation AS
    SELECT c.*, m.identity FROM member AS m JOIN pg_catalog.pg_class AS c ON c.oid = m.objid WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass;
CREATE TEMP VIEW member_function AS
    SELECT p.*, m.identity FROM member AS m JOIN pg_catalog.pg_proc AS p ON p.oid = m.objid WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass;

-- The privileges of a list, in one order; NULL means the defaults of its kind of object.
CREATE FUNCTION pg_temp.privileges(list aclitem[], kind "char", owner oid) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(format('%s=%s%s/%s', CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END, privilege_type,
                        CASE WHEN is_grantable THEN '*' END, grantor::regrole), ' ' ORDER BY grantee::regrole::text COLLATE "C",
                        privilege_type COLLATE "C", grantor::regrole::text COLLATE "C"), 'nobody')
      FROM aclexplode(coalesce(list, acldefault(kind, owner))) $$;

CREATE TEMP VIEW fact (kind, object, fact) AS
    SELECT 'extension', extname::text, concat_ws(' ', extversion, extnamespace::pg_catalog.regnamespace, extowner::pg_catalog.regrole, extrelocatable)
      FROM pg_catalog.pg_extension WHERE extname = 'xmcoh'
    UNION ALL SELECT 'member', type || ' ' || identity, '' FROM member
    -- in a dump
    UNION ALL SELECT 'dumped', c.identity, 'WHERE ' || e.extcondition[n]
      FROM pg_catalog.pg_extension AS e, pg_catalog.generate_subscripts(e.extconfig, 1) AS n JOIN member_relation AS c ON true
     WHERE e.extname = 'xmcoh' AND c.oid = e.extconfig[n]
    -- functions
    UNION ALL SELECT 'function', identity,
           CASE prokind WHEN 'a' THEN (SELECT pg_catalog.row_to_json(a)::pg_catalog.jsonb - 'aggfnoid' FROM (
                   SELECT aggkind, aggnumdirectargs, aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn,
                          aggmfinalfn, aggfinalextra, aggmfinalextra, aggfinalmodify, aggmfinalmodify, aggtranstype::pg_catalog.regtype, aggtransspace,
                          aggmtranstype::pg_catalog.regtype, aggmtransspace, agginitval, aggminitval
                     FROM pg_catalog.pg_aggregate WHERE aggfnoid = p.oid) AS a)::text || pg_catalog.pg_get_function_arguments(p.oid)
               ELSE pg_catalog.pg_get_functiondef(p.oid) END
           || pg_catalog.format(' %s %s %s %s %s %s', proowner::pg_catalog.regrole, procost, prorows, provolatile, proparallel, proleakproof)
      FROM member_function AS p
    -- A symbol of the library, with the arguments that SQL passes: these may never change, see CONTRIBUTING.md.
    UNION ALL SELECT DISTINCT 'symbol', p.prosrc,
           CASE WHEN p.prosrc <> 'xmcoh_as_owner' THEN
               pg_catalog.format('(%s) %s%s', pg_catalog.array_to_string(p.proargtypes::pg_catalog.regtype[], ', '), p.prorettype::pg_catalog.regtype,
                                 CASE WHEN p.proisstrict THEN ' strict' END) END
      FROM member_function AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang WHERE l.lanname = 'c'
    -- relations
    UNION ALL SELECT 'relation', identity,
           pg_catalog.format('%s %s %s %s %s %s %s %s', relkind, relpersistence, relowner::pg_catalog.regrole, relreplident, relrowsecurity,
                             relforcerowsecurity, reloptions, CASE WHEN relkind = 'v' THEN pg_catalog.pg_get_viewdef(oid) END)
      FROM member_relation
    -- A column has its place among the columns that there are: C code and INSERT without names count them.
    UNION ALL SELECT 'column', c.identity || '.' || a.attname,
           pg_catalog.format('%s %s %s %s %s %s %s %s', pg_catalog.row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum),
                             pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity,
                             a.attgenerated, a.attstorage, a.attcollation::pg_catalog.regcollation)
      FROM member_relation AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
           LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT 'constraint', c.identity || '.' || k.conname, pg_catalog.pg_get_constraintdef(k.oid) || ' ' || k.convalidated
      FROM member_relation AS c JOIN pg_catalog.pg_constraint AS k ON k.conrelid = c.oid
    UNION ALL SELECT 'index', c.identity || ': ' || i.indexrelid::pg_catalog.regclass,
           pg_catalog.concat_ws(' ', pg_catalog.pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisreplident)
      FROM member_relation AS c JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
    UNION ALL SELECT 'trigger', c.identity || '.' || t.tgname, pg_catalog.concat_ws(' ', pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled)
      FROM member_relation AS c JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
    UNION ALL SELECT 'policy', p.schemaname || '.' || p.tablename || '.' || p.policyname,
           pg_catalog.concat_ws(' ', p.permissive, p.roles, p.cmd, p.qual, p.with_check)
      FROM member_relation AS c JOIN pg_catalog.pg_policies AS p ON c.relname = p.tablename AND c.relnamespace::pg_catalog.regnamespace::text = p.schemaname
    UNION ALL SELECT 'rule', c.identity || '.' || r.rulename, pg_catalog.pg_get_ruledef(r.oid)
      FROM member_relation AS c JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = c.oid WHERE c.relkind <> 'v'
    UNION ALL SELECT 'sequence', c.identity, pg_catalog.format('%s %s %s %s %s %s %s', s.seqtypid::pg_catalog.regtype, s.seqstart, s.seqincrement, s.seqmin,
                                                               s.seqmax, s.seqcache, s.seqcycle)
      FROM member_relation AS c JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = c.oid
    UNION ALL SELECT 'owned', c.identity, pg_catalog.pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
      FROM member_relation AS c JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
     WHERE c.relkind = 'S' AND d.deptype IN ('a', 'i')
    -- types
    UNION ALL SELECT 'type', m.identity,
           pg_catalog.format('%s %s %s %s %s %s %s %s %s %s %s %s %s', t.typtype, t.typowner::pg_catalog.regrole, t.typlen, t.typbyval, t.typcategory, t.typalign,
                             t.typstorage, t.typinput, t.typoutput, t.typreceive, t.typsend, t.typnotnull, t.typdefault)
           || coalesce((SELECT ' ' || pg_catalog.string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_catalog.pg_enum WHERE enumtypid = t.oid), '')
           || coalesce((SELECT ' ' || pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(oid), ' ' ORDER BY conname) FROM pg_catalog.pg_constraint
                         WHERE contypid = t.oid), '')
      FROM member AS m JOIN pg_catalog.pg_type AS t ON t.oid = m.objid WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
    UNION ALL SELECT 'cast', m.identity, pg_catalog.format('%s %s %s', c.castfunc::pg_catalog.regprocedure, c.castcontext, c.castmethod)
      FROM member AS m JOIN pg_catalog.pg_cast AS c ON c.oid = m.objid WHERE m.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass
    UNION ALL SELECT 'operator', m.identity, pg_catalog.format('%s %s %s %s', o.oprcode, o.oprcom::pg_catalog.regoperator, o.oprrest, o.oprjoin)
      FROM member AS m JOIN pg_catalog.pg_operator AS o ON o.oid = m.objid WHERE m.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass
    -- privileges
    UNION ALL SELECT 'privileges', 'relation ' || identity,
           pg_temp.privileges(relacl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner) FROM member_relation
    UNION ALL SELECT 'privileges', 'column ' || c.identity || '.' || a.attname, pg_temp.privileges(a.attacl, 'c', c.relowner)
      FROM member_relation AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL SELECT 'privileges', 'function ' || identity, pg_temp.privileges(proacl, 'f', proowner) FROM member_function
    UNION ALL SELECT 'privileges', 'schema ' || n.nspname, pg_temp.privileges(n.nspacl, 'n', n.nspowner)
      FROM pg_catalog.pg_namespace AS n WHERE n.nspname IN ('xmcoh', 'xmcoh_internal')
    UNION ALL SELECT 'privileges', 'type ' || m.identity, pg_temp.privileges(t.typacl, 'T', t.typowner)
      FROM member AS m JOIN pg_catalog.pg_type AS t ON t.oid = m.objid WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
    -- the privileges that belong to the extension, so that a dump does not repeat them
    UNION ALL SELECT 'privileges of the extension', pg_catalog.pg_describe_object(i.classoid, i.objoid, i.objsubid),
           pg_temp.privileges(i.initprivs, 'r', 10)
      FROM member AS m JOIN pg_catalog.pg_init_privs AS i ON i.classoid = m.classid AND i.objoid = m.objid WHERE i.privtype = 'e'
    UNION ALL SELECT 'comment', pg_catalog.pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
      FROM member AS m JOIN pg_catalog.pg_description AS d ON d.classoid = m.classid AND d.objoid = m.objid
    UNION ALL SELECT 'comment', 'schema ' || n.nspname, pg_catalog.obj_description(n.oid, 'pg_namespace')
      FROM pg_catalog.pg_namespace AS n WHERE n.nspname IN ('xmcoh', 'xmcoh_internal');

-- Long facts, such as the text of a function, are in lines of their own.
SELECT pg_catalog.regexp_replace(pg_catalog.format('%s: %s: %s', kind, object, fact), E'\n', E'\n    ', 'g')
  FROM fact ORDER BY kind COLLATE pg_catalog."C", object COLLATE pg_catalog."C", fact COLLATE pg_catalog."C";
