"""Many workflows hang on the same source: one incident of the fleet, on real PostgreSQL, whoever comes first."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from path_site import SLUG, Site, trigger

from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.pipeline import Services
from afterpilot.pipeline.answering import acknowledge, settle
from afterpilot.pipeline.conclude import concluded
from afterpilot.record.ops import Ops, connect

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("error::sqlalchemy.exc.SAWarning")]
COVERED = ("pull.source_unreadable", "evals.target_out_of_reach")


class Fleet:
    """Many workflows of one declaration, of which only the ends of pulls are played."""

    def __init__(self, site: Site, services: Services) -> None:
        self.site = site
        self.services = services
        self.one = site.wired().workflow(SLUG)

    def pulls(self, slug: str, *, broken: bool, source: str = "erp", stage: str = "pull") -> None:
        """One pull."""
        workflow, at = replace(self.one, slug=slug, channel=f"#{slug}"), self.services.now()
        kind, thing = (
            ("pull.source_unreadable", "source") if stage == "pull" else ("evals.target_out_of_reach", "model")
        )
        finding = Finding(
            slug, stage, kind, Severity.UNKNOWN, f"{slug} cannot read {source}", hangs_on=f"{thing} {source}"
        )
        result = StageResult(
            slug, stage, "", findings=(finding,) if broken else (), covered=COVERED, nothing_is_fine=not broken
        )
        concluded(self.services, result, workflow, Window(at, at), trigger(), at)

    def shared(self) -> list[dict[str, Any]]:
        """The fleet's own incidents."""
        return [row for row in self.site.incidents() if row["workflow"] == FLEET]

    def letters(self, workflow: str) -> list[dict[str, Any]]:
        """The letters of one workflow, oldest first."""
        return [one for one in self.site.letters() if one["workflow"] == workflow]

    def sends(self) -> None:
        """Everything that waits has been sent."""
        with self.site.ops.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE outbox SET state = 'sent', posted_channel = channel, posted_ts = id::text, sent_at = now() "
                "WHERE state = 'pending'"
            )


@pytest.fixture
def fleet(tmp_path: Path, ops_url: str, empty_database: str) -> Fleet:
    """A fleet with a clock of its own for each call."""
    site = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    return Fleet(site, site.wired().services)


def titles(letters: list[dict[str, Any]]) -> list[str]:
    return [one["message"]["title"] for one in letters]


def test_two_workflows_are_two_troubles(fleet: Fleet) -> None:
    """And each letter waits half a minute for others of its cause."""
    for slug in ("a", "b"):
        fleet.pulls(slug, broken=True)
    assert fleet.shared() == []
    assert [one["state"] for one in fleet.site.letters()] == ["pending"] * 2
    assert all(one["not_before"] > datetime.now(UTC) + timedelta(seconds=15) for one in fleet.site.letters())


def test_from_the_third_on_it_is_one_trouble_of_the_fleet(fleet: Fleet) -> None:
    """Told at once in the fleet's channel, with the workflows; what was to be sent of theirs is not."""
    for slug in ("a", "b", "c", "d"):
        fleet.pulls(slug, broken=True)
    (shared,) = fleet.shared()
    assert (shared["kind"], shared["stage"], shared["state"]) == ("shared.source", "pull", "open")
    assert shared["title"] == "The source erp cannot be read: 4 workflows hang on it"
    assert shared["detail"] == "a, b, c, d."
    theirs = [one for one in fleet.site.letters() if one["workflow"] != FLEET]
    assert [(one["state"], one["why"]) for one in theirs] == [
        ("suppressed", f"explained by incident {str(shared['id'])[:8]}")
    ] * 4
    told = fleet.letters(FLEET)
    assert {(one["channel"], one["state"]) for one in told} == {(fleet.services.fleet.channel, "pending")}
    assert told[0]["not_before"] <= datetime.now(UTC)
    assert {row["cause_id"] for row in fleet.site.incidents() if row["workflow"] != FLEET} == {shared["id"]}


def test_what_stands_already_says_what_it_is_part_of(fleet: Fleet) -> None:
    """In its own channel, as an edit that notifies nobody; so does its end."""
    fleet.pulls("a", broken=True)
    fleet.sends()
    for slug in ("b", "c"):
        fleet.pulls(slug, broken=True)
    edit = fleet.letters("a")[-1]
    assert (edit["kind"], edit["channel"], edit["state"]) == ("incident", "#a", "pending")
    assert any(
        fact["label"] == "Explained by" and "The source erp cannot be read" in fact["value"]
        for fact in edit["message"]["facts"]
    )
    fleet.pulls("a", broken=False)
    over = fleet.letters("a")[-1]
    assert (over["kind"], over["state"], over["message"]["tone"]) == ("incident", "pending", "good")


def test_it_is_over_when_none_hangs_on_it_any_more(fleet: Fleet) -> None:
    """It keeps its count and says who still does; back within a day, it is the same one."""
    for slug in ("a", "b", "c"):
        fleet.pulls(slug, broken=True)
    fleet.pulls("b", broken=False)
    fleet.pulls("a", broken=False)
    (shared,) = fleet.shared()
    assert (shared["state"], shared["detail"]) == ("open", "Still c.")
    assert shared["title"].endswith("3 workflows hang on it")
    fleet.pulls("c", broken=False)
    (shared,) = fleet.shared()
    assert shared["state"] == "resolved"
    assert fleet.letters(FLEET)[-1]["kind"] == "resolved"
    assert {one["state"] for one in fleet.site.letters() if one["workflow"] != FLEET} == {"suppressed"}
    for slug in ("a", "b", "c"):
        fleet.pulls(slug, broken=True)
    (shared,) = fleet.shared()
    assert (shared["state"], shared["reopened"], fleet.letters(FLEET)[-1]["kind"]) == ("open", 1, "reopened")


def test_other_sources_and_models_are_other_troubles(fleet: Fleet) -> None:
    """Each has its own incident."""
    for number in range(3):
        fleet.pulls(f"a{number}", broken=True)
        fleet.pulls(f"b{number}", broken=True, source="crm")
        fleet.pulls(f"a{number}", broken=True, source="openai", stage="evaluate")
    assert sorted(row["title"] for row in fleet.shared()) == [
        "The model behind openai does not answer: 3 workflows hang on it",
        "The source crm cannot be read: 3 workflows hang on it",
        "The source erp cannot be read: 3 workflows hang on it",
    ]


def test_people_settle_the_last_ones_and_the_whole(fleet: Fleet) -> None:
    """Settling the fleet's settles its parts; it comes back with them, and settling each of these ends it too."""
    for slug in ("a", "b", "c"):
        fleet.pulls(slug, broken=True)
    known = {slug: replace(fleet.one, slug=slug) for slug in ("a", "b", "c")}
    settle(fleet.services, str(fleet.shared()[0]["id"]), by="Ann", known=known)
    assert {row["state"] for row in fleet.site.incidents()} == {"resolved"}
    for slug in ("a", "b", "c"):
        fleet.pulls(slug, broken=True)
    assert (fleet.shared()[0]["state"], fleet.shared()[0]["reopened"]) == ("open", 1)
    for row in fleet.site.incidents():
        if row["workflow"] != FLEET:
            settle(fleet.services, str(row["id"]), by="Ann", known=known)
    assert fleet.shared()[0]["state"] == "resolved"


@pytest.mark.parametrize("seed", [1, 2])
def test_forty_at_once_are_one_and_nobody_waits_for_ever(fleet: Fleet, seed: int) -> None:
    """Forty workflows with two things to hang on, eight threads, people who answer meanwhile: no deadlock, nothing lost."""
    engine = connect(fleet.services.ops.engine.url.render_as_string(hide_password=False))
    many = Fleet(fleet.site, replace(fleet.services, ops=Ops(engine)))
    slugs = [f"w{number:02d}" for number in range(40)]
    chance = random.Random(seed)  # noqa: S311 - no secret

    def answer(_: str) -> None:
        found = [*many.site.incidents(), {"id": "none-yet"}]
        with contextlib.suppress(AnswerRefused):  # it was over meanwhile
            acknowledge(many.services, str(chance.choice(found)["id"]), by=f"P{chance.random()}", known={})

    def play(*, broken: bool) -> None:
        jobs: list[tuple[Callable[..., None], dict[str, Any]]] = [
            (many.pulls, {"slug": slug, "broken": broken, "source": source, "stage": stage})
            for slug in slugs
            for source, stage in (("erp", "pull"), ("openai", "evaluate"))
        ]
        jobs += [(answer, {"_": ""})] * 20
        chance.shuffle(jobs)
        with ThreadPoolExecutor(8) as pool:
            for job in [pool.submit(call, **given) for call, given in jobs]:
                job.result(timeout=60)

    play(broken=True)
    shared = many.shared()
    assert sorted(row["kind"] for row in shared) == ["shared.model", "shared.source"]
    assert all(row["title"].endswith("40 workflows hang on it") for row in shared)
    theirs = [row for row in many.site.incidents() if row["workflow"] != FLEET]
    assert len(theirs) == 80
    assert {row["cause_id"] for row in theirs} == {row["id"] for row in shared}
    assert {one["state"] for one in many.site.letters() if one["workflow"] != FLEET and one["kind"] == "incident"} == {
        "suppressed"
    }
    play(broken=False)
    assert {row["state"] for row in many.site.incidents()} == {"resolved"}
    assert many.site.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [
        {"deadlocks": 0}
    ]
    engine.dispose()
