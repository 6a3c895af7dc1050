-- What keeps a month from being removed, whatever the application asks for: the legal minimum, a hold, entries that no published
-- head vouches for. And holds that nobody changes: they only end.

-- The hold that covers anything of a month of a table, in words; NULL: none does.
CREATE OR REPLACE FUNCTION afterpilot_held(wanted text, month date) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  hold record;
  part text := wanted || to_char(month, '_YYYY_MM');
  since timestamptz := month::timestamp AT TIME ZONE 'UTC';
  until timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
  touched boolean;
BEGIN
  FOR hold IN
    SELECT id, workflow FROM holds
    WHERE ended_at IS NULL AND coalesce(from_at, '-infinity') < until AND coalesce(to_at, 'infinity') > since
    ORDER BY set_at, id
  LOOP
    touched := hold.workflow = '';
    IF NOT touched AND to_regclass(part) IS NOT NULL THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE workflow = $1)', part) INTO touched USING hold.workflow;
    END IF;
    IF touched THEN
      RETURN format('hold %s of %s', left(hold.id::text, 8), coalesce(nullif(hold.workflow, ''), 'all workflows'));
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;

-- Why a month of a table may not go; NULL: it may, as far as the database knows.
CREATE FUNCTION afterpilot_kept(wanted text, day date) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
  month date := date_trunc('month', day)::date;
  part text := wanted || to_char(month, '_YYYY_MM');
  until timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC' + interval '183 days';
  vouched bigint;
  open boolean;
  held text;
BEGIN
  IF afterpilot_by_month(wanted) IS NOT TRUE OR month IS NULL THEN
    RAISE EXCEPTION '% has no partitions by month', coalesce(wanted, 'NULL') USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF wanted <> 'records' AND clock_timestamp() < until THEN
    RETURN format('has to be kept until %s', to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'));
  END IF;
  IF clock_timestamp() < until - interval '183 days' THEN
    RETURN 'is not over yet';
  END IF;
  held := afterpilot_held(wanted, month);
  IF held IS NOT NULL THEN
    RETURN format('is held: %s', held);
  END IF;
  IF wanted = 'ledger' AND to_regclass(part) IS NOT NULL THEN
    vouched := (SELECT max(entries) FROM ledger_heads JOIN ledger_publications USING (entries) WHERE signature IS NOT NULL);
    EXECUTE format('SELECT EXISTS (SELECT FROM %I AS entry LEFT JOIN ledger_leaves ON entry_id = entry.id '
                   'WHERE leaf_index IS NULL OR leaf_index >= $1)', part) INTO open USING coalesce(vouched, 0);
    IF open THEN
      RETURN 'has entries that no signed and published head covers';
    END IF;
  END IF;
  RETURN NULL;
END
$$;

-- Drops the partition of a table for the month of a day; false where there is none. Refuses what has to be kept.
CREATE OR REPLACE FUNCTION afterpilot_drop_partition(wanted text, day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  part text := wanted || to_char(day, '_YYYY_MM');
  why text;
BEGIN
  LOCK TABLE holds IN SHARE MODE;  -- one that is being set waits, or is seen
  PERFORM pg_advisory_xact_lock(hashtext(part));
  why := afterpilot_kept(wanted, day);
  IF why IS NOT NULL THEN
    RAISE EXCEPTION '% %', part, why USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = to_regclass(wanted) AND inhrelid = to_regclass(part)) THEN
    RETURN false;
  END IF;
  EXECUTE format('DROP TABLE %I', part);
  RETURN true;
END
$$;

-- A hold stays as it was set and ends once; names in it may be erased.
CREATE FUNCTION afterpilot_hold_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF tg_op <> 'UPDATE' THEN
    RAISE EXCEPTION 'holds are kept: % is refused', tg_op USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF (old.id, old.workflow, old.from_at, old.to_at, old.set_at) IS DISTINCT FROM (new.id, new.workflow, new.from_at, new.to_at, new.set_at)
     OR (old.ended_at IS NOT NULL AND old.ended_at IS DISTINCT FROM new.ended_at) THEN
    RAISE EXCEPTION 'a hold is not changed, it only ends' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN new;
END
$$;
CREATE TRIGGER hold_ends BEFORE UPDATE OR DELETE ON holds FOR EACH ROW EXECUTE FUNCTION afterpilot_hold_ends();
ALTER TABLE holds ENABLE ALWAYS TRIGGER hold_ends;
CREATE TRIGGER hold_ends_truncate BEFORE TRUNCATE ON holds FOR EACH STATEMENT EXECUTE FUNCTION afterpilot_hold_ends();
ALTER TABLE holds ENABLE ALWAYS TRIGGER hold_ends_truncate;

-- Whose personal values the ledger holds is never forgotten and never renamed: a key is destroyed for good, with name and digest, or
-- not at all. While anything that they did, or the output, is held, it is not.
CREATE FUNCTION afterpilot_subject_erased() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  hold record;
BEGIN
  IF tg_op <> 'UPDATE' THEN
    RAISE EXCEPTION 'subjects are kept: % is refused', tg_op USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF (old.id, old.kind, old.created_at) IS DISTINCT FROM (new.id, new.kind, new.created_at) OR new.erased_at IS NULL
     OR new.key IS NOT NULL OR new.name IS NOT NULL OR new.digest IS NOT NULL
     OR (old.erased_at IS NOT NULL AND old.erased_at IS DISTINCT FROM new.erased_at) THEN
    RAISE EXCEPTION 'a subject is erased, or left as it is' USING ERRCODE = 'insufficient_privilege';
  END IF;
  FOR hold IN SELECT id, workflow FROM holds WHERE ended_at IS NULL ORDER BY set_at, id LOOP
    IF hold.workflow = '' OR starts_with(old.name, hold.workflow || '/') AND old.kind = 'output' OR EXISTS (
         SELECT FROM ledger WHERE actor = old.kind || ':' || old.id AND workflow = hold.workflow) THEN
      RAISE EXCEPTION 'is held: hold % of %', left(hold.id::text, 8), coalesce(nullif(hold.workflow, ''), 'all workflows')
        USING ERRCODE = 'insufficient_privilege';
    END IF;
  END LOOP;
  RETURN new;
END
$$;
CREATE TRIGGER subject_erased BEFORE UPDATE OR DELETE ON subjects FOR EACH ROW EXECUTE FUNCTION afterpilot_subject_erased();
ALTER TABLE subjects ENABLE ALWAYS TRIGGER subject_erased;
CREATE TRIGGER subject_erased_truncate BEFORE TRUNCATE ON subjects FOR EACH STATEMENT EXECUTE FUNCTION afterpilot_subject_erased();
ALTER TABLE subjects ENABLE ALWAYS TRIGGER subject_erased_truncate;

-- Rows of the log that stand in no month of their own (incidents, messages, decisions): whoever deletes one that is younger than the
-- legal minimum, still open, or held, is refused. The arguments: what it is dated by (NULL: it is not over), and its workflow
-- (empty: it concerns all; left out: a hold keeps what it belongs to). What a row says of its age is not enough where the ledger
-- tells of it: its youngest entry, which the database has dated, has to be as old, and to say of an incident that it is over.
CREATE FUNCTION afterpilot_row_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  minimum CONSTANT interval := '183 days';
  dated text := format('($1).%I', tg_argv[0]);
  told text := CASE tg_table_name
    WHEN 'cap_raises' THEN $q$'raise:' || ($1).id$q$
    WHEN 'human_decisions' THEN $q$afterpilot_output_subject(($1).workflow, ($1).key)$q$
    WHEN 'incident_events' THEN $q$'incident:' || ($1).incident_id$q$
    WHEN 'incidents' THEN $q$'incident:' || ($1).id$q$
    WHEN 'outbox' THEN $q$'message:' || ($1).id$q$
    WHEN 'silences' THEN $q$'silence:' || ($1).id$q$
    ELSE 'NULL::text' END;
  at timestamptz;
  whose text;
  subject text;
BEGIN
  IF tg_table_name = 'review_items' THEN  -- decided at the source long ago, and here since then
    dated := 'CASE WHEN ($1).decided_at IS NOT NULL THEN greatest(($1).decided_at, ($1).opened_at) END';
  END IF;
  EXECUTE format('SELECT CAST(%s AS timestamptz), %s, %s', dated,
                 CASE WHEN tg_argv[1] <> '' THEN format('($1).%I', tg_argv[1]) ELSE quote_nullable(tg_argv[1]) END, told)
    INTO at, whose, subject USING old;
  IF at IS NULL OR at > clock_timestamp() - minimum THEN
    RAISE EXCEPTION 'a row of % has to be kept for 183 days%', tg_table_name, coalesce(' from ' || at, ' after its end')
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF afterpilot_still_told(subject) THEN
    RAISE EXCEPTION 'a row of % has to be kept: the ledger tells of % less than 183 days ago, or does not say that it is over',
      tg_table_name, subject USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF EXISTS (SELECT FROM holds WHERE ended_at IS NULL AND whose IS NOT NULL AND workflow IN ('', whose)
               AND at >= coalesce(from_at, '-infinity') AND at < coalesce(to_at, 'infinity')) THEN
    RAISE EXCEPTION 'a row of % is held', tg_table_name USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN old;
END
$$;

-- Whether the ledger's youngest entry about something, looks at it apart, is younger than the legal minimum, or says of an incident that it is not over.
-- Where no entry is left nothing keeps it.
CREATE FUNCTION afterpilot_still_told(wanted text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT coalesce((
    SELECT recorded_at > clock_timestamp() - interval '183 days'
        OR starts_with(action, 'alerts:incident:') AND CAST(payload AS jsonb) ->> 'state' IS DISTINCT FROM 'resolved'
    FROM ledger WHERE subject = wanted AND NOT starts_with(action, 'web:') ORDER BY id DESC LIMIT 1), false)
$$;

-- How entries name an output, as afterpilot.domain.ledger.output_subject does.
CREATE FUNCTION afterpilot_output_subject(workflow text, key text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT 'output:' || left(encode(sha256(convert_to(workflow, 'UTF8') || '\x00'::bytea || convert_to(key, 'UTF8')), 'hex'), 32)
$$;
