"""The demo's last screen: what a person wants to see, from the ops database alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from afterpilot.demo.missing import has
from afterpilot.demo.money_screen import read_money, shown_money
from afterpilot.demo.nights_screen import read_nights, shown_nights
from afterpilot.demo.shell_file import TOKEN
from afterpilot.demo.state import OWNER_LOGIN
from afterpilot.domain.counting import per_cent, plural
from afterpilot.domain.message import Message
from afterpilot.domain.run import OF_WORKFLOWS, Run, Stage, Trigger
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.notify.preview import render_terminal
from afterpilot.record.ops import Ops, Unit
from afterpilot.record.tables import outbox, review_items

_STYLE = {
    Verdict.PASS: ("✓", "green"),
    Verdict.WARN: ("!", "yellow"),
    Verdict.FAIL: ("✗", "red"),
    Verdict.UNKNOWN: ("?", "magenta"),
}
_ALLOWANCE = "/afterpilot/api/v1/workflows/email_triage/allowance"
_EXAMPLES = 4
_WEEKS = 4  # this one and those before it; of an earlier one the first pull has read a part
_MESSAGES = 5
_WEEKS_OF = {"weekly", "corrected"}  # kinds of messages
_IN_THREAD = {
    "acknowledged",
    "waived",
    "graver",
    "reopened",
    "escalated",
    "resolved",
}  # those that are told in the thread, too
_LOGINS = {
    "admin": "an engineer: sees and runs everything, decides nothing by right",
    OWNER_LOGIN: "owns the invoices: sees and decides these alone",
    "auditor": "reads everything, changes nothing, opens no task log",
}


def show(
    console: Console,
    ops: Ops,
    workflows: Sequence[Workflow],
    office: Mapping[str, int],
    *,
    made: Mapping[str, str] | None = None,
) -> None:
    """Verdicts, what went to people and why, and the messages as they would look.

    ``office`` is how many invoices have each status in the office's own table; ``made`` are the DAG runs of the demo itself, by
    DAG: what they found is shown, whatever Airflow's own schedule has run since.
    """
    with ops.begin() as unit:
        latest = {(w.slug, stage): _run(unit, w.slug, stage, made or {}) for w in workflows for stage in OF_WORKFLOWS}
        reviews = {w.slug: _reviews(unit.connection, w.slug) for w in workflows}
        now = datetime.now(UTC)
        monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
        shown = Window(monday - timedelta(weeks=_WEEKS - 1), now)
        weeks = {w.slug: unit.reports.weekly_counts(w.slug, shown) for w in workflows}
        messages = _messages(unit.connection, {w.slug for w in workflows if w.stage == "shadow"})
        evals = {w.slug: read_nights(unit.connection, w.slug) for w in workflows if w.evals is not None}
        money = read_money(unit, workflows, now)
        waiting = {w.slug: _waiting(unit.connection, w.slug) for w in workflows}
    console.print()
    console.rule("[bold]Verdict of each stage", style="dim")
    for workflow in workflows:
        console.print(Text.assemble((f"  {workflow.slug}", "bold"), f" ({workflow.stage})"))
        console.print(_verdicts(workflow, latest))
    console.rule("[bold]What went to people, and why", style="dim")
    for workflow in workflows:
        console.print(_routed(workflow, weeks[workflow.slug], reviews[workflow.slug], waiting[workflow.slug]))
    console.print(_told(office))
    console.rule("[bold]Evals, night by night", style="dim")
    for slug, nights in evals.items():
        console.print(shown_nights(slug, nights))
    console.rule("[bold]Money: caps, bill against meter, whole-life cost", style="dim")
    console.print(shown_money(money))
    console.rule("[bold]Messages, as they would look in Slack", style="dim")
    for channel, message, thread in messages:
        lines = [Text.assemble(("  ↳ ", "dim"), line) for line in thread]
        shown_message = Group(render_terminal(message), *lines)
        console.print(Panel(shown_message, title=channel, title_align="left", border_style="dim"))


def _run(unit: Unit, workflow: str, stage: Stage, made: Mapping[str, str]) -> Run | None:
    """The demo's own run of a stage, else the newest."""
    triggers = [Trigger(origin="airflow", run_id=run_id, dag_id=dag_id) for dag_id, run_id in made.items()]
    own = [run for one in triggers if (run := unit.runs.find(workflow, stage, one)) is not None]
    return max(own, key=lambda run: run.finished_at) if own else unit.runs.latest(workflow, stage)


def farewell(
    console: Console, *, address: str, passwords: Mapping[str, str], shell_file: str, suite: str, head: str = ""
) -> None:
    """Where to look further, how to log in, and how the command line finds this demo."""
    queue = f"{address}/afterpilot/review"
    table = Table.grid(padding=(0, 2))
    table.add_row("Run history", f"[link={address}/afterpilot/]{address}/afterpilot/[/link]")
    keys = (
        "[bold]s[/bold] start, [bold]a[/bold] accept, [bold]c[/bold] correct, [bold]r[/bold] reject; as " + OWNER_LOGIN
    )
    table.add_row("Decide", f"[link={queue}]{queue}[/link]   {keys}")
    table.add_row("Spend", f"[link={address}/afterpilot/spend]{address}/afterpilot/spend[/link]")
    table.add_row("Airflow", f"[link={address}]{address}[/link]")
    for word, (name, sees) in zip(("Log in as", "", ""), _LOGINS.items(), strict=True):
        table.add_row(word, f"[bold]{name}[/bold] / {passwords[name]}   ({sees})")
    table.add_row("Command line", Text(f"source {shell_file}", style="bold"))
    for command, what in (
        ("afterpilot review", "what waits for people"),
        ("afterpilot preview invoice_matching", "which checks would have fired, window by window"),
        (f"afterpilot check table --url erp --table ai_invoice_runs --suite {suite}", "any table, any suite"),
        ("afterpilot new", "propose a declaration from a table, such as mailbox's triage_runs"),
        (
            "afterpilot incidents list",
            "what is wrong, and who has it; `afterpilot alerts preview`: every kind of message",
        ),
        ("afterpilot spend", "how every cap stands; `afterpilot bills show`: the bill against the meter"),
        ("afterpilot cost invoice_matching", "the whole-life cost, part by part"),
        ("afterpilot evals corrections invoice_matching", "what clerks corrected, as eval cases"),
        (
            "afterpilot audit export --workflow invoice_matching -o bundle.zip",
            "its history, as evidence that proves itself",
        ),
    ):
        table.add_row("", Text.assemble((command, "bold"), (f"   {what}" if what else "", "dim")))
    console.print(Panel(table, title="Look around", border_style="green", title_align="left"))
    for what, command in (  # too long for a frame, which would break them: what is copied has to work
        (
            "Verify that bundle",
            f"afterpilot audit verify bundle.zip --head {head}" if head else "afterpilot audit head",
        ),
        ("What the gateway is told", f'curl -H "Authorization: Bearer ${TOKEN}" {address}{_ALLOWANCE}'),
    ):
        console.print(Text.assemble((f"{what}: ", "dim"), (command, "bold")), soft_wrap=True)


def farewell_stopped(console: Console) -> None:
    """How to look around where everything is stopped now."""
    text = "Everything stops now. `make demo` keeps it up, and says how to open the run history (/afterpilot/), Airflow and the "
    text += "command line; it goes on where this run has ended."
    console.print(Panel(Text(text), title="Look around", border_style="green", title_align="left"))


def _verdicts(workflow: Workflow, latest: dict[tuple[str, Stage], Run | None]) -> Table:
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_column(style="dim", min_width=10)
    table.add_column(overflow="fold")
    for stage in OF_WORKFLOWS:
        if has(workflow, stage):
            table.add_row(str(stage), _cell(latest[workflow.slug, stage]))
    return table


def _cell(run: Run | None) -> RenderableType:
    if run is None:
        return Text("? UNKNOWN  no run yet", style="magenta")
    mark, style = _STYLE[run.verdict]
    return Text.assemble((f"{mark} {run.verdict:<8}", f"bold {style}"), _summary(run))


def _summary(run: Run | None) -> Text:
    return Text(run.summary if run else "no run yet")


def _routed(
    workflow: Workflow, weeks: Sequence[sa.Row[Any]], examples: Sequence[tuple[str, str]], waiting: Mapping[str, int]
) -> Group:
    lines: list[RenderableType] = [Text(f"  {workflow.slug}", style="bold")]
    lines += [
        Text.assemble(
            f"    week of {week.week.day:>2} {week.week:%B}: {week.outputs:>5,} output{'' if week.outputs == 1 else 's'}, ",
            (f"{week.released:,} released", "green"),
            ", ",
            (f"{week.routed:,} to people", "yellow"),
            f" ({per_cent(week.routed / week.outputs)}), {plural(week.spot_checked, 'spot check')}",
        )
        for week in weeks[-_WEEKS:]
    ]
    lines += [Text.assemble(("    → ", "dim"), (f"{key}  ", "cyan"), text) for key, text in examples]
    if waiting:
        checks = waiting.get("spot_check", 0)
        routed = sum(waiting.values()) - checks
        lines.append(
            Text(f"    in the review queue now: {plural(routed, 'output')} to decide, {plural(checks, 'spot check')}")
        )
    return Group(*lines)


def _told(office: Mapping[str, int]) -> Text:
    """What the office's own table says, which the gate and people have written."""
    filed, refused = (office.get(status, 0) for status in ("filed", "refused"))
    parts = [
        ("  in the office's own table, column status: ", ""),
        (f"{filed:,} filed", "green"),
        (f", {office.get('with_clerk', 0):,} with a clerk", "yellow"),
        (f", {refused:,} refused, {office.get('waiting', 0):,} waiting", ""),
    ]
    return Text.assemble(*parts)


def _waiting(connection: sa.Connection, workflow: str) -> dict[str, int]:
    """How many items of the review queue nobody has decided on, by the reason for which they are there."""
    statement = (
        sa.select(review_items.c.reason, sa.func.count().label("items"))
        .where(review_items.c.workflow == workflow, review_items.c.decided_at.is_(None))
        .group_by(review_items.c.reason)
    )
    return {row.reason: row.items for row in connection.execute(statement)}


def _reviews(connection: sa.Connection, workflow: str) -> list[tuple[str, str]]:
    """The newest failing outputs, one for each kind of check, in words."""
    statement = (
        sa.select(review_items.c.key, review_items.c.discrepancies)
        .where(review_items.c.workflow == workflow, review_items.c.reason == "failed_check")
        .order_by(review_items.c.at.desc())
        .limit(60)
    )
    shown: dict[str, tuple[str, str]] = {}
    for key, found in connection.execute(statement):
        first: dict[str, Any] = found[0]
        shown.setdefault(f"{first['check']}/{first['field']}", (key, str(first["text"])))
    return list(shown.values())[:_EXAMPLES]


def _messages(connection: sa.Connection, shadows: Collection[str]) -> list[tuple[str, Message, tuple[str, ...]]]:
    """The newest message of each incident and report with the lines that its thread has got, one of each kind and tone; what is over
    comes last, but for a regression.

    The week of a workflow that runs in the shadow is not among them: those that people depend on come first.
    """
    statement = sa.select(outbox).where(outbox.c.state != "dead").order_by(outbox.c.created_at.desc()).limit(500)
    current: dict[object, sa.Row[Any]] = {}
    threads: defaultdict[object, list[str]] = defaultdict(list)
    for row in connection.execute(statement):
        if row.kind in _IN_THREAD and row.incident_id:
            threads[row.incident_id].insert(0, str(row.message["notification"]))
        current.setdefault(("week", row.workflow) if row.kind in _WEEKS_OF else row.incident_id or row.id, row)
    shown: dict[tuple[int, str, str], tuple[str, Message, tuple[str, ...]]] = {}
    for row in current.values():
        if row.kind in _WEEKS_OF and row.workflow in shadows:
            continue
        message = Message.from_dict(row.message)
        regressed = "evals.regressed" in message.footer
        kind = "weekly" if row.kind in _WEEKS_OF else row.kind
        rank = {"weekly": 2, "resolved": 1 if regressed else 3}.get(kind, 0)
        shown.setdefault(
            (rank, kind, "regressed" if regressed else message.tone),
            (row.channel, message, tuple(threads[row.incident_id])),
        )
    return [shown[kind] for kind in sorted(shown, key=lambda kind: kind[0])[:_MESSAGES]]
