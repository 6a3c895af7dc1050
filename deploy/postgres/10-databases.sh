#!/bin/sh
# Two databases with roles of their own each, so that no role can enter both. In ours one role owns the tables and migrates, the
# other is the application's, which `afterpilot db upgrade` grants what it needs. The image of PostgreSQL runs this once, when its
# volume is empty. The passwords come from the environment and never stand in a command line.
set -eu
: "${AIRFLOW_DB_PASSWORD:?is not set}" "${AFTERPILOT_DB_PASSWORD:?is not set}" "${AFTERPILOT_OWNER_PASSWORD:?is not set}"
psql -v ON_ERROR_STOP=1 --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv afterpilot_password AFTERPILOT_DB_PASSWORD
\getenv owner_password AFTERPILOT_OWNER_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE afterpilot LOGIN PASSWORD :'afterpilot_password';
CREATE ROLE afterpilot_owner LOGIN PASSWORD :'owner_password';
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE afterpilot OWNER afterpilot_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE airflow FROM PUBLIC;
REVOKE CONNECT, TEMPORARY ON DATABASE afterpilot FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE afterpilot TO afterpilot;
SQL
