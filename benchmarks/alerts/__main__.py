"""Alerts under fire: are they told, once, soon, and politely? On a real PostgreSQL and a double of Slack that keeps a log.

make bench-alerts                        # 10,000 alerts and 200 kills, an outage, the way from commit to Slack: 20 minutes or more
make bench-alerts ARGS="--quick"         # 500 alerts, 10 kills, one crash; a small outage: two or three minutes
.venv/bin/python -m benchmarks.alerts --only storm,outage,latency,peers,together

`storm`: alerts are committed in portions, in 200 channels, half of them with details in the thread, one in five about an incident that
was told before; after each portion one of three sender processes gets SIGKILL, and now and then PostgreSQL is stopped without a
checkpoint and started again. Of all requests 2 % are answered 429 with Retry-After, 0.1 % with one for the whole workspace, 2 % with 500
and 2 % are carried out without a reply. What was committed is held against the workspace's log. `outage`, `latency`: see there.
`peers`: the same storm, smaller and with one process, for a sender that marks its batch at the end and one that fires once.
`together`: 400 and 1,600 workflows find that one source cannot be read, and 1,000 incidents of one channel are taken up by nobody.
Exit status 1: something was lost, doubled or stands wrong, a request came inside a Retry-After that could be known, the outage drained
in more than 10 minutes or criticals not first, or the 95th percentile from commit to Slack is above 5 s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the double of Slack is the tests' own

from benchmarks.alerts import latency, naive, outage, senders, storm, together

DRAINED, FIRST, SOON = 600.0, 120.0, 5.0  # seconds: all of an outage's alerts, its critical ones, commit to Slack
LINEAR = 1.5  # times what an incident costs among a quarter as many
_PEERS = (
    ("send a batch, mark it at its end", naive.mark_at_end),
    ("mark it, fire once", naive.fire_once),
    ("**ours**", senders.ours),
)


def main() -> int:
    """Print the tables; 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="everything smaller")
    parser.add_argument("--only", default="storm,outage,latency,peers,together")
    asked = parser.parse_args()
    parts: dict[str, Callable[[Path, bool], bool]] = {
        "storm": _storm,
        "outage": _outage,
        "latency": _latency,
        "peers": _peers,
        "together": _together,
    }
    held = []
    for name in asked.only.split(","):
        with tempfile.TemporaryDirectory(prefix="ap") as folder:
            held.append(parts[name](Path(folder), asked.quick))
        print(flush=True)
    return int(not all(held))


def _storm(folder: Path, quick: bool) -> bool:  # noqa: FBT001
    how = storm.Storm(alerts=500, kills=10, crashes=1, channels=50) if quick else storm.Storm()
    found = storm.run(folder, how)
    said = found.said
    _table(
        "| alerts | kills | crashes of the database | posts owed | lost | doubled | wrong at the end | superseded | 429 | 500 | lost replies "
        "| inside a channel's Retry-After | inside the workspace's | minutes |",
        [
            f"{how.alerts:,}", how.kills, how.crashes, f"{found.owed:,}", found.lost, found.doubled, found.stale,
            found.states["superseded"], said["limited"] + said["limited everywhere"], said["broken"], said["lost"],
            said["early"], found.early_everywhere, f"{found.seconds / 60:.1f}",
        ],
    )  # fmt: skip
    return not (found.lost or found.doubled or found.stale or said["early"] or found.states["pending"])


def _outage(folder: Path, quick: bool) -> bool:  # noqa: FBT001
    found = outage.run(folder, alerts=100, channels=20) if quick else outage.run(folder)
    _table(
        "| alerts | channels | critical told after, s | all told after, s | lost | doubled | 429 | too many in a second | inside Retry-After |",
        [
            f"{found.alerts:,}", 20 if quick else 50, f"{found.criticals_told:.0f} ({found.critical} alerts)",
            f"{found.all_told:.0f}", found.lost, found.doubled, found.limited, found.too_many, found.early,
        ],
    )  # fmt: skip
    polite = not (found.early or found.too_many)
    return polite and not (found.lost or found.doubled) and found.all_told <= DRAINED and found.criticals_told <= FIRST


def _latency(folder: Path, quick: bool) -> bool:  # noqa: FBT001
    found = latency.run(folder, stages=60 if quick else 300)
    _table(
        "| stages that ended with an incident | told | median, s | p95, s | p99, s | longest, s |",
        [
            len(found.seconds) + found.missing, len(found.seconds),
            *(f"{found.at(share):.2f}" for share in (0.5, 0.95, 0.99, 1.0)),
        ],
    )  # fmt: skip
    return not found.missing and found.at(0.95) <= SOON


def _peers(folder: Path, quick: bool) -> bool:  # noqa: FBT001
    how = storm.Storm(
        alerts=200 if quick else 600, kills=8 if quick else 25, crashes=0, channels=50, processes=1, between=1.0,
        opened=1.0, details=0.0,
    )  # fmt: skip
    print(f"{how.alerts} alerts, {how.kills} kills")
    print("| sender | never told | told more than once |\n|---|---|---|")
    ours = None
    for place, (name, work) in enumerate(_PEERS):
        (own := folder / str(place)).mkdir()
        ours = storm.run(own, how, work=work)
        print(f"| {name} | {ours.lost} | {ours.doubled} |", flush=True)
    return ours is not None and not (ours.lost or ours.doubled)


def _together(folder: Path, quick: bool) -> bool:  # noqa: FBT001
    print("| workflows that hang on one source | seconds | ms each | letters to send |\n|---|---|---|---|")
    found = [together.shared(folder, number) for number in ((50, 200) if quick else (400, 1600))]
    for one in found:
        each = one.seconds / one.incidents * 1e3
        print(f"| {one.incidents:,} | {one.seconds:.1f} | {each:.0f} | {one.letters} |", flush=True)
    few, many = found
    calls = together.untaken(folder, 100 if quick else 1000)
    _table(
        "| incidents of one channel that nobody takes up | seconds of the sweep | steps on record | letters that call |",
        [f"{calls.incidents:,}", f"{calls.swept:.1f}", f"{calls.steps:,}", calls.calls],
    )
    linear = many.seconds / many.incidents <= LINEAR * few.seconds / few.incidents
    return linear and calls.steps == calls.incidents and calls.calls == 1


def _table(head: str, row: Sequence[object]) -> None:
    print(head)
    print("|" + "---|" * (head.count("|") - 1))
    print("| " + " | ".join(str(one) for one in row) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
