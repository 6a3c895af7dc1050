"""Reading YAML: lines, words as YAML 1.2 has them, and everything that is sent to break a reader."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.declare.yaml_lines import MAX_DEPTH, MAX_VALUES, read


def only_flaw(raw: bytes) -> tuple[int, str]:
    """Line and text of the one flaw of a file."""
    flaws = read(raw).flaws
    assert len(flaws) == 1, flaws
    return flaws[0].line, flaws[0].text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("010", 10),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("0x1F", "0x1F"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_words_are_read_as_yaml_1_2_has_them(text: str, value: Any) -> None:
    """Only true and false are booleans; times, dates, clock times and hexadecimals stay texts; quotes make texts."""
    found = read(f"key: {text}\n".encode())
    assert found.flaws == ()
    assert found.data == {"key": value}
    assert type(found.data["key"]) is type(value)


def test_lines_of_keys_and_items() -> None:
    """Each key and each item has its line, in block and in flow style; a missing one has its parent's."""
    found = read(b"a:\n  b:\n    - x\n    - {c: 1,\n       d: 2}\n# note\ne: |\n  many\n  lines\nf: 1\n")
    assert {path: found.line(path) for path in (("a",), ("a", "b", 0), ("a", "b", 1, "d"), ("e",), ("f",))} == {
        ("a",): 1,
        ("a", "b", 0): 3,
        ("a", "b", 1, "d"): 5,
        ("e",): 7,
        ("f",): 10,
    }
    assert found.line(("a", "b", 1, "missing", "too")) == 4
    assert found.line(("nowhere",)) == 1


def test_an_alias_bomb_is_refused_without_unfolding() -> None:
    """Nine lines that would unfold into a billion items give a flaw for each alias and nothing else."""
    names = "abcdefghi"
    lines = [f"{names[0]}: &{names[0]} [x, x]"]
    lines += [f"{now}: &{now} [{', '.join([f'*{before}'] * 9)}]" for before, now in itertools.pairwise(names)]
    found = read("\n".join(lines).encode())
    assert len(found.flaws) == 8 * 9
    assert {flaw.text.split()[1] for flaw in found.flaws} == {"alias"}
    assert found.data["i"] == [None] * 9


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "a:\n "])
def test_deep_nesting_is_refused(opening: str) -> None:
    """Three thousand levels end the reading, whatever they are made of."""
    nested = "".join(f"{' ' * level}a:\n" for level in range(3_000)) if opening.startswith("a:") else opening * 3_000
    found = read(nested.encode())
    assert found.data is None
    assert found.flaws[-1].text == f"the file is nested deeper than {MAX_DEPTH} levels"
    assert len(found.flaws) <= MAX_DEPTH + 1


def test_a_flood_of_values_is_refused() -> None:
    """A list longer than any declaration ends in one flaw."""
    assert only_flaw(("[" + "1," * (MAX_VALUES + 1) + "]").encode())[1].startswith("the file holds more than")


@pytest.mark.parametrize(
    ("raw", "line", "word"),
    [
        (b"a: 1\nb: \xff\xfe\n", 2, "UTF-8"),
        ("a: 1\n".encode("utf-16"), 1, "UTF-8"),
        (b"a: 1\nb: \x07\n", 2, "control character"),
        (b"a: 1\nb: 'x\n", 3, "not valid YAML"),
        (b"a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML"),
        (b"a: 1\n b: 2\n", 2, "not valid YAML"),
        (b"%YAML 3.0\n---\na: 1\n", 1, "not valid YAML"),
        (b"a: @x\n", 1, "not valid YAML"),
    ],
)
def test_unreadable_files_name_the_line(raw: bytes, line: int, word: str) -> None:
    """Wrong encodings, control characters and broken syntax end in one flaw with its line, and no data."""
    at, text = only_flaw(raw)
    assert (at, word in text) == (line, True), text
    assert read(raw).data is None


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    """What Windows editors write is read like anything else, lines included."""
    found = read(b"\xef\xbb\xbfa: 1\r\nb: x\r\n")
    assert (found.data, found.flaws) == ({"a": 1, "b": "x"}, ())
    assert found.line(("b",)) == 2


@pytest.mark.parametrize("raw", [b"", b"# only a comment\n", b"\n\n", b"---\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_data(raw: bytes) -> None:
    """Nothing in, nothing out, nothing wrong with the syntax."""
    found = read(raw)
    assert (found.data, found.flaws) == (None, ())


def test_numbers_that_cannot_be_kept_are_refused() -> None:
    """Infinite, not a number, too large, too many digits: each is told at its key."""
    found = read(b"a: .inf\nb: -.INF\nc: .NaN\nd: 1e999\ne: " + b"9" * 5_000 + b"\n")
    assert [(flaw.path, flaw.line) for flaw in found.flaws] == [((key,), line) for line, key in enumerate("abcde", 1)]
    assert set(found.data.values()) == {None}


def test_the_first_of_repeated_keys_is_kept_and_what_hangs_below_the_second_is_not_mixed_in() -> None:
    """A repeated mapping is told with both lines; its keys do not leak into the first one's lines."""
    found = read(b"a:\n  x: 1\na:\n  x: 2\n  y: *z\n")
    assert found.data == {"a": {"x": 1}}
    assert [flaw.text for flaw in found.flaws] == ["stands twice, first in line 1", "the alias *z is not read"]
    assert found.line(("a", "x")) == 2


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Whatever the bytes are, there is an answer, and no data without a reason."""
    found = read(raw)
    assert all(flaw.line >= 1 for flaw in found.flaws)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=12)
)


@given(
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text("abc_", min_size=1, max_size=5), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_what_json_can_say_is_read_the_same(value: Any) -> None:
    """JSON is YAML: any value comes back as it was, and every part of it has a line."""
    found = read(json.dumps({"top": value}, ensure_ascii=False, indent=1).encode())
    assert (found.data, found.flaws) == ({"top": value}, ())
