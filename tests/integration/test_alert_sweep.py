"""The sweep of every minute, and those who come at the same moment: what breaks for one holds up no other, what is over calls nobody."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from path_site import SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.incident import Incident
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.notify.messages import Messages
from afterpilot.pipeline.alert_sweep import SweptAlerts, sweep_alerts
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.silencing import Asked, begin_silence
from afterpilot.record.alerts.linked_incidents import LinkedIncidents
from afterpilot.record.ops import connect, unit_of

pytestmark = pytest.mark.integration
HOUR = timedelta(hours=1)
OTHER = "other_invoices"


class Breaking:
    """Messages of which those about one kind of trouble cannot be written."""

    def __init__(self, messages: Messages, kind: str) -> None:
        self._messages, self._kind = messages, kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._messages, name)

    def incident(self, incident: Incident, *given: Any, **named: Any) -> Any:
        """The message, unless it is of that kind."""
        if incident.kind == self._kind:
            raise LookupError(self._kind)
        return self._messages.incident(incident, *given, **named)


def ran(site: Site, *kinds: str, severity: Severity = Severity.CRITICAL, slug: str = SLUG) -> None:
    """A run of the check that found just these."""
    wired = site.wired()
    findings = tuple(Finding(slug, "check", kind, severity, f"{kind} fails") for kind in kinds)
    result = StageResult(slug, "check", "looked", findings, checked=1, covered=("quality.*",))
    concluded(wired.services, result, wired.workflow(slug), Window(site.now - HOUR, site.now), trigger(), site.now)


def swept(site: Site, *, broken: str) -> SweptAlerts:
    """A sweep that cannot tell anything of one kind."""
    wired = site.wired()
    services = dataclasses.replace(wired.services, messages=Breaking(wired.services.messages, broken))  # type: ignore[arg-type]
    return sweep_alerts(services, {one.slug: one for one in wired.declarations.workflows})


def ids(site: Site) -> dict[str, str]:
    """The incidents by kind."""
    return {row["kind"]: str(row["id"]) for row in site.incidents()}


def test_a_waiver_that_cannot_be_told_holds_up_neither_the_others_nor_the_deputy(site: Site) -> None:
    """The broken one stays waived and is tried again; the others, and whoever is to be called, are told."""
    site.edit("_fleet.yaml", "escalate: {critical: 30m,", "escalate: {critical: 15m,")
    ran(site, "quality.broken", "quality.waived", "quality.open")
    wired = site.wired()
    for kind in ("quality.broken", "quality.waived"):
        until = site.now + HOUR
        pipeline.waive(wired.services, ids(site)[kind], by="Dana", until=until, reason="later", known={})
    site.now += 2 * HOUR
    done = swept(site, broken="quality.broken")
    assert (done.waivers, done.called, done.broken) == (1, 1, 1)
    assert {row["kind"]: row["state"] for row in site.incidents()} == {
        "quality.broken": "waived",
        "quality.waived": "open",
        "quality.open": "open",
    }
    assert site.wired().sweep_alerts().waivers == 1


def test_a_silence_that_cannot_be_told_holds_up_no_other(site: Site) -> None:
    """What it kept is told by the next sweep that can."""
    with site.wired().services.ops.begin() as unit:
        asked = Asked(SLUG, "", site.now + HOUR, "Lee", "the warehouse moves")
        begin_silence(unit, asked, workflows=[SLUG], now=site.now)
    ran(site, "quality.broken", "quality.open")
    site.now += 2 * HOUR
    assert swept(site, broken="quality.broken").silences == 1
    assert site.wired().sweep_alerts().silences == 1


def test_what_is_over_is_not_told_twice_where_a_digest_elsewhere_was_silenced(site: Site) -> None:
    """Its end was told where it was told before; that another place never heard of it calls for nothing."""
    ran(site, "quality.open")
    ran(site)
    with site.ops.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox SET state = 'sent', sent_at = now()")
        connection.exec_driver_sql(
            "INSERT INTO outbox (dedupe_key, workflow, kind, incident_id, channel, message, state) "
            "SELECT 'kept', workflow, kind, incident_id, '#digest', message, 'silenced' FROM outbox WHERE kind = 'resolved'"
        )
    assert site.wired().sweep_alerts().silences == 0


def test_what_is_settled_in_spite_of_a_waiver_is_told_when_it_is_back(site: Site) -> None:
    """Whoever settled it was told so."""
    ran(site, "quality.open")
    (which,) = ids(site).values()
    services = site.wired().services
    pipeline.waive(services, which, by="Dana", until=site.now + 100 * HOUR, reason="later", known={})
    pipeline.settle(services, which, by="Dana", known={})
    ran(site, "quality.open")
    (incident,) = site.incidents()
    assert (incident["state"], incident["waived_until"], incident["reopened"]) == ("open", None, 1)
    assert [(row["kind"], row["state"]) for row in site.letters()][-1] == ("reopened", "pending")


def pulls(site: Site, *slugs: str, broken: bool, stage: str = "pull") -> None:
    """A run of workflows that hang on one source."""
    wired = site.wired()
    for slug in slugs:
        workflow, kind = dataclasses.replace(wired.workflow(SLUG), slug=slug), f"{stage}.source_unreadable"
        found = Finding(slug, stage, kind, Severity.CRITICAL, "cannot be read", hangs_on="source erp")
        result = StageResult(
            slug, stage, "", findings=(found,) if broken else (), covered=(kind,), nothing_is_fine=not broken
        )
        concluded(wired.services, result, workflow, Window(site.now, site.now), trigger(), site.now)


def shared(site: Site) -> Sequence[dict[str, Any]]:
    """The fleet's own incidents."""
    return [row for row in site.incidents() if row["workflow"] == FLEET]


def test_nobody_is_called_about_the_fleets_incident_that_ends_at_that_moment(site: Site) -> None:
    """The sweep waits for whoever changes what hangs on the same, and then sees that it is over."""
    pulls(site, "a", "b", "c", broken=True)
    (whole,) = shared(site)
    site.now += 9 * HOUR
    engine = connect(site.ops.url.render_as_string(hide_password=False))
    wired = site.wired()
    sweep = threading.Thread(target=sweep_alerts, args=(wired.services, {}))
    with engine.begin() as connection:
        unit, linked = unit_of(connection), LinkedIncidents(connection)
        linked.lock(["source erp"])
        incident = linked.get(whole["id"])
        assert incident is not None
        unit.incidents.resolve(incident, at=site.now)
        sweep.start()
        waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while sweep.is_alive() and not site.rows(waits):
            pass
    sweep.join(timeout=30)
    engine.dispose()
    assert [row["kind"] for row in site.letters() if row["kind"] == "escalated"] == []


def test_the_fleets_incident_that_is_back_is_the_same_whatever_stage_finds_it(site: Site) -> None:
    """Pulls have found it first, then bills."""
    pulls(site, "a", "b", "c", broken=True)
    pulls(site, "a", "b", "c", broken=False)
    pulls(site, "a", "b", "c", broken=True, stage="spend")
    assert [(row["state"], row["reopened"]) for row in shared(site)] == [("open", 1)]


def test_changes_of_the_fleets_incident_at_one_moment_are_all_told(site: Site) -> None:
    """The newest message names all that hang on it, also where many runs end at the same tick of the clock."""
    wired = site.wired()
    still = dataclasses.replace(wired.services, now=lambda: site.now)
    for slug in ("a", "b", "c", "d", "e"):
        workflow = dataclasses.replace(wired.workflow(SLUG), slug=slug)
        found = Finding(slug, "pull", "pull.source_unreadable", Severity.UNKNOWN, "x", hangs_on="source erp")
        result = StageResult(slug, "pull", "", findings=(found,))
        concluded(still, result, workflow, Window(site.now, site.now), trigger(), site.now)
    told = [row for row in site.letters() if row["workflow"] == FLEET]
    assert "5 workflows" in told[-1]["message"]["title"]
