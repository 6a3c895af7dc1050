"""Ways to tamper with an evidence bundle, as somebody does who can write any file of it and recompute all that needs no key."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.tampering.ledger import MemoryLedger, MemorySource, Written, changed, make, private, source

from afterpilot.record import merkle
from afterpilot.record.bundle.verifier import MANIFEST, NAMES, Table, table_of
from afterpilot.record.bundle.writing import write_bundle
from afterpilot.record.ledger.canonical import canonical

Files = dict[str, bytes]
OUTSIDE = ("README.md", "verify.py")  # the explanation and the program: neither is evidence, and neither proves itself
_LINED = tuple(name for name in NAMES if name.endswith(".jsonl"))


@dataclass(frozen=True)
class Original:
    """A bundle that is right, and the ledger that it is from."""

    ledger: MemoryLedger
    source: MemorySource
    files: Files
    head: str  # published


def original(entries: int = 900, *, seed: int = 7) -> Original:
    """A bundle of one workflow in a ledger of so many entries of four workflows."""
    ledger = make(entries, seed=seed)
    own = source(ledger)
    return Original(ledger, own, bundle(own), hashlib.sha256(ledger.heads()[-1].statement).hexdigest())


def bundle(own: MemorySource) -> Files:
    """The files of the bundle that Afterpilot writes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        write_bundle(own, path)
        return unpacked(path.read_bytes())


def unpacked(data: bytes) -> Files:
    """The files of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """An archive of them."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return whole.getvalue()


def lines(files: Files, name: str) -> list[bytes]:
    """The lines of a file."""
    return files[name].split(b"\n")[:-1]


def put(files: Files, name: str, found: list[bytes]) -> None:
    """Write lines."""
    files[name] = b"".join(line + b"\n" for line in found)


def with_manifest(files: Files, **what: str) -> Files:
    """Recompute the manifest's hashes, and change what it says."""
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != MANIFEST}
    files[MANIFEST] = canonical(manifest | what)
    return files


def with_tables(files: Files) -> Files:
    """Recompute the tables from entries and payloads, and the manifest."""
    manifest = json.loads(files[MANIFEST])
    parts: dict[str, list[bytes]] = {
        name: [] for name in ("runs", "decisions", "approvals", "incidents", "messages", "events")
    }
    tables = {name: Table(name, part.append) for name, part in parts.items()}
    for line, payload in zip(lines(files, "entries.jsonl"), lines(files, "payloads.jsonl"), strict=False):
        one = json.loads(line)
        if manifest["from"] <= one["recorded_at"] < manifest["to"]:
            first = (str(one["number"]), one["recorded_at"], one["at"], one["actor"], one["action"], one["subject"])
            gone = payload == b"null"
            tables[table_of(one["action"])].row(
                first, {} if gone else json.loads(payload), "" if gone else payload.decode()
            )
    for name, table in tables.items():
        table.flush()
        files[f"tables/{name}.csv"] = b"".join(parts[name])
    return with_manifest(files)


def with_nodes(files: Files, ledger: MemoryLedger) -> Files:
    """The hashes between the entries that are there, as the ledger itself would give them; then tables and manifest."""
    indexes = sorted({json.loads(line)["index"] for line in lines(files, "entries.jsonl")})
    size = json.loads(json.loads(lines(files, "heads.jsonl")[-1])["statement"])["entries"]
    nodes = merkle.missing_nodes([at for at in indexes if at < size], size)
    put(
        files,
        "nodes.jsonl",
        [canonical({"hash": ledger.subtree(*node).hex(), "index": node.at, "level": node.level}) for node in nodes],
    )
    return with_tables(files)


def edited(line: bytes, **what: Any) -> bytes:  # noqa: ANN401
    """A line with other values."""
    return canonical(json.loads(line) | what)


class Tamperer:
    """Makes tamperings of one bundle; each method is one way and returns an archive, or None where nothing came of it."""

    def __init__(self, right: Original, random: Random) -> None:
        self.right, self.random = right, random

    def ways(self) -> dict[str, Callable[[], bytes | None]]:
        """All of them by name."""
        return {
            name: getattr(self, name) for name in sorted(vars(type(self))) if name.startswith(("a_", "an_", "the_"))
        }

    def _files(self) -> Files:
        return dict(self.right.files)

    def _inner(self, count: int) -> int:
        """A line that is not at the boundary."""
        return self.random.randrange(1, count - 1)

    def _some(self, text: str) -> str:
        """Another text of the same length."""
        at = self.random.randrange(len(text))
        other = self.random.choice([sign for sign in "0123456789abcdef" if sign != text[at]])
        return text[:at] + other + text[at + 1 :]

    # bytes

    def a_byte(self) -> bytes | None:
        """Change a byte of a file, and leave the manifest as it is."""
        files = self._files()
        self._flip(files, [name for name in files if name != MANIFEST])
        return packed(files)

    def a_byte_with_its_hash(self) -> bytes | None:
        """Change a byte of a file, and its hash in the manifest."""
        files = self._files()
        self._flip(files, [name for name in files if name not in (*OUTSIDE, MANIFEST)])
        return packed(with_manifest(files))

    def _flip(self, files: Files, names: list[str]) -> None:
        name = self.random.choice([one for one in names if files[one]])
        data = bytearray(files[name])
        data[self.random.randrange(len(data))] ^= self.random.randrange(1, 256)
        files[name] = bytes(data)

    def a_byte_of_the_manifest(self) -> bytes | None:
        """Change a byte of the manifest, other than in its times (see ``the_period``)."""
        files = self._files()
        data = bytearray(files[MANIFEST])
        data[self.random.randrange(len(data))] ^= self.random.randrange(1, 256)
        files[MANIFEST] = bytes(data)
        return None if self._same_but_times(files[MANIFEST]) else packed(files)

    def _same_but_times(self, data: bytes) -> bool:
        times = {"from": "", "to": "", "made_at": ""}
        try:
            return bool(json.loads(data) | times == json.loads(self.right.files[MANIFEST]) | times) and len(
                data
            ) == len(self.right.files[MANIFEST])
        except (ValueError, TypeError):
            return False

    def a_byte_of_the_archive(self) -> bytes | None:
        """Change a byte of the zip itself; what changes no content is no tampering."""
        data = bytearray(packed(self.right.files))
        data[self.random.randrange(len(data))] ^= self.random.randrange(1, 256)
        try:
            if unpacked(bytes(data)) == self.right.files:
                return None
        except Exception:  # noqa: BLE001 - it cannot be unpacked any more
            return bytes(data)
        return bytes(data)

    def the_end_of_the_archive(self) -> bytes | None:
        """Cut the zip off anywhere."""
        data = packed(self.right.files)
        return data[: self.random.randrange(len(data))]

    def a_line(self) -> bytes | None:
        """Remove, double, swap or cut a line of any file, with its hash."""
        files = self._files()
        name = self.random.choice(
            [one for one in _LINED if len(lines(files, one)) > 1 and one not in {"heads.jsonl", "opened.jsonl"}]
        )
        found = lines(files, name)
        at = self.random.randrange(len(found))
        kind = self.random.randrange(4)
        if kind == 0:
            del found[at]
        elif kind == 1:
            found.insert(self.random.randrange(len(found)), found[at])
        elif kind == 2:  # noqa: PLR2004
            other = self.random.randrange(len(found))
            found[at], found[other] = found[other], found[at]
        else:
            found[at] = found[at][: self.random.randrange(len(found[at]))]
        put(files, name, found)
        return None if files[name] == self.right.files[name] else packed(with_manifest(files))

    def a_file(self) -> bytes | None:
        """Remove, empty, swap or add a file."""
        files = self._files()
        name = self.random.choice([one for one in files if one not in OUTSIDE])
        kind = self.random.randrange(4)
        if kind == 0:
            del files[name]
        elif kind == 1 and files[name] and name not in {MANIFEST, "opened.jsonl"}:
            files[name] = b""
        elif kind == 2:  # noqa: PLR2004
            other = self.random.choice([one for one in files if one != name and files[one] != files[name]])
            files[name], files[other] = files[other], files[name]
        else:
            files[f"documents/{self.random.randrange(1000)}.jsonl"] = files[name]
        return (
            packed(files if MANIFEST not in files else with_manifest(files)) if self._readable(files) else packed(files)
        )

    @staticmethod
    def _readable(files: Files) -> bool:
        try:
            return isinstance(json.loads(files[MANIFEST]), dict)
        except (KeyError, ValueError):
            return False

    # entries, with all recomputed that needs no key

    def a_payload(self) -> bytes | None:
        """Change what an entry says, and all hashes that follow from it but for the tree's."""
        files = self._files()
        entries, payloads = lines(files, "entries.jsonl"), lines(files, "payloads.jsonl")
        at = self._inner(len(entries))
        payloads[at] = edited(payloads[at], verdict="PASS", note=f"changed {self.random.random()}")
        if self.random.random() < 0.8:  # noqa: PLR2004
            entries[at] = edited(entries[at], payload=hashlib.sha256(payloads[at]).hexdigest())
        put(files, "entries.jsonl", entries)
        put(files, "payloads.jsonl", payloads)
        return packed(with_tables(files))

    def a_field(self) -> bytes | None:
        """Change who, what or when in an entry."""
        files = self._files()
        entries = lines(files, "entries.jsonl")
        at = self.random.randrange(len(entries))
        one = json.loads(entries[at])
        name = self.random.choice(
            ["action", "actor", "at", "id", "index", "number", "recorded_at", "subject", "workflow"]
        )
        if isinstance(one[name], int):
            value: Any = one[name] + self.random.choice([-1, 1, 1000])
        elif name in {"at", "recorded_at"}:
            value = one[name][:20] + f"{self.random.randrange(10**6):06d}Z"
        else:
            value = {"action": "check:run:recorded", "workflow": "claims"}.get(name, one[name] + "0")
        entries[at] = edited(entries[at], **{name: value})
        put(files, "entries.jsonl", entries)
        return None if entries[at] == lines(self.right.files, "entries.jsonl")[at] else packed(with_tables(files))

    def an_entry_removed(self) -> bytes | None:
        """Take an entry out, give its hash instead, and number the others anew or not."""
        return self._without(self._inner(len(lines(self.right.files, "entries.jsonl"))), 1)

    def a_part_removed(self) -> bytes | None:
        """Take several entries out of the middle."""
        count = len(lines(self.right.files, "entries.jsonl"))
        at = self._inner(count - 4)
        return self._without(at, self.random.randrange(2, count - at))

    def the_beginning(self) -> bytes | None:
        """Take the first entries, and give the hashes that lie between; keep the boundary or not."""
        return self._without(self.random.randrange(2), self.random.randrange(1, 40))

    def the_tail(self) -> bytes | None:
        """Take the last entries, with all recomputed; keep the boundary or not."""
        count, cut = len(lines(self.right.files, "entries.jsonl")), self.random.randrange(1, 40)
        return self._without(count - cut - self.random.randrange(2), cut)

    def _without(self, at: int, count: int) -> bytes | None:
        files = self._files()
        entries, payloads = lines(files, "entries.jsonl"), lines(files, "payloads.jsonl")
        if not entries[at : at + count]:
            return None
        del entries[at : at + count], payloads[at : at + count]
        if self.random.random() < 0.3:  # noqa: PLR2004 - number them anew
            entries = [*entries[:at], *(edited(one, number=json.loads(one)["number"] - count) for one in entries[at:])]
        put(files, "entries.jsonl", entries)
        put(files, "payloads.jsonl", payloads)
        self._take_documents(files, payloads)
        return packed(with_nodes(files, self.right.ledger))

    @staticmethod
    def _take_documents(files: Files, kept: list[bytes]) -> None:
        """Take the documents, and what was opened, of payloads that are gone."""
        text = b"".join(kept)
        for name in (one for one in files if one.startswith("documents/")):
            digests = {line: hashlib.sha256(line).hexdigest().encode() for line in lines(files, name)}
            put(files, name, [line for line, digest in digests.items() if digest in text])
        put(
            files,
            "opened.jsonl",
            [line for line in lines(files, "opened.jsonl") if json.loads(line)["commitment"].encode() in text],
        )

    def an_entry_inserted(self) -> bytes | None:
        """Put an entry between others: with a place of another workflow's entry, or a place that is taken."""
        files = self._files()
        entries, payloads = lines(files, "entries.jsonl"), lines(files, "payloads.jsonl")
        at = self._inner(len(entries))
        one = json.loads(entries[at])
        payloads.insert(at, edited(payloads[self._inner(len(payloads))], note="inserted"))
        made = edited(
            entries[at], index=one["index"] - self.random.randrange(2), payload=hashlib.sha256(payloads[at]).hexdigest()
        )
        entries = [*entries[:at], made, *(edited(line, number=json.loads(line)["number"] + 1) for line in entries[at:])]
        put(files, "entries.jsonl", entries)
        put(files, "payloads.jsonl", payloads)
        return packed(with_nodes(files, self.right.ledger))

    def an_order(self) -> bytes | None:
        """Swap two entries, with or without their numbers and places."""
        files = self._files()
        entries, payloads = lines(files, "entries.jsonl"), lines(files, "payloads.jsonl")
        one, other = self.random.sample(range(1, len(entries) - 1), 2)
        first, second = json.loads(entries[one]), json.loads(entries[other])
        entries[one], entries[other] = entries[other], entries[one]
        payloads[one], payloads[other] = payloads[other], payloads[one]
        if self.random.random() < 0.5:  # noqa: PLR2004
            kept = ("number", "index", "recorded_at")
            entries[one] = edited(entries[one], **{name: first[name] for name in kept})
            entries[other] = edited(entries[other], **{name: second[name] for name in kept})
        put(files, "entries.jsonl", entries)
        put(files, "payloads.jsonl", payloads)
        return packed(with_tables(files))

    def the_numbers(self) -> bytes | None:
        """Number all entries from another beginning, or say that the workflow has fewer."""
        files = self._files()
        by = self.random.choice([-3, -1, 1, 2])
        if self.random.random() < 0.5:  # noqa: PLR2004
            put(
                files,
                "entries.jsonl",
                [edited(one, number=json.loads(one)["number"] + by) for one in lines(files, "entries.jsonl")],
            )
            return packed(with_tables(files))
        found = json.loads(files["workflow.json"])
        files["workflow.json"] = canonical(found | {"entries": found["entries"] + by})
        return packed(with_manifest(files))

    def the_period(self) -> bytes | None:
        """Claim another period than the entries are of, beyond an entry at one of its ends."""
        files = self._files()
        entries = [json.loads(one)["recorded_at"] for one in lines(files, "entries.jsonl")]
        what = self.random.choice(
            [
                {"from": entries[0]},
                {"from": entries[self._inner(len(entries)) + 1]},
                {"to": entries[-1][:-2] + "9Z"},
                {"to": entries[-2]},
            ]
        )
        if "to" in what and what["to"] == entries[-1]:
            return None
        return packed(with_tables(with_manifest(files, **what)))

    def the_claims(self) -> bytes | None:
        """Claim another workflow, ledger or format."""
        name = self.random.choice(["workflow", "ledger", "format"])
        return packed(with_manifest(self._files(), **{name: self._some(json.loads(self.right.files[MANIFEST])[name])}))

    # heads and keys

    def a_head(self) -> bytes | None:
        """Change, swap, drop or double heads."""
        files = self._files()
        found = [json.loads(one) for one in lines(files, "heads.jsonl")]
        at, kind = self.random.randrange(len(found)), self.random.randrange(7)
        if kind == 0:
            found[at]["signature"] = self._some(found[at]["signature"])
        elif kind == 1:
            found[at]["statement"] = canonical(
                json.loads(found[at]["statement"]) | {"root": self._some("0" * 64)}
            ).decode()
        elif kind == 2:  # noqa: PLR2004
            one, other = self.random.sample(range(len(found)), 2)
            name = self.random.choice(["signature", "statement", "key_id", "consistency"])
            found[one][name], found[other][name] = found[other][name], found[one][name]
        elif kind == 3:  # noqa: PLR2004
            found.pop()
        elif kind == 4:  # noqa: PLR2004
            found.insert(self.random.randrange(len(found)), found[at])
        elif kind == 5:  # noqa: PLR2004
            self.random.shuffle(found)
        else:
            name = self.random.choice(["signature", "key_id"])
            found[at][name] = ""
        put(files, "heads.jsonl", [canonical(one) for one in found])
        return None if files["heads.jsonl"] == self.right.files["heads.jsonl"] else packed(with_manifest(files))

    def a_key(self) -> bytes | None:
        """Change, drop or add keys, or take the endorsement away."""
        files = self._files()
        found = [json.loads(one) for one in lines(files, "keys.jsonl")]
        at, kind = self.random.randrange(len(found)), self.random.randrange(4)
        if kind == 0:
            name = self.random.choice(["key_id", "public_key", "endorsement", "since", "endorsed_by"])
            found[at][name] = self._some(found[at][name] or "0" * 16)
        elif kind == 1:
            del found[at]
        elif kind == 2:  # noqa: PLR2004
            found[-1] |= {"endorsed_by": "", "endorsement": "", "since": ""}
        else:
            forged = MemoryLedger(self.right.ledger.written[:3], [3], [private(f"forged {self.random.random()}")])
            one = forged.keys()[0]
            key = {
                "endorsed_by": "",
                "endorsement": "",
                "key_id": one.key_id,
                "public_key": one.public_key.hex(),
                "since": "",
            }
            found.insert(self.random.randrange(len(found) + 1), key)
        put(files, "keys.jsonl", [canonical(one) for one in found])
        return packed(with_manifest(files))

    def a_forged_ledger(self) -> bytes | None:
        """Change the ledger, compute all anew and sign it: with other keys, or with the ledger's own."""
        ledger = self.right.ledger
        written = list(ledger.written)
        at = self.random.randrange(len(written))
        kind = self.random.randrange(4)
        if kind == 0:
            written[at] = changed(written[at], payload=written[at].payload | {"note": f"forged {self.random.random()}"})
        elif kind == 1:
            del written[at]
        elif kind == 2:  # noqa: PLR2004
            written.insert(at, changed(written[at], actor="person:0000"))
        own = kind != 3 and self.random.random() < 0.5  # noqa: PLR2004 - with nothing changed it is the keys that are forged
        keys = ledger.keys_ if own else [private(f"forged {self.random.random()}")]
        return packed(bundle(replace(self.right.source, ledger=self._signed(written, keys))))

    def _signed(self, written: list[Written], keys: Any) -> MemoryLedger:  # noqa: ANN401
        cuts = [min(cut, len(written)) for cut in self.right.ledger.cuts]
        return MemoryLedger(written, [*cuts[:-1], len(written)], keys)

    def a_rewritten_history(self) -> bytes | None:
        """Whoever holds the key changes the past, and keeps the published head beside a new one."""
        ledger = self.right.ledger
        written = [*ledger.written, *(changed(one, actor="person:0000") for one in ledger.written[-5:])]
        at = self.random.randrange(ledger.cuts[-1])
        written[at] = changed(written[at], payload=written[at].payload | {"note": f"rewritten {self.random.random()}"})
        forged = MemoryLedger(written, [len(written)], [ledger.keys_[-1]])
        files = bundle(replace(self.right.source, ledger=forged))
        kept = [json.loads(one) for one in lines(self.right.files, "heads.jsonl")][-1]
        kept["consistency"] = [
            one.hex() for one in merkle.consistency_proof(ledger.cuts[-1], len(written), forged.subtree)
        ]
        put(files, "heads.jsonl", [canonical(kept), *lines(files, "heads.jsonl")])
        return packed(with_manifest(files))

    def an_older_bundle(self) -> bytes | None:
        """Give a true bundle of the ledger as it was before, to hide what came since."""
        ledger = self.right.ledger
        cut = self.random.randrange(ledger.cuts[0], ledger.cuts[-1])
        before = MemoryLedger(ledger.written, [ledger.cuts[0] - 1, cut], ledger.keys_)
        return packed(bundle(replace(self.right.source, ledger=before)))

    # tables, documents, opened values, nodes

    def a_table(self) -> bytes | None:
        """Change a table alone."""
        files = self._files()
        name = self.random.choice([one for one in files if one.startswith("tables/") and files[one].count(b"\r\n") > 2])  # noqa: PLR2004
        rows = files[name].split(b"\r\n")
        at, kind = self.random.randrange(1, len(rows) - 1), self.random.randrange(3)
        if kind == 0:
            rows[at] = rows[at].replace(b"PASS", b"FAIL") if b"PASS" in rows[at] else rows[at] + b"0"
        elif kind == 1:
            del rows[at]
        else:
            rows.insert(at, rows[self.random.randrange(1, len(rows) - 1)])
        files[name] = b"\r\n".join(rows)
        return None if files[name] == self.right.files[name] else packed(with_manifest(files))

    def a_document(self) -> bytes | None:
        """Replace, drop, add or move a document, or say why it is not there."""
        files = self._files()
        name = self.random.choice([one for one in files if one.startswith("documents/") and files[one]])
        found = lines(files, name)
        at, kind = self.random.randrange(len(found)), self.random.randrange(5)
        if kind == 0:
            found[at] = edited(found[at], evidence=[self.random.random()])
        elif kind == 1:
            found.pop(at)
        elif kind == 2:  # noqa: PLR2004
            found.insert(at, canonical({"evidence": [self.random.random()], "kind": "run"}))
        elif kind == 3:  # noqa: PLR2004
            other = self.random.choice([one for one in files if one.startswith("documents/") and one != name])
            put(files, other, [*lines(files, other), found.pop(at)])
        else:
            self._claim_absent(files, found.pop(at))
        put(files, name, found)
        return packed(with_manifest(files))

    def _claim_absent(self, files: Files, document: bytes) -> None:
        digest = hashlib.sha256(document).hexdigest()
        number = next(
            json.loads(entry)["number"]
            for entry, payload in zip(lines(files, "entries.jsonl"), lines(files, "payloads.jsonl"), strict=True)
            if digest.encode() in payload
        )
        # That a message was erased later is not proven by a bundle of before: it is told as such.
        reasons = ["retention", "withheld"] if b'"kind":"message"' in document else ["retention", "withheld", "erased"]
        put(
            files,
            "absent.jsonl",
            [canonical({"number": number, "reason": self.random.choice(reasons), "sha256": digest})],
        )

    def a_document_with_its_payload(self) -> bytes | None:
        """Replace a document, its hash in the payload, and the payload's hash in the entry."""
        files = self._files()
        entries, payloads = lines(files, "entries.jsonl"), lines(files, "payloads.jsonl")
        at = self.random.choice([at for at, one in enumerate(payloads) if b'"document"' in one])
        old = json.loads(payloads[at])["document"]
        name = next(
            one
            for one in files
            if one.startswith("documents/") and any(hashlib.sha256(x).hexdigest() == old for x in lines(files, one))
        )
        found = lines(files, name)
        place = next(i for i, line in enumerate(found) if hashlib.sha256(line).hexdigest() == old)
        found[place] = edited(found[place], evidence=[self.random.random()])
        put(files, name, found)
        payloads[at] = edited(payloads[at], document=hashlib.sha256(found[place]).hexdigest())
        entries[at] = edited(entries[at], payload=hashlib.sha256(payloads[at]).hexdigest())
        put(files, "entries.jsonl", entries)
        put(files, "payloads.jsonl", payloads)
        return packed(with_tables(files))

    def a_payload_hidden(self) -> bytes | None:
        """Take a payload away, and say that retention did."""
        files = self._files()
        payloads = lines(files, "payloads.jsonl")
        at = self._inner(len(payloads))
        one = json.loads(lines(files, "entries.jsonl")[at])
        payloads[at] = b"null"
        put(files, "payloads.jsonl", payloads)
        if self.random.random() < 0.8:  # noqa: PLR2004
            put(
                files,
                "absent.jsonl",
                [canonical({"number": one["number"], "reason": "retention", "sha256": one["payload"]})],
            )
        self._take_documents(files, payloads)
        return packed(with_tables(files))

    def an_opened_value(self) -> bytes | None:
        """Show another value, key or commitment, or one that nothing names."""
        files = self._files()
        found = [json.loads(one) for one in lines(files, "opened.jsonl")]
        at, kind = self.random.randrange(len(found)), self.random.randrange(4)
        if kind == 0:
            found[at]["value"] = f"Approved {self.random.random()}"
        elif kind == 1:
            name = self.random.choice(["key", "commitment"])
            found[at][name] = self._some(found[at][name])
        elif kind == 2:  # noqa: PLR2004
            other = self.random.choice([one for one in range(len(found)) if one != at])
            found[at], found[other] = found[other], found[at]
        else:
            found.insert(at, found[at])
        put(files, "opened.jsonl", [canonical(one) for one in found])
        return packed(with_manifest(files))

    def a_node(self) -> bytes | None:
        """Change, add or drop a hash between the entries, or split one into its two halves."""
        files = self._files()
        found = [json.loads(one) for one in lines(files, "nodes.jsonl")]
        at, kind = self.random.randrange(len(found)), self.random.randrange(4)
        one = found[at]
        if kind == 0:
            found[at] = one | {"hash": self._some(one["hash"])}
        elif kind == 1:
            found[at] = one | {"level": one["level"] + 1}
        elif kind == 2:  # noqa: PLR2004
            found.insert(self.random.randrange(len(found) + 1), one)
        elif one["level"]:
            halves = [(one["level"] - 1, 2 * one["index"]), (one["level"] - 1, 2 * one["index"] + 1)]
            found[at : at + 1] = [
                {"hash": self.right.ledger.subtree(*half).hex(), "index": half[1], "level": half[0]} for half in halves
            ]
        else:
            del found[at]
        put(files, "nodes.jsonl", [canonical(node) for node in found])
        return packed(with_manifest(files))

    def the_workflow(self) -> bytes | None:
        """Change the proof of how many entries the workflow has."""
        files = self._files()
        found = json.loads(files["workflow.json"])
        at, kind = self.random.randrange(len(found["path"])), self.random.randrange(4)
        side, hash_ = found["path"][at].split(":")
        if kind == 0:
            found["path"][at] = f"{side}:{self._some(hash_)}"
        elif kind == 1:
            found["path"][at] = f"{'left' if side == 'right' else 'right'}:{hash_}"
        elif kind == 2:  # noqa: PLR2004
            found["path"].append(found["path"][at])
        else:
            found["entries"] += self.random.choice([-1, 1])
        files["workflow.json"] = canonical(found)
        return packed(with_manifest(files))
