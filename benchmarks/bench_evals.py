"""How close an eval run comes to the physical limit, next to bare requests in threads, in the same minute.

The model is a double in a process of its own that answers after 50 ms. The limit is N x latency / C. Five assertions per case;
each sample, with its request, response, scores and cost, is written to a file as it comes, by both.

    .venv/bin/python benchmarks/bench_evals.py            # N = 1,000 with C = 4 and 32
    .venv/bin/python benchmarks/bench_evals.py --cases 10000 --concurrency 32 --rounds 1
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from afterpilot.domain.evals import Case, Sample, ScorerSpec
from afterpilot.domain.money import Money
from afterpilot.domain.ports import Endpoint
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.workflow import Evals, ModelPrice, ModelTarget
from afterpilot.evaluate.chat import ChatClient
from afterpilot.evaluate.runner import Runner
from afterpilot.spend.prices import Prices

ROOT = Path(__file__).parents[1]
LATENCY_MS = 50.0
MODEL = "double-1"
ANSWER = {"supplier": "Harbour Lights Ltd", "po_number": "PO-51187", "total": "453.60 GBP", "lines": 3}
SCHEMA = {
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
PROMPT = Prompt(
    "## system\nCopy the fields of the invoice as JSON. Keep every letter as it stands; write nothing else.\n\n"
    "## user\n{{ invoice }}"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: its wall seconds, those of its whole process with Python's start and imports, CPU seconds of the whole process,
    and how many samples passed.
    """

    wall: float
    cpu: float
    passed: int
    whole: float = 0.0


def suite(cases: int, concurrency: int) -> Evals:
    """The suite: one case in ten expects something that the double does not say."""
    return Evals(
        target=ModelTarget("double", MODEL, PROMPT, response_schema=SCHEMA),
        cases=tuple(
            Case(
                id=f"case-{number:05d}",
                vars={
                    "invoice": f"Harbour Lights Ltd\nInvoice no: INV-{number:07d}\nOrder: PO-51187\nTotal: 453.60 GBP"
                },
                expected={
                    "supplier": "Harbour Lights Ltd",
                    "po_number": "PO-51187" if number % 10 else "PO-51178",
                    "total": 453.6,
                    "lines": 3,
                },
            )
            for number in range(cases)
        ),
        scorers=(
            ScorerSpec("exact", "supplier"),
            ScorerSpec("exact", "po_number"),
            ScorerSpec("numeric", "total", {"tolerance": 0.01}),
            ScorerSpec("exact", "lines"),
            ScorerSpec("json_schema", "", {"schema": SCHEMA}),
        ),
        epochs=1,
        max_cost=Money(Decimal(100)),
        concurrency=concurrency,
        pass_rate=Decimal("0.8"),
        largest_drop=Decimal("0.1"),
        sha256="",
    )


def ours(evals: Evals, url: str, path: Path) -> int:
    """A run of ours, priced, every sample written as it comes."""
    own = ModelPrice(MODEL, Decimal("0.25"), Decimal(2), Decimal("0.025"), "USD", "")
    runner = Runner(ChatClient(Endpoint(url, "key")), Prices([own]))
    with path.open("w", buffering=1, encoding="utf-8") as file:

        def keep(sample: Sample) -> None:
            row = {name: getattr(sample, name) for name in sample.__dataclass_fields__}
            row["scores"] = [asdict(score) for score in sample.scores]
            file.write(json.dumps(row, default=_plain) + "\n")

        samples = runner.run(evals, keep=keep, done={})
    return sum(sample.passed for sample in samples)


def bare(evals: Evals, url: str, path: Path) -> int:
    """The floor: requests in threads, a compiled validator, one line a case; no retry, no budget, no bounds."""
    import jsonschema
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=128))
    validator = jsonschema.Draft202012Validator(SCHEMA)
    lock = threading.Lock()

    def one(case: Case) -> bool:
        request: dict[str, Any] = {
            "model": MODEL,
            "messages": [turn.as_dict() for turn in PROMPT.render(case.vars)],
            "temperature": 0,
            "max_tokens": 256,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
        }
        response = session.post(f"{url}/chat/completions", json=request, timeout=(5, 60)).json()
        found = json.loads(response["choices"][0]["message"]["content"])
        verdicts = [
            found["supplier"] == case.expected["supplier"],
            found["po_number"] == case.expected["po_number"],
            abs(float(found["total"].split()[0]) - case.expected["total"]) <= 0.01,  # noqa: PLR2004 - a cent
            found["lines"] == case.expected["lines"],
            validator.is_valid(found),
        ]
        tokens = response["usage"]
        cost = (tokens["prompt_tokens"] * 0.25 + tokens["completion_tokens"] * 2) / 1e6
        line = json.dumps(
            {"case": case.id, "request": request, "response": response, "verdicts": verdicts, "cost": cost}
        )
        with lock:
            file.write(line + "\n")
        return all(verdicts)

    with path.open("w", buffering=1, encoding="utf-8") as file, ThreadPoolExecutor(evals.concurrency) as pool:
        return sum(pool.map(one, evals.cases))


RUNNERS = {"afterpilot": ours, "bare requests + threads": bare}


def measured(name: str, cases: int, concurrency: int, url: str) -> Measured:
    """One run in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--cases", str(cases), "--concurrency", str(concurrency)]
    began = time.perf_counter()
    done = subprocess.run([*command, "--url", url], check=True, capture_output=True, text=True, cwd=ROOT)
    whole = time.perf_counter() - began
    return replace(Measured(**json.loads(done.stdout)), whole=whole)


def run_one(name: str, cases: int, concurrency: int, url: str) -> Measured:
    """Run it here."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        passed = RUNNERS[name](suite(cases, concurrency), url, Path(folder) / "samples.jsonl")
        return Measured(time.perf_counter() - began, _cpu(), passed)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _plain(value: object) -> object:
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return str(value)


def main() -> int:
    """Measure, print the table; exit 1 where a verdict is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[4, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=tuple(RUNNERS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(run_one(options.one, options.cases, options.concurrency[0], options.url))))
        return 0
    command = [sys.executable, ROOT / "tests" / "doubles" / "model.py", "--latency-ms", str(LATENCY_MS)]
    with subprocess.Popen(
        [*command, "--text", json.dumps(ANSWER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as double:
        if double.stdin is None or double.stdout is None:
            return 2
        try:
            return table(options, double.stdout.readline().strip())
        finally:
            double.stdin.close()


def table(options: argparse.Namespace, url: str) -> int:
    """Runs alternate, so that all meet the same machine; the best round of each counts, the worst is shown beside it."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.width = max(console.width, 110)  # a pipe has no width, and figures may not be cut
    found = Table(
        title=f"{options.cases:,} cases, 5 assertions each, {LATENCY_MS:.0f} ms; best of {options.rounds} rounds",
        caption=f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start; the limit is N x latency / C; "
        "process and CPU include Python's start and imports",
    )
    for column in ("runner", "C", "wall s", "x limit", "worst", "x limit, process", "CPU ms/case", "passed", "truth"):
        found.add_column(column, justify="left" if column == "runner" else "right", no_wrap=True)
    truth = options.cases - len(range(0, options.cases, 10))
    wrong = 0
    for concurrency in options.concurrency:
        limit = options.cases * LATENCY_MS / 1000 / concurrency
        rounds: dict[str, list[Measured]] = {name: [] for name in RUNNERS}
        for number in range(options.rounds):
            for name, runs in rounds.items():
                with console.status(f"{name}, C = {concurrency}, round {number + 1} of {options.rounds}"):
                    runs.append(measured(name, options.cases, concurrency, url))
        for name, runs in rounds.items():
            best, worst = (pick(runs, key=lambda one: one.wall) for pick in (min, max))
            found.add_row(
                name,
                str(concurrency),
                f"{best.wall:.2f}",
                f"{best.wall / limit:.2f}",
                f"{worst.wall / limit:.2f}",
                f"{min(one.whole for one in runs) / limit:.2f}",
                f"{best.cpu / options.cases * 1000:.2f}",
                str(best.passed),
                str(truth),
            )
            wrong += sum(one.passed != truth for one in runs)
    console.print(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
