-- reference.sql - prints doc/reference.md from the catalogue of the installed extension, by psql -XAtq
\set ON_ERROR_STOP 1
SET search_path = pg_catalog, pg_temp;
LOAD 'xmcoh';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS xmcoh;

-- Text in the cell of a table, as text and as code.
CREATE FUNCTION pg_temp.cell(text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(replace(replace($1, '|', '\|'), E'\n', ' '), '') $$;
CREATE FUNCTION pg_temp.code(text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN $1 <> '' THEN '`' || pg_temp.cell($1) || '`' ELSE '' END $$;

-- One row for each function, aggregate, window function and procedure of the schema, with its heading.
CREATE TEMP VIEW routine AS
    SELECT p.oid, p.proname, p.prokind, p.provolatile, p.proretset, p.proisstrict, p.pronargs, p.proargnames,
           coalesce(p.proallargtypes, p.proargtypes::oid[]) AS types, p.proargmodes AS modes,
           pg_get_function_result(p.oid) AS result, obj_description(p.oid, 'pg_proc') AS comment,
           has_function_privilege('public', p.oid, 'EXECUTE') AS for_all,
           has_function_privilege('xmcoh_user', p.oid, 'EXECUTE') AS for_users,
           pg_get_function_identity_arguments(p.oid) AS signature
      FROM pg_proc AS p
     WHERE p.pronamespace = 'xmcoh'::regnamespace AND p.prorettype <> 'trigger'::regtype
       AND NOT EXISTS (SELECT FROM pg_aggregate AS a
                        WHERE p.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn))
       AND NOT EXISTS (SELECT FROM pg_type AS t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend));

-- The arguments of a routine and the columns of its result, as (number, mode, name, type, default).
CREATE FUNCTION pg_temp.arguments(routine oid) RETURNS TABLE (n bigint, mode "char", name text, type text, preset text)
    LANGUAGE sql AS $$
    SELECT n, coalesce(r.modes[n], 'i'), r.proargnames[n], format_type(t, NULL),
           CASE WHEN coalesce(r.modes[n], 'i') IN ('i', 'b', 'v') THEN pg_get_function_arg_default(r.oid,
               (SELECT count(*) FROM generate_series(1, n) AS k WHERE coalesce(r.modes[k], 'i') IN ('i', 'b', 'v'))::integer) END
      FROM pg_temp.routine AS r, unnest(r.types) WITH ORDINALITY AS a (t, n) WHERE r.oid = routine ORDER BY n $$;

CREATE FUNCTION pg_temp.describe(routine pg_temp.routine) RETURNS text LANGUAGE sql AS $$
    SELECT format(E'### %s(%s)\n\n', routine.proname,
               (SELECT string_agg(coalesce(name, type), ', ' ORDER BY n) FROM pg_temp.arguments(routine.oid)
                 WHERE mode NOT IN ('t', 'o')))
        || coalesce(routine.comment || E'\n\n', '')
        || coalesce((SELECT E'| argument | type | default |\n|---|---|---|\n'
               || string_agg(format(E'| %s | %s | %s |\n', pg_temp.code(
                      CASE mode WHEN 'v' THEN 'VARIADIC ' WHEN 'b' THEN 'INOUT ' ELSE '' END || coalesce(name, '')),
                      pg_temp.cell(type), pg_temp.code(preset)), '' ORDER BY n) || E'\n'
             FROM pg_temp.arguments(routine.oid) WHERE mode NOT IN ('t', 'o')), '')
        || CASE WHEN routine.prokind = 'p' THEN 'Procedure: `CALL`'
                WHEN routine.modes && '{t,o}' THEN CASE WHEN routine.proretset THEN 'Returns rows:' ELSE 'Returns a row:' END
                ELSE 'Returns ' || CASE WHEN routine.proretset THEN 'rows of ' ELSE '' END
                     || CASE WHEN routine.proretset THEN substr(routine.result, 7) ELSE routine.result END END
        || CASE WHEN routine.modes && '{t,o}' THEN (SELECT E'\n\n| column | type |\n|---|---|\n'
               || string_agg(format(E'| %s | %s |\n', pg_temp.code(name), pg_temp.cell(type)), '' ORDER BY n) || E'\n'
             FROM pg_temp.arguments(routine.oid) WHERE mode IN ('t', 'o')) ELSE '. ' END
        || CASE WHEN routine.prokind IN ('f', 'w') THEN
               CASE routine.provolatile WHEN 'i' THEN 'Immutable' WHEN 's' THEN 'Stable' ELSE 'Volatile' END
               || CASE WHEN routine.proisstrict THEN '; NULL if an argument is NULL' ELSE '' END || '. ' ELSE '' END
        || 'Callers: '
        || CASE WHEN routine.for_all THEN 'everybody' WHEN routine.for_users THEN 'members of `xmcoh_user`' ELSE 'superusers' END
        || E'.\n' $$;

CREATE FUNCTION pg_temp.relations(kind "char") RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format(E'### %s\n\n%s\n\n| column | type | meaning |\n|---|---|---|\n%s', c.relname, obj_description(c.oid, 'pg_class'),
                  (SELECT string_agg(format(E'| %s | %s | %s |\n', pg_temp.code(a.attname),
                                            pg_temp.cell(format_type(a.atttypid, a.atttypmod)),
                                            pg_temp.cell(col_description(c.oid, a.attnum))), '' ORDER BY a.attnum)
                     FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
      FROM pg_class AS c WHERE c.relnamespace = 'xmcoh'::regnamespace AND c.relkind = kind ORDER BY c.relname $$;

SELECT format(E'# Reference of xmcoh %s\n\nMade by `make reference` from the catalogue of the extension; do not edit. '
              '[README](../README.md) shows the functions at work.\n', extversion) FROM pg_extension WHERE extname = 'xmcoh';
SELECT E'- [Functions](#functions)\n- [Aggregates](#aggregates)\n- [Window functions](#window-functions)\n'
       '- [Procedures](#procedures)\n- [Views](#views)\n- [Tables](#tables)\n- [Settings](#settings)\n- [Options of a model](#options-of-a-model)\n';
SELECT E'All objects are in the schema `xmcoh`.\n';

SELECT E'## Functions\n';
SELECT pg_temp.describe(r) FROM pg_temp.routine AS r WHERE prokind = 'f' ORDER BY proname, signature;
SELECT E'## Aggregates\n';
SELECT pg_temp.describe(r) FROM pg_temp.routine AS r WHERE prokind = 'a' ORDER BY proname, signature;
SELECT E'## Window functions\n';
SELECT pg_temp.describe(r) FROM pg_temp.routine AS r WHERE prokind = 'w' ORDER BY proname, signature;
SELECT E'## Procedures\n';
SELECT pg_temp.describe(r) FROM pg_temp.routine AS r WHERE prokind = 'p' ORDER BY proname, signature;

SELECT E'## Views\n';
SELECT * FROM pg_temp.relations('v');
SELECT E'## Tables\n';
SELECT * FROM pg_temp.relations('r');

SELECT E'## Settings\n\n`SET`, `ALTER ROLE`, `ALTER DATABASE` or the server configuration change a setting.\n';
SELECT E'| setting | default | from | to | who sets it | meaning |\n|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s |', pg_temp.code(name), boot_val || coalesce(' ' || unit, ''), min_val, max_val,
              CASE context WHEN 'user' THEN 'everybody' WHEN 'superuser' THEN 'superusers'
                           WHEN 'sighup' THEN 'the server configuration'
                           WHEN 'postmaster' THEN 'the server configuration, at its start' ELSE context END,
              pg_temp.cell(concat_ws(' ', short_desc, extra_desc)))
  FROM pg_settings WHERE name LIKE 'xmcoh.%' ORDER BY name;

SELECT E'\n## Options of a model\n\n`create_model`, `alter_model` and `train` take options as JSON, such as `''{"epochs": 20}''`. '
       '`SELECT * FROM xmcoh.options()` lists them.\n';
SELECT E'| option | default | from | to | meaning |\n|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s |', pg_temp.code(option), default_value, low, high, pg_temp.cell(meaning))
  FROM xmcoh.options();
