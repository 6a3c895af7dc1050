"""The stage of spend over several workflows at once: which runs are written, whom a crossing reaches, once each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from path_site import SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Verdict
from doubles.calls import call

pytestmark = pytest.mark.integration

OTHER = "second_office"
FLEET = "_fleet"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_FLEET_SPEND = """
spend:
  timezone: Europe/London
  caps:
    - {cap: 100 USD/month, warn_at: [50%], at_cap: tell}
    - {cap: 40 USD/month, team: finance, warn_at: [50%], at_cap: stop}
    - {cap: 25 USD/day, model: gpt-5, at_cap: tell}
  teams: {finance: "#finance-ai"}
"""


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """Two workflows with caps of their own; the first one belongs to the team finance."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.add(OTHER)
    _spend(made, SLUG, "{cap: 60 USD/month, warn_at: [50%, 80%], at_cap: stop, timezone: Europe/London}\nteam: finance")
    _spend(made, OTHER, "{cap: 60 USD/month, warn_at: [50%, 80%], at_cap: tell}")
    path = made.folder / "_fleet.yaml"
    path.write_text(path.read_text() + _FLEET_SPEND)
    assert made.wired().declarations.problems == ()
    _pulled_up_to_now(made)
    return made


def _spend(site: Site, slug: str, text: str) -> None:
    path = site.folder / slug / "workflow.yaml"
    path.write_text(re.sub(r"(?m)^spend: .*$", f"spend: {text}", path.read_text()))


def _pulled_up_to_now(site: Site) -> None:
    with site.ops.begin() as connection:
        for slug in (SLUG, OTHER):
            connection.execute(
                sa.text(
                    "INSERT INTO watermarks (workflow, pulled_to) VALUES (:slug, :now) "
                    "ON CONFLICT (workflow) DO UPDATE SET pulled_to = excluded.pulled_to"
                ),
                {"slug": slug, "now": site.now},
            )


def _declared(site: Site) -> None:
    """The folders as they are now are on record."""
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())


def swept(site: Site) -> Mapping[str, Run | Exception | None]:
    """The stage over all workflows."""
    wired = site.wired()
    return pipeline.spend_all(wired.services, wired.declarations.workflows, trigger=trigger())


def verdicts(outcomes: Mapping[str, Run | Exception | None]) -> dict[str, Verdict | None]:
    """Without errors, which are none."""
    assert not [one for one in outcomes.values() if isinstance(one, Exception)]
    return {slug: one.verdict if isinstance(one, Run) else None for slug, one in outcomes.items()}


def kinds(site: Site, slug: str) -> list[tuple[str, str]]:
    """The incidents of one that are not over."""
    found = site.rows(
        "SELECT kind, title FROM incidents WHERE workflow = :w AND state <> 'resolved' ORDER BY 1, 2", w=slug
    )
    return [(one["kind"], one["title"]) for one in found]


def spread(site: Site, slug: str, dollars: str, *, days: int = 16, model: str = "gpt-5-mini") -> None:
    """So much, evenly over the last days of the month."""
    each = Decimal(dollars) / days
    call(
        site.ops,
        slug,
        [(site.now - day * DAY - HOUR, each) for day in range(days)],
        model=model,
        ref=f"{model} {dollars}",
    )


def test_runs_are_written_where_something_changed_and_once_an_hour(site: Site) -> None:
    """The first time for each, then for none, then for whom a level was crossed, then for each again."""
    spread(site, SLUG, "10")
    first = swept(site)
    assert verdicts(first) == {SLUG: Verdict.PASS, OTHER: Verdict.PASS, FLEET: Verdict.PASS}
    site.now += 10 * MINUTE
    assert verdicts(swept(site)) == {SLUG: None, OTHER: None, FLEET: None}
    spread(site, OTHER, "31")
    site.now += 10 * MINUTE
    assert verdicts(swept(site)) == {SLUG: None, OTHER: Verdict.WARN, FLEET: None}
    site.now += 56 * MINUTE
    assert set(verdicts(swept(site)).values()) == {Verdict.PASS, Verdict.WARN}


def test_one_message_for_each_crossing(site: Site) -> None:
    """However often it is looked at; the team's in the team's channel, the fleet's in the fleet's."""
    spread(site, SLUG, "31")
    spread(site, OTHER, "22")
    for _ in range(4):
        site.now += HOUR
        _pulled_up_to_now(site)
        swept(site)
    half = "Spend has crossed 50 % of the cap of"
    near = {
        slug: [title for kind, title in kinds(site, slug) if kind == "spend.near_cap"] for slug in (SLUG, OTHER, FLEET)
    }
    assert near == {
        SLUG: [f"{half} 60.00 USD a month"],
        OTHER: [],
        FLEET: [f"{half} 100.00 USD a month", f"{half} 40.00 USD a month of the team finance"],
    }
    assert kinds(site, FLEET)[0] == (
        "spend.crossing",
        "Spend is expected to reach the cap of 40.00 USD a month of the team finance around 23 November",
    )
    opened = [letter for letter in site.letters() if letter["dedupe_key"].endswith("/opened")]
    told = sorted((letter["channel"], letter["workflow"]) for letter in opened)
    assert told == [("#ai-operations", FLEET), ("#ap-automation", SLUG), ("#finance-ai", FLEET), ("#finance-ai", FLEET)]


def test_a_models_cap_of_the_fleet_counts_its_calls_in_all_workflows(site: Site) -> None:
    """Of today, in the fleet's calendar, dated versions among them."""
    for slug in (SLUG, OTHER):
        call(site.ops, slug, [(site.now - HOUR, Decimal(13))], model="gpt-5-2025-08-07")
    assert verdicts(swept(site))[FLEET] is Verdict.FAIL
    titles = [title for kind, title in kinds(site, FLEET) if kind == "spend.over_cap"]
    assert titles == ["Spend has reached the cap of 25.00 USD a day for gpt-5"]


def test_a_cap_that_is_reached_stops_the_workflow_and_a_raise_lets_it_go_on(site: Site) -> None:
    """The gateway is told in the transaction of the run; the raised cap is the one that counts from then on."""
    spread(site, SLUG, "61")
    run = swept(site)[SLUG]
    assert isinstance(run, Run)
    assert run.verdict is Verdict.FAIL
    (told,) = site.rows("SELECT * FROM allowances WHERE workflow = :w", w=SLUG)
    assert (told["allowed"], told["until"]) == (False, datetime(2026, 12, 1, tzinfo=UTC))
    caps = [(cap["cap"], cap["fleet"], Decimal(cap["spent"])) for cap in told["said"]["caps"]]
    assert (caps[0], len(caps)) == (("month", False, Decimal(61)), 4)
    with site.ops.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO cap_raises (id, workflow, cap, period_start, period_end, amount, currency, state, asked_by, decided_at) "
                "VALUES (gen_random_uuid(), :w, :cap, '2026-11-01', '2026-12-01', 90, 'USD', 'approved', 'Dana Ruiz', :now)"
            ),
            [{"w": SLUG, "cap": "month", "now": site.now}, {"w": FLEET, "cap": "month team=finance", "now": site.now}],
        )
    site.now += 10 * MINUTE
    run = swept(site)[SLUG]
    assert isinstance(run, Run)
    assert (run.verdict, run.evidence["cap"]) == (Verdict.WARN, "90")
    assert [one["allowed"] for one in site.rows("SELECT allowed FROM allowances WHERE workflow = :w", w=SLUG)] == [True]


def test_a_runaway_is_found_by_the_next_look(site: Site) -> None:
    """Twenty minutes at a hundred times the cap's pace: far from the cap, and told; over once it has stopped for an hour."""
    spread(site, SLUG, "10")
    swept(site)
    pace = Decimal(60) / (30 * 24 * 60)
    call(site.ops, SLUG, [(site.now + minute * MINUTE, 100 * pace) for minute in range(20)], ref="loop")
    site.now += 20 * MINUTE
    _pulled_up_to_now(site)
    run = swept(site)[SLUG]
    assert isinstance(run, Run)
    assert (run.verdict, kinds(site, SLUG)[0][0]) == (Verdict.FAIL, "spend.burning")
    site.now += 80 * MINUTE
    _pulled_up_to_now(site)
    swept(site)
    assert "spend.burning" not in dict(kinds(site, SLUG))


def test_a_cap_over_calls_without_a_price_is_unknown_for_the_fleet_too(site: Site) -> None:
    """With the workflow's own word and the fleet's."""
    call(site.ops, OTHER, [(site.now - HOUR, None)], model="new-1", reason="no price is known for new-1")
    assert verdicts(swept(site)) == {SLUG: Verdict.PASS, OTHER: Verdict.UNKNOWN, FLEET: Verdict.UNKNOWN}


def test_calls_of_a_workflow_that_is_in_no_folder_count_for_the_fleet(site: Site) -> None:
    """What was retired or renamed this month has cost its money."""
    call(site.ops, "long_gone", [(site.now - HOUR, Decimal(51))])
    outcomes = swept(site)
    assert verdicts(outcomes)[FLEET] is not Verdict.PASS
    assert "51.00 USD of 100.00 USD a month" in kinds_summary(outcomes[FLEET])


def kinds_summary(outcome: Run | Exception | None) -> str:
    """The run's sentence."""
    assert isinstance(outcome, Run)
    return outcome.summary


def test_a_cap_of_a_team_without_workflows_is_unknown(site: Site) -> None:
    """A name that is written in two ways guards nothing, and says so."""
    site.edit(f"{SLUG}/workflow.yaml", "\nteam: finance", "")
    outcome = swept(site)[FLEET]
    assert isinstance(outcome, Run)
    assert (outcome.verdict, outcome.reasons) == (
        Verdict.UNKNOWN,
        ("The cap of the team finance guards nothing: no workflow belongs to it",),
    )
    assert [(cap["cap"], cap["unknown"]) for cap in outcome.evidence["caps"]][:2] == [
        ("month", False),
        ("month team=finance", True),
    ]


def test_two_looks_at_once_tell_once(site: Site) -> None:
    """The DAG and a person at the same time: one incident, one message."""
    spread(site, SLUG, "31")
    wired = site.wired()

    def look(_: int) -> Mapping[str, Run | Exception | None]:
        return pipeline.spend_all(wired.services, wired.declarations.workflows, trigger=trigger())

    with ThreadPoolExecutor(2) as workers:
        found = [verdicts(one)[SLUG] for one in workers.map(look, range(2))]
    assert Verdict.WARN in found
    assert set(found) <= {Verdict.WARN, None}  # who comes second may find that nothing has changed
    assert len([letter for letter in site.letters() if letter["workflow"] == SLUG]) == 1


def test_one_workflow_by_itself_is_judged_the_same(site: Site) -> None:
    """And is told of the fleet's caps, which it does not judge."""
    spread(site, SLUG, "41")
    wired = site.wired()
    run = pipeline.spend(wired.services, wired.workflow(SLUG), trigger=trigger())
    assert (run.verdict, Decimal(run.evidence["spent"])) == (Verdict.WARN, Decimal(41))
    (told,) = site.rows("SELECT * FROM allowances WHERE workflow = :w", w=SLUG)
    assert told["allowed"] is False  # the team's cap of 40 USD stops it
    assert kinds(site, FLEET) == []


def test_what_a_team_has_spent_stays_spent_where_a_declaration_breaks_or_ends(site: Site) -> None:
    """A team's cap that is reached is not free again because one of its workflows cannot be used, is retired, or is gone."""
    path = site.folder / OTHER / "workflow.yaml"
    path.write_text(path.read_text() + "team: finance\n")
    _declared(site)
    spread(site, OTHER, "41")
    good = path.read_text()
    for text in (f"{good}nonsense: 1\n", re.sub(r"(?m)^stage: .*$", "stage: retired", good)):
        path.write_text(text)
        wired = site.wired()
        used = [one for one in wired.declarations.workflows if one.stage != "retired"]
        assert [one.slug for one in used] == [SLUG]
        _declared(site)
        pipeline.spend_all(wired.services, used, trigger=trigger())
        (told,) = site.rows("SELECT allowed FROM allowances WHERE workflow = :w", w=SLUG)
        assert told["allowed"] is False


def test_production_of_a_broken_declaration_that_nobody_reads_is_unknown_for_the_fleet(site: Site) -> None:
    """Its calls go on where it runs; the fleet's caps do not read as kept without them."""
    _declared(site)
    site.edit(f"{OTHER}/workflow.yaml", "spend:", "spend_:")
    _declared(site)
    assert verdicts(swept(site))[FLEET] is Verdict.PASS
    site.now += 27 * HOUR
    with site.ops.begin() as connection:
        connection.execute(
            sa.text("UPDATE watermarks SET pulled_to = :now WHERE workflow = :w"), {"now": site.now, "w": SLUG}
        )
    assert verdicts(swept(site)) == {SLUG: Verdict.PASS, FLEET: Verdict.UNKNOWN}


def test_a_cap_that_was_raised_in_its_period_is_not_told_of_as_reached_after_it(site: Site) -> None:
    """What people have approved for November is its cap on the first of December too."""
    swept(site)
    site.now = datetime(2026, 12, 1, 5, tzinfo=UTC)
    _pulled_up_to_now(site)
    call(site.ops, SLUG, [(datetime(2026, 11, 20, 9, tzinfo=UTC), Decimal(65))])
    raised = (
        "INSERT INTO cap_raises (id, workflow, cap, period_start, period_end, amount, currency, state, asked_by, decided_at) "
        "VALUES (gen_random_uuid(), :w, :cap, '2026-11-01', '2026-12-01', :to, 'USD', 'approved', 'Dana Ruiz', '2026-11-20')"
    )
    with site.ops.begin() as connection:
        told = [{"w": SLUG, "cap": "month", "to": 90}, {"w": FLEET, "cap": "month team=finance", "to": 60}]
        connection.execute(sa.text(raised), told)
    swept(site)
    assert (kinds(site, SLUG), [title for _, title in kinds(site, FLEET)]) == (
        [],
        ["Spend of the month before has reached the cap of 60.00 USD a month (raised) of the team finance"],
    )
