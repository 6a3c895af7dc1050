"""Inspect AI: a task over a dataset, its generic OpenAI-compatible provider, a scorer of five values; logs in ``.eval`` files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.evals.tool import Environment, Tool, size
from benchmarks.evals.work import (
    ASSERTIONS,
    ERROR,
    FAILED,
    KEY,
    MAX_TOKENS,
    MODEL,
    PASSED,
    SYSTEM,
    Job,
    case_id,
    invoice,
    number_of,
    validator,
    verdicts,
)

if TYPE_CHECKING:
    from inspect_ai import Task

_LOGS = "logs/*.eval"
_RETRY = ("--retry-on-error=3", "--no-fail-on-error")
_LEAN = ("--no-log-realtime", "--log-buffer=1000", "--ctl-server=false")
ENVIRONMENT = Environment("inspect", ("inspect-ai==0.3.285", "openai==3.52.0", "jsonschema==4.26.0"))


def task_of(cases: int) -> Task:
    """The task."""
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.scorer import Score, Target, accuracy, scorer
    from inspect_ai.solver import TaskState, generate, system_message

    valid = validator()

    @scorer(metrics={name: [accuracy()] for name in ASSERTIONS})
    def fields() -> Any:  # noqa: ANN401 - the library's own shape
        async def score(state: TaskState, _target: Target) -> Score:
            found = verdicts(state.output.completion, number_of(str(state.sample_id)), valid)
            return Score(value={name: int(held) for name, held in found.items()})

        return score

    samples = [Sample(input=invoice(case), target="", id=case_id(case)) for case in range(cases)]
    return Task(MemoryDataset(samples), solver=[system_message(SYSTEM), generate()], scorer=fields())


def _prepare(job: Job) -> None:
    lines = ("from inspect_ai import task", "from benchmarks.evals.peer_inspect import task_of", "")
    task = ("@task", "def bench(cases: int):", "    return task_of(cases)")
    (job.folder / "bench.py").write_text("\n".join([*lines, *task, ""]), encoding="utf-8")


def _shared(job: Job) -> list[str]:
    lean = [f"--max-samples={2 * job.concurrency}"] if _LEAN[0] in job.flags else []
    return ["--display=none", f"--max-connections={job.concurrency}", *lean, *job.flags]


def _command(job: Job) -> list[str]:
    inspect = str(ENVIRONMENT.folder / "bin" / "inspect")
    asked = [
        f"--model=openai-api/bench/{MODEL}",
        "-T",
        f"cases={job.cases}",
        f"--max-tokens={MAX_TOKENS}",
        "--temperature=0",
    ]
    return [inspect, "eval", "bench.py", *asked, "--log-dir=logs", *_shared(job)]


def _resume(job: Job) -> list[str]:
    inspect = str(ENVIRONMENT.folder / "bin" / "inspect")
    log = max(job.folder.glob(_LOGS), key=lambda path: path.stat().st_mtime)
    return [inspect, "eval-retry", str(log.relative_to(job.folder)), "--log-dir=logs", *_shared(job)]


def _verdicts(job: Job) -> dict[int, str]:
    command = [ENVIRONMENT.python, "-m", "benchmarks.evals.peer_inspect", str(job.folder)]
    done = subprocess.run(
        command, env=TOOLS[0].environ(job), cwd=job.folder, check=True, capture_output=True, text=True
    )
    return {int(case): verdict for case, verdict in json.loads(done.stdout.splitlines()[-1]).items()}


def read(folder: Path) -> dict[int, str]:
    """Verdicts of the newest log in a folder; runs inside Inspect's environment."""
    from inspect_ai.log import read_eval_log_samples

    found: dict[int, str] = {}
    logs = sorted(folder.glob(_LOGS), key=lambda path: path.stat().st_mtime)
    for sample in read_eval_log_samples(str(logs[-1]), all_samples_required=False) if logs else ():
        case = number_of(str(sample.id))
        if sample.error is not None or not sample.scores:
            found[case] = ERROR
        else:
            values = next(iter(sample.scores.values())).value
            found[case] = PASSED if all(values.values()) else FAILED
    return found


def _inspect(name: str, label: str, flags: tuple[str, ...], cells: frozenset[str]) -> Tool:
    return Tool(
        name=name,
        label=label,
        version="0.3.285",
        environment=ENVIRONMENT,
        prepare=_prepare,
        command=_command,
        resume=_resume,
        verdicts=_verdicts,
        stored=lambda job: size(job, _LOGS),
        variables=lambda job: {
            "BENCH_BASE_URL": job.url,
            "BENCH_API_KEY": KEY,
            "INSPECT_LOG_LEVEL": "error",
            "XDG_DATA_HOME": str(job.folder / "data"),
            "XDG_CACHE_HOME": str(job.folder / "cache"),
        },
        flags=flags,
        cells=cells,
    )


TOOLS = (
    _inspect("inspect", "Inspect AI", (), frozenset()),
    _inspect("inspect-lean", "Inspect AI, lean logging", _LEAN, frozenset({"c32"})),
    _inspect("inspect-retry", "Inspect AI, retry flags", _RETRY, frozenset({"faults"})),
)

if __name__ == "__main__":
    print(json.dumps(read(Path(sys.argv[1]))))
