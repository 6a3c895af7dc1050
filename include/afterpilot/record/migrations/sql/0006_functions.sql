-- What the application may do with the database's structure, and what stops everybody from changing history. All of it belongs
-- to the role that runs the migrations; afterpilot.record.functions pins the search path of each function, takes it from PUBLIC,
-- and afterpilot.record.roles says which of them the application may call.

-- Raised for UPDATE and DELETE of a row and for TRUNCATE: the same SQLSTATE as a missing grant.
CREATE FUNCTION afterpilot_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', tg_table_name, tg_op USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Makes a table append-only, with all partitions that it has and will have; mends a trigger that was dropped or disabled. Row
-- triggers are cloned to partitions by PostgreSQL, statement triggers are not. ALWAYS: session_replication_role does not turn them off.
CREATE FUNCTION afterpilot_protect(wanted regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  part regclass;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = wanted AND tgname = 'append_only') THEN
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s '
                   'FOR EACH ROW EXECUTE FUNCTION afterpilot_append_only()', wanted);
  END IF;
  FOR part IN SELECT wanted UNION ALL SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = wanted LOOP
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = part AND tgname = 'append_only_truncate') THEN
      EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %s '
                     'FOR EACH STATEMENT EXECUTE FUNCTION afterpilot_append_only()', part);
    END IF;
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = part AND tgname LIKE 'append\_only%' AND tgenabled <> 'A') THEN
      EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER append_only_truncate', part);
    END IF;
  END LOOP;
END
$$;

-- A time that only goes on: whoever writes an earlier one leaves the later one standing, so that no row is made older than it is. The
-- argument is the column.
CREATE FUNCTION afterpilot_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_populate_record(new, jsonb_build_object(tg_argv[0], to_jsonb(old) -> tg_argv[0]));
END
$$;

-- Which tables have a partition for each month (UTC).
CREATE FUNCTION afterpilot_by_month(wanted text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT wanted IN ('records', 'usage', 'usage_sums', 'samples', 'ledger', 'runs', 'findings')
$$;

-- The partition of a table for the month of a day, made where there is none; returns its name. A new one has the triggers of an
-- append-only table, and the grants of its table; of an append-only one it can be read alone: rows come in by the table.
CREATE FUNCTION afterpilot_partition(wanted text, day date) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  month date := date_trunc('month', day)::date;
  part text := wanted || to_char(month, '_YYYY_MM');
  grown boolean;
  given record;
BEGIN
  IF afterpilot_by_month(wanted) IS NOT TRUE OR month IS NULL THEN
    RAISE EXCEPTION '% has no partitions by month', coalesce(wanted, 'NULL') USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Two workers may need the same new month at once; the lock goes with the transaction.
  PERFORM pg_advisory_xact_lock(hashtext(part));
  IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = wanted::regclass AND inhrelid = to_regclass(part)) THEN
    RETURN part;
  END IF;
  EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', part, wanted,
                 month || ' 00:00+00', (month + interval '1 month')::date || ' 00:00+00');
  grown := EXISTS (SELECT FROM pg_trigger WHERE tgrelid = wanted::regclass AND tgname = 'append_only');
  IF grown THEN
    PERFORM afterpilot_protect(wanted::regclass);
  END IF;
  FOR given IN
    SELECT DISTINCT r.rolname, acl.privilege_type FROM pg_class c, aclexplode(c.relacl) acl JOIN pg_roles r ON r.oid = acl.grantee
    WHERE c.oid = wanted::regclass AND acl.grantee <> c.relowner
  LOOP
    IF given.privilege_type = 'SELECT' OR NOT grown THEN
      EXECUTE format('GRANT %s ON %I TO %I', given.privilege_type, part, given.rolname);
    END IF;
  END LOOP;
  RETURN part;
END
$$;

-- Why a month of a table has to stay whatever its age; NULL: nothing holds it.
CREATE FUNCTION afterpilot_held(wanted text, month date) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT NULL::text
$$;

-- Drops the partition of a table for the month of a day; false where there is none. Logs stay for the legal minimum of six months
-- (183 days) after the month's end, whatever the application asks for.
CREATE FUNCTION afterpilot_drop_partition(wanted text, day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  month date := date_trunc('month', day)::date;
  part text := wanted || to_char(month, '_YYYY_MM');
  until timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC' + interval '183 days';
  held text;
BEGIN
  IF afterpilot_by_month(wanted) IS NOT TRUE OR month IS NULL THEN
    RAISE EXCEPTION '% has no partitions by month', coalesce(wanted, 'NULL') USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF wanted IN ('ledger', 'runs', 'findings', 'samples', 'usage') AND clock_timestamp() < until THEN
    RAISE EXCEPTION '% has to be kept until %', part, to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  held := afterpilot_held(wanted, month);
  IF held IS NOT NULL THEN
    RAISE EXCEPTION '% is held: %', part, held USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext(part));
  IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = to_regclass(wanted) AND inhrelid = to_regclass(part)) THEN
    RETURN false;
  END IF;
  EXECUTE format('DROP TABLE %I', part);
  RETURN true;
END
$$;

-- A schema for a trial (afterpilot.record.scratch): the application may make tables there, and nowhere else.
CREATE FUNCTION afterpilot_trial(name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF name !~ '^afterpilot_trial_[0-9a-f]{32}$' THEN
    RAISE EXCEPTION '% is no name of a trial', name USING ERRCODE = 'invalid_parameter_value';
  END IF;
  EXECUTE format('CREATE SCHEMA %I', name);
  EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', name, session_user);
END
$$;

-- Drops the schema of a trial with all that is in it.
CREATE FUNCTION afterpilot_trial_over(name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF name !~ '^afterpilot_trial_[0-9a-f]{32}$' THEN
    RAISE EXCEPTION '% is no name of a trial', name USING ERRCODE = 'invalid_parameter_value';
  END IF;
  EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', name);
END
$$;
