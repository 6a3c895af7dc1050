"""Proven, erased, proven: whoever is erased changes not one byte of what was sealed before, published, or taken away."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from retention_site import Kept

from afterpilot.domain.ledger import Entry, Personal, person
from afterpilot.pipeline.erasing import erase_person
from afterpilot.pipeline.exporting import Asked, Exported, export_bundle
from afterpilot.record.bundle import verifier as bundle_verifier
from afterpilot.record.history.ledger import one_entry
from afterpilot.record.ledger import heads, sealing
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.personal import opened
from afterpilot.record.ledger.signing_keys import make_key
from afterpilot.record.ops import Ops
from afterpilot.web.proof import check_entry

pytestmark = pytest.mark.integration
DANA, SAM, SECRET = "Dana Ruiz", "Sam Whitfield", "call Ann about the invoice"


@pytest.fixture
def kept(ops: sa.Engine) -> Kept:
    """The database, as the application has it."""
    return Kept(ops)


@pytest.fixture
def proven(kept: Kept, tmp_path: Path) -> Callable[[str], Exported]:
    """Seals all there is under one key, and writes the bundle of ``invoices`` with all personal values that can be opened."""
    key = make_key(tmp_path / "ledger.pem")

    def made(name: str) -> Exported:
        assert sealing.seal(kept.engine, key).head is not None
        now = datetime.now(UTC)
        asked = Asked("invoices", now - timedelta(days=1), now + timedelta(days=1), person(SAM), names=True)
        with kept.engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ")
            return export_bundle(connection, asked, tmp_path / name, record=lambda _: None, at=now)

    return made


def _decide(kept: Kept, count: int = 300) -> None:
    """Enough decisions of Dana and Sam that nodes above the leaves are stored."""
    at = datetime.now(UTC)
    entries = [
        Entry(
            "review:decision:made", f"output:{n:032x}", at, "invoices", person(who), {"note": Personal(f"{SECRET} {n}")}
        )
        for n in range(count)
        for who in (DANA, SAM)
    ]
    with kept.engine.begin() as connection:
        Ledger(connection).append_many(entries)


def _files(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_proofs_and_bundles_hold_after_an_erasure_and_what_was_sealed_stays_shut(
    kept: Kept, proven: Callable[[str], Exported], tmp_path: Path
) -> None:
    _decide(kept)
    before = proven("before.zip")
    assert bundle_verifier.verify(str(tmp_path / "before.zip"), head=before.head).outcome == "verified"
    assert SECRET.encode() in _files(tmp_path / "before.zip")["opened.jsonl"]
    first: Any = kept.rows("SELECT id, actor, payload FROM ledger WHERE action = 'review:decision:made' ORDER BY id")[0]
    pseudonym = first.actor
    (key,) = kept.rows(f"SELECT key FROM subjects WHERE id = '{pseudonym[7:]}'")[0]
    box = json.loads(first.payload)["note"]["$sealed"]
    assert opened(box, key) == json.dumps(f"{SECRET} 0").encode()

    with kept.engine.connect() as connection:
        old = heads.last_head(connection)
    assert old is not None
    kept.add("ledger_publications", entries=old.entries, place="file:heads")
    erased = erase_person(Ops(kept.engine), [DANA], by=SAM, reason="ticket 811", at=datetime.now(UTC))
    assert erased.pseudonyms == (pseudonym,)

    with kept.engine.connect() as connection:
        row = one_entry(connection, first.id)
        assert row is not None
        assert check_entry(connection, row).word == "proven", "under the head of before"
    after = proven("after.zip")
    with kept.engine.connect() as connection:
        newest = heads.last_head(connection)
        assert newest is not None
        assert newest.entries > old.entries
        assert heads.consistency(connection, old, newest).good
        assert check_entry(connection, row).word == "proven", "under the new head"
    # Who has the old bundle, or its head's hash alone, verifies both.
    assert bundle_verifier.verify(str(tmp_path / "before.zip"), head=before.head).outcome == "verified"
    assert bundle_verifier.verify(str(tmp_path / "after.zip"), head=after.head).outcome == "verified"
    assert bundle_verifier.verify(str(tmp_path / "after.zip"), head=before.head).outcome == "verified"
    then, now = _files(tmp_path / "before.zip"), _files(tmp_path / "after.zip")
    assert now["entries.jsonl"].startswith(then["entries.jsonl"][:100_000])
    opened_now = [json.loads(line) for line in now["opened.jsonl"].splitlines()]
    assert opened_now, "Sam's can still be opened"
    names = (b"dana ruiz", b"dana.ruiz")  # four letters alone may stand in what is sealed, by chance
    assert not any(name in data.lower() for data in now.values() for name in names), "nobody is named"
    (gone,) = kept.rows(f"SELECT key, name, digest FROM subjects WHERE id = '{pseudonym[7:]}'")
    assert tuple(gone) == (None, None, None)
    for (other,) in kept.rows("SELECT key FROM subjects WHERE key IS NOT NULL"):
        with pytest.raises(ValueError, match="not sealed under this key"):
            opened(box, other)
