"""Which declared expectations the checks of some days judged, and which they did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from afterpilot.check.own import OF_TYPE


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation: in how many ``runs`` it stood, in how many of them it was ``judged``, and in how many it failed.

    ``declared`` is False for one that the newest declaration does not name; that of types follows from the declared fields. ``silent`` are the days on which checks listed it and
    none judged it.
    """

    expect: str
    column: str
    parameters: str
    runs: int
    judged: int
    failed: int
    declared: bool
    silent: tuple[date, ...] = ()

    @property
    def word(self) -> str:
        """``judged`` where every run judged it; ``partly``; ``never``."""
        if not self.judged:
            return "never"
        return "judged" if self.judged == self.runs else "partly"


def expectations(declared: object, rows: Sequence[Mapping[str, Any]]) -> Sequence[Expectation]:
    """Each expectation that was judged or is declared; one that is declared and stands in no run was never judged."""
    named = (
        [(str(one["expect"]), columns(one)) for one in declared if isinstance(one, dict) and "expect" in one]
        if isinstance(declared, list)
        else []
    )
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["expect"] or "", row["column"], row["parameters"]), []).append(row)
    told = [
        Expectation(
            *key,
            runs=sum(row["runs"] for row in those),
            judged=sum(row["judged"] for row in those),
            failed=sum(row["failed"] for row in those),
            declared=key[0] == OF_TYPE or key[:2] in named,
            silent=tuple(row["day"] for row in those if not row["judged"]),
        )
        for key, those in found.items()
    ]
    seen = {(one.expect, one.column) for one in told}
    never = [Expectation(*one, "", 0, 0, 0, declared=True) for one in dict.fromkeys(named) if one not in seen]
    order = {"never": 0, "partly": 1, "judged": 2}
    return sorted([*never, *told], key=lambda one: (order[one.word], one.expect, one.column, one.parameters))


def columns(check: Mapping[str, Any]) -> str:
    """The columns that a declared check is about, as the evidence of runs names them."""
    pair = [str(check[name]) for name in ("column_A", "column_B") if name in check]
    several = check.get("column_list") or check.get("columns") or ()
    return str(check.get("column") or ", ".join(pair or map(str, several)))
