"""10,000 tamperings with an evidence bundle, and how many of them the bundle's verifier finds, the published head being given.

.venv/bin/python -m benchmarks.tampering                 # minutes
.venv/bin/python -m benchmarks.tampering --count 1000 --seed 3 -o table.md

Each is made from a bundle that is right, by one of the ways in ``tamperings``, in turn; what changes nothing is made anew. The
README and the verifier inside of a bundle are left alone where their hashes are recomputed, too: neither is evidence, and a
program cannot vouch for itself. So is the time at which a bundle was made. Exit status 1: one was not found.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from random import Random

from benchmarks.tampering.tamperings import Original, Tamperer, original, packed

from afterpilot.record.bundle.verifier import Result, verify


def tamperings(right: Original, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many, each with its way; the same for the same seed."""
    tamperer = Tamperer(right, Random(seed))  # noqa: S311 - no secret
    made = 0
    for name, way in cycle(tamperer.ways().items()):
        if made == count:
            return
        archive = way()
        if archive is not None:
            made += 1
            yield name, archive


def judged(archive: bytes, head: str) -> Result:
    """What the verifier says."""
    return verify(io.BytesIO(archive), head)


def main() -> int:
    """Make them, verify them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("-o", "--output", type=Path)
    chosen = parser.parse_args()
    right = original()
    if judged(packed(right.files), right.head).outcome != "verified":
        print("the bundle itself is not verified", file=sys.stderr)
        return 2
    began = time.process_time()
    made: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for name, archive in tamperings(right, chosen.count, chosen.seed):
        result = judged(archive, right.head)
        made[name] += 1
        found[name] += result.exit_code != 0
        if result.exit_code == 0:
            print(f"not found: {name}", file=sys.stderr)
    lines = ["| tampered with | made | found |", "|---|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {count} | {found[name]} |" for name, count in made.items()]
    lines += [f"| **all** | {made.total()} | {found.total()} |", "", f"{time.process_time() - began:.0f} CPU seconds"]
    print("\n".join(lines))
    if chosen.output:
        chosen.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(found.total() != made.total())


if __name__ == "__main__":
    sys.exit(main())
