"""Records of one workflow, seen twice: as the path sees them, and as a plain table that Great Expectations reads alone."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.check.custom import judge, scope_of
from afterpilot.check.references import SqlReferences
from afterpilot.domain.connections import Endpoint
from afterpilot.domain.ports import Judged
from afterpilot.domain.record import HumanDecision, Record, Usage
from afterpilot.domain.verdict import Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Workflow
from afterpilot.record.ops import Ops
from doubles.workflows import plain_source, plain_workflow

SLUG = "letters"
START = datetime(2026, 11, 16, tzinfo=UTC)  # a Monday
WINDOW = Window(START, START + timedelta(days=1))
FIELDS = {
    "letter": "text",
    "answer": "text",
    "label": "text",
    "reviewer": "text",
    "sources": "text",
    "po": "text",
    "total": "number",
    "latency_ms": "number",
    "cost": "number",
    "urgent": "boolean",
    "asked_at": "time",
}
_SQL = {"text": "text", "number": "numeric", "boolean": "boolean", "time": "timestamptz"}


class _Here:
    """Every connection is the same database."""

    def __init__(self, url: str) -> None:
        self._url = url

    def database_url(self, name: str) -> str:  # noqa: ARG002 - whatever it is
        return self._url

    def endpoint(self, name: str) -> Endpoint:
        raise AssertionError(name)


@dataclass(frozen=True)
class QualitySite:
    """An ops database with records; as its owner it is also the production database whose tables they refer to."""

    ops: sa.Engine
    owner: sa.Engine
    url: str

    def workflow(self, *checks: Check) -> Workflow:
        """The workflow whose records these are."""
        source = plain_source(history=timedelta(days=90), fields=dict(FIELDS))
        return plain_workflow(source, slug=SLUG, quality=checks)

    def put(
        self,
        count: int,
        *,
        start: datetime = START,
        every: timedelta = timedelta(minutes=1),
        prefix: str = "k",
        usage: Callable[[int], Usage | None] = lambda _: None,
        **fields: Any,
    ) -> None:
        """Write records; a field that is callable gets the number of the record."""
        rows = [
            Record(
                SLUG,
                f"{prefix}{number:05d}",
                start + number * every,
                {name: value(number) if callable(value) else value for name, value in fields.items()},
                usage(number),
            )
            for number in range(count)
        ]
        with Ops(self.ops).begin() as unit:
            unit.records.write(rows, uuid.uuid5(uuid.NAMESPACE_URL, SLUG))

    def decide(self, key: str, decision: str, **corrected: Any) -> None:
        """Write what a person decided."""
        with Ops(self.ops).begin() as unit:
            unit.records.write_decisions([HumanDecision(SLUG, key, WINDOW.end, decision, corrected=corrected)])

    def run(self, *statements: str) -> None:
        """Statements on the same database."""
        with self.owner.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    def judge(self, expect: str, *, window: Window = WINDOW, **params: Any) -> Judged:
        """A check as the path judges it."""
        check = Check(expect, Severity.CRITICAL, params)
        with self.ops.connect() as connection:
            return judge(
                check, scope_of(self.workflow(check), window, connection, SqlReferences(_Here(self._production)))
            )

    def alone(self, expect: str, *, window: Window | None = WINDOW, **params: Any) -> Any:
        """The same check as Great Expectations judges it alone, over a view of the records as a plain table."""
        from afterpilot.check import custom

        columns = ", ".join(f"(data->>'{name}')::{_SQL[kind]} AS {name}" for name, kind in FIELDS.items())
        self.run(
            f"CREATE OR REPLACE VIEW plain_runs AS SELECT key AS run_id, at AS finished_at, {columns} "
            f"FROM records WHERE workflow = '{SLUG}'"
        )
        made = getattr(custom, "Expect" + "".join(word.title() for word in expect.split("_")))
        span = {"from": window.start.isoformat(), "to": window.end.isoformat()} if window else None
        placed = {"time": "finished_at", "window": span} if span else {}
        return self.validate(made(**params, **placed))

    def validate(self, expectation: Any, table: str = "plain_runs") -> Any:
        """An expectation judged by Great Expectations over a table, as anybody would."""
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_postgres(
            "site",
            connection_string=f"{self.owner.url.drivername}://afterpilot@ops/ops",
            kwargs={"creator": self._connect, "poolclass": sa.NullPool},
        )
        batch = source.add_table_asset(table, table_name=table).add_batch_definition_whole_table("all").get_batch()
        wanted = {"result_format": "SUMMARY", "unexpected_index_column_names": ["run_id"]}
        return batch.validate(expectation, result_format=wanted)

    def _connect(self) -> Any:
        arguments, options = self.owner.dialect.create_connect_args(self.owner.url)
        return self.owner.dialect.connect(*arguments, **options)

    @property
    def _production(self) -> str:
        return self.owner.url.render_as_string(hide_password=False)


def same(judged: Judged, result: Any) -> None:
    """Both say the same, to the last figure and key."""
    if judged.success is None:
        assert result.success is False
        assert judged.error.replace("erp:", "the database:") in json.dumps(
            result.exception_info, ensure_ascii=False, default=str
        )
        return
    found = dict(result.result)
    keys = tuple(row["run_id"] for row in found.pop("partial_unexpected_index_list", ()))
    assert (judged.success, judged.failing_keys) == (result.success, keys)
    assert json.loads(json.dumps(dict(judged.result))) == json.loads(json.dumps(found, default=str))


def keys_of(pairs: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Who repeats whom."""
    return [(pair["key"], pair["repeats"]) for pair in pairs]
