-- The functions of 0006 as they were before 0008, for a downgrade.

CREATE OR REPLACE FUNCTION afterpilot_held(wanted text, month date) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT NULL::text
$$;

CREATE OR REPLACE FUNCTION afterpilot_drop_partition(wanted text, day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
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

DROP FUNCTION afterpilot_still_told(text);
DROP FUNCTION afterpilot_output_subject(text, text);
