"""Loading whole folders: isolation, files, hashes, secrets, and what arrives in the domain."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from afterpilot.declare import load, schedules
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.evals import Reducer, ScorerSpec, Waiver
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.prompt import Message
from afterpilot.domain.source import UsageColumns
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import AlarmTerms, Corrections, ModelTarget, Person, Reads

FLEET_PARTS = ("schedules", "channel", "operators", "prices", "base_url")


def change(path: Path, old: str, new: str) -> None:
    """Replace a text of a file that must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def told(folder: Path) -> list[str]:
    """All problems as texts."""
    return [str(problem) for problem in load(folder).problems]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """The only thing that raises: there is nothing to load from."""
    with pytest.raises(DeclarationError, match="cannot be listed"):
        load(tmp_path / "nowhere")


def test_an_empty_folder_has_no_workflow_and_says_what_is_missing(tmp_path: Path) -> None:
    """No `_fleet.yaml` is a problem of the fleet, not of anybody's workflow."""
    found = load(tmp_path)
    assert (found.fleet, found.folders, found.workflows) == (None, (), ())
    assert [problem.file for problem in found.fleet_problems] == ["_fleet.yaml"]


def test_the_values_arrive_exactly(good: Path) -> None:
    """Shares and money as Decimal, durations as time, people, scorers and schemas in the domain's words."""
    (workflow,) = load(good).workflows
    assert workflow.owner == Person("Ana Silva", "U01AAAAAA")
    assert workflow.deputy == Person("Ben Mori", "U02BBBBBB")
    assert workflow.spot_check.share == Decimal("0.025")
    assert workflow.source.late_by == timedelta(minutes=30)
    assert workflow.source.usage == UsageColumns("model", "tokens_in", "tokens_out", "")
    assert workflow.spend.cap == Cap(Money(Decimal(1200), "EUR"), "month")
    assert workflow.spend.main.warn_at == (Decimal("0.5"), Decimal("0.8"))
    assert workflow.kpi.baseline == 30
    assert workflow.kpi.sql.startswith("SELECT week, hours")
    assert [check.severity for check in workflow.quality] == [
        Severity.CRITICAL,
        Severity.WARNING,
        Severity.INFO,
        Severity.CRITICAL,
    ]
    assert workflow.quality[2].params["value_set"] == ["EUR", "NOK", "NO"]
    assert workflow.outputs[0].params["schema"]["required"] == ["amount", "reason"]
    assert workflow.governance["accountable"] == "Ana Silva"
    assert workflow.schedules == {"records": "hourly", "evals": "nightly", "report": "monday_morning"}


def test_the_eval_suite_arrives_exactly(good: Path) -> None:
    """Cases with their answers, scorers with their parameters, prompt, schema and limits."""
    (workflow,) = load(good).workflows
    assert workflow.evals is not None
    evals = workflow.evals
    assert [case.id for case in evals.cases] == ["late-1", "damaged-1"]
    assert evals.cases[0].expected == {"amount": 12.5, "reason": "late"}
    assert evals.scorers[:2] == (
        ScorerSpec("exact", "reason", {}),
        ScorerSpec("numeric", "amount", {"tolerance": 0.01}),
    )
    assert evals.scorers[2].params["schema"]["type"] == "object"
    assert evals.scorers[3] == ScorerSpec("one_of", "reason", {"values": ("damaged", "late")})
    assert evals.target.prompt.variables == {"letter", "customer"}
    assert (evals.pass_rate, evals.alarm) == (Decimal("0.9"), AlarmTerms(Decimal("0.5"), Decimal("0.03")))
    assert (evals.epochs, evals.concurrency, evals.target.max_tokens) == (1, 4, 60)


def test_everything_else_of_a_suite_arrives_exactly(good: Path) -> None:
    """Judge, function, embedding, tools, reducer, budget, alarm, waivers, reads, corrections, turns, images, a case's own scorers."""
    (workflow,) = load(good).workflows
    assert workflow.evals is not None
    evals = workflow.evals
    judge, function, embedding = evals.scorers[4:]
    assert (judge.name, judge.threshold, judge.tags, judge.params["floor"]) == ("judge", 0.8, ("late",), 0.7)
    assert judge.params["target"].name == "own-judge"
    assert judge.params["rubric"] == "The reason is one that the letter gives.\n"
    assert (function.weight, function.title, function.params["function"]) == (2.0, "polite", "polite")
    assert function.params["source"].startswith("def polite(")
    assert embedding.params["embedding"] == {"connection": "models", "model": "own-embedding"}
    assert isinstance(evals.target, ModelTarget)
    assert [tool["name"] for tool in evals.target.tools] == ["refund"]
    assert (evals.reducer, evals.pass_score) == (Reducer("at_least", k=1), Decimal("0.85"))
    assert evals.cap == Cap(Money(Decimal(300), "EUR"), "month")
    assert evals.waivers[0] == Waiver(date(2026, 12, 31), "Ana Silva", "The lamp has no price yet", case="damaged-1")
    assert evals.waivers[1].tag == "late"
    assert evals.reads == (Reads("shop", "SELECT max(changed_at) FROM orders\n"),)
    assert evals.corrections == Corrections({"letter": "answer", "customer": "currency"}, {"amount": "amount"})
    case = evals.cases[1]
    assert case.messages == (Message("assistant", ""), Message("user", "And the other one?"))
    assert [(image.name, image.media_type) for image in case.images] == [("scan.png", "image/png")]
    assert case.scorers[0].params["calls"] == ({"name": "refund"},)
    assert case.origin == "a correction of run 17"
    assert workflow.source.decisions is not None
    assert workflow.source.decisions.corrected_fields == {"amount": "right_amount"}


def test_a_waiver_past_its_day_is_no_flaw(good: Path) -> None:
    """A run says that it has expired; a declaration must not break because a night has passed."""
    change(good / "refunds" / "workflow.yaml", "until: 2026-12-31", "until: 2020-01-01")
    assert told(good) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("workflow.yaml", "name: own-model", "name: own-judge", set()),
        ("prompt.md", "Suggest", "Propose", {"prompt_sha256"}),
        ("cases.jsonl", "three weeks", "two weeks", {"sha256"}),
        ("rubric.md", "letter", "mail", set()),
        ("workflow.yaml", "max_tokens: 90}, floor: 0.7", "max_tokens: 80}, floor: 0.8", set()),
        ("workflow.yaml", "The lamp has no price yet", "No price", set()),
        ("workflow.yaml", "max_cost: 1.50", "max_cost: 1.60", set()),
        ("workflow.yaml", "  pass_score: 85%", "  concurrency: 9\n  pass_score: 85%", set()),
        ("workflow.yaml", "pass_rate: 90%", "epochs: 1\n  pass_rate: 90%", set()),
        ("workflow.yaml", "max_tokens: 60", "max_tokens: 61", {"declaration"}),
        ("workflow.yaml", "pass_score: 85%", "pass_score: 84%", {"declaration"}),
        ("workflow.yaml", "weight: 2", "weight: 3", {"declaration"}),
        ("workflow.yaml", "tolerance: 0.01}\n", "tolerance: 0.02}\n", {"declaration"}),
        ("answer.schema.json", '"object"', '["object"]', {"declaration"}),
        ("scorers.py", "upper", "title", {"declaration"}),
        ("tools.json", "Pays back", "Pays", {"declaration"}),
    ],
)
def test_each_hash_of_a_suite_tells_of_its_own_part(
    good: Path, file: str, old: str, new: str, changes: set[str]
) -> None:
    """A cause can be named only if prompt, cases, judge, model and the rest of the declaration are told apart."""
    (before,) = load(good).workflows
    change(good / "refunds" / file, old, new)
    (after,) = load(good).workflows
    hashes = {"prompt_sha256", "sha256", "declaration"}
    assert {name for name in hashes if getattr(after.evals, name) != getattr(before.evals, name)} == changes


def test_another_image_is_another_suite(good: Path) -> None:
    """The hash of the cases covers their images."""
    (before,) = load(good).workflows
    with (good / "refunds" / "scan.png").open("ab") as file:
        file.write(b"x")
    (after,) = load(good).workflows
    assert before.evals is not None
    assert after.evals is not None
    assert before.evals.sha256 != after.evals.sha256


def test_a_declaration_can_be_kept_as_json(good: Path) -> None:
    """The document and every check's parameters go into a database and into evidence."""
    (loaded,) = load(good).folders
    assert json.loads(json.dumps(loaded.document, allow_nan=False)) == loaded.document
    assert loaded.workflow is not None
    for check in (*loaded.workflow.outputs, *loaded.workflow.quality):
        json.dumps(dict(check.params), allow_nan=False)
    json.dumps([dict(loaded.workflow.governance), dict(loaded.workflow.rollout)])


def test_whole_answers_are_scored_by_a_bare_name(good: Path) -> None:
    """`- exact` compares the whole answer with a case whose `expected` is a text."""
    folder = good / "refunds"
    change(folder / "workflow.yaml", "{exact: reason}\n    - {numeric: amount, tolerance: 0.01}", "exact")
    embedding = "    - {similarity: reason, embedding: {connection: models, model: own-embedding}, threshold: 0.9}\n"
    change(folder / "workflow.yaml", embedding, "")
    for old in ('{"amount": 12.5, "reason": "late"}', '{"amount": "30", "reason": "damaged"}'):
        change(folder / "cases.jsonl", old, '"late"')
    (workflow,) = load(good).workflows
    assert workflow.evals is not None
    assert workflow.evals.scorers[0] == ScorerSpec("exact", "")
    assert workflow.evals.cases[0].expected == {"": "late"}


def test_one_broken_folder_hides_no_other(good: Path) -> None:
    """Twenty folders, half of them full of rubbish: the other half is loaded, and each broken one speaks for itself."""
    rubbish = [
        b"",
        b"\xff\xfe\x00",
        b"[" * 5_000,
        b"a: *b",
        b"- 1\n- 2",
        b"\x00",
        b"a: 1\na: 2",
        b"42",
        b"&a [*a]",
        b"!!x y",
    ]
    for number, raw in enumerate(rubbish):
        fine, broken = good / f"fine{number}", good / f"broken{number}"
        shutil.copytree(good / "refunds", fine)
        change(fine / "workflow.yaml", "workflow: refunds", f"workflow: fine{number}")
        broken.mkdir()
        (broken / "workflow.yaml").write_bytes(raw)
    found = load(good)
    assert {workflow.slug for workflow in found.workflows} == {"refunds", *(f"fine{n}" for n in range(len(rubbish)))}
    silent = [one.slug for one in found.folders if one.workflow is None and not one.problems]
    assert silent == []
    assert {problem.file.split("/")[0] for problem in found.problems} == {f"broken{n}" for n in range(len(rubbish))}


def test_a_workflow_or_problems_never_both(good: Path) -> None:
    """A single problem in a named file keeps the workflow from being used."""
    (good / "refunds" / "kpi.sql").unlink()
    (loaded,) = load(good).folders
    assert loaded.workflow is None
    assert len(loaded.problems) == 1


def test_folders_of_no_concern_are_left_alone(good: Path) -> None:
    """Names that begin with a dot or an underscore, and plain files, are no workflows; an empty folder is told."""
    (good / "_templates").mkdir()
    (good / ".git").mkdir()
    (good / "README.md").write_text("x")
    assert [one.slug for one in load(good).folders] == ["refunds"]
    (good / "empty").mkdir()
    assert told(good) == [
        "empty/workflow.yaml: 'workflow.yaml' does not exist in the workflow's folder (there is none)"
    ]


def test_a_broken_fleet_leaves_the_workflows_usable(good: Path) -> None:
    """Without the fleet's file nobody can say that a schedule's name is wrong."""
    (good / "_fleet.yaml").write_text("channel: [")
    found = load(good)
    assert found.fleet is None
    assert [workflow.slug for workflow in found.workflows] == ["refunds"]
    assert [str(problem).split(":")[0] for problem in found.problems] == ["_fleet.yaml"]


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("5 * * * *", "99 * * * *", {"schedules"}),
        ("  evals: {nightly: 0 2 * * *}", "  evals: often", {"schedules"}),
        ("schedules:", "timetable:", {"schedules"}),
        ('channel: "#ai-operations"', "channel: somewhere", {"channel"}),
        ("slack: U07OP1QR2", "slack: sam", {"operators"}),
        ("operators:", "operater:", {"operators"}),
        ("currency: EUR", "currency: EURO", {"prices"}),
        ("base_url: https", "base_url: ftp", {"base_url"}),
        ("base_url:", "base_rul:", {"base_url"}),
        ("channel:", "channel: '#other'\nchannel:", {"channel"}),
    ],
)
def test_what_is_wrong_in_the_fleet_costs_that_part_alone(good: Path, old: str, new: str, lost: set[str]) -> None:
    """A typing error in a price leaves channel, people and schedules as they are; it stays a problem with its line."""
    whole = load(good).fleet
    assert whole is not None
    change(good / "_fleet.yaml", old, new)
    found = load(good)
    assert found.fleet is not None
    assert {part for part in FLEET_PARTS if getattr(found.fleet, part) != getattr(whole, part)} == lost
    assert all(problem.line and problem.file == "_fleet.yaml" for problem in found.fleet_problems)
    assert found.fleet_problems


def test_one_wrong_price_or_schedule_leaves_the_others(good: Path) -> None:
    """What can be used is used."""
    change(good / "_fleet.yaml", "prices:\n", "prices:\n  - {model: other}\n  - {model: own-model}\n")
    change(good / "_fleet.yaml", "evals: {nightly: 0 2 * * *}", "evals: {nightly: never}")
    fleet = load(good).fleet
    assert fleet is not None
    assert set(fleet.schedules) == {"records.hourly", "records.nightly", "report.monday_morning"}
    assert (fleet.prices, fleet.channel) == ((), "#ai-operations")  # the good price stands twice: it is not certain
    change(good / "_fleet.yaml", "  - {model: own-model}\n", "")
    fleet = load(good).fleet
    assert fleet is not None
    assert [price.model for price in fleet.prices] == ["own-model"]


def test_two_folders_with_one_name_are_both_named(good: Path) -> None:
    """The copy whose name was not changed says which folder bears the name."""
    shutil.copytree(good / "refunds", good / "refunds_copy")
    (text,) = told(good)
    assert text.startswith(
        "refunds_copy/workflow.yaml:1: workflow: 'refunds' is not the folder's name 'refunds_copy'; "
    )
    assert "the folder refunds bears that name too" in text


def test_links_that_lead_outside_are_refused(good: Path, tmp_path: Path) -> None:
    """A linked file, a linked folder and a link to itself end in problems, not in other people's files."""
    outside = tmp_path / "outside.sql"
    outside.write_text("SELECT 1 AS secret_figure")
    (good / "refunds" / "kpi.sql").unlink()
    (good / "refunds" / "kpi.sql").symlink_to(outside)
    (tmp_path / "elsewhere").mkdir()
    (good / "linked").symlink_to(tmp_path / "elsewhere")
    (good / "loop").mkdir()
    (good / "loop" / "workflow.yaml").symlink_to("workflow.yaml")
    assert told(good)[0] == "linked: the folder leads outside the workflows folder"
    assert told(good)[1].startswith("loop/workflow.yaml: ")
    assert told(good)[2].startswith("refunds/workflow.yaml:16: kpi.sql: 'kpi.sql' leads outside the workflow's folder")


def test_links_inside_the_folder_are_read(good: Path) -> None:
    """Volumes of a cluster show every file as a link beside the real one."""
    folder = good / "refunds"
    (folder / "..data").mkdir()
    (folder / "kpi.sql").rename(folder / "..data" / "kpi.sql")
    (folder / "kpi.sql").symlink_to("..data/kpi.sql")
    assert told(good) == []


@pytest.mark.parametrize("name", ["workflow.yaml", "prompt.md", "kpi.sql", "answer.schema.json", "runbook.md"])
def test_large_files_are_refused(good: Path, name: str) -> None:
    """More than a megabyte is no declaration; nothing of it is parsed."""
    with (good / "refunds" / name).open("ab") as file:
        file.write(b"#" * 1_000_001)
    assert {problem.text for problem in load(good).problems} == {f"'{name}' is larger than 1 MB"}


@pytest.mark.parametrize("name", ["prompt.md", "kpi.sql", "cases.jsonl", "runbook.md", "answer.schema.json"])
@pytest.mark.parametrize(
    ("content", "word"), [(b"", "is empty"), (b"\xe9t\xe9", "is not UTF-8"), (b"x\x00y", "control")]
)
def test_files_that_are_no_text_are_refused(good: Path, name: str, content: bytes, word: str) -> None:
    """Empty, wrongly encoded or binary: told at the key that names the file."""
    (good / "refunds" / name).write_bytes(content)
    assert any(word in text for text in told(good)), told(good)


def test_a_pipe_or_a_folder_is_no_file(good: Path) -> None:
    """Reading must not wait for ever on something that is not a plain file."""
    (good / "refunds" / "kpi.sql").unlink()
    os.mkfifo(good / "refunds" / "kpi.sql")
    assert told(good) == ["refunds/workflow.yaml:16: kpi.sql: 'kpi.sql' is not a file"]


@pytest.mark.parametrize("stage", ["experiment", "shadow", "retired", "limited", "live"])
def test_a_runbook_is_needed_before_people_rely_on_it(good: Path, stage: str) -> None:
    """From limited on, somebody is woken at 2 am and has to know what to do."""
    (good / "refunds" / "runbook.md").unlink()
    change(good / "refunds" / "workflow.yaml", "stage: live", f"stage: {stage}")
    assert [text.split(": ")[1] for text in told(good)] == (["stage"] if stage in {"limited", "live"} else [])


def test_a_secret_is_nowhere_in_what_comes_out(good: Path) -> None:
    """Not in a problem, not in the document that is kept, wherever it stands: value, key, file name, another file."""
    secret = "sk-live-0123456789abcdef"
    folder = good / "refunds"
    change(folder / "workflow.yaml", "connection: shop\n  table", f"connection: {secret}\n  table")
    change(folder / "workflow.yaml", "rollout:", f"{secret}: 1\n? [{secret}]\n: 1\nrollout:")
    change(folder / "workflow.yaml", "stage: live", f"stage: {secret}")
    change(folder / "workflow.yaml", "name: own-model", f"name: [{secret}]")
    change(folder / "workflow.yaml", "{exact: reason}", f"{{exact: {secret}}}")
    change(folder / "workflow.yaml", "sql: kpi.sql", f"sql: {secret}.sql")
    change(folder / "prompt.md", "Suggest", f"Use {secret} and suggest")
    (loaded,) = load(good).folders
    everything = repr(loaded)
    assert "0123456789" not in everything
    assert sum("secret" in problem.text for problem in loaded.problems) >= 5


def test_the_hash_covers_every_named_file_and_nothing_else(good: Path) -> None:
    """Any named file changes it; a stray file and the place of the folder do not."""
    before = load(good).folders[0].sha256
    (good / "refunds" / "notes.txt").write_text("not named")
    assert load(Path(shutil.copytree(good, good.parent / "elsewhere"))).folders[0].sha256 == before
    seen = {before}
    for name in ("workflow.yaml", "prompt.md", "cases.jsonl", "kpi.sql", "answer.schema.json", "runbook.md"):
        path = good / "refunds" / name
        path.write_bytes(path.read_bytes() + b"\n")
        seen.add(load(good).folders[0].sha256)
    assert len(seen) == 7


def test_the_hash_of_a_broken_one_covers_its_problems(good: Path) -> None:
    """The same files may be broken by the fleet's file alone: that is another version, so that it is kept as such."""
    before = load(good).folders[0].sha256
    change(good / "_fleet.yaml", "hourly: 5 *", "each_hour: 5 *")
    broken = load(good).folders[0]
    assert broken.workflow is None
    assert broken.sha256 != before


def test_problems_beyond_a_hundred_are_counted(good: Path) -> None:
    """A thousand wrong cases do not become a thousand lines in Slack."""
    path = good / "refunds" / "cases.jsonl"
    path.write_text("\n".join('{"id": "x"' for _ in range(1_000)))
    (loaded,) = load(good).folders
    assert len(loaded.problems) == 101
    assert loaded.problems[-1].text == "900 more problems are not shown"


def test_schedules_need_nothing_but_their_own_part(good: Path) -> None:
    """A wrong price does not stop the schedules; a wrong schedule is told with file and line."""
    change(good / "_fleet.yaml", "currency: EUR", "currency: EURO")
    assert schedules(good) == {
        "records": {"hourly": "5 * * * *", "nightly": "30 1 * * *"},
        "evals": {"nightly": "0 2 * * *"},
        "report": {"monday_morning": "0 6 * * mon"},
    }
    change(good / "_fleet.yaml", "5 * * * *", "99 * * * *")
    assert schedules(good)["records"] == {"nightly": "30 1 * * *"}
    assert schedules(good)["evals"] == {"nightly": "0 2 * * *"}
    assert any("_fleet.yaml:2: schedules.records.hourly: has '99' as its minute" in line for line in told(good))
    (good / "_fleet.yaml").write_text("schedules: [")
    with pytest.raises(DeclarationError, match=r"_fleet.yaml:2: is not valid YAML"):
        schedules(good)
    (good / "_fleet.yaml").unlink()
    with pytest.raises(DeclarationError, match=r"_fleet.yaml"):
        schedules(good)
