"""What people say of incidents: they have it, it may wait, it is settled; and what is told when a waiver or a silence is over."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from path_site import SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.pipeline.answering import Answered
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.silencing import Asked, begin_silence, end_silence
from afterpilot.record import tables

pytestmark = pytest.mark.integration
HOUR = timedelta(hours=1)


def stale(severity: Severity = Severity.WARNING, title: str = "The newest row is 9 h old") -> Finding:
    """A trouble of the check, with evidence."""
    return Finding(SLUG, "check", "quality.fresh_within", severity, title, about="finished_at", evidence={"certainty": "measured"})  # fmt: skip


def ran(site: Site, findings: Sequence[Finding]) -> None:
    """A run of the check that found just that."""
    wired = site.wired()
    window = Window(site.now - HOUR, site.now)
    result = StageResult(SLUG, "check", "looked", tuple(findings), checked=1, covered=("quality.*",))
    concluded(wired.services, result, wired.workflow(SLUG), window, trigger(), site.now)


def known(site: Site) -> dict[str, Any]:
    """The workflows by slug."""
    return {SLUG: site.wired().workflow(SLUG)}


def acknowledged(site: Site, *, by: str = "Dana Ruiz", note: str = "", which: str = "") -> Answered:
    """Somebody takes the only incident up."""
    wired = site.wired()
    which = which or str(site.incidents()[0]["id"])
    return pipeline.acknowledge(wired.services, which, by=by, note=note, known=known(site))


def waived(site: Site, length: timedelta = 4 * HOUR, *, reason: str = "the supplier knows") -> Answered:
    """Somebody lets the only incident wait."""
    which = str(site.incidents()[0]["id"])
    return pipeline.waive(
        site.wired().services, which, by="Dana Ruiz", until=site.now + length, reason=reason, known=known(site)
    )


def told(site: Site) -> list[tuple[str, str]]:
    """Kind and fate of every message, in the order of their news."""
    return [(row["kind"], row["state"]) for row in site.rows("SELECT kind, state FROM outbox ORDER BY created_at, id")]


def line(site: Site) -> list[tuple[str, str, str]]:
    """The time line: what, who, note."""
    found = site.rows("SELECT what, actor, note FROM incident_events ORDER BY id")
    return [(row["what"], row["actor"], row["note"]) for row in found]


def silenced(site: Site, *, kind: str = "", hours: int = 2) -> Any:
    """A silence of the workflow."""
    asked = Asked(SLUG, kind, site.now + hours * HOUR, "Lee Okafor", "the warehouse moves")
    with site.wired().services.ops.begin() as unit:
        return begin_silence(unit, asked, workflows=[SLUG], now=site.now)


def test_whoever_takes_it_up_stands_on_the_time_line_and_in_the_thread(site: Site) -> None:
    """The message keeps its evidence, the thread has a line with the person's note, and nobody else is called."""
    ran(site, [stale()])
    with site.ops.begin() as connection:
        connection.execute(sa.update(tables.incidents).values(escalate_at=site.now + HOUR))
    answer = acknowledged(site, note="the import hangs", which=str(site.incidents()[0]["id"])[:6].upper())
    assert answer.changed
    incident = site.incidents()[0]
    assert (incident["state"], incident["acknowledged_by"], incident["escalate_at"]) == (
        "acknowledged",
        "Dana Ruiz",
        None,
    )
    assert line(site)[-1] == ("acknowledged", "Dana Ruiz", "the import hangs")
    assert told(site) == [("incident", "pending"), ("acknowledged", "pending")]
    message = site.letters()[-1]["message"]
    assert "Dana Ruiz has taken it up: the import hangs" in message["notification"]
    assert "measured" in str(message)


def test_the_same_person_again_changes_nothing_and_is_told_so(site: Site) -> None:
    """Also under another spelling of the name; somebody else takes it over."""
    ran(site, [stale()])
    acknowledged(site)
    again = acknowledged(site, by="dana.ruiz@example.com")
    assert not again.changed
    assert "nothing was changed" in again.said
    assert len(told(site)) == 2
    assert acknowledged(site, by="Lee Okafor").changed
    assert site.incidents()[0]["acknowledged_by"] == "Lee Okafor"


@pytest.mark.parametrize(("first", "second"), [("@eve (U01)", "@bob (U02)"), ("🦊", "🐻")])
def test_people_who_are_not_declared_are_told_apart(site: Site, first: str, second: str) -> None:
    """Slack's names of strangers begin with @: the second of them takes it over, and is not told to have it already."""
    ran(site, [stale()])
    acknowledged(site, by=first)
    assert not acknowledged(site, by=first).changed
    assert acknowledged(site, by=second).changed
    assert site.incidents()[0]["acknowledged_by"] == second


@pytest.mark.parametrize("blank", [" ", "\u200b\u200b", "\u202e\n\u2060", "\u00ad"])
def test_what_nobody_can_see_is_no_reason_and_no_name(site: Site, blank: str) -> None:
    """Of a waiver, of a silence, and of whoever says so."""
    ran(site, [stale()])
    with pytest.raises(AnswerRefused, match="Say why"):
        waived(site, reason=blank)
    with pytest.raises(AnswerRefused, match="Say who"):
        acknowledged(site, by=blank)
    asked = Asked(SLUG, "", site.now + HOUR, "Lee Okafor", blank)
    with site.wired().services.ops.begin() as unit, pytest.raises(AnswerRefused, match="Say why"):
        begin_silence(unit, asked, workflows=[SLUG], now=site.now)


@pytest.mark.parametrize(("workflow", "kind"), [("\u200b", ""), (SLUG, "\u202e"), ("\x00", "quality.*")])
def test_a_silence_of_what_nobody_can_see_is_not_one_of_everything(site: Site, workflow: str, kind: str) -> None:
    """An empty pattern would keep all of it."""
    asked = Asked(workflow, kind, site.now + HOUR, "Lee Okafor", "the warehouse moves")
    with site.wired().services.ops.begin() as unit, pytest.raises(AnswerRefused, match="no sign that can be seen"):
        begin_silence(unit, asked, workflows=[SLUG], now=site.now)


def test_a_reason_is_kept_as_people_see_it(site: Site) -> None:
    """Without marks that turn the direction of writing in a terminal or a page."""
    ran(site, [stale()])
    waived(site, reason="\u202eknown\u2066 to <!channel>\x00")
    assert site.incidents()[0]["waived_reason"] == "known to <!channel>"


def test_two_clicks_at_the_same_moment_are_one(site: Site) -> None:
    """One of them is told that it is so already; the message is edited once."""
    ran(site, [stale()])
    wired, which, workflows = site.wired(), str(site.incidents()[0]["id"]), known(site)
    with ThreadPoolExecutor(4) as pool:
        clicks = [
            pool.submit(pipeline.acknowledge, wired.services, which, by="Dana Ruiz", note="", known=workflows)
            for _ in range(4)
        ]
    assert sorted(click.result().changed for click in clicks) == [False, False, False, True]
    assert [what for what, _, _ in line(site)] == ["opened", "acknowledged"]
    assert len(told(site)) == 2


def test_a_graver_turn_of_what_somebody_has_is_told_all_the_same(site: Site) -> None:
    """And it stays theirs."""
    ran(site, [stale()])
    acknowledged(site)
    ran(site, [stale(Severity.CRITICAL, "The newest row is 30 h old")])
    assert told(site)[-1] == ("graver", "pending")
    assert site.incidents()[0]["state"] == "acknowledged"


def test_whoever_takes_the_cause_up_has_what_it_explains_too(site: Site) -> None:
    """Each of them says with which one; one that a person waived stays waived."""
    other = Finding(SLUG, "check", "quality.volume_between", Severity.WARNING, "Few rows")
    third = Finding(SLUG, "check", "quality.no_rows", Severity.UNKNOWN, "No rows")
    ran(site, [stale(), other, third])
    ids = {row["kind"]: row["id"] for row in site.incidents()}
    cause = ids["quality.fresh_within"]
    with site.ops.begin() as connection:
        others = tables.incidents.c.id != cause
        connection.execute(sa.update(tables.incidents).where(others).values(cause_id=cause, escalate_at=site.now))
        waived_one = tables.incidents.c.id == ids["quality.no_rows"]
        connection.execute(sa.update(tables.incidents).where(waived_one).values(state="waived"))
    acknowledged(site, which=str(cause))
    states = {row["kind"]: row["state"] for row in site.incidents()}
    assert states == {
        "quality.fresh_within": "acknowledged",
        "quality.volume_between": "acknowledged",
        "quality.no_rows": "waived",
    }
    assert line(site)[-1] == ("acknowledged", "Dana Ruiz", f"with {str(cause)[:8]}, which explains it")


@pytest.fixture
def shared(site: Site) -> tuple[uuid.UUID, Site]:
    """Three workflows on one source that is down: the fleet's incident about it, and the site."""
    for slug in ("second", "third"):
        site.add(slug)
    wired = site.wired()
    for slug in (SLUG, "second", "third"):
        down = Finding(
            slug, "pull", "source.unreadable", Severity.CRITICAL, "The source is down", hangs_on="source erp"
        )
        result = StageResult(slug, "pull", "down", (down,), covered=("source.*",))
        concluded(wired.services, result, wired.workflow(slug), Window(site.now - HOUR, site.now), trigger(), site.now)
    (whole,) = [row["id"] for row in site.incidents() if row["workflow"] == FLEET]
    return whole, site


def test_whoever_takes_the_fleets_incident_up_has_its_parts(shared: tuple[uuid.UUID, Site]) -> None:
    """In all workflows, whichever of them the answer knows."""
    whole, site = shared
    acknowledged(site, which=str(whole))
    assert {(row["state"], row["acknowledged_by"]) for row in site.incidents()} == {("acknowledged", "Dana Ruiz")}


def test_a_settled_incident_of_the_fleet_takes_its_parts_with_it(shared: tuple[uuid.UUID, Site]) -> None:
    """Each says with which one, and the sweep begins none of them anew."""
    whole, site = shared
    pipeline.settle(site.wired().services, str(whole), by="Dana", note="the ERP was moved", known=known(site))
    assert {row["state"] for row in site.incidents()} == {"resolved"}
    notes = sorted(note for what, _, note in line(site) if what == "resolved")
    assert notes == ["the ERP was moved"] + 3 * [f"with {str(whole)[:8]}, which explains it"]


def test_the_last_part_that_is_settled_ends_the_fleets_incident(shared: tuple[uuid.UUID, Site]) -> None:
    """Nothing hangs on the source any more."""
    whole, site = shared
    for row in site.incidents():
        if row["id"] != whole:
            pipeline.settle(site.wired().services, str(row["id"]), by="Dana", note="moved", known=known(site))
    assert {row["state"] for row in site.incidents()} == {"resolved"}


def test_a_waiver_is_told_and_then_nothing_until_its_time_is_over(site: Site) -> None:
    """What is found meanwhile is kept with its reason; then it is open again, told, and nobody has it."""
    ran(site, [stale()])
    assert waived(site).changed
    ran(site, [stale(title="The newest row is 12 h old")])
    assert told(site) == [("incident", "pending"), ("waived", "pending"), ("incident", "silenced")]
    assert site.wired().sweep_alerts().waivers == 0
    site.now += 5 * HOUR
    assert site.wired().sweep_alerts().waivers == 1
    assert site.wired().sweep_alerts().waivers == 0
    incident = site.incidents()[0]
    assert (incident["state"], incident["waived_until"], incident["escalation"]) == ("open", None, 0)
    assert told(site)[-1] == ("waiver_over", "pending")
    assert "the waiver of Dana Ruiz is over, it is still there" in site.letters()[-1]["message"]["notification"]
    assert line(site)[-1][0] == "waiver_over"


def test_a_waiver_holds_for_what_was_waived_and_for_nothing_graver(site: Site) -> None:
    """A warning that may wait and turns critical is open, and told; that it was waived stands on its time line."""
    ran(site, [stale()])
    waived(site)
    ran(site, [stale(Severity.CRITICAL, "The newest row is 30 h old")])
    (incident,) = site.incidents()
    assert (incident["state"], incident["waived_until"]) == ("open", None)
    assert told(site)[-1] == ("graver", "pending")
    assert ("waiver_over", "afterpilot", "waived by Dana Ruiz: the supplier knows") in line(site)


def test_a_waiver_does_not_hold_for_what_comes_back_graver(site: Site) -> None:
    """The waived warning was over and is back as critical: it is told; back as it was, it would have been kept."""
    ran(site, [stale()])
    waived(site)
    ran(site, [])
    ran(site, [stale(Severity.CRITICAL)])
    assert site.incidents()[0]["state"] == "open"
    assert told(site)[-1] == ("reopened", "pending")
    ran(site, [])
    ran(site, [stale()])
    assert site.incidents()[0]["state"] == "open"


def test_a_waived_incident_that_is_over_is_over(site: Site) -> None:
    """Its message says so, and the end of the waiver brings nothing."""
    ran(site, [stale()])
    waived(site)
    ran(site, [])
    site.now += 5 * HOUR
    assert site.wired().sweep_alerts().waivers == 0
    assert told(site)[-1] == ("resolved", "pending")


@pytest.mark.parametrize(
    ("hours", "reason", "why"),
    [(-1, "x", "is over"), (0, "x", "is over"), (91 * 24, "x", "at most 90 days"), (1, "  ", "Say why")],
)
def test_a_waiver_needs_a_reason_and_an_end_that_people_remember(site: Site, hours: int, reason: str, why: str) -> None:
    """What is refused changes nothing."""
    ran(site, [stale()])
    with pytest.raises(AnswerRefused, match=why):
        waived(site, hours * HOUR, reason=reason)
    assert site.incidents()[0]["state"] == "open"
    assert len(told(site)) == 1


def test_the_same_waiver_twice_is_one(site: Site) -> None:
    """Another end is another waiver."""
    ran(site, [stale()])
    services, which, until = site.wired().services, str(site.incidents()[0]["id"]), site.now + HOUR
    for _ in range(2):
        answer = pipeline.waive(services, which, by="Dana", until=until, reason="known", known=known(site))
    assert not answer.changed
    later = pipeline.waive(services, which, by="Dana", until=until + HOUR, reason="known", known=known(site))
    assert later.changed
    assert [what for what, _, _ in line(site)] == ["opened", "waived", "waived"]


def test_what_is_settled_is_over_once(site: Site) -> None:
    """By whom and why stands on the time line and in the message; said again it changes nothing, and it cannot be taken up."""
    ran(site, [stale()])
    services, which = site.wired().services, str(site.incidents()[0]["id"])
    done = pipeline.settle(services, which, by="Dana", note="deleted on purpose", known=known(site))
    assert done.changed
    assert not pipeline.settle(services, which, by="Lee", note="", known=known(site)).changed
    assert line(site)[-1] == ("resolved", "Dana", "deleted on purpose")
    assert "deleted on purpose" in str(site.letters()[-1]["message"])
    with pytest.raises(AnswerRefused, match="is over since 2026-11-18"):
        acknowledged(site, which=which)


def test_an_id_that_fits_to_none_or_to_too_few_digits_is_refused(site: Site) -> None:
    """Whatever was typed, wildcards of the database too."""
    ran(site, [stale()])
    for digits in ("", "%%%%", str(site.incidents()[0]["id"])[:3], "ffffffff-ffff"):
        with pytest.raises(AnswerRefused, match="No incident has an id"):
            pipeline.settle(site.wired().services, digits, by="Dana", note="", known=known(site))


def test_what_a_silence_has_kept_is_told_when_it_ends(site: Site) -> None:
    """Once, at the next sweep, as it stands then."""
    silenced(site, kind="quality.*")
    ran(site, [stale()])
    assert told(site) == [("incident", "silenced")]
    assert site.wired().sweep_alerts().silences == 0
    site.now += 3 * HOUR
    assert site.wired().sweep_alerts().silences == 1
    assert site.wired().sweep_alerts().silences == 0
    assert told(site)[-1] == ("silence_over", "pending")
    assert "the silence is over, it is still there" in site.letters()[-1]["message"]["notification"]


def test_what_was_over_before_its_silence_is_never_told(site: Site) -> None:
    """Nobody has heard of it, so nobody wants to know that it is over."""
    silenced(site)
    ran(site, [stale()])
    ran(site, [])
    site.now += 3 * HOUR
    assert site.wired().sweep_alerts().silences == 0
    assert {fate for _, fate in told(site)} == {"silenced"}


def test_a_silence_ended_early_lets_the_next_sweep_tell(site: Site) -> None:
    """Ended twice is ended once, by the first."""
    silence = silenced(site)
    ran(site, [stale()])
    for who in ("Dana Ruiz", "Ola"):
        with site.wired().services.ops.begin() as unit:
            _, changed = end_silence(unit, str(silence.id)[:8], by=who, now=site.now)
        assert changed == (who == "Dana Ruiz")
    assert site.rows("SELECT ended_by FROM silences") == [{"ended_by": "Dana Ruiz"}]
    assert site.wired().sweep_alerts().silences == 1


def test_the_same_silence_again_is_the_one_that_holds_made_longer(site: Site) -> None:
    """A second click makes no second row, and a shorter one does not cut it."""
    first = silenced(site, hours=2)
    assert silenced(site, hours=3).ends_at > first.ends_at
    assert silenced(site, hours=1).id == first.id
    assert site.count("silences") == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"reason": " "}, "Say why"),
        ({"by": ""}, "Say who"),
        ({"hours": 0}, "is over"),
        ({"hours": 31 * 24}, "at most 30 days"),
        ({"workflow": "invoice_maching"}, "do you mean invoice_matching"),
        ({"kind": "evals.regresed"}, "did you mean evals.regressed"),
        ({"kind": "qualty.*"}, r"did you mean quality\.\*"),
    ],
)
def test_a_silence_that_nobody_could_explain_is_refused(site: Site, changed: dict[str, Any], why: str) -> None:
    """No reason, no name, no end, or a workflow or a kind that there is not."""
    given = {"workflow": SLUG, "kind": "", "by": "Dana", "reason": "moving", "hours": 1, **changed}
    asked = Asked(given["workflow"], given["kind"], site.now + given["hours"] * HOUR, given["by"], given["reason"])
    with site.wired().services.ops.begin() as unit, pytest.raises(AnswerRefused, match=why):
        begin_silence(unit, asked, workflows=[SLUG], now=site.now)
    assert site.count("silences") == 0


def test_a_kind_of_an_incident_that_stands_may_be_silenced_whatever_it_is_called(site: Site) -> None:
    """As of an older version, or of a check that was removed; once it is over, the name is a slip."""
    ran(site, [replace(stale(), kind="quality.of_old")])
    assert silenced(site, kind="quality.of_old").kind == "quality.of_old"
    ran(site, [])
    with pytest.raises(AnswerRefused, match="is no kind of finding"):
        silenced(site, kind="quality.of_old", hours=3)
