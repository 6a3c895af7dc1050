"""The reference of the ledger names what the code writes, and every table."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from afterpilot.record.tables import metadata

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference" / "ledger.md"
CODE = ROOT / "include" / "afterpilot"
ACTION = re.compile(r"[a-z*][a-z_*]*:[a-z*][a-z_*]*:[a-z*][a-z_*]*")
ANY = re.escape("*")


def named() -> set[str]:
    """The actions of the reference; ``<stage>`` stands for any word."""
    rows = re.findall(r"^\| `([^`]+)` \|", REFERENCE.read_text(), re.MULTILINE)
    return {row.replace("<stage>", "check") for row in rows if row.count(":") == 2}


@functools.cache
def written() -> frozenset[str]:
    """The actions in the code, with ``*`` for what is put in when it runs."""
    return frozenset(_found())


def _found() -> Iterator[str]:
    for path in CODE.rglob("*.py"):
        code = path.read_text()
        if "ledger" in code and "demo" not in path.parts:  # whoever writes an entry imports something of that name
            for node in ast.walk(ast.parse(code)):
                text = _text(node)
                if ACTION.fullmatch(text) and text.strip("*:"):
                    yield text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return ""


def _fits(pattern: str, action: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(ANY, "[a-z_]+"), action) is not None


def test_what_the_code_writes_is_named() -> None:
    assert not {pattern for pattern in written() if not any(_fits(pattern, action) for action in named())}


def test_what_is_named_is_written() -> None:
    assert len(named()) > 50
    assert not {action for action in named() if not any(_fits(pattern, action) for pattern in written())}


def test_every_table_is_in_one_of_the_lists() -> None:
    tables = REFERENCE.read_text().split("## Tables whose rows have entries")[1].split("## What of it depends")[0]
    names = re.findall(r"`([a-z_]+)`", tables)
    assert sorted(names) == sorted(metadata.tables)
