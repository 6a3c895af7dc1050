"""The ten expectations, said once for each engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check

REGEX = "^ORDER-[0-9]{6}$"
STATUSES = ["ok", "routed", "overridden", "error"]
CURRENCIES = ["EUR", "GBP", "USD"]


@dataclass(frozen=True, slots=True)
class Peer:
    """What a peer took for some workflows: seconds, seconds of its own CPU; and whether all expectations of each hold."""

    wall: float
    cpu: float
    held: Mapping[str, bool]


def _check(expect: str, **params: object) -> Check:
    return Check(expect, Severity.CRITICAL, params)


CHECKS = [
    _check("table_row_count_to_be_between", min_value=1),
    _check("column_values_to_not_be_null", column="order_number"),
    _check("column_values_to_not_be_null", column="started_at"),
    _check("column_values_to_be_in_set", column="status", value_set=STATUSES),
    _check("column_values_to_be_in_set", column="currency", value_set=CURRENCIES),
    _check("column_values_to_be_between", column="input_tokens", min_value=0, max_value=100_000),
    _check("column_values_to_be_between", column="latency_ms", min_value=0, max_value=60_000),
    _check("column_values_to_be_between", column="confidence", min_value=0, max_value=1),
    _check("column_mean_to_be_between", column="output_tokens", min_value=1, max_value=2_000),
    _check("column_values_to_match_regex", column="order_number", regex=REGEX),
]

_STATUSES = ", ".join(f"'{one}'" for one in STATUSES)
_CURRENCIES = ", ".join(f"'{one}'" for one in CURRENCIES)
# What a person would write who needs the same ten figures: as Great Expectations counts, NULL is no wrong value.
BARE = f"""
SELECT count(*),
       count(*) FILTER (WHERE order_number IS NULL),
       count(*) FILTER (WHERE started_at IS NULL),
       count(*) FILTER (WHERE status NOT IN ({_STATUSES})),
       count(*) FILTER (WHERE currency NOT IN ({_CURRENCIES})),
       count(*) FILTER (WHERE input_tokens NOT BETWEEN 0 AND 100000),
       count(*) FILTER (WHERE latency_ms NOT BETWEEN 0 AND 60000),
       count(*) FILTER (WHERE confidence NOT BETWEEN 0 AND 1),
       avg(output_tokens),
       count(*) FILTER (WHERE order_number !~ '{REGEX}')
FROM {{table}}
"""  # noqa: S608 - our own words
GROUPED = BARE.replace("SELECT count(*),", "SELECT workflow, count(*),", 1) + "GROUP BY workflow"
# Aggregates in which one failing value fails a workflow, by the place of the check: for comparing verdicts.
COUNTED = [1, 2, 3, 4, 5, 6, 7, 9]
