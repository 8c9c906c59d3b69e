-- cache.sql - the files through which sessions share the weights of versions

CREATE FUNCTION xmcoh.sweep_cache() RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_sweep_cache' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.sweep_cache() IS
    'Removes the cache files that nobody needs: those of dropped versions of this database when the transaction commits, those of dropped databases and extensions and those that nobody has opened for a week at once; gives their number. For superusers and the owner of the extension: dropping and pruning versions call it';
