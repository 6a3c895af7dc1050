#!/bin/sh
# Two databases with a role of their own each, so that neither role can enter the other's. The image of PostgreSQL runs
# this once, when its volume is empty. The passwords come from the environment and never stand in a command line.
set -eu
: "${AIRFLOW_DB_PASSWORD:?is not set}" "${AFTERPILOT_DB_PASSWORD:?is not set}"
psql -v ON_ERROR_STOP=1 --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv afterpilot_password AFTERPILOT_DB_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE afterpilot LOGIN PASSWORD :'afterpilot_password';
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE afterpilot OWNER afterpilot;
REVOKE CONNECT, TEMPORARY ON DATABASE airflow FROM PUBLIC;
REVOKE CONNECT, TEMPORARY ON DATABASE afterpilot FROM PUBLIC;
SQL
