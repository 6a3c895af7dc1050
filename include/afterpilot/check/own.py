"""Whether records are of the types that their source declares."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from afterpilot.check.window import Counts, WindowRows
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check

OF_TYPE = "column_values_to_be_of_declared_type"


def of_declared_type(rows: WindowRows, counts: Counts, connection: sa.Connection) -> Sequence[Judged]:
    """One result for each column that is not text: whether all its values are of the declared type. A column without any
    value is left out: there is nothing to say of it.
    """
    results = []
    for column, kind in rows.types.items():
        wrong, right = counts.invalid.get(column, 0), counts.valid.get(column, 0)
        if kind == "text" or not wrong + right:
            continue
        results.append(
            Judged(
                check=Check(OF_TYPE, Severity.CRITICAL, {"column": column, "type": kind}),
                success=wrong == 0,
                observed=f"{wrong} of {wrong + right}",
                elements=wrong + right,
                failing_total=wrong,
                failing_keys=tuple(rows.invalid_keys(connection, column)) if wrong else (),
                result={"element_count": wrong + right, "unexpected_count": wrong, "type": kind},
            )
        )
    return results
