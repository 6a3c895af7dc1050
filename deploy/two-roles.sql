-- Gives an ops database that one role owned an owner of its own. Run it once, as a superuser or a member of both roles, connected to
-- the ops database (docs/deployment.md, Two roles); a second run changes nothing but the password. AFTERPILOT_OWNER_PASSWORD is read
-- from the environment of psql. Until the next `afterpilot db upgrade` the application can do nothing.
-- Other names: psql -v application=NAME -v owner=NAME
\set ON_ERROR_STOP on
\if :{?application} \else \set application afterpilot
\endif
\if :{?owner} \else \set owner afterpilot_owner
\endif
\getenv owner_password AFTERPILOT_OWNER_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', :'owner') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
ALTER ROLE :"owner" PASSWORD :'owner_password';
SELECT current_database() AS database \gset

BEGIN;
-- The database itself is among what it owned.
REASSIGN OWNED BY :"application" TO :"owner";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC, :"application";
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO :"application";
COMMIT;
