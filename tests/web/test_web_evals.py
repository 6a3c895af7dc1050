"""What the eval pages say of the sample history."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
import sample_data
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, Site, mounted
from outline import outline
from sample_evals import ANSWERS, BROKEN, CLAIMS, EXPIRED, FLAKY, RAISED, REPLIES, WAIVED

from afterpilot.record import tables
from afterpilot.record.history import evals
from doubles.kept_runs import put_runs
from doubles.rewriting import rewritten

pytestmark = pytest.mark.integration


def text_of(html: str) -> str:
    """The words of a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def section(html: str, name: str) -> str:
    """A section of a page by the id of its heading."""
    start = html.index(f'id="{name}"')
    return html[start : html.index("</section>", start)]


def test_what_needs_attention_stands_first(site: Site) -> None:
    """The alarm first, what is unknown before what is good; nothing unknown is green."""
    page = site.get("/evals")
    rows = re.findall(r'<tr>\s*<th scope="row".*?</tr>', page, re.DOTALL)
    found = [(re.findall(r"/evals/(\w+)", row)[0], re.findall(r'class="verdict (\w+)"', row)[0]) for row in rows]
    assert found[0] == (REPLIES, "FAIL")
    assert found[-1] == (CLAIMS, "PASS")
    assert dict(found)[ANSWERS] == dict(found)[sample_data.TRIAGE] == "UNKNOWN"
    assert "since 13 Nov" in rows[0]
    assert "our prompt changed" in rows[0]
    assert "last probe failed" in rows[-1]


def test_a_run_that_could_not_begin_turns_no_page_green(site: Site) -> None:
    """A crashed run has no result: the list and the page say so, and what was known before."""
    with site.engine.begin() as connection:
        row = dict(
            connection.execute(
                sa.select(tables.runs)
                .where(tables.runs.c.workflow == CLAIMS, tables.runs.c.stage == "evaluate")
                .limit(1)
            )
            .mappings()
            .one()
        )
        row |= {
            "id": uuid.uuid4(),
            "verdict": "UNKNOWN",
            "summary": "the stage could not run",
            "finished_at": row["finished_at"] + timedelta(days=60),
        }
        put_runs(connection, row)
    try:
        assert "the newest run could not say (the stage could not run). The last that is known" in site.get(
            f"/evals/{CLAIMS}"
        )
        assert re.search(rf"/evals/{CLAIMS}.*?the newest run could not say", site.get("/evals"), re.DOTALL)
    finally:
        with rewritten(site.engine, "runs") as connection:
            connection.execute(sa.delete(tables.runs).where(tables.runs.c.id == row["id"]))


def test_a_result_that_no_run_has_renewed_is_stale(site: Site) -> None:
    """Three days where the schedule is not known, else twice its period; neither the list nor the page is green then."""
    later = TestClient(mounted(site.engine, clock=lambda: sample_data.NOW + timedelta(days=4)))

    def told() -> tuple[str, str, bool]:
        listed, page = (
            later.get(f"/afterpilot{path}", headers=BROWSER).text for path in ("/evals", f"/evals/{CLAIMS}")
        )
        row = listed[listed.index(f"/evals/{CLAIMS}") :]
        (headline,) = re.findall(r'class="headline t-(\w+)"', page)
        return re.findall(r'class="verdict (\w+)"', row)[0], headline, "stale since 23 Nov" in text_of(page)

    assert told() == ("UNKNOWN", "UNKNOWN", True)
    run = uuid.uuid4()
    try:
        with site.engine.begin() as connection:
            schedules = {"schedules": {"evals.w": "0 2 * * mon"}}
            times = dict.fromkeys(
                ("window_start", "window_end", "started_at", "finished_at"), sample_data.NOW + timedelta(1)
            )
            declared = {"workflow": "_fleet", "stage": "declare", "verdict": "PASS", "evidence": schedules}
            put_runs(connection, {"id": run, **declared, **times})
        with rewritten(site.engine, "declarations") as connection:
            connection.exec_driver_sql(
                'UPDATE declarations SET document = document || \'{"schedule": {"evals": "w"}}\' WHERE workflow = %s',
                (CLAIMS,),
            )
        assert told() == ("PASS", "PASS", False)
    finally:
        with rewritten(site.engine, "runs") as connection:
            connection.execute(sa.delete(tables.runs).where(tables.runs.c.id == run))
        with rewritten(site.engine, "declarations") as connection:
            connection.exec_driver_sql(
                "UPDATE declarations SET document = document - 'schedule' WHERE workflow = %s", (CLAIMS,)
            )


def test_the_list_is_narrowed_by_part_of_a_name(site: Site) -> None:
    """A part of a name narrows the list; signs of the database's patterns stand for themselves."""
    assert REPLIES in site.get("/evals?workflow=port_re")
    assert "No workflow with evals has this in its name" in site.get("/evals?workflow=%25")


def test_an_alarm_is_told_in_one_sentence(site: Site) -> None:
    """When it was raised, what was lost and how sure that is, what broke, and which change lies before it."""
    page = site.get(f"/evals/{REPLIES}")
    assert (
        "Alarm since 13 Nov: worse than the approved baseline by about 6 points (3 to 9), 5 cases broke; our prompt changed on 12 Nov."
        in page
    )
    assert "82 of 99 cases pass (74 % to 89 %), but 85 % must." in page


def test_cases_are_sorted_by_what_became_of_them(site: Site) -> None:
    """The broken ones are those that the alarm names; flaky and waived ones stand apart, an expired waiver is loud."""
    page = site.get(f"/evals/{REPLIES}")
    changed = section(page, "changed")
    broke = changed[changed.index("5 broke") : changed.index("</table>", changed.index("5 broke"))]
    assert sorted(set(re.findall(r"/cases/([\w-]+)", broke))) == sorted(BROKEN)
    assert set(re.findall(r"/cases/([\w-]+)", section(page, "flaky"))) == set(FLAKY)
    assert WAIVED not in changed
    assert f"Case {EXPIRED} was excused until 2026-11-14 by Mara Lindqvist" in text_of(page)


def test_a_waiver_by_tag_names_the_cases_that_it_covers(site: Site) -> None:
    """With what became of each in the newest run, and the way to it."""
    waived = section(site.get(f"/evals/{REPLIES}"), "waived")
    text = text_of(waived)
    assert (
        "every case tagged legal 3 cases in the newest run legal-104 failed legal-109 passed legal-114 not scored"
        in text
    )
    assert "2 of 3 did not pass" in text
    assert f"/evals/{REPLIES}/cases/legal-104" in waived


def test_an_unknown_night_is_a_gap(site: Site) -> None:
    """The night in which too little was scored is a question mark in the chart, and UNKNOWN in words."""
    page = site.get(f"/evals/{REPLIES}")
    assert "3 Nov: UNKNOWN, 40 of 100 cases scored" in page
    assert page.count('class="c-line"') >= 5


def test_advisory_scores_and_judges_are_shown_as_such(site: Site) -> None:
    """A judge on probation says how many labels it lacks; a trusted one its agreement and kappa with their intervals."""
    page = site.get(f"/evals/{REPLIES}")
    assert "advisory: decides nothing" in section(page, "scorers")
    judges = text_of(section(page, "judges"))
    assert "on probation 19 more labels of people are needed before it may decide. 31 of 50" in judges
    assert (
        "trusted It agrees with people as well as it must. 128 93 % (87 % to 96 %) 0.79 (0.68 to 0.90) floor 0.60"
        in judges
    )


def test_corrections_wait_with_the_command_to_accept_them(site: Site) -> None:
    """Each is shown with its question and right answer, the person's note, and leads to the output."""
    offers = section(site.get(f"/evals/{REPLIES}"), "offers")
    assert "it was about the shipping, not a refund" in offers
    assert "I paid for express" in offers
    assert f"workflow={REPLIES}&amp;key=reply-0090" in offers
    assert "afterpilot evals corrections" in offers


def test_many_corrections_do_not_bury_the_page(site: Site) -> None:
    """The newest three are whole, the others folded away on a line each; all of them are counted."""
    with site.engine.begin() as connection:
        for number in range(60):
            at = sample_data.NOW - timedelta(days=9, hours=number)
            case = {
                "id": f"c{number}",
                "vars": {"mail": f"mail {number}\nsecond line"},
                "expected": {"intent": "a", "sum": 1},
            }
            row = {"workflow": REPLIES, "key": f"old-{number:03}", "decided_at": at, "offered_at": at, "case": case}
            connection.execute(sa.insert(tables.case_offers).values(**row, digest=str(number)))
    try:
        offers = section(site.get(f"/evals/{REPLIES}"), "offers")
        whole, _, folded = offers.partition("<details")
        assert re.findall(r"key=([\w-]+)", whole) == ["reply-0090", "reply-0091", "old-000"]
        assert "47 older corrections, and 12 more that are not shown here" in folded
        assert re.findall(r"key=([\w-]+)", folded) == [f"old-{number:03}" for number in range(1, 48)]
        assert "mail 1 second line" in folded
        assert "sum: 1, intent: a" in folded
        assert "(62)" in whole
    finally:
        with site.engine.begin() as connection:
            connection.execute(sa.delete(tables.case_offers).where(tables.case_offers.c.key.startswith("old-")))


def test_without_a_baseline_nothing_is_called_good(site: Site) -> None:
    """The page says that a regression would go unnoticed, and what to do."""
    page = site.get(f"/evals/{ANSWERS}")
    assert f"approve one with: afterpilot baseline approve {ANSWERS} --by NAME" in page
    assert 't-UNKNOWN"' in page
    assert "Evidence of a drop" not in page


def test_a_workflow_that_never_ran_says_so(site: Site) -> None:
    """A declared workflow without any result is a page that tells how to start; an unknown name is none."""
    assert "No eval run is kept yet" in site.get(f"/evals/{sample_data.NEW}")
    assert site.client.get("/afterpilot/evals/nobody", headers=BROWSER).status_code == 404


def test_a_case_shows_its_answers_side_by_side(site: Site) -> None:
    """The baseline's answer against the newest, field by field, with the scorers' reasons and distinct answers."""
    page = site.get(f"/evals/{REPLIES}/cases/refund-04")
    assert "<del>refund</del>" in page
    assert "<ins>other</ins>" in page
    assert "says other, refund was expected" in page
    assert "Failed in 9 of the last 59 runs that scored it." in page
    assert "9 samples" in page
    assert "where is my money? (refund-04)" in page


def test_any_two_runs_can_be_chosen(site: Site) -> None:
    """Two runs of the same answer have no difference; the address names them."""
    runs = site.kept.evals.runs[REPLIES]
    page = site.get(f"/evals/{REPLIES}/cases/refund-04?a={runs[-2]}&b={runs[-1]}")
    assert "Both answers are the same." in page
    assert "<ins>" not in page
    bad = site.client.get(f"/afterpilot/evals/{REPLIES}/cases/refund-04?a=x", headers=BROWSER)
    assert bad.status_code == 404


def test_the_question_is_read_from_the_folder(site: Site, tmp_path: Path) -> None:
    """Where the workflow's folder can be read, question and expected answer stand as they are written there."""
    (tmp_path / REPLIES).mkdir()
    line = (
        '{"id": "refund-04", "vars": {"mail": "Where is it?"}, "expected": {"intent": "refund"}, "images": ["a.png"]}\n'
    )
    (tmp_path / REPLIES / "cases.jsonl").write_text('not json refund-04\n{"id": "x"}\n' + line)
    client = TestClient(mounted(site.engine, workflows=tmp_path))
    page = client.get(f"/afterpilot/evals/{REPLIES}/cases/refund-04", headers=BROWSER).text
    assert "Where is it?" in page
    assert "a.png" in page
    assert (
        "As it stands in the workflow&#39;s folder now" in page or "As it stands in the workflow's folder now" in page
    )


def test_no_link_leads_out_of_the_folder(site: Site, tmp_path: Path) -> None:
    """A file of cases that is a link to elsewhere is not read."""
    (tmp_path / "secret").write_text('{"id": "refund-04", "vars": {"mail": "secret words"}}\n')
    (tmp_path / REPLIES).mkdir()
    (tmp_path / REPLIES / "cases.jsonl").symlink_to(tmp_path / "secret")
    client = TestClient(mounted(site.engine, workflows=tmp_path))
    assert "secret words" not in client.get(f"/afterpilot/evals/{REPLIES}/cases/refund-04", headers=BROWSER).text


def test_two_runs_are_compared_with_interval_and_test(site: Site) -> None:
    """Counts, the change in points with its interval, the exact test, and what differs of what answered."""
    page = text_of(site.get(f"/evals/{REPLIES}/compare"))
    found = re.search(r"(\d+) cases broke and (\d+) were fixed, of 100: (\S+) points", page)
    assert found is not None
    broke, fixed, points = int(found[1]), int(found[2]), float(found[3].replace("\N{MINUS SIGN}", "-"))
    assert points == fixed - broke
    assert "exact McNemar test" in page
    assert "our prompt" in page
    assert "Latency p95" in page
    assert page.count(" broken ") == broke


def test_one_approved_run_is_not_taken_for_the_baseline(site: Site) -> None:
    """A comparison with one of ten approved runs says that it is one of them."""
    told = "The baseline is 10 approved runs together; here stands one of them alone"
    runs = site.kept.evals.runs[REPLIES]
    assert told in site.get(f"/evals/{REPLIES}/compare")
    assert told not in site.get(f"/evals/{REPLIES}/compare?a={runs[-2]}&b={runs[-1]}")


def test_flaky_cases_are_excepted_where_nothing_changed(site: Site) -> None:
    """Where only flaky cases moved, the sentence leads to them."""
    with rewritten(site.engine, "baselines") as connection:
        change = sa.update(tables.baselines).where(tables.baselines.c.workflow == REPLIES)
        row = connection.execute(sa.select(tables.baselines).where(tables.baselines.c.workflow == REPLIES)).one()
        newest = site.kept.evals.runs[REPLIES][-1]
        connection.execute(change.values(run_id=newest, runs=[newest]))
    with rewritten(site.engine, "findings") as connection:
        connection.exec_driver_sql(
            "UPDATE findings SET kind = 'kept' WHERE kind = 'evals.regressed' AND run_id = %s", (newest,)
        )
    try:
        changed = section(site.get(f"/evals/{REPLIES}"), "changed")
        assert f'None, apart from <a href="#flaky">{len(FLAKY)} flaky cases</a>.' in changed
    finally:
        with rewritten(site.engine, "baselines") as connection:
            connection.execute(change.values(run_id=row.run_id, runs=row.runs))
        with rewritten(site.engine, "findings") as connection:
            connection.exec_driver_sql("UPDATE findings SET kind = 'evals.regressed' WHERE kind = 'kept'")


def test_alarms_are_listed_with_drop_evidence_and_cause(site: Site) -> None:
    """When it was raised, the drop with its interval, the evidence against the threshold, the cause, and the run."""
    page = site.get(f"/evals/{REPLIES}")
    listed = page[page.index('id="alarms"') : page.index("What changed of what answers")]
    assert "13 Nov to now: worse than the approved baseline by about 6 points (3 to 9)" in text_of(listed)
    assert "Evidence far beyond the threshold: 3,650 (0.1 false alarms a year)" in text_of(listed)
    assert "Cause: our prompt changed" in text_of(listed)
    assert f"/runs/{site.kept.evals.runs[REPLIES][RAISED]}" in listed
    assert "&gt; 100,000" in page
    assert 'id="alarms"' not in site.get(f"/evals/{CLAIMS}")


def test_an_alarm_leads_to_its_incident(site: Site) -> None:
    """The incident of a regression that one of the alarm's runs opened; no other incident of that run."""
    at, run = sample_data.NOW, site.kept.evals.runs[REPLIES][RAISED + 1]
    with site.engine.begin() as connection:
        made = {}
        for kind in ("evals.regressed", "evals.other"):
            made[kind] = connection.scalar(
                sa.insert(tables.incidents)
                .values(fingerprint=f"f {kind}", workflow=REPLIES, stage="evaluate", kind=kind, severity="critical",
                        title="worse", opened_at=at, last_seen_at=at)
                .returning(tables.incidents.c.id)
            )  # fmt: skip
            connection.execute(
                sa.insert(tables.incident_events).values(incident_id=made[kind], at=at, what="opened", run_id=run)
            )
    try:
        page = site.get(f"/evals/{REPLIES}")
        listed = page[page.index('id="alarms"') : page.index("What changed of what answers")]
        assert re.findall(r"/incidents/([\w-]+)", listed) == [str(made["evals.regressed"])]
    finally:
        for table, column in ((tables.incident_events, "incident_id"), (tables.incidents, "id")):
            with rewritten(site.engine, table.name) as connection:
                connection.execute(sa.delete(table).where(table.c[column].in_(made.values())))


def test_a_replay_of_recorded_answers_is_marked(site: Site) -> None:
    """In the table of runs and on the run's page, and no other run is."""
    run = site.kept.evals.runs[CLAIMS][-1]
    badge = '<span class="state s-waived">recorded</span>'

    def set_origin(origin: str) -> None:
        with rewritten(site.engine, "runs") as connection:
            connection.exec_driver_sql(
                "UPDATE runs SET trigger = trigger || jsonb_build_object('origin', %s::text) WHERE id = %s",
                (origin, run),
            )

    assert badge not in site.get(f"/evals/{CLAIMS}") + site.get(f"/runs/{run}")
    set_origin("recorded")
    try:
        assert site.get(f"/evals/{CLAIMS}").count(badge) == 1
        assert "a replay of recorded answers" in site.get(f"/runs/{run}")
    finally:
        set_origin("airflow")


def test_a_run_of_another_workflow_is_not_compared(site: Site) -> None:
    """An id of another workflow's run is not answered, so that no page mixes two suites."""
    other = site.kept.evals.runs[CLAIMS][0]
    assert site.client.get(f"/afterpilot/evals/{REPLIES}/compare?a={other}", headers=BROWSER).status_code == 404


def test_a_run_and_a_sample_lead_to_the_eval_pages(site: Site) -> None:
    """The run names what answered and leads to the comparison; the sample shows tools, sources, weights and figures."""
    run = site.kept.evals.runs[REPLIES][-1]
    page = site.get(f"/runs/{run}")
    assert f"/evals/{REPLIES}/compare?a={site.kept.evals.baseline}" in page
    assert "the model that answered" in page
    assert f"/evals/{REPLIES}/cases/account-01" in page
    sample = site.get(f"/runs/{run}/samples/refund-04/0")
    for said in ("find_order", "kb/cards#1", "judge-large", "fp_7a1c", "advisory: decides nothing", "precision", "2.0"):
        assert said in sample, said


def test_a_case_looks_into_the_months_of_its_runs_only(site: Site) -> None:
    """The samples of a case are read from the partitions of the runs' months, by index."""
    with site.engine.connect() as connection:
        newest = evals.results(connection, REPLIES, limit=2)
        asked = [(row["run_id"], row["at"]) for row in newest]
        seen: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *args: seen.append(args[2]) or None)
        rows = evals.answers(connection, asked, ["refund-04"])
        assert len(rows) == 2
        moments = [at for _, at in asked]
        statement = (
            sa.select(tables.samples.c.run_id)
            .where(tables.samples.c.run_id.in_([run for run, _ in asked]), tables.samples.c.at.between(min(moments), max(moments)))
        )  # fmt: skip
        plan = "\n".join(
            connection.scalars(
                sa.text("EXPLAIN " + str(statement.compile(connection, compile_kwargs={"literal_binds": True})))
            )
        )
        assert "between" in seen[0].lower()
    assert "samples_2026_11" in plan
    assert "samples_2026_10" not in plan


def test_history_that_is_odd_breaks_no_page(ops: sa.Engine) -> None:
    """Results of another version, with values of any kind in them, give pages that say what they can."""
    odd = [None, 3, "x", [1], {"a": {"b": [None]}}, {"": [1, 0]}, {"c": [2, 1]}, [{"case": "c"}]]
    with ops.begin() as connection:
        for number, value in enumerate(odd):
            at = sample_data.NOW.replace(day=number + 1)
            (run_id,) = put_runs(connection, {
                "workflow": "odd", "stage": "evaluate", "window_start": at, "window_end": at,
                "verdict": "PASS", "evidence": {"regression": value, "judges": value, "flaky": value}, "started_at": at, "finished_at": at,
                "trigger": {"origin": "cli", "dag_id": "", "run_id": "x", "task_id": "", "map_index": -1, "try_number": 1},
            })  # fmt: skip
            connection.execute(
                sa.insert(tables.eval_results).values(
                    run_id=run_id, workflow="odd", at=at, origin="x", valid=True, suite="s", cases=0, passed=5, scored=number,
                    outcomes=value, rounds=[], slices=value, scorers=value, fingerprint=value, evidence=-1.0, alarm="other",
                )
            )  # fmt: skip
            connection.execute(sa.insert(tables.baselines).values(workflow="odd", run_id=run_id, approved_by="x"))
    client = TestClient(mounted(ops))
    for path in ("/evals", "/evals/odd", "/evals/odd/compare", f"/runs/{run_id}"):
        response = client.get(f"/afterpilot{path}", headers=BROWSER)
        assert response.status_code == 200, path
        page = outline(response.text)
        assert (page.crossed, page.open, page.misplaced) == ([], [], []), path
    assert "PASS" not in text_of(client.get("/afterpilot/evals", headers=BROWSER).text)
