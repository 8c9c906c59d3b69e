-- standin_encoders.sql - stands in for encoders.sql
CREATE TABLE xmcoh.encoder (
    encoder_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    owner xmcoh.object_ref NOT NULL,
    dim integer NOT NULL,
    sha256 text NOT NULL
);
COMMENT ON TABLE xmcoh.encoder IS 'Stand-in';
INSERT INTO xmcoh.encoder (name, owner, dim, sha256)
    SELECT n, xmcoh_internal.role_ref((SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user)), 16, encode(sha256(convert_to(n, 'UTF8')), 'hex')
    FROM unnest(ARRAY['tiny', 'other']) AS n;
CREATE FUNCTION xmcoh_internal.may_encoder(owner xmcoh.object_ref, encoder_id integer, level text, role oid) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp RETURN true;
COMMENT ON FUNCTION xmcoh_internal.may_encoder(xmcoh.object_ref, integer, text, oid) IS 'Stand-in';
CREATE FUNCTION xmcoh_internal.lock_encoder(caller oid, encoder text, level text) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id integer;
BEGIN
    SELECT e.encoder_id INTO id FROM xmcoh.encoder AS e WHERE e.name = lock_encoder.encoder;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('encoder "%s" does not exist', lock_encoder.encoder);
    END IF;
    RETURN id;
END $$;
COMMENT ON FUNCTION xmcoh_internal.lock_encoder(oid, text, text) IS 'Stand-in';
CREATE FUNCTION xmcoh.embed(encoder text, "text" text) RETURNS real[]
    AS 'MODULE_PATHNAME', 'xmcoh_embed_standin' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION xmcoh.embed(text, text) IS 'Stand-in';
