"""The papers tell the truth: links lead somewhere, runbooks and decisions are whole, commands exist."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
RUNBOOKS = sorted(path for path in (ROOT / "docs" / "runbooks").glob("*.md") if path.stem != "README")
REQUIREMENTS = (
    "requirements.in",
    "requirements-dev.in",
    "requirements-model.in",
    "requirements-s3.in",
    "requirements-uv.txt",
)
_LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def _code(text: str) -> str:
    return "\n".join([*_FENCE.findall(text), *re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))])


def _anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _sections(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", _FENCE.sub("", text), re.MULTILINE)


def _dead_links(path: Path) -> list[str]:
    dead = []
    for target in _LINK.findall(_without_code(path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in _anchors(there.read_text())):
            dead.append(target)
    return dead


@pytest.mark.parametrize("path", PAPERS, ids=_name)
def test_links_lead_to_something(path: Path) -> None:
    """Each relative link of a paper names a file that exists, and a heading in it where it names one."""
    assert _dead_links(path) == []


def test_a_dead_link_would_be_found(tmp_path: Path) -> None:
    """A missing file and a missing heading are both noticed; code and foreign addresses are left alone."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One thing\n[a](missing.md) [b](#one-thing) [c](#two) ![d](page.md) `[e](no.md)` [f](https://x.example)\n"
    )
    assert _dead_links(page) == ["missing.md", "#two"]


@pytest.mark.parametrize("path", PAPERS, ids=_name)
def test_documented_make_targets_exist(path: Path) -> None:
    """Every `make TARGET` that a paper shows is one that the Makefile has."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"(?<![\w-])make ([a-z][a-z-]*)\b(?![=(])", _code(path.read_text())))
    assert shown <= targets


def test_documented_commands_exist() -> None:
    """Every `afterpilot COMMAND` that a paper shows is one that the command line has."""
    import typer.main

    from afterpilot.cli.app import app

    commands = vars(typer.main.get_command(app))["commands"]
    groups = {name: one.loaded() for name, one in commands.items()}
    tree = {name: set(getattr(one, "commands", ())) for name, one in groups.items()}
    for name, one in groups.items():
        if getattr(one, "invoke_without_command", False):
            tree[name].add("")
    shown = {
        words
        for path in PAPERS
        for words in re.findall(
            r"(?<![\w/-])afterpilot ([a-z]+)(?: ([a-z][a-z-]*)\b(?![/.-]))?", _code(path.read_text())
        )
    }
    assert shown
    assert {(name, sub) for name, sub in shown if name not in tree or (tree[name] and sub not in tree[name])} == set()


@pytest.mark.parametrize("path", DECISIONS, ids=_name)
def test_decisions_are_whole(path: Path) -> None:
    """A decision has its number, a state, its four sections with content, and is short."""
    text = path.read_text()
    number = path.name[:4]
    assert text.startswith(f"# {number}: ")
    assert re.search(r"^Status: (accepted|replaced by \[\d{4}\]\(.+\)), \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert _sections(text) == ["Context", "Decision", "Consequences", "Violated when"]
    assert all(part.strip() for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:])
    assert len(text.splitlines()) <= 35


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    """The index names every decision, in order."""
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    assert re.findall(r"\((\d{4}-[\w-]+\.md)\)", index) == [path.name for path in DECISIONS]


@pytest.mark.parametrize("path", RUNBOOKS, ids=_name)
def test_runbooks_are_whole(path: Path) -> None:
    """A runbook is called like its alert, says what it means and what to do, in the same order as every other."""
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n")
    assert re.fullmatch(r"([A-Z][a-z]+)+", path.stem)
    assert _sections(text)[:4] == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert all(part.strip() for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:])


def test_index_of_runbooks_is_complete() -> None:
    """The index lists exactly the runbooks that exist."""
    index = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    listed = set(re.findall(r"\((\w+\.md)\)", index))
    assert listed == {path.name for path in RUNBOOKS}


def test_runbooks_that_the_code_names_exist() -> None:
    """No DAG and no message leads a person to a runbook that nobody wrote."""
    pattern = re.compile(r"""runbook=["'](\w+)["']|runbooks/(\w+)\.md""")
    named: set[str] = set()
    for folder in ("dags", "include", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            named |= {one or other for one, other in pattern.findall(path.read_text())}
    assert named
    assert named <= {path.stem for path in RUNBOOKS}


def test_changelog_keeps_its_form() -> None:
    """The newest section is [Unreleased], and its lines stand under the known headings."""
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[0] == "[Unreleased]"
    known = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= known


def _direct(file: str) -> set[str]:
    lines = (ROOT / file).read_text().splitlines()
    names = [re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)", line) for line in lines]
    return {name.group(1).lower() for name in names if name}


def _reasoned(heading: str) -> dict[str, list[str]]:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    part = next(part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.splitlines()[0].endswith(heading))
    rows = [line.strip("|").split(" | ") for line in part.splitlines() if line.startswith("| ")][1:]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


@pytest.mark.parametrize("file", REQUIREMENTS)
def test_every_direct_dependency_has_its_reason(file: str) -> None:
    """Each direct dependency has one row with reason, alternative, licence and upkeep, and no row lacks its dependency."""
    rows = _reasoned(file)
    assert set(rows) == _direct(file)
    for name, cells in rows.items():
        assert len(cells) == 4, name
        assert all(cells), name
        assert cells[3] in {"foundation", "company", "person"}, name


def test_imports_are_direct_dependencies() -> None:
    """No code imports a package that the requirements do not name, save what is Airflow's own interface."""
    distributions = importlib.metadata.packages_distributions()
    named = set().union(*(_direct(file) for file in REQUIREMENTS[:3])) | _brought_along()
    foreign: dict[str, str] = {}
    for folder in ("dags", "include", "plugins", "deploy"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for top in _imported(path) - sys.stdlib_module_names - {"afterpilot"}:
                names = {name.lower().replace("_", "-") for name in distributions.get(top, [top])}
                if not names & named:
                    foreign[top] = _name(path)
    assert foreign == {}


def _imported(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


def _brought_along() -> set[str]:
    """What is used under the name of the package that brings it."""
    text = (ROOT / "docs" / "dependencies.md").read_text().partition("## Used without being named")[2]
    return set(re.findall(r"`([\w-]+)`", text))
