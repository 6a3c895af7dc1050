"""Results of a suite as a file: one JSON line for each sample, written as it comes, read again to go on or to compare.

A line holds ``suite`` and ``suite_sha256`` (what was asked of whom), ``reducer`` (how the epochs of a case become one verdict), ``id`` of the case, ``epoch``, ``output``, ``passed``, ``score`` (0 to 1),
``assertions`` (each with ``type``, ``pass``, ``score``, ``reason``, ``weight``, ``advisory``, ``details``), ``error`` (the harness's, never the model's), ``usage``,
``cost`` with ``currency``, ``latency_ms``, ``attempts``, ``tool_calls``, ``sources``, ``fingerprint`` and ``calls`` of scorers. What is unknown is null, never 0.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from afterpilot.domain.errors import CheckError
from afterpilot.domain.evals import Call, Reducer, ReducerName, Sample, Score, ToolCall
from afterpilot.domain.judging import is_judge, judge_sha256
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import Evals

_JSON = json.JSONEncoder(default=str)
_ALL = Reducer()
_NAMES = {name: name for name in get_args(ReducerName)}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a file's lines are about: the suite's name, the hash of everything that makes its answers comparable, its reducer."""

    name: str
    sha256: str
    currency: str
    reducer: Reducer = _ALL

    @classmethod
    def of(cls, name: str, evals: Evals, *, where: str = "", advisory: Collection[str] = ()) -> Asked:
        """The same suite asked of the same model, at ``where`` if that is not as declared, with the same judges deciding."""
        parts = [evals.sha256, evals.declaration, evals.prompt_sha256, evals.target.name, where]
        own = (spec for case in evals.cases for spec in case.scorers)
        parts += sorted({judge_sha256(spec) for spec in (*evals.scorers, *own) if is_judge(spec)}) + sorted(advisory)
        return cls(
            name, hashlib.sha256("\x1f".join(parts).encode()).hexdigest(), evals.max_cost.currency, evals.reducer
        )


def line_of(sample: Sample, asked: Asked) -> dict[str, Any]:
    """A sample as a line's data."""
    return {
        "suite": asked.name,
        "suite_sha256": asked.sha256,
        "reducer": {"name": asked.reducer.name, "k": asked.reducer.k, "share": asked.reducer.share},
        "id": sample.case_id,
        "epoch": sample.epoch,
        "output": sample.output,
        "passed": sample.passed if sample.scored else None,
        "score": sample.score,
        "pass_score": sample.pass_score,
        "assertions": [_assertion(score) for score in sample.scores],
        "error": sample.error or None,
        "usage": sample.usage.as_json() if sample.usage else None,
        "cost": None if sample.cost is None else str(sample.cost),
        "currency": asked.currency,
        "latency_ms": sample.latency_ms,
        "attempts": sample.attempts,
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in sample.tool_calls],
        "sources": list(sample.sources),
        "fingerprint": dict(sample.fingerprint),
        "calls": [
            {
                "purpose": call.purpose,
                "usage": call.usage.as_json() if call.usage else None,
                "cost": None if call.cost is None else str(call.cost),
            }
            for call in sample.calls
        ],
    }


def sample_of(line: Mapping[str, Any]) -> Sample:
    """The sample of a line's data.

    Raises:
        KeyError, TypeError, ValueError, InvalidOperation: it is no line of ours.
    """
    usage = line["usage"]
    return Sample(
        case_id=str(line["id"]),
        epoch=int(line["epoch"]),
        output=line["output"],
        scores=tuple(_score(one) for one in line["assertions"]),
        error=line["error"] or "",
        usage=Usage.of(usage) if usage else None,
        cost=_decimal(line["cost"]),
        latency_ms=line["latency_ms"],
        attempts=int(line["attempts"]),
        tool_calls=tuple(ToolCall(call["name"], call["arguments"]) for call in line.get("tool_calls") or ()),
        sources=tuple(line.get("sources") or ()),
        fingerprint=line.get("fingerprint") or {},
        calls=tuple(_call(call) for call in line.get("calls") or ()),
        pass_score=line.get("pass_score"),
    )


@dataclass(frozen=True, slots=True)
class Results:
    """What a results file holds: by suite name, the latest samples by case and epoch, and the hash that each suite was asked under.

    ``failed`` are all that cost something and could not be scored, also where a later line stands in their place.
    """

    samples: Mapping[str, Mapping[tuple[str, int], Sample]] = field(default_factory=dict)
    failed: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    asked: Mapping[str, Asked] = field(default_factory=dict)
    whole_bytes: int = 0  # of the file's whole lines; what follows was cut off while it was written
    all_bytes: int = 0


def read(path: Path) -> Results:
    """Read a results file. Of several lines about one case and epoch the last counts; a last line that was cut off is left out.

    Raises:
        CheckError: it cannot be read, or is no results file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckError(f"{path} cannot be read: {error.strerror or error}") from error
    whole = content.rfind(b"\n") + 1
    samples: dict[str, dict[tuple[str, int], Sample]] = {}
    failed: dict[str, list[Sample]] = {}
    asked: dict[str, Asked] = {}
    for number, text in enumerate(content[:whole].split(b"\n")[:-1], 1):
        try:
            line = json.loads(text)
            sample = sample_of(line)
            one = Asked(
                str(line["suite"]), str(line["suite_sha256"]), str(line["currency"]), _reducer(line.get("reducer"))
            )
        except (KeyError, TypeError, ValueError, InvalidOperation, RecursionError) as error:
            raise CheckError(f"{path}:{number} is no line of eval results") from error
        if asked.setdefault(one.name, one) != one:
            raise CheckError(f"{path}:{number} is about another version of {one.name} than the lines before it")
        samples.setdefault(one.name, {})[sample.case_id, sample.epoch] = sample
        if sample.error and sample.attempts:
            failed.setdefault(one.name, []).append(sample)
    return Results(samples, failed, asked, whole, len(content))


class ResultsFile:
    """A results file that is written: each batch of samples reaches the operating system before the next case begins.

    It is one run's at a time: another one would ask, and pay for, the same cases.

    Raises:
        CheckError: the file cannot be written, another run writes it, or it is not the file any more that it was.
    """

    def __init__(self, path: Path, *, found: Results | None = None) -> None:
        """Go on after the whole lines that were ``found`` there; without them, begin anew."""
        self._path = path
        whole_bytes = found.whole_bytes if found else 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)
            if self._regular:  # a pipe or a terminal has nothing to be cut
                self._lock()
                if found and os.fstat(self._file).st_size != found.all_bytes:
                    raise CheckError(f"{path} has changed since it was read: run the same command again")
                os.ftruncate(self._file, whole_bytes)
                os.lseek(self._file, whole_bytes, os.SEEK_SET)
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, samples: Sequence[Sample], asked: Asked) -> None:
        """Append one line for each sample."""
        lines = "".join(f"{_JSON.encode(line_of(sample, asked))}\n" for sample in samples)
        data = memoryview(lines.encode())
        try:
            while data:
                data = data[os.write(self._file, data) :]
            if self._regular and not os.fstat(self._file).st_nlink:
                raise CheckError(f"{self._path} was removed while it was written")
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def _lock(self) -> None:
        with suppress(OSError):  # a file system that knows no locks
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CheckError(f"{self._path} is written by another run at this moment") from error

    def _unwritable(self, error: OSError) -> CheckError:
        return CheckError(f"{self._path} cannot be written: {error.strerror or error}")


def _assertion(score: Score) -> dict[str, Any]:
    return {
        "type": score.scorer,
        "pass": None if score.unusable else score.passed,
        "score": None if score.unusable else score.value,
        "reason": score.reason,
        "weight": score.weight,
        "advisory": score.advisory,
        "details": dict(score.details),
    }


def _reducer(data: Mapping[str, Any] | None) -> Reducer:
    """All epochs must pass where a line does not say how they count."""
    if data is None:
        return _ALL
    share = data["share"]
    return Reducer(_NAMES[data["name"]], int(data["k"]), None if share is None else float(share))


def _score(data: Mapping[str, Any]) -> Score:
    return Score(
        scorer=str(data["type"]),
        value=0.0 if data["score"] is None and "error" in (data.get("details") or {}) else float(data["score"]),
        passed=bool(data["pass"]),
        reason=str(data["reason"]),
        weight=float(data.get("weight", 1.0)),
        advisory=bool(data.get("advisory", False)),
        details=data.get("details") or {},
    )


def _call(data: Mapping[str, Any]) -> Call:
    return Call(str(data["purpose"]), Usage.of(data["usage"]) if data["usage"] else None, _decimal(data["cost"]))


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
