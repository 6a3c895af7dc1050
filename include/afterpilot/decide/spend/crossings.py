"""Caps that are reached, levels that are crossed, and those that will be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from afterpilot.decide.spend.kinds import BURNING, CROSSING, LEAKING, NEAR, OVER
from afterpilot.decide.spend.looks import Look
from afterpilot.decide.spend.words import (
    began,
    burn_words,
    cap_words,
    day_words,
    dearest,
    outlook_words,
    rate_words,
    reached_words,
    span_words,
)
from afterpilot.domain.counting import per_cent
from afterpilot.domain.outlook import Burn
from afterpilot.domain.run import Stage
from afterpilot.domain.spend import CapState
from afterpilot.domain.verdict import Finding, Severity

# A level of a rolling cap, or a forecast, that was told stands until it is missed by this much: no message for each up and down.
_STANDS = Decimal("0.95")
_TENTH = Decimal("0.1")
_AT_CAP = {
    "tell": "",
    "ask_owner": "The owner decides whether the cap is raised.",
    "stop": "The workflow is to stop.",
}
_FLEETS = {
    "tell": "",
    "ask_owner": "Somebody who may raise the fleet's caps decides whether it is.",
    "stop": "The workflows under it are to stop.",
}
_RAISE = "afterpilot spend raise {slug}"
_TO_DO = {
    "tell": "See what the money goes to; raise the cap ({how}, or for good in the declaration) or use less.",
    "ask_owner": "Decide: raise the cap for this period ({how}), or refuse, which stops it.",
    "stop": "It is stopped until the period ends or the cap is raised ({how}).",
}


@dataclass(frozen=True, slots=True)
class Told:
    """Whom the findings are about, and what stands of earlier runs as (kind, about)."""

    slug: str
    zone: str
    fleet: bool
    standing: Collection[tuple[str, str]] = ()


def crossed(told: Told, look: Look, *, whole: bool) -> Iterator[Finding]:
    """The cap itself and every level that was crossed, gravest first. ``whole``: no part of the spend is unknown.

    Each is an incident of its own, and stands until the period ends: that the next level was crossed too is no good news about
    this one. Of several that were crossed at once the highest alone is told. Titles hold no sum, so that their messages change
    only when something does.
    """
    state, key, start = look.state, look.state.rule.key, began(look, told.zone)
    higher = _stands(told, look, Decimal(1), (OVER, f"{start}{key}"))
    if higher:
        yield _over(told, look, f"{start}{key}", whole=whole)
    for level in sorted(state.rule.warn_at, reverse=True):
        about = f"{start}{key}/{level.normalize()}"
        if not _stands(told, look, level, (NEAR, about)):
            continue
        if not higher or (NEAR, about) in told.standing:
            yield Finding(
                workflow=told.slug,
                stage=Stage.SPEND,
                kind=NEAR,
                severity=Severity.WARNING,
                title=f"Spend has crossed {per_cent(level)} of {cap_words(state)}",
                about=about,
                detail=f"{look.spent} so far; {outlook_words(look)}.",
                evidence=_evidence(told, look, whole=whole),
            )
        higher = True


def _stands(told: Told, look: Look, level: Decimal, name: tuple[str, str]) -> bool:
    lowered = _STANDS if look.state.rule.cap.length is not None and name in told.standing else Decimal(1)
    return look.share >= level * lowered


def _over(told: Told, look: Look, about: str, *, whole: bool) -> Finding:
    state = look.state
    # Rounded down, so that the title changes seldom; the exact share stands in the run's summary.
    over = look.share // _TENTH * _TENTH
    much = f": {'over ' if look.share > over else ''}{per_cent(over)} of it" if over > 1 else ""
    at_cap = (_FLEETS if told.fleet else _AT_CAP)[state.rule.at_cap]
    if state.refused and state.rule.at_cap == "ask_owner":
        at_cap = "It is not to be raised: the workflow is to stop."
    when = f"; it was reached {reached_words(look)}" if look.reached_at else ""
    return Finding(
        workflow=told.slug,
        stage=Stage.SPEND,
        kind=OVER,
        severity=Severity.CRITICAL,
        title=f"Spend has reached {cap_words(state)}{much}",
        about=about,
        detail=f"{look.spent} so far{when}. {at_cap}".strip(),
        evidence=_evidence(told, look, whole=whole),
    )


def before_over(told: Told, look: Look, *, whole: bool) -> Sequence[Finding]:
    """The cap of the period before, should it have been crossed: late calls may do so after its end. Nothing stops for it."""
    if look.before is None or look.began_before is None:
        return ()
    rule = look.rule_before or look.state.rule
    limit = look.limit_before or rule.cap.limit
    late = replace(look, calls=look.before, reached_at=None, state=replace(look.state, rule=rule, limit=limit))
    if late.share < 1:
        return ()
    found = _over(told, late, f"{look.began_before:%Y-%m-%d} {look.state.rule.key}", whole=whole)
    title = f"Spend of the {look.state.rule.cap.period} before has reached {cap_words(late.state)}"
    evidence = {**found.evidence, "to_do": "See what the money went to. That period is over: nothing stops for it."}
    return (replace(found, title=title, detail=f"{late.spent} in that period, which is over.", evidence=evidence),)


def burning(told: Told, looks: Sequence[Look], *, whole: bool) -> Sequence[Finding]:
    """A runaway, else a leak: one finding for all caps, that of the cap that is used up the fastest.

    A leak says nothing new of a cap that is reached, or of which it is told when it will be.
    """
    told_of_leak = (LEAKING, "") in told.standing
    leaks = [None if look.state.reached or crossing(told, look, whole=whole) else look.leak for look in looks]
    leaks = [look.leak for look in looks] if told_of_leak else leaks
    for kind, found in ((BURNING, [look.burn for look in looks]), (LEAKING, leaks)):
        hot = [(look, burn) for look, burn in zip(looks, found, strict=True) if burn is not None]
        if hot:
            look, burn = max(hot, key=lambda pair: pair[1].rate / pair[1].factor)
            return (_burn(told, look, burn, kind, whole=whole),)
    return ()


def _burn(told: Told, look: Look, burn: Burn, kind: str, *, whole: bool) -> Finding:
    cap, window = cap_words(look.state), span_words(burn.window)
    if kind == BURNING:
        title = f"Spend is running away: {rate_words(burn.rate)} what {cap} allows, over the last {window}"
        to_do = "Find what calls the model so often (a loop, retries, a job started twice) and stop it there."
    else:
        title = f"Spend of the last {window} is {rate_words(burn.rate)} what {cap} allows for them"
        to_do = "See what has changed: model, prompt, volume. Expected: raise the cap before it is reached."
    evidence = _evidence(told, look, whole=whole)
    return Finding(
        workflow=told.slug,
        stage=Stage.SPEND,
        kind=kind,
        severity=Severity.CRITICAL if kind == BURNING else Severity.WARNING,
        title=title,
        detail=burn_words(look, burn),
        evidence={
            **evidence,
            "to_do": to_do,
            "burn_rate": round(burn.rate, 2),
            "window_hours": burn.window.total_seconds() / 3600,
        },
    )


def crossing(told: Told, look: Look, *, whole: bool) -> Sequence[Finding]:
    """The forecast that the cap will be reached before its period ends, as long as it was not."""
    given, state = look.forecast, look.state
    if given.expected is None or state.reached:
        return ()
    about = f"{began(look, told.zone)}{state.rule.key}"
    stands = (CROSSING, about) in told.standing and given.expected.amount >= _STANDS * state.limit.amount
    if given.crosses is None and not stands:
        return ()
    when = f"around {day_words(given.crosses)}" if given.crosses else f"by the end of the {state.rule.cap.every}"
    return (
        Finding(
            workflow=told.slug,
            stage=Stage.SPEND,
            kind=CROSSING,
            severity=Severity.WARNING,
            title=f"Spend is expected to reach {cap_words(state)} {when}",
            about=about,
            detail=f"{look.spent} so far; {outlook_words(look)}.",
            evidence={
                **_evidence(told, look, whole=whole),
                "certainty": f"a forecast from {given.days} days with their weekdays; more likely than not",
                "to_do": "Expected work: raise the cap in time. Else see what has become dearer.",
            },
        ),
    )


def _evidence(told: Told, look: Look, *, whole: bool) -> dict[str, object]:
    state: CapState = look.state
    how = _RAISE.format(slug=told.slug)
    advice = "See what the money goes to. Expected work: raise the cap before it is reached."
    return {
        "cap": state.rule.key,
        "certainty": "certain: every call was priced and summed"
        if whole
        else "certain for the known part alone; there is more whose cost is not known",
        "cost": f"{look.spent} of {cap_words(state).removeprefix('the cap of ')}"
        + ("" if whole else ", and what is not known"),
        "to_do": _TO_DO[state.rule.at_cap].format(how=how) if state.reached else advice,
        "examples": dearest(look.calls, workflows=told.fleet),
    }
