"""A run whose process is killed, at whatever moment, goes on where it stood; and among faults nothing is lost or wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import killed_run
import pytest
import sqlalchemy as sa

from doubles.model import Act, ModelDouble

pytestmark = pytest.mark.integration

CASES, CONCURRENCY = 240, 8
PROGRAM = Path(killed_run.__file__)


def number(request: Mapping[str, Any]) -> int:
    """Of the case that is asked."""
    return int(request["messages"][-1]["content"].removeprefix("case "))


def answer(request: Mapping[str, Any], _times: int) -> Act:
    """Each tenth case is answered wrongly; some take longer than others."""
    case = number(request)
    return Act("wrong" if case % 10 == 3 else "right", latency=0.005 + case % 7 / 500)


def asked(double: ModelDouble) -> Counter[str]:
    """How often each case was asked."""
    return Counter(f"c{number(request)}" for request in double.requests)


def start(double: ModelDouble, database: str) -> subprocess.Popen[bytes]:
    """The run in a process of its own."""
    arguments = [double.url, database, str(CASES), str(CONCURRENCY)]
    return subprocess.Popen([sys.executable, str(PROGRAM), *arguments])


def run_until(double: ModelDouble, database: str, requests: int) -> None:
    """Run until the double has got so many more requests, then kill without a warning."""
    until = len(double.asked) + requests
    process = start(double, database)
    while len(double.asked) < until and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    time.sleep(0.2)  # what was on its way to the double arrives


def kept(engine: sa.Engine) -> dict[str, Any]:
    """What stands in the database, by case."""
    with engine.connect() as connection:
        return {row.case_id: row for row in connection.execute(sa.select(killed_run.KEPT))}


def test_after_a_kill_only_the_cases_in_flight_are_asked_again(empty_database: str) -> None:
    """Killed at its first request, soon after, in the middle and late: nothing that was kept is asked or paid twice."""
    engine = sa.create_engine(empty_database)
    killed_run.KEPT.create(engine)
    with ModelDouble(answer) as double:
        for requests in (1, CONCURRENCY, 60, 9, 100):
            done, earlier = kept(engine), asked(double)
            run_until(double, empty_database, requests)
            now, these = kept(engine), asked(double) - earlier
            assert done.keys() <= now.keys() < asked(double).keys()
            assert these.keys().isdisjoint(done)
            assert set(these.values()) == {1}
            assert len(these.keys() - now.keys()) <= CONCURRENCY
        done, earlier = kept(engine), asked(double)
        assert len(done) > 60
        assert start(double, empty_database).wait() == 0
        these = asked(double) - earlier
    after = kept(engine)
    engine.dispose()
    assert these.keys() | done.keys() == after.keys()
    assert (these.keys() & done.keys(), set(these.values())) == (set(), {1})
    assert len(after) == CASES
    assert {case for case, row in after.items() if not row.passed} == {f"c{n}" for n in range(3, CASES, 10)}
    assert {row.cost for row in after.values()} == {killed_run.COST}
