"""An evidence bundle of a million entries of one workflow: written, and verified by the program that goes with it.

.venv/bin/python -m benchmarks.bundle                   # a million entries: a minute or two
.venv/bin/python -m benchmarks.bundle --entries 100k -o table.md

Every fourth entry names a document of its own, every tenth holds a sealed value. `verify` is ``bundle.verifier.verify`` with the
published head, all of it, in a process of its own with the standard library only (the ``verify.py`` of the bundle); `hash lines`
is what cannot be less: SHA-256 of each leaf and payload line, read from memory. Exit status 1: it is not verified, or takes longer
than 30 seconds for a million entries.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.tampering.ledger import ACTIONS, BEGIN, NAME, Written, key_id, leaf, private, public, sealed

from afterpilot.record import merkle
from afterpilot.record.bundle.parts import Count, Document, Facts, Head, Key, Opened, SealedEntry
from afterpilot.record.bundle.writing import write_bundle
from afterpilot.record.ledger.canonical import canonical, stamp

MOST_S = 30.0  # for a million entries
WORKFLOW = "invoice_matching"
_STEP = timedelta(seconds=20)
_UNITS = {"k": 1_000, "m": 1_000_000}


class Synthetic:
    """A ledger of one workflow whose entries are made as they are asked for, twice the same."""

    def __init__(self, entries: int) -> None:
        self.total = entries
        self._key = private("bench")
        tree = merkle.CompactRange()
        tree.extend(merkle.leaf_hash(one.leaf) for one in self.entries())
        self._root = tree.root()

    def facts(self) -> Facts:
        """As the protocol says; so are the others."""
        end = BEGIN + self.total * _STEP
        return Facts(NAME, WORKFLOW, BEGIN, end, end)

    def heads(self) -> Sequence[Head]:  # noqa: D102
        workflows = merkle.root([merkle.leaf_hash(canonical({"entries": self.total, "workflow": WORKFLOW}))])
        said = {
            "at": stamp(BEGIN + self.total * _STEP),
            "entries": self.total,
            "key": key_id(self._key),
            "ledger": NAME,
            "root": self._root.hex(),
            "workflows": workflows.hex(),
        }
        statement = canonical(said)
        return [Head(self.total, self._root, statement, key_id(self._key), self._key.sign(statement))]

    def keys(self) -> Sequence[Key]:  # noqa: D102
        return [Key(key_id(self._key), public(self._key), BEGIN, "", b"")]

    def count(self) -> Count:  # noqa: D102
        return Count(self.total, 0, 1, ())

    def entries(self) -> Iterator[SealedEntry]:  # noqa: D102
        for at in range(self.total):
            one = _written(at)
            yield SealedEntry(at, leaf(one, at, at + 1), canonical(one.payload))

    def subtree(self, level: int, index: int) -> bytes:  # noqa: D102
        raise NotImplementedError  # there is nothing between the entries of the only workflow

    def documents(self, kind: str) -> Iterator[Document]:  # noqa: D102
        if kind == "runs":
            for at in range(0, self.total, 4):
                text = _document(at)
                yield Document(at + 1, hashlib.sha256(text).digest(), text)

    def opened(self) -> Iterator[Opened]:  # noqa: D102
        return iter(())


def _document(at: int) -> bytes:
    return b'{"evidence":{"rows":%d,"share":0.98},"findings":[],"run":"%032x","stage":"records","verdict":"PASS"}' % (
        at % 997,
        at,
    )


def _written(at: int) -> Written:
    action, kind = ACTIONS[0] if at % 4 == 0 else ACTIONS[1 + at % 6]
    payload = {
        "note": f"row {at}",
        "rows": at % 997,
        "stage": "records",
        "verdict": "PASS",
        "window": "2026-03-01/2026-03-02",
    }
    if at % 4 == 0:
        payload["document"] = hashlib.sha256(_document(at)).hexdigest()
    if at % 10 == 1:
        payload["comment"] = sealed(at)
    return Written(WORKFLOW, action, f"{kind}:{at:032x}", "airflow:records.hourly", BEGIN + at * _STEP, payload)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured step."""

    name: str
    seconds: float
    cpu: float
    megabytes: float  # resident at most

    def row(self) -> str:
        """A line of the table."""
        return f"| {self.name} | {self.seconds:.1f} | {self.cpu:.1f} | {self.megabytes:.0f} |"


def write(entries: int, path: Path) -> None:
    """Write the bundle, in a process of its own."""
    write_bundle(Synthetic(entries), path)


def floor(path: Path) -> Figure:
    """SHA-256 of every line of entries and payloads, and nothing else."""
    with zipfile.ZipFile(path) as archive:
        lines = [line for name in ("entries.jsonl", "payloads.jsonl") for line in archive.read(name).split(b"\n")]
    began, cpu = time.perf_counter(), time.process_time()
    for line in lines:
        hashlib.sha256(line).digest()
    return Figure("hash lines", time.perf_counter() - began, time.process_time() - cpu, 0.0)


def run(name: str, command: list[str]) -> tuple[Figure, int]:
    """A process of its own; its seconds, its CPU and its memory."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    status = subprocess.run(command, check=False, stdout=sys.stderr).returncode
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figure(name, seconds, cpu, after.ru_maxrss / 1024), status


def main() -> int:
    """Write, verify, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", default="1m", help="such as 100k or 1m")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    size = chosen.entries.lower()
    entries = int(float(size[:-1]) * _UNITS[size[-1]]) if size[-1] in _UNITS else int(size)
    if chosen.write:
        write(entries, chosen.write)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path, program = Path(folder) / "bundle.zip", Path(folder) / "verify.py"
        written, _ = run(
            "write", [sys.executable, "-m", "benchmarks.bundle", "--entries", str(entries), "--write", str(path)]
        )
        with zipfile.ZipFile(path) as archive:
            program.write_bytes(archive.read("verify.py"))
            head = hashlib.sha256(Synthetic(entries).heads()[0].statement).hexdigest()
        verified, status = run("verify", [sys.executable, "-I", str(program), str(path), "--head", head])
        bare = floor(path)
        megabytes = path.stat().st_size / 1e6
    lines = [
        f"{entries:,} entries of one workflow, {megabytes:.0f} MB packed",
        "",
        "| step | seconds | CPU seconds | MB at most |",
        "|---|---|---|---|",
        *(one.row() for one in (bare, verified, written)),
    ]
    print("\n".join(lines))
    if chosen.output:
        chosen.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(status != 0 or verified.seconds > MOST_S * max(1.0, entries / 1e6))


if __name__ == "__main__":
    sys.exit(main())
