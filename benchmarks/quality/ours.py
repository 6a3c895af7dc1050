"""Ours: what ``afterpilot check table --group-by workflow`` does, without the start of its process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.quality.suite import CHECKS

from afterpilot.check.any_table import connect
from afterpilot.check.table import TableChecker
from afterpilot.domain.ports import Judged


def judged(url: str, table: str, *, keys: int) -> Mapping[str, Sequence[Judged]]:
    """All expectations of all workflows; with so many keys of failing rows for each at most."""
    return TableChecker(connect(url), table, group="workflow").judge(CHECKS, most_keys=keys)
