"""Values that only an eval suite has: a reducer, a day, a JSONPath, a path of an endpoint."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from afterpilot.declare.problems import choices, describe
from afterpilot.declare.values import Wrong, matching, some_share_of, text_of, typed
from afterpilot.domain.evals import Reducer
from afterpilot.domain.workflow import AlarmTerms

MOST_EPOCHS = 100

_BARE = ("all", "majority", "mean")
_WITH_VALUE = ("mean", "at_least", "pass_at")
_REDUCER = "all, majority, mean, {mean: 80%}, {at_least: 2}, {pass_at: 1}"
_MOST_ALARMS = 50
_LEAST_ALARMS = 0.001


def reducer(value: Any) -> Reducer:  # noqa: ANN401 - YAML holds anything
    """Read ``majority``, ``{mean: 80%}``, ``{at_least: 2}`` or ``{pass_at: 3, share: 90%}``.

    Raises:
        Wrong: it is something else.
    """
    if isinstance(value, str):
        if value not in _BARE:
            raise Wrong(f"{describe(value)} is not a reducer", choices(value, _BARE))
        return Reducer(value)  # type: ignore[arg-type]  # one of the three
    if not isinstance(value, dict) or not value:
        raise Wrong(f"must be a reducer, but is {describe(value)}", _REDUCER)
    name, *more = value
    if name not in _WITH_VALUE or [key for key in more if not (key == "share" and name == "pass_at")]:
        unknown = name if name not in _WITH_VALUE else next(key for key in more if key != "share" or name != "pass_at")
        raise Wrong(f"has an unknown key {describe(unknown)}", _REDUCER)
    if name == "mean":
        return Reducer("mean", share=float(some_share_of(value["mean"])))
    share = float(some_share_of(value["share"])) if "share" in value else None
    return Reducer(name, k=_epochs(value[name]), share=share)


def _epochs(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_EPOCHS:
        raise Wrong(f"must be a number of epochs from 1 to {MOST_EPOCHS}, but is {describe(value)}", _REDUCER)
    return value


def _day(value: Any) -> date:  # noqa: ANN401
    text = text_of(value)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise Wrong(f"{describe(text)} is not a day", "such as 2026-12-31") from error


@lru_cache(maxsize=512)
def _path_error(text: str) -> str:
    from jsonpath import JSONPathEnvironment, JSONPathError

    try:
        JSONPathEnvironment().compile(text)
    except JSONPathError as error:
        return str(error).split("\n", 1)[0][:100] or "it cannot be read"
    except RecursionError:
        return "it is nested too deeply"
    return ""


def json_path(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    """A JSONPath.

    Raises:
        Wrong: it is none.
    """
    text = text_of(value, most=200)
    if not text.startswith("$"):
        raise Wrong(f"{describe(text)} is not a JSONPath", "it begins with $, such as $.answer")
    if why := _path_error(text):
        raise Wrong(f"{describe(text)} is not a JSONPath: {why}", "such as $.answer or $.usage.output")
    return text


def _alarms(value: Any) -> Decimal:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _LEAST_ALARMS <= value <= _MOST_ALARMS:
        text = f"must be a number of alarms a year from {_LEAST_ALARMS} to {_MOST_ALARMS}, but is {describe(value)}"
        raise Wrong(text, f"such as {AlarmTerms().false_alarms_per_year}")
    return Decimal(str(value))


ReducerWords = Annotated[Reducer, *typed(reducer, _REDUCER)]
Day = Annotated[date, *typed(_day, "day, such as `2026-12-31`")]
JsonPath = Annotated[str, *typed(json_path, "JSONPath, such as `$.answer`")]
Alarms = Annotated[Decimal, *typed(_alarms, "number")]
UrlPath = Annotated[
    str,
    *typed(
        matching(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:%/?-]*", "a path", "begins with /, such as /v1/answer", most=500),
        "path, such as `/v1/answer`",
    ),
]
