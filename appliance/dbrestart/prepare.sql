-- What a database needs before its restarts are scheduled. Run it once, as a superuser, in the declared database:
--   varde db prepare NAME | psql …
-- then give the account a password (\password varde) and tell the appliance: varde db credential NAME
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'varde') THEN
        CREATE ROLE varde LOGIN;
    END IF;
END $$;
-- To see what is in use, to write what has gathered, and to end sessions where the site allows it.
GRANT pg_monitor, pg_signal_backend TO varde;
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_checkpoint') THEN
        GRANT pg_checkpoint TO varde;
    END IF;
END $$;
-- To find faults in the configuration while the server still runs.
GRANT EXECUTE ON FUNCTION pg_show_all_file_settings(), pg_hba_file_rules() TO varde;
GRANT SELECT ON pg_file_settings, pg_hba_file_rules TO varde;

CREATE SCHEMA IF NOT EXISTS varde;
GRANT USAGE ON SCHEMA varde TO varde;
-- The write probe: one row, written again and again.
CREATE TABLE IF NOT EXISTS varde.probed (one boolean PRIMARY KEY DEFAULT true CHECK (one), at timestamptz NOT NULL);
CREATE OR REPLACE FUNCTION varde.probe() RETURNS timestamptz LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
    INSERT INTO varde.probed (at) VALUES (clock_timestamp())
    ON CONFLICT (one) DO UPDATE SET at = excluded.at RETURNING at
$$;
-- For the gate: the SCRAM secret of whoever logs in, and of nobody with more rights than a program needs.
CREATE OR REPLACE FUNCTION varde.secret_of(login text) RETURNS TABLE (usename name, passwd text) LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid
    WHERE rolname = login AND rolcanlogin AND NOT rolsuper AND NOT rolreplication
$$;
REVOKE ALL ON FUNCTION varde.secret_of(text), varde.probe() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION varde.secret_of(text), varde.probe() TO varde;
