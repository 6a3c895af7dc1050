"""What is told of the ledger itself: entries that wait to be sealed, a tree that does not fit its heads, a missing or replaced key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.watching import (
    LEDGER_BEHIND,
    LEDGER_BROKEN,
    LEDGER_KEY_REPLACED,
    LEDGER_UNPUBLISHED,
    LEDGER_UNSIGNED,
    WATCH,
    LedgerState,
)


def ledger_findings(state: LedgerState, *, now: datetime) -> Sequence[Finding]:
    """All that is wrong with the ledger."""
    return tuple(_found(state, now))


def _found(state: LedgerState, now: datetime) -> Iterator[Finding]:
    if state.broken:
        yield _broken(state)
    if state.behind(now) and state.oldest is not None:
        yield _behind(state, state.oldest)
    if state.unsigned or state.key:
        yield _unsigned(state)
    if state.replaced:
        yield _replaced(state)
    for place, why in sorted(state.unpublished.items()):
        yield _unpublished(place, why)


def _broken(state: LedgerState) -> Finding:
    return _finding(
        LEDGER_BROKEN,
        Severity.CRITICAL,
        "The ledger is not as it was sealed",
        f"{state.broken[:1].upper()}{state.broken[1:]}. Nothing is sealed until somebody has looked.",
        certainty="certain that it does not fit; whether somebody changed it or a backup was restored, it does not say",
        cost="what is recorded from now on cannot be proven, and what was may have been changed",
        to_do="Keep the database as it is, copy it, and run `afterpilot audit verify`; see the runbook.",
    )


def _behind(state: LedgerState, oldest: datetime) -> Finding:
    held = f" What may hold them up: {state.held_by}." if state.held_by else ""
    return _finding(
        LEDGER_BEHIND,
        Severity.WARNING,
        f"Entries of the ledger have not been sealed since {oldest:%Y-%m-%d %H:%M} UTC",
        f"The oldest waits since then. They are on record, and cannot be proven yet.{held}",
        certainty="certain: they have no place in the tree",
        cost="a change of these entries would not be seen",
        to_do="See whether the DAG seal passes, then end the transaction that has been open for so long.",
    )


def _unsigned(state: LedgerState) -> Finding:
    why = f"The key cannot be used: {state.key}." if state.key else "The installation has no key."
    return _finding(
        LEDGER_UNSIGNED,
        Severity.UNKNOWN,
        "The ledger's heads are not signed",
        f"{why} Nobody can tell a head of this installation from one that somebody else has made.",
        certainty="certain",
        cost="evidence bundles cannot be made, and a rewritten ledger could not be told from this one",
        to_do="`afterpilot audit keygen -o FILE`, then set AFTERPILOT_LEDGER_KEY_FILE where the DAG seal runs.",
    )


def _replaced(state: LedgerState) -> Finding:
    return _finding(
        LEDGER_KEY_REPLACED,
        Severity.CRITICAL,
        f"The ledger is signed with a new key, {state.replaced}, that no earlier key has endorsed",
        "Whoever can set the variables of the installation can do that, and so can whoever forges a ledger.",
        certainty="certain that it is not endorsed; whether it was meant, only a person can say",
        cost="heads signed with it prove nothing to those who trust the old key alone",
        to_do="Ask who changed it. Had the old one been at hand, `afterpilot audit rotate` would have endorsed the new one. "
        "If it was meant, tell the auditors the new public key, and acknowledge this; it ends after seven days.",
        about=state.replaced,
    )


def _unpublished(place: str, why: str) -> Finding:
    return _finding(
        LEDGER_UNPUBLISHED,
        Severity.WARNING,
        f"Heads of the ledger cannot be published, or compared, at {place}",
        f"{why}. It is tried again every minute.",
        certainty="certain",
        cost="what was added since the last published head could be cut off unseen",
        to_do="See that the place exists and still holds what was published, and that the account of the DAG seal may write there.",
        about=place,
    )


def _finding(
    kind: str, severity: Severity, title: str, detail: str, *, certainty: str, cost: str, to_do: str, about: str = ""
) -> Finding:
    evidence = {"certainty": certainty, "cost": cost, "to_do": to_do, "examples": []}
    return Finding(
        workflow=FLEET,
        stage=WATCH,
        kind=kind,
        severity=severity,
        title=title,
        detail=detail,
        about=about,
        evidence=evidence,
    )
