"""The cause line: which recorded part of a run differs from the last good one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.causes import causes, different, undone


def mark(**changed: Any) -> dict[str, Any]:
    """A fingerprint."""
    good: dict[str, Any] = {
        "prompt": "a" * 64,
        "cases": "b" * 64,
        "declaration": "c" * 64,
        "model": "gpt-5-mini",
        "answered": {"model": ["gpt-5-mini-2026-08-01"], "system_fingerprint": ["fp_1"]},
        "data": {"erp query 1": "d" * 64, "data checks": "PASS"},
        "judges": {"tone": "1234"},
        "harness": "0.1.0",
    }
    return {**good, **changed}


@pytest.mark.parametrize(
    ("changed", "part", "line"),
    [
        ({"prompt": "e" * 64}, "prompt", "our prompt changed (aaaaaaa → eeeeeee)"),
        ({"cases": "e" * 64}, "cases", "our cases changed (bbbbbbb → eeeeeee)"),
        ({"declaration": "e" * 64}, "declaration", "our declaration of the suite changed (ccccccc → eeeeeee)"),
        ({"model": "gpt-6"}, "model", "the model that we name changed: gpt-5-mini → gpt-6"),
        (
            {"answered": {"model": ["gpt-5-mini-2026-11-02"], "system_fingerprint": ["fp_1"]}},
            "answered",
            "the model that answered changed: gpt-5-mini-2026-08-01 → gpt-5-mini-2026-11-02",
        ),
        (
            {"answered": {"model": ["gpt-5-mini-2026-08-01"], "system_fingerprint": ["fp_2"]}},
            "answered",
            "the provider's fingerprint (system_fingerprint) changed: fp_1 → fp_2",
        ),
        (
            {"data": {"erp query 1": "e" * 64, "data checks": "PASS"}},
            "data",
            "the data that the workflow reads changed: erp query 1 (ddddddd → eeeeeee)",
        ),
        (
            {"data": {"erp query 1": "d" * 64, "data checks": "FAIL: quality.stale"}},
            "data",
            "the data that the workflow reads changed: data checks (PASS → FAIL: quality.stale)",
        ),
        ({"judges": {"tone": "5678"}}, "judges", "the judge changed: tone (1234 → 5678)"),
        ({"harness": "0.2.0"}, "harness", "Afterpilot itself changed: 0.1.0 → 0.2.0"),
    ],
)
def test_each_part_is_named_in_peoples_words(changed: dict[str, Any], part: str, line: str) -> None:
    """And nothing else with it."""
    found = causes(mark(**changed), [mark()])
    assert (found.changed, found.line) == ((part,), line)


def test_nothing_that_is_recorded_changed() -> None:
    """It says so, and what that may mean; never an empty line."""
    found = causes(mark(), [mark()])
    assert found.changed == ()
    assert found.line.startswith("nothing that we record changed")


def test_servers_that_take_turns_are_no_change() -> None:
    """A provider's fingerprint that any good run had is as good as the last one's."""
    other = mark(answered={"model": ["gpt-5-mini-2026-08-01"], "system_fingerprint": ["fp_2"]})
    assert causes(mark(), [mark(), other]).changed == ()
    assert causes(mark(), [other]).changed == ("answered",)


def test_what_could_not_be_read_is_unknown_and_no_cause() -> None:
    """Neither equal nor different."""
    found = causes(mark(data={"erp query 1": "unknown: no connection", "data checks": "PASS"}), [mark()])
    assert found.changed == ()
    assert found.line.endswith("erp query 1 (unknown: no connection) cannot be compared")


def test_the_words_of_others_are_part_of_the_line() -> None:
    """How the cases differ, and a judge that drifted."""
    found = causes(mark(cases="e" * 64), [mark()], cases="2 added", also=["the judge tone drifted"])
    assert found.line == "the judge tone drifted; our cases changed (2 added)"


def test_what_changed_after_the_drop_had_begun_is_no_cause() -> None:
    """A prompt that was mended after the model had changed is told apart; where nothing had changed by then, all may be causes."""
    now, begun = mark(model="gpt-6", prompt="e" * 64), mark(model="gpt-6")
    found = causes(now, [mark()], begun=begun)
    assert found.changed == ("model",)
    assert found.line == (
        "the model that we name changed: gpt-5-mini → gpt-6; "
        "our prompt changed (aaaaaaa → eeeeeee), but only after the drop had begun"
    )
    assert causes(now, [mark()], begun=mark()) == causes(now, [mark()])


def test_without_a_good_run_there_is_nothing_to_compare_with() -> None:
    """That is said too."""
    assert causes(mark(), []).line == "there is no earlier good run to compare with"


def test_a_probe_compares_what_it_sees() -> None:
    """What it did not ask for is no difference; what an answer says for the first time neither."""
    seen = {part: mark()[part] for part in ("prompt", "cases", "declaration", "model")}
    assert different({**seen, "answered": {}}, [mark()]).lines == ()
    assert different({**seen, "answered": {"x-model-version": ["7"]}}, [mark()]).lines == ()
    assert different({**seen, "model": "gpt-6", "answered": {}}, [mark()]).lines == (
        "the model that we name changed: gpt-5-mini → gpt-6",
    )


@given(st.sets(st.sampled_from(["prompt", "cases", "declaration", "model", "harness"])))
def test_exactly_what_changed_is_named(parts: set[str]) -> None:
    """Whatever changed together."""
    assert set(causes(mark(**dict.fromkeys(parts, "other")), [mark()]).changed) == parts


def test_a_change_that_was_undone_is_still_the_cause_of_a_drop_that_lasts() -> None:
    """The first night after it was put right still alarms: the line says what it was, and that it is over."""
    good = [mark()]
    then = causes(mark(prompt="e" * 64), good)
    now = undone(then, causes(mark(), good))
    assert now.changed == ("prompt",)
    assert "our prompt changed (aaaaaaa → eeeeeee), and is as before by now" in now.line
    other = causes(mark(model="gpt-6"), good)
    assert undone(then, other) == other
    nothing = causes(mark(), good)
    assert undone(nothing, nothing) == nothing
