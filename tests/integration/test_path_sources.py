"""The path with sources of other kinds: declared, pulled, checked before use, priced, and repeated without doubling."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from path_site import HOUR, NOW, SLUG, Site, gated, invoice, pulled, spent

from afterpilot.demo import databases
from afterpilot.domain.verdict import Verdict
from doubles.api import ApiDouble, Asked, Reply

pytestmark = pytest.mark.integration

COMMON = """  key: run_id
  time: finished_at
  late_by: 2h
  history: 28d
  fields:
    document: text
    supplier_contact: text
    extracted_json: {type: text, from: $.reading}
    supplier: {type: text, from: $.reading.supplier}
    invoice_no: {type: text, from: $.reading.invoice_no}
    po_number: {type: text, from: $.reading.po_number}
    total: number
    currency: text
  personal: [supplier_contact]
  usage: {model: $.usage.model, input_tokens: $.usage.in, output_tokens: $.usage.out, cached_tokens: $.usage.cached}
  decisions: {connection: erp, table: ap_decisions, key: run_id, time: decided_at, decision: decision, accepted: [ok], corrected: [fixed], rejected: [refused]}

"""
HTTP = """source:
  kind: http
  connection: runs_api
  path: /runs
  query: {since: "{{ start }}", until: "{{ end }}"}
  rows: $.data[*]
  paging: {cursor: $.next, as: cursor}
"""


def run(number: int, *, minutes: int) -> dict[str, Any]:
    """An invoice's reading as an API or a log has it."""
    row = invoice(number, NOW - timedelta(minutes=minutes))
    return {
        **{name: str(row[name]) for name in ("run_id", "finished_at", "document", "supplier_contact", "currency")},
        "reading": json.loads(row["extracted_json"]),
        "total": float(row["total"]),
        "usage": {"model": row["model_name"], "in": row["tok_in"], "out": row["tok_out"], "cached": row["tok_cached"]},
        "internal": "not declared",
    }


RUNS = [run(number, minutes=10 * number) for number in range(1, 6)]


def answer(asked: Asked) -> Any:
    """The API: two runs a page."""
    at = int(asked.query.get("cursor", 0))
    return {"data": RUNS[at : at + 2], "next": str(at + 2) if at + 2 < len(RUNS) else None}


@pytest.fixture
def api() -> Iterator[ApiDouble]:
    """A service that has the office's runs."""
    with ApiDouble(answer) as double:
        yield double


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str, api: ApiDouble) -> Site:
    """An office whose runs lie elsewhere, and whose orders and decisions lie in its database."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.env["AIRFLOW_CONN_RUNS_API"] = f"{api.url.replace('http://', f'http://:{api.token}@')}"
    with made.erp.begin() as connection:
        connection.execute(sa.insert(databases.purchase_orders), [
            {"po_number": f"PO-{50000 + number}", "supplier": "Harbour Lights Ltd", "ordered_on": NOW.date(),
             "amount": Decimal(100 + number), "currency": "GBP", "status": "open"}
            for number in range(1, 6)
        ])  # fmt: skip
        decided = {
            "run_id": "r-00001",
            "decided_at": NOW - timedelta(minutes=5),
            "decision": "ok",
            "minutes": 1,
            "note": "",
            "clerk": "Ann",
        }
        connection.execute(sa.insert(databases.ap_decisions), [decided])
    return made


def declare(site: Site, source: str) -> None:
    """Replace the source of the example's declaration, and what hangs on its table."""
    path = site.folder / SLUG / "workflow.yaml"
    text = re.sub(r"(?ms)^source:.*?(?=^outputs:)", lambda _: source + COMMON, path.read_text("utf-8"))
    text = re.sub(r"(?ms)^(review|evals|release):.*?(?=^\S)", "", text).replace("evals: nightly, ", "")
    text = text.replace("sql: kpi.sql}", "sql: kpi.sql, connection: erp}")
    path.write_text(text, encoding="utf-8")
    assert site.wired().declarations.problems == ()


def assert_whole(site: Site) -> None:
    """Pulled, redacted, decided on, priced: as from a table."""
    first = pulled(site)
    assert (first.verdict, first.evidence["pulled"], first.evidence["decisions"]) == (Verdict.PASS, 5, 1), (
        first.evidence
    )
    assert first.evidence["skipped"] == first.evidence["noted"] == {}
    (kept,) = site.rows("SELECT data FROM records WHERE key = 'r-00001'")
    assert kept["data"]["total"] == "101.0"
    assert kept["data"]["supplier_contact"] == "[redacted]"
    assert json.loads(kept["data"]["extracted_json"])["po_number"] == "PO-50001"
    assert "internal" not in kept["data"]
    gate = gated(site, first.window)
    assert (gate.evidence["decided"], gate.evidence["released"]) == (5, 5), gate.evidence
    spent(site)
    (usage,) = site.rows("SELECT count(*) AS n, sum(cost) AS cost, sum(input_tokens) AS tokens FROM usage")
    assert (usage["n"], usage["tokens"]) == (5, 3500)
    assert usage["cost"] > 0
    site.now += HOUR
    again = pulled(site)
    assert (again.evidence["pulled"], site.count("records"), site.count("usage")) == (0, 5, 5)


def test_an_api_is_a_source_like_any_other(site: Site, api: ApiDouble) -> None:
    """From the declaration to the price; the second pull reads the late window again and doubles nothing."""
    declare(site, HTTP)
    assert_whole(site)
    first, *_, last = (asked.query for asked in api.asked)
    assert (first["until"], last["until"][:16]) == ("2026-11-18T12:00:00Z", "2026-11-18T13:00")
    assert last["since"] == "2026-11-18T10:00:00Z"


def test_files_are_a_source_like_any_other(site: Site, tmp_path: Path) -> None:
    """The same runs out of JSON lines."""
    (tmp_path / "2026-11-18.jsonl").write_text("".join(json.dumps(one) + "\n" for one in RUNS), encoding="utf-8")
    declare(site, f"source:\n  kind: files\n  path: {tmp_path}/*.jsonl\n")
    assert_whole(site)


def test_rows_that_an_api_has_no_longer_are_told(site: Site, api: ApiDouble) -> None:
    """Within what is read again: they are named, the records stay, and a person ends it."""
    declare(site, HTTP)
    pulled(site)
    runs = [one for one in RUNS if one["run_id"] != "r-00003"]
    late = run(6, minutes=1)
    api.answer = lambda _: {"data": [*runs, late]}
    site.now += HOUR / 2
    found = pulled(site)
    assert (found.verdict, found.evidence["pulled"]) == (Verdict.FAIL, 1)
    (incident,) = [one for one in site.incidents() if one["kind"] == "pull.source_shrank"]
    assert "is not there any more" in incident["title"]
    assert "1 of 6. Records: r-00003." in incident["detail"]
    assert site.count("records") == 6
    site.now += HOUR / 2
    pulled(site)
    assert [one["occurrences"] for one in site.incidents() if one["kind"] == "pull.source_shrank"] == [2]


def test_what_an_api_gives_late_is_no_loss(site: Site, api: ApiDouble) -> None:
    """Nor is a row whose time was corrected within what is read, or one that comes twice."""
    declare(site, HTTP)
    api.answer = lambda _: {"data": RUNS[1:]}
    pulled(site)
    moved = run(3, minutes=35)
    api.answer = lambda _: {"data": [RUNS[0], RUNS[0], RUNS[1], moved, *RUNS[3:]]}
    site.now += HOUR / 2
    pulled(site)
    assert [one["kind"] for one in site.incidents() if one["kind"] == "pull.source_shrank"] == []


def test_an_answer_that_is_short_once_is_no_loss(site: Site, api: ApiDouble) -> None:
    """What is fewer than on record is read a second time."""
    declare(site, HTTP)
    pulled(site)
    asked = len(api.asked)
    api.answer = lambda _: {"data": RUNS if len(api.asked) > asked + 1 else RUNS[:2]}
    site.now += HOUR / 2
    pulled(site)
    assert len(api.asked) == asked + 2
    assert [one["kind"] for one in site.incidents() if one["kind"] == "pull.source_shrank"] == []


def test_a_file_that_is_cleared_away_too_soon_is_told(site: Site, tmp_path: Path) -> None:
    """Its records are within what is read again."""
    for name, runs in (("a", RUNS[:3]), ("b", RUNS[3:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in runs), encoding="utf-8")
    declare(site, f"source:\n  kind: files\n  path: {tmp_path}/*.jsonl\n")
    assert pulled(site).evidence["pulled"] == 5
    (tmp_path / "b.jsonl").unlink()
    site.now += HOUR / 2
    pulled(site)
    (incident,) = [one for one in site.incidents() if one["kind"] == "pull.source_shrank"]
    assert "2 of 5. Records: r-00004, r-00005." in incident["detail"]


def test_a_service_that_breaks_off_is_unknown_and_read_again(site: Site, api: ApiDouble) -> None:
    """What came before the break is kept; the watermark stays, so that the next pull has no gap. The token is in no row."""
    declare(site, HTTP)
    api.answer = lambda asked: answer(asked) if "cursor" not in asked.query else Reply({"token": api.token}, 403)
    broken = pulled(site)
    assert broken.verdict is Verdict.UNKNOWN
    assert "refuses the connection's token (403" in str(broken.evidence["error"])
    assert api.token not in json.dumps(
        site.rows("SELECT * FROM runs") + site.rows("SELECT * FROM findings"), default=str
    )
    assert site.count("records") <= 2
    api.answer = answer
    site.now += HOUR
    mended = pulled(site)
    assert (mended.verdict, site.count("records")) == (Verdict.PASS, 5)
    assert mended.window.start < broken.window.end - timedelta(days=27)


def test_a_connection_that_nobody_made_is_unknown(site: Site) -> None:
    """The run says which one."""
    declare(site, HTTP.replace("runs_api", "nowhere"))
    run_ = pulled(site)
    assert run_.verdict is Verdict.UNKNOWN
    assert "there is no connection 'nowhere'" in str(run_.evidence["error"])


def test_long_records_are_written_few_at_a_time(site: Site, tmp_path: Path) -> None:
    """Else memory would grow with their length."""
    path = tmp_path / "runs.jsonl"
    runs = [{**run(number, minutes=10 * number), "document": "long " * 1_500_000} for number in range(1, 6)]
    path.write_text("".join(json.dumps(one) + "\n" for one in runs))
    declare(site, f"source:\n  kind: files\n  path: {path}\n")
    assert pulled(site).evidence["pulled"] == 5
    transactions = site.rows("SELECT count(*) AS records FROM records GROUP BY pulled_at ORDER BY 1")
    assert [row["records"] for row in transactions] == [2, 3]
