"""The list of runs over ten million of them: the real page, for every combination of its filters, first pages and deep ones.

.venv/bin/python -m benchmarks.run_list --runs 10m                 # ten minutes or more, 20 GB below --folder, gone afterwards
.venv/bin/python -m benchmarks.run_list --runs 1m -o table.md      # a minute or two

A year of runs of 1,000 workflows: one has a tenth of them, one ran 40 times and one not at all; 6 % did not pass, and no report was
ever UNKNOWN. Each page is asked for by HTTP of the application itself, database, template and all. *full* has as many runs as a page
holds; *short* ends with all that there is; *so far* was looked through far enough and says how far back it came. Exit status 1: the slowest
twentieth of the pages takes longer than 200 ms.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi.testclient import TestClient

from afterpilot.demo.postgres import running
from afterpilot.record import partitions
from afterpilot.record.migrate import upgrade
from afterpilot.web.access import Access, Role, Sight
from afterpilot.web.app import create_app

_ROW = "page after page"
_AIM = 0.200  # seconds, at the 95th percentile
_SETTINGS = {
    "shared_buffers": "'1GB'",
    "maintenance_work_mem": "'512MB'",
    "max_wal_size": "'8GB'",
    "wal_level": "minimal",  # what a transaction writes into a table of its own needs no log
    "max_wal_senders": "0",
    "autovacuum": "off",  # it is vacuumed once, as it would be in a year
    "fsync": "off",
    "jit": "off",
}
_UNITS = {"k": 1_000, "m": 1_000_000}
_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_YEAR = timedelta(days=365)
_MONTH = """
INSERT INTO {part} (id, workflow, stage, window_start, window_end, verdict, summary, reasons, evidence, versions, trigger,
  started_at, finished_at, actor)
SELECT gen_random_uuid(), workflow, stage, at - interval '1 hour', at, verdict, number || ' rows looked at', '["1 row lacks an order"]',
  CAST('{{"checked": ' || number % 5000 || ', "sources": {{"erp": "read in 0.3 s"}}}}' AS jsonb),
  '{{"code": "1.4.0", "declaration": "5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b5aa765d61d8327deb882cf99", "model": "gpt-5-mini"}}',
  CAST('{{"origin": "airflow", "dag_id": "records.hourly", "run_id": "scheduled__' || number || '", '
    '"task_id": "' || stage || '", "map_index": 3, "try_number": 1}}' AS jsonb),
  at - interval '20 s', at, actor
FROM (
  SELECT number, CAST(:start AS timestamptz) + CAST(:length AS interval) * (number - :low) / greatest(:high - :low, 1) AS at,
    CASE WHEN number % 10 = 0 THEN 'busy' WHEN number = ANY(:rare) THEN 'rare'
         ELSE 'workflow_' || lpad((number * 7919 % 997)::text, 4, '0') END AS workflow,
    CASE WHEN number % 20011 = 7 THEN 'bills' WHEN number % 168 = 1 THEN 'report' WHEN number % 24 = 5 THEN 'evaluate'
         ELSE (ARRAY['pull', 'check', 'gate', 'review', 'spend', 'declare'])[1 + number % 6] END AS stage,
    CASE WHEN number % 168 <> 1 AND number % 101 = 3 THEN 'UNKNOWN' WHEN number % 50 = 11 THEN 'FAIL' WHEN number % 33 = 4 THEN 'WARN'
         ELSE 'PASS' END AS verdict,
    CASE WHEN number % 5003 = 9 THEN 'cli' WHEN number % 24 = 5 THEN 'airflow:evals.nightly' WHEN number % 6 = 4 THEN 'airflow:spend'
         ELSE 'airflow:records.hourly' END AS actor
  FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint) - 1) AS number
) AS made
"""
_DECLARED = """
INSERT INTO declarations (workflow, sha256, usable, document)
SELECT slug, md5(slug), true, jsonb_build_object('review', jsonb_build_object('reviewers', jsonb_agg(reviewer)))
FROM unnest(CAST(:slugs AS text[]), CAST(:reviewers AS text[])) AS named(slug, reviewer) GROUP BY slug
"""
_CURRENT = """
INSERT INTO current_declarations (workflow, sha256, usable_sha256, loaded_at) SELECT workflow, sha256, sha256, :now FROM declarations
"""
_CHOICES: Mapping[str, Sequence[str]] = {
    "workflow": ("", "busy", "workflow_0007", "rare", "never"),
    "stage": ("", "check", "report", "bills"),
    "verdict": ("", "PASS", "UNKNOWN"),
    "actor": ("", "airflow:records.hourly", "cli", "nobody"),
    "from": ("", "2026-01-10"),
    "to": ("", "2026-03-20"),
}
_SEEING: Mapping[str, Sequence[str]] = {
    "of one rare workflow": ("rare",),
    "of 30 workflows": ("rare", *(f"workflow_{number:04}" for number in range(29))),
}


@dataclass(frozen=True, slots=True)
class Timed:
    """One page: what it was, how long it took in seconds, and how it ended."""

    kind: str
    query: str
    seconds: float
    ended: str


def main() -> int:
    """Build, measure and print; 1 where the aim is missed."""
    asked = options()
    with (
        tempfile.TemporaryDirectory(prefix="ap", dir=asked.folder) as folder,
        running(Path(folder), settings=_SETTINGS) as server,
    ):
        server.create("ops")
        upgrade(server.url("ops"))
        engine = sa.create_engine(server.url("ops"))
        began = time.monotonic()
        built(engine, asked.runs)
        print(f"built {asked.runs:,} runs in {time.monotonic() - began:.0f} s", file=sys.stderr)
        found = measured(engine)
        size = _scalar(
            engine, "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'runs'::regclass"
        )
        engine.dispose()
    late = _at(found, 0.95)
    lines = [
        f"{asked.runs:,} runs, {int(size) / 2**30:.1f} GB with indexes",
        "",
        *table(found),
        "",
        f"* {'met' if late <= _AIM else 'MISSED'}: 95 % of {len(found):,} pages within {late * 1000:.0f} ms ({_AIM * 1000:.0f})",
        f"* {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end",
    ]
    print("\n".join(lines))
    for one in sorted(found, key=lambda one: -one.seconds)[: asked.slowest]:
        print(f"{one.seconds * 1000:6.0f} ms  {one.ended:7}  {one.kind}: {one.query}", file=sys.stderr)
    if asked.output:
        asked.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(late > _AIM)


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run_list", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=_size, default=10_000_000, help="such as 10m: 1m take 1.2 GB")
    parser.add_argument("--folder", type=Path, help="where the database is made, on a disk")
    parser.add_argument("--slowest", type=int, default=5, help="how many of the slowest pages are named")
    parser.add_argument("-o", "--output", type=Path, help="a file for the table, as markdown")
    return parser.parse_args()


def built(engine: sa.Engine, runs: int) -> None:
    """A year of runs, month by month: the rows first and their indexes after, as is quickest."""
    rare = [runs * number // 40 + 3 for number in range(40)]
    begin, low = _NOW - _YEAR, 0
    while begin < _NOW:
        month = partitions.next_month(begin.date())
        end = min(datetime(month.year, month.month, 1, tzinfo=UTC), _NOW)
        high = runs if end == _NOW else low + int(runs * ((end - begin) / _YEAR))
        part = f"runs_{begin:%Y_%m}"
        given = {"start": begin, "length": end - begin, "low": low, "high": high, "rare": rare}
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {part}")
            connection.exec_driver_sql(f"CREATE TABLE {part} (LIKE runs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            connection.execute(sa.text(_MONTH.format(part=part)), given)
            connection.exec_driver_sql(
                f"ALTER TABLE runs ATTACH PARTITION {part} FOR VALUES FROM ('{begin.date().replace(day=1)} 00:00+00') TO ('{month} 00:00+00')"
            )
        begin, low = end, high
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE run_ids DROP CONSTRAINT pk_run_ids")
        connection.exec_driver_sql("INSERT INTO run_ids (id, finished_at) SELECT id, finished_at FROM runs")
        connection.exec_driver_sql("ALTER TABLE run_ids ADD CONSTRAINT pk_run_ids PRIMARY KEY (id)")
        pairs = [(slug, owner) for owner, slugs in _SEEING.items() for slug in slugs]
        named = {"slugs": [slug for slug, _ in pairs], "reviewers": [owner for _, owner in pairs]}
        connection.execute(sa.text(_DECLARED), named)
        connection.execute(sa.text(_CURRENT), {"now": _NOW})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def measured(engine: sa.Engine) -> Sequence[Timed]:
    """Every combination of the filters for somebody who sees all, each alone for owners, far pages, and single runs."""
    found: list[Timed] = []
    everybody = _client(engine, "")
    for _ in range(5):  # what is read once for all pages
        everybody.get("/runs")
    for values in itertools.product(*_CHOICES.values()):
        query = {name: value for name, value in zip(_CHOICES, values, strict=True) if value}
        found += _pages(everybody, "all see all", query, most=2)
    for owner in _SEEING:
        client = _client(engine, owner)
        for stage, verdict, actor in itertools.product(*(_CHOICES[name] for name in ("stage", "verdict", "actor"))):
            query = {name: value for name, value in (("stage", stage), ("verdict", verdict), ("actor", actor)) if value}
            found += _pages(client, f"owner {owner}", query, most=2)
    for query in ({}, {"workflow": "busy"}, {"verdict": "UNKNOWN"}, {"workflow": "busy", "actor": "cli"}):
        found += _pages(everybody, _ROW, query, most=40)
    with engine.connect() as connection:
        some = connection.scalars(sa.text("SELECT id FROM run_ids TABLESAMPLE SYSTEM (0.1) REPEATABLE (7) LIMIT 60"))
        found += [_timed(everybody, "one run by its id", f"/runs/{run_id}")[0] for run_id in some]
    return found


def _client(engine: sa.Engine, owner: str) -> TestClient:
    def who() -> Sight:
        return Sight(owner or "engineer", role=Role.OWNER if owner else Role.ENGINEER)

    return TestClient(create_app(lambda: engine, gate=(), prefix="", access=Access(who), clock=lambda: _NOW))


def _pages(client: TestClient, kind: str, query: Mapping[str, str], *, most: int) -> Iterator[Timed]:
    """Pages of a list by its own links to the next one."""
    path: str | None = "/runs" + (f"?{urlencode(query)}" if query else "")
    for number in range(most):
        if path is None:
            return
        one, text = _timed(
            client, kind if kind == _ROW else f"{kind}, {'first page' if number == 0 else 'further pages'}", path
        )
        yield one
        onward = re.search(r'rel="next" href="([^"]+)"', text)
        path = onward[1].replace("&amp;", "&") if onward else None


def _timed(client: TestClient, kind: str, path: str) -> tuple[Timed, str]:
    """A page by HTTP, and what it says."""
    began = time.perf_counter()
    response = client.get(path, headers={"Accept": "text/html"})
    seconds = time.perf_counter() - began
    if response.status_code != 200:  # noqa: PLR2004 - HTTP's
        raise RuntimeError(f"{path} answers {response.status_code}")
    return Timed(kind, path, seconds, _ending(response.text)), response.text


def _ending(text: str) -> str:
    if "Looked back to" in text:
        return "so far"
    return "full" if 'rel="next"' in text else "short"


def table(found: Sequence[Timed]) -> list[str]:
    """A line for each kind of page."""
    lines = ["| pages | number | full / short / so far | p50 ms | p95 ms | max ms |", "|---|---|---|---|---|---|"]
    for kind in dict.fromkeys(one.kind for one in found):
        own = [one for one in found if one.kind == kind]
        ended = " / ".join(str(sum(one.ended == how for one in own)) for how in ("full", "short", "so far"))
        worst = max(one.seconds for one in own)
        times = " | ".join(f"{seconds * 1000:.0f}" for seconds in (_at(own, 0.5), _at(own, 0.95), worst))
        lines.append(f"| {kind} | {len(own):,} | {ended} | {times} |")
    return lines


def _at(found: Sequence[Timed], share: float) -> float:
    """A percentile of how long they took."""
    times = [one.seconds for one in found]
    return (
        statistics.quantiles(times, n=100, method="inclusive")[round(share * 100) - 1] if len(times) > 1 else times[0]
    )


def _size(text: str) -> int:
    unit = _UNITS.get(text[-1:].lower(), 1)
    return int(float(text.rstrip("kKmM")) * unit)


def _scalar(engine: sa.Engine, statement: str) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(sa.text(statement)))


if __name__ == "__main__":
    sys.exit(main())
