"""The kinds of alerts that there are, and what is said to a name or a pattern that fits none of them."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

from afterpilot.declare.expectations import QUALITY
from afterpilot.declare.problems import LISTED_OPTIONS, nearest
from afterpilot.domain.run import Stage
from afterpilot.domain.watching import DAG_BROKEN, OF_LEDGER, OUTBOX, OVERDUE, SCHEDULER, TASK_FAILED

# By family; a kind belongs here as soon as something finds it.
_BY_FAMILY = {
    "declaration": "broken gone",
    "pull": "column_lost keys_repeated noted rows_skipped source_shrank source_unreadable type_changed went_back",
    "quality": "could_not_run no_rows",
    "gate": (
        "changed_after_release could_not_run release_failed release_overtaken release_refused release_waiting routes_too_many"
    ),
    "review": "blind_acceptance overrides_rising spot_checks_not_done write_back_failed",
    "evals": (
        "baseline_due below_bar budget_spent class_never_right incomplete judge_drifted no_baseline nothing_decides regressed "
        "target_out_of_reach waiver_expired"
    ),
    "spend": "burning crossing leaking near_cap order_not_carried_out over_cap stale unknown",
    "bills": "gap incomparable unowned unread unreadable",
    "report": "incomplete",
    "shared": "column dag gateway model price source task",
}
_OF_STAGES = ("did_not_run", "unknown_lasts")  # of any stage

KINDS: tuple[str, ...] = tuple(
    sorted(
        {
            *(f"{family}.{word}" for family, words in _BY_FAMILY.items() for word in words.split()),
            *(f"quality.{check}" for check in QUALITY),
            *(f"{stage}.{word}" for stage in Stage for word in _OF_STAGES),
            *(OVERDUE, OUTBOX, SCHEDULER, TASK_FAILED, DAG_BROKEN, *OF_LEDGER),
        }
    )
)
_FAMILIES = tuple(sorted({kind.partition(".")[0] for kind in KINDS}))


def fits_a_kind(pattern: str, others: Collection[str] = ()) -> bool:
    """Whether a name, or a pattern with ``*``, fits a kind that there is, or one of some others."""
    return any(fnmatchcase(kind, pattern) for kind in (*KINDS, *others))


def meant_kind(pattern: str) -> str:
    """What is said to whoever named a kind that there is not: the nearest one, or those of its family, or the families."""
    given, _, word = pattern.partition(".")
    family = given if given in _FAMILIES else nearest(given.strip("*"), _FAMILIES)
    if not family:
        near = nearest(pattern, KINDS)
        return f"did you mean {near}?" if near else f"families: {', '.join(_FAMILIES)}; docs/runbooks has the kinds"
    if family != given and fits_a_kind(said := f"{family}.{word or '*'}"):
        return f"did you mean {said}?"
    words = [kind.removeprefix(f"{family}.") for kind in KINDS if kind.startswith(f"{family}.")]
    stem = word.strip("*")
    near = nearest(stem, words) or next((one for one in words if stem and one.startswith(stem)), "")
    if near or len(words) > LISTED_OPTIONS:
        return f"did you mean {family}.{near or '*'}?"
    return f"of {family} there are: {', '.join(words)}"
