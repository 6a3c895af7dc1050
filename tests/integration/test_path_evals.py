"""Evals over real HTTP: a server that fails, a run that is killed, an answer that is hostile, a model that got worse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from path_site import CASES, SLUG, Site, evaluated, perfect, spent, trigger

from afterpilot import pipeline
from afterpilot.domain.evals import Sample
from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Verdict
from afterpilot.record.evals.samples import Samples
from doubles.model import Act, ModelDouble

pytestmark = pytest.mark.integration


@pytest.fixture
def script() -> list[Callable[..., Act]]:
    """What the model does; a test replaces the last entry."""
    return [perfect]


@pytest.fixture
def model(script: list[Callable[..., Act]]) -> Iterator[ModelDouble]:
    """A model that follows the script."""

    def follow(request: dict[str, Any], times: int) -> Act:
        return script[-1](request, times)

    with ModelDouble(follow) as double:
        yield double


def approved(site: Site, run: Run) -> None:
    """A person makes the run the baseline."""
    wired = site.wired()
    pipeline.approve(wired.services, wired.workflow(SLUG), by="Dana Ruiz", run_id=run.id)


def test_a_server_that_answers_500_all_the_time(site: Site, script: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """UNKNOWN with one incident, nothing held against the model; when it answers again the incident is over."""
    monkeypatch.setattr("afterpilot.evaluate.calls.ATTEMPTS", 2)  # each pause is longer than the one before
    script.append(lambda _request, _times: Act(status=500, headers={"Retry-After": "0"}))
    run = evaluated(site)
    assert run.verdict is Verdict.UNKNOWN
    assert (run.evidence["scored"], run.evidence["errors"]) == (0, CASES)
    assert {row["passed"] for row in site.rows("SELECT passed FROM samples")} == {None}
    assert site.count("usage") == 0
    (incident,) = site.incidents()
    assert (incident["kind"], incident["severity"]) == ("evals.incomplete", "unknown")
    script.append(perfect)
    assert evaluated(site).verdict is Verdict.PASS
    assert [incident["state"] for incident in site.incidents()] == ["resolved"]


def test_a_run_that_is_killed_asks_only_what_is_missing(
    site: Site, model: ModelDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The samples of the dead attempt stand; the same trigger again asks for the rest, and pays for nothing twice."""
    site.edit(f"{SLUG}/workflow.yaml", "concurrency: 2", "concurrency: 1")
    once, add, kept = trigger(), Samples.add, []

    def dying(self: Samples, batch: Sequence[Sample], **options: Any) -> None:
        if len(kept) == 3:
            raise KeyboardInterrupt
        kept.extend(batch)
        add(self, batch, **options)

    monkeypatch.setattr(Samples, "add", dying)
    with pytest.raises(KeyboardInterrupt):
        evaluated(site, started_by=once)
    monkeypatch.undo()
    assert (site.count("samples"), site.count("usage"), site.count("runs")) == (3, 3, 0)
    asked = len(model.requests)
    run = evaluated(site, started_by=once)
    assert run.verdict is Verdict.PASS
    assert len(model.requests) - asked == CASES - 3
    assert (site.count("samples"), site.count("usage")) == (CASES, CASES)
    assert evaluated(site, started_by=once) == run
    assert len(model.requests) - asked == CASES - 3
    assert spent(site).evidence["calls"] == CASES


def test_a_suite_that_was_changed_between_two_attempts_is_asked_as_a_whole(
    site: Site, model: ModelDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers to the old prompt are paid for, and are no part of the verdict on the new one."""
    once, add, kept = trigger(), Samples.add, []

    def dying(self: Samples, batch: Sequence[Sample], **options: Any) -> None:
        if kept:
            raise KeyboardInterrupt
        kept.extend(batch)
        add(self, batch, **options)

    monkeypatch.setattr(Samples, "add", dying)
    with pytest.raises(KeyboardInterrupt):
        evaluated(site, started_by=once)
    monkeypatch.undo()
    site.edit(f"{SLUG}/prompt.md", "## user", "Take your time.\n\n## user")
    asked = len(model.requests)
    evaluated(site, started_by=once)
    assert len(model.requests) - asked == CASES
    assert (site.count("samples"), site.count("usage")) == (CASES, CASES + len(kept))


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "half \ud800 pair \udfff",
        "<script>alert(1)</script> *_~`<!channel> [x](http://x.example)",
        "x" * 1_000_000,
        "",
    ],
    ids=["NUL", "half surrogates", "markup", "one megabyte", "nothing"],
)
def test_a_hostile_answer_is_kept_and_is_the_models_failure(site: Site, script: list[Any], text: str) -> None:
    """Whatever a model says is stored and scored as wrong; the run, its incident and its message are there."""
    script.append(lambda _request, _times: Act(text=text))
    run = evaluated(site)
    assert run.verdict is Verdict.FAIL
    assert run.evidence["scored"] == CASES
    outputs = site.rows("SELECT output, passed, response FROM samples")
    assert len(outputs) == CASES
    for row in outputs:
        assert len(row["output"]) == len(text)
        assert row["passed"] is False
        assert row["response"]["choices"]
    assert site.wired().deliver().sent == 1


@pytest.mark.parametrize("said", [b"no \x00 for you", b"\xff\xfe", b'{"error": "\\ud800 \\u0000"}'])
def test_a_hostile_refusal_is_kept_too(site: Site, script: list[Any], said: bytes) -> None:
    """The error text of a server goes into samples, incident and message; none of them may break."""
    script.append(lambda _request, _times: Act(status=400, body=said))
    run = evaluated(site)
    assert run.verdict is Verdict.UNKNOWN
    assert site.count("samples") == CASES
    assert site.wired().deliver().sent == 1


def test_a_model_that_got_worse(site: Site, script: list[Any]) -> None:
    """Half of the cases break: below the bar, with what broke since the approval in the evidence; and over when it is mended."""
    approved(site, evaluated(site))
    answers: list[str] = []

    def half(request: Mapping[str, Any], times: int) -> Act:
        text = str(request["messages"][-1]["content"])
        if text not in answers:
            answers.append(text)
        return perfect(request, times) if answers.index(text) % 2 else Act(text="{}")

    script.append(half)
    run = evaluated(site)
    assert run.verdict is Verdict.FAIL
    assert len(run.evidence["compared"]["broken"]) == CASES // 2
    (incident,) = site.incidents()
    assert incident["kind"] == "evals.below_bar"
    (letter,) = site.letters()
    assert "95 % interval" in {fact["label"]: fact["value"] for fact in letter["message"]["details"]}["How sure"]
    script.append(perfect)
    assert evaluated(site).verdict is Verdict.PASS
    assert {incident["state"] for incident in site.incidents()} == {"resolved"}


def test_another_model_that_answers_is_no_result(site: Site, script: list[Any]) -> None:
    """A server that serves something else than it was asked for says nothing about the model: UNKNOWN."""
    script.append(lambda _request, _times: Act(model="gpt-0-mini"))
    run = evaluated(site)
    assert run.verdict is Verdict.UNKNOWN
    assert "gpt-0-mini" in site.incidents()[0]["detail"]


def test_a_missing_connection_of_the_model(site: Site) -> None:
    """Nobody can be asked: UNKNOWN with the reason, in the run history and not only in a log."""
    site.env["AIRFLOW_CONN_LOCAL_MODEL"] = ""
    run = evaluated(site)
    assert run.verdict is Verdict.UNKNOWN
    assert "AIRFLOW_CONN_LOCAL_MODEL" in site.incidents()[0]["detail"]


def test_calls_that_were_paid_in_vain_are_not_lost(
    site: Site, script: list[Any], model: ModelDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replies that are billed and hold no message, then a dead process: the next attempt asks again, and both are on the bill."""
    billed = {"model": "smollm2-135m-instruct", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}
    script.append(lambda _request, _times: Act(body=json.dumps(billed).encode()))
    once = trigger()

    def dying(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("afterpilot.pipeline.evals.running.judge_evals", dying)
        with pytest.raises(KeyboardInterrupt):
            evaluated(site, started_by=once)
    assert (len(model.requests), site.count("usage"), site.count("runs")) == (CASES, CASES, 0)
    script.append(perfect)
    assert evaluated(site, started_by=once).verdict is Verdict.PASS
    assert (site.count("samples"), site.count("usage")) == (CASES, 2 * CASES)
