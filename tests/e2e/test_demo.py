"""The demo as a newcomer starts it: everything real, from PostgreSQL and the language model to Airflow's four processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]
TIMEOUT_SECONDS = 1500


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def demo(home: Path, port: int, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "afterpilot.demo", *options],
        env={**os.environ, "AFTERPILOT_DEMO_HOME": str(home), "AFTERPILOT_PORT": str(port), **environ},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def query(home: Path, database: str, sql: str) -> Sequence[Any]:
    """All rows of a statement on a database of the running demo, as its superuser: the application may not read the office's."""
    exported = re.search(r"AFTERPILOT_DATABASE_URL='?([^'\s]+)", (home / "env").read_text())
    assert exported
    engine = sa.create_engine(sa.make_url(exported[1]).set(database=database, username="postgres"))
    try:
        with engine.connect() as connection:
            return connection.execute(sa.text(sql)).all()
    finally:
        engine.dispose()


@contextlib.contextmanager
def staying(home: Path, port: int) -> Iterator[Path]:
    """The demo as it stays up for somebody who looks around; what it prints, as a file."""
    said = home / "said.txt"
    with said.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "afterpilot.demo"],
            env={**os.environ, "AFTERPILOT_DEMO_HOME": str(home), "AFTERPILOT_PORT": str(port)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while "It stays up" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(1)
        yield said
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def reviewer(address: str, home: Path) -> requests.Session:
    """A browser in which the owner of the invoices is logged in: an administrator decides nothing by right."""
    password = json.loads((home / "secrets.json").read_text())["dana.ruiz"]
    login = requests.post(f"{address}/auth/token", json={"username": "dana.ruiz", "password": password}, timeout=30)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    session.headers["Sec-Fetch-Site"] = "same-origin"
    return session


def accept(session: requests.Session, address: str, key: str) -> None:
    """Press ``a`` and ``Enter`` on an item's page."""
    item = {"workflow": "invoice_matching", "key": key}
    page = session.get(f"{address}/afterpilot/review/item", params=item, timeout=60)
    page.raise_for_status()
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found, page.text[:3000]
    form = {**item, "token": found[1], "decision": "accepted", "reason": "agreed with the buyer", "seconds": "40"}
    done = session.post(f"{address}/afterpilot/review/decide", data=form, timeout=60, allow_redirects=False)
    assert done.status_code == requests.codes.see_other, done.text[:3000]


def left_over(home: Path) -> list[str]:
    """Processes that still carry the demo's folder in their environment or command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(home).encode() in text and int(process.name) != os.getpid():
            found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def test_the_whole_path_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Every stage ran in Airflow, outputs went to people with the reason, the office was told of each once, the history is
    behind the login; a second start takes what people decide in the queue to the office; no process is left.
    """
    done = demo(tmp_path, free_port(), "--once")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    for words in (
        "outputs released",
        "to people",
        "purchase order PO-",
        "our prompt changed",
        "wait to become cases",
        "/afterpilot/",
        "week of",
        "in the review queue now: ",
        "0 waiting",
        "looked at",
    ):
        assert words in done.stdout, f"{words!r} is missing in:\n{done.stdout}"
    assert "no run yet" not in done.stdout
    assert re.search(r"Wrong when alone.*?95 % interval .*? looked at", done.stdout, re.DOTALL), done.stdout
    assert left_over(tmp_path) == []
    port = free_port()
    with staying(tmp_path, port) as said:
        assert f"http://127.0.0.1:{port}/afterpilot/review" in said.read_text()
        _each_was_told_once(tmp_path)
        _the_bill_agrees_but_for_the_pilot(tmp_path)
        _a_decision_reaches_the_office(tmp_path, f"http://127.0.0.1:{port}")
    assert left_over(tmp_path) == []


def _each_was_told_once(home: Path) -> None:
    """What the gate released was filed by one release each; nothing waits, and the spot checks of old were looked at."""
    released = "SELECT key FROM gate_decisions WHERE workflow = 'invoice_matching' AND released"
    keys = {row.key for row in query(home, "afterpilot", released)}
    told = query(home, "afterpilot", "SELECT key, state, number FROM releases WHERE effect = 'released'")
    assert sorted(row.key for row in told) == sorted(keys)
    assert {(row.state, row.number) for row in told} == {("done", 1)}
    office = dict(query(home, "erp", "SELECT run_id, status FROM ai_invoice_runs"))
    assert {office[key] for key in keys} == {"filed"}
    assert "waiting" not in office.values()
    checked = "SELECT workflow FROM review_items WHERE reason = 'spot_check' AND decided_at IS NOT NULL GROUP BY 1"
    assert {row.workflow for row in query(home, "afterpilot", checked)} == {"invoice_matching", "email_triage"}


def _the_bill_agrees_but_for_the_pilot(home: Path) -> None:
    """Whenever Airflow had the bill read, before the records came or after: nothing is told of it but what nobody owns."""
    there = "SELECT kind, title FROM incidents WHERE stage = 'bills' AND state <> 'resolved'"
    found = [tuple(row) for row in query(home, "afterpilot", there)]
    assert [kind for kind, _ in found] == ["bills.unowned"], found


def _a_decision_reaches_the_office(home: Path, address: str) -> None:
    """One that the gate has held is accepted on its page: the office has the decision, and has filed the invoice."""
    held = "SELECT key FROM review_items WHERE workflow = 'invoice_matching' AND reason = 'failed_check' AND decided_at IS NULL"
    key = query(home, "afterpilot", held)[0].key
    accept(reviewer(address, home), address, key)
    office = (
        f"SELECT status, decision, clerk FROM ai_invoice_runs JOIN ap_decisions USING (run_id) WHERE run_id = '{key}'"
    )
    deadline = time.monotonic() + 300  # the DAG `deliver` comes each minute, `gate` every two
    while [tuple(row) for row in query(home, "erp", office)] != [("filed", "ok", "dana.ruiz")]:
        assert time.monotonic() < deadline, (key, query(home, "erp", office))
        time.sleep(2)


def test_a_port_in_use_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    """The message names the port and a way out; no process and no lock stays."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = demo(tmp_path, port, "--once")
    assert done.returncode == 2
    assert f"Port {port} is in use" in done.stdout
    assert f"AFTERPILOT_PORT={port + 1}" in done.stdout
    assert left_over(tmp_path) == []


def test_a_real_model_without_a_name_is_said_at_once(tmp_path: Path) -> None:
    """Half a configuration is an error with what is missing, not a call to a nameless model."""
    done = demo(tmp_path, free_port(), "--once", MODEL_BASE_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert "MODEL_NAME" in done.stdout
    assert left_over(tmp_path) == []
