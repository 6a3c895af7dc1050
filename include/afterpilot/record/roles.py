"""What the application's role may do in the ops database: computed from the tables here, granted by the owner after each upgrade.

The owner runs the migrations and owns everything. The application reads and writes rows; what is history it can only add to. Where
both are one role nothing can be withheld from it: triggers alone stop it, and :mod:`afterpilot.record.standing` says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from afterpilot.domain.errors import ConfigurationError
from afterpilot.record.tables import metadata

VERSION_TABLE = "afterpilot_alembic_version"
_ROWS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_ADDED = frozenset({"SELECT", "INSERT"})
_READ = frozenset({"SELECT"})

# Tables that nobody changes, each with the columns that are the database's to say; of all others the application may change rows.
APPEND_ONLY: Mapping[str, frozenset[str]] = {
    "declarations": frozenset(),
    "findings": frozenset(),
    "ledger": frozenset({"id", "recorded_at", "xid"}),
    "ledger_heads": frozenset(),
    "ledger_keys": frozenset(),
    "ledger_leaves": frozenset(),
    "ledger_nodes": frozenset(),
    "ledger_publications": frozenset({"id"}),
    "prices": frozenset(),
    "removals": frozenset({"id", "at"}),
    "run_ids": frozenset(),
    "runs": frozenset(),
}
# Columns that stay as they were written, of tables whose rows change otherwise: what a row is, whose, and of when. Where an erasure
# may have to take a name out of a column it is not among them: `afterpilot audit verify --all` holds those against the entries.
FIXED: Mapping[str, frozenset[str]] = {
    table: frozenset(columns.split())
    for table, columns in {
        "baselines": "id workflow run_id approved_at runs terms",
        "cap_raises": "id workflow cap period_start period_end amount currency asked_at",
        "case_offers": "workflow key",
        "current_declarations": "workflow",
        "eval_results": "run_id workflow at",
        "fingerprints": "id workflow first_seen_at",
        "gate_decisions": "workflow key",
        "human_decisions": "workflow key decided_at origin",
        "incident_events": "id incident_id at what run_id",
        "incidents": "id fingerprint workflow stage kind opened_at",
        "judgements": "id workflow judge subject at passed value label fingerprint",
        "outbox": "id workflow kind incident_id report_id target gravity created_at",
        "releases": "workflow key number data_md5 at effect reason decided_at",
        "reopened_windows": "id workflow window_start window_end rows noticed_at run_id judged_by",
        "reports": "id workflow week run_id created_at",
        "repricings": "id at workflow model old_price new_price first_day last_day calls old_cost new_cost",
        "review_items": "workflow key",
        "silences": "id workflow kind starts_at created_at",
        "spot_check_rates": "workflow period stratum",
        "stop_orders": "id number workflow action target created_at",
        "task_failures": "dag_id task_id run_id map_index",
        "write_backs": "workflow key decided_at",
    }.items()
}
VIEWS = ("released_outputs",)
READ_ONLY = ("ledger_identity", VERSION_TABLE, *VIEWS)
PROTECTED = frozenset({*APPEND_ONLY, "ledger_identity"})  # by triggers too
FUNCTIONS = (
    "afterpilot_drop_partition",
    "afterpilot_kept",
    "afterpilot_output_subject",
    "afterpilot_partition",
    "afterpilot_still_told",
    "afterpilot_trial",
    "afterpilot_trial_over",
)
# Whether the application needs a privilege on what is around the tables; TEMPORARY is for tables of a transaction.
AROUND: Mapping[str, Mapping[str, bool]] = {
    "schema": {"USAGE": True, "CREATE": False},
    "database": {"CONNECT": True, "TEMPORARY": True, "CREATE": False},
}

_FOUND = sa.text(
    "SELECT c.relname AS name, coalesce(whole.relname, c.relname) AS whole, CAST(c.oid AS regclass)::text AS place, "
    "  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum) "
    "    AS columns "
    "FROM pg_class c LEFT JOIN pg_inherits ON inhrelid = c.oid LEFT JOIN pg_class whole ON whole.oid = inhparent "
    "WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind IN ('r', 'p', 'v') "
    "  AND coalesce(whole.relname, c.relname) = ANY(:tables) ORDER BY c.relname"
)
_SEQUENCES = sa.text(
    "SELECT DISTINCT CAST(s.oid AS regclass)::text FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('i', 'a') "
    "JOIN pg_class c ON c.oid = d.refobjid WHERE s.relkind = 'S' AND c.relname = ANY(:tables) "
    "  AND c.relnamespace = CAST(current_schema() AS regnamespace)"
)
_CALLED = sa.text(
    "SELECT CAST(oid AS regprocedure)::text FROM pg_proc "
    "WHERE pronamespace = CAST(current_schema() AS regnamespace) AND proname = ANY(:names)"
)


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view of ours or a partition of one, as it stands in the database; ``place`` is its name as SQL writes it."""

    name: str
    whole: str  # the table itself, or what it is a partition of
    place: str
    columns: tuple[str, ...]

    @property
    def needed(self) -> frozenset[str]:
        """What the application needs on it; rows of an append-only table come in by the table, never by its partition."""
        if self.whole in READ_ONLY or (self.whole in APPEND_ONLY and self.name != self.whole):
            return _READ
        return _ADDED if self.whole in APPEND_ONLY else _ROWS

    @property
    def said_by_database(self) -> frozenset[str]:
        """Columns that the application gives no value for."""
        return APPEND_ONLY.get(self.whole, frozenset())

    @property
    def fixed(self) -> frozenset[str]:
        """Columns that the application does not change."""
        return FIXED.get(self.whole, frozenset())


def found(connection: sa.Connection) -> tuple[Relation, ...]:
    """Our tables and views, and partitions, as far as the database has them."""
    rows = connection.execute(_FOUND, {"tables": _tables()}).mappings()
    return tuple(Relation(row["name"], row["whole"], row["place"], tuple(row["columns"])) for row in rows)


def require(connection: sa.Connection, role: str) -> None:
    """Raise ConfigurationError where there is no such role: the owner need not be allowed to make one."""
    if not connection.scalar(sa.text("SELECT count(*) FROM pg_roles WHERE rolname = :role"), {"role": role}):
        raise ConfigurationError(
            f"there is no role {role!r}, which AFTERPILOT_DATABASE_URL names: make it first, "
            f"CREATE ROLE {_quoted(connection, role)} LOGIN PASSWORD '...'"
        )


def settle(connection: sa.Connection, role: str = "") -> None:
    """Protect what is append-only, take everything from PUBLIC, and give ``role`` exactly what it needs. Twice is the same as once.

    Without a role, or with the one that is logged in, there is nothing to give.

    Raises:
        ConfigurationError: there is no such role, or it lacks what somebody else has to grant.
    """
    grantee = ""
    if role and role != connection.scalar(sa.text("SELECT current_user")):
        require(connection, role)
        grantee = _quoted(connection, role)
    relations = found(connection)
    for relation in relations:
        if relation.name in PROTECTED:
            connection.execute(
                sa.text("SELECT afterpilot_protect(CAST(:place AS regclass))"), {"place": relation.place}
            )
    whom = f"PUBLIC, {grantee}" if grantee else "PUBLIC"
    connection.exec_driver_sql(f"REVOKE ALL ON {_list(one.place for one in relations)} FROM {whom}")
    for sequence in connection.scalars(
        _SEQUENCES, {"tables": _tables()}
    ).all():  # of identity columns, which need no grant
        connection.exec_driver_sql(f"REVOKE ALL ON SEQUENCE {sequence} FROM {whom}")
    if grantee:
        _give(connection, relations, grantee)
        for kind, privileges in AROUND.items():
            for privilege, needed in privileges.items():
                _hold(connection, role, kind=kind, privilege=privilege, needed=needed)


def _give(connection: sa.Connection, relations: Iterable[Relation], grantee: str) -> None:
    alike: dict[frozenset[str], list[str]] = {}
    for relation in relations:
        needed = relation.needed
        if relation.said_by_database and "INSERT" in needed:
            needed -= {"INSERT"}
            columns = _list(
                _quoted(connection, one) for one in relation.columns if one not in relation.said_by_database
            )
            connection.exec_driver_sql(f"GRANT INSERT ({columns}) ON {relation.place} TO {grantee}")
        if relation.fixed:
            needed -= {"UPDATE"}
            columns = _list(_quoted(connection, one) for one in relation.columns if one not in relation.fixed)
            connection.exec_driver_sql(f"GRANT UPDATE ({columns}) ON {relation.place} TO {grantee}")
        alike.setdefault(needed, []).append(relation.place)
    for privileges, places in alike.items():
        connection.exec_driver_sql(f"GRANT {_list(sorted(privileges))} ON {_list(places)} TO {grantee}")
    for function in connection.scalars(_CALLED, {"names": list(FUNCTIONS)}).all():
        connection.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {function} TO {grantee}")


def _hold(connection: sa.Connection, role: str, *, kind: str, privilege: str, needed: bool) -> None:
    """Grant or revoke a privilege on the schema or the database, which may belong to somebody else than the tables do."""
    name = connection.scalar(sa.text(f"SELECT current_{kind}()"))
    asked = sa.text(f"SELECT has_{kind}_privilege(:role, :name, :privilege)")
    given = {"role": role, "name": name, "privilege": privilege}
    if connection.scalar(asked, given) is needed:
        return
    place, grantee = f"{kind.upper()} {_quoted(connection, name)}", _quoted(connection, role)
    give, take = f"GRANT {privilege} ON {place} TO {grantee}", f"REVOKE {privilege} ON {place} FROM PUBLIC, {grantee}"
    with contextlib.suppress(sa.exc.DBAPIError), connection.begin_nested():
        connection.exec_driver_sql(give if needed else take)
    if needed and not connection.scalar(asked, given):
        raise ConfigurationError(f"the role {role!r} lacks what the owner of the {kind} has to grant: {give}")


def _tables() -> list[str]:
    return [*metadata.tables, *VIEWS, VERSION_TABLE]


def _quoted(connection: sa.Connection, name: str | None) -> str:
    return str(connection.scalar(sa.text("SELECT quote_ident(:name)"), {"name": name}))


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
