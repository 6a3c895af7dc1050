"""The work that every eval runner gets: cases, what the model answers, five assertions, and the truth.

Standard library only: each peer imports it inside its own environment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL = "bench-1"
KEY = "bench-key"
LATENCY_MS = 50.0
WRONG_ONE_IN = 10
MAX_TOKENS = 256
CENT = 0.01
PRICES = {"input_per_million": 0.25, "output_per_million": 2.0}
FIELDS = ("supplier", "po_number", "total", "lines")
ASSERTIONS = (*FIELDS, "schema")
PASSED, FAILED, ERROR = "passed", "failed", "error"
SYSTEM = (
    "You read supplier invoices. Copy the supplier, the number of the purchase order, the total with its currency and the "
    "count of the lines as one JSON object. Keep each letter as it stands; write nothing else."
)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "supplier": {"type": "string", "minLength": 2},
        "po_number": {"type": "string", "pattern": "^PO-[0-9]{5}$"},
        "total": {"type": "string"},
        "lines": {"type": "integer", "minimum": 1},
    },
    "required": ["supplier", "po_number", "total", "lines"],
    "additionalProperties": False,
}
_SUPPLIERS = ("Harbour Lights Ltd", "Weber Metall GmbH", "Dakota Fasteners Inc.", "Olmo Ceramica srl")
_NUMBER = re.compile(r"INV-([0-9]{7})")


@dataclass(frozen=True, slots=True)
class Job:
    """One run to do. ``folder`` is empty at first; ``url`` ends in ``/v1``; ``flags`` are the tool's own extra settings."""

    folder: Path
    url: str
    cases: int
    concurrency: int
    flags: tuple[str, ...] = ()


def expected(case: int) -> dict[str, Any]:
    """What stands in the invoice of a case."""
    return {
        "supplier": _SUPPLIERS[case % len(_SUPPLIERS)],
        "po_number": f"PO-{50000 + case % 9000:05d}",
        "total": f"{100 + case % 900}.60 GBP",
        "lines": 1 + case % 7,
    }


def case_id(case: int) -> str:
    """The case's name in every store, such as ``INV-0000012``."""
    return f"INV-{case:07d}"


def number_of(name: str) -> int:
    """The case that a text speaks of first.

    Raises:
        ValueError: it names none.
    """
    found = _NUMBER.search(name)
    if found is None:
        raise ValueError(f"no case is named in {name[:80]!r}")
    return int(found.group(1))


def invoice(case: int) -> str:
    """The document: what the model reads. Names its case once."""
    value = expected(case)
    return (
        f"{value['supplier']}\nInvoice no: {case_id(case)}\nBill to: Ruiz Manufacturing, Unit 4, Dockside Road\n"
        f"Order: {value['po_number']}\nOur reference: RM/2026/11\nLines: {value['lines']}\n"
        f"Delivered free of charge to the yard, as agreed by telephone\nTotal due: {value['total']}\nPayment: 30 days net"
    )


def wrong(case: int) -> bool:
    """Whether the model misreads this case: one in ten."""
    return case % WRONG_ONE_IN == 0


def answer(case: int) -> str:
    """What the model writes."""
    value = expected(case)
    if wrong(case):
        value["po_number"] = f"PO-{59999 - case % 900:05d}"
    return json.dumps(value)


def messages(case: int) -> list[dict[str, str]]:
    """The two turns of a request."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": invoice(case)}]


def request(case: int) -> dict[str, Any]:
    """The body of a chat-completions request."""
    return {"model": MODEL, "messages": messages(case), "temperature": 0, "max_tokens": MAX_TOKENS}


def verdicts(text: str, case: int, is_valid: Callable[[object], bool]) -> dict[str, bool]:
    """The five assertions over an answer; ``is_valid`` is a compiled validator of :data:`SCHEMA`."""
    wanted = expected(case)
    try:
        found = json.loads(text)
    except ValueError:
        return dict.fromkeys(ASSERTIONS, False)
    if not isinstance(found, dict):
        return dict.fromkeys(ASSERTIONS, False)
    return {
        "supplier": found.get("supplier") == wanted["supplier"],
        "po_number": found.get("po_number") == wanted["po_number"],
        "total": _close(found.get("total"), wanted["total"]),
        "lines": found.get("lines") == wanted["lines"],
        "schema": is_valid(found),
    }


def _close(found: object, wanted: str) -> bool:
    try:
        return abs(float(str(found).split()[0]) - float(wanted.split(maxsplit=1)[0])) <= CENT
    except (ValueError, IndexError):
        return False


def validator() -> Callable[[object], bool]:
    """A compiled validator of the schema, for tools that leave this to their user."""
    import jsonschema

    return jsonschema.Draft202012Validator(SCHEMA).is_valid


@dataclass(frozen=True, slots=True)
class Outcome:
    """A tool's own verdicts beside the truth. ``wrong`` are scored, and otherwise than the truth says."""

    right: int
    failed: int
    errors: int
    lost: int
    wrong: int

    def __str__(self) -> str:
        return f"{self.right}/{self.failed}/{self.errors}/{self.lost}/{self.wrong}"


def compared(found: Mapping[int, str], cases: int) -> Outcome:
    """Count what a tool's store says, by case: passed, failed, an error kept apart, or nothing at all."""
    said = [found.get(case) for case in range(cases)]
    mistaken = sum(
        verdict in {PASSED, FAILED} and (verdict == FAILED) != wrong(case) for case, verdict in enumerate(said)
    )
    return Outcome(said.count(PASSED), said.count(FAILED), said.count(ERROR), said.count(None), mistaken)


def from_lines(lines: Sequence[str]) -> dict[int, str]:
    """Verdicts out of JSON lines with ``case`` and ``verdicts`` or ``error``; a last line that was cut is no verdict."""
    found: dict[int, str] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[number_of(row["case"])] = (
            ERROR if row.get("error") else PASSED if all(row["verdicts"].values()) else FAILED
        )
    return found


def read_lines(path: Path) -> dict[int, str]:
    """Verdicts of a file of JSON lines, none where there is no file."""
    return from_lines(path.read_text(encoding="utf-8").splitlines()) if path.exists() else {}
