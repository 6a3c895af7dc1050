"""What one workflow wants to know of its window, and how much of it can be asked together with others."""

from __future__ import annotations

import json
from collections.abc import Sequence

from afterpilot.check import single_pass
from afterpilot.check.expectations import named_columns
from afterpilot.check.window import Counts, WindowRows, wrong_label
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Workflow

_AGGREGATES = {"length_between", "percentile_between", "volume_between"}  # of ours
_ROWS = Check("table_row_count_to_be_between", Severity.INFO, {"min_value": 0})


class Needs:
    """What one workflow wants to know of its window."""

    def __init__(self, workflow: Workflow, window: Window) -> None:
        self.workflow = workflow
        self.slug = workflow.slug
        self.window = window
        self.checks = workflow.quality
        self.rows = WindowRows(workflow, window)
        self.compiled = [index for index, check in enumerate(self.checks) if self._compiles(check)]
        self.joining = [index for index, check in enumerate(self.checks) if self._joins(check)]
        columns = self.rows.columns
        self._typed = [name for name in columns if self.rows.types.get(name, "text") != "text"]
        looked_at = {check.column for index, check in enumerate(self.checks) if index not in self.compiled}
        self._valued = [name for name in columns if name in self._typed or name in looked_at]
        self._counted = [
            _ROWS,
            *(_about("column_values_to_not_be_null", name) for name in self._valued),
            *(_about("column_values_to_be_null", wrong_label(name, columns)) for name in self._typed),
        ]

    def _compiles(self, check: Check) -> bool:
        known = all(name in self.rows.columns for name in named_columns(check))
        return known and single_pass.compiles(check) and not check.expect.startswith("table_column")

    def _joins(self, check: Check) -> bool:
        """Whether it is one of ours that all workflows' rows can be read for at once."""
        if check.expect not in _AGGREGATES:
            return False
        from afterpilot.check import custom

        return custom.joins(check) and (not check.column or check.column in self.rows.columns)

    @property
    def asked(self) -> Sequence[Check]:
        """The checks that one statement judges: what is declared, then what has to be counted."""
        return [*(self.checks[index] for index in self.compiled), *self._counted]

    @property
    def likeness(self) -> str:
        """The same for workflows that one statement can judge: equal columns, and the same asked of the same ones; each may
        have bounds of its own.
        """
        asked = sorted((check.expect, *named_columns(check), *sorted(check.params)) for check in self.asked)
        return json.dumps([self.rows.shape, asked])

    def counts(self, seen: Sequence[Judged]) -> Counts:
        """Rows and values, out of the results of what was counted."""
        rows, *others = seen[len(self.compiled) :]
        values, wrong = others[: len(self._valued)], others[len(self._valued) :]
        present = {name: one.elements - one.failing_total for name, one in zip(self._valued, values, strict=True)}
        invalid = {name: one.failing_total for name, one in zip(self._typed, wrong, strict=True)}
        return Counts(rows.elements, present, invalid)


def text_of(check: Check) -> str:
    """The same for checks that ask the same."""
    return json.dumps([check.expect, check.params], sort_keys=True, default=repr)


def _about(expect: str, column: str) -> Check:
    return Check(expect, Severity.INFO, {"column": column})
