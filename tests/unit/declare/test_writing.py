"""Suites that are written can be read, and a case that is added changes nothing else."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot.declare import load, load_suite
from afterpilot.declare.writing import NewSuite, append_case, suite_yaml, write_suite
from afterpilot.declare.yaml_lines import read
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.evals import Case, ScorerSpec
from afterpilot.domain.prompt import Message

KEYS: dict[str, Any] = {
    "model": {"connection": "x", "name": "y", "prompt": "prompt.md"},
    "scorers": ["exact", {"contains": "", "any": ["a, b", "#c", "yes", "1e5", "80%"]}],
    "pass_rate": "90%",
    "max_cost": "1.00 USD",
}
CASES = [{"id": "a", "vars": {"q": "1+1"}, "expected": "2"}]
SCALAR = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30).filter(
    lambda text: not any((ord(letter) < 32 and letter not in "\t\n\r") or letter == "\x7f" for letter in text)
)
VALUE = st.recursive(
    SCALAR | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SCALAR.filter(bool), inner, max_size=4),
    max_leaves=12,
)


def new(**changes: Any) -> NewSuite:
    """A small suite."""
    parts = {"name": "small", "keys": KEYS, "cases": CASES, "files": {"prompt.md": "{{ q }}\n"}}
    return NewSuite(**{**parts, **changes})


@settings(max_examples=150, deadline=None)
@given(value=st.dictionaries(SCALAR.filter(bool), VALUE, min_size=1, max_size=5))
def test_any_value_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    """By our reader, by another one, and whatever looks like a number, a boolean or a comment."""
    keys = {key: part for key, part in value.items() if key not in {"name", "cases"}}
    text = suite_yaml(new(keys=keys))
    document = read(text.encode())
    assert document.flaws == ()
    assert {key: part for key, part in document.data.items() if key not in {"name", "cases"}} == keys
    assert yaml.safe_load(text).keys() == document.data.keys()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=SCALAR, expected=SCALAR.filter(str.strip), tags=st.lists(SCALAR.filter(str.strip), max_size=3))
def test_what_is_written_is_loaded(tmp_path: Path, question: str, expected: str, tags: list[str]) -> None:
    """Whatever letters a case and a scorer's value hold."""
    case = {"id": "a", "vars": {"q": question}, "expected": expected, "tags": tags}
    keys = {**KEYS, "scorers": [{"exact": "", "value": expected}]}
    write_suite(tmp_path / "suite", new(cases=[case], keys=keys), force=True)
    suite = load_suite(tmp_path / "suite")
    assert suite.problems == ()
    assert suite.evals is not None
    assert suite.evals.cases == (Case("a", {"q": question}, {"": expected}, tuple(tags)),)
    assert suite.evals.scorers[0].params["value"] == expected


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    """With force the suite's files are replaced, and others stay."""
    write_suite(tmp_path / "suite", new())
    (tmp_path / "suite" / "notes.txt").write_text("mine")
    with pytest.raises(DeclarationError, match="is there already"):
        write_suite(tmp_path / "suite", new(keys={**KEYS, "epochs": 3}))
    write_suite(tmp_path / "suite", new(keys={**KEYS, "epochs": 3}), force=True)
    evals = load_suite(tmp_path / "suite").evals
    assert evals is not None
    assert evals.epochs == 3
    assert sorted(path.name for path in (tmp_path / "suite").iterdir()) == [
        "cases.jsonl",
        "notes.txt",
        "prompt.md",
        "suite.yaml",
    ]


def test_a_file_never_leads_outside(tmp_path: Path) -> None:
    """Names of files come from other people's configurations."""
    with pytest.raises(DeclarationError, match="leads outside"):
        write_suite(tmp_path / "suite", new(files={"../x.md": "y"}))
    assert not (tmp_path / "x.md").exists()


def test_a_case_is_added_and_every_other_byte_stays(good: Path) -> None:
    """Also where the last line had no end."""
    path = good / "refunds" / "cases.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip(b"\n").replace(b'", "vars"', b'",  "vars"'))
    before = path.read_bytes()
    case = Case(
        "correction-1",
        {"letter": "Ünïcode\nand more", "customer": "M."},
        {"amount": 3, "reason": "late"},
        ("late",),
        messages=(Message("assistant", ""), Message("user", "Again?")),
        origin="a correction of run 18 by Ana Silva",
    )
    append_case(good / "refunds", case)
    assert path.read_bytes().startswith(before + b"\n")
    (workflow,) = load(good).workflows
    assert workflow.evals is not None
    assert workflow.evals.cases[-1] == case
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(".")] == []


def test_a_case_is_added_once(good: Path) -> None:
    """The id is what makes it the same."""
    case = Case("late-1", {"letter": "x", "customer": "y"}, {"amount": 1, "reason": "late"})
    with pytest.raises(DeclarationError, match="holds a case 'late-1' already"):
        append_case(good / "refunds", case)


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (Case("", {}, {}), "id must be a text"),
        (Case("x", {"letter": 5}, {}), "vars.letter must be text"),  # type: ignore[dict-item]
        (Case("x", {}, {}, scorers=(ScorerSpec("exact", ""),)), "scorers of its own"),
    ],
)
def test_what_is_no_case_is_not_added(good: Path, case: Case, why: str) -> None:
    """The file stays as it was."""
    before = (good / "refunds" / "cases.jsonl").read_bytes()
    with pytest.raises(DeclarationError, match=why):
        append_case(good / "refunds", case)
    assert (good / "refunds" / "cases.jsonl").read_bytes() == before


def test_two_who_add_at_once_both_get_in(tmp_path: Path) -> None:
    """No line is lost to another one's file."""
    write_suite(tmp_path / "suite", new())
    threads = [
        threading.Thread(target=append_case, args=(tmp_path / "suite", Case(f"new-{n}", {"q": "1"}, {"": "1"})))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "suite" / "cases.jsonl").read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} == {"a", *(f"new-{n}" for n in range(12))}


def test_a_folder_without_cases_is_told(tmp_path: Path) -> None:
    """And one that is not there."""
    with pytest.raises(DeclarationError, match="declares no cases"):
        append_case(tmp_path, Case("a", {}, {}))
    with pytest.raises(DeclarationError, match="cannot be opened"):
        append_case(tmp_path / "nowhere", Case("a", {}, {}))
