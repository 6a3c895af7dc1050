"""What can wait is told once a day, in one message for each channel, once whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from path_site import SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.pipeline import digesting
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.silencing import Asked, begin_silence

pytestmark = pytest.mark.integration
HOUR = timedelta(hours=1)
OTHER = "other_invoices"


@pytest.fixture(autouse=True)
def declared(site: Site) -> None:
    """Two workflows with one channel, whose warnings can wait until half past eight in London."""
    site.add(OTHER)
    site.edit("_fleet.yaml", '{workflow: "invoice_reader_*", severity', "{severity")


def ran(site: Site, *kinds: str, slug: str = SLUG, severity: Severity = Severity.WARNING) -> None:
    """A run of the check that found just these."""
    wired = site.wired()
    findings = tuple(Finding(slug, "check", f"quality.{kind}", severity, f"{kind} is off") for kind in kinds)
    result = StageResult(slug, "check", "looked", findings, checked=1, covered=("quality.*",))
    concluded(wired.services, result, wired.workflow(slug), Window(site.now - HOUR, site.now), trigger(), site.now)


def due(site: Site) -> int:
    """How many digests a sweep of the next morning queues."""
    site.now = site.now.replace(hour=8, minute=31) + timedelta(days=1)
    return site.wired().sweep_alerts().digests


def states(site: Site) -> dict[str, int]:
    """How many messages are in each state."""
    return {row["state"]: row["count"] for row in site.rows("SELECT state, count(*) FROM outbox GROUP BY state")}


def digest(site: Site) -> dict[str, Any]:
    """The only digest."""
    (row,) = site.rows("SELECT * FROM outbox WHERE kind = 'digest'")
    return row


def test_all_that_waited_is_one_message(site: Site) -> None:
    """Counted by workflow, one line for each incident that links to its page; what is over meanwhile is said to be over."""
    ran(site, "fresh", "volume")
    ran(site, "labels", slug=OTHER)
    ran(site, "volume")  # fresh is over
    assert site.wired().sweep_alerts().digests == 0
    assert states(site) == {"digest": 4}
    assert due(site) == 1
    sent = digest(site)
    message = sent["message"]
    assert (sent["channel"], sent["state"], sent["workflow"]) == ("#ap-automation", "pending", "_fleet")
    assert message["title"] == "3 notices since yesterday"
    assert message["facts"] == [{"label": "By workflow", "value": f"{SLUG} 2, 1 of them over, {OTHER} 1"}]
    assert message["points"] == [
        f"{SLUG}: volume is off (warning, for 20 h 31 min)",
        f"{SLUG}: fresh is off (over, it lasted less than a minute)",
        f"{OTHER}: labels is off (warning, for 20 h 31 min)",
    ]
    pages = {f"https://airflow.example/afterpilot/incidents/{row['id']}" for row in site.incidents()}
    assert set(message["point_urls"]) == pages
    assert states(site) == {"digested": 4, "pending": 1}
    assert {row["why"] for row in site.letters() if row["state"] == "digested"} == {
        "in the digest of 2026-11-19 08:31 UTC"
    }


def test_a_notice_that_nobody_can_read_any_more_says_so(site: Site) -> None:
    """The others of its digest are told as ever."""
    ran(site, "spend.near_cap", "spend.rising")
    site.rows(
        """UPDATE outbox SET message = '{"of": "another version"}'
        WHERE id = (SELECT id FROM outbox ORDER BY created_at LIMIT 1) RETURNING id"""
    )
    assert due(site) == 1
    assert states(site) == {"digested": 2, "pending": 1}


def test_what_is_told_once_is_not_told_again(site: Site) -> None:
    """The day after there is nothing; that it is over then is in the digest of that day."""
    ran(site, "fresh")
    assert [due(site), due(site)] == [1, 0]
    ran(site)
    assert states(site) == {"digested": 1, "pending": 1, "digest": 1}
    assert due(site) == 1


def test_what_turns_critical_does_not_wait(site: Site) -> None:
    """It is told in the channel at once."""
    ran(site, "fresh")
    ran(site, "fresh", severity=Severity.CRITICAL)
    assert states(site) == {"digest": 1, "pending": 1}


def test_sweeps_at_once_send_one_digest(site: Site) -> None:
    """Four of them, for two hundred notices."""
    ran(site, *(f"check_{number}" for number in range(200)))
    site.now += 24 * HOUR
    wired = site.wired()
    known = {SLUG: wired.workflow(SLUG)}
    with ThreadPoolExecutor(4) as workers:
        done = list(workers.map(lambda _: digesting.send_digests(wired.services, known).done, range(4)))
    assert sum(done) == 1
    assert states(site) == {"digested": 200, "pending": 1}
    assert digest(site)["message"]["title"].startswith("200 notices since")


def test_a_sweep_that_is_cut_off_has_taken_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages and digest are one transaction: the next sweep sends all of it."""

    def cut_off(*_: object, **__: object) -> Sequence[object]:
        raise KeyboardInterrupt

    ran(site, "fresh", "volume")
    with monkeypatch.context() as patched:
        patched.setattr(digesting, "digest_message", cut_off)
        with pytest.raises(KeyboardInterrupt):
            due(site)
    assert states(site) == {"digest": 2}
    assert site.wired().sweep_alerts().digests == 1
    assert states(site) == {"digested": 2, "pending": 1}


def test_a_silence_keeps_what_has_waited(site: Site) -> None:
    """It is on record with why, and in the digest after the silence; what is waived by then is kept too."""
    ran(site, "fresh", "volume", "labels")
    wired = site.wired()
    which = {row["kind"]: str(row["id"]) for row in site.incidents()}
    known = {SLUG: wired.workflow(SLUG)}
    until = site.now + 30 * HOUR
    pipeline.waive(wired.services, which["quality.volume"], by="Dana Ruiz", until=until, reason="known", known=known)
    with wired.services.ops.begin() as unit:
        begin_silence(unit, Asked(SLUG, "quality.fresh", until, "Dana Ruiz", "we know"), workflows=[SLUG], now=site.now)
    assert due(site) == 1
    assert digest(site)["message"]["points"] == [f"{SLUG}: labels is off (warning, for 20 h 31 min)"]
    kept = {row["why"].split(" until")[0] for row in site.letters() if row["state"] == "silenced"}
    assert kept == {"silenced", "waived"}
    site.now += 12 * HOUR
    assert site.wired().sweep_alerts().silences == 1
    assert due(site) == 1
    newest = site.rows("SELECT message FROM outbox WHERE kind = 'digest' ORDER BY created_at DESC LIMIT 1")[0][
        "message"
    ]
    assert any("fresh is off" in point for point in newest["points"])


def test_nobody_is_called_for_what_waits(site: Site) -> None:
    """It is escalated by nothing, however long nobody takes it up."""
    site.edit("_fleet.yaml", "unknown: 4h working}", "warning: 5m}")
    ran(site, "fresh")
    site.now += HOUR
    assert site.wired().sweep_alerts().called == 0
