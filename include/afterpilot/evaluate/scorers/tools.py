"""Scorer of tool calls: the right tools with the right arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from afterpilot.domain.evals import ToolCall
from afterpilot.evaluate.answers import number, short
from afterpilot.evaluate.scorers.numbers import limit, number_flaw
from afterpilot.evaluate.scorers.question import Question, Result, ScorerError

_MOST = 200  # calls that are looked at: no answer that is any good makes more
_SHOWN = 3

Fits = Callable[[ToolCall, ToolCall], bool]  # the expected call, the one that was made


def tool_call(question: Question) -> Result:
    """F1 over the calls: each expected call is paired with one that was made. With ``extra``, recall alone."""
    wanted = _calls(question.wanted("calls"))
    made = question.reply.tool_calls[:_MOST]
    mode, tolerance = question.param("arguments", "exact"), limit(question.param("tolerance", 0), "tolerance")
    if mode not in {"exact", "subset", "ignore"}:
        raise ScorerError(f"arguments cannot be compared by {mode!r}")

    def fits(one: ToolCall, other: ToolCall) -> bool:
        return one.name == other.name and (
            mode == "ignore" or _alike(one.arguments, other.arguments, subset=mode == "subset", tolerance=tolerance)
        )

    paired = (_in_order if question.param("ordered") else _paired)(wanted, made, fits)
    counted = len(wanted) if question.param("extra") else (len(wanted) + len(question.reply.tool_calls)) / 2
    value = len(paired) / counted if counted else 1.0
    missing = [call for index, call in enumerate(wanted) if index not in paired]
    further = [call for index, call in enumerate(made) if index not in paired.values()]
    details = {"expected": len(wanted), "made": len(question.reply.tool_calls), "right": len(paired)}
    return Result(value, "" if value == 1 else _reason(missing, further), details)


def _calls(value: Any) -> list[ToolCall]:  # noqa: ANN401 - as declared, or as a case says it
    """Expected calls: a tool's name, or ``{name, arguments}``, or a list of such; an empty list where none may be made."""
    if isinstance(value, str | Mapping):
        value = [value]
    if not isinstance(value, list | tuple):
        raise ScorerError(f"{short(value)} are no tool calls")
    return [_call(one) for one in value]


def _call(value: Any) -> ToolCall:  # noqa: ANN401 - as above
    if isinstance(value, str):
        return ToolCall(value, _ANY)
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return ToolCall(value["name"], value.get("arguments", _ANY))
    raise ScorerError(f"{short(value)} is no tool call")


_ANY = object()  # no arguments are said: any will do


def _alike(wanted: Any, made: Any, *, subset: bool, tolerance: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Equal as JSON, numbers within the tolerance; with ``subset`` a mapping may hold more than what is wanted."""
    if wanted is _ANY:
        return True
    if isinstance(wanted, Mapping) and isinstance(made, Mapping):
        keys = wanted.keys() <= made.keys() if subset else wanted.keys() == made.keys()
        return keys and all(_alike(wanted[key], made[key], subset=subset, tolerance=tolerance) for key in wanted)
    if isinstance(wanted, list | tuple) and isinstance(made, list | tuple):
        pairs = zip(wanted, made, strict=False)
        return len(wanted) == len(made) and all(_alike(*pair, subset=subset, tolerance=tolerance) for pair in pairs)
    if _is_number(wanted) and _is_number(made):
        return not number_flaw(made, wanted, tolerance=tolerance)
    return type(wanted) is type(made) and bool(wanted == made)


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return not isinstance(value, str) and number(value) is not None


def _paired(wanted: Sequence[ToolCall], made: Sequence[ToolCall], fits: Fits) -> dict[int, int]:
    """As many pairs as there can be, whatever the order: augmenting paths in a bipartite graph (Kuhn, 1955)."""
    taken: dict[int, int] = {}  # made → wanted

    def place(index: int, seen: set[int]) -> bool:
        for other, call in enumerate(made):
            if other not in seen and fits(wanted[index], call):
                seen.add(other)
                if other not in taken or place(taken[other], seen):
                    taken[other] = index
                    return True
        return False

    for index in range(len(wanted)):
        place(index, set())
    return {index: other for other, index in taken.items()}


def _in_order(wanted: Sequence[ToolCall], made: Sequence[ToolCall], fits: Fits) -> dict[int, int]:
    """As many pairs as there can be in the same order: the longest common subsequence."""
    best = [[0] * (len(made) + 1) for _ in range(len(wanted) + 1)]
    for one in reversed(range(len(wanted))):
        for other in reversed(range(len(made))):
            taken = best[one + 1][other + 1] + 1 if fits(wanted[one], made[other]) else 0
            best[one][other] = max(taken, best[one + 1][other], best[one][other + 1])
    pairs: dict[int, int] = {}
    one = other = 0
    while one < len(wanted) and other < len(made):
        if best[one][other] == best[one + 1][other]:
            one += 1
        elif best[one][other] == best[one][other + 1]:
            other += 1
        else:
            pairs[one], one, other = other, one + 1, other + 1
    return pairs


def _reason(missing: Sequence[ToolCall], further: Sequence[ToolCall]) -> str:
    parts = []
    if missing:
        parts.append(f"not called: {_shown(missing)}")
    if further:
        parts.append(f"called instead or besides: {_shown(further)}")
    return "; ".join(parts) or "the calls do not fit"


def _shown(calls: Sequence[ToolCall]) -> str:
    shown = [
        call.name[:80] if call.arguments is _ANY else f"{call.name[:80]} with {short(call.arguments)}" for call in calls
    ]
    return ", ".join(shown[:_SHOWN]) + (" …" if len(shown) > _SHOWN else "")
