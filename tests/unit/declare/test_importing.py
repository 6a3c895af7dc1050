"""Suites of other tools: what is carried over means the same, and what is not is listed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from afterpilot.declare import load_suite
from afterpilot.declare.importing import Imported, csv, inspect, promptfoo
from afterpilot.declare.writing import NewSuite, write_suite
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.workflow import Evals

FIXTURES = Path(__file__).parent / "importing_fixtures"


def loaded(suite: NewSuite, folder: Path) -> Evals:
    """The suite after it was written."""
    write_suite(folder / suite.name, suite)
    found = load_suite(folder / suite.name)
    assert [str(problem) for problem in found.problems] == []
    assert found.evals is not None
    return found.evals


def configured(folder: Path, **changes: Any) -> Imported:
    """What a small configuration becomes with these changes."""
    data: dict[str, Any] = {
        "prompts": ["Say {{ x }}"],
        "providers": ["openai:gpt-5-mini"],
        "tests": [{"vars": {"x": "y"}, "assert": [{"type": "contains", "value": "y"}]}],
    }
    folder.mkdir(exist_ok=True)
    path = folder / "promptfooconfig.json"
    path.write_text(json.dumps({**data, **changes}))
    return promptfoo.read(path)


def asserted(folder: Path, *assertions: Mapping[str, Any], **changes: Any) -> list[Any]:
    """The scorers that assertions become, all of which must be usable."""
    test = {"vars": {"x": "Ana", "y": "2"}, "assert": list(assertions)}
    imported = configured(folder, tests=[test], **changes)
    (suite,) = imported.suites
    loaded(suite, folder)
    (case,) = suite.cases
    return list(case["scorers"])


@pytest.fixture(scope="module")
def whole() -> Imported:
    """A configuration with some of everything."""
    return promptfoo.read(FIXTURES / "promptfooconfig.yaml")


def test_every_suite_of_a_configuration_can_be_run(whole: Imported, tmp_path: Path) -> None:
    """One for each provider and prompt that can be asked, and for each pass threshold."""
    names = {suite.name for suite in whole.suites}
    assert len(names) == 3 * 3 * 2
    for suite in whole.suites:
        assert loaded(suite, tmp_path).cases
    assert {re.sub(r"^promptfooconfig-", "", name) for name in names if "claude" in name and "pass" not in name} == {
        "claude-haiku-4-5-short-1",
        "claude-haiku-4-5-short-2",
        "claude-haiku-4-5-chat",
    }


def test_what_is_not_carried_over_is_listed_with_its_place(whole: Imported) -> None:
    """Exactly this, and nothing besides."""
    told = {(one.place, one.what) for one in whole.left_out}
    assert told == {
        ("outputPath", "outputPath"),
        ("prompts[2]", "filtered"),
        ("prompts[3]", "file://prompts/made.js"),
        ("providers[1].config.apiKeyEnvar", "apiKeyEnvar"),
        ("providers[1].config.apiBaseUrl", "https://gateway.example/v1"),
        ("providers[1].config.top_p", "top_p"),
        ("providers[3]", "bedrock:us.amazon.nova-lite"),
        ("evaluateOptions.delay", "delay"),
        ("tests[0] (1).assert[2]", "javascript"),
        ("tests[0] (2).assert[2]", "javascript"),
        ("tests[1].assert[7]", "rouge-n"),
        ("tests[2]", "a test"),
        ("tests[6]", "file://tests/made.js"),
        ("more.yaml[1].assert[0]", "equals"),
        ("more.yaml[1]", "all assertions of its own"),
        ("table.csv line 4.assert[0]", "javascript"),
        ("table.csv line 4", "all assertions of its own"),
    }
    assert all(one.why and one.file == "promptfooconfig.yaml" for one in whole.left_out)


def test_places_are_those_of_the_file_also_where_default_assertions_come_first(tmp_path: Path) -> None:
    """What stands in defaultTest says so, once; a test that only lives on those is named."""
    script = {"type": "javascript", "value": "true"}
    usual = {"assert": [script, {"type": "contains", "value": "a"}]}
    asked = [
        {"vars": {"x": "p"}, "assert": [{"type": "contains", "value": "p"}, script]},
        {"vars": {"x": "q"}, "assert": [script]},
        {"vars": {"x": "r"}},
    ]
    scenario = {"config": [{"vars": {"x": "s"}, "assert": [script]}], "tests": [{"assert": [{"type": "is-json"}]}]}
    imported = configured(tmp_path, tests=asked, defaultTest=usual, scenarios=[scenario])
    assert [(one.place, one.what) for one in imported.left_out] == [
        ("defaultTest.assert[0]", "javascript"),
        ("tests[0].assert[1]", "javascript"),
        ("tests[1].assert[0]", "javascript"),
        ("tests[1]", "all assertions of its own"),
        ("scenarios[0].config[0].assert[0]", "javascript"),
    ]
    assert "only defaultTest's assertions are left" in str(imported.left_out[3])
    assert len(imported.suites[0].cases) == 4


def test_a_provider_keeps_its_settings(whole: Imported, tmp_path: Path) -> None:
    """API, temperature, tokens, schema and tools; never a key."""
    suite = next(one for one in whole.suites if one.name == "promptfooconfig-big-one-chat")
    assert suite.keys["model"] == {
        "connection": "openai",
        "name": "gpt-5",
        "prompt": "prompt.md",
        "api": "responses",
        "temperature": 0.3,
        "max_tokens": 400,
        "response_schema": "answer.schema.json",
        "tools": "tools.json",
    }
    assert suite.files["prompt.md"] == "## system\nYou are a {{ tone }} help desk.\n\n## user\n{{ question }}\n"
    evals = loaded(suite, tmp_path)
    assert (evals.concurrency, evals.epochs) == (8, 2)
    assert [scorer.name for scorer in evals.scorers] == ["latency", "cost"]


def test_the_cases_are_those_of_the_tests(whole: Imported) -> None:
    """Lists of values are unfolded, files read, scenarios multiplied, tables with a byte order mark understood."""
    suite = next(one for one in whole.suites if one.name == "promptfooconfig-gpt-5-mini-chat")
    cases = {case["id"]: case for case in suite.cases}
    assert list(cases) == [
        *(
            "greets by name",
            "greets by name-2",
            "knows the opening hours",
            "answers in JSON",
            "with JavaScript before it",
        ),
        *("sums", "capital", "odd", "says goodbye", "says goodbye-2"),
    ]
    assert [cases[name]["vars"]["customer"] for name in ("greets by name", "greets by name-2")] == ["Ana", "Ben"]
    assert cases["greets by name"]["tags"] == ["topic=greeting", "level=1"]
    assert cases["sums"]["vars"] == {"tone": "friendly", "question": "2+2?", "customer": "Gil"}
    assert cases["says goodbye-2"]["scorers"] == [{"contains": "", "text": "Ed", "ignore_case": True}]
    assert suite.files["rubric-2.md"] == "The answer is polite to Ben.\n"
    strict = next(one for one in whole.suites if one.name == "promptfooconfig-gpt-5-mini-chat-pass-0.5")
    assert strict.keys["pass_score"] == "50%"


@pytest.mark.parametrize(
    ("assertion", "scorer"),
    [
        ({"type": "equals", "value": "{{x}}"}, {"exact": "", "value": "Ana"}),
        ({"type": "equals", "value": 4}, {"exact": "", "value": "4"}),
        ({"type": "equals", "value": {"a": 1}}, {"exact": "", "value": {"a": 1}}),
        ({"type": "not-equals", "value": "x"}, {"exact": "", "value": "x", "negate": True}),
        ({"type": "contains", "value": 0}, {"contains": "", "text": "0"}),
        ({"type": "icontains", "value": "A"}, {"contains": "", "text": "A", "ignore_case": True}),
        ({"type": "contains-all", "value": ["a", 2]}, {"contains": "", "all": ["a", "2"]}),
        ({"type": "icontains-all", "value": ["a"]}, {"contains": "", "all": ["a"], "ignore_case": True}),
        ({"type": "contains-any", "value": "a, b"}, {"contains": "", "any": ["a", "b"]}),
        ({"type": "regex", "value": r"(?<year>\d+)"}, {"regex": "", "pattern": r"(?P<year>\d+)"}),
        ({"type": "regex", "value": r"(?<!a)b"}, {"regex": "", "pattern": r"(?<!a)b"}),
        ({"type": "starts-with", "value": "a.b"}, {"regex": "", "pattern": r"\Aa\.b"}),
        ({"type": "is-json"}, {"is_json": "", "fence": False}),
        ({"type": "not-is-json"}, {"is_json": "", "fence": False, "negate": True}),
        ({"type": "is-json", "value": {"type": "object"}}, {"json_schema": "schema-1.json", "fence": False}),
        ({"type": "is-json", "value": "type: object"}, {"json_schema": "schema-1.json", "fence": False}),
        ({"type": "contains-json"}, {"python": "scorers.py", "function": "contains_json_1"}),
        ({"type": "latency", "threshold": 900}, {"latency": 900}),
        ({"type": "cost", "threshold": 0.01}, {"cost": 0.01}),
        ({"type": "levenshtein", "value": "ab"}, {"python": "scorers.py", "function": "within_edits_1"}),
        ({"type": "is-refusal"}, {"refusal": True}),
        ({"type": "not-is-refusal"}, {"refusal": False}),
        ({"type": "equals", "value": "b", "transform": "output.queue"}, {"exact": "queue", "value": "b"}),
        ({"type": "equals", "value": "b", "transform": "JSON.parse(output).q"}, {"exact": "q", "value": "b"}),
        ({"type": "equals", "value": "b", "transform": "output.trim()"}, {"exact": "", "value": "b"}),
        (
            {"type": "contains", "value": "b", "weight": 3, "metric": "m"},
            {"contains": "", "text": "b", "weight": 3, "title": "m"},
        ),
        (
            {"type": "tool-call-f1", "value": ["a", "b"], "threshold": 0.5},
            {"python": "scorers.py", "function": "tools_called_1", "threshold": 0.5},
        ),
        (
            {"type": "similar", "value": "b", "provider": "openai:embedding:e"},
            {"similarity": "", "value": "b", "embedding": {"connection": "openai", "model": "e"}, "threshold": 0.75},
        ),
        (
            {"type": "not-similar", "value": "b", "threshold": 0.8, "provider": "openai:embedding:e"},
            {
                "similarity": "",
                "value": "b",
                "embedding": {"connection": "openai", "model": "e"},
                "threshold": 0.2,
                "negate": True,
            },
        ),
        (
            {"type": "llm-rubric", "value": "Is kind", "threshold": 0.7, "provider": "anthropic:messages:claude"},
            {
                "judge": "rubric-1.md",
                "model": {"connection": "anthropic", "name": "claude", "api": "messages", "max_tokens": 1024},
                "threshold": 0.7,
            },
        ),
    ],
    ids=lambda value: value.get("type", "") if isinstance(value, dict) else "",
)
def test_an_assertion_becomes_the_scorer_of_its_meaning(tmp_path: Path, assertion: dict[str, Any], scorer: Any) -> None:
    """Each deterministic type, its negation, weight, metric and threshold."""
    assert asserted(tmp_path, assertion) == [scorer]


def test_what_an_assertion_set_says_of_itself_is_listed(tmp_path: Path) -> None:
    """Its assertions stand alone; one that decides nothing is left out whole."""
    inner = [{"type": "contains", "value": "a"}]
    group = {"type": "assert-set", "assert": inner, "weight": 3, "metric": "tone"}
    imported = configured(tmp_path, tests=[{"assert": [group, {"type": "is-json"}]}])
    assert [one.place for one in imported.left_out] == ["tests[0].assert[0].metric", "tests[0].assert[0].weight"]
    assert len(imported.suites[0].cases[0]["scorers"]) == 2
    imported = configured(tmp_path, tests=[{"assert": [{**group, "weight": 0}, {"type": "is-json"}]}])
    assert "tests[0].assert[0]" in [one.place for one in imported.left_out]
    assert len(imported.suites[0].cases[0]["scorers"]) == 1


@pytest.mark.parametrize("threshold", [1.5, -1, "80%", True])
def test_a_threshold_that_no_score_can_be_held_against_is_listed(tmp_path: Path, threshold: Any) -> None:
    """And all assertions of the test must pass, in the suite of all others that have none; 0 means the same to promptfoo."""
    asserts = [{"type": "contains", "value": "a"}]
    tests = [{"vars": {"x": str(one)}, "assert": asserts, "threshold": one} for one in (threshold, 0, None)]
    imported = configured(tmp_path, tests=tests)
    assert [one.place for one in imported.left_out] == ["tests[0].threshold"]
    (suite,) = imported.suites
    assert len(suite.cases) == 3
    assert "pass_score" not in suite.keys
    (tmp_path / "t.csv").write_text(f"x,__expected,__threshold\na,b,{threshold}\n")
    imported = configured(tmp_path, tests="file://t.csv")
    assert [(one.place, "threshold" in one.what) for one in imported.left_out] == [("t.csv line 2.threshold", True)]


def test_judges_of_one_case_get_titles_of_their_own(tmp_path: Path) -> None:
    """Also under one metric, and where the same one stands twice; a judge bears its title in all cases, and alone it needs none."""
    kind, short = {"type": "llm-rubric", "value": "kind"}, {"type": "llm-rubric", "value": "short"}
    titles = [scorer["title"] for scorer in asserted(tmp_path / "a", kind, short, kind)]
    assert titles == ["judge", "judge (2)", "judge (3)"]
    tone = {"type": "contains", "value": "a", "metric": "tone"}
    found = asserted(tmp_path / "b", tone, {**kind, "metric": "tone"}, {**short, "metric": "tone"})
    assert [scorer["title"] for scorer in found] == ["tone", "tone (2)", "tone (3)"]
    tests = [{"vars": {"x": "1"}, "assert": [kind]}, {"vars": {"x": "2"}, "assert": [short, kind]}]
    (suite,) = configured(tmp_path, tests=tests).suites
    assert [scorer["title"] for scorer in suite.keys["scorers"]] == ["judge"]
    assert [scorer["title"] for scorer in suite.cases[1]["scorers"]] == ["judge (2)"]
    loaded(suite, tmp_path)
    (alone,) = configured(tmp_path, tests=[tests[0], {"vars": {"x": "2"}, "assert": [short]}]).suites
    assert not any("title" in scorer for case in alone.cases for scorer in case["scorers"])


@pytest.mark.parametrize(
    "assertion",
    [
        {"type": "javascript", "value": "true"},
        {"type": "python", "value": "len(output) > 1"},
        {"type": "rouge-n", "value": "x"},
        {"type": "contains"},
        {"type": "contains", "value": "{{ x | upper }}"},
        {"type": "contains", "value": "file://../secret.txt"},
        {"type": "contains", "value": "file:///etc/passwd"},
        {"type": "contains", "value": "a", "weight": 0},
        {"type": "equals", "value": "a", "transform": "output.split(' ')[0]"},
        {"type": "regex", "value": "(a"},
        {"type": "is-json", "value": {"type": "objekt"}},
        {"type": "similar", "value": "a"},
        {"type": "similar", "value": "a", "provider": "huggingface:x:y"},
        {"type": "latency"},
        {"type": "assert-set", "threshold": 0.5, "assert": []},
        {"type": "is-valid-openai-tools-call"},
        {"value": "a"},
        "contains",
    ],
    ids=str,
)
def test_an_assertion_without_the_same_meaning_is_listed(tmp_path: Path, assertion: Any) -> None:
    """The test goes on with its other assertions; a test without any is listed too."""
    imported = configured(tmp_path, tests=[{"vars": {"x": "y"}, "assert": [assertion, {"type": "is-json"}]}])
    assert imported.suites[0].cases[0]["scorers"] == [{"is_json": "", "fence": False}]
    assert [one.place for one in imported.left_out if one.place.startswith("tests[0].assert[0]")]
    alone = configured(tmp_path, tests=[{"vars": {"x": "y"}, "assert": [assertion]}])
    assert alone.suites == ()
    assert any(one.what.startswith("the suite ") for one in alone.left_out)


def test_functions_that_are_written_judge_as_promptfoo_does(tmp_path: Path) -> None:
    """JSON anywhere in the answer, edits that are counted, and calls that keep to their tools' schemas."""
    tool = {"name": "refund", "parameters": {"type": "object", "required": ["id"]}}
    imported = configured(
        tmp_path,
        providers=[{"id": "openai:chat:m", "config": {"tools": [{"type": "function", "function": tool}]}}],
        tests=[
            {
                "vars": {"x": "y"},
                "assert": [
                    {"type": "contains-json", "value": {"type": "object", "required": ["a"]}},
                    {"type": "contains-json"},
                    {"type": "levenshtein", "value": "kitten", "threshold": 3},
                    {"type": "is-valid-openai-tools-call"},
                    {"type": "tool-call-f1", "value": "refund, find"},
                ],
            }
        ],
    )
    (suite,) = imported.suites
    loaded(suite, tmp_path)
    functions: dict[str, Any] = {}
    exec(str(suite.files["scorers.py"]), functions)  # noqa: S102 - written by the code under test

    def says(name: str, answer: str, calls: list[Any] | None = None) -> bool:
        return bool(functions[name](answer, {}, {"tool_calls": calls or []})[0])

    assert says("contains_json_1", 'Sure: {"a": 1}.')
    assert not says("contains_json_1", 'Sure: {"b": 1}.')
    assert not says("contains_json_1", 'Sure: {"outer": {"a": 1}}.')
    assert says("contains_json_2", "Sure: [{}].")
    assert not says("contains_json_2", "As in [1].")
    assert not says("contains_json_2", '{"a":' * 5_000)
    assert not says("contains_json_2", "Sure: {1.")
    assert says("within_edits_1", "sitting")
    assert not says("within_edits_1", "sittings")
    assert functions["within_edits_1"]("x" * 100, {}, {})[1].startswith(
        "the answer is longer"
    )  # and nothing is counted
    assert says("valid_tool_calls_1", "", [{"name": "refund", "arguments": {"id": 1}}])
    assert not says("valid_tool_calls_1", "", [{"name": "refund", "arguments": {}}])
    assert not says("valid_tool_calls_1", "", [{"name": "other", "arguments": {}}])
    assert not says("valid_tool_calls_1", "")
    twice = [{"name": "refund", "arguments": {}}, {"name": "refund", "arguments": {}}]
    assert functions["tools_called_1"]("", {}, {"tool_calls": twice})[0] == pytest.approx(2 / 3)
    assert not says("tools_called_1", "")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai:gpt-5", {"connection": "openai", "name": "gpt-5"}),
        ("openai:chat:ft:gpt-5:org", {"connection": "openai", "name": "ft:gpt-5:org"}),
        ("anthropic:claude-x", {"connection": "anthropic", "name": "claude-x", "api": "messages"}),
        ("openrouter:meta/llama", {"connection": "openrouter", "name": "meta/llama"}),
        ("ollama:chat:llama3:8b", {"connection": "ollama", "name": "llama3:8b"}),
        ({"openai:gpt-5": {"config": {"temperature": 1}}}, {"connection": "openai", "name": "gpt-5", "temperature": 1}),
    ],
)
def test_a_provider_in_any_of_its_shapes(tmp_path: Path, provider: Any, model: Mapping[str, Any]) -> None:
    """Text, mapping with an id, mapping by its id."""
    (suite,) = configured(tmp_path, providers=[provider]).suites
    assert suite.keys["model"] == {"prompt": "prompt.md", "temperature": 0, "max_tokens": 1024, **model}


def test_a_key_in_a_configuration_is_never_repeated(tmp_path: Path) -> None:
    """Not in a suite, not in what is listed."""
    secret = "sk-proj-0123456789abcdef"
    provider = {
        "id": "openai:gpt-5",
        "config": {"apiKey": secret, "headers": {"x": secret}, "apiHost": f"https://me:{secret}@x"},
    }
    imported = configured(tmp_path, providers=[provider], env={"K": secret})
    assert "0123456789" not in repr(imported)
    assert len(imported.left_out) == 4


def test_what_would_be_no_usable_suite_is_listed(tmp_path: Path) -> None:
    """A prompt that asks the same of every case, a secret in a test, a broken tool, a field that the answer's schema lacks."""
    tests = [{"vars": {"x": str(n)}, "assert": [{"type": "equals", "value": "a"}]} for n in range(2)]
    constant = configured(tmp_path, prompts=["Say something"], tests=tests)
    assert constant.suites == ()
    assert any("has no variable" in str(one) for one in constant.left_out)
    tests[0]["vars"] = {"x": "sk-proj-0123456789abcdef"}
    secret = configured(tmp_path, tests=tests)
    assert [case["vars"]["x"] for case in secret.suites[0].cases] == ["1"]
    assert "0123456789" not in repr(secret)
    schema = {"type": "object", "properties": {"a": {}}}
    settings = {"tools": [{"name": ""}], "response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
    checks = [{"type": "equals", "value": "1", "transform": f"output.{name}"} for name in "ab"]
    broken = configured(
        tmp_path,
        providers=[{"id": "openai:gpt-5", "config": settings}],
        tests=[{"vars": {"x": "y"}, "assert": checks}],
    )
    assert broken.suites[0].cases[0]["scorers"] == [{"exact": "a", "value": "1"}]
    assert [one.place for one in broken.left_out] == [
        "providers[0].config.tools",
        "providers[0].config.tools",
        "tests[0].assert[1]",
    ]
    loaded(broken.suites[0], tmp_path)


def test_variables_may_stand_in_variables_but_not_for_ever(tmp_path: Path) -> None:
    """One that holds itself ends, and what would grow without bound stays as it is."""
    test = {
        "vars": {"x": "{{ y }}!", "y": "b", "z": "{{z}}{{z}}" * 500},
        "assert": [{"type": "equals", "value": "{{x}}"}],
    }
    (suite,) = configured(tmp_path, tests=[test]).suites
    assert suite.cases[0]["vars"]["x"] == "b!"
    assert suite.cases[0]["scorers"] == [{"exact": "", "value": "b!"}]
    assert len(suite.cases[0]["vars"]["z"]) < 1_000_000


@pytest.mark.parametrize("text", ["", "[", "a: 1", "- a", "\x00", "model: {}\ncases: x\nmax_cost: 1 USD\n"])
def test_what_is_no_configuration_is_an_error(tmp_path: Path, text: str) -> None:
    """With the file's name, never a traceback."""
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert not promptfoo.looks_like(path)
    with pytest.raises(DeclarationError, match=r"x\.yaml"):
        promptfoo.read(path)


def test_a_dataset_of_inspect_becomes_suites(tmp_path: Path) -> None:
    """One for each kind of sample; a list of targets means any of them."""
    imported = inspect.read(FIXTURES / "dataset.jsonl")
    assert [suite.name for suite in imported.suites] == ["dataset", "dataset-choices", "dataset-system"]
    plain, choices, system = (loaded(suite, tmp_path) for suite in imported.suites)
    assert (plain.cases[0].id, plain.cases[0].expected, plain.cases[0].tags) == ("7", {"": "4"}, ("level=easy",))
    assert choices.cases[0].vars["choices"] == "A) apple\nB) stone"
    assert choices.cases[0].scorers[0].name == "exact"
    assert system.cases[0].vars == {"system": "Be brief.", "input": "Capital of France?"}
    assert [turn.role for turn in system.cases[0].messages] == ["assistant", "user"]
    assert system.cases[0].scorers[0].params["any"] == ("Paris", "paris")
    assert [one.place for one in imported.left_out] == ["line 3", "line 3", "line 4", "line 5", ""]


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[1]"])
def test_what_is_no_dataset_is_an_error(tmp_path: Path, text: str) -> None:
    """With file and line."""
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(DeclarationError, match=r"x\.jsonl:1: "):
        inspect.read(path)


def test_a_table_becomes_a_suite(tmp_path: Path) -> None:
    """Semicolons, byte order mark, quotes, a cell like a formula; columns of numbers are compared as numbers."""
    imported = csv.read(FIXTURES / "table.csv")
    (suite,) = imported.suites
    evals = loaded(suite, tmp_path)
    assert [case.id for case in evals.cases] == ["fr", "de"]
    assert evals.cases[1].vars == {"question": "=Capital?", "country": "Germany"}
    assert evals.cases[1].expected == {"city": 'Ber"lin', "people": "3600000"}
    assert evals.cases[0].tags == ("europe", "big")
    assert [(scorer.name, scorer.field) for scorer in evals.scorers] == [("exact", "city"), ("numeric", "people")]
    assert [one.place for one in imported.left_out] == ["line 4", ""]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":1: has no header"),
        ("q,expected\n", "holds no case below its header"),
        ("q,q,expected\n1,2,3\n", ":1: the column 'q' stands twice"),
        ("q,,expected\n1,2,3\n", ":1: column 2 has no name"),
        ("q,expected\n1,2,3\n", ":2: has 3 cells, but the header has 2"),
        ("q w,expected\n1,2\n", ":1: the column 'q w' cannot be a variable"),
        ("id,expected\n1,2\n", ":1: has no column for a variable"),
        ("q\n1\n", ":1: has no column expected"),
        ("id,q,expected\na,1,2\n\na,1,2\n", ":4: the id 'a' stands twice, first in line 2"),
        ('q,expected\n"1,2\n', "is not CSV"),
    ],
)
def test_a_broken_table_is_told_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    """Before anything is written."""
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DeclarationError, match=re.escape(problem)):
        csv.read(path)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Whichever tool it is said to be of."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"q,expected\n\xe9,1\n")
    for reader in (csv.read, inspect.read, promptfoo.read):
        with pytest.raises(DeclarationError, match=r"x\.csv:2: is not UTF-8"):
            reader(path)
