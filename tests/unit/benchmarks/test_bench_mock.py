"""The eval benchmark's own parts: its faults, what its mock counts, and how a tool's store is held against the truth."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # benchmarks/ is no part of the package

from benchmarks.evals import ours, work
from benchmarks.evals.cells import Cell, Result
from benchmarks.evals.faults import SHARES, Fault, fault
from benchmarks.evals.install import NotInstalled, install
from benchmarks.evals.measure import Ran
from benchmarks.evals.mock import Ledger, response
from benchmarks.evals.table import Aim, aims, best
from benchmarks.evals.tool import Environment

N = 1000


def body(data: bytes) -> bytes:
    """What follows the head of a reply."""
    return data.split(b"\r\n\r\n", 1)[1]


def test_faults_are_the_same_whoever_asks_and_in_whatever_order() -> None:
    """The fault is a function of case and attempt alone."""
    asked = [(case, attempt) for case in range(50) for attempt in range(3)]
    assert [fault(*one) for one in asked] == [fault(*one) for one in reversed(asked)][::-1]


def test_faults_have_the_shares_that_the_docs_name() -> None:
    """One in ten of the first requests fails, each kind near its share, and no case fails for ever."""
    drawn = Counter(fault(case, 0) for case in range(10_000))
    for kind, share in SHARES.items():
        assert drawn[kind] / 10_000 == pytest.approx(share, rel=0.2)
    assert sum(fault(case, 0) is not Fault.NONE for case in range(N)) == 100
    assert all(any(fault(case, attempt) is Fault.NONE for attempt in range(3)) for case in range(N))


def test_a_retry_draws_anew() -> None:
    """A case that met a fault meets it again about as rarely as any other case."""
    again = [fault(case, 1) for case in range(10_000) if fault(case, 0) is not Fault.NONE]
    assert sum(kind is not Fault.NONE for kind in again) / len(again) == pytest.approx(0.1, rel=0.3)


def test_the_mock_counts_what_is_asked_twice_and_too_early() -> None:
    """A second request counts as again; before the Retry-After is over it counts as early too."""
    ledger = Ledger(faults=True, tell_after=-1)
    busy = next(case for case in range(N) if fault(case, 0) is Fault.BUSY)
    other = next(case for case in range(busy + 1, N) if fault(case, 0) is Fault.BUSY)
    for case in (busy, other):
        assert ledger.came(case, 10.0) is Fault.BUSY
        ledger.sent(case, Fault.BUSY, 10.05)
    ledger.came(busy, 11.0)
    ledger.came(other, 11.06)
    seen = ledger.seen
    assert (seen.requests, seen.cases, seen.again, seen.early, seen.most_at_once) == (4, 2, 2, 1, 2)


def test_the_mock_says_once_when_half_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """It tells after so many good replies, not after faults."""
    ledger = Ledger(faults=False, tell_after=2)
    for case, kind in enumerate([Fault.SERVER, Fault.NONE, Fault.NONE, Fault.NONE]):
        ledger.came(case, 1.0)
        ledger.sent(case, kind, 1.05)
    assert capsys.readouterr().out.split("\n") == ['{"told": 2}', ""]


def test_a_good_reply_is_an_answer_with_usage_and_a_cut_one_is_no_json() -> None:
    """About 0.6 KB with usage; the truncated one has a length of its own, and cannot be read."""
    reply = body(response(7, Fault.NONE))
    assert 500 < len(reply) < 800
    read = json.loads(reply)
    assert read["choices"][0]["message"]["content"] == work.answer(7)
    assert read["usage"]["total_tokens"] == 190
    cut = response(7, Fault.CUT)
    assert f"Content-Length: {len(body(cut))}\r\n".encode() in cut
    with pytest.raises(ValueError, match=r"."):
        json.loads(body(cut))


def test_a_case_names_itself_once_in_its_request() -> None:
    """So that the mock knows which case asks."""
    text = json.dumps(work.request(412))
    assert text.count("INV-") == 1
    assert work.number_of(text) == 412


def test_the_truth_is_one_case_in_ten_misread() -> None:
    """The five assertions over what the model answers give 900 right and 100 failed."""
    valid = work.validator()
    held = [all(work.verdicts(work.answer(case), case, valid).values()) for case in range(N)]
    assert (held.count(True), held.count(False)) == (900, 100)
    assert all(held[case] != work.wrong(case) for case in range(N))
    failing = work.verdicts(work.answer(0), 0, valid)
    assert [name for name, value in failing.items() if not value] == ["po_number"]


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"total": null, "supplier": 3}', '{"total": " "}'])
def test_an_answer_that_is_none_fails_every_assertion(text: str) -> None:
    """And raises nothing."""
    assert not any(work.verdicts(text, 3, work.validator()).values())


def test_what_a_store_says_is_held_against_the_truth() -> None:
    """Right, failed, error, lost, and verdicts that are otherwise than the truth."""
    said = {case: work.FAILED if work.wrong(case) else work.PASSED for case in range(20)}
    assert str(work.compared(said, 20)) == "18/2/0/0/0"
    said[0], said[1], said[2] = work.PASSED, work.FAILED, work.ERROR
    del said[3]
    assert str(work.compared(said, 20)) == "16/2/1/1/2"


def test_a_line_that_was_cut_off_is_no_verdict() -> None:
    """Error apart from failed, and the last line of a killed process left out."""
    good = {"case": "INV-0000001", "verdicts": {"a": True, "b": True}}
    bad = {"case": "INV-0000002", "verdicts": {"a": True, "b": False}}
    error = {"case": "INV-0000003", "verdicts": {}, "error": "500"}
    lines = [json.dumps(one) for one in (good, bad, error)]
    found = work.from_lines([*lines, lines[0][:-9].replace("1", "4")])
    assert found == {1: work.PASSED, 2: work.FAILED, 3: work.ERROR}


def result(tool: str, name: str, *, wall: float, cases: int = 10_000, lost: int = 0) -> Result:
    """A run with such a wall."""
    return Result(
        tool=tool,
        cell=Cell(name, cases, 32),
        ran=Ran(wall, 1.0, 50.0, 0.0, 0, killed=False, timed_out=False),
        outcome=work.Outcome(cases - lost, 0, 0, lost, 0),
        whole_ratio=wall / 15.625,
        request_ratio=1.0,
        cpu_ms=1.0,
        server_cpu_ms=0.0,
        kb=1.0,
        requests=cases,
        asked_twice=0,
        early=0,
        at_once=32,
    )


def test_an_aim_is_missed_when_a_peer_is_too_near() -> None:
    """A peer at 4.9 times our wall misses the five; what was not measured is not missed."""
    runs = {
        ("ours-postgres", "n10000"): [result("ours-postgres", "n10000", wall=20.0)],
        ("promptfoo", "n10000"): [result("promptfoo", "n10000", wall=98.0)],
    }
    missed = [aim.what for aim in aims(runs) if aim.missed]
    assert missed == ["N=10,000, C=32: ours is so many times as fast as promptfoo"]
    assert str(Aim("x", None, 3.0)) == "x: not measured (aim: at most 3)"


def test_a_small_run_says_nothing_about_the_aims() -> None:
    """With 200 cases start-up is all that one sees."""
    assert not any(aim.missed for aim in aims({("ours-postgres", "c32"): [result("o", "c32", wall=9.0, cases=200)]}))


def test_a_fast_run_that_lost_cases_is_not_the_best() -> None:
    """Speed never makes good for a lost case."""
    slow, fast = result("a", "c32", wall=9.0), result("a", "c32", wall=1.0, lost=1)
    assert best([fast, slow]) is slow


def test_our_own_declaration_is_one_that_the_project_takes(tmp_path: Path) -> None:
    """The folder that the benchmark writes has no problem and all cases and scorers."""
    from afterpilot.declare import load

    ours.declare(work.Job(tmp_path, "http://127.0.0.1:9/v1", 20, 8))
    (folder,) = load(tmp_path / "workflows").folders
    assert folder.workflow is not None, folder.problems
    assert folder.workflow.evals is not None
    assert (len(folder.workflow.evals.cases), len(folder.workflow.evals.scorers)) == (20, 5)


def test_a_peer_that_cannot_be_had_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without npm the driver learns why, and goes on without the peer."""
    monkeypatch.setattr("benchmarks.evals.tool.ENVIRONMENTS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="npm"):
        install(Environment("peer", ("peer@1",), node=True), tmp_path / "log")
    assert not (tmp_path / "peer" / ".installed").exists()


def test_results_lines_of_ours_keep_errors_apart(tmp_path: Path) -> None:
    """The last line of a case counts; an error is no failure, nor is a call without a price, and a line that was cut off is nothing."""
    rows = [
        {"id": "INV-0000001", "passed": None, "error": "500"},
        {"id": "INV-0000001", "passed": True, "error": None, "cost": "0.1"},
        {"id": "INV-0000002", "passed": False, "error": None, "cost": "0.1"},
        {"id": "INV-0000003", "passed": None, "error": "no reply"},
        {"id": "INV-0000004", "passed": True, "error": None, "cost": None},
    ]
    (tmp_path / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"id": "INV-00')
    found = ours.TOOLS[0].verdicts(work.Job(tmp_path, "", 3, 1))
    assert found == {1: work.PASSED, 2: work.FAILED, 3: work.ERROR, 4: work.ERROR}
