"""What all pages share: the ops database for reading, the templates, the addresses and the time."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import percent
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.web import evidence, links, text
from afterpilot.web.access import nobody
from afterpilot.web.evals.standing import short_day
from afterpilot.web.withholding import withheld

NOBODY = nobody()  # of a page that is made before it is known who asks
PATIENCE = "15s"  # a page that takes longer tells the reader to narrow the question
NAVIGATION = (
    ("status", "", "Status"),
    ("runs", "runs", "Runs"),
    ("evals", "evals", "Evals"),
    ("spend", "spend", "Spend"),
    ("incidents", "incidents", "Incidents"),
    ("review", "review", "Review"),
    ("messages", "messages", "Messages"),
    ("declarations", "declarations", "Declarations"),
    ("coverage", "coverage", "Coverage"),
    ("as_of", "as-of", "As of"),
    ("obligations", "obligations", "Obligations"),
    ("ledger", "ledger", "Ledger"),
    ("health", "health", "Health"),
)


def utc_now() -> datetime:
    """The time now, aware UTC."""
    return datetime.now(UTC)


class Frame:
    """Renders pages and reads the ops database."""

    def __init__(
        self, engine_factory: Callable[[], sa.Engine], *, prefix: str, airflow_url: str, clock: Callable[[], datetime]
    ) -> None:
        self._engine_factory = engine_factory
        self._engine: sa.Engine | None = None
        self._lock = threading.Lock()
        self._prefix = prefix.rstrip("/")
        self._airflow_url = airflow_url.rstrip("/")
        self.clock = clock
        self._templates = _environment()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that can only read, and sees one moment of the database throughout."""
        with self._lock:
            if self._engine is None:
                self._engine = self._engine_factory()
        with self._engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{PATIENCE}'")
            connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
            yield connection

    @contextlib.contextmanager
    def reading_quickly(self) -> Iterator[sa.Connection]:
        """A connection for one short statement, without the round trips that :meth:`reading` begins with."""
        with self._lock:
            if self._engine is None:
                self._engine = self._engine_factory()
        with self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that may change something: all of it is kept when the block ends well."""
        with self._lock:
            if self._engine is None:
                self._engine = self._engine_factory()
        with self._engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{PATIENCE}'")
            connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
            yield connection

    def page(
        self,
        request: Request,
        template: str,
        *,
        title: str,
        here: str = "",
        status: int = 200,
        withholds: bool = True,
        **data: Any,  # noqa: ANN401 - whatever the template shows
    ) -> HTMLResponse:
        """A page in the common frame. ``here`` names the entry of the navigation that it belongs to.

        ``withholds`` is False for what quotes no production data, such as declarations: else auditors do not read what names a field
        that became personal after it had been kept.
        """
        base = self.base(request)
        now = self.clock()
        who = getattr(request.state, "sight", None) or NOBODY
        if withholds and not who.sees_personal:
            about = _about(request, data)
            title, data = withheld(title, who.late, workflow=about), withheld(data, who.late, workflow=about)
        html = self._templates.get_template(template).render(
            title=title,
            here=here,
            navigation=NAVIGATION,
            url=functools.partial(address, base),
            airflow_page=functools.partial(links.airflow_page, self._airflow(base) if who.sees_logs else None),
            now=now,
            page_address=str(request.url),
            sight=who,
            ago=functools.partial(text.ago, now=now),
            style_version=style_version(),
            script_version=version_of(script()),
            **data,
        )
        return HTMLResponse(html, status_code=status)

    def base(self, request: Request) -> str:
        """Where the pages are mounted, as the browser sees it."""
        return str(request.scope.get("root_path", "")).rstrip("/") or self._prefix

    def _airflow(self, base: str) -> str | None:
        if self._airflow_url:
            return self._airflow_url
        mounted = bool(self._prefix) and base.endswith(self._prefix)
        return base.removesuffix(self._prefix) if mounted else None


def _about(request: Request, data: Mapping[str, Any]) -> str:
    """The workflow that a page is about; empty where it is about several."""
    shown = getattr(request.state, "shown", None)
    path = request.path_params
    said = data.get("workflow")
    return str(
        (shown and shown.workflow)
        or path.get("workflow")
        or path.get("slug")
        or (said if isinstance(said, str) else "")
    )


def address(base: str, *parts: object, **query: object) -> str:
    """An address within the pages, each part and value quoted; empty values of the query are left out."""
    path = "/".join(links.quoted(part) for part in parts)
    filled = {name.rstrip("_"): str(value) for name, value in query.items() if value not in ("", None)}
    return f"{base}/{path}" + (f"?{urlencode(filled)}" if filled else "")


@functools.cache
def style() -> str:
    """The style sheet."""
    return files("afterpilot.web").joinpath("static", "style.css").read_text(encoding="utf-8")


@functools.cache
def script() -> str:
    """The script of the review queue: its keys and reservations."""
    return files("afterpilot.web").joinpath("static", "review.js").read_text(encoding="utf-8")


def style_version() -> str:
    """A short hash of the style sheet, so that browsers may keep it until it changes."""
    return version_of(style())


@functools.cache
def version_of(content: str) -> str:
    """A short hash of a file's content."""
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("afterpilot.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.finished,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        moment=text.moment,
        clock=text.clock,
        exact=text.exact_moment,
        day=text.day,
        words=text.words,
        breakable=text.breakable,
        began=text.began,
        plural=plural,
        fold=text.fold,
        duration=text.duration,
        money=text.money,
        per_million=text.per_million,
        percent=percent,
        short_day=short_day,
        minutes=text.minutes,
        safe_url=links.safe_url,
        tree=evidence.tree,
        as_json=evidence.as_json,
    )
    environment.globals.update(stages=[str(stage) for stage in Stage], verdicts=[str(verdict) for verdict in Verdict])
    return environment
