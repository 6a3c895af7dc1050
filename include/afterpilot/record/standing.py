"""How the application's role stands in the ops database: whether the grants hold that keep it from changing history."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from afterpilot.record.roles import AROUND, PROTECTED, found

_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_BY_COLUMN = ("SELECT", "INSERT", "UPDATE", "REFERENCES")

# Of each table: what the role may do to it or to a column of it, which columns it may say and change, and whether both triggers
# always fire.
_HELD = sa.text(
    "SELECT c.relname AS name, "
    "  ARRAY(SELECT p FROM unnest(CAST(:privileges AS text[])) AS p WHERE CASE WHEN p = ANY(:by_column) "
    "    THEN has_any_column_privilege(:role, c.oid, p) ELSE has_table_privilege(:role, c.oid, p) END) AS held, "
    "  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped "
    "    AND has_column_privilege(:role, c.oid, attnum, 'INSERT') ORDER BY attnum) AS said, "
    "  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped "
    "    AND has_column_privilege(:role, c.oid, attnum, 'UPDATE') ORDER BY attnum) AS changed, "
    "  (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid AND tgname IN ('append_only', 'append_only_truncate') "
    "    AND tgenabled = 'A') = 2 AS protected "
    "FROM pg_class c WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relname = ANY(:names) ORDER BY c.relname"
)
_AROUND = sa.text(
    "SELECT has_schema_privilege(:role, current_schema(), 'USAGE') AS schema_usage, "
    "  has_schema_privilege(:role, current_schema(), 'CREATE') AS schema_create, "
    "  has_database_privilege(:role, current_database(), 'CONNECT') AS database_connect, "
    "  has_database_privilege(:role, current_database(), 'TEMPORARY') AS database_temporary, "
    "  has_database_privilege(:role, current_database(), 'CREATE') AS database_create, "
    "  pg_has_role(:role, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'MEMBER') "
    "    OR pg_has_role(:role, (SELECT nspowner FROM pg_namespace WHERE nspname = current_schema()), 'MEMBER') "
    "    OR (SELECT coalesce(bool_or(pg_has_role(:role, relowner, 'MEMBER')), false) FROM pg_class "
    "      WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relname = ANY(:names)) AS owner"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a role may do, held against what the application needs: ``excess`` and ``lacking`` are such as ``UPDATE on runs``.

    ``owner``: it owns a table, the schema or the database, or can become their owner, so that no grant binds it.
    ``unprotected`` are append-only tables, and partitions of them, whose triggers are missing or disabled.
    """

    role: str
    owner: bool
    excess: tuple[str, ...]
    lacking: tuple[str, ...]
    unprotected: tuple[str, ...]

    @property
    def withheld(self) -> bool:
        """Whether the database itself keeps the role from changing history: it owns nothing and has nothing that it does not need."""
        return not self.owner and not self.excess

    @property
    def sound(self) -> bool:
        """Whether nothing has to be mended. An application that owns its tables is how the database was set up, and sound."""
        return not self.unprotected and (self.owner or not (self.excess or self.lacking))

    @property
    def words(self) -> str:
        """What is wrong and what to do, in one line; empty when all is as it should be."""
        if self.unprotected:
            return (
                f"The triggers that keep history from being changed are missing on {_few(self.unprotected)}: "
                "run `afterpilot db upgrade` as the owner."
            )
        if self.owner:
            return (
                f"The grants do not keep the application from changing history, triggers alone do: its role {self.role} owns the "
                "tables. Give them an owner of their own and set AFTERPILOT_OWNER_URL (docs/deployment.md, Two roles)."
            )
        if self.excess or self.lacking:
            found = [f"may do what it should not ({_few(self.excess)})"] if self.excess else []
            found += [f"may not do what it needs ({_few(self.lacking)})"] if self.lacking else []
            return f"The role {self.role} {' and '.join(found)}: run `afterpilot db upgrade` with AFTERPILOT_OWNER_URL set."
        return ""


def standing(connection: sa.Connection, role: str = "") -> Standing:
    """How ``role`` stands, or the one that is logged in: three statements on the catalogue."""
    who = role or str(connection.scalar(sa.text("SELECT current_user")))
    relations = {relation.name: relation for relation in found(connection)}
    given = {"role": who, "names": list(relations)}
    rows = connection.execute(
        _HELD, given | {"privileges": list(_PRIVILEGES), "by_column": list(_BY_COLUMN)}
    ).mappings()
    excess, lacking, unprotected = [], [], []
    for row in rows:
        relation = relations[row["name"]]
        excess += [f"{one} on {relation.name}" for one in row["held"] if one not in relation.needed]
        lacking += [f"{one} on {relation.name}" for one in _PRIVILEGES if one in relation.needed - set(row["held"])]
        for privilege, given_on, withheld in (
            ("INSERT", row["said"], relation.said_by_database),
            ("UPDATE", row["changed"], relation.fixed),
        ):
            if privilege in relation.needed:
                excess += [f"{privilege} of {relation.name}.{one}" for one in given_on if one in withheld]
                lacking += [
                    f"{privilege} of {relation.name}.{one}"
                    for one in relation.columns
                    if one not in {*given_on, *withheld}
                ]
        if relation.whole in PROTECTED and not row["protected"]:
            unprotected.append(relation.name)
    around = connection.execute(_AROUND, given).mappings().one()
    for kind, privileges in AROUND.items():
        for privilege, needed in privileges.items():
            if around[f"{kind}_{privilege.lower()}"] is not needed:
                (lacking if needed else excess).append(f"{privilege} on the {kind}")
    return Standing(who, bool(around["owner"]), tuple(excess), tuple(lacking), tuple(unprotected))


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"  # noqa: PLR2004 - what fits a line
