"""From what a run found to the message about it: who it goes to, how sure, what it costs, which pages it links to."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import Link, Message
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding
from afterpilot.domain.workflow import Person, Workflow
from afterpilot.notify.compose import Context, declaration_message, incident_message

BROKEN = "declaration.broken"
_CHARTS = {"evaluate": "evals", "spend": "spend"}  # the pages with a chart, by stage


class Messages:
    """Writes the messages of incidents.

    Args:
        base_url: the address of the run history's server, e.g. ``https://airflow.example.com``; without it no page is linked.
        runbook_url: where a workflow's runbook can be read, with ``{workflow}`` in it; without it no runbook is linked.
        operators: who answers for a folder that names no owner because it cannot be read; the first is called.
        interactive: whether buttons act at once in Slack, so that they need no page.

    A finding's evidence may hold, beside its figures, what the message says of them in words: ``certainty``, ``cost`` and
    ``to_do`` as texts, ``examples`` as a list of short lines.
    """

    def __init__(
        self, *, base_url: str = "", runbook_url: str = "", operators: Sequence[Person] = (), interactive: bool = False
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._runbook_url = runbook_url
        self._operators = tuple(operators)
        self._interactive = interactive

    def incident(
        self,
        incident: Incident,
        finding: Finding | None = None,
        *,
        workflow: Workflow | None = None,
        run_id: uuid.UUID | None = None,
        news: str = "",
        said: str = "",
    ) -> Message:
        """The incident's one message as it stands now; ``workflow`` is None where its declaration cannot be used. ``news`` is what
        has just happened to it, as its time line calls it; ``said`` tells it in a sentence.
        """
        evidence = finding.evidence if finding else {}
        context = Context(
            owner=workflow.owner if workflow else next(iter(self._operators), None),
            deputy=workflow.deputy if workflow else None,
            certainty=_words(evidence, "certainty"),
            cost=_words(evidence, "cost"),
            to_do=_words(evidence, "to_do"),
            examples=_lines(evidence, "examples"),
            links=(*self.answers(incident), *self._pages(incident, run_id or incident.run_id)),
        )
        if incident.kind == BROKEN:
            problems = _lines(evidence, "problems") or tuple(incident.detail.splitlines())
            return declaration_message(incident, problems, context=context, news=news, said=said)
        return incident_message(incident, finding, context=context, news=news, said=said)

    @property
    def review_url(self) -> str:
        """The address of the review queue; empty where no page can be linked."""
        return f"{self._base_url}/afterpilot/review" if self._base_url else ""

    def links(
        self, workflow: str, *, run_id: uuid.UUID | None = None, incident_id: uuid.UUID | None = None
    ) -> tuple[Link, ...]:
        """Buttons to the run, the incident and the runbook, as far as their addresses are known."""
        links: list[Link] = []
        if self._base_url and run_id:
            links.append(Link("Open the run", f"{self._base_url}/afterpilot/runs/{run_id}", primary=True))
        if self._base_url and incident_id:
            links.append(Link("Incident", self._page(incident_id)))
        if self._runbook_url and workflow != FLEET:  # a runbook lies in the folder of a workflow
            links.append(Link("Runbook", self._runbook_url.replace("{workflow}", quote(workflow, safe=""))))
        return tuple(links)

    def answers(self, incident: Incident) -> tuple[Link, ...]:
        """Buttons by which people answer, as far as the incident's state leaves something to say."""
        if not self._base_url and not self._interactive:
            return ()
        place = self._page(incident.id, "acknowledge")
        taken_up = Link("Acknowledge", place, primary=True, action=f"acknowledge:{incident.id}")
        waived = Link("Waive…", self._page(incident.id, "waive"), action=f"waive:{incident.id}")
        if incident.state is IncidentState.OPEN:
            return (taken_up, waived)
        return (waived,) if incident.state is IncidentState.ACKNOWLEDGED else ()

    def _pages(self, incident: Incident, run_id: uuid.UUID | None) -> tuple[Link, ...]:
        """The pages about an incident; the chart of what its stage measures comes last."""
        pages = self.links(incident.workflow, run_id=run_id, incident_id=incident.id)
        if self.answers(incident):
            pages = tuple(replace(link, primary=False) for link in pages)  # one button stands out
        chart = _CHARTS.get(incident.stage)
        if not chart or not self._base_url or incident.workflow == FLEET:
            return pages
        where = f"{self._base_url}/afterpilot/{chart}/{quote(incident.workflow, safe='')}"
        return (*pages, Link("Chart", where))

    def page(self, incident: Incident) -> str:
        """The address of an incident's page; empty where no page can be linked."""
        return self._page(incident.id) if self._base_url else ""

    @property
    def open_incidents_url(self) -> str:
        """The address of the list of incidents that nobody has taken up; empty where no page can be linked."""
        return f"{self._base_url}/afterpilot/incidents?state=open" if self._base_url else ""

    def _page(self, incident_id: uuid.UUID, part: str = "") -> str:
        if not self._base_url:
            return ""
        return f"{self._base_url}/afterpilot/incidents/{incident_id}{f'#{part}' if part else ''}"


def _words(evidence: Mapping[str, Any], name: str) -> str:
    value = evidence.get(name)
    return value if isinstance(value, str) else ""


def _lines(evidence: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = evidence.get(name)
    return tuple(str(line) for line in value) if isinstance(value, list | tuple) else ()
