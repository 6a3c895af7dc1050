"""What an adapter has to say of its tool, so that the driver can install, run, resume and read it back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.evals.work import KEY, Job

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".bench"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a tool lives: ``.bench/<name>``, with packages from PyPI or, where ``node`` is set, from npm."""

    name: str
    packages: tuple[str, ...]
    node: bool = False

    @property
    def folder(self) -> Path:
        """The environment's folder."""
        return ENVIRONMENTS / self.name

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")


@dataclass(frozen=True, slots=True)
class Tool:
    """An eval runner. Its functions take a :class:`Job`.

    ``prepare`` writes what a user has before the start (not measured); ``command`` and ``resume`` are what is measured;
    ``verdicts`` reads the tool's own store by case; ``stored`` are the bytes of it. ``cells`` limits where it runs, empty means
    everywhere; ``extra_cpu`` is the CPU seconds so far of a server that works for the tool outside of its process.
    """

    name: str
    label: str
    version: str
    environment: Environment | None
    command: Callable[[Job], Sequence[str]]
    verdicts: Callable[[Job], Mapping[int, str]]
    stored: Callable[[Job], int]
    prepare: Callable[[Job], None] = lambda _job: None
    resume: Callable[[Job], Sequence[str]] | None = None
    variables: Callable[[Job], Mapping[str, str]] = lambda _job: {}
    flags: tuple[str, ...] = ()
    cells: frozenset[str] = field(default_factory=frozenset)
    extra_cpu: Callable[[], float] = lambda: 0.0

    def environ(self, job: Job) -> dict[str, str]:
        """The variables of its process: the bare needs of a shell, the key, and the tool's own."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        own = {"HOME": str(job.folder), "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": job.url, "PYTHONPATH": str(ROOT)}
        return {**kept, **own, "DO_NOT_TRACK": "1", "NO_COLOR": "1", **self.variables(job)}


def script(python: str, module: str, job: Job) -> list[str]:
    """The command that runs an adapter's own ``main`` inside an environment."""
    values = (job.folder, job.url, job.cases, job.concurrency)
    return [python, "-m", f"benchmarks.evals.{module}", *map(str, values), *job.flags]


def job_of(arguments: Sequence[str]) -> Job:
    """The job that :func:`script` wrote into a command."""
    folder, url, cases, concurrency, *flags = arguments
    return Job(Path(folder), url, int(cases), int(concurrency), tuple(flags))


def size(job: Job, *patterns: str) -> int:
    """Bytes of the files in the job's folder that fit a pattern."""
    return sum(path.stat().st_size for pattern in patterns for path in job.folder.glob(pattern) if path.is_file())
