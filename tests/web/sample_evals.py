"""Eval results as they look after months: one workflow with a regression, one with three runs, one without a baseline."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.run import Trigger
from afterpilot.record import partitions, tables
from doubles.kept_runs import put_finding, put_runs

REPLIES, CLAIMS, ANSWERS = "support_replies", "claims_intake", "product_answers"
NIGHTS, CASES = 60, 100
CHANGE, UNKNOWN, RAISED = 51, 42, 52  # nights: our prompt changed, too little was scored, the alarm was raised
BROKEN = ("refund-04", "refund-09", "refund-14", "refund-17", "shipping-11")
FIXED = ("tone-06",)
FLAKY = ("account-13", "tone-19")
WAIVED, EXPIRED = "shipping-02", "account-05"
TAGS = ("refund", "shipping", "account", "tone", "legal")
LEGAL = 0.95

SUITE = {
    "model": {"connection": "model", "name": "gpt-5-mini", "prompt": "prompt.md"},
    "cases": "cases.jsonl",
    "scorers": [{"json_schema": "answer"}, {"exact": "intent"}, {"judge": "helpful.md"}],
    "pass_rate": "85%",
    "alarm": {"false_alarms_per_year": 0.1, "smallest_drop": "5pp"},
    "waivers": [
        {
            "case": WAIVED,
            "until": "2026-12-15",
            "by": "Mara Lindqvist",
            "why": "the carrier's new tariff is not in the index yet",
        },
        {"case": EXPIRED, "until": "2026-11-14", "by": "Mara Lindqvist", "why": "waits for the new sign-in flow"},
        {"tag": "legal", "until": "2026-12-31", "by": "Tom Okoye", "why": "wording is with the lawyers"},
    ],
}
DECLARED = {
    REPLIES: {
        "workflow": REPLIES,
        "purpose": "Draft replies to customers",
        "stage": "live",
        "owner": {"name": "Mara Lindqvist", "slack": "U0MARA000"},
        "evals": SUITE,
    },
    CLAIMS: {
        "workflow": CLAIMS,
        "purpose": "Read claims",
        "stage": "shadow",
        "owner": {"name": "Tom Okoye", "slack": "U0TOM0000"},
        "evals": {**SUITE, "waivers": [], "pass_rate": 0.8},
    },
    ANSWERS: {
        "workflow": ANSWERS,
        "purpose": "Answer questions on products",
        "stage": "limited",
        "owner": {"name": "Ana Costa", "slack": "U0ANA0000"},
        "evals": {**SUITE, "waivers": []},
    },
}


@dataclass(slots=True)
class Evaluated:
    """The ids of what was written: runs by workflow, oldest first, and the approved run."""

    runs: dict[str, list[uuid.UUID]] = field(default_factory=dict)
    baseline: uuid.UUID | None = None


def sha(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def case_names() -> list[str]:
    return [f"{tag}-{number:02d}" for tag in TAGS for number in range(1, CASES // len(TAGS) + 1)]


def build(connection: sa.Connection, *, now: datetime, nights: int = NIGHTS, kept_nights: int = 32) -> Evaluated:
    """Write the eval results as they stand at ``now``; samples of the last ``kept_nights`` and of the baseline only."""
    made = Evaluated()
    midnight = now.replace(hour=2, minute=0, second=0, microsecond=0)
    _nights(connection, made, midnight, nights, kept_nights)
    _few(connection, made, CLAIMS, midnight, runs=3, approved=True)
    _few(connection, made, ANSWERS, midnight, runs=14, approved=False)
    _answering(connection, now)
    _offers(connection, now)
    return made


def _nights(connection: sa.Connection, made: Evaluated, midnight: datetime, nights: int, kept: int) -> None:
    dice = random.Random(7)  # noqa: S311 - the same story each time
    hard = {name: _chance(name) for name in case_names()}
    evidence = 0.4
    first = midnight - timedelta(days=nights - 1)
    since = nights - NIGHTS  # the story is told over the last sixty nights
    for night in range(nights):
        at, told = first + timedelta(days=night), night - since
        after, unknown = told >= CHANGE, told == UNKNOWN
        wobble = dice.gauss(0, 0.02)
        outcomes = {
            name: [int(_passes(name, chance + wobble, dice, after=after, told=told)), 1]
            for name, chance in hard.items()
        }
        if unknown:
            outcomes = dict(list(outcomes.items())[:41])
        evidence = _grown(evidence, dice, told)
        alarm = "alarm" if told >= RAISED else ("watch" if told == CHANGE else "none")
        _result(
            connection,
            made,
            REPLIES,
            at,
            outcomes,
            valid=not unknown,
            alarm="" if told < 0 else alarm,
            evidence=None if unknown else evidence,
            fingerprint=_fingerprint(told),
            dice=dice,
            samples=night >= nights - kept or told == 17,
            after=after,
            known=_alarm_figures(at, told) if night == nights - 1 else None,
        )
    runs = made.runs[REPLIES]
    base = runs[since + 17]
    made.baseline = base
    connection.execute(
        sa.insert(tables.baselines).values(
            workflow=REPLIES,
            run_id=base,
            approved_by="Mara Lindqvist",
            approved_at=first + timedelta(days=since + 17, hours=8),
            note="after the move to gpt-5-mini",
            runs=runs[since + 8 : since + 18],
        )
    )


def _chance(name: str) -> float:
    if name in FLAKY:
        return 0.55
    if name in {*FIXED, "legal-12", "legal-16", WAIVED, EXPIRED}:
        return 0.0
    return LEGAL if name.startswith("legal") else 0.99


def _passes(name: str, chance: float, dice: random.Random, *, after: bool, told: int) -> bool:
    if after and name in BROKEN:
        return False
    if after and name in FIXED:
        return True
    if name in FLAKY:
        return (told * 7 + len(name)) % 5 not in {0, 3}
    if name in {*FIXED, "legal-12", "legal-16", WAIVED, EXPIRED}:
        return False
    return dice.random() < chance


def _grown(evidence: float, dice: random.Random, told: int) -> float:
    if told == CHANGE:
        return 96.0
    if told > CHANGE:
        return min(evidence * 65.0, 4.0e8)
    return min(max(evidence * dice.uniform(0.5, 1.9), 0.15), 12.0)


def _fingerprint(told: int) -> dict[str, Any]:
    return {
        "prompt": sha("prompt 4") if told >= CHANGE else sha("prompt 3"),
        "cases": sha("cases 2"),
        "declaration": sha("declaration"),
        "model": "gpt-5-mini",
        "answered": {"model": ["gpt-5-mini-2026-10-15" if told >= 30 else "gpt-5-mini-2026-08-01"]},
        "data": {"product_index": sha("index")[:10]},
        "judges": {"helpful": f"{sha('judge 2')[:12]} on probation"},
        "harness": "0.3.0",
    }


def _alarm_figures(at: datetime, told: int) -> dict[str, Any]:
    change = (at - timedelta(days=told - CHANGE)).date()
    return {
        "regression": {
            "alarm": "alarm",
            "evidence": 4.0e8,
            "alarm_at": 3650.0,
            "false_alarms_per_year": 0.1,
            "kind": "slice",
            "drop": {"value": 0.056, "low": 0.028, "high": 0.091},
            "since": change.isoformat(),
            "since_between": [change.isoformat(), (change + timedelta(days=1)).isoformat()],
            "cause": f"our prompt changed ({sha('prompt 3')[:7]} → {sha('prompt 4')[:7]})",
            "changed": ["prompt"],
        },
        "flaky": [{"case": name, "passed": 17, "scored": 30, "share": 0.57} for name in FLAKY],
        "waived": [
            {"case": WAIVED, "passed": False, "until": "2026-12-15", "by": "Mara Lindqvist", "why": "tariff"},
            *(
                {"case": f"legal-{number}", "passed": passed, "until": "2026-12-31", "by": "Tom Okoye", "tag": "legal"}
                for number, passed in (("104", False), ("109", True), ("114", None))
            ),
        ],
        "judges": [
            {
                "judge": sha("judge 2"),
                "scorer": "helpful",
                "labels": 31,
                "trusted": False,
                "why": "19 more labels of people are needed before it may decide.",
                "agreement": 0.87,
                "agreement_interval": [0.71, 0.95],
                "kappa": None,
                "kappa_interval": None,
                "floor": 0.6,
            },
            {
                "judge": sha("judge tone"),
                "scorer": "polite",
                "labels": 128,
                "trusted": True,
                "why": "It agrees with people as well as it must.",
                "agreement": 0.93,
                "agreement_interval": [0.87, 0.96],
                "kappa": 0.79,
                "kappa_interval": [0.68, 0.9],
                "floor": 0.6,
            },
        ],
    }


def _few(
    connection: sa.Connection, made: Evaluated, workflow: str, midnight: datetime, *, runs: int, approved: bool
) -> None:
    dice = random.Random(11)  # noqa: S311 - the same story each time
    names = case_names()[:40]
    for night in range(runs):
        outcomes = {name: [int(dice.random() < 0.93), 1] for name in names}
        _result(
            connection,
            made,
            workflow,
            midnight - timedelta(days=runs - 1 - night) + timedelta(minutes=20),
            outcomes,
            valid=True,
            alarm="none" if approved and night else "",
            evidence=0.4 + night if approved and night else None,
            fingerprint=_fingerprint(60),
            dice=dice,
            samples=False,
        )
    if approved:
        connection.execute(
            sa.insert(tables.baselines).values(
                workflow=workflow,
                run_id=made.runs[workflow][0],
                approved_by="Tom Okoye",
                approved_at=midnight - timedelta(days=1),
            )
        )


def _result(
    connection: sa.Connection,
    made: Evaluated,
    workflow: str,
    at: datetime,
    outcomes: Mapping[str, list[int]],
    *,
    valid: bool,
    alarm: str,
    evidence: float | None,
    fingerprint: Mapping[str, Any],
    dice: random.Random,
    samples: bool,
    after: bool = False,
    known: Mapping[str, Any] | None = None,
) -> None:
    run_id = uuid.UUID(bytes=hashlib.sha256(f"{workflow}{at}".encode()).digest()[:16], version=4)
    made.runs.setdefault(workflow, []).append(run_id)
    counted = {name: pair for name, pair in outcomes.items() if workflow != REPLIES or name != WAIVED}
    passed = sum(pair[0] for pair in counted.values())
    put_runs(
        connection,
        {
            "id": run_id,
            "workflow": workflow,
            "stage": "evaluate",
            "window_start": at,
            "window_end": at + timedelta(minutes=4),
            "verdict": ("FAIL" if alarm == "alarm" else "PASS") if valid else "UNKNOWN",
            "summary": f"{passed} of {len(counted)} cases passed"
            if valid
            else f"only {len(counted)} of {CASES} samples could be scored",
            "evidence": {"passed": passed, "pass_rate": passed / len(counted), "bar": "0.85", **(known or {})},
            "versions": {"model": "gpt-5-mini"},
            "trigger": asdict(Trigger("airflow", f"scheduled__{at.isoformat()}", "evals.nightly", "evaluate", 0)),
            "started_at": at,
            "finished_at": at + timedelta(minutes=4),
        },
    )
    if known:
        put_finding(
            connection,
            {
                "run_id": run_id,
                "fingerprint": sha("regressed")[:16],
                "workflow": workflow,
                "stage": "evaluate",
                "kind": "evals.regressed",
                "severity": "critical",
                "title": "Worse than the approved baseline by about 6 points since 2026-11-12",
                "evidence": {"broken": [{"case": name, "probability": 0.99} for name in BROKEN]},
            },
        )
    connection.execute(
        sa.insert(tables.eval_results).values(
            run_id=run_id,
            workflow=workflow,
            at=at,
            origin="schedule",
            valid=valid,
            suite=sha("suite"),
            cases=CASES if workflow == REPLIES else len(outcomes),
            passed=passed,
            scored=len(counted),
            outcomes=dict(outcomes),
            rounds=[{name: [0, 2] for name in BROKEN}] if alarm == "watch" else [],
            slices=_slices(counted),
            scorers=_scorers(passed, len(counted), dice),
            fingerprint=dict(fingerprint),
            cost=Decimal(str(round(0.031 + dice.random() * 0.002 + (0.009 if after else 0), 5))),
            currency="USD",
            latency_p50=round(820 + dice.gauss(0, 25)),
            latency_p95=round(1900 + dice.gauss(0, 120)) + (500 if after else 0),
            evidence=evidence,
            alarm=alarm,
        )
    )
    if samples:
        partitions.ensure(connection, "samples", [at])
        connection.execute(
            sa.insert(tables.samples),
            [
                _sample(run_id, workflow, at, name, passed=bool(pair[0]), after=after, dice=dice)
                for name, pair in outcomes.items()
            ],
        )


def _slices(outcomes: Mapping[str, list[int]]) -> dict[str, Any]:
    found = {}
    for tag in TAGS:
        mine = [pair[0] for name, pair in outcomes.items() if name.startswith(tag)]
        if mine:
            found[tag] = {"passed": sum(mine), "of": len(mine), "share": sum(mine) / len(mine)}
    return found


def _scorers(passed: int, of: int, dice: random.Random) -> dict[str, Any]:
    helpful = round(of * 0.88)
    return {
        "json_schema": {"passed": of, "of": of, "share": 1.0, "mean": 1.0, "advisory": False},
        "exact(intent)": {"passed": passed, "of": of, "share": passed / of, "mean": passed / of, "advisory": False},
        "polite": {"passed": of - 1, "of": of, "share": (of - 1) / of, "mean": 0.96, "advisory": False},
        "helpful": {"passed": helpful, "of": of, "share": helpful / of, "mean": round(0.8 + dice.random() / 50, 3), "advisory": True},
    }  # fmt: skip


def _sample(
    run_id: uuid.UUID, workflow: str, at: datetime, name: str, *, passed: bool, after: bool, dice: random.Random
) -> dict[str, Any]:
    tag = name.split("-", maxsplit=1)[0]
    intent = tag if passed else "other"
    reply = "We have sent the refund of 42.00 GBP to your card; it arrives within five working days."
    if after:
        reply = "The refund of 42.00 GBP is on its way to your card and should arrive within five days."
    if not passed:
        reply = "Please tell us more about your order, so that we can pass it on to the right team."
    output = {"intent": intent, "reply": reply, "amount": 42.0 if passed else None, "sources": ["kb/refunds#3"]}
    return {
        "run_id": run_id,
        "case_id": name,
        "epoch": 0,
        "at": at,
        "workflow": workflow,
        "output": json.dumps(output),
        "passed": passed,
        "scores": [
            {"scorer": "json_schema", "value": 1.0, "passed": True, "reason": "", "weight": 1.0, "advisory": False},
            {
                "scorer": "exact(intent)",
                "value": float(passed),
                "passed": passed,
                "reason": "" if passed else f"says {intent}, {tag} was expected",
                "weight": 2.0,
                "advisory": False,
                "details": {"precision": 1.0, "recall": 0.5, "f1": 0.667},
            },
            {
                "scorer": "helpful",
                "value": 0.6,
                "passed": False,
                "reason": "names no date by which the money arrives",
                "weight": 1.0,
                "advisory": True,
            },
        ],
        "usage": {"model": "gpt-5-mini", "input_tokens": 412, "output_tokens": 58, "cached_tokens": 380},
        "cost": Decimal("0.00031"),
        "latency_ms": round(800 + dice.random() * 400),
        "attempts": 1,
        "request": {
            "model": "gpt-5-mini",
            "messages": [
                {"role": "system", "content": "You answer customers of Harbour Lights. Answer as JSON."},
                {"role": "user", "content": f"Order 5118{len(name)}: where is my money? ({name})"},
            ],
        },
        "response": {"model": "gpt-5-mini-2026-10-15"},
        "fingerprint": {"model": "gpt-5-mini-2026-10-15", "system_fingerprint": "fp_7a1c"},
        "details": {
            "tool_calls": [{"name": "find_order", "arguments": {"order": "51187"}}],
            "sources": ["kb/refunds#3", "kb/cards#1"],
            "calls": [{"purpose": "judge", "usage": {"model": "judge-large", "input_tokens": 300}, "cost": "0.00012"}],
            "pass_score": None,
        },
    }


def _answering(connection: sa.Connection, now: datetime) -> None:
    told = [(29, now - timedelta(days=60)), (50, now - timedelta(days=30)), (60, now - timedelta(days=8, hours=3))]
    for night, at in told:
        connection.execute(
            sa.insert(tables.fingerprints).values(
                workflow=REPLIES,
                fingerprint=_fingerprint(night),
                first_seen_at=at,
                last_seen_at=now - timedelta(minutes=7),
            )
        )
    connection.execute(
        sa.insert(tables.fingerprints).values(
            workflow=CLAIMS,
            fingerprint=_fingerprint(60),
            first_seen_at=now - timedelta(days=3),
            last_seen_at=now - timedelta(minutes=7),
            error="HTTP 503 from the model's endpoint",
        )
    )


def _offers(connection: sa.Connection, now: datetime) -> None:
    for number, said in enumerate(("it was about the shipping, not a refund", "the sum was wrong")):
        key, at = f"reply-009{number}", now - timedelta(days=number + 1)
        connection.execute(
            sa.insert(tables.human_decisions).values(
                workflow=REPLIES, key=key, decided_at=at, decision="corrected", note=said
            )
        )
        connection.execute(
            sa.insert(tables.case_offers).values(
                workflow=REPLIES,
                key=key,
                decided_at=at,
                case={
                    "id": f"correction-{key}",
                    "vars": {"mail": "My parcel has not come, and I paid for express. What now?"},
                    "expected": {"intent": "shipping", "amount": "7.50"},
                    "origin": f"correction of {key}",
                },
                digest=sha(key),
                offered_at=at + timedelta(hours=1),
            )
        )
