"""What auditors are not shown: values of fields that the declaration in force calls personal, also where they were kept before it did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from afterpilot.record.history.outputs import Output
from afterpilot.record.history.paging import Page, Row

HIDDEN = "[redacted]"  # as what is personal is kept
_SAYS = ("said", "expected", "text")  # what a discrepancy holds of a value


def withheld(output: Output, personal: Collection[str]) -> Output:
    """The same output without what is personal: of its record, of people's corrections, of what checks found."""
    return replace(
        output,
        record=output.record and {**output.record, "data": values(output.record["data"], personal)},
        item=output.item and item(output.item, personal),
        people=[{**one, "corrected": values(one["corrected"], personal)} for one in output.people],
    )


def item(row: Row, personal: Collection[str]) -> Row:
    """A review item without what is personal."""
    hidden = {**row, "discrepancies": _discrepancies(row["discrepancies"], personal)}
    return {**hidden, "corrected": values(row["corrected"], personal)} if "corrected" in row else hidden


def queue(page: Page, fields: Callable[[str], Collection[str]]) -> Page:
    """A page of review items without what is personal; ``fields`` gives the personal fields of a workflow."""
    known = {slug: fields(slug) for slug in {row["workflow"] for row in page.rows}}
    return replace(page, rows=[item(row, known[row["workflow"]]) for row in page.rows])


def values(given: Any, personal: Collection[str]) -> Any:  # noqa: ANN401 - a JSON value
    """A mapping by field without the values of personal ones; what is missing stays missing."""
    if not isinstance(given, Mapping):
        return given
    return {name: HIDDEN if name in personal and value is not None else value for name, value in given.items()}


def _discrepancies(found: Sequence[Mapping[str, Any]] | None, personal: Collection[str]) -> Sequence[Mapping[str, Any]]:
    return [
        {name: HIDDEN if name in _SAYS and value else value for name, value in one.items()}
        if one.get("field") in personal
        else one
        for one in found or ()
    ]
