"""Corrections become cases: pulled from the office, offered once, added to the folder by whoever accepts them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from path_site import CASES, HOUR, SLUG, SUPPLIER, Site, pulled, trigger

from afterpilot import pipeline
from afterpilot.declare import load
from afterpilot.demo import databases
from afterpilot.domain.errors import CheckError
from afterpilot.pipeline.corrections import MOST_OPEN
from doubles.command_line import command_line

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office with three invoices that the AI has read."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.now = datetime.now(UTC)
    made.invoices([1, 2, 3])
    return made


def decide(site: Site, number: int, decision: str = "fixed", *, at: datetime | None = None, **right: Any) -> None:
    """A clerk decides on an invoice; ``right`` are the values that were read wrongly."""
    row = {"run_id": f"r-{number:05d}", "decided_at": at or site.now - HOUR / 2, "decision": decision, "clerk": "Ann"}
    with site.erp.begin() as connection:
        columns = {f"right_{name}": value for name, value in right.items()}
        connection.execute(sa.insert(databases.ap_decisions).values(**row, minutes=5, note="misread", **columns))


def offered(site: Site) -> list[dict[str, Any]]:
    """The offers as they are kept."""
    return site.rows("SELECT * FROM case_offers ORDER BY key")


def cases(site: Site) -> list[dict[str, Any]]:
    """The cases of the folder."""
    return [json.loads(line) for line in (site.folder / SLUG / "cases.jsonl").read_text().splitlines()]


def test_a_correction_is_offered_as_the_case_that_it_makes(site: Site) -> None:
    """The question is the invoice, the answer what the clerk wrote with what he left as it was; a second pull adds nothing."""
    decide(site, 1, total="77.50", po_number="")
    decide(site, 2, "ok", total="1.00")
    decide(site, 3)
    pulled(site)
    (offer,) = offered(site)
    assert (offer["key"], offer["state"]) == ("r-00001", "offered")
    assert offer["case"]["id"] == "correction-r-00001"
    assert offer["case"]["vars"]["invoice"].startswith(SUPPLIER)
    assert offer["case"]["expected"] == {
        "supplier": SUPPLIER,
        "invoice_no": "INV-3000001",
        "po_number": "",
        "total_due": "77.50 GBP",
    }
    assert offer["case"]["tags"] == ["correction"]
    assert offer["case"]["origin"] == f"correction of record r-00001, decided {site.now - HOUR / 2:%Y-%m-%d}"
    kept = site.rows("SELECT key, corrected FROM human_decisions ORDER BY key")
    assert [row["corrected"] for row in kept] == [{"total": "77.50", "po_number": ""}, {}, {}]
    before = site.counts()
    assert pipeline.offer_cases(site.wired().services, site.wired().workflow(SLUG)).offered == 0
    pulled(site)
    after = site.counts()
    assert {name for name in after if after[name] != before[name]} <= {"runs", "run_ids", "findings", "ledger"}


def test_a_correction_of_the_correction_takes_its_place(site: Site) -> None:
    """While nobody has answered the offer; a decision that overrules the correction offers nothing."""
    decide(site, 1, total="77.50")
    pulled(site)
    decide(site, 1, at=site.now - HOUR / 4, total="78.00")
    decide(site, 2, total="1.00")
    decide(site, 2, "refused", at=site.now - HOUR / 4)
    pulled(site)
    (offer,) = offered(site)
    assert offer["case"]["expected"]["total_due"] == "78.00 GBP"


def test_equal_questions_are_duplicates_that_name_each_other(site: Site) -> None:
    """Of another record's, and of a case that the suite has, blanks apart."""
    known = cases(site)[0]
    site.produce(
        "UPDATE ai_invoice_runs SET document = (SELECT document FROM ai_invoice_runs WHERE run_id = 'r-00002')"
    )
    site.produce(
        "UPDATE ai_invoice_runs SET document = :text WHERE run_id = 'r-00003'", text=known["vars"]["invoice"] + " "
    )
    for number in (1, 2, 3):
        decide(site, number, at=site.now - number * HOUR / 8, total="77.50")
    pulled(site)
    first, second, third = offered(site)
    assert first["state"] == "offered"
    assert (second["state"], second["note"]) == ("duplicate", "it asks the same as the offer of r-00001")
    assert (third["state"], third["note"]) == ("duplicate", f"it asks the same as case {known['id']}")


def test_what_is_personal_never_comes_back(site: Site) -> None:
    """Neither in the correction as it is kept, nor in its offer; a personal field makes no case at all."""
    decide(site, 1, total="77.50", supplier="call Ann at ann.miller@harbour.example")
    pulled(site)
    (kept,) = site.rows("SELECT corrected FROM human_decisions")
    assert kept["corrected"]["supplier"] == "call Ann at [e-mail]"
    (offer,) = offered(site)
    assert "ann.miller" not in json.dumps(offer["case"])
    site.edit(f"{SLUG}/workflow.yaml", "personal: [supplier_contact]", "personal: [supplier_contact, document]")
    folder = next(one for one in load(site.folder).folders if one.slug == SLUG)
    assert any("'document' is redacted when written" in problem.text for problem in folder.problems)
    site.edit(f"{SLUG}/workflow.yaml", "supplier_contact, document]", "supplier_contact, currency]")
    folder = next(one for one in load(site.folder).folders if one.slug == SLUG)
    assert any("'currency' is redacted when written" in problem.text for problem in folder.problems)


def test_an_accepted_case_stands_in_the_folder_and_is_asked_from_then_on(site: Site) -> None:
    """Once, however often it is accepted; the offer says who and when. A cut-off attempt is taken up."""
    decide(site, 1, total="77.50")
    decide(site, 2, total="78.50")
    pulled(site)
    wired = site.wired()
    done = pipeline.accept_offers(wired.services, wired.workflow(SLUG), ["r-00001"], by="Dana Ruiz", note="seen")
    assert [one.key for one in done] == ["r-00001"]
    assert [case["id"] for case in cases(site)][CASES:] == ["correction-r-00001"]
    evals = site.wired().workflow(SLUG).evals
    assert evals is not None
    assert evals.cases[-1].expected["total_due"] == "77.50 GBP"
    assert evals.cases[-1].tags == ("correction",)
    first, second = offered(site)
    assert (first["state"], first["decided_by"], first["note"]) == ("accepted", "Dana Ruiz", "seen")
    assert first["answered_at"] is not None
    assert (second["state"], second["answered_at"]) == ("offered", None)
    wired = site.wired()
    assert not pipeline.accept_offers(wired.services, wired.workflow(SLUG), ["r-00001"], by="Lee")
    with site.ops.begin() as connection:
        connection.execute(sa.text("UPDATE case_offers SET state = 'offered' WHERE key = 'r-00001'"))
    assert len(pipeline.accept_offers(wired.services, wired.workflow(SLUG), [], by="Lee")) == 2
    assert [case["id"] for case in cases(site)][CASES:] == ["correction-r-00001", "correction-r-00002"]


def test_a_declined_offer_stays_on_record_and_does_not_come_back(site: Site) -> None:
    """Not even when its record is corrected anew."""
    decide(site, 1, total="77.50")
    pulled(site)
    wired = site.wired()
    pipeline.decline_offer(wired.services, wired.workflow(SLUG), "r-00001", by="Dana Ruiz", note="unreadable scan")
    decide(site, 1, at=site.now - HOUR / 4, total="78.00")
    pulled(site)
    (offer,) = offered(site)
    assert (offer["state"], offer["note"], offer["decided_by"]) == ("declined", "unreadable scan", "Dana Ruiz")
    with pytest.raises(CheckError, match=r"declined by Dana Ruiz \(unreadable scan\)"):
        pipeline.accept_offers(wired.services, wired.workflow(SLUG), ["r-00001"], by="Lee")
    with pytest.raises(CheckError, match="no offer of the record 'r-9'"):
        pipeline.decline_offer(wired.services, wired.workflow(SLUG), "r-9", by="Lee", note="x")


def test_no_more_wait_than_a_person_can_answer(site: Site) -> None:
    """The newest hundred; others are offered when some are answered."""
    numbers = range(100, 100 + MOST_OPEN + 5)
    site.invoices(numbers)
    for number in numbers:
        decide(site, number, at=site.now - timedelta(seconds=number), total="77.50")
    pulled(site)
    assert len(offered(site)) == MOST_OPEN
    assert "r-00204" not in {offer["key"] for offer in offered(site)}
    wired = site.wired()
    pipeline.decline_offer(wired.services, wired.workflow(SLUG), "r-00100", by="Lee", note="x")
    assert pipeline.offer_cases(wired.services, wired.workflow(SLUG)).offered == 1


def test_the_weekly_message_says_that_corrections_wait(site: Site) -> None:
    """With the command that shows them."""
    decide(site, 1, total="77.50")
    pulled(site)
    wired = site.wired()
    run = pipeline.report(wired.services, wired.workflow(SLUG), at=site.now, trigger=trigger())
    assert run.evidence["outcome"]["facts"]["offers"] == 1


def test_corrections_on_the_command_line(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are listed with their right answer, accepted by somebody, declined with a reason; judges are told apart."""
    cli = command_line(monkeypatch, capsys, site.env)
    decide(site, 1, total="77.50")
    decide(site, 2, total="78.50")
    pulled(site)
    code, out, _ = cli("evals", "corrections", SLUG)
    assert code == 0
    assert "77.50 GBP" in out
    assert "2 wait" in out
    code, _, err = cli("evals", "corrections", SLUG, "--accept", "r-00001")
    assert code == 2
    assert "--by NAME" in err
    code, out, _ = cli("evals", "corrections", SLUG, "--accept", "r-00001", "--by", "Dana Ruiz", "--json")
    assert code == 0
    assert json.loads(out)["accepted"] == ["r-00001"]
    assert [one["key"] for one in json.loads(out)["offers"]] == ["r-00002"]
    decide(site, 3, total="79.50")
    pulled(site)
    command = ("evals", "corrections", SLUG, "--decline", "r-00003", "--note", "no scan", "--by", "Dana Ruiz")
    code, out, _ = cli(*command)
    assert (code, out) == (0, "1 declined: r-00003\n1 waits\n"), "the result, and not the whole list again"
    code, out, _ = cli(
        "evals", "corrections", SLUG, "--decline", "r-00002", "--note", "no scan", "--by", "Dana Ruiz", "--all"
    )
    assert code == 0
    assert "declined" in out
    assert "no scan" in out
    code, out, _ = cli("evals", "judges", SLUG)
    assert code == 0
    assert "No scorer of invoice_matching is a judge." in out
