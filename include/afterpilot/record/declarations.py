"""Declarations as they were loaded, version by version."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.workflow import Loaded
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.entries import declaration_loaded, folder_changed
from afterpilot.record.plain import plain
from afterpilot.record.tables import current_declarations, declarations

# Each workflow that could ever be used, with the last version of its declaration that could.
USABLE = current_declarations.join(
    declarations,
    sa.and_(
        declarations.c.workflow == current_declarations.c.workflow,
        declarations.c.sha256 == current_declarations.c.usable_sha256,
    ),
)


@dataclass(frozen=True, slots=True)
class Usable:
    """``used``: its folder is there and it is not retired. ``broken``: what the folder holds now cannot be used."""

    workflow: str
    team: str
    used: bool
    broken: bool


class DeclarationVersions:
    """Each version of each folder, once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def first_loaded(self, workflow: str) -> datetime | None:
        """When the first version of a folder was loaded; None where none was."""
        asked = sa.select(sa.func.min(declarations.c.first_loaded_at)).where(declarations.c.workflow == workflow)
        first: datetime | None = self._connection.scalar(asked)
        return first

    def keep(self, loaded: Loaded, *, at: datetime) -> bool:
        """Keep a folder as loaded; True where this version was not the current one."""
        usable = loaded.workflow is not None
        row = {
            "workflow": loaded.slug,
            "sha256": loaded.sha256,
            "usable": usable,
            "document": plain(loaded.document),
            "problems": [asdict(problem) for problem in loaded.problems],
            "path": loaded.path,
            "first_loaded_at": at,
        }
        version = insert(declarations).values(row).on_conflict_do_nothing().returning(declarations.c.sha256)
        entries = [declaration_loaded(row)] if self._connection.execute(version).first() else []
        before = self._connection.execute(
            sa.select(current_declarations).where(current_declarations.c.workflow == loaded.slug).with_for_update()
        ).first()
        statement = insert(current_declarations).values(
            workflow=loaded.slug,
            sha256=loaded.sha256,
            usable_sha256=loaded.sha256 if usable else None,
            present=True,
            loaded_at=at,
        )
        new = statement.excluded
        used = self._connection.scalar(
            statement.on_conflict_do_update(
                index_elements=["workflow"],
                set_={
                    "sha256": new.sha256,
                    "usable_sha256": sa.func.coalesce(new.usable_sha256, current_declarations.c.usable_sha256),
                    "present": True,
                    "loaded_at": new.loaded_at,
                },
            ).returning(current_declarations.c.usable_sha256)
        )
        if before is not None and not before.present:
            entries.append(folder_changed(loaded.slug, loaded.sha256, "declare:workflow:returned", at=at, usable=used))
        if before is None or before.sha256 != loaded.sha256:
            entries.append(folder_changed(loaded.slug, loaded.sha256, "declare:version:current", at=at, usable=used))
        Ledger(self._connection).append_many(entries)
        return before is None or before.sha256 != loaded.sha256 or not before.present

    def absent(self, present: Collection[str]) -> Mapping[str, bool]:
        """Folders that were there and are not among ``present``, and whether their last version was retired."""
        return {
            row["workflow"]: row["document"].get("stage") == "retired"
            for row in self.current()
            if row["workflow"] not in present
        }

    def mark_absent(self, workflow: str, *, at: datetime) -> None:
        """Note that a folder is gone."""
        here = current_declarations.c
        gone = sa.update(current_declarations).where(here.workflow == workflow, here.present).values(present=False)
        row = self._connection.execute(gone.returning(here.sha256)).first()
        if row is not None:
            Ledger(self._connection).append(
                folder_changed(workflow, row.sha256, "declare:workflow:removed", at=at, usable=None)
            )

    def current(self) -> Sequence[Mapping[Any, Any]]:
        """The current version of every folder that is there, by slug."""
        statement = (
            sa.select(current_declarations, declarations.c.usable, declarations.c.problems, declarations.c.document)
            .join(
                declarations,
                sa.and_(
                    declarations.c.workflow == current_declarations.c.workflow,
                    declarations.c.sha256 == current_declarations.c.sha256,
                ),
            )
            .where(current_declarations.c.present)
            .order_by(current_declarations.c.workflow)
        )
        return self._connection.execute(statement).mappings().all()

    def first_usable_each(self) -> Mapping[str, datetime]:
        """When a declaration that can be used was first loaded, of every workflow that ever had one."""
        first = sa.func.min(declarations.c.first_loaded_at).label("first")
        statement = sa.select(declarations.c.workflow, first).where(declarations.c.usable)
        rows = self._connection.execute(statement.group_by(declarations.c.workflow)).all()
        return {row.workflow: row.first for row in rows}

    def usable_each(self) -> Sequence[Usable]:
        """Every workflow that could ever be used, with what its last usable version says."""
        here, version = current_declarations.c, declarations.c
        statement = (
            sa.select(
                here.workflow,
                version.document["team"].astext,
                sa.and_(here.present, version.document["stage"].astext.is_distinct_from("retired")),
                here.usable_sha256 != here.sha256,
            )
            .select_from(USABLE)
            .order_by(here.workflow)
        )
        return [
            Usable(slug, team or "", used, broken) for slug, team, used, broken in self._connection.execute(statement)
        ]

    def broken(self) -> Mapping[str, Mapping[str, Any]]:
        """The last usable document of each folder that is there and cannot be used as it stands."""
        here = current_declarations.c
        statement = sa.select(here.workflow, declarations.c.document).select_from(USABLE)
        found = self._connection.execute(statement.where(here.present, here.usable_sha256 != here.sha256))
        return {row.workflow: row.document for row in found}
