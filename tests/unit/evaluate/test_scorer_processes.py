"""What runs in a process of its own: patterns and schemas that could take for ever, and a team's functions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from one_score import asked, reply

from afterpilot.domain.evals import Case, Score, ScorerSpec, ToolCall
from afterpilot.evaluate.scorers import ScorerError, functions, regexes, schemas
from afterpilot.evaluate.scorers.process import Broken, Process, TooSlow

BOMB = "a" * 40 + "!"
CASE = Case("c", {"mail": "Hello"}, {"": "x"}, tags=("t",))


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    regexes.PROCESS.close()


def scored(name: str, answer: str, **params: Any) -> Score:
    """One scorer that may wait for its process."""
    return asked(ScorerSpec(name, "", params, threshold=0.5), CASE, reply(answer), waits=True)


def said(source: str, answer: str = "yes", **params: Any) -> Score:
    """What a function of a team's file says."""
    return scored("python", answer, source=source, file="checks.py", **params)


def test_a_pattern_that_takes_too_long_blames_nobody_and_the_next_one_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is ended, and a new one answers."""
    monkeypatch.setattr(regexes, "SECONDS", 0.3)
    with pytest.raises(ScorerError, match=r"longer than 0\.3 s"):
        scored("regex", BOMB, pattern="(a+)+$")
    monkeypatch.setattr(regexes, "SECONDS", 60)
    assert scored("regex", "aaa", pattern="(a+)+$").passed
    assert not scored("regex", "bbb", pattern="(a+)+$").passed


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "pattern": "(a+)+$"}, BOMB),
        ({"properties": {"x": {"patternProperties": {"(a+)+$": {}}}}}, {"x": {BOMB: 1}}),
        ({"propertyNames": {"pattern": "(a+)+$"}}, {BOMB: 1}),
        ({"uniqueItems": True}, [{"a": number} for number in range(20_000)]),
        ({"anyOf": [{"items": {"$ref": "#"}, "minItems": 2}] * 4}, json.loads("[" * 25 + "]" * 25)),
    ],
)
def test_a_schema_that_takes_too_long_blames_nobody(
    monkeypatch: pytest.MonkeyPatch, schema: dict[str, Any], value: Any
) -> None:
    """Patterns at any place, comparing all items, schemas that name themselves: each has its limit of time."""
    regexes.PROCESS.do("validate", seconds=60, schema="{}", value=1)  # its start does not count
    monkeypatch.setattr(schemas, "SECONDS", 0.2)
    with pytest.raises(ScorerError, match="longer than"):
        scored("json_schema", json.dumps(value), schema=schema)


@pytest.mark.parametrize(
    ("schema", "answer", "reason"),
    [
        ({"items": {"$ref": "#"}, "maxItems": 1}, "[[1, 2]]", "0: "),
        ({"uniqueItems": True}, "[1, 1]", "the answer: "),
        ({"uniqueItems": True}, "[1, true]", ""),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "pattern": "^a$"}}}, '"a\\n"', "the answer: "),
        ({"uniqueItems": True, "patternProperties": {"^a$": {"type": "null"}}}, '{"a\\n": 1}', ""),
        ({"uniqueItems": True, "propertyNames": {"pattern": "^a$"}}, '{"a\\n": 1}', "the answer: "),
        ({"type": "string"}, json.dumps("x" * 20_000), ""),
        ({"type": "array", "items": {"type": "integer"}}, json.dumps([*range(4_000), "x"]), "4000: "),
    ],
)
def test_a_schema_says_the_same_in_its_process(schema: dict[str, Any], answer: str, reason: str) -> None:
    """Schemas that may take long, long answers: each flaw with its place."""
    found = scored("json_schema", answer, schema=schema)
    assert (found.passed, found.reason[: len(reason)]) == (reason == "", reason)


@pytest.mark.parametrize(
    ("schema", "patterns"),
    [
        ({"uniqueItems": True}, None),
        ({"not": {"unevaluatedProperties": False}}, None),
        ({"items": {"$ref": "#"}}, None),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}}, None),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"pattern": "^b$"}}}, ("^b$",)),
        (
            {
                "$ref": "#/$defs/0",
                "$defs": {"8": {}} | {f"{n}": {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}] * 3} for n in range(8)},
            },
            None,
        ),
        ({"patternProperties": {"^x": {"pattern": "y"}}}, ("y", "^x")),
        ({"properties": {"pattern": {"type": "string"}}}, ()),
    ],
)
def test_a_schema_that_may_take_long_by_itself_is_known(
    schema: dict[str, Any], patterns: tuple[str, ...] | None
) -> None:
    """Comparing all items, looking back at what was seen, circles; all others are as quick as their patterns."""
    found = schemas._usable(json.dumps(schema))
    assert found == patterns if found is None or patterns is None else sorted(found) == sorted(patterns)


def test_a_schema_from_elsewhere_is_never_fetched() -> None:
    """It cannot be used, and says so."""
    with pytest.raises(ScorerError, match="cannot be used"):
        scored("json_schema", "{}", schema={"$ref": "http://127.0.0.1:9/never-fetched"})


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("def score(answer, case, reply): return answer == 'yes'", 1.0, ""),
        ("def score(answer, case, reply): return 0.25", 0.25, "score of checks.py gave 0.25"),
        ("def score(answer, case, reply): return 0.25, 'too short'", 0.25, "too short"),
        ("def score(answer, case, reply): return {'score': 0, 'reason': 'no', 'details': {'n': 1}}", 0.0, "no"),
        ("def score(answer, case, reply): return {'passed': True}", 1.0, ""),
        ("def score(answer, case, reply): print('noise', flush=True); return True", 1.0, ""),
        (
            "def score(a, case, r): return (case['id'], case['vars'], case['expected'], case['tags']) == ('c', {'mail': 'Hello'}, {'': 'x'}, ['t'])",
            1.0,
            "",
        ),
        ("from fractions import Fraction\ndef score(answer, case, reply): return Fraction(1, 2)", 0.5, ""),
    ],
)
def test_a_function_says_what_an_answer_is_worth(source: str, value: float, reason: str) -> None:
    """True, a number, a pair, a mapping; what it prints is not its answer."""
    found = said(source)
    assert (found.value, found.reason) == (value, "" if found.passed else reason)


def test_a_function_sees_the_reply() -> None:
    """Tool calls, sources, latency and cost."""
    source = (
        "def f(answer, case, reply): return reply['tool_calls'][0]['arguments']['a'] == 1 and reply['sources'] == ['s']"
    )
    spec = ScorerSpec("python", "", {"source": source, "function": "f", "file": "checks.py"})
    answer = reply("a", tool_calls=(ToolCall("pay", {"a": 1}),), sources=("s",))
    assert asked(spec, CASE, answer, waits=True).passed


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def score(answer, case, reply): raise ValueError('first line\\nlast line')", "ValueError: last line"),
        ("def score(answer, case, reply): return 2", "not true, false or a number from 0 to 1"),
        ("def score(answer, case, reply): return float('nan')", "checks.py could not be used"),
        ("def score(answer, case, reply): return None", "NoneType"),
        ("def score(answer, case, reply): return 'yes'", "gave str"),
        ("def score(:", "SyntaxError"),
        ("def other(answer, case, reply): return True", "no function score"),
        ("import os\ndef score(answer, case, reply): os._exit(3)", "the process died"),
        ("def score(answer, case, reply): exit()", "checks.py could not be used"),
        ("def score(answer, case, reply): return len('x' * 10**11) > 0", "MemoryError"),
    ],
)
def test_a_function_that_fails_is_the_harness_s_fault(source: str, reason: str) -> None:
    """Its last line is quoted; the model is never blamed."""
    with pytest.raises(ScorerError, match=reason):
        said(source)


FORKED = """import os
def score(answer, case, reply):
    child = os.fork()
    if child: os.waitpid(child, 0)
    return answer == 'good' if child else True"""
LOUD = """import os
def score(answer, case, reply):
    for number in range(3, 20):
        try: os.write(number, b'{"said": true}\\n')
        except OSError: pass
    return answer == 'good'"""


def test_an_answer_is_never_judged_by_what_was_said_of_another_one() -> None:
    """Neither by a process that the function has forked, nor by what it has written where answers go."""
    assert [said(FORKED, answer).passed for answer in ("bad", "good", "bad", "bad")] == [False, True, False, False]
    for answer in ("bad", "good", "bad"):
        with pytest.raises(ScorerError, match="said more than it was asked"):
            said(LOUD, answer)


def test_what_a_function_says_can_be_shown_and_kept() -> None:
    """Half of a surrogate pair and NUL are in no encoding, and in no database."""
    found = said("def score(*args): return {'score': 0, 'reason': 'odd \\ud800\\0', 'details': {'\\0': '\\udfff'}}")
    assert (found.reason, dict(found.details)) == ("odd ?\N{SYMBOL FOR NULL}", {"\N{SYMBOL FOR NULL}": "?"})


def test_a_function_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It took too long, and nobody is blamed."""
    monkeypatch.setattr(functions, "SECONDS", 0.2)
    with pytest.raises(ScorerError, match="longer than"):
        said("def score(answer, case, reply):\n    while True: pass")


def test_a_function_sees_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment, where keys stand, stays here."""
    monkeypatch.setenv("AIRFLOW_CONN_OPENAI", "http://:key@host")
    source = (
        "import os\ndef score(answer, case, reply): return not any('key' in value for value in os.environ.values())"
    )
    assert said(source).passed


def test_no_file_changes_what_another_one_uses() -> None:
    """Each has a process of its own, which keeps its state between answers."""
    assert said("import math\nmath.pi = 3\ndef score(*args): return math.pi == 3").passed
    assert said("import math\ndef score(*args): return math.pi > 3.1").passed


def test_a_process_that_was_ended_is_started_anew() -> None:
    """Whoever ended it."""
    process = Process()
    assert process.do("search", seconds=60, pattern="a", text="a", whole=True) is True
    os.kill(process._child.pid, 9)  # type: ignore[union-attr]
    process._child.wait()  # type: ignore[union-attr]
    assert process.do("search", seconds=60, pattern="a", text="ab", whole=True) is False
    with pytest.raises(Broken, match="error: missing"):
        process.do("search", seconds=60, pattern="(", text="", whole=True)
    with pytest.raises(TooSlow):
        process.do("search", seconds=0.2, pattern="(a+)+$", text=BOMB, whole=False)
    process.close()
    process.close()


def test_a_function_that_hangs_is_not_waited_for_case_after_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three time-outs in a row it is not called again, and the error says so; a quick answer begins the count anew."""
    source = (
        "import time\ndef score(answer, case, reply):\n    time.sleep(30 if answer == 'hang' else 0)\n    return True\n"
    )
    monkeypatch.setattr(functions, "SECONDS", 20)
    assert said(source, "quick").passed
    monkeypatch.setattr(functions, "SECONDS", 0.2)
    for _ in range(2):
        with pytest.raises(ScorerError, match="longer than"):
            said(source, "hang")
    monkeypatch.setattr(functions, "SECONDS", 20)
    assert said(source, "quick").passed
    monkeypatch.setattr(functions, "SECONDS", 0.2)
    for _ in range(functions.GIVE_UP_AFTER):
        with pytest.raises(ScorerError, match="longer than"):
            said(source, "hang")
    with pytest.raises(ScorerError, match="not called again"):
        said(source, "quick")
