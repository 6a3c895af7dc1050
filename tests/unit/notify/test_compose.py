"""Messages of incidents and broken declarations, and their golden files."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afterpilot.domain.causation import AS_BEFORE
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import Fact, Message
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Person, Problem
from afterpilot.notify.blocks import render
from afterpilot.notify.compose import Context, declaration_message, incident_message, lasted
from afterpilot.notify.messages import Messages

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
    """The facts by label."""
    return {fact.label: fact.value for fact in message.facts}


def messages() -> dict[str, Message]:
    """One message of each kind, as they would be sent."""
    context = Context(
        owner=DANA,
        deputy=LEE,
        certainty="certain: every row was checked",
        cost="12 invoices wait, about 1 hour of clerks' time",
        examples=("run-1007: Harbour Lights Ltd <!channel>", "run-1012: Weber Metall GmbH"),
        links=WRITER.links("invoice_matching", run_id=RUN, incident_id=INCIDENT.id),
    )
    later = replace(INCIDENT, last_seen_at=BEGAN + timedelta(hours=4, minutes=12), occurrences=5)
    over = replace(later, state=IncidentState.RESOLVED, resolved_at=BEGAN + timedelta(hours=5))
    blind = replace(INCIDENT, severity=Severity.UNKNOWN, title="The data checks could not run", detail="")
    broken = replace(INCIDENT, stage="declare", kind="declaration.broken")
    problems = (
        Problem(
            "include/workflows/invoice_matching/workflow.yaml", 12, "spend.cap", "'400' is no cap", "400 USD/month"
        ),
        Problem("include/workflows/invoice_matching/cases.jsonl", 3, "", "not JSON"),
    )
    return {
        "opened": incident_message(INCIDENT, FINDING, context=context),
        "still_there": incident_message(later, FINDING, context=context),
        "resolved": incident_message(over, context=context),
        "unknown": incident_message(blind, context=replace(context, certainty="", cost="", examples=())),
        "declaration": declaration_message(broken, problems, context=replace(context, examples=())),
    }


@pytest.mark.parametrize("kind", sorted(messages()))
def test_each_kind_of_message_looks_as_agreed(kind: str) -> None:
    """The Block Kit of each kind equals its golden file (AFTERPILOT_GOLDEN=write renews them)."""
    rendered = render(messages()[kind])
    shown = json.dumps({"text": rendered.text, "blocks": rendered.blocks}, indent=1, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{kind}.json"
    if os.environ.get("AFTERPILOT_GOLDEN") == "write":
        path.write_text(shown)
    assert shown == path.read_text()


def test_an_opened_incident_answers_what_since_when_how_sure_what_cost_who_and_what_to_click() -> None:
    """Every question of an owner has its answer."""
    message = WRITER.incident(replace(INCIDENT, run_id=None), FINDING, run_id=RUN)
    assert message.tone == "critical"
    assert message.title == "invoice_matching: 12 of 203 invoices have no purchase order number"
    assert facts(message) == {
        "Since": "2026-11-20 14:00 UTC",
        "How sure": "certain: every row was checked",
        "What it costs": "12 invoices wait, about 1 hour of clerks' time",
        "Who acts": "Dana Ruiz",
        "What to do": "See which rows fail and why, and mend the source or what feeds it.",
    }
    assert [(link.text, link.url) for link in message.links] == [
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


def test_somebody_who_took_it_up_is_named() -> None:
    """Nobody works twice on the same."""
    given = Context(owner=DANA, deputy=LEE)
    shown = facts(incident_message(replace(INCIDENT, acknowledged_by="Lee Okafor"), context=given))
    assert shown["Who acts"] == "Dana Ruiz (deputy: Lee Okafor); taken up by Lee Okafor"


def test_a_title_that_is_too_long_stands_in_the_summary_in_full() -> None:
    """Nothing of what broke is lost by cutting."""
    title = "column " + "x" * 200
    message = incident_message(replace(INCIDENT, title=title))
    assert message.title.endswith("…")
    assert message.summary == f"{title}\n{INCIDENT.detail}"


def test_a_broken_declaration_names_every_problem_with_its_place() -> None:
    """The team finds the line without asking anybody."""
    finding = replace(FINDING, kind="declaration.broken", stage="declare", evidence={"problems": ["a.yaml:3: x: bad"]})
    broken = replace(INCIDENT, kind="declaration.broken", stage="declare", workflow="email_triage", detail="")
    message = WRITER.incident(broken, finding, workflow=None, run_id=RUN)
    assert message.title == "email_triage: the declaration cannot be used (1 problem)"
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
