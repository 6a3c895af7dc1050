"""The words that findings about evals share: names, examples, and what a share of wrong answers means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from afterpilot.domain.evals import Sample
from afterpilot.domain.intervals import percent
from afterpilot.domain.workflow import Workflow

NAMED = 5
_LONGEST = 160  # characters of one line of an example
_LEAST_OF_CLASS = 3  # fewer may well be wrong together by chance


def at_this_rate(workflow: Workflow, share: float) -> str:
    """What it means that so many cases pass."""
    wrong = percent(1 - share)
    about = wrong if wrong.startswith(("under", "over")) else f"about {wrong}"
    checks = " before the output checks" if workflow.outputs else ", and no output check is declared"
    return f"at this rate {about} of outputs are wrong{checks}"


def lines(word: str, cases: Sequence[str], scored: Sequence[Sample]) -> list[str]:
    """A line for each case, with the first reason why it does not pass."""
    why = reasons(scored)
    return [short(f"{word}: {case}{f': {why[case]}' if case in why else ''}") for case in cases[:NAMED]]


def reasons(scored: Sequence[Sample]) -> dict[str, str]:
    """The first reason why each case does not pass, where a deciding scorer gives one."""
    why: dict[str, str] = {}
    for sample in scored:
        for score in sample.deciding:
            if not score.passed and score.reason:
                why.setdefault(sample.case_id, f"{score.scorer}: {score.reason}")
    return why


def names(cases: Sequence[str]) -> str:
    """The first few by name, and how many more there are."""
    more = f" and {len(cases) - NAMED} more" if len(cases) > NAMED else ""
    return ", ".join(short(case) for case in cases[:NAMED]) + more


def short(text: str, most: int = _LONGEST) -> str:
    """The text on one line, cut to so many characters."""
    text = " ".join(text.split()) if "\n" in text else text
    return text if len(text) <= most else f"{text[: most - 1]}…"


def never_right_classes(figures: Mapping[str, Any]) -> list[str]:
    """The classes of which not one case was answered rightly."""
    shares: Mapping[str, Mapping[str, float]] = figures["by_class"]
    return [name for name, share in shares.items() if not share["passed"] and share["of"] >= _LEAST_OF_CLASS]


def weakest(figures: Mapping[str, Any]) -> str:
    """The classes that are never right; without any the class or scorer with the lowest share; empty where nothing was scored."""
    shares: Mapping[str, Mapping[str, float]] = figures["by_class"] or {
        name: share for name, share in figures["by_scorer"].items() if not share.get("advisory")
    }
    if never := [f"{name} (0 of {shares[name]['of']:.0f})" for name in never_right_classes(figures)]:
        return f"Never answered rightly: {names(never)}."
    if not shares:
        return ""
    name = min(shares, key=lambda key: shares[key]["share"])
    worst = shares[name]
    return f"Weakest: {short(name)}, {worst['passed']:.0f} of {worst['of']:.0f} right."


def points(share: float) -> str:
    """A share of the cases in percentage points."""
    said = f"{100 * share:.0f}" if abs(share) >= 0.0095 else f"{100 * share:.1f}"  # noqa: PLR2004 - what rounds to 1
    return f"{said} point" if said == "1" else f"{said} points"
