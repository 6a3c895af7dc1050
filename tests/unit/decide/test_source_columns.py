"""What becomes of a source's columns, and what is told of a source that misbehaves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import cast

from afterpilot.decide.columns import hangs_on_lost, known_columns, lost_columns, withheld
from afterpilot.decide.sources import source_findings
from afterpilot.domain.looking import Columns, KnownColumn, Look, LostColumn, Vanished
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check, Workflow

AT = datetime(2026, 11, 16, tzinfo=UTC)
WORKFLOW = cast(
    "Workflow",
    SimpleNamespace(
        slug="invoices",
        source=SimpleNamespace(connection="erp", table="runs", time="at", decisions=SimpleNamespace(table="decided")),
    ),
)


def test_a_type_is_right_as_it_was_when_it_was_declared() -> None:
    """Until the declared kind changes: then what is there counts as right."""
    known = {"total": KnownColumn("number", "number")}
    kept, changed = known_columns(known, Columns({"total": "text"}), {"total": "number"})
    assert (kept, [(one.was, one.now) for one in changed]) == (known, [("number", "text")])
    kept, changed = known_columns(known, Columns({"total": "text"}), {"total": "text"})
    assert (kept["total"], changed) == (KnownColumn("text", "text"), ())


def test_a_lost_column_keeps_its_type() -> None:
    """It is noticed where it comes back as something else."""
    known = {"total": KnownColumn("number", "number")}
    kept, _ = known_columns(known, Columns({}, {"total": ""}), {})
    assert kept == known
    _, changed = known_columns(kept, Columns({"total": "text"}), {"total": "number"})
    assert [one.name for one in changed] == ["total"]


def test_rows_are_read_again_from_where_a_column_was_lost() -> None:
    """While it is lost the first moment stands; a column that is not declared any more is back as well."""
    earlier = AT - timedelta(hours=5)
    lost, back = lost_columns({"a": earlier, "b": AT}, Columns({}, {"a": "", "c": ""}), since=AT + timedelta(hours=1))
    assert [(one.name, one.since) for one in lost] == [("a", earlier), ("c", AT + timedelta(hours=1))]
    assert back == AT
    assert lost_columns({}, Columns({"a": "text"}), since=AT) == ((), None)


def judged(**params: object) -> Judged:
    return Judged(Check("some_check", Severity.WARNING, params), False, "30 %", 10, 3, ("r1",), {"x": 1})


def test_an_expectation_on_a_lost_column_says_nothing() -> None:
    """Whether it is named alone, in a pair or in a list; windows before the loss are judged as ever."""
    given = [judged(column="a"), judged(column_A="x", column_B="a"), judged(column_list=["a", "x"]), judged(column="x")]
    found = withheld(given, {"a": AT}, until=AT + timedelta(hours=1))
    assert [one.success for one in found] == [None, None, None, False]
    assert found[0].error == "the source has lost the column a"
    assert found[0].failing_keys == ()
    assert [one.success for one in withheld(given, {"a": AT}, until=AT)] == [False] * 4


def test_a_column_of_the_decisions_is_told_with_its_table() -> None:
    """Not as one of the records."""
    (finding,) = source_findings(WORKFLOW, Look(looked=True, lost=(LostColumn("decided.note", AT),)))
    assert (finding.title, finding.about) == ("decided has no column note", "decided.note")
    assert finding.severity is Severity.CRITICAL


def test_a_few_rows_that_vanish_are_a_warning_and_many_are_grave() -> None:
    """One in twenty of a day is the bound; days are one incident."""
    for gone, severity in ((5, Severity.WARNING), (6, Severity.CRITICAL)):
        days = tuple(Vanished(date(2026, 11, day), 100, gone, ("r1",)) for day in (16, 17))
        (finding,) = source_findings(WORKFLOW, Look(looked=True, vanished=days))
        assert finding.severity is severity
        assert finding.title == f"{2 * gone} rows that were pulled from runs are not there any more"


def test_a_lost_column_and_what_cannot_be_judged_for_it_hang_on_the_same() -> None:
    """Workflows that read the same table share it; an error that names several columns, or none, hangs on nothing."""
    (lost,) = source_findings(WORKFLOW, Look(looked=True, lost=(LostColumn("total", AT),)))
    assert lost.hangs_on == "column erp.runs.total"
    given = Judged(Check("some_check", Severity.WARNING, {"column": "total"}), False, "30 %", 10, 3, ("r1",), {"x": 1})
    (unjudged,) = withheld([given], {"total": AT}, until=AT + timedelta(hours=1))
    assert hangs_on_lost(WORKFLOW, unjudged.error) == lost.hangs_on
    assert hangs_on_lost(WORKFLOW, f"{unjudged.error}, currency") == ""
    assert hangs_on_lost(WORKFLOW, "no rows") == ""
