"""Declarations that break, are mended, and vanish, beside others that go on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from path_site import SLUG, Site, pulled, trigger

from afterpilot import pipeline
from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Verdict

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """Two workflows."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.add("bills")
    return made


def declared(site: Site) -> dict[str, Run]:
    """The DAG ``declarations``, once."""
    wired = site.wired()
    return {run.workflow: run for run in pipeline.declare(wired.services, wired.declarations, trigger=trigger())}


def current(site: Site) -> dict[str, bool]:
    """The folders that the ops database takes as present, and whether each can be used."""
    with site.wired().services.ops.begin() as unit:
        return {row["workflow"]: row["usable"] for row in unit.declarations.current()}


def test_a_broken_folder_beside_good_ones(site: Site) -> None:
    """FAIL with file and line in the fleet's channel, the good one runs; mended, the same message says that it is over."""
    assert {run.verdict for run in declared(site).values()} == {Verdict.PASS}
    site.edit("bills/workflow.yaml", "stage: live", "stage: lif")
    for _ in range(2):
        runs = declared(site)
        assert {slug: run.verdict for slug, run in runs.items()} == {
            "_fleet": Verdict.PASS,
            "bills": Verdict.FAIL,
            SLUG: Verdict.PASS,
        }
    assert current(site) == {"bills": False, SLUG: True}
    site.invoices([1])
    assert pulled(site).verdict is Verdict.PASS
    (letter,) = site.letters()
    assert letter["channel"] == "#ai-operations"
    (point,) = letter["message"]["points"]
    assert point.startswith("bills/workflow.yaml:4: stage:")
    assert "did you mean" in point.lower() or "live" in point
    assert site.wired().deliver().sent == 1

    site.edit("bills/workflow.yaml", "stage: lif", "stage: live")
    assert declared(site)["bills"].verdict is Verdict.PASS
    assert site.wired().deliver().sent == 1
    assert [incident["state"] for incident in site.incidents()] == ["resolved"]
    opened, over = site.letters()
    assert (over["kind"], over["posted_ts"]) == ("resolved", opened["posted_ts"])
    assert current(site) == {"bills": True, SLUG: True}
    assert site.count("declarations") == 3  # two good versions, one broken one


def test_a_folder_that_vanishes_is_told(site: Site) -> None:
    """A workflow that nobody watches any more is a trouble until its folder is back; its own broken lines are over with it."""
    site.edit("bills/workflow.yaml", "stage: live", "stage: lif")
    declared(site)
    kept = (site.folder / "bills").rename(site.folder.parent / "kept")
    runs = declared(site)
    assert runs["bills"].verdict is Verdict.FAIL
    assert current(site) == {SLUG: True}
    declared(site)
    states = {incident["kind"]: (incident["state"], incident["occurrences"]) for incident in site.incidents()}
    assert states == {"declaration.broken": ("resolved", 1), "declaration.gone": ("open", 1)}
    assert "bills" in site.incidents()[-1]["title"]

    kept.rename(site.folder / "bills")
    site.edit("bills/workflow.yaml", "stage: lif", "stage: live")
    assert declared(site)["bills"].verdict is Verdict.PASS
    assert {incident["state"] for incident in site.incidents()} == {"resolved"}


def test_a_retired_folder_may_go_in_peace(site: Site) -> None:
    """Its team has said that it is over."""
    site.edit("bills/workflow.yaml", "stage: live", "stage: retired")
    declared(site)
    (site.folder / "bills").rename(site.folder.parent / "archive")
    assert declared(site)["bills"].verdict is Verdict.PASS
    assert site.incidents() == []


def test_a_fleet_file_without_a_channel_still_reaches_somebody(site: Site) -> None:
    """Its problem goes to the channel of last resort."""
    declared(site)
    site.edit("_fleet.yaml", 'channel: "#ai-operations"', "channel: somewhere")
    assert declared(site)["_fleet"].verdict is Verdict.FAIL
    (letter,) = site.letters()
    assert letter["channel"] == "#afterpilot"


def test_a_broken_fleet_file(site: Site) -> None:
    """Told to the fleet's channel with file and line; the workflows go on with what they declare themselves."""
    declared(site)
    site.edit("_fleet.yaml", "input_per_million: 0.046", "input_per_million: free")
    runs = declared(site)
    assert (runs["_fleet"].verdict, runs["bills"].verdict) == (Verdict.FAIL, Verdict.PASS)
    (letter,) = site.letters()
    assert letter["channel"] == "#ai-operations"
    assert letter["message"]["points"][0].startswith("_fleet.yaml:17: prices[0].input_per_million")
    site.invoices([1])
    assert pulled(site).verdict is Verdict.PASS
    site.edit("_fleet.yaml", "input_per_million: free", "input_per_million: 0.046")
    assert declared(site)["_fleet"].verdict is Verdict.PASS
    assert [incident["state"] for incident in site.incidents()] == ["resolved"]


def test_an_empty_folder_is_no_silence(site: Site) -> None:
    """A mount that failed leaves no folder at all: every workflow that was watched is told as gone."""
    declared(site)
    for slug in ("bills", SLUG):
        (site.folder / slug).rename(site.folder.parent / f"away-{slug}")
    declared(site)
    assert {incident["workflow"] for incident in site.incidents()} == {"bills", SLUG}
    assert {letter["channel"] for letter in site.letters()} == {"#ai-operations"}


def test_the_same_trigger_declares_once(site: Site) -> None:
    """A repeated task finds what stands there."""
    wired, once = site.wired(), trigger()
    first = pipeline.declare(wired.services, wired.declarations, trigger=once)
    before = site.counts()
    assert pipeline.declare(wired.services, wired.declarations, trigger=once) == first
    assert site.counts() == before


def test_an_unchanged_folder_is_confirmed_hourly_not_on_every_load(site: Site) -> None:
    """Two loads within the hour leave one run; the next hour and a change leave another."""
    first = {slug: run.id for slug, run in declared(site).items()}
    assert {slug: run.id for slug, run in declared(site).items()} == first
    site.edit("bills/workflow.yaml", "stage: live", "stage: limited")
    changed = {slug: run.id for slug, run in declared(site).items()}
    assert {slug for slug in first if changed[slug] != first[slug]} == {"bills"}
    site.now += timedelta(hours=1)
    assert not {run.id for run in declared(site).values()} & set(changed.values())


def test_the_named_schedules_are_kept_with_the_run(site: Site) -> None:
    """Readers of the history learn from them how old a result may be; a change of them is kept at once."""
    first = declared(site)["_fleet"]
    assert first.evidence["schedules"]["evals.nightly"] == "0 2 * * *"
    assert declared(site)["_fleet"].id == first.id
    site.edit("_fleet.yaml", "evals: {nightly: 0 2 * * *}", "evals: {nightly: 0 3 * * *}")
    assert declared(site)["_fleet"].evidence["schedules"]["evals.nightly"] == "0 3 * * *"
