"""What the parameters of one expectation must be together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from afterpilot.declare.problems import Flaw, Path, describe

Check = dict[str, Any]

_NEEDS_ONE = {
    "distribution_like": ("max_psi", "max_js"),
    "labels_agree": ("min_agreement", "min_kappa"),
    "percentile_between": ("column", "of"),
    "volume_between": ("min_value", "max_value", "like_weekdays"),
}
_NO_RANGE_NEEDED = {"json_path", "volume_between"}


def together_flaws(check: Check, expect: str, path: Path, *, ranged: bool) -> Iterator[Flaw]:
    """What is wrong between the parameters of a check; ``ranged`` says whether it has bounds."""
    if ranged:
        yield from _range_flaws(check, expect, path)
    wanted = _NEEDS_ONE.get(expect, ())
    if wanted and not any(name in check for name in wanted):
        yield Flaw(path, f"{expect} needs {', '.join(wanted[:-1])} or {wanted[-1]}")
    if expect == "percentile_between" and "column" in check and "of" in check:
        yield Flaw((*path, "of"), "stands beside column", "the percentile is of a column, or of cost or tokens")
    if expect == "sources_fresh" and ("updated" in check) is not ("max_age" in check):
        there, lacks = ("updated", "max_age") if "updated" in check else ("max_age", "updated")
        yield Flaw((*path, there), f"says nothing without {lacks}")


def _range_flaws(check: Check, expect: str, path: Path) -> Iterator[Flaw]:
    low, high = check.get("min_value"), check.get("max_value")
    if low is None and high is None:
        if expect not in _NO_RANGE_NEEDED:
            yield Flaw(path, f"{expect} needs min_value, max_value or both")
    elif isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        yield Flaw((*path, "min_value"), f"is above max_value: {describe(low)} and {describe(high)}")
    elif low is not None and high is not None and isinstance(low, str) is not isinstance(high, str):
        yield Flaw((*path, "max_value"), "must be of the same kind as min_value")
