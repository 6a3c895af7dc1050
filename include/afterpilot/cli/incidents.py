"""``afterpilot incidents``: what is wrong, all that is known of it, and what people say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afterpilot.cli.incident_known import at, brief, document, known, lines, standing
from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.cli.workflow_names import must_be_known
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.incident import IncidentState
from afterpilot.domain.run import FLEET
from afterpilot.domain.until import HOW, until
from afterpilot.settings import EnvConnections, Settings

if TYPE_CHECKING:
    from afterpilot.domain.workflow import Workflow
    from afterpilot.pipeline import Answered, Services

app = typer.Typer(help="What is wrong, all that is known of it, and what people say of it.", no_args_is_help=True)
Which = Annotated[str, typer.Argument(help="The incident's id, or the first digits of it.", metavar="ID")]
By = Annotated[str, typer.Option("--by", help="Who says so; the time line and the message name them.")]
_MOST = 200
_SEVERITIES = ("critical", "unknown", "warning")
_STATES = ("unresolved", *(str(state) for state in IncidentState), "all")


@app.command("list")
def list_incidents(
    workflow: Annotated[str, typer.Argument(help="Only those of this workflow.")] = "",
    *,
    state: Annotated[str, typer.Option("--state", help=f"One of {', '.join(_STATES)}.")] = "unresolved",
    severity: Annotated[str, typer.Option("--severity", help=f"One of {', '.join(_SEVERITIES)}.")] = "",
    silenced: Annotated[bool, typer.Option("--silenced", help="Only those whose last message was kept.")] = False,
    json: AsJson = False,
) -> None:
    """Show the incidents that are not over, oldest first; with --state others too.

    Example: afterpilot incidents list invoice_matching --state all
    """
    from afterpilot.record.history.incidents import list_incidents as listed  # the database alone: no declaration

    if state not in _STATES:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(_STATES)}", param_hint="--state")
    if severity and severity not in _SEVERITIES:
        raise typer.BadParameter(f"{severity!r} is none of {', '.join(_SEVERITIES)}", param_hint="--severity")
    with _connect() as connection:
        page = listed(
            connection,
            workflow=workflow,
            state="" if state == "all" else state,
            severity=severity,
            told="silenced" if silenced else "",
            limit=_MOST,
        )
        if workflow and not page.rows:
            must_be_known(connection, workflow, also=[FLEET])
    found = page.rows[::-1]
    if json:
        as_json([brief(one) for one in found])
        return
    for one in found:
        _line(
            f"{str(one['id'])[:8]}  {at(one['opened_at'])}  {one['severity']}  {one['workflow']}: {one['title']}{standing(one)}"
        )
    if page.looked_to:
        _line(
            f"Looked back to {at(page.looked_to)}; older ones were not looked at. Name a workflow, or leave out a filter."
        )
    elif page.after:
        _line(f"Only the newest {_MOST} are shown; name a workflow to see fewer.")
    if state != "unresolved" or severity or silenced:
        console.print(f"{plural(len(found), 'incident')}." if found else "No incident fits.")
    elif found:
        _line(f"{plural(len(found), 'incident')} not over. All about one: afterpilot incidents show ID")
        _line("One that you have: afterpilot incidents acknowledge ID --by NAME; may wait: waive; is settled: resolve")
    else:
        _line(f"No incident{f' of {workflow}' if workflow else ''} is open.")


@app.command()
def show(incident: Which, *, json: AsJson = False) -> None:
    """Show all that is known of an incident: how it stands, what explains it, its time line, and what became of its messages.

    Example: afterpilot incidents show 3f2a91c0
    """
    with _connect() as connection:
        found = known(connection, incident)
    if json:
        as_json(document(found))
        return
    for line in lines(found):
        _line(line)


@app.command()
def acknowledge(
    incident: Which,
    *,
    by: By,
    note: Annotated[str, typer.Option("--note", help="What you are about to do.")] = "",
    json: AsJson = False,
) -> None:
    """Say that you have it: nobody else is called about it, or about what it explains. If it gets worse, that is told.

    Example: afterpilot incidents acknowledge 3f2a91c0 --by "Dana Ruiz" --note "asking the supplier"
    """
    from afterpilot import pipeline

    _answer(lambda services, known: pipeline.acknowledge(services, incident, by=by, note=note, known=known), json=json)


@app.command()
def waive(
    incident: Which,
    *,
    by: By,
    until_: Annotated[
        str, typer.Option("--until", "--for", help=f"{HOW[0].upper()}{HOW[1:]}; where the workflow's people are.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why it may wait; it is kept, and shown with it.")],
    json: AsJson = False,
) -> None:
    """Let it wait for at most 90 days. It is told again then, if it is still there.

    Example: afterpilot incidents waive 3f2a91c0 --for 3d --by "Dana Ruiz" --reason "fixed with Friday's release"
    """
    from afterpilot import pipeline

    def answer(services: Services, known: Mapping[str, Workflow]) -> Answered:
        moment = _moment(until_, services.now(), _zone(services, known, incident))
        return pipeline.waive(services, incident, by=by, until=moment, reason=reason, known=known)

    _answer(answer, json=json)


@app.command()
def resolve(
    incident: Which,
    *,
    by: By,
    note: Annotated[str, typer.Option("--note", help="Why it is settled.")] = "",
    json: AsJson = False,
) -> None:
    """Say that an incident is settled, e.g. that vanished rows were meant to go. A run that finds it anew tells it anew.

    Example: afterpilot incidents resolve 3f2a91c0 --by "Dana Ruiz" --note "test rows, deleted on purpose"
    """
    from afterpilot import pipeline

    _answer(lambda services, known: pipeline.settle(services, incident, by=by, note=note, known=known), json=json)


def _answer(answer: Callable[[Services, Mapping[str, Workflow]], Answered], *, json: bool) -> None:
    from afterpilot.wiring import wire

    wired = wire(Settings.from_environment(), EnvConnections())
    with wired.telling():
        done = answer(wired.services, {workflow.slug: workflow for workflow in wired.declarations.workflows})
    one = done.incident
    if json:
        as_json(
            {
                "id": one.id,
                "workflow": one.workflow,
                "title": one.title,
                "state": str(one.state),
                "changed": done.changed,
                "said": done.said,
            }
        )
        return
    _line(f"{one.workflow}: {one.title}")
    _line(done.said)


def _zone(services: Services, known: Mapping[str, Workflow], incident: str) -> str:
    """The time zone of whoever works on the incident's workflow, as the page has it. Raises AnswerRefused for no such incident."""
    from afterpilot.cli.incident_known import known as known_incident
    from afterpilot.decide.routing import hours_of

    with services.ops.begin() as unit:
        slug = known_incident(unit.connection, incident).row["workflow"]
    return hours_of(services.fleet.alerts, known[slug].alerts if slug in known else None).zone


def _moment(text: str, now: datetime, zone: str) -> datetime:
    try:
        return until(text, now=now, zone=zone)
    except ValueError as error:
        raise AnswerRefused(str(error)) from error


def _connect() -> Any:  # noqa: ANN401 - a context manager of SQLAlchemy, which a command without a database does not load
    from afterpilot.record.ops import connect

    return connect(Settings.from_environment().database_url).connect()


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
