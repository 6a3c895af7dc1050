"""``afterpilot evals`` as a developer uses it: a real process, a real HTTP model, files that another command reads."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from afterpilot.cli.evals import compare as compare_command
from afterpilot.domain.evals import Sample, Score
from afterpilot.evaluate.results import Asked, ResultsFile
from doubles.model import Act, ModelDouble

SUITE = """\
model: {connection: nowhere, name: double-1, prompt: prompt.md, max_tokens: 20}
cases: cases.jsonl
scorers: [exact]
max_cost: 1 USD
concurrency: 4
pass_rate: 90%
"""
PROMPTFOO = """\
prompts: ["Say {{ word }}."]
providers: ["openai:chat:double-1"]
tests:
  - {vars: {word: one}, assert: [{type: icontains, value: ONE}, {type: javascript, value: "output.length < 9"}]}
  - {vars: {word: two}, assert: [{type: equals, value: two}]}
"""


def echo(body: dict[str, Any], _times: int) -> Act:
    """The model says the word that it was asked for, but calls ten eleven."""
    word = body["messages"][-1]["content"].removeprefix("Say ").rstrip(".")
    return Act("eleven" if word == "ten" else word)


@pytest.fixture
def model() -> Iterator[ModelDouble]:
    """A model that says what it is told."""
    with ModelDouble(echo) as double:
        yield double


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite of ten words."""
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "suite.yaml").write_text(SUITE)
    (folder / "prompt.md").write_text("Say {{ word }}.")
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    lines = [json.dumps({"id": word, "vars": {"word": word}, "expected": word, "tags": ["short"]}) for word in words]
    (folder / "cases.jsonl").write_text("\n".join(lines))
    return folder


def afterpilot(*arguments: object, cwd: Path, **environment: str) -> tuple[int, str, str]:
    """The command in a process of its own: exit status, standard output and error."""
    environ = {**os.environ, "AFTERPILOT_WORKFLOWS": str(cwd / "none"), "COLUMNS": "200", **environment}
    command = [str(Path(sys.executable).with_name("afterpilot")), "evals", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environ)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def run(suite: Path, model: ModelDouble, *more: object) -> tuple[int, str, str]:
    """Run the suite against the double."""
    return afterpilot("run", suite, "--base-url", model.url, "--price", "1/2", *more, cwd=suite.parent)


def lines(path: Path) -> list[dict[str, Any]]:
    """The samples of a results file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_suite_runs_and_its_results_compare(suite: Path, model: ModelDouble, tmp_path: Path) -> None:
    """Nine of ten reach the bar of 90 %; a worse run later is told case by case, with exit status 1."""
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    code, out, _ = run(suite, model, "-o", before, "--junit", tmp_path / "j.xml")
    assert code == 0
    assert "9 of 10 cases passed" in out
    assert "'eleven' instead of 'ten'" in out
    found = {line["id"]: line for line in lines(before)}
    assert len(found) == 10
    assert found["ten"]["passed"] is False
    assert found["one"]["assertions"] == [
        {"type": "exact", "pass": True, "score": 1.0, "reason": "", "weight": 1.0, "advisory": False, "details": {}}
    ]
    assert float(found["one"]["cost"]) > 0
    assert 'failures="1" errors="0"' in (tmp_path / "j.xml").read_text()

    cut = [
        json.dumps({**line, "assertions": [{**line["assertions"][0], "pass": False, "score": 0}]})
        for line in lines(before)[:7]
    ]
    after.write_text("\n".join([*cut, *map(json.dumps, lines(before)[7:])]) + "\n")
    assert afterpilot("compare", before, before, cwd=tmp_path)[0] == 0
    code, out, _ = afterpilot("compare", before, after, "--json", cwd=tmp_path)
    told = json.loads(out)
    assert (code, told["worse"], told["cases_in_both"]) == (1, True, 10)
    assert len(told["broken"]) in {6, 7}


def test_a_run_that_was_cut_off_is_not_compared(suite: Path, model: ModelDouble, tmp_path: Path) -> None:
    """What is missing from it may be what got worse; that there is more than before is no matter."""
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    run(suite, model, "-o", before)
    after.write_text("".join(before.read_text().splitlines(keepends=True)[:5]))
    code, out, _ = afterpilot("compare", before, after, cwd=tmp_path)
    assert (code, "only 5 of 10 cases" in out) == (2, True)
    assert afterpilot("compare", after, before, cwd=tmp_path)[0] == 0


def test_a_comparison_counts_as_the_runs_did(suite: Path, tmp_path: Path) -> None:
    """Each word is right twice of three times, which is enough by majority: also where two runs are compared."""
    spec = suite / "suite.yaml"
    spec.write_text(SUITE + "epochs: 3\nreducer: majority\n")
    results = tmp_path / "results.jsonl"
    with ModelDouble(lambda body, times: Act("eleven") if times == 1 else echo(body, times)) as wavering:
        code, out, _ = run(suite, wavering, "-o", results)
    assert (code, "9 of 10 cases passed" in out) == (0, True)
    told = json.loads(afterpilot("compare", results, results, "--json", cwd=tmp_path)[1])
    assert (told["before"]["passed"], told["before"]["scored"]) == (9, 10)


def test_a_run_goes_on_in_its_file_and_asks_nothing_twice(suite: Path, model: ModelDouble, tmp_path: Path) -> None:
    """What is there is kept, half a line at the end is written over, and only the rest is asked."""
    results = tmp_path / "results.jsonl"
    run(suite, model, "-o", results)
    asked = len(model.requests)
    whole = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(b"".join(whole[:6]) + whole[6][:40])
    code, _, err = run(suite, model, "-o", results)
    assert (code, len(model.requests) - asked) == (0, 4)
    assert "6 samples are there already" in err
    assert sorted(line["id"] for line in lines(results)) == sorted(line["id"] for line in map(json.loads, whole))


def test_results_of_another_version_are_never_mixed(suite: Path, model: ModelDouble, tmp_path: Path) -> None:
    """A changed prompt needs another file or --anew, and says so."""
    results = tmp_path / "results.jsonl"
    run(suite, model, "-o", results)
    (suite / "prompt.md").write_text("Please say {{ word }}.")
    code, _, err = run(suite, model, "-o", results)
    assert code == 2
    assert "--anew" in err
    assert run(suite, model, "-o", results, "--anew")[0] == 1


def test_a_judge_that_decides_is_another_suite_than_one_that_does_not(suite: Path, tmp_path: Path) -> None:
    """What was scored while it was on probation, or by another rubric, is no part of a run in which it decides."""
    (suite / "suite.yaml").write_text(
        SUITE.replace("[exact]", "[exact, {judge: rubric.md, model: {connection: nowhere, name: double-1}}]")
    )
    (suite / "rubric.md").write_text("Is it polite?")
    results, word = tmp_path / "results.jsonl", '{"reason": "rude", "score": 0, "passed": false}'
    with ModelDouble(lambda body, times: Act(word) if len(body["messages"]) > 1 else echo(body, times)) as model:
        assert run(suite, model, "-o", results)[0] == 0
        code, _, err = run(suite, model, "-o", results, "--trust-judges")
        assert (code, "judges" in err) == (2, True)
        (suite / "rubric.md").write_text("Is it short?")
        assert run(suite, model, "-o", results)[0] == 2


def test_what_failed_attempts_have_cost_counts_against_the_cap(suite: Path, tmp_path: Path) -> None:
    """Each answer was billed and could not be used: going on again and again never spends more than the cap."""
    results = tmp_path / "results.jsonl"
    broken = b'{"model": "double-1", "choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 8}}'
    with ModelDouble(lambda _body, _times: Act(body=broken)) as model:
        for _ in range(3):  # 0.000036 USD a call
            assert run(suite, model, "-o", results, "--max-cost", "0.0005 USD")[0] == 2
        assert 10 < len(model.requests) <= 13


def test_what_cannot_be_judged_is_neither_good_nor_bad(suite: Path, model: ModelDouble, tmp_path: Path) -> None:
    """A model that never answers, a case that is not there, an unpriced model: exit status 2 and the reason."""
    dead = f"{model.url.rsplit(':', 1)[0]}:1/v1"
    code, out, _ = afterpilot("run", suite, "--base-url", dead, "--price", "0/0", "--case", "one", cwd=tmp_path)
    assert code == 2
    assert "cannot be judged: only 0 of 1 sample" in out
    assert run(suite, model, "--case", "eleven")[0] == 2
    (suite / "cases.jsonl").write_text("")
    code, _, err = run(suite, model)
    assert (code, "is empty" in err) == (2, True)


def test_a_promptfoo_file_runs_as_it_is(model: ModelDouble, tmp_path: Path) -> None:
    """Its assertions count; what could not be carried over is said before."""
    config = tmp_path / "promptfooconfig.yaml"
    config.write_text(PROMPTFOO)
    code, out, err = run(config, model, "--json")
    (told,) = json.loads(out)
    assert (code, told["passed"]) == (0, 2)
    assert any("javascript" in line for line in told["left_out"])
    code, _, err = run(config, model)
    assert "not carried over" in err
    assert "javascript" in err
    code, out, _ = afterpilot("import", "promptfoo", config, "-o", "made", cwd=tmp_path)
    assert (code, "2 cases" in out) == (0, True)
    folder = next((tmp_path / "made").iterdir())
    assert run(folder, model)[0] == 0
    assert afterpilot("import", "promptfoo", config, "-o", "made", cwd=tmp_path)[0] == 2


@pytest.mark.parametrize(
    "command",
    [["run", "nothing.yaml"], ["run", "cases.csv"], ["compare", "a.jsonl", "b.jsonl"], ["run"], ["import", "csv", "x"]],
    ids=" ".join,
)
def test_a_wrong_name_is_one_clear_sentence(tmp_path: Path, command: Sequence[str]) -> None:
    """Exit status 2, no traceback."""
    (tmp_path / "cases.csv").write_text("id\n")
    code, out, err = afterpilot(*command, cwd=tmp_path)
    assert code == 2
    assert out + err


def test_a_dry_run_asks_nobody(suite: Path, model: ModelDouble) -> None:
    """It says how many calls it will take, and what they cost at most."""
    code, _, err = run(suite, model, "--dry-run")
    assert (code, len(model.requests)) == (0, 0)
    assert "10 calls" in err
    assert "at most" in err


def test_a_price_that_is_said_goes_before_the_fleet_s(suite: Path, model: ModelDouble, tmp_path: Path) -> None:
    """Also before the one that the fleet has for a dated version of the model."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    entry = "{{model: {}, input_per_million: 1000000, output_per_million: 1000000, {}}}"
    rest = "cached_per_million: 1000000, currency: USD, note: contract"
    prices = ", ".join(entry.format(name, rest) for name in ("double-1", "double-1-2026-01-01"))
    (folder / "_fleet.yaml").write_text(f"channel: '#x'\nprices: [{prices}]\n")
    command = ["run", suite, "--base-url", model.url, "--case", "one", "--max-cost", "90000000 USD"]
    for more, cost in ([], 1.0), (["--price", "0/0"], 0.0):
        results = tmp_path / f"{cost}.jsonl"
        code, _, err = afterpilot(*command, *more, "-o", results, cwd=tmp_path, AFTERPILOT_WORKFLOWS=str(folder))
        (line,) = lines(results)
        assert (code, bool(float(line["cost"]))) == (0, bool(cost)), err


def test_a_suite_without_a_price_is_refused_once(suite: Path, model: ModelDouble, tmp_path: Path) -> None:
    """Before anything is asked: one sentence, and no line in the file, however often it is tried."""
    results = tmp_path / "results.jsonl"
    for _ in range(2):
        code, out, err = afterpilot("run", suite, "--base-url", model.url, "-o", results, cwd=tmp_path)
        assert (code, out, results.exists(), len(model.requests)) == (2, "", False, 0)
        assert "no price is known for double-1" in err
        assert "--price" in err
        assert len(err.splitlines()) == 1


def test_an_endpoint_that_costs_nothing_needs_no_most_cost(suite: Path, tmp_path: Path) -> None:
    """With a price of 0 the most is 0; with any other price it still has to say what a call costs at most."""
    spec = SUITE.replace(
        "model: {connection: nowhere, name: double-1, prompt: prompt.md, max_tokens: 20}",
        "endpoint: {connection: nowhere, name: flow-1, path: /answer, request: request.json, answer: $.a, "
        "input_tokens: $.in, output_tokens: $.out}",
    )
    (suite / "suite.yaml").write_text(spec)
    (suite / "request.json").write_text('{"q": "{{ word }}"}')
    with ModelDouble(lambda _body, _times: Act(body=b'{"a": "one", "in": 3, "out": 1}')) as flow:
        command = ["run", suite, "--base-url", flow.url, "--case", "one", "--price"]
        code, out, err = afterpilot(*command, "1/2", cwd=tmp_path)
        assert (code, out, len(flow.requests), "most_cost" in err) == (2, "", 0, True)
        code, out, err = afterpilot(*command, "0/0", cwd=tmp_path)
        assert (code, "1 of 1 case passed" in out, "0.00 USD; median" in out) == (0, True, True), out + err


def test_a_missing_connection_is_said_once_with_both_ways_out(tmp_path: Path) -> None:
    """Before anything is asked: the connection as a variable, or another address with a key."""
    config = tmp_path / "promptfooconfig.yaml"
    config.write_text(PROMPTFOO)
    command = ["run", config, "--price", "1/2", "-o", tmp_path / "r.jsonl"]
    code, out, err = afterpilot(*command, cwd=tmp_path, OPENAI_API_KEY="sk-secret-of-mine")
    assert (code, out, (tmp_path / "r.jsonl").exists()) == (2, "", False)
    said = """AIRFLOW_CONN_OPENAI='{"conn_type": "http", "host": "https://api.openai.com/v1", "password": "KEY"}'"""
    assert err.count("there is no connection 'openai'") == 1
    assert said in err
    assert "--base-url https://api.openai.com/v1 with the key in OPENAI_API_KEY" in err
    assert "sk-secret" not in err


def test_the_connection_of_a_judge_that_decides_is_required_too(suite: Path, model: ModelDouble) -> None:
    """One on probation may be without: it decides nothing."""
    judge = "[exact, {judge: rubric.md, model: {connection: graders, name: double-1}}]"
    (suite / "suite.yaml").write_text(SUITE.replace("[exact]", judge))
    (suite / "rubric.md").write_text("Is it polite?")
    code, _, err = run(suite, model, "--trust-judges")
    assert (code, "there is no connection 'graders'" in err, len(model.requests)) == (2, True, 0)
    assert run(suite, model)[0] == 0


def test_a_folder_of_suites_runs_all_of_them(model: ModelDouble, tmp_path: Path) -> None:
    """What `import` has written runs in one go, and what was left out of a file that runs as it is stands there once."""
    config = tmp_path / "promptfooconfig.yaml"
    config.write_text(PROMPTFOO.replace('["openai:chat:double-1"]', '["openai:chat:double-1", "openai:chat:double-2"]'))
    afterpilot("import", "promptfoo", config, "-o", "made", cwd=tmp_path)
    command = ["--base-url", model.url, "--model", "double-1", "--price", "0/0", "--junit", tmp_path / "j.xml"]
    code, out, _ = afterpilot("run", "made", *command, cwd=tmp_path)
    assert (code, out.count("2 of 2 cases passed")) == (0, 2)
    assert (tmp_path / "j.xml").read_text().count("<testsuite ") == 2
    code, _, err = afterpilot("run", config, *command, cwd=tmp_path)
    assert (code, err.count("not carried over")) == (0, 1)


def test_errors_that_are_alike_are_told_together(suite: Path, tmp_path: Path) -> None:
    """Ten cases with the same trouble are one line, and what an advisory judge could not say is counted."""
    with ModelDouble(lambda _body, _times: Act(status=401)) as model:
        code, out, _ = run(suite, model)
    assert (code, len([line for line in out.splitlines() if "HTTP 401" in line])) == (2, 1), out
    assert "? 10 cases: " in out
    judge = "[exact, {judge: rubric.md, title: tone, model: {connection: nowhere, name: double-1}}]"
    (suite / "suite.yaml").write_text(SUITE.replace("[exact]", judge))
    (suite / "rubric.md").write_text("Is it polite?")
    results = tmp_path / "results.jsonl"
    with ModelDouble(lambda body, times: Act("hm") if len(body["messages"]) > 1 else echo(body, times)) as model:
        code, out, _ = run(suite, model, "-o", results, "--case", "one")
    assert (code, "tone: 1 judgement could not be used" in out) == (0, True), out
    assert [one["pass"] for one in lines(results)[0]["assertions"]] == [True, None]


@pytest.mark.parametrize("columns", ["", "80"])
def test_a_comparison_can_be_read_in_a_pipe(suite: Path, model: ModelDouble, tmp_path: Path, columns: str) -> None:
    """Each figure stands whole on one line however narrow the terminal of the caller is, and p is said exactly."""
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    run(suite, model, "-o", before)
    broken = [
        json.dumps({**line, "assertions": [{**line["assertions"][0], "pass": False, "score": 0}]})
        for line in lines(before)
        if line["id"] in {"one", "two", "three", "four"}
    ]
    kept = [json.dumps(line) for line in lines(before) if line["id"] not in {"one", "two", "three", "four"}]
    after.write_text("\n".join([*broken, *kept]) + "\n")
    code, out, _ = afterpilot("compare", before, after, cwd=tmp_path, COLUMNS=columns)
    assert code == 0
    assert "4 broke, 0 were fixed of 10 cases in both; p = 0.062 (exact McNemar test, one-sided)" in out
    assert any("90 % (60 % to 98 %)" in line and " ms" in line for line in out.splitlines()), out


def test_a_narrow_terminal_gets_no_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One figure a line, and nothing is cut."""
    screen = io.StringIO()
    narrow = Console(file=screen, width=60, force_terminal=True, color_system=None, soft_wrap=True)
    monkeypatch.setattr(compare_command, "console", narrow)
    results, worse = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    for path, good in (results, True), (worse, False):
        with ResultsFile(path) as file:
            score = Score("exact", float(good), passed=good, reason="'no' instead of 'yes'")
            file.add([Sample("a-case", 0, "an answer", (score,))], Asked("words", "abc", "USD"))
    with pytest.raises(typer.Exit):
        compare_command.compare(results, worse)
    said = screen.getvalue()
    assert "    pass rate (95 % interval): 100 %" in said
    assert "broke  a-case" in said
    assert "    why: exact: 'no' instead of 'yes'" in said
