"""A good declaration, damaged at random: the loader answers, and never with silence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot.declare import load
from afterpilot.domain.workflow import Loaded

GOOD = Path(__file__).parents[2] / "golden" / "declare" / "good"
FILES = (
    *("workflow.yaml", "cases.jsonl", "answer.schema.json", "kpi.sql", "prompt.md"),
    *("rubric.md", "scorers.py", "tools.json", "orders.sql", "scan.png"),
)
ODD: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["", " ", "exact", "column", "0%", "-1", "a\nb", "../x", "#", "{{", "\u202e", "sk-abcdefgh12345678"]
    )
    | st.lists(st.none() | st.text(max_size=5) | st.integers(), max_size=3)
    | st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.lists(st.text(max_size=3)), max_size=3)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all examples; each restores what it damages."""
    return Path(shutil.copytree(GOOD, tmp_path_factory.mktemp("mutated") / "workflows"))


def loaded_with(folder: Path, name: str, content: bytes) -> Loaded:
    """The folder as loaded with one file replaced."""
    path = folder / "refunds" / name
    before = path.read_bytes()
    try:
        path.write_bytes(content)
        (loaded,) = load(folder).folders
    finally:
        path.write_bytes(before)
    return loaded


def assert_answered(loaded: Loaded) -> None:
    """Usable or explained, and not by the loader's own fault."""
    assert (loaded.workflow is None) == bool(loaded.problems)
    for problem in loaded.problems:
        assert "fault of the loader" not in problem.text
        assert problem.file.startswith("refunds/")
        assert problem.text
        assert "\n" not in str(problem)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in items for place in places(part, (*path, key)))]


DOCUMENT = yaml.safe_load((GOOD / "refunds" / "workflow.yaml").read_text(encoding="utf-8"))
PLACES = [place for place in places(DOCUMENT) if place]


def damaged(place: tuple[Any, ...], odd: Any, *, drop: bool) -> Any:
    """A copy of the document with one place replaced or dropped."""
    copy = yaml.safe_load(yaml.safe_dump(DOCUMENT))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    if drop:
        del inner[place[-1]]
    else:
        inner[place[-1]] = odd
    return copy


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), odd=ODD, drop=st.booleans())
def test_any_value_anywhere_is_answered(folder: Path, place: tuple[Any, ...], odd: Any, drop: bool) -> None:  # noqa: FBT001 - given by Hypothesis
    """Any place holding anything, or missing: a workflow, or problems."""
    text = yaml.safe_dump(damaged(place, odd, drop=drop), allow_unicode=True, sort_keys=False)
    assert_answered(loaded_with(folder, "workflow.yaml", text.encode("utf-8", "surrogatepass")))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), start=st.integers(0, 4_000), length=st.integers(0, 40), new=st.binary(max_size=12))
def test_any_damaged_byte_is_answered(folder: Path, name: str, start: int, length: int, new: bytes) -> None:
    """Any file with some bytes replaced, cut out or put in: a workflow, or problems."""
    raw = (GOOD / "refunds" / name).read_bytes()
    at = start % (len(raw) + 1)
    assert_answered(loaded_with(folder, name, raw[:at] + new + raw[at + length :]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from([place for place in PLACES if isinstance(place[-1], str)]))
def test_a_misspelt_key_is_told_by_its_name(folder: Path, place: tuple[Any, ...]) -> None:
    """A key with a letter too many never passes in silence, unless the team itself chooses the names there."""
    free = {("fields",), ("key",), ("corrected_fields",), ("expected",)}
    if place[:2] == ("source", "fields") or place[-2:-1] in free:
        return
    copy = damaged(place, None, drop=True)
    inner, original = copy, DOCUMENT
    for key in place[:-1]:
        inner, original = inner[key], original[key]
    inner[f"{place[-1]}x"] = original[place[-1]]
    found = loaded_with(folder, "workflow.yaml", yaml.safe_dump(copy, sort_keys=False).encode())
    name = f"{place[-1]}x"
    assert any(problem.key.endswith(name) or f"'{name}'" in problem.text for problem in found.problems), found.problems
