-- cache.sql - the files through which sessions share the weights of versions and text encoders

CREATE FUNCTION xmcoh.sweep_cache() RETURNS integer
    AS 'MODULE_PATHNAME', 'xmcoh_sweep_cache' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION xmcoh.sweep_cache() IS
    'Removes unneeded cache files: those of dropped versions and text encoders at commit; those of dropped databases and extensions, and those that nobody has opened for a week, at once. Gives their number. xmcoh.drop_model, prune_versions and drop_encoder call it. For superusers and the owner of the extension';
