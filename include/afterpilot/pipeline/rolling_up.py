"""Many workflows hang on the same: one incident of the fleet is told, and theirs are part of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from afterpilot.decide import incidents as life_cycle
from afterpilot.decide.consequences import Cause
from afterpilot.decide.sharing import MANY, SHARED, shared
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding
from afterpilot.pipeline.announcing import News
from afterpilot.pipeline.explaining import Sighting, explain
from afterpilot.record.alerts.linked_incidents import LinkedIncidents
from afterpilot.record.ops import Unit

_BECAUSE = "several workflows hang on the same"


def roll_up(unit: Unit, keys: Collection[str], seen: Sighting) -> Sequence[News]:
    """See what hangs on each of these things now, and return the news of the fleet; the caller holds their locks.

    From three workflows on there is an incident of the fleet, and theirs that nothing else explains are part of it. Those that
    come later join it. It is over when none hangs on it any more.
    """
    return [news for key in sorted(keys) for news in _one(unit, key, seen)]


def _one(unit: Unit, key: str, seen: Sighting) -> Iterable[News]:
    linked = LinkedIncidents(unit.connection)
    hanging, alone = linked.hanging_on(key), linked.unexplained(key)
    whole = next((one for one in alone if one.workflow == FLEET and one.kind.startswith(SHARED)), None)
    if whole is not None and not hanging.workflows:
        yield News("resolved", unit.incidents.resolve(whole, run_id=None, at=seen.at))
        return
    news: News | None = None
    if whole is None:
        if hanging.workflows < MANY:
            return
        news = _begun(unit, shared(key, hanging, ever=0), seen)
        whole = news.incident
    if joined := [one for one in alone if one.workflow != FLEET]:
        explain(unit, joined, Cause(whole, _BECAUSE), seen)
    finding = shared(key, hanging, ever=linked.count_parts(whole.id))
    if news is not None:
        yield news
    elif joined or finding.detail != whole.detail:
        again = unit.incidents.see_again(whole, finding, run_id=None, at=seen.at)
        what = "graver" if again.severity.graver_than(whole.severity) else "changed"
        yield News(what, again, finding, mark=str(again.occurrences))


def _begun(unit: Unit, finding: Finding, seen: Sighting) -> News:
    """The fleet's incident, new or back again."""
    ended = unit.incidents.ended([finding.fingerprint], seen.at - life_cycle.RETURNS_WITHIN)
    if not ended:
        return News("opened", unit.incidents.open(finding, run_id=None, at=seen.at), finding)
    back = life_cycle.reopening(life_cycle.Ended(*ended[0]), finding, seen.at)
    again = unit.incidents.reopen(back.incident, finding, state=back.state, flaps=False, run_id=None, at=seen.at)
    return News("reopened", again, finding)
