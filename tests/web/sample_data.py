"""A small, fixed history for the pages: two workflows at work, one with a broken declaration, one that never ran."""

from __future__ import annotations

import hashlib
import struct
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sample_evals
import sqlalchemy as sa

from afterpilot.domain.evals import Sample, Score
from afterpilot.domain.message import Fact, Link, Message
from afterpilot.domain.record import Discrepancy, GateDecision, HumanDecision, Record, Usage
from afterpilot.domain.run import Stage, Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.record import tables
from afterpilot.record.evals.usage import EvalCall
from afterpilot.record.ops import Ops, Unit
from afterpilot.spend.prices import Prices
from doubles.rewriting import rewritten

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
INVOICES, TRIAGE, BROKEN, NEW = "invoice_matching", "email_triage", "contract_summaries", "refund_letters"
DECLARED = {
    INVOICES: {
        "workflow": INVOICES,
        "purpose": "Match supplier invoices to purchase orders and file the clean ones",
        "stage": "live",
        "owner": {
            "name": "Dana Ruiz",
            "slack": "U02AB3CD4",
            "deputy": {"name": "Lee Okafor", "slack": "U05EF6GH7"},
        },
        "channel": "#ap-automation",
        "source": {"connection": "erp", "table": "ai_invoice_runs", "personal": ["supplier_contact"]},
        "outputs": [
            {"expect": "json_schema", "file": "output.schema.json"},
            {"expect": "in_table", "column": "po_number", "connection": "erp", "table": "purchase_orders"},
        ],
        "evals": {"model": {"connection": "model", "name": "smollm2-135m"}, "cases": "cases.jsonl", "pass_rate": 0.85},
        "spend": {"cap": "400 USD/month", "warn_at": ["50%", "80%"], "at_cap": "ask_owner"},
    },
    TRIAGE: {
        "workflow": TRIAGE,
        "purpose": "Label incoming mail",
        "stage": "experiment",
        "owner": {"name": "Sam Idowu", "slack": "U07SAM000"},
        "outputs": [{"expect": "column_values_to_be_in_set", "column": "label"}],
        "evals": {"cases": "cases.jsonl"},
        "spend": {"cap": "20 USD/month"},
    },
    BROKEN: {
        "workflow": BROKEN,
        "stage": "limited",
        "owner": {"name": "Ines Marin", "slack": "U0INES000"},
        "outputs": [{"expect": "json_schema"}],
        "evals": {"cases": "cases.jsonl"},
    },
    NEW: {"workflow": NEW, "stage": "shadow", "owner": {"name": "Kofi Adu", "slack": "U0KOFI000"}},
    **sample_evals.DECLARED,
}

USABLE = {slug: hashlib.sha256(slug.encode()).hexdigest() for slug in DECLARED}  # the version in force
EARLIER, SPOILT, PROMPT, CASES = (hashlib.sha256(word).hexdigest() for word in (b"old", b"spoilt", b"prompt", b"cases"))


@dataclass(slots=True)
class Sampled:
    """The ids of what was written, by a telling name."""

    runs: dict[str, uuid.UUID] = field(default_factory=dict)
    incidents: dict[str, uuid.UUID] = field(default_factory=dict)
    reports: dict[str, uuid.UUID] = field(default_factory=dict)
    queued: dict[str, datetime] = field(default_factory=dict)  # when, by the messages' keys
    gated_at: datetime = NOW
    versions: dict[str, str] = field(default_factory=dict)
    evals: sample_evals.Evaluated = field(default_factory=sample_evals.Evaluated)


def build(engine: sa.Engine, *, now: datetime = NOW) -> Sampled:
    """Write the history as it stands at ``now``."""
    kept = Sampled()
    _declare(engine, kept, now)
    with Ops(engine).begin() as unit:
        _routine(unit, kept, now)
        _gate(unit, kept, now)
        _evaluate(unit, kept, now)
        _spend(unit, kept, now)
        _report(unit, kept, now)
        _trouble(unit, kept, now)
        kept.evals = sample_evals.build(unit.connection, now=now)
    _date_back(engine, kept)
    return kept


def _date_back(engine: sa.Engine, kept: Sampled) -> None:
    """What the database dates by its own clock is of the sample's time."""
    with rewritten(engine, "outbox") as connection:
        for key, at in kept.queued.items():
            letter = sa.update(tables.outbox).where(tables.outbox.c.dedupe_key == key)
            connection.execute(letter.values(created_at=at))
    with rewritten(engine, "gate_decisions") as connection:
        connection.execute(sa.update(tables.gate_decisions).values(decided_at=kept.gated_at))


def add_run(
    unit: Unit,
    workflow: str,
    stage: Stage,
    at: datetime,
    *,
    summary: str = "12 things looked at",
    findings: Sequence[Finding] = (),
    evidence: Mapping[str, Any] | None = None,
    checked: int = 12,
    versions: Mapping[str, str] | None = None,
    map_index: int = 0,
) -> uuid.UUID:
    dag = {"evaluate": "evals.nightly", "spend": "spend", "report": "weekly_outcomes", "declare": "declarations"}
    result = StageResult(
        workflow=workflow,
        stage=stage,
        summary=summary,
        findings=tuple(findings),
        evidence=evidence or {},
        checked=checked,
    )
    run_id, _ = unit.runs.add(
        result,
        window=Window(at - timedelta(hours=1), at),
        trigger=Trigger(
            origin="airflow",
            run_id=f"scheduled__{at.isoformat()}",
            dag_id=dag.get(stage, "records.hourly"),
            task_id=str(stage),
            map_index=map_index,
        ),
        versions={"code": "0.1.0+701b5ba", "declaration": USABLE.get(workflow, EARLIER), **(versions or {})},
        started_at=at - timedelta(seconds=41),
        finished_at=at,
    )
    return run_id


def finding(workflow: str, stage: Stage, kind: str, severity: Severity, title: str, **more: Any) -> Finding:
    """A finding with little to write."""
    return Finding(workflow=workflow, stage=str(stage), kind=kind, severity=severity, title=title, **more)


def picture() -> bytes:
    """A tiny PNG: a grey bar."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    width, height = 320, 90
    rows = b"".join(
        b"\0" + bytes(235 if y > height - (x // 40 + 1) * 11 and x % 40 < 28 else 255 for x in range(width))
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = rows.replace(b"\xeb", b"\x78")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _declare(engine: sa.Engine, kept: Sampled, now: datetime) -> None:
    problems = [
        {
            "file": f"include/workflows/{BROKEN}/workflow.yaml",
            "line": 14,
            "key": "evals.modle",
            "text": "unknown key",
            "hint": "did you mean evals.model?",
        },
        {
            "file": f"include/workflows/{BROKEN}/cases.jsonl",
            "line": 3,
            "key": "",
            "text": "not JSON: a comma is missing at column 18",
            "hint": "",
        },
    ]
    with engine.begin() as connection:
        for slug, document in DECLARED.items():
            versions = [(USABLE[slug], document, True, now - timedelta(days=9))]
            if slug == INVOICES:
                old = {**document, "spend": {"cap": "300 USD/month", "warn_at": ["80%"], "at_cap": "tell"}}
                versions.insert(0, (EARLIER, old, True, now - timedelta(days=30)))
            if slug == BROKEN:
                versions.append((SPOILT, document, False, now - timedelta(hours=3)))
            for sha, text, usable, at in versions:
                connection.execute(
                    sa.insert(tables.declarations).values(
                        workflow=slug,
                        sha256=sha,
                        usable=usable,
                        document=text,
                        problems=[] if usable else problems,
                        path=f"include/workflows/{slug}",
                        first_loaded_at=at,
                    )
                )
            newest = versions[-1]
            connection.execute(
                sa.insert(tables.current_declarations).values(
                    workflow=slug,
                    sha256=newest[0],
                    usable_sha256=[sha for sha, _, usable, _ in versions if usable][-1],
                    present=True,
                    loaded_at=now - timedelta(minutes=4),
                )
            )
            kept.versions[slug] = newest[0]


def _routine(unit: Unit, kept: Sampled, now: datetime) -> None:
    """Three days of pulls and checks; the newest check of the mail has failed, the one before it did not."""
    for hours in range(72, 0, -6):
        at = now - timedelta(hours=hours, minutes=12)
        for slug in (INVOICES, TRIAGE):
            add_run(
                unit, slug, Stage.PULL, at, summary="28 records pulled, none late", evidence={"pulled": 28, "late": 0}
            )
            add_run(unit, slug, Stage.CHECK, at + timedelta(minutes=2), summary="6 expectations, all met")
    for slug in (INVOICES, TRIAGE, BROKEN):
        broken = slug == BROKEN
        kept.runs[f"declare/{slug}"] = add_run(
            unit,
            slug,
            Stage.DECLARE,
            now - timedelta(minutes=4),
            summary="2 problems keep the declaration from being used" if broken else "the declaration can be used",
            findings=[
                finding(
                    slug,
                    Stage.DECLARE,
                    "declaration.broken",
                    Severity.CRITICAL,
                    "The declaration cannot be used: evals.modle is an unknown key (did you mean evals.model?)",
                )
            ]
            if broken
            else [],
        )
    kept.runs["pull"] = add_run(
        unit,
        INVOICES,
        Stage.PULL,
        now - timedelta(minutes=18),
        summary="31 records pulled, 2 of them late; 27 decisions of people",
        evidence={"pulled": 31, "late": 2, "decisions": 27, "window": "2026-11-20 13:12 to 14:12 UTC"},
    )
    add_run(unit, TRIAGE, Stage.PULL, now - timedelta(minutes=18), summary="412 records pulled, none late")
    kept.runs["check"] = add_run(
        unit,
        INVOICES,
        Stage.CHECK,
        now - timedelta(minutes=16),
        summary="1 of 6 expectations not met: po_number is empty in 4 of 31 records (87.1 % filled, 98 % declared)",
        findings=[
            finding(
                INVOICES,
                Stage.CHECK,
                "quality.column_values_to_not_be_null",
                Severity.WARNING,
                "po_number is empty in 4 of 31 records; at least 98 % must be filled",
                about="po_number",
                detail="The four records came from two suppliers, Harbour Lights Ltd and Nordlys AS, within one hour.",
                evidence={"failing": 4, "keys": ["run-00412", "run-00418", "run-00423", "run-00431"], "mostly": 0.98},
            )
        ],
        evidence={
            "expectations": [
                {
                    "expect": "column_values_to_not_be_null",
                    "column": "po_number",
                    "met": False,
                    "observed": "87.1 % filled",
                    "failing": 4,
                },
                {
                    "expect": "column_values_to_not_be_null",
                    "column": "supplier",
                    "met": True,
                    "observed": "100 % filled",
                    "failing": 0,
                },
                {
                    "expect": "column_values_to_be_between",
                    "column": "total",
                    "met": True,
                    "observed": "12.40 to 8214.00",
                    "failing": 0,
                },
                {
                    "expect": "fresh_within",
                    "column": "finished_at",
                    "met": True,
                    "observed": "newest 11 minutes old",
                    "failing": 0,
                },
            ],
            "great_expectations": "1.24.1",
        },
        map_index=3,
    )
    kept.runs["check/triage"] = add_run(
        unit,
        TRIAGE,
        Stage.CHECK,
        now - timedelta(minutes=15),
        summary="no record in the window: nothing could be checked",
        checked=0,
    )


def _gate(unit: Unit, kept: Sampled, now: datetime) -> None:
    at = now - timedelta(minutes=14)
    run_id = kept.runs["gate"] = add_run(
        unit,
        INVOICES,
        Stage.GATE,
        at,
        summary="170 outputs released, 30 routed to a person",
        evidence={
            "decided": 200,
            "released": 170,
            "routed": 30,
            "spot_checked": 5,
            "undecided": 0,
            "routed_by": [
                {"check": "equals", "field": "total", "outputs": 20},
                {"check": "in_table", "field": "po_number", "outputs": 10},
            ],
        },
        checked=200,
    )
    decisions = []
    for number in range(200):
        key, moment = f"run-{number:05d}", now - timedelta(hours=30) + timedelta(minutes=8 * number)
        if number % 20 < 3:
            decisions.append(GateDecision(INVOICES, key, moment, False, "failed_check", (_wrong(number),)))
        else:
            reason = "spot_check" if number % 40 == 7 else "passed"
            decisions.append(GateDecision(INVOICES, key, moment, True, reason))
    unit.gate.write(decisions, run_id)
    fields = {
        "supplier": "Harbour Lights Ltd",
        "po_number": "PO-51001",
        "total": "451.60",
        "supplier_contact": "redacted",
    }
    used = Usage("smollm2-135m", 412, 58, 380)
    unit.records.write([Record(INVOICES, d.key, d.at, fields, used) for d in decisions[:5]], kept.runs["pull"])
    unit.connection.execute(sa.update(tables.records).values(pulled_at=now - timedelta(minutes=18)))
    kept.gated_at = at
    people = [
        HumanDecision(
            INVOICES,
            d.key,
            d.at + timedelta(hours=3),
            word,
            Decimal("4.50"),
            "supplier called" if word == "corrected" else "",
        )
        for d, word in zip(
            [d for d in decisions if d.reason == "failed_check"][:12],
            ["corrected", "accepted", "rejected"] * 4,
            strict=True,
        )
    ]
    unit.records.write_decisions(people)
    kept.runs["review"] = add_run(
        unit,
        INVOICES,
        Stage.REVIEW,
        at,
        summary="12 decisions of people; 1 of 40 released outputs overridden; error rate of the period before 2 % (95 % interval 1 % to 5 %)",
        checked=52,
    )
    kept.runs["gate/triage"] = add_run(
        unit,
        TRIAGE,
        Stage.GATE,
        at,
        summary="402 outputs released, 10 routed to a person",
        evidence={"released": 402, "routed": 10},
        checked=412,
    )


def _wrong(number: int) -> Discrepancy:
    order = f"PO-{51000 + number}"
    if number % 20 == 0:
        return Discrepancy(
            check="in_table",
            field="po_number",
            said=order,
            expected="no such order",
            source="purchase_orders",
            text=f"The invoice names {order}, but there is no such purchase order.",
        )
    return Discrepancy(
        check="equals",
        field="total",
        said=f"{450 + number}.60 GBP",
        expected=f"{378 + number}.00 GBP",
        source=f"purchase order {order}",
        text=f"The invoice asks for {450 + number}.60 GBP, but purchase order {order} is over {378 + number}.00 GBP.",
    )


def _evaluate(unit: Unit, kept: Sampled, now: datetime) -> None:
    at = now - timedelta(hours=9)
    versions = {"model": "smollm2-135m", "model_answered": "smollm2-135m", "prompt": PROMPT, "cases": CASES}
    run_id = kept.runs["evaluate"] = add_run(
        unit,
        INVOICES,
        Stage.EVALUATE,
        at,
        summary="51 of 60 cases passed (85.0 %), 2 not scored; the baseline of 2026-11-12 had 54",
        findings=[
            finding(
                INVOICES,
                Stage.EVALUATE,
                "evals.dropped",
                Severity.WARNING,
                "The pass rate fell from 90.0 % to 85.0 %; 4 cases broke and 1 was mended",
                detail="Prompt and cases are the same as in the baseline; the model's answers differ on supplier names with a comma.",
                evidence={"broke": ["case-011", "case-023", "case-034", "case-048"], "mended": ["case-002"]},
            )
        ],
        evidence={
            "samples": 62,
            "scored": 60,
            "errors": 2,
            "passed": 51,
            "pass_rate": 0.85,
            "bar": "0.85",
            "interval": [0.7389, 0.9185],
            "by_scorer": {"json_schema": 1.0, "exact(po_number)": 0.85},
            "compared": {"cases": 60, "broken": ["case-011", "case-023"], "fixed": ["case-002"], "p_value": 0.375},
        },
        versions=versions,
        checked=60,
    )
    began = at - timedelta(minutes=3)
    unit.samples.prepare(began)
    unit.samples.add([_sample(number) for number in range(62)], workflow=INVOICES, run_id=run_id, began_at=began)
    for number in range(62):
        sample = _sample(number)
        if sample.usage:
            ref = f"{run_id}/{sample.case_id}/0"
            unit.eval_usage.prepare(began)
            call = EvalCall(ref, sample.usage, Decimal("0.0000318"), "USD")
            unit.eval_usage.add(INVOICES, [call], at=began, book=Prices())
    approved = at + timedelta(hours=2)
    unit.baselines.approve(INVOICES, [run_id], by="Dana Ruiz", note="after the change of the prompt", at=approved)
    kept.runs["evaluate/triage"] = add_run(
        unit,
        TRIAGE,
        Stage.EVALUATE,
        at + timedelta(minutes=20),
        summary="45 of 60 cases passed (75.0 %); 90 % must",
        findings=[
            finding(
                TRIAGE,
                Stage.EVALUATE,
                "evals.below_bar",
                Severity.CRITICAL,
                "75.0 % of the cases passed; at least 90 % must",
            )
        ],
        evidence={"passed": 45, "pass_rate": 0.75, "bar": "0.90"},
        versions=versions,
    )


def _sample(number: int) -> Sample:
    case = f"case-{number:03d}"
    request = {
        "model": "smollm2-135m",
        "temperature": 0,
        "messages": [
            {"role": "user", "content": f"Harbour Lights Ltd\nInvoice no: INV-310{number:04d}\nOrder: PO-51187"}
        ],
    }
    if number >= 60:
        return Sample(
            case,
            0,
            None,
            (),
            error="TargetError: the model did not answer within 60 s (3 attempts)",
            attempts=3,
            request=request,
        )
    failed = number % 20 in {3, 11, 14}
    scores = (
        Score("json_schema", 1.0, True),
        Score(
            "exact(po_number)",
            0.0 if failed else 1.0,
            not failed,
            "says PO-51178, PO-51187 was expected" if failed else "",
        ),
    )
    output = '{"supplier": "Harbour Lights Ltd", "invoice_no": "INV-310%04d", "po_number": "PO-511%s", "total_due": "453.60 GBP"}'
    usage = Usage("smollm2-135m", 412, 58, 380)
    return Sample(
        case,
        0,
        output % (number, "78" if failed else "87"),
        scores,
        usage=usage,
        latency_ms=1240 + 7 * number,
        attempts=1,
        request=request,
        response={"model": "smollm2-135m", "choices": [{"message": {"content": output % (number, "87")}}]},
    )


def _spend(unit: Unit, kept: Sampled, now: datetime) -> None:
    at = now - timedelta(minutes=30)
    kept.runs["spend"] = add_run(
        unit,
        INVOICES,
        Stage.SPEND,
        at,
        summary="212.40 USD of 400.00 USD this month; at this pace the cap holds",
        evidence={"spent": "212.40", "cap": "400.00", "currency": "USD", "period": "month", "forecast": "318.60"},
    )
    kept.runs["spend/triage"] = add_run(
        unit,
        TRIAGE,
        Stage.SPEND,
        at,
        summary="18 calls have no known price: the spend is unknown",
        findings=[
            finding(
                TRIAGE, Stage.SPEND, "spend.unpriced", Severity.UNKNOWN, "18 calls to smollm2-135m have no known price"
            )
        ],
        evidence={"spent": "3.10", "cap": "20", "currency": "USD", "period": "month", "unpriced": 18},
    )


def _report(unit: Unit, kept: Sampled, now: datetime) -> None:
    at = now - timedelta(days=4)
    run_id = kept.runs["report"] = add_run(
        unit,
        INVOICES,
        Stage.REPORT,
        at,
        summary="172 of 200 invoices handled alone; 1.4 minutes an invoice (target 1.2)",
    )
    report = kept.reports["weekly"] = unit.reports.keep(
        workflow=INVOICES, week=date(2026, 11, 9), figures={"handled": 172}, chart=picture(), run_id=run_id
    )
    message = Message(
        tone="good",
        title="Invoice matching, week of 9 November",
        summary="172 of 200 invoices were filed without a person; 28 went to one.",
        notification="Invoice matching: 172 of 200 handled alone",
        facts=(
            Fact("Minutes per invoice", "1.4 (baseline 6.0, target 1.2)"),
            Fact("Overridden", "2 of 40 spot checks (5 %)"),
            Fact("Cost per invoice", "0.011 USD"),
            Fact("Time saved", "15 h 20 min"),
        ),
        points=("Needs you: 4 items have waited longer than two days.",),
        links=(Link("See the week", "/afterpilot/runs", primary=True),),
        picture=str(report),
        picture_alt="Invoices handled alone, eight weeks",
        footer="Figures can be replayed from the run history",
    )
    unit.outbox.put(
        message, dedupe_key="weekly/1", workflow=INVOICES, kind="weekly", channel="#ap-automation", report_id=report
    )
    _deliver(unit, kept, "weekly/1", at + timedelta(seconds=20), transport="slack")


def _trouble(unit: Unit, kept: Sampled, now: datetime) -> None:
    """An open incident that three runs have seen, an unknown one, and one that is over."""
    check = finding(
        INVOICES,
        Stage.CHECK,
        "quality.column_values_to_not_be_null",
        Severity.WARNING,
        "po_number is empty in 4 of 31 records; at least 98 % must be filled",
        about="po_number",
        detail="The four records came from two suppliers within one hour.",
    )
    opened = now - timedelta(hours=5, minutes=40)
    first = add_run(unit, INVOICES, Stage.CHECK, opened, summary="1 of 6 expectations not met", findings=[check])
    incident = unit.incidents.open(check, run_id=first, at=opened)
    kept.incidents["po_number"] = incident.id
    unit.incidents.see_again(incident, check, run_id=kept.runs["check"], at=now - timedelta(minutes=16))
    _tell(
        unit,
        kept,
        "po_number/opened",
        incident.id,
        _alert(check.title, "warning"),
        at=opened + timedelta(seconds=4),
        transport="preview",
    )
    unit.incidents.note(incident.id, "notified", at=opened + timedelta(seconds=4), text="#ap-automation")

    over = finding(
        INVOICES, Stage.PULL, "pull.failed", Severity.CRITICAL, "The table ai_invoice_runs could not be read"
    )
    at = now - timedelta(days=2)
    run_id = add_run(unit, INVOICES, Stage.PULL, at, summary="the source could not be read", findings=[over], checked=0)
    incident = unit.incidents.open(over, run_id=run_id, at=at)
    kept.incidents["pull"] = incident.id
    unit.incidents.resolve(incident, run_id=kept.runs["pull"], at=at + timedelta(hours=1))
    _tell(unit, kept, "pull/opened", incident.id, _alert(over.title, "critical"), at=at, transport="slack")

    for slug, stage, kind, severity, title, run in (
        (
            TRIAGE,
            Stage.SPEND,
            "spend.unpriced",
            Severity.UNKNOWN,
            "18 calls to smollm2-135m have no known price",
            "spend/triage",
        ),
        (
            TRIAGE,
            Stage.EVALUATE,
            "evals.below_bar",
            Severity.CRITICAL,
            "75.0 % of the cases passed; at least 90 % must",
            "evaluate/triage",
        ),
        (
            BROKEN,
            Stage.DECLARE,
            "declaration.broken",
            Severity.CRITICAL,
            "The declaration cannot be used: evals.modle is an unknown key",
            f"declare/{BROKEN}",
        ),
    ):
        news = unit.incidents.open(
            finding(slug, stage, kind, severity, title), run_id=kept.runs[run], at=now - timedelta(hours=3)
        )
        kept.incidents[kind] = news.id
        tone = "unknown" if severity is Severity.UNKNOWN else "critical"
        _tell(
            unit,
            kept,
            f"{kind}/opened",
            news.id,
            _alert(title, tone),
            at=now - timedelta(hours=3),
            transport="",
            state="dead" if slug == BROKEN else "pending",
        )


def _alert(title: str, tone: Any) -> Message:
    return Message(
        tone=tone,
        title=title,
        summary="Invoices without an order number cannot be matched; they go to a person until this is mended.",
        notification=title,
        facts=(
            Fact("Since", "2026-11-20 08:50 UTC (5 h ago)"),
            Fact("How sure", "certain: counted over all 31 records of the window"),
            Fact("What it costs", "about 18 minutes of clerks' time an hour"),
            Fact("Who acts", "Dana Ruiz; deputy Lee Okafor"),
        ),
        points=("Ask the two suppliers for order numbers.", "Records: run-00412, run-00418, run-00423, run-00431."),
        links=(
            Link("See the evidence", "http://localhost:8080/afterpilot/incidents/1", primary=True),
            Link("Runbook", "http://localhost:8080/docs/runbooks/quality.md"),
        ),
        mention="U02AB3CD4",
        footer="invoice_matching · check · fingerprint 6f1f2b0c9a31d7e4",
    )


def _tell(
    unit: Unit,
    kept: Sampled,
    key: str,
    incident: uuid.UUID,
    message: Message,
    *,
    at: datetime,
    transport: str,
    state: str = "sent",
) -> None:
    unit.outbox.put(
        message, dedupe_key=key, workflow=INVOICES, kind="incident", channel="#ap-automation", incident_id=incident
    )
    _deliver(unit, kept, key, at, transport=transport, state=state)


def _deliver(unit: Unit, kept: Sampled, key: str, at: datetime, *, transport: str, state: str = "sent") -> None:
    kept.queued[key] = at
    values: dict[str, Any] = {"state": state, "transport": transport}
    if state == "sent":
        values |= {"sent_at": at, "posted_channel": "C0APAUTO", "posted_ts": "1763640000.000100", "attempts": 1}
    if state == "dead":
        values |= {"error": "channel_not_found", "attempts": 1}
    unit.connection.execute(sa.update(tables.outbox).where(tables.outbox.c.dedupe_key == key).values(**values))
