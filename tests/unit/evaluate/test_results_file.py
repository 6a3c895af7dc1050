"""Results files keep every sample as it was, survive being cut off, and say clearly what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.domain.errors import CheckError
from afterpilot.domain.evals import Call, Reducer, Sample, Score, ToolCall
from afterpilot.domain.record import Usage
from afterpilot.evaluate.junit import junit_xml
from afterpilot.evaluate.results import Asked, ResultsFile, line_of, read, sample_of

ASKED = Asked("refunds", "abc", "USD")
texts = st.text(max_size=30)
scores = st.builds(
    Score,
    scorer=texts,
    value=st.floats(0, 1),
    passed=st.booleans(),
    reason=texts,
    weight=st.floats(0.1, 10),
    advisory=st.booleans(),
    details=st.dictionaries(texts, st.integers(0, 9), max_size=2),
)
usages = st.none() | st.builds(Usage, texts, st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 10**9))
costs = st.none() | st.decimals(0, 100, places=8)
samples = st.builds(
    Sample,
    case_id=texts,
    epoch=st.integers(0, 99),
    output=st.none() | texts,
    scores=st.lists(scores, max_size=3).map(tuple),
    error=texts,
    usage=usages,
    cost=costs,
    latency_ms=st.none() | st.integers(0, 10**6),
    attempts=st.integers(0, 9),
    tool_calls=st.lists(st.builds(ToolCall, texts, st.dictionaries(texts, texts, max_size=2)), max_size=2).map(tuple),
    sources=st.lists(texts, max_size=3).map(tuple),
    fingerprint=st.dictionaries(texts, texts, max_size=2),
    calls=st.lists(st.builds(Call, texts, usages, costs), max_size=2).map(tuple),
    pass_score=st.none() | st.floats(0, 1),
)


def right(case: str, epoch: int = 0) -> Sample:
    """A sample that passes."""
    return Sample(case, epoch, "yes", (Score("exact", 1.0, passed=True),), latency_ms=50, attempts=1)


@given(samples)
@settings(max_examples=50)
def test_a_sample_survives_its_line(sample: Sample) -> None:
    """Written as JSON and read again it is the same, unknown costs and tokens included."""
    assert sample_of(json.loads(json.dumps(line_of(sample, ASKED)))) == sample


def test_unknown_is_null_and_an_error_is_no_failure() -> None:
    """A sample that the harness could not score has neither passed nor failed, and no cost of 0."""
    line = line_of(Sample("a", 0, None, (), error="HTTP 500", attempts=3), ASKED)
    assert (line["passed"], line["score"], line["cost"], line["error"]) == (None, None, None, "HTTP 500")


def test_a_file_that_was_cut_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Half a line at the end is left out and written over; what stood before it stays."""
    path = tmp_path / "results.jsonl"
    with ResultsFile(path) as file:
        file.add([right("a"), right("b")], ASKED)
    with path.open("ab") as half:
        half.write(b'{"suite": "refu')
    found = read(path)
    assert list(found.samples["refunds"]) == [("a", 0), ("b", 0)]
    with ResultsFile(path, found=found) as file:
        file.add([right("c")], ASKED)
    assert [key for key, _ in read(path).samples["refunds"]] == ["a", "b", "c"]


def test_two_runs_never_write_one_file(tmp_path: Path) -> None:
    """While one writes, and where one has written since the other looked."""
    path = tmp_path / "results.jsonl"
    with ResultsFile(path) as file:
        with pytest.raises(CheckError, match="is written by another run at this moment"):
            ResultsFile(path)
        file.add([right("a")], ASKED)
        found = read(path)
        file.add([right("b")], ASKED)
    with pytest.raises(CheckError, match="has changed since it was read"):
        ResultsFile(path, found=found)
    assert len(read(path).samples["refunds"]) == 2


def test_a_file_that_is_removed_while_it_is_written_is_said_at_once(tmp_path: Path) -> None:
    """Else every further answer would be paid for and lost."""
    path = tmp_path / "results.jsonl"
    with ResultsFile(path) as file:
        file.add([right("a")], ASKED)
        path.unlink()
        with pytest.raises(CheckError, match="was removed while it was written"):
            file.add([right("b")], ASKED)


def test_of_two_lines_about_one_case_the_last_counts(tmp_path: Path) -> None:
    """An error that was asked again is replaced by what came then."""
    path = tmp_path / "results.jsonl"
    with ResultsFile(path) as file:
        file.add([Sample("a", 0, None, (), error="HTTP 500"), right("a")], ASKED)
    assert read(path).samples["refunds"]["a", 0].passed


@pytest.mark.parametrize("content", ["hello\n", "{}\n", "[1]\n", '{"id": 1}\n', "[" * 100_000 + "\n", "\n"])
def test_what_is_no_results_file_is_named_by_line(tmp_path: Path, content: str) -> None:
    """The file and the line stand in the error, whatever it holds."""
    path = tmp_path / "other.jsonl"
    path.write_text(content)
    with pytest.raises(CheckError, match=r"other\.jsonl:1 is no line of eval results"):
        read(path)


def test_lines_of_two_versions_of_a_suite_do_not_mix(tmp_path: Path) -> None:
    """Answers to another prompt or of another model cannot be compared with the rest."""
    path = tmp_path / "results.jsonl"
    with ResultsFile(path) as file:
        file.add([right("a")], ASKED)
        file.add([right("b")], Asked("refunds", "def", "USD"))
    with pytest.raises(CheckError, match=r":2 is about another version of refunds"):
        read(path)


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A folder in its place, or a full disk, ends in one sentence."""
    (tmp_path / "results.jsonl").mkdir()
    with pytest.raises(CheckError, match="cannot be written"):
        ResultsFile(tmp_path / "results.jsonl")
    with ResultsFile(Path("/dev/full")) as file, pytest.raises(CheckError, match="No space left"):
        file.add([right("a")], ASKED)


def test_a_judgement_that_could_not_be_used_is_marked_in_its_line() -> None:
    """It neither passes nor fails, and its sample is read again as it was."""
    lost = Score("tone", 0.0, passed=False, reason="no word", advisory=True, details={"error": "no word"})
    sample = Sample("a", 0, "yes", (lost, Score("exact", 1.0, passed=True)))
    line = json.loads(json.dumps(line_of(sample, ASKED)))
    told = line["assertions"][0]
    assert (told["pass"], told["score"], told["details"], line["passed"]) == (None, None, {"error": "no word"}, True)
    assert sample_of(line) == sample


def test_junit_keeps_failures_and_errors_apart() -> None:
    """A wrong answer is a failure with its reason, a harness's fault an error, and both are counted."""
    wrong = Sample("w", 0, "no\x00", (Score("exact", 0.0, passed=False, reason="'no' instead of 'yes'"),))
    lost = Sample("l", 1, None, (), error="HTTP \x1b[31m500")
    root = ET.fromstring(junit_xml("ours", {"refunds": [right("a"), wrong, lost]}))  # noqa: S314 - our own words
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert "'no' instead of 'yes'" in cases["w"].find("failure").get("message")
    assert "500" in cases["l (epoch 1)"].find("error").get("message")
    assert list(cases["a"]) == []


def test_junit_keeps_suites_apart() -> None:
    """The same case of two suites stands in two of them: their names do not collide."""
    lost = Sample("a", 0, None, (), error="HTTP 500")
    root = ET.fromstring(junit_xml("ours", {"one": [right("a")], "two": [lost]}))  # noqa: S314 - our own words
    told = {suite.get("name"): (suite.get("tests"), suite.get("errors")) for suite in root.iter("testsuite")}
    assert told == {"one": ("1", "0"), "two": ("1", "1")}
    assert [(case.get("classname"), case.get("name")) for case in root.iter("testcase")] == [("one", "a"), ("two", "a")]
    assert (root.get("name"), root.get("tests"), root.get("errors")) == ("ours", "2", "1")


@given(st.lists(samples, max_size=2), texts)
@settings(max_examples=30)
def test_junit_is_xml_whatever_was_answered(found: list[Sample], name: str) -> None:
    """Control characters and lone surrogates never break the file."""
    ET.fromstring(junit_xml(name, {name: found}))  # noqa: S314 - our own words


def test_how_epochs_become_a_verdict_stands_in_the_file(tmp_path: Path) -> None:
    """A line that does not say it is of a suite in which all epochs must pass; one that says nonsense is no line."""
    asked = Asked("refunds", "abc", "USD", Reducer("pass_at", 2, 0.8))
    path = tmp_path / "results.jsonl"
    with ResultsFile(path) as file:
        file.add([right("a")], asked)
    assert read(path).asked["refunds"] == asked
    line = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in line.items() if name != "reducer"}) + "\n")
    assert read(path).asked["refunds"].reducer == Reducer("all")
    for odd in ("mean", {"name": "sum", "k": 1, "share": None}, {"name": "mean"}):
        path.write_text(json.dumps({**line, "reducer": odd}) + "\n")
        with pytest.raises(CheckError, match=":1 is no line"):
            read(path)
