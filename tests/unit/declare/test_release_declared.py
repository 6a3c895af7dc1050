"""How a release is declared, and what is told of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterpilot.declare import load
from afterpilot.domain.review import CallBack, Release, StatusColumn


def declared(folder: Path, release: str) -> list[str]:
    """The problems of the good declaration with this release."""
    path = folder / "refunds" / "workflow.yaml"
    path.write_text(path.read_text(encoding="utf-8") + f"\nrelease: {release}\n", encoding="utf-8")
    return [f"{problem.key}: {problem.text} ({problem.hint})" for problem in load(folder).problems]


def test_a_status_column_has_the_table_and_key_of_the_source(good: Path) -> None:
    """Only the column and the word must be said; nothing is written for what is held unless there is a word."""
    assert declared(good, "{column: {column: status, released: ready}}") == []
    (workflow,) = load(good).workflows
    table = workflow.source.table
    assert workflow.release == Release(
        column=StatusColumn(table=table, key=workflow.source.key, column="status", released="ready")
    )


def test_everything_of_a_status_column_arrives(good: Path) -> None:
    """Table, key, words and a connection of its own; an empty word for rows that wait."""
    said = "{column: {table: ops.runs, key: id, column: st, released: go, held: stop, waiting: '', connection: writer}}"
    assert declared(good, said) == []
    (workflow,) = load(good).workflows
    column = StatusColumn(table="ops.runs", key="id", column="st", released="go", held="stop", waiting="")
    assert workflow.release == Release(connection="writer", column=column)


def test_a_call_back_arrives(good: Path) -> None:
    """Connection and paths."""
    assert (
        declared(good, "{call_back: {connection: desk, path: '/release/{key}', held: '/hold/{workflow}?k={key}'}}")
        == []
    )
    (workflow,) = load(good).workflows
    assert workflow.release == Release(call_back=CallBack("desk", "/release/{key}", "/hold/{workflow}?k={key}"))


def test_without_a_release_production_reads_the_view(good: Path) -> None:
    """Nothing is to be done for it."""
    (workflow,) = load(good).workflows
    assert workflow.release is None


@pytest.mark.parametrize(
    ("release", "told"),
    [
        ("{}", "release: names no way (keep one of: column, call_back"),
        (
            "{column: {column: status, released: ready}, call_back: {connection: desk, path: /x}}",
            "release: names both a status column and a call-back",
        ),
        (
            "{column: {column: status, released: ready, held: ready}}",
            "release.column.held: 'ready' is the word for released",
        ),
        (
            "{column: {column: status, released: waiting}}",
            "release.column.released: 'waiting' is the word for waiting too",
        ),
        ("{column: {column: status, relased: ready}}", "did you mean 'released'"),
        ("{column: {column: run_id, released: ready}}", "release.column.column: is the source's key"),
        (
            "{call_back: {connection: desk, path: 'https://desk.example/{key}'}}",
            "is not a path (such as /release/{key}",
        ),
        ("{call_back: {connection: desk, path: '/release/{id}'}}", "has the unknown placeholder {id}"),
        ("{call_back: {connection: desk, path: '/../{key}'}}", "is not a path"),
        ("{call_back: {connection: desk, path: '//evil.example/{key}'}}", "is not a path"),
    ],
)
def test_what_is_wrong_is_told_with_the_key(good: Path, release: str, told: str) -> None:
    """Neither both ways nor none, a word for each state, a path that stays on the connection's host."""
    assert any(told in text for text in declared(good, release)), declared(good, release)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("{amount: $.refund.amount}", ""),
        ("{amuont: $.amount}", "'amuont' is not one of source.fields"),
        ("{amount: amount}", "is not a JSONPath"),
        ("[amount]", "must name columns"),
    ],
)
def test_columns_are_held_against_the_raw_answer(good: Path, fields: str, told: str) -> None:
    """Our columns, and JSONPaths in the answer."""
    path = good / "refunds" / "workflow.yaml"
    check = f"outputs:\n  - {{expect: columns_match_json, column: answer, fields: {fields}}}\n"
    path.write_text(path.read_text(encoding="utf-8").replace("outputs:\n", check, 1), encoding="utf-8")
    problems = [problem.text for problem in load(good).problems]
    assert any(told in text for text in problems) if told else not problems, problems
