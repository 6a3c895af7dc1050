"""The gallery holds every kind of message that the code can send, each as its golden files say."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import os
import pkgutil
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest
from rich.console import Console

import afterpilot
from afterpilot import decide, domain
from afterpilot.domain.run import Stage
from afterpilot.notify.blocks import render, render_thread
from afterpilot.notify.preview import render_terminal
from afterpilot.pipeline.gallery import GROUPS, Specimen, gallery
from afterpilot.web.general_runbooks import general_runbook
from doubles.slack import block_problems

SOURCE = Path(afterpilot.__file__).parent
GOLDEN = Path(__file__).parents[2] / "golden" / "notify" / "gallery"
FAMILIES = "declaration|pull|quality|gate|review|evals|spend|bills|report|watch"
KIND = re.compile(rf"({FAMILIES})\.[a-z_]+")
NOT_SHARED = {"bill"}  # an account is the fleet's own: no workflow hangs on it
NOT_TOLD = {"pull.noted", "evals.no_baseline"}  # information alone: it opens no incident
SPECIMENS = {one.name: one for group in gallery().values() for one in group}


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """All modules below a package."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def texts(value: Any) -> Iterator[str]:
    """The texts in a constant of a module."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list | set | frozenset):
        yield from (text for one in value for text in texts(one))
    elif isinstance(value, dict):
        yield from texts(list(value.values()))


def declared_kinds() -> set[str]:
    """The kinds of findings that stand in constants of the code."""
    constants = [value for package in (decide, domain) for one in modules(package) for value in vars(one).values()]
    found = {text for value in constants for text in texts(value) if KIND.fullmatch(text)}
    return {kind for kind in found if not kind.startswith("quality.")} | {"quality.no_rows", "quality.could_not_run"}


@functools.cache
def trees() -> tuple[tuple[Path, ast.Module], ...]:
    """The code that makes findings and messages, outside of the gallery."""
    folders = ("decide", "notify", "report", "pipeline", "orchestration", "record", "web", "wiring")
    files = [path for path in sorted(SOURCE.rglob("*.py")) if path.relative_to(SOURCE).parts[0] in folders]
    return tuple((path, ast.parse(path.read_text(encoding="utf-8"))) for path in files if "gallery" not in path.parts)


def sent_kinds() -> set[str]:
    """What the pipeline calls its messages where it puts them into the outbox."""
    found = set()
    for path, tree in trees():
        if path.parent.name != "pipeline":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "put":
                found |= {
                    word.value.value
                    for word in node.keywords
                    if word.arg == "kind" and isinstance(word.value, ast.Constant) and isinstance(word.value.value, str)
                }
    return found


def message_functions() -> set[tuple[str, str]]:
    """Every function that makes a message: (file, name)."""
    found = set()
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef) or node.returns is None or ast.unparse(node.returns) != "Message":
                continue
            if node.name not in {"from_dict", "_message"}:
                found.add((str(path), node.name))
    return found


def test_every_kind_of_finding_is_in_the_gallery() -> None:
    """A new kind fails here until the gallery shows its message."""
    kinds = declared_kinds()
    assert len(kinds) > 40
    assert kinds - NOT_TOLD - {one.kind for one in SPECIMENS.values()} == set()


def test_every_thing_that_many_hang_on_is_in_the_gallery() -> None:
    """What findings of the code may hang on, each rolled up."""
    keys = {
        match[1]
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "hangs_on"
        for match in re.finditer(r"f'([a-z]+) \{", ast.unparse(node.value))
    }
    assert keys >= {"source", "model"}
    assert {f"shared.{key}" for key in keys - NOT_SHARED} - {one.kind for one in SPECIMENS.values()} == set()


@pytest.mark.parametrize("ending", ["did_not_run", "unknown_lasts"])
def test_every_stage_that_breaks_or_is_silent_is_told_in_one_way(ending: str) -> None:
    """One stage stands for all of them."""
    assert {f"{stage}.{ending}" for stage in Stage} & {one.kind for one in SPECIMENS.values()}


def test_all_news_of_an_incident_are_in_the_gallery() -> None:
    """Each word that the pipeline announces, read from its code."""
    words = set()
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "News" and node.args:
                first = node.args[0]
                words |= {one.value for one in ast.walk(first) if isinstance(one, ast.Constant)}
    words = {word for word in words if isinstance(word, str)}
    assert {"opened", "graver", "resolved", "waiver_over"} <= words
    assert words - {news for one in SPECIMENS.values() for news in one.news} == set()


def test_all_messages_of_the_outbox_are_in_the_gallery() -> None:
    """By the names that the pipeline gives them."""
    kinds = sent_kinds()
    assert {"weekly", "digest", "review"} <= kinds
    assert kinds - {"incident"} - {news for one in SPECIMENS.values() for news in one.news} == set()


def test_every_function_that_makes_a_message_makes_one_for_the_gallery() -> None:
    """A message that is made elsewhere would be sent without anybody having looked at it."""
    wanted, called = message_functions(), set()

    def seen(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.add((frame.f_code.co_filename, frame.f_code.co_name))

    sys.setprofile(seen)
    try:
        for made in GROUPS.values():
            list(made())
    finally:
        sys.setprofile(None)
    assert len(wanted) >= 8
    assert wanted - called == set()


def test_names_are_there_once() -> None:
    """They are addresses and names of files."""
    names = [one.name for group in gallery().values() for one in group]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z-]*[a-z]", name) for name in names)


def block_kit(one: Specimen) -> dict[str, Any]:
    """All that Slack gets: the message as it stands, and its thread."""
    stands, details = render(one.message, interactive=True), render_thread(one.opening)
    lines = [render(line) for line in one.lines]
    thread = ([{"text": details.text, "blocks": details.blocks}] if details else []) + [
        {"text": line.text, "blocks": line.blocks} for line in lines
    ]
    return {"channel": one.channel, "text": stands.text, "blocks": stands.blocks, "thread": thread}


def in_plain_text(one: Specimen) -> str:
    """The phone's line, then the message as a terminal shows it, and its thread."""
    console = Console(width=110, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(render_terminal(one.message))
    lines = [f"  ↳ {line.summary}" for line in one.lines]
    shown = [f"{one.channel}", one.message.notification, *captured.get().splitlines(), *lines]
    return "\n".join(line.rstrip() for line in shown) + "\n"


def golden(path: Path, shown: str) -> str:
    """What the file holds; renewed where AFTERPILOT_GOLDEN=write says so."""
    if os.environ.get("AFTERPILOT_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SPECIMENS)
def test_each_message_looks_as_agreed(name: str) -> None:
    """Block Kit and plain text equal their golden files (AFTERPILOT_GOLDEN=write renews them), and Slack takes the blocks."""
    parts = block_kit(SPECIMENS[name])
    for post in (parts, *parts["thread"]):
        assert list(block_problems(list(post["blocks"]))) == []
    kit = json.dumps(parts, indent=1, ensure_ascii=False) + "\n"
    assert kit == golden(GOLDEN / f"{name}.json", kit)
    text = in_plain_text(SPECIMENS[name])
    assert text == golden(GOLDEN / f"{name}.txt", text)


def test_no_golden_file_is_left_over() -> None:
    """Each belongs to a message."""
    assert {path.stem for path in GOLDEN.iterdir()} == set(SPECIMENS)


@pytest.mark.parametrize("name", SPECIMENS)
def test_a_message_is_worded_for_people(name: str) -> None:
    """No name of the code, no contradiction, no link that leads nowhere, and something to do."""
    one = SPECIMENS[name].message
    assert "_fleet" not in one.title + one.notification
    assert not any(fact.value.startswith("UNKNOWN: certain") for fact in one.details)
    assert not any(link.url.endswith("runbooks/_fleet") for link in one.links)
    if one.details:
        assert {"Since", "Who acts", "What to do"} <= {fact.label for fact in one.facts}


def test_every_kind_leads_to_a_runbook() -> None:
    """By the table of the runbooks: in full, by its family, or by its ending."""
    folder = Path(__file__).parents[3] / "docs" / "runbooks"
    rows = [
        line.split("|")[1:3] for line in (folder / "README.md").read_text(encoding="utf-8").splitlines() if "](" in line
    ]
    patterns: dict[str, str] = {}
    for kinds, page in rows:
        for kind in re.findall(r"`([^`]+)`", kinds):
            patterns[f"*{kind}" if kind.startswith(".") else kind] = re.findall(r"\(([^)]+)\)", page)[0]
    wanted = {one.kind for one in SPECIMENS.values() if "." in one.kind}
    found = {kind: [page for pattern, page in patterns.items() if fnmatchcase(kind, pattern)] for kind in wanted}
    assert {kind for kind, pages in found.items() if not pages} == set()
    assert all((folder / page).is_file() for pages in found.values() for page in pages)
    assert {kind: general_runbook(kind).rpartition("/")[2] in pages for kind, pages in found.items()} == dict.fromkeys(
        found, True
    )
