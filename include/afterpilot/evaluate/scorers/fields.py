"""Scorer of JSON field by field: precision, recall and F1."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from afterpilot.evaluate.answers import as_text
from afterpilot.evaluate.scorers.dates import date_flaw
from afterpilot.evaluate.scorers.numbers import number_flaw
from afterpilot.evaluate.scorers.question import Flawed, Question, Result, ScorerError
from afterpilot.evaluate.scorers.similarity import likeness
from afterpilot.evaluate.scorers.texts import same

_MOST = 20_000  # fields of an answer that are looked at: all others of the run wait meanwhile
_SHOWN = 50  # paths of each kind in the details
_IN_A_SENTENCE = 5
_ALIKE = 0.8  # threshold of a field that is compared by similarity
_MODES = ("exact", "numeric", "date", "similarity")

Path = tuple[str | int, ...]


async def json_fields(question: Question) -> Result:
    """F1 over the fields of the expected object, of objects inside it, and of the items of its lists, place by place.

    Right: there, and like the expected one by its way to compare. Wrong: there, and not like it. Missing: expected only. Extra: in
    the answer only. Precision is right / (right + wrong + extra), recall is right / (right + wrong + missing), F1 their harmonic
    mean (van Rijsbergen, 1979).
    """
    wanted = _without(leaves(question.wanted()), question.param("ignore", ()))
    if not wanted:
        raise ScorerError("the case expects no field that counts")
    answered = leaves(question.found(as_json=True), most=_MOST)
    if len(answered) > _MOST:
        raise Flawed(f"the answer has more than {_MOST:,} fields")
    found = _without(answered, question.param("ignore", ()))
    modes = _modes(question.param("fields") or {})
    common = wanted.keys() & found.keys()
    right = {path for path in common if await _right(found[path], wanted[path], modes.get(_any_item(path), {}))}
    missing, extra = wanted.keys() - common, found.keys() - common
    if question.param("extra", True) is False:
        extra = set()
    figures = f1(right=len(right), wrong=len(common) - len(right), missing=len(missing), extra=len(extra))
    paths = {"right": right, "wrong": common - right, "missing": missing, "extra": extra}
    shown = {kind: sorted(map(shown_path, some))[:_SHOWN] for kind, some in paths.items()}
    counts = {f"{kind}_count": len(some) for kind, some in paths.items()}
    return Result(figures["f1"], _reason(shown), {**figures, **counts, **shown})


def f1(*, right: int, wrong: int, missing: int, extra: int) -> dict[str, float]:
    """Precision, recall and F1, each 0 to 1; 0 where nothing is right. See :func:`json_fields`."""
    precision = right / (right + wrong + extra) if right else 0.0
    recall = right / (right + wrong + missing) if right else 0.0
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * right / (2 * right + 2 * wrong + missing + extra) if right else 0.0,
    }


def leaves(value: Any, most: float = inf) -> dict[Path, Any]:  # noqa: ANN401 - any JSON value
    """Every part that holds no other one, by its path; an empty object or list is such a part. No more than one over ``most``."""
    found: dict[Path, Any] = {}
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting and len(found) <= most:
        path, part = waiting.pop()
        if isinstance(part, Mapping) and part:
            waiting.extend(((*path, str(name)), inner) for name, inner in part.items())
        elif isinstance(part, list | tuple) and part:
            waiting.extend(((*path, index), inner) for index, inner in enumerate(part))
        else:
            found[path] = part
    return found


def shown_path(path: Path) -> str:
    """``lines[0].price``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:80]}" for step in path)
    return text.removeprefix(".") or "the answer"


def _any_item(path: Path) -> str:
    """``lines[].price``, as a declaration names it."""
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _without(found: dict[Path, Any], ignored: Any) -> dict[Path, Any]:  # noqa: ANN401 - as declared
    """All but the ignored fields and what is inside them."""
    if not ignored:
        return found
    names = tuple(map(str, ignored))
    inside = tuple(name + more for name in names for more in (".", "["))
    return {
        path: value
        for path, value in found.items()
        if (name := _any_item(path)) not in names and not name.startswith(inside)
    }


def _modes(declared: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    modes: dict[str, Mapping[str, Any]] = {
        name: {"compare": mode} if isinstance(mode, str) else {"compare": "exact", **mode}
        for name, mode in declared.items()
    }
    for name, mode in modes.items():
        if mode["compare"] not in _MODES:
            raise ScorerError(f"the field {name} cannot be compared by {mode['compare']!r}")
    return modes


async def _right(found: Any, wanted: Any, mode: Mapping[str, Any]) -> bool:  # noqa: ANN401 - any JSON values
    match mode.get("compare", "exact"):
        case "numeric":
            return not number_flaw(found, wanted, tolerance=mode.get("tolerance", 0), relative=mode.get("relative", 0))
        case "date":
            return not date_flaw(found, wanted, order=mode.get("order", ""), tolerance=mode.get("tolerance", 0))
        case "similarity":
            least = float(mode.get("threshold", _ALIKE))
            return await likeness(as_text(found).strip(), as_text(wanted).strip(), threshold=least) >= least
    if isinstance(found, str) and isinstance(wanted, str):
        return found.strip() == wanted.strip()
    return same(found, wanted)


def _reason(shown: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{kind}: {_listed(shown[kind])}" for kind in ("wrong", "missing", "extra") if shown[kind])


def _listed(paths: list[str]) -> str:
    return ", ".join(paths[:_IN_A_SENTENCE]) + (" …" if len(paths) > _IN_A_SENTENCE else "")
