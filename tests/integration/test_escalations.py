"""Somebody else is called about what nobody takes up: the deputy, then the channel, each once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from path_site import SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.pipeline.alert_sweep import SweptAlerts, sweep_alerts
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.digesting import send_digests
from afterpilot.pipeline.silencing import Asked, begin_silence
from doubles.slack import TOKEN, SlackDouble

pytestmark = pytest.mark.integration
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CHANNEL = "#ap-automation"


@pytest.fixture(autouse=True)
def declared(site: Site) -> None:
    """Critical ones are escalated after a quarter of an hour."""
    site.edit("_fleet.yaml", "escalate: {critical: 30m,", "escalate: {critical: 15m,")


def found(severity: Severity = Severity.CRITICAL, kind: str = "quality.fresh_within") -> Finding:
    """A trouble of the check."""
    return Finding(SLUG, "check", kind, severity, "The newest row is 9 h old", about="finished_at")


def ran(site: Site, *findings: Finding) -> None:
    """A run of the check that found just that."""
    wired = site.wired()
    result = StageResult(SLUG, "check", "looked", findings, checked=1, covered=("quality.*",))
    concluded(wired.services, result, wired.workflow(SLUG), Window(site.now - HOUR, site.now), trigger(), site.now)


def swept(site: Site, later: timedelta = timedelta(0)) -> SweptAlerts:
    """A sweep of the alerts so much later."""
    site.now += later
    return site.wired().sweep_alerts()


def line(site: Site) -> Sequence[str]:
    """The words of the time line."""
    return [row["what"] for row in site.rows("SELECT what FROM incident_events ORDER BY id")]


def test_first_the_deputy_then_the_channel_then_nobody(site: Site) -> None:
    """Each in the thread of the message that stands, after its time; the time line says so."""
    ran(site, found())
    assert swept(site, 14 * MINUTE).called == 0
    assert swept(site, 2 * MINUTE).called == 1
    assert swept(site, 14 * MINUTE).called == 0
    assert swept(site, 2 * MINUTE).called == 1
    assert swept(site, 9 * HOUR).called == 0
    first, deputy, channel = site.letters()
    assert (first["kind"], deputy["kind"], channel["kind"]) == ("incident", "escalated", "escalated")
    assert deputy["message"]["mention"] == "U05EF6GH7"
    assert "Lee Okafor, the deputy, is called" in deputy["message"]["notification"]
    assert channel["message"]["mention"] == "@here"
    assert {row["channel"] for row in (first, deputy, channel)} == {CHANNEL}
    assert line(site) == ["opened", "escalated", "escalated"]


def test_nobody_is_called_for_what_is_not_declared(site: Site) -> None:
    """A warning, in the example."""
    ran(site, found(Severity.WARNING))
    assert swept(site, 99 * HOUR).called == 0


def test_what_somebody_has_or_what_is_over_calls_nobody(site: Site) -> None:
    """Taken up in time, or gone in time."""
    ran(site, found(), found(kind="quality.volume_between"))
    which = {row["kind"]: str(row["id"]) for row in site.incidents()}
    wired = site.wired()
    known = {SLUG: wired.workflow(SLUG)}
    pipeline.acknowledge(wired.services, which["quality.fresh_within"], by="Dana Ruiz", note="", known=known)
    pipeline.settle(wired.services, which["quality.volume_between"], by="Dana Ruiz", note="", known=known)
    assert swept(site, HOUR).called == 0


def test_a_graver_turn_counts_anew(site: Site) -> None:
    """From when it became critical."""
    ran(site, found(Severity.WARNING))
    site.now += 10 * HOUR
    ran(site, found())
    assert swept(site, 14 * MINUTE).called == 0
    assert swept(site, 2 * MINUTE).called == 1


def test_a_silence_puts_it_off(site: Site) -> None:
    """Nobody is called while it holds; when it is over and nobody has it, somebody is."""
    ran(site, found())
    asked = Asked(SLUG, "", site.now + HOUR, "Dana Ruiz", "we know")
    with site.wired().services.ops.begin() as unit:
        begin_silence(unit, asked, workflows=[SLUG], now=site.now)
    assert [swept(site, 20 * MINUTE).called for _ in range(2)] == [0, 0]
    assert swept(site, 30 * MINUTE).called == 1


def test_maintenance_keeps_it_and_tells_it_at_its_end(site: Site) -> None:
    """On record with why; what is still wrong is told when it ends, and only then somebody may be called."""
    site.edit("_fleet.yaml", "  digest:", "  maintenance: [{from: 2026-11-18T11:00, until: 2026-11-18T14:00, reason: ERP upgrade, by: Sam Whitfield}]\n  digest:")  # fmt: skip
    ran(site, found())
    (kept,) = site.letters()
    assert (kept["state"], kept["why"]) == (
        "silenced",
        "maintenance until 2026-11-18 14:00 UTC by Sam Whitfield: ERP upgrade",
    )
    assert swept(site, HOUR) == SweptAlerts()
    assert swept(site, HOUR) == SweptAlerts(silences=1)
    assert [row["state"] for row in site.letters()] == ["silenced", "pending"]
    assert swept(site, 16 * MINUTE) == SweptAlerts(called=1)


def test_without_a_deputy_the_channel_is_called(site: Site) -> None:
    """A folder that cannot be read has one operator, and the channel of the fleet."""
    lost = StageResult("gone", "check", "looked", (replace(found(), workflow="gone"),), checked=1)
    concluded(site.wired().services, lost, None, Window(site.now - HOUR, site.now), trigger(), site.now)
    assert swept(site, 16 * MINUTE).called == 1
    called = site.letters()[-1]
    assert (called["channel"], called["message"]["mention"]) == ("#ai-operations", "@here")


def test_what_was_told_by_night_is_over_by_day_in_the_same_places(site: Site) -> None:
    """Whatever the routes say by then; the call for the channel goes to the channel."""
    site.edit("_fleet.yaml", "  routes: ", "  targets: {pager: {kind: pagerduty, connection: pd}}\n  routes: ")
    site.edit("_fleet.yaml", "    - {workflow: ", '    - {severity: critical, hours: "off", to: pager}\n    - {workflow: ')  # fmt: skip
    site.now += 11 * HOUR
    ran(site, found())
    assert swept(site, 16 * MINUTE).called == 1
    site.now += 10 * HOUR
    ran(site)
    assert site.letters()[0]["target"] == "pager"
    places = sorted((row["kind"], row["target"], row["channel"]) for row in site.letters())
    assert places == [
        ("escalated", "pager", "pager"),
        ("escalated", "slack", CHANNEL),
        ("incident", "pager", "pager"),
        ("resolved", "pager", "pager"),
        ("resolved", "slack", CHANNEL),
    ]


def test_in_slack_it_stays_one_message_whose_thread_calls(site: Site) -> None:
    """The deputy and then everybody who is there, each in the thread; the message itself is edited."""
    with SlackDouble() as slack:
        site.env |= {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": slack.url}
        ran(site, found())
        site.wired().deliver()
        for _ in range(2):
            assert swept(site, 16 * MINUTE).called == 1
            site.wired().deliver()
    (root,) = [one for one in slack.messages if not one.thread]
    calls = [
        str(one.body) for one in slack.messages if one.thread == root.ts and "nobody has taken it up" in str(one.body)
    ]
    assert ["<@U05EF6GH7>" in one for one in calls] == [True, False]
    assert ["<!here>" in one for one in calls] == [False, True]
    assert "<!here>" in str(root.body)


def test_two_sweeps_at_once_call_nobody_twice(site: Site) -> None:
    """Forty incidents, four sweeps: forty calls."""
    ran(site, *(found(kind=f"quality.check_{number}") for number in range(40)))
    site.now += 16 * MINUTE
    wired = site.wired()
    known = {SLUG: wired.workflow(SLUG)}
    with ThreadPoolExecutor(4) as workers:
        done = list(workers.map(lambda _: sweep_alerts(wired.services, known).called, range(4)))
    assert sum(done) == 40
    assert site.rows("SELECT count(*) FROM outbox WHERE kind = 'escalated'")[0]["count"] == 40


def untaken(site: Site, number: int) -> None:
    """So many critical incidents, told and sent, that nobody takes up in time."""
    ran(site, *(found(kind=f"quality.check_{one:03d}") for one in range(number)))
    sends(site)
    site.now += 16 * MINUTE


def sends(site: Site) -> None:
    """Everything that waits to be sent stands in its place."""
    site.rows(
        "UPDATE outbox SET state = 'sent', posted_channel = channel, posted_ts = id::text, sent_at = now() "
        "WHERE state = 'pending' RETURNING id"
    )


def waiting(site: Site) -> Sequence[dict[str, Any]]:
    """The letters that are to be sent."""
    return [row for row in site.letters() if row["state"] == "pending"]


def test_a_storm_is_one_call_for_a_channel(site: Site) -> None:
    """Forty incidents take their steps on record; the deputy is called by one message, a quarter of an hour later everybody."""
    untaken(site, 40)
    assert swept(site) == SweptAlerts(called=40, digests=1)
    (call,) = waiting(site)
    assert (call["kind"], call["channel"], call["incident_id"], call["gravity"]) == ("called", CHANNEL, None, 0)
    assert call["message"]["title"] == "40 incidents that nobody has taken up"
    assert call["message"]["mention"] == "U05EF6GH7"
    assert len(call["message"]["points"]) == 11
    assert call["message"]["points"][-1] == "and 30 more"
    assert {row["escalation"] for row in site.incidents()} == {1}
    assert line(site).count("escalated") == 40
    sends(site)
    assert swept(site, 16 * MINUTE) == SweptAlerts(called=40, digests=1)
    (call,) = waiting(site)
    assert call["message"]["mention"] == "@here"
    own = [row for row in site.letters() if row["kind"] == "escalated"]
    assert {(row["state"], row["why"][:14]) for row in own} == {("digested", "in the call of")}
    assert {row["escalation"] for row in site.incidents()} == {2}


def test_a_few_are_called_about_one_by_one(site: Site) -> None:
    """Each in the thread of its own message."""
    untaken(site, 3)
    assert swept(site) == SweptAlerts(called=3)
    assert [row["kind"] for row in waiting(site)] == ["escalated"] * 3


def test_what_follows_a_call_waits_for_the_next_one_there(site: Site) -> None:
    """It takes its step at once; the channel is called about it a quarter of an hour after the first call, and only about what is open."""
    untaken(site, 5)
    assert swept(site).digests == 1
    sends(site)
    more = [found(kind=f"quality.later_{one}") for one in range(6)]
    site.now -= 14 * MINUTE
    ran(site, *(found(kind=f"quality.check_{one:03d}") for one in range(5)), *more)
    sends(site)
    site.now += 14 * MINUTE
    assert swept(site, 2 * MINUTE) == SweptAlerts(called=6)
    assert waiting(site) == []
    wired, later = site.wired(), [row for row in site.incidents() if "later" in row["kind"]]
    known = {SLUG: wired.workflow(SLUG)}
    pipeline.acknowledge(wired.services, str(later[0]["id"]), by="Dana Ruiz", note="", known=known)
    pipeline.settle(wired.services, str(later[1]["id"]), by="Dana Ruiz", note="", known=known)
    sends(site)
    site.now += 11 * MINUTE
    assert wired_digests(site) == 0
    site.now += 4 * MINUTE
    site.rows("UPDATE incidents SET escalate_at = NULL RETURNING id")
    assert wired_digests(site) == 1
    (call,) = waiting(site)
    assert call["message"]["title"] == "4 incidents that nobody has taken up"
    whys = [row["why"] for row in site.letters() if row["state"] == "superseded" and row["kind"] == "escalated"]
    assert sorted(whys) == ["it is acknowledged by now", "it is resolved by now"]


def wired_digests(site: Site) -> int:
    """How many digests and calls are queued now; nobody else is called."""
    wired = site.wired()
    return send_digests(wired.services, {SLUG: wired.workflow(SLUG)}).done


def test_in_slack_a_storm_is_one_post_that_calls_the_deputy(site: Site) -> None:
    """The messages of the incidents stand as they are, with their buttons."""
    with SlackDouble() as slack:
        site.env |= {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": slack.url}
        untaken(site, 6)
        assert swept(site).digests == 1
        site.wired().deliver()
    (call,) = slack.messages
    assert "6 incidents that nobody has taken up" in str(call.body)
    assert "<@U05EF6GH7> this is yours to act on." in str(call.body)


def test_a_sweep_that_is_cut_off_calls_nobody_twice(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps that were taken wait for the call that the next sweep makes."""
    untaken(site, 8)

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("afterpilot.pipeline.alert_sweep.send_digests", cut_off)
        with pytest.raises(KeyboardInterrupt):
            swept(site)
    assert waiting(site) == []
    assert swept(site) == SweptAlerts(digests=1)
    assert [row["message"]["title"] for row in waiting(site)] == ["8 incidents that nobody has taken up"]


def test_a_pager_is_told_of_each(site: Site) -> None:
    """It keeps an alert for each incident by itself: only what people read is one message."""
    site.edit("_fleet.yaml", "  routes: ", "  targets: {pager: {kind: pagerduty, connection: pd}}\n  routes: ")
    site.edit("_fleet.yaml", "    - {workflow: ", "    - {severity: critical, to: [pager, channel]}\n    - {workflow: ")  # fmt: skip
    untaken(site, 5)
    assert swept(site).called == 5
    told = sorted((row["target"], row["kind"]) for row in waiting(site))
    assert told == [("pager", "escalated")] * 5 + [("slack", "called")]


def test_a_place_that_is_told_once_a_day_hears_it_there(site: Site) -> None:
    """Nobody is called in it: what nobody takes up is a line of its digest, once."""
    site.edit("_fleet.yaml", "escalate: {critical: 15m,", "escalate: {critical: 15m, warning: 15m,")
    site.edit("_fleet.yaml", "  routes: ", "  targets: {pager: {kind: pagerduty, connection: pd}}\n  routes: ")
    site.edit("_fleet.yaml", "    - {workflow: ", "    - {severity: warning, to: [pager, digest]}\n    - {workflow: ")  # fmt: skip
    ran(site, found(Severity.WARNING))
    site.edit(f"{SLUG}/workflow.yaml", CHANNEL, "#elsewhere")
    assert swept(site, 16 * MINUTE).called == 1
    told = sorted((row["kind"], row["channel"], row["state"]) for row in site.letters())
    assert told == [
        ("escalated", "#elsewhere", "pending"),
        ("escalated", "pager", "pending"),
        ("incident", CHANNEL, "digest"),
        ("incident", CHANNEL, "digest"),
        ("incident", "pager", "pending"),
    ]
    site.now = site.now.replace(hour=9) + timedelta(days=1)
    assert wired_digests(site) == 1
    (digest,) = [row for row in site.letters() if row["kind"] in ("digest", "called")]
    assert (digest["kind"], digest["channel"], len(digest["message"]["points"])) == ("digest", CHANNEL, 1)


def test_a_call_that_is_still_to_be_sent_is_the_last_one_there(site: Site) -> None:
    """While Slack takes nothing, what follows waits for a quarter of an hour, and is not a call of each minute."""
    untaken(site, 5)
    assert swept(site).digests == 1
    sends_later = "UPDATE outbox SET not_before = not_before + interval '40 seconds' WHERE kind = 'called' RETURNING id"
    assert len(site.rows(sends_later)) == 1
    site.rows("UPDATE incidents SET escalate_at = :at RETURNING id", at=site.now)
    assert swept(site, timedelta(seconds=10)) == SweptAlerts(called=5)
