"""A field that became personal after it had been kept: auditors do not read what quotes it, on no page and in no file."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import audit_site
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import Site, mounted
from sample_data import INVOICES, NOW, add_run, finding

from afterpilot.demo.postgres import APPLICATION, EmbeddedPostgres
from afterpilot.domain.ledger import Entry
from afterpilot.domain.message import Fact, Message
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Severity
from afterpilot.record import tables
from afterpilot.record.history import late_personal
from afterpilot.record.ledger import signing_keys
from afterpilot.record.ledger.sealing import seal
from afterpilot.record.ops import Ops
from afterpilot.web.access import Access, Declared, Role, Sight
from afterpilot.web.withholding import WITHHELD, withheld

FIELD, SECRET = "supplier_contact", "Ann Soerensen"
TITLE = f"{FIELD}: the most common value is {SECRET}; one of a, b expected"
FILES = ("runs", "incidents", "messages", "ledger", "review", "coverage")
LATE = {INVOICES: frozenset({FIELD})}


@dataclass(frozen=True)
class Quoting:
    """The pages as each role has them, and the addresses of what quotes the field."""

    engine: sa.Engine
    addresses: tuple[str, ...]

    def site(self, role: Role) -> Site:
        """The pages for somebody of that role."""
        app = mounted(self.engine, access=Access(who=lambda: Sight("ada", role=role)))
        return Site(TestClient(app, follow_redirects=False), app, self.engine, None)  # type: ignore[arg-type] # no ids needed


@pytest.fixture(scope="module")
def quoting(postgres: EmbeddedPostgres, new_ops: Callable[[], str]) -> Iterator[Quoting]:
    """A history of before: a run, its finding, an incident and messages that quote a value of the field."""
    engine = sa.create_engine(postgres.url(new_ops(), role=APPLICATION))
    kept, audit = audit_site.everything(engine)
    older = {"source": {"fields": {FIELD: "text", "name": "text"}, "personal": []}}
    found = finding(
        INVOICES, Stage.CHECK, "quality.column_most_common_value_to_be_in_set", Severity.CRITICAL, TITLE,
        about=FIELD, detail=f"Seen: {SECRET}", evidence={"column": FIELD, "observed": SECRET, "examples": [f"record {SECRET}"]},
    )  # fmt: skip
    with engine.begin() as connection:
        values = {"workflow": INVOICES, "sha256": "0" * 64, "usable": True, "document": older, "path": "x"}
        connection.execute(sa.insert(tables.declarations).values(**values, first_loaded_at=NOW - timedelta(days=90)))
    with Ops(engine).begin() as unit:
        evidence = {
            "expectations": [{"expect": "x", "column": FIELD, "observed": SECRET, "least": 83111}],
            FIELD: SECRET,
        }
        run = add_run(
            unit, INVOICES, Stage.CHECK, NOW - timedelta(minutes=5), summary=f"1 of 2: {TITLE}", findings=[found], evidence=evidence
        )  # fmt: skip
        incident = unit.incidents.open(found, run_id=run, at=NOW - timedelta(minutes=5))
        message = Message(
            "critical", TITLE, "See below", TITLE, facts=(Fact("Seen", SECRET),), points=(f"record {SECRET}",)
        )
        ids = []
        for workflow, text in (
            (INVOICES, message),
            (FLEET, Message("info", "Digest", "", "", points=(f"{INVOICES}: {TITLE}",))),
        ):
            row = {"dedupe_key": f"quoting {workflow}", "workflow": workflow, "kind": "incident", "channel": "#c"}
            row |= {"message": text.as_dict(), "incident_id": incident.id, "created_at": NOW - timedelta(minutes=4)}
            ids.append(unit.connection.scalar(sa.insert(tables.outbox).values(**row).returning(tables.outbox.c.id)))
        unit.ledger.append(
            Entry("alerts:incident:opened", f"incident:{incident.id}", NOW, INVOICES, payload={"title": TITLE})
        )
    with engine.connect() as connection:
        entry = connection.scalar(sa.select(sa.func.max(tables.ledger.c.id)))
    there = Site(None, None, engine, kept, audit)  # type: ignore[arg-type] # only its addresses are asked for
    addresses = [
        f"/runs/{run}",
        f"/runs/{run}/evidence.json",
        f"/incidents/{incident.id}",
        *(f"/messages/{one}" for one in ids),
    ]
    addresses += [
        f"/ledger/{entry}",
        f"/ledger/{entry}?verify=1",
        f"/runs?workflow={INVOICES}",
        "/runs.csv",
        "/runs.jsonl",
    ]
    addresses += [f"/as-of?workflow={INVOICES}", f"/coverage?workflow={INVOICES}", *there.every_page]
    yield Quoting(engine, tuple(dict.fromkeys(addresses)))
    engine.dispose()


def test_no_page_and_no_file_quotes_it_to_an_auditor(quoting: Quoting) -> None:
    """Each answers as it does to an engineer, who reads it on many of them."""
    auditor, engineer = quoting.site(Role.AUDITOR).client, quoting.site(Role.ENGINEER).client
    read = []
    for address in quoting.addresses:
        theirs, whole = auditor.get(f"/afterpilot{address}"), engineer.get(f"/afterpilot{address}")
        assert theirs.status_code == whole.status_code, address
        assert SECRET not in theirs.text, address
        assert not re.search(r"(?<![0-9a-z])83111(?![0-9a-z])", theirs.text), address  # a hash may hold any digits
        read += [address] * (SECRET in whole.text)
    assert len(read) >= 12, read


def test_what_is_withheld_is_said_and_the_rest_of_the_run_stands(quoting: Quoting) -> None:
    """The verdict, the kind and the field's name are no secret."""
    html = quoting.site(Role.AUDITOR).get(quoting.addresses[0])
    assert "withheld: it names a field that is personal now" in html
    assert "FAIL" in html
    assert "column_most_common_value_to_be_in_set" in html.replace("<wbr>", "")
    whole = json.loads(quoting.site(Role.AUDITOR).get(quoting.addresses[1]))
    (one,) = whole["evidence"]["expectations"]
    assert (one["column"], one["observed"], one["least"]) == (FIELD, "[redacted]", "[redacted]")


def test_an_auditor_takes_no_bundle_of_days_that_name_it(quoting: Quoting) -> None:
    """A bundle proves documents as they are, so that nothing in it can be withheld; of other days it is given."""
    auditor = quoting.site(Role.AUDITOR).client
    answer = auditor.get(f"/afterpilot/bundle.zip?workflow={INVOICES}")
    assert answer.status_code == 409
    assert FIELD in answer.text
    assert SECRET not in answer.text
    before = auditor.get(f"/afterpilot/bundle.zip?workflow={INVOICES}&from=2026-09-01&to=2026-09-02")
    assert before.status_code == 200
    assert quoting.site(Role.ENGINEER).client.get(f"/afterpilot/bundle.zip?workflow={INVOICES}").status_code == 200


def test_an_auditor_takes_no_bundle_of_the_days_in_which_it_was_recorded(quoting: Quoting) -> None:
    """What happened in other days stands in the bundle of those in which it was recorded: it is refused, of those before it is given."""
    with quoting.engine.connect() as connection:
        at = connection.scalar(sa.select(sa.func.max(tables.ledger.c.recorded_at)))
    app = mounted(quoting.engine, access=Access(who=lambda: Sight("ada", role=Role.AUDITOR)), clock=lambda: at)
    bundle = f"/afterpilot/bundle.zip?workflow={INVOICES}"
    client = TestClient(app, follow_redirects=False)
    assert client.get(f"{bundle}&from={at:%Y-%m-%d}&to={at:%Y-%m-%d}").status_code == 409
    assert client.get(f"{bundle}&from=2026-09-01&to=2026-09-02").status_code == 200


def test_what_comes_into_the_ledger_after_the_look_is_not_in_the_bundle(
    quoting: Quoting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is looked for names in and what is written are of one moment."""

    def somebody_else_is_quicker(*_: object) -> bool:
        told = Entry(
            "alerts:incident:opened", "incident:x", NOW, INVOICES, payload={"title": f"{FIELD}: Ingrid Meanwhile"}
        )
        with Ops(quoting.engine).begin() as unit:
            unit.ledger.append(told)
        seal(quoting.engine, signing_keys.parsed(base64.b64encode(bytes(range(32))), "a test"))
        return False

    def taken() -> str:
        answer = quoting.site(Role.AUDITOR).client.get(
            f"/afterpilot/bundle.zip?workflow={INVOICES}&from={day}&to={day}"
        )
        assert answer.status_code == 200
        (tmp_path / "bundle.zip").write_bytes(answer.content)
        with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
            return " ".join(bundle.read(name).decode("utf-8", "replace") for name in bundle.namelist())

    with quoting.engine.connect() as connection:
        day = connection.scalar(sa.select(sa.func.current_date()))
    monkeypatch.setattr(late_personal, "named", somebody_else_is_quicker)
    assert "Ingrid Meanwhile" not in taken()
    assert "Ingrid Meanwhile" in taken()  # of a later moment: the look that would refuse it is replaced here


def test_a_field_that_was_always_personal_withholds_nothing(quoting: Quoting) -> None:
    """It was never kept: nothing that names it can quote it."""
    with quoting.engine.connect() as connection:
        rows = sa.select(tables.declarations.c.workflow).where(tables.declarations.c.workflow == audit_site.ORDERS)
        assert connection.scalar(rows.limit(1)) is not None
    html = quoting.site(Role.AUDITOR).get(f"/as-of?workflow={audit_site.ORDERS}")
    assert "withheld" not in html
    assert "customer" in html


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("the Supplier contact is Ann", WITHHELD),
        ("supplier_contact", "supplier_contact"),
        ("supplier_contacts are Ann", "supplier_contacts are Ann"),
        ({"supplier_contact": "Ann", "n": 3}, {"supplier_contact": "[redacted]", "n": 3}),
        ({"evidence": {"counts": {"supplier_contact Ann": 1}}}, {"evidence": {"counts": {WITHHELD: 1}}}),
        ({"workflow": "letters", "title": "supplier_contact: Ann"}, {"workflow": "letters", "title": "supplier_contact: Ann"}),
        ({"workflow": FLEET, "title": "supplier_contact: Ann"}, {"workflow": FLEET, "title": "supplier_contact: Ann"}),
        ({"workflow": FLEET, "title": f"{INVOICES}: supplier_contact"}, {"workflow": FLEET, "title": WITHHELD}),
        ({"evidence": {"document": "supplier_contact: Ann", "Supplier_Contact": "Ann"}}, {"evidence": {"document": WITHHELD, "Supplier_Contact": "[redacted]"}}),
        ({"about": "supplier_contact is no number: 'Ann'", "n": "Ann"}, {"about": WITHHELD, "n": "[redacted]"}),
        ({"about": "supplier_contact, country"}, {"about": "supplier_contact, country"}),
        ({"field": "supplier_contact", "success": False, "rows": 2, "x": "Ann"}, {"field": "supplier_contact", "success": False, "rows": 2, "x": "[redacted]"}),
    ],
)  # fmt: skip
def test_what_names_the_field_is_withheld_and_nothing_else(given: object, shown: object) -> None:
    """As a word, in words, as a key, and beside its name; of the fleet where the workflow is named too."""
    assert withheld(given, LATE, workflow=INVOICES) == shown


def test_a_field_that_is_called_as_a_word_of_ours_hides_its_values_and_no_words() -> None:
    """In evidence its value is hidden, also where its name is one of ours; a run's own summary, verdict and state are read."""
    late = {INVOICES: frozenset({"summary", "state", "Name"})}
    run = {"workflow": INVOICES, "summary": "40 pulled", "state": "open", "evidence": {"state": "CA", "name": "Ann"}}
    hidden = {"state": "[redacted]", "name": "[redacted]"}
    assert withheld(run, late) == {**run, "evidence": hidden}
    told = {**run, "summary": "its name is Ann"}
    assert withheld(told, late) == {**run, "summary": "[redacted]", "evidence": hidden}


def test_no_page_fails_whatever_the_fields_are_called(audited: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields that are called as every column of ours, and as every part of a message, change no page's shape."""
    names = {column.name for table in tables.metadata.tables.values() for column in table.columns}
    names |= {one.name for kind in (Message, Fact) for one in dataclasses.fields(kind)} | _keys_of_evidence(
        audited.engine
    )
    with audited.engine.connect() as connection:
        slugs = connection.scalars(sa.select(tables.current_declarations.c.workflow)).all()
    monkeypatch.setattr(Declared, "late", lambda _: dict.fromkeys(slugs, frozenset(names)))
    app = mounted(audited.engine, access=Access(who=lambda: Sight("ada", role=Role.AUDITOR)))
    client = TestClient(app, follow_redirects=False)
    files = [f"/{name}.{form}" for name in FILES for form in ("csv", "jsonl")]
    asked = (*audited.every_page, *files)
    theirs = {path: client.get(f"/afterpilot{path}").status_code for path in asked}
    whole = {path: audited.client.get(f"/afterpilot{path}").status_code for path in asked}
    assert theirs == whole


def _keys_of_evidence(engine: sa.Engine) -> set[str]:
    keys = sa.text("SELECT DISTINCT key FROM runs CROSS JOIN LATERAL jsonb_object_keys(evidence) AS key")
    with engine.connect() as connection:
        return set(connection.scalars(keys))


def test_without_such_a_field_nothing_is_looked_through() -> None:
    """The very same object comes back."""
    data = {"workflow": INVOICES, "title": TITLE}
    assert withheld(data, {INVOICES: frozenset()}) is data
