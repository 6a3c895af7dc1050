"""Suites of their own: a folder with a suite.yaml."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from afterpilot.declare import load_suite
from afterpilot.declare.images import media_type
from afterpilot.domain.evals import Reducer
from afterpilot.domain.money import Money
from afterpilot.domain.workflow import AlarmTerms, JsonTarget, ScriptedTarget

BASE = "cases: cases.jsonl\nscorers: [exact]\npass_rate: 90%\nmax_cost: 1 USD\n"
MODEL = "model: {connection: x, name: y, prompt: prompt.md}\n"
SCRIPTED = "scripted: answers.jsonl\n"
ENDPOINT = """endpoint:
  connection: app
  name: own-model
  path: /v1/answer
  request: request.json
  answer: $.answer
  model: $.model
  input_tokens: $.usage['in']
  output_tokens: $.usage.out
  cost: $.cost
  currency: EUR
  sources: $.hits[*].id
  tool_calls: $.calls
  most_cost: 0.02 USD
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite with two cases and everything that any target needs."""
    (tmp_path / "prompt.md").write_text("{{ q }}")
    (tmp_path / "request.json").write_text('{"question": "{{ q }}", "top": 3}')
    cases = [{"id": "a", "vars": {"q": "1+1"}, "expected": "2"}, {"id": "b", "vars": {"q": "1+2"}, "expected": "3"}]
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    (tmp_path / "answers.jsonl").write_text('{"id": "a", "output": "2", "attempts": 1}\n{"id": "b", "output": "4"}\n')
    return tmp_path


def told(folder: Path, text: str) -> list[str]:
    """The problems of the suite with this file."""
    (folder / "suite.yaml").write_text(text)
    suite = load_suite(folder)
    assert (suite.evals is None) == bool(suite.problems)
    return [str(problem) for problem in suite.problems]


def test_a_team_s_own_endpoint_is_a_target(folder: Path) -> None:
    """Request template and every JSONPath arrive as they are declared."""
    assert told(folder, ENDPOINT + BASE) == []
    suite = load_suite(folder)
    assert suite.evals is not None
    assert suite.evals.target == JsonTarget(
        connection="app",
        name="own-model",
        path="/v1/answer",
        request={"question": "{{ q }}", "top": 3},
        answer="$.answer",
        model="$.model",
        input_tokens="$.usage['in']",
        output_tokens="$.usage.out",
        cost="$.cost",
        currency="EUR",
        sources="$.hits[*].id",
        tool_calls="$.calls",
        most_cost=Money(Decimal("0.02")),
    )
    before = suite.evals
    (folder / "request.json").write_text('{"question": "{{ q }}", "top": 4}')
    after = load_suite(folder).evals
    assert after is not None
    assert after.prompt_sha256 != before.prompt_sha256
    assert after.declaration == before.declaration


def test_answers_that_exist_already_are_a_target(folder: Path) -> None:
    """The results of a run serve: further keys are left alone."""
    assert told(folder, SCRIPTED + BASE) == []
    evals = load_suite(folder / "suite.yaml").evals
    assert evals is not None
    assert evals.target == ScriptedTarget("scripted", {"a": "2", "b": "4"})


def test_what_is_left_out_has_the_usual_value(folder: Path) -> None:
    """Every epoch passes, no score but all, the alarm's own terms, no budget."""
    assert told(folder, MODEL + BASE) == []
    suite = load_suite(folder)
    assert suite.evals is not None
    evals = suite.evals
    assert suite.name == folder.name
    assert (evals.epochs, evals.reducer, evals.pass_score, evals.cap) == (1, Reducer(), None, None)
    assert (evals.alarm, evals.waivers, evals.reads, evals.corrections) == (AlarmTerms(), (), (), None)


@pytest.mark.parametrize(
    ("text", "reducer"),
    [
        ("all", Reducer()),
        ("majority", Reducer("majority")),
        ("mean", Reducer("mean")),
        ("{mean: 80%}", Reducer("mean", share=0.8)),
        ("{at_least: 2}", Reducer("at_least", k=2)),
        ("{pass_at: 3}", Reducer("pass_at", k=3)),
        ("{pass_at: 3, share: 90%}", Reducer("pass_at", k=3, share=0.9)),
    ],
)
def test_each_reducer_arrives(folder: Path, text: str, reducer: Reducer) -> None:
    """As the domain has it."""
    assert told(folder, f"{MODEL}{BASE}epochs: 3\nreducer: {text}\n") == []
    evals = load_suite(folder).evals
    assert evals is not None
    assert evals.reducer == reducer


@pytest.mark.parametrize("text", ["{mean: 0%}", "{pass_at: 1, share: 0%}"])
def test_no_reducer_passes_whatever_was_answered(folder: Path, text: str) -> None:
    """A share of nothing would be reached by no right answer at all."""
    (problem,) = told(folder, f"{MODEL}{BASE}reducer: {text}\n")
    assert "reducer: must be above 0 %" in problem


@pytest.mark.parametrize(("scorer", "expected"), [("contains", ""), ("contains: city", {"city": ""})])
def test_no_case_passes_since_every_answer_contains_nothing(folder: Path, scorer: str, expected: object) -> None:
    """An empty cell of another tool's table is no expectation."""
    (folder / "cases.jsonl").write_text(json.dumps({"id": "a", "vars": {"q": "1+1"}, "expected": expected}))
    (problem,) = told(folder, MODEL + BASE.replace("[exact]", f"[{{{scorer}}}]" if ":" in scorer else f"[{scorer}]"))
    assert "is empty, and every answer contains that" in problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            ENDPOINT.replace("$.answer", "answer") + BASE,
            "endpoint.answer: 'answer' is not a JSONPath (it begins with $",
        ),
        (ENDPOINT.replace("$.answer", "$.a[") + BASE, "endpoint.answer: '$.a[' is not a JSONPath: "),
        (ENDPOINT.replace("  currency: EUR\n", "") + BASE, "endpoint.currency: is missing (a cost needs its currency"),
        (ENDPOINT.replace("  cost: $.cost\n", "") + BASE, "endpoint.cost: is missing (a cost needs its currency"),
        (ENDPOINT.replace("0.02 USD", "0.02 EUR") + BASE, "endpoint.most_cost: has another currency than max_cost"),
        (ENDPOINT.replace("/v1/answer", "https://x/y") + BASE, "endpoint.path: 'https://x/y' is not a path"),
        (
            ENDPOINT.replace("/v1/answer", "//other.example/x") + BASE,
            "endpoint.path: '//other.example/x' is not a path",
        ),
        (ENDPOINT.replace("request.json", "../request.json") + BASE, "is outside the suite's folder"),
        (ENDPOINT + SCRIPTED + BASE, "scripted: stands beside endpoint (keep exactly one"),
        (BASE, "suite.yaml:1: model: is missing (what is asked"),
        (MODEL + BASE + "workflow: x\n", "workflow: is not a known key"),
        (MODEL + BASE.replace("[exact]", "[]"), "cases.jsonl:1: scorers: no scorer looks at this case"),
        (MODEL + BASE.replace("[exact]", "[{exact: '', tags: [z]}]"), "no scorer looks at this case"),
        ("- a\n", "the file must be a mapping"),
        ("model: [", "suite.yaml:2: is not valid YAML"),
    ],
)
def test_a_flaw_is_told_with_its_line(folder: Path, text: str, problem: str) -> None:
    """As strictly as for a workflow."""
    assert any(problem in line for line in told(folder, text)), told(folder, text)


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ('{"id": "a", "output": "2"}\n', "answers.jsonl:1: has no answer to the case 'b'"),
        ('{"id": "a", "output": "2"}\n{"id": "bb", "output": "2"}\n', "answers.jsonl:2: id: no case has the id 'bb'"),
        ('{"id": "a", "output": "2"}\n{"id": "a", "output": "2"}\n', "stands twice, first in line 1"),
        ('{"id": "a", "output": 2}\n', "answers.jsonl:1: output: must be text, but is the number 2"),
        ('{"id": "a"}\n', "answers.jsonl:1: output: is missing"),
        ("nothing\n", "answers.jsonl:1: is not valid JSON"),
    ],
)
def test_scripted_answers_fit_the_cases(folder: Path, answers: str, problem: str) -> None:
    """One for each case, and none for no case."""
    (folder / "answers.jsonl").write_text(answers)
    assert any(problem in line for line in told(folder, SCRIPTED + BASE)), told(folder, SCRIPTED + BASE)


def test_a_suite_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """No exception: the caller prints problems."""
    assert [str(problem) for problem in load_suite(tmp_path).problems] == [
        "suite.yaml: 'suite.yaml' does not exist in the suite's folder (there is none)"
    ]


def test_an_image_is_told_by_its_bytes(folder: Path) -> None:
    """Its name may lie; a suite with images is bounded."""
    kinds = {
        b"\x89PNG\r\n\x1a\n": "png",
        b"\xff\xd8\xff\xe0": "jpeg",
        b"GIF89a": "gif",
        b"RIFF\x00\x00\x00\x00WEBP": "webp",
    }
    assert {media_type(raw + b"rest") for raw in kinds} == {f"image/{kind}" for kind in kinds.values()}
    assert [media_type(raw) for raw in (b"", b"%PDF-1.7", b"<svg>", b"RIFF\x00\x00\x00\x00WAVE")] == [""] * 4
    (folder / "big.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 5_000_000)
    (folder / "cases.jsonl").write_text('{"id": "a", "vars": {"q": "1"}, "expected": "2", "images": ["big.png"]}')
    assert told(folder, MODEL + BASE) == ["cases.jsonl:1: images[0]: 'big.png' is larger than 5 MB"]


def test_all_images_together_are_bounded(folder: Path) -> None:
    """A hundred megabytes a suite."""
    cases = [{"id": f"{n}", "vars": {"q": "1"}, "expected": "2", "images": [f"{n}.gif"]} for n in range(21)]
    for number in range(21):
        with (folder / f"{number}.gif").open("wb") as file:
            file.write(b"GIF89a")
            file.truncate(5_000_000)
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    (line,) = told(folder, MODEL + BASE)
    assert line == "cases.jsonl:21: images[0]: the images of a suite must not be larger than 100 MB together"


def test_a_prompt_without_a_variable_suits_cases_with_turns_of_their_own(folder: Path) -> None:
    """Else every case would ask the same."""
    (folder / "prompt.md").write_text("Answer.")
    assert any("the prompt has no variable" in line for line in told(folder, MODEL + BASE))
    case = '{"id": "%s", "expected": "2", "messages": [{"role": "user", "content": "%s"}]}\n'
    (folder / "cases.jsonl").write_text(case % ("a", "1+1") + case % ("b", "3-1"))
    assert told(folder, MODEL + BASE) == []


JUDGE = "{judge: prompt.md, model: {connection: x, name: j}%s}"


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (JUDGE % "", JUDGE % "", "judge"),
        (JUDGE % ", title: tone", "{exact: '', title: tone}", "tone"),
        ("{exact: '', title: tone}", JUDGE % ", title: tone", "tone"),
        (JUDGE % ", tags: [a]", JUDGE % ", tags: [b]", "judge"),
    ],
)
def test_no_judge_is_called_like_another_scorer(folder: Path, first: str, second: str, named: str) -> None:
    """Of the suite, or of a case together with the suite; what may decide is known by its label."""
    base = MODEL + BASE.replace("[exact]", f"[{first}, {second}]")
    text = f"is called '{named}' like another scorer, and one of them is a judge (give it a `title` of its own)"
    assert [line for line in told(folder, base) if "scorers[1]" in line and line.endswith(text)]
    case = {"id": "a", "vars": {"q": "1+1"}, "expected": "2", "scorers": [yaml.safe_load(second)]}
    (folder / "cases.jsonl").write_text(json.dumps(case))
    of_case = told(folder, MODEL + BASE.replace("[exact]", f"[{first}]"))
    assert f"cases.jsonl:1: scorers[0]: {text}" in of_case


def test_other_scorers_may_share_a_label_and_each_stays_one(folder: Path) -> None:
    """Also the very same one twice in a case."""
    case = {"id": "a", "vars": {"q": "1+1"}, "expected": "2", "scorers": ["exact", "exact"]}
    (folder / "cases.jsonl").write_text(json.dumps(case))
    assert told(folder, MODEL + BASE) == []
    evals = load_suite(folder).evals
    assert evals is not None
    assert len({id(spec) for spec in (*evals.scorers, *evals.cases[0].scorers)}) == 3
