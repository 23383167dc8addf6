-- What was done to the store: rows are added, never changed. Each holds the hash of the one before it.

CREATE TABLE audit (
    number bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    action text NOT NULL,
    subjects uuid[] NOT NULL,  -- the only names of identities here
    facts jsonb NOT NULL,      -- numbers and ids; never names, notes or paths
    hash bytea NOT NULL CHECK (length(hash) = 32)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit only grows: its rows cannot be changed or removed'
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- Also in a session that replays another's changes, where ordinary triggers rest.
ALTER TABLE audit ENABLE ALWAYS TRIGGER append_only;
REVOKE ALL ON audit FROM PUBLIC;
REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM CURRENT_USER;
