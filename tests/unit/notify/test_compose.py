"""Messages of incidents and broken declarations, and their golden files."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from afterpilot.domain.causation import AS_BEFORE
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import Fact, Message
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Person, Problem
from afterpilot.notify.blocks import HERE, render, render_thread
from afterpilot.notify.compose import Context, declaration_message, incident_message
from afterpilot.notify.messages import Messages
from afterpilot.notify.standing import lasted

GOLDEN = Path(__file__).parents[2] / "golden" / "notify"
BEGAN = datetime(2026, 11, 20, 14, tzinfo=UTC)
DANA, LEE = Person("Dana Ruiz", "U02AB3CD4"), Person("Lee Okafor", "U05EF6GH7")
RUN = uuid.UUID("0f8b2b1e-6f3c-4e0d-9a43-2f2a3b6f1c55")
INCIDENT = Incident(
    id=uuid.UUID("5d1f2c3a-1111-4222-8333-944455556666"),
    fingerprint="00112233aabbccdd",
    workflow="invoice_matching",
    stage="check",
    kind="quality.column_values_to_not_be_null",
    severity=Severity.CRITICAL,
    state=IncidentState.OPEN,
    title="12 of 203 invoices have no purchase order number",
    detail="2 % are allowed, 5.9 % are missing.",
    opened_at=BEGAN,
    last_seen_at=BEGAN,
    occurrences=1,
)
FINDING = Finding(
    workflow="invoice_matching",
    stage="check",
    kind=INCIDENT.kind,
    severity=Severity.CRITICAL,
    title=INCIDENT.title,
    about="po_number",
    detail=INCIDENT.detail,
    evidence={
        "certainty": "certain: every row was checked",
        "cost": "12 invoices wait, about 1 hour of clerks' time",
        "examples": ["run-1007: Harbour Lights Ltd <!channel>", "run-1012: Weber Metall GmbH"],
    },
)
WRITER = Messages(
    base_url="https://airflow.example.com/",
    runbook_url="https://git.example.com/{workflow}/runbook.md",
    operators=[DANA],
)


def facts(message: Message) -> dict[str, str]:
    """The facts and details by label."""
    return {fact.label: fact.value for fact in (*message.facts, *message.details)}


def messages() -> dict[str, Message]:
    """One message of each kind, as they would be sent."""
    context = Context(
        owner=DANA,
        deputy=LEE,
        certainty="certain: every row was checked",
        cost="12 invoices wait, about 1 hour of clerks' time",
        examples=("run-1007: Harbour Lights Ltd <!channel>", "run-1012: Weber Metall GmbH"),
        links=WRITER.incident(INCIDENT, run_id=RUN).links,
    )
    later = replace(INCIDENT, last_seen_at=BEGAN + timedelta(hours=4, minutes=12), occurrences=5)
    over = replace(later, state=IncidentState.RESOLVED, resolved_at=BEGAN + timedelta(hours=5))
    blind = replace(INCIDENT, severity=Severity.UNKNOWN, title="The data checks could not run", detail="")
    broken = replace(INCIDENT, stage="declare", kind="declaration.broken")
    taken = replace(
        later, state=IncidentState.ACKNOWLEDGED, acknowledged_by="Dana Ruiz", acknowledged_at=BEGAN + timedelta(hours=1)
    )
    waived = replace(
        later,
        state=IncidentState.WAIVED,
        waived_by="Lee Okafor",
        waived_until=BEGAN + timedelta(days=3),
        waived_reason="the ERP is moved this week",
    )
    problems = (
        Problem(
            "include/workflows/invoice_matching/workflow.yaml", 12, "spend.cap", "'400' is no cap", "400 USD/month"
        ),
        Problem("include/workflows/invoice_matching/cases.jsonl", 3, "", "not JSON"),
    )

    def of(incident: Incident, given: Context = context) -> Context:
        return replace(given, links=WRITER.incident(incident, run_id=RUN).links)

    return {
        "opened": incident_message(INCIDENT, FINDING, context=of(INCIDENT)),
        "still_there": incident_message(later, FINDING, context=of(later)),
        "acknowledged": incident_message(taken, FINDING, context=of(taken), news="acknowledged"),
        "waived": incident_message(waived, FINDING, context=of(waived), news="waived"),
        "escalated": incident_message(replace(later, escalation=1), FINDING, context=context, news="escalated"),
        "resolved": incident_message(over, context=of(over, replace(context, certainty="")), news="resolved"),
        "unknown": incident_message(blind, context=replace(context, certainty="", cost="", examples=())),
        "declaration": declaration_message(broken, problems, context=replace(context, examples=())),
    }


@pytest.mark.parametrize("kind", sorted(messages()))
def test_each_kind_of_message_looks_as_agreed(kind: str) -> None:
    """The Block Kit of each kind equals its golden file (AFTERPILOT_GOLDEN=write renews them)."""
    message = messages()[kind]
    rendered, thread = render(message), render_thread(message)
    parts = {"text": rendered.text, "blocks": rendered.blocks, "thread": thread.blocks if thread else None}
    shown = json.dumps(parts, indent=1, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{kind}.json"
    if os.environ.get("AFTERPILOT_GOLDEN") == "write":
        path.write_text(shown)
    assert shown == path.read_text()


def test_an_opened_incident_answers_what_since_when_how_sure_what_cost_who_and_what_to_click() -> None:
    """Every question of an owner has its answer."""
    message = WRITER.incident(replace(INCIDENT, run_id=None), FINDING, run_id=RUN)
    assert message.tone == "critical"
    assert message.title == "FAIL · invoice_matching: 12 of 203 invoices have no purchase order number"
    assert message.facts == (
        Fact("Since", "2026-11-20 14:00 UTC"),
        Fact("Who acts", "Dana Ruiz"),
        Fact("What to do", "See which rows fail and why, and mend the source or what feeds it."),
    )
    assert message.details == (
        Fact("How sure", "certain: every row was checked"),
        Fact("What it costs", "12 invoices wait, about 1 hour of clerks' time"),
    )
    page = f"https://airflow.example.com/afterpilot/incidents/{INCIDENT.id}"
    assert [(link.text, link.url) for link in message.links] == [
        ("Acknowledge", f"{page}#acknowledge"),
        ("Waive…", f"{page}#waive"),
        ("Open the run", f"https://airflow.example.com/afterpilot/runs/{RUN}"),
        ("Incident", f"https://airflow.example.com/afterpilot/incidents/{INCIDENT.id}"),
        ("Runbook", "https://git.example.com/invoice_matching/runbook.md"),
    ]
    assert message.mention == DANA.slack


def test_what_is_not_known_is_said_to_be_not_known() -> None:
    """No figure is made up, and none is left out silently."""
    shown = facts(incident_message(replace(INCIDENT, stage="evaluate")))
    assert shown["What it costs"] == "not known"
    assert shown["How sure"] == "not known"


def test_a_stage_that_looks_at_every_row_is_certain_without_saying_so() -> None:
    """How sure a finding is follows from how it is made."""
    assert facts(incident_message(INCIDENT))["How sure"] == "certain: every row of the window was looked at"


def test_a_check_that_could_not_run_is_unknown_whatever_else_it_says() -> None:
    """UNKNOWN never looks like a measured failure."""
    message = incident_message(replace(INCIDENT, severity=Severity.UNKNOWN))
    assert message.tone == "unknown"
    assert facts(message)["How sure"] == "UNKNOWN: the check could not say"
    assert facts(message)["What it costs"] == "not known; what goes wrong meanwhile is not seen"
    assert facts(message)["What to do"] == "See in the run why it could not say; until then nobody knows."
    assert message.notification.startswith("UNKNOWN invoice_matching")
    given = Context(certainty="UNKNOWN: the model did not answer")
    assert facts(incident_message(replace(INCIDENT, severity=Severity.UNKNOWN), context=given))["How sure"] == (
        "UNKNOWN: the model did not answer"
    )


def test_an_incident_that_is_still_there_says_for_how_long() -> None:
    """The edited message keeps its beginning and counts the runs."""
    message = messages()["still_there"]
    assert facts(message)["Since"] == "2026-11-20 14:00 UTC; found in 5 runs over 4 h 12 min"
    assert message.notification.startswith("FAIL still: ")


def test_a_resolved_incident_calls_nobody() -> None:
    """Good news do not ring."""
    message = messages()["resolved"]
    assert (message.tone, message.mention) == ("good", "")
    assert facts(message)["Lasted"] == "2026-11-20 14:00 UTC to 2026-11-20 19:00 UTC (5 h)"


@pytest.mark.parametrize(
    ("changed", "news", "tone", "title", "phone"),
    [
        ({}, "opened", "critical", "FAIL", "FAIL invoice_matching: 12 of"),
        ({"occurrences": 3}, "graver", "critical", "FAIL", "FAIL, graver than before: invoice_matching: 12 of"),
        ({"severity": Severity.WARNING}, "opened", "warning", "WARN", "WARN invoice_matching: 12 of"),
        ({"severity": Severity.UNKNOWN}, "opened", "unknown", "UNKNOWN", "UNKNOWN invoice_matching: 12 of"),
        ({"reopened": 1}, "reopened", "critical", "FAIL · BACK AGAIN", "FAIL, back again: invoice_matching: 12"),
        ({"flapping": True}, "", "critical", "FAIL · FLAPPING", "FAIL invoice_matching: 12 of"),
        ({"escalation": 1}, "escalated", "critical", "FAIL · ESCALATED", "FAIL, not taken up by anybody: invoice_m"),
        (
            {"state": IncidentState.ACKNOWLEDGED, "acknowledged_by": "Dana Ruiz"},
            *("acknowledged", "critical", "FAIL · ACK", "ACK by Dana Ruiz · invoice_matching: 12 of"),
        ),
        (
            {"state": IncidentState.WAIVED, "waived_by": "Lee", "waived_until": BEGAN},
            *("waived", "info", "FAIL · WAIVED", "WAIVED until 2026-11-20 14:00 UTC by Lee · invoice_matching: 12"),
        ),
        (
            {"state": IncidentState.RESOLVED, "resolved_at": BEGAN + timedelta(minutes=192)},
            *("resolved", "good", "OVER after 3 h 12 min", "OVER after 3 h 12 min · invoice_matching: 12 of"),
        ),
    ],
)
def test_severity_and_state_are_told_at_a_glance(
    changed: dict[str, Any], news: str, tone: str, title: str, phone: str
) -> None:
    """By a sign, by words before the title, and by the line on a phone, with and without the news."""
    incident = replace(INCIDENT, **changed)
    message = incident_message(incident, news=news)
    assert message.tone == tone
    assert message.title.startswith(f"{title} · invoice_matching: ")
    assert message.notification.startswith(phone)
    if incident.state is not IncidentState.OPEN:
        assert incident_message(incident).notification == message.notification


def test_what_a_person_has_said_is_on_the_phone_after_the_state() -> None:
    """Words of a person follow the word that says how it stands."""
    taken = replace(INCIDENT, state=IncidentState.ACKNOWLEDGED, acknowledged_by="Dana Ruiz")
    message = WRITER.incident(taken, news="acknowledged", said="Dana Ruiz has taken it up: it hangs")
    assert message.notification == (
        "ACK invoice_matching: Dana Ruiz has taken it up: it hangs · 12 of 203 invoices have no purchase order number"
    )
    assert WRITER.incident(INCIDENT, said="the waiver is over").notification.startswith(
        "FAIL invoice_matching: the waiver is over"
    )


@pytest.mark.parametrize(("level", "called"), [(0, DANA.slack), (1, LEE.slack), (2, HERE)])
def test_an_incident_that_nobody_takes_up_calls_the_next(level: int, called: str) -> None:
    """The owner first, then the deputy, then whoever is in the channel."""
    given = Context(owner=DANA, deputy=LEE)
    assert incident_message(replace(INCIDENT, escalation=level), context=given, news="escalated").mention == called


def test_news_that_are_graver_ring_even_where_somebody_has_taken_it_up() -> None:
    """Taken up as a warning is not taken up as a failure."""
    taken = replace(INCIDENT, state=IncidentState.ACKNOWLEDGED, acknowledged_by="Dana Ruiz")
    assert incident_message(taken, context=Context(owner=DANA), news="graver").mention == DANA.slack


def test_what_is_left_to_say_is_what_the_buttons_offer() -> None:
    """Nobody can acknowledge what is acknowledged, or waive what is over."""
    buttons = {
        state: [link.action.partition(":")[0] for link in WRITER.answers(replace(INCIDENT, state=state))]
        for state in IncidentState
    }
    assert buttons == {
        IncidentState.OPEN: ["acknowledge", "waive"],
        IncidentState.ACKNOWLEDGED: ["waive"],
        IncidentState.WAIVED: [],
        IncidentState.RESOLVED: [],
    }


def test_buttons_that_act_at_once_need_no_address() -> None:
    """Behind a firewall there may be no page to open."""
    shown = render(Messages(interactive=True).incident(INCIDENT, FINDING), interactive=True)
    (buttons,) = [block["elements"] for block in shown.blocks if block["type"] == "actions"]
    assert [(one["action_id"], one["value"], "url" in one) for one in buttons] == [
        ("acknowledge", str(INCIDENT.id), False),
        ("waive", str(INCIDENT.id), False),
    ]
    assert "acknowledge" not in str(render(Messages(interactive=True).incident(INCIDENT)).blocks)


@pytest.mark.parametrize(("stage", "page"), [("evaluate", "evals"), ("spend", "spend"), ("check", "")])
def test_the_chart_of_what_is_measured_is_one_click_away(stage: str, page: str) -> None:
    """Evals and spend have a page with a chart."""
    shown = {link.text: link.url for link in WRITER.incident(replace(INCIDENT, stage=stage), run_id=RUN).links}
    assert shown.get("Chart", "") == (f"https://airflow.example.com/afterpilot/{page}/invoice_matching" if page else "")
    assert len(render(WRITER.incident(replace(INCIDENT, stage=stage), run_id=RUN)).blocks[-2]["elements"]) == len(shown)


def test_somebody_who_took_it_up_is_named() -> None:
    """Nobody works twice on the same."""
    given = Context(owner=DANA, deputy=LEE)
    taken = replace(INCIDENT, state=IncidentState.ACKNOWLEDGED, acknowledged_by="Lee Okafor", acknowledged_at=BEGAN)
    message = incident_message(taken, context=given)
    assert facts(message)["Who acts"] == "Lee Okafor since 2026-11-20 14:00 UTC (owner: Dana Ruiz)"
    own = incident_message(replace(taken, acknowledged_by="Dana Ruiz"), context=given)
    assert facts(own)["Who acts"] == "Dana Ruiz since 2026-11-20 14:00 UTC"
    assert message.mention == ""


def test_a_title_that_is_too_long_stands_in_the_summary_in_full() -> None:
    """Nothing of what broke is lost by cutting."""
    title = "column " + "x" * 200
    message = incident_message(replace(INCIDENT, title=title))
    assert message.title.endswith("…")
    assert message.title.startswith("FAIL · invoice_matching: column x")
    assert message.summary == f"{title}\n{INCIDENT.detail}"


def test_a_broken_declaration_names_every_problem_with_its_place() -> None:
    """The team finds the line without asking anybody."""
    finding = replace(FINDING, kind="declaration.broken", stage="declare", evidence={"problems": ["a.yaml:3: x: bad"]})
    broken = replace(INCIDENT, kind="declaration.broken", stage="declare", workflow="email_triage", detail="")
    message = WRITER.incident(broken, finding, workflow=None, run_id=RUN)
    assert message.title == "FAIL · email_triage: the declaration cannot be used (1 problem)"
    assert message.points == ("a.yaml:3: x: bad",)
    assert facts(message)["What it costs"] == "the workflow is not watched until it is mended"
    assert message.mention == DANA.slack


def test_a_mended_declaration_is_over_without_its_old_problems() -> None:
    """A resolved message does not repeat what is mended."""
    over = replace(
        INCIDENT, kind="declaration.broken", state=IncidentState.RESOLVED, resolved_at=BEGAN, detail="a.yaml:3: bad"
    )
    message = WRITER.incident(over)
    assert (message.tone, message.points) == ("good", ())


def test_without_addresses_there_are_no_buttons() -> None:
    """A button that leads nowhere is worse than none."""
    assert Messages().incident(INCIDENT, FINDING, run_id=RUN).links == ()


def test_evidence_of_another_shape_is_left_out() -> None:
    """Figures under the same names do not break a message."""
    odd = replace(FINDING, evidence={"certainty": 0.93, "cost": None, "examples": "abc"})
    message = WRITER.incident(INCIDENT, odd)
    assert facts(message)["How sure"] == "certain: every row of the window was looked at"
    assert message.points == ()


def test_every_message_survives_the_outbox() -> None:
    """A message is the same after it was kept as JSON."""
    for message in messages().values():
        assert Message.from_dict(json.loads(json.dumps(message.as_dict()))) == message
        assert all(isinstance(fact, Fact) for fact in message.facts)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "less than a minute"),
        (1, "1 min"),
        (60, "1 h"),
        (192, "3 h 12 min"),
        (1440, "1 d"),
        (3000, "2 d 2 h"),
        (-5, "less than a minute"),
    ],
)
def test_spans_of_time_are_told_in_two_units(minutes: int, words: str) -> None:
    """Short enough to read, exact enough to act."""
    assert lasted(timedelta(minutes=minutes)) == words


@pytest.mark.parametrize(
    ("detail", "was"),
    [
        ("Cause: our prompt changed (aaaaaaa → bbbbbbb). Broken: hard-20.", "our prompt changed (aaaaaaa → bbbbbbb)"),
        (
            "Cause: the model that answered changed: gpt-4.1 → gpt-4.2.",
            "the model that answered changed: gpt-4.1 → gpt-4.2",
        ),
        (f"Cause: our prompt changed (a → b){AS_BEFORE}. 2 cases are waived.", "our prompt changed (a → b)"),
        ("2 % are allowed, 5.9 % are missing.", None),
        ("", None),
    ],
)
def test_what_is_over_repeats_its_cause(detail: str, was: str | None) -> None:
    """As the incident's detail names it, without advice that has been overtaken; nothing is said where none was named."""
    over = replace(INCIDENT, detail=detail, state=IncidentState.RESOLVED, resolved_at=BEGAN + timedelta(days=3))
    assert facts(incident_message(over)).get("It was") == was
