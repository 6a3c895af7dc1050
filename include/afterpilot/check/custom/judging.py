"""Our own expectations by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from afterpilot.check.custom.agreement import labels_agree
from afterpilot.check.custom.distribution import distribution_like
from afterpilot.check.custom.freshness import fresh_within
from afterpilot.check.custom.json_values import json_path, json_schema
from afterpilot.check.custom.known import in_table
from afterpilot.check.custom.languages import language_is
from afterpilot.check.custom.lengths import length_between
from afterpilot.check.custom.outcome import NO_ROWS, CannotSay
from afterpilot.check.custom.percentiles import percentile_between
from afterpilot.check.custom.repeats import rows_not_repeated
from afterpilot.check.custom.retrieved import sources_fresh
from afterpilot.check.custom.scope import Scope
from afterpilot.check.custom.volume import volume_between
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.storable import storable
from afterpilot.domain.workflow import Check

EXPECTS: Mapping[str, Callable[[Check, Scope], Judged]] = {
    "distribution_like": distribution_like,
    "fresh_within": fresh_within,
    "in_table": in_table,
    "json_path": json_path,
    "json_schema": json_schema,
    "labels_agree": labels_agree,
    "language_is": language_is,
    "length_between": length_between,
    "percentile_between": percentile_between,
    "rows_not_repeated": rows_not_repeated,
    "sources_fresh": sources_fresh,
    "volume_between": volume_between,
}


def judge(check: Check, scope: Scope) -> Judged:
    """One expectation judged over the rows; it never raises: what cannot say has ``success`` None and the reason.

    It only reads: where a statement fails, the connection's transaction is rolled back, so that the next check can read again.
    """
    try:
        return guarded(check, lambda: EXPECTS[check.expect](check, scope))
    except SQLAlchemyError as error:
        scope.connection.rollback()
        said = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
        return _unknown(check, f"the rows cannot be read: {said}", {})


def guarded(check: Check, judging: Callable[[], Judged]) -> Judged:
    """What a judgement says; where it cannot, the reason.

    Raises:
        SQLAlchemyError: the rows cannot be read.
    """
    try:
        judged = judging()
    except CannotSay as error:
        if str(error) == NO_ROWS and check.params.get("no_rows_are_fine"):
            return Judged(check, True, NO_ROWS, 0, 0, (), error.found)
        return _unknown(check, str(error), error.found)
    except CheckError as error:
        return _unknown(check, str(error), {})
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError) as error:
        return _unknown(check, f"{type(error).__name__}: {error}", {})
    return replace(judged, observed=storable(judged.observed))


def judge_all(checks: Sequence[Check], scope: Scope) -> list[Judged]:
    """One result for each check, in order."""
    return [judge(check, scope) for check in checks]


def _unknown(check: Check, reason: str, found: Mapping[str, Any]) -> Judged:
    return Judged(check, None, "", int(found.get("element_count") or 0), 0, (), found, storable(reason)[:300])
