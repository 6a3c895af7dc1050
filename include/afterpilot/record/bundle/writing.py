"""Writes evidence bundles: a zip that proves by itself, with a program of the standard library, what a workflow's history is.

The format is described in the bundle's own README (``readme``) and checked by ``verifier``. What it is
made from stands in ``parts``. Memory does not grow with the number of entries.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from afterpilot.domain.errors import ConfigurationError
from afterpilot.record import merkle
from afterpilot.record.bundle import verifier
from afterpilot.record.bundle.parts import BundleSource, Count, Facts, Head, Key
from afterpilot.record.bundle.readme import readme
from afterpilot.record.ledger.canonical import canonical, stamp

Progress = Callable[[int], None]
_MOMENT = (1980, 1, 1, 0, 0, 0)  # of every file: the same content is the same archive
_FILE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle that was written: its entries within and at the boundary, its bytes, and its SHA-256."""

    entries: int
    size: int
    sha256: str


def endorsement_statement(*, ledger: str, key_id: str, public_key: bytes, since: datetime, endorsed_by: str) -> bytes:
    """What the key before signs to endorse a new one: canonical JSON, so that a bundle's reader can rebuild it."""
    named = {
        "endorsed_by": endorsed_by,
        "key_id": key_id,
        "ledger": ledger,
        "public_key": public_key.hex(),
        "since": stamp(since),
    }
    return canonical(named)


def write_bundle(
    source: BundleSource, path: Path, *, published: Sequence[str] = (), progress: Progress | None = None
) -> Written:
    """Write the bundle of ``source`` to ``path``, which it replaces only once it is whole.

    ``published`` tells the reader where heads are told; ``progress`` is called now and then with the number of entries.

    Raises:
        ConfigurationError: no head is signed.
        ValueError: the source gives what is no bundle (see ``BundleSource``).
    """
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=path.parent) as folder:
        scratch = Path(folder)
        facts, heads = source.facts(), source.heads()
        if not heads or not all(head.signature for head in heads):
            raise ConfigurationError("no head of the ledger is signed, so there is nothing to prove a bundle against")
        (scratch / "README.md").write_text(readme(facts, published), encoding="utf-8")
        shutil.copyfile(Path(verifier.__file__), scratch / "verify.py")
        _write_heads(scratch, heads, source)
        _write_keys(scratch, source.keys())
        (scratch / "workflow.json").write_bytes(
            canonical({"entries": source.count().entries, "path": _path(source.count())})
        )
        entries = _write_entries(scratch, source, facts, heads[-1].entries, progress)
        _write_documents(scratch, source)
        whole = scratch / "bundle.zip"
        digest = _pack(scratch, whole, facts)
        size = whole.stat().st_size
        os.replace(whole, path)  # noqa: PTH105 - atomic, and says so
    return Written(entries=entries, size=size, sha256=digest)


def _write_heads(scratch: Path, heads: Sequence[Head], source: BundleSource) -> None:
    last = heads[-1]
    _write_lines(
        scratch / "heads.jsonl",
        (
            {
                "consistency": [
                    one.hex() for one in merkle.consistency_proof(head.entries, last.entries, source.subtree)
                ],
                "key_id": head.key_id,
                "signature": head.signature.hex(),
                "statement": head.statement.decode(),
            }
            for head in heads
        ),
    )


def _write_keys(scratch: Path, keys: Sequence[Key]) -> None:
    """The keys; the first is trusted by its id, whoever endorsed it before, and nobody vouches for since when it holds."""
    own = [
        key if at and key.endorsed_by else key._replace(endorsed_by="", endorsement=b"") for at, key in enumerate(keys)
    ]
    _write_lines(
        scratch / "keys.jsonl",
        (
            {
                "endorsed_by": key.endorsed_by,
                "endorsement": key.endorsement.hex(),
                "key_id": key.key_id,
                "public_key": key.public_key.hex(),
                "since": stamp(key.since) if key.endorsed_by else "",
            }
            for key in own
        ),
    )


def _write_lines(path: Path, values: Iterator[dict[str, Any]]) -> None:
    with path.open("wb") as file:
        file.writelines(canonical(value) + b"\n" for value in values)


def _path(count: Count) -> list[str]:
    """The inclusion proof with the side of each hash, so that it claims no number that it does not prove."""
    place, last = count.index, count.workflows - 1
    sides = []
    while last:
        if place & 1:
            sides.append("left")
        elif place < last:
            sides.append("right")
        place, last = place >> 1, last >> 1
    if len(sides) != len(count.proof):
        raise ValueError(
            f"the workflow {count.index} of {count.workflows} has a proof of {len(sides)} hashes, not {len(count.proof)}"
        )
    return [f"{side}:{hash_.hex()}" for side, hash_ in zip(sides, count.proof, strict=True)]


def _write_entries(scratch: Path, source: BundleSource, facts: Facts, tree_size: int, progress: Progress | None) -> int:
    """Entries, payloads, what lies between them in the tree, and the tables, all in one pass."""
    (scratch / "tables").mkdir()
    since, until = stamp(facts.since), stamp(facts.until)
    with ExitStack() as stack:
        entries, payloads, nodes = (
            stack.enter_context((scratch / f"{name}.jsonl").open("wb")) for name in ("entries", "payloads", "nodes")
        )
        tables = {
            name: verifier.Table(name, stack.enter_context((scratch / "tables" / f"{name}.csv").open("wb")).write)
            for name in verifier.TABLES
        }
        position = lines = 0
        for entry in source.entries():
            leaf = json.loads(entry.leaf)
            if leaf["index"] != entry.leaf_index or not position <= entry.leaf_index < tree_size:
                raise ValueError(f"entry {leaf['number']} is not at its place in the tree")
            _write_nodes(nodes, source, position, entry.leaf_index)
            position = entry.leaf_index + 1
            entries.write(entry.leaf + b"\n")
            payloads.write((b"null" if entry.payload is None else entry.payload) + b"\n")
            if since <= leaf["recorded_at"] < until:
                _add_row(tables, leaf, entry.payload)
            lines += 1
            if progress and not lines & 0x3FFF:
                progress(lines)
        _write_nodes(nodes, source, position, tree_size)
        for table in tables.values():
            table.flush()
    return lines


def _write_nodes(file: IO[bytes], source: BundleSource, begin: int, end: int) -> None:
    for level, index in merkle.cover(begin, end):
        file.write(
            b'{"hash":"%s","index":%d,"level":%d}\n' % (source.subtree(level, index).hex().encode(), index, level)
        )


def _add_row(tables: dict[str, verifier.Table], leaf: dict[str, Any], payload: bytes | None) -> None:
    first = (str(leaf["number"]), *(leaf[name] for name in verifier.FIRST_COLUMNS[1:]))
    table = tables[verifier.table_of(leaf["action"])]
    if payload is None:
        table.row(first, {}, "")
    else:
        table.row(first, json.loads(payload), payload.decode())


def _write_documents(scratch: Path, source: BundleSource) -> None:
    (scratch / "documents").mkdir()
    with (scratch / "absent.jsonl").open("wb") as absent:
        for kind in verifier.KINDS:
            with (scratch / "documents" / f"{kind}.jsonl").open("wb") as file:
                for document in source.documents(kind):
                    if document.text is not None:
                        file.write(document.text + b"\n")
                    elif document.reason:  # else nothing explains it, and the verifier says that it is missing
                        said = {
                            "number": document.number,
                            "reason": document.reason,
                            "sha256": document.sha256.hex(),
                        }
                        absent.write(canonical(said) + b"\n")
    with (scratch / "opened.jsonl").open("wb") as file:
        for commitment, key, value in source.opened():
            file.write(
                b'{"commitment":"%s","key":"%s","value":%s}\n' % (commitment.hex().encode(), key.hex().encode(), value)
            )


def _pack(scratch: Path, whole: Path, facts: Facts) -> str:
    """Put the files into one archive, the manifest at the end. Returns the SHA-256 of the archive."""
    files: dict[str, str] = {}
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in verifier.NAMES:
            if name != verifier.MANIFEST:
                with (scratch / name).open("rb") as file:
                    files[name] = _add(archive, name, file)
        manifest = {
            "files": files,
            "format": verifier.FORMAT,
            "from": stamp(facts.since),
            "ledger": facts.ledger,
            "made_at": stamp(facts.made_at),
            "to": stamp(facts.until),
            "workflow": facts.workflow,
        }
        archive.writestr(_info(verifier.MANIFEST), canonical(manifest))
    with whole.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(archive: zipfile.ZipFile, name: str, file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with archive.open(_info(name), "w", force_zip64=True) as packed:
        while piece := file.read(1 << 20):
            digest.update(piece)
            packed.write(piece)
    return digest.hexdigest()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_MOMENT)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # the same on every system
    info.external_attr = _FILE
    return info
