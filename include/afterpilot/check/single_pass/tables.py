"""Checks of the columns themselves: which there are, in which order, of which type. No row is read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from afterpilot.check.single_pass.outcomes import Outcome, of_value
from afterpilot.check.single_pass.parameters import Params, between
from afterpilot.check.single_pass.plans import Plan
from afterpilot.check.single_pass.scope import Scope
from afterpilot.domain.errors import CheckError

_LIKE_SQL_TYPES = {"postgresql"}  # where names of columns and types are compared without their case


def known(outcome: Callable[[Scope, Params], Outcome]) -> Callable[[Scope, Params], Plan]:
    """A plan for what is known without looking at rows."""

    def plan(scope: Scope, params: Params) -> Plan:
        found = outcome(scope, params)
        return Plan({}, lambda _: found, needs_rows=False)

    return plan


def column_exists(scope: Scope, params: Params) -> Outcome:
    """The column is there, at that place where one is given."""
    names, wanted, index = list(scope.rows.columns), params.get("column"), params.get("column_index")
    if index:
        return Outcome(-len(names) <= index < len(names) and _same(scope, names[index], wanted), {})
    return Outcome(any(_same(scope, name, wanted) for name in names), {})


def column_count_between(scope: Scope, params: Params) -> Outcome:
    """The number of columns lies between the bounds."""
    return of_value(len(scope.rows.columns), between(params))


def column_count_equal(scope: Scope, params: Params) -> Outcome:
    """There are so many columns."""
    found = len(scope.rows.columns)
    return Outcome(found == params.get("value"), {"observed_value": found})


def ordered_list(scope: Scope, params: Params) -> Outcome:
    """The columns are these, in this order."""
    found, wanted = list(scope.rows.columns), params.get("column_list")
    if wanted is None:
        return Outcome(True, {"observed_value": found})
    wrong = [
        {"Expected Column Position": index, "Expected": expected, "Found": name}
        for index, (expected, name) in enumerate(zip_longest(wanted, found))
        if expected is None or name is None or not _same(scope, name, expected)
    ]
    result: dict[str, Any] = {"observed_value": found}
    return Outcome(not wrong, result | {"details": {"mismatched": wrong}} if wrong else result)


def column_set(scope: Scope, params: Params) -> Outcome:
    """The columns are these, in any order; more are allowed where ``exact_match`` is false."""
    wanted = params.get("column_set")
    if not isinstance(wanted, Sequence) or isinstance(wanted, str):
        raise CheckError(f"column_set is {wanted!r}; a list of columns is needed")
    found = sorted(scope.rows.columns)
    # Compared without case, whatever the database: a name in double quotes is compared as it stands.
    missing = sorted({name for name in wanted if not any(_meant(name, other) for other in found)})
    others = sorted({name for name in found if not any(_meant(other, name) for other in wanted)})
    result: dict[str, Any] = {"observed_value": found}
    if not missing and not others:
        return Outcome(True, result)
    wrong = {word: names for word, names in (("unexpected", others), ("missing", missing)) if names}
    exact = params.get("exact_match", True)
    return Outcome(not exact and not missing, result | {"details": {"mismatched": wrong}})


def column_type(scope: Scope, params: Params) -> Outcome:
    """The column's type has this name."""
    wanted = str(params.get("type_"))
    success, found = _of_types(scope, params, [wanted])
    return Outcome(
        success or (scope.dialect not in _LIKE_SQL_TYPES and found.casefold() == wanted.casefold()),
        {"observed_value": found},
    )


def values_of_type(scope: Scope, params: Params) -> Outcome:
    """As Great Expectations has it on databases: the column's type has this name."""
    success, found = _of_types(scope, params, [str(params.get("type_"))])
    return Outcome(success, {"observed_value": found})


def values_in_type_list(scope: Scope, params: Params) -> Outcome:
    """As Great Expectations has it on databases: the column's type has one of these names."""
    success, found = _of_types(scope, params, [str(name) for name in params.get("type_list") or ()])
    return Outcome(success, {"observed_value": found})


def _of_types(scope: Scope, params: Params, names: Sequence[str]) -> tuple[bool, str]:
    scope.column(params.get("column"))
    kind = scope.rows.columns[params["column"]].type
    if scope.dialect in _LIKE_SQL_TYPES:
        found = str(kind.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
        return any(found.casefold() == name.casefold() for name in names), found
    module = import_module(f"sqlalchemy.dialects.{scope.dialect}")
    classes = [getattr(module, name, None) for name in names]
    classes += [sa.Float] if sa.Numeric in classes else []
    return isinstance(kind, tuple(found for found in classes if inspect.isclass(found))), type(kind).__name__


def _same(scope: Scope, name: str, wanted: Any) -> bool:  # noqa: ANN401 - what a declaration may hold
    if scope.dialect not in _LIKE_SQL_TYPES:
        return bool(name == wanted)
    return name.casefold() == str(wanted).casefold()


def _meant(wanted: str, name: str) -> bool:
    if wanted.startswith('"') and wanted.endswith('"'):
        return wanted[1:-1] == name
    return wanted.casefold() == name.casefold()
