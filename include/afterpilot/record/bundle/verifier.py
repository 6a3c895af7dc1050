"""Checks an evidence bundle of Afterpilot with nothing but the standard library of Python 3.9 or newer.

    python verify.py bundle.zip --head HASH [--key KEYID]

It needs no server, no account and nothing installed. HASH is a published head of the ledger (64 hexadecimal digits), which you
have from somewhere else than from the bundle: a weekly message, a file that you were given earlier. KEYID names a signing key.

Exit status: 0 all that the bundle says is proven, 1 something is wrong, 2 it could not be checked. Without --head, 0 only says
that the bundle agrees with itself; the output says what that leaves open.

This one file is both part of Afterpilot and copied into every bundle as verify.py, so it imports nothing of Afterpilot and is
longer than other modules.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

FORMAT = "afterpilot-bundle/1"
KINDS = ("runs", "messages", "declarations", "others")  # of documents
TABLES = ("runs", "decisions", "approvals", "incidents", "messages", "events")
LINE_FILES = (
    "entries",
    "payloads",
    "nodes",
    "heads",
    "keys",
    "absent",
    "opened",
    *(f"documents/{kind}" for kind in KINDS),
)
MANIFEST = "manifest.json"
NAMES = (
    MANIFEST,
    "README.md",
    "verify.py",
    "workflow.json",
    *(f"{name}.jsonl" for name in LINE_FILES),
    *(f"tables/{table}.csv" for table in TABLES),
)
LEGAL_MINIMUM = timedelta(days=183)  # six months; nothing younger is removed by retention
ERASED = "retention:message:erased"  # the action of an entry
REASONS = {  # for which a document may not be there; payloads always are
    "runs": {"retention": "removed by retention"},
    "messages": {"retention": "removed by retention", "erased": "a person's data were erased from it"},
}

SMALL = 16 << 20  # bytes: below it a file may be packed as tightly as it can be
MOST_PACKED = 250  # times; a larger file that is packed more tightly is taken for a zip bomb
MOST_BYTES = 64 << 30  # unpacked, all files together
LONGEST_LINE = 64 << 20  # bytes
MOST_LINES_OF_HEADS = 100_000
TOLD = 50  # problems that are told one by one

Progress = Callable[[int], None]


# ── What comes out ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Result:
    """What a check found. ``outcome`` is ``verified``, ``wrong`` or ``unchecked``; every text is a plain sentence."""

    problems: list[str] = field(default_factory=list)
    more_problems: int = 0  # beyond those that are told
    unproven: list[str] = field(default_factory=list)  # what could not be proven, and why
    absent: list[str] = field(default_factory=list)  # what the ledger names and this bundle does not hold
    checked: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)  # ledger, workflow, from, to, head, head_at, key
    readable: bool = False  # it is a bundle of this format

    @property
    def outcome(self) -> str:
        """``unchecked`` where it is no readable bundle, ``wrong`` where there is a problem, else ``verified``."""
        if not self.readable:
            return "unchecked"
        return "wrong" if self.problems else "verified"

    @property
    def exit_code(self) -> int:
        """0 verified, 1 wrong, 2 unchecked."""
        return {"verified": 0, "wrong": 1, "unchecked": 2}[self.outcome]

    def problem(self, text: str) -> None:
        """Tell a problem; beyond ``TOLD`` they are counted only."""
        if len(self.problems) < TOLD:
            self.problems.append(text)
        else:
            self.more_problems += 1

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "outcome": self.outcome,
            "problems": self.problems,
            "more_problems": self.more_problems,
            "unproven": self.unproven,
            "absent": self.absent,
            "checked": self.checked,
            "counts": self.counts,
            "facts": self.facts,
        }


class Refused(Exception):
    """A part cannot be checked any further; the text is a problem in a plain sentence."""


# ── Merkle trees (RFC 9162, section 2.1) ──────────────────────────────────────────────────────────────────────────────────────


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def cover(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The fewest perfect subtrees (level, index) that cover the leaves from ``begin`` up to ``end``, from the left."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def consistent(first_size: int, second_size: int, first_root: bytes, second_root: bytes, proof: list[bytes]) -> bool:
    """Whether the proof shows the first tree to be the beginning of the second (RFC 9162, section 2.1.4.2)."""
    if first_size == second_size:
        return not proof and first_root == second_root
    if not 0 < first_size < second_size or not proof:
        return False
    if first_size & (first_size - 1) == 0:
        proof = [first_root, *proof]
    place, last = first_size - 1, second_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == first_root and second == second_root


class Tree:
    """Computes a root from the left to the right, from leaves and from the hashes of the subtrees between them."""

    def __init__(self) -> None:
        self.size = 0
        self._hashes: list[bytes] = []

    def add(self, level: int, hash_: bytes) -> None:
        """Append a perfect subtree; ``size`` is a multiple of its number of leaves."""
        rest, hashes = self.size >> level, self._hashes
        while rest & 1:
            hash_ = hashlib.sha256(b"\x01" + hashes.pop() + hash_).digest()
            rest >>= 1
        hashes.append(hash_)
        self.size += 1 << level

    def root(self) -> bytes:
        """The root of what was appended."""
        if not self._hashes:
            return hashlib.sha256().digest()
        *left, seen = self._hashes
        for hash_ in reversed(left):
            seen = node_hash(hash_, seen)
        return seen


# ── Ed25519 (RFC 8032, section 5.1.7) ─────────────────────────────────────────────────────────────────────────────────────────

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)  # of -1
Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, x·y = T/Z
_ZERO: Point = (0, 1, 1, 0)


def _plus(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _x_of(y: int, sign: int) -> int | None:
    """The x coordinate of that sign, or None where there is no such point or it is not in its canonical form."""
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if square == 0:
        return None if sign else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P:
        return None
    return _P - x if x & 1 != sign else x


def _point(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    x = _x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _same(one: Point, other: Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 and (one[1] * other[2] - other[1] * one[2]) % _P == 0


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _x_of(_BASE_Y, 0) or 0
_BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the Ed25519 signature is the key's. False for points and scalars that are not canonical, and for weak keys."""
    if len(public_key) != 32 or len(signature) != 64:  # noqa: PLR2004 - bytes, RFC 8032
        return False
    key, commitment = _point(public_key), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= _L:
        return False
    eightfold = key
    for _ in range(3):
        eightfold = _plus(eightfold, eightfold)
    if _same(eightfold, _ZERO):  # of small order: it would sign anything
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % _L
    minus_key: Point = (-key[0] % _P, key[1], 1, -key[3] % _P)
    both = _plus(_BASE, minus_key)
    found = _ZERO
    for bit in range(
        max(scalar.bit_length(), challenge.bit_length()) - 1, -1, -1
    ):  # scalar·B - challenge·A, in one pass
        found = _plus(found, found)
        chosen = (scalar >> bit & 1) + 2 * (challenge >> bit & 1)
        if chosen:
            found = _plus(found, (_BASE, minus_key, both)[chosen - 1])
    return _same(found, commitment)


# ── The tables: what the entries say, as a spreadsheet can show it ────────────────────────────────────────────────────────────

FIRST_COLUMNS = ("number", "recorded_at", "at", "actor", "action", "subject")
COLUMNS: dict[str, tuple[str, ...]] = {  # values of the payload that have a column of their own
    "runs": ("stage", "verdict", "window", "corrects"),
    "decisions": ("decision", "decided", "minutes", "seconds"),
    "approvals": ("cap", "limit", "currency", "period", "runs"),
    "incidents": ("kind", "severity", "state", "title", "run"),
    "messages": ("kind", "target", "channel", "incident"),
    "events": (),
}
LAST_COLUMNS = ("document", "payload")
_APPROVALS = frozenset({"approved", "refused", "rejected", "declined", "requested", "withdrawn"})
_QUOTED = re.compile('[",\r\n]').search
_TOGETHER = 1000  # lines of a table that are given on at once
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - as spreadsheets read them, too


def table_of(action: str) -> str:
    """The table in which an entry of that action stands; each stands in exactly one."""
    source, subject, done = action.split(":")
    if subject in {"run", "incident", "message"}:
        return subject + "s"
    if done in _APPROVALS or subject in {"approval", "raise"}:
        return "approvals"
    return "decisions" if subject == "decision" or source == "review" else "events"


def cell(value: object) -> str:
    """A value as a cell. Text that a spreadsheet would take for a formula has an apostrophe before it."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return "'" + value if value[:1] in _FORMULA else value


def line_of(cells: list[str]) -> str:
    """A line of CSV: what holds a comma, a quotation mark or an end of line stands in quotation marks, those in it doubled."""
    quoted = ['"' + one.replace('"', '""') + '"' if _QUOTED(one) else one for one in cells]
    return ",".join(quoted) + "\r\n"


class Table:
    """One table as CSV (RFC 4180, UTF-8 with a byte order mark for spreadsheets); ``write`` takes its bytes as they come."""

    def __init__(self, name: str, write: Callable[[bytes], object]) -> None:
        self._columns = COLUMNS[name]
        self._write = write
        self._lines = ["\ufeff" + line_of([*FIRST_COLUMNS, *self._columns, *LAST_COLUMNS])]

    def row(self, first: tuple[str, ...], payload: dict[str, Any], text: str) -> None:
        """Add an entry: the values of ``FIRST_COLUMNS``, and its payload as an object and as text, both empty if it is gone."""
        row = ["'" + value if value[:1] in _FORMULA else value for value in first]
        get = payload.get
        row += [cell(get(name)) for name in self._columns]
        row += cell(get("document")), text  # the text is an object, or empty: no formula
        self._lines.append(line_of(row))
        if len(self._lines) > _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Give on what was not given on yet."""
        self._write("".join(self._lines).encode("utf-8", "surrogatepass"))
        self._lines.clear()


# ── Strict JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
_TEXT = r'"([^"\\\x00-\x1f]*(?:\\(?:["\\bfnrt]|u00[01][0-9a-f])[^"\\\x00-\x1f]*)*)"'
_WHOLE = "(0|[1-9][0-9]{0,18})"
_HEX = '"([0-9a-f]{64})"'
_TIME = f'"({_MOMENT})"'
_ENTRY = re.compile(
    rf'\{{"action":"([a-z][a-z_]*:[a-z][a-z_]*:[a-z][a-z_]*)","actor":{_TEXT},"at":{_TIME},"id":{_WHOLE},"index":{_WHOLE},'
    rf'"number":{_WHOLE},"payload":{_HEX},"recorded_at":{_TIME},"subject":{_TEXT},"workflow":{_TEXT}\}}'
)
_NODE = re.compile(rf'\{{"hash":{_HEX},"index":{_WHOLE},"level":([0-9]|[1-5][0-9]|6[0-3])\}}'.encode())
_OPENED = re.compile(rf'\{{"commitment":{_HEX},"key":{_HEX},"value":(.+)\}}'.encode(), re.DOTALL)
_ABSENT = re.compile(rf'\{{"number":{_WHOLE},"reason":"([a-z]{{1,20}})","sha256":{_HEX}\}}'.encode())
_PATH = re.compile(r"(left|right):([0-9a-f]{64})")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_STAMP = re.compile(_MOMENT)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_scan = json.JSONDecoder(object_pairs_hook=_without_doubles, parse_constant=_no_constant).raw_decode


def strict(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value. Raises ValueError for what is no JSON from its first to its last sign, and for a key that stands twice."""
    try:
        found, end = _scan(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if end != len(text):
        raise ValueError("something follows its end")
    return found


def canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """RFC 8785 for what has only text, whole numbers, lists and objects with keys in ASCII."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")


def record(data: bytes, where: str, **types: type) -> dict[str, Any]:
    """A small object with exactly these keys, of these types, in canonical form; raises Refused."""
    try:
        found = strict(data.decode("utf-8"))
        whole = isinstance(found, dict) and found.keys() == types.keys() and canonical(found) == data
    except (ValueError, TypeError) as error:
        raise Refused(f"{where} cannot be read: {error}.") from None
    if not whole or any(type(found[name]) is not kind for name, kind in types.items()):
        raise Refused(f"{where} is not what it should be: exactly {', '.join(sorted(types))}, in canonical form.")
    return dict(found)


def moment(text: str) -> datetime:
    """A time as bundles write it; raises ValueError."""
    if not _STAMP.fullmatch(text):
        raise ValueError(f"{text!r} is no time such as 2026-11-22T03:51:12.123456Z")
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _unescaped(text: str) -> str:
    return str(json.loads(f'"{text}"')) if "\\" in text else text


# ── The archive ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Archive:
    """The files of a bundle, read in pieces, each compared with its hash in the manifest once it is read to its end."""

    def __init__(self, archive: zipfile.ZipFile, result: Result) -> None:
        self._archive = archive
        self._result = result
        self.files: dict[str, str] = {}  # name → SHA-256, of the manifest

    def check_names(self) -> None:
        """Refuse an archive with other files than a bundle has, doubles, or sizes that no bundle has."""
        infos = self._archive.infolist()
        names = [info.filename for info in infos]
        if doubles := sorted({name for name in names if names.count(name) > 1} if len(names) <= 1000 else {"many"}):  # noqa: PLR2004
            raise Refused(f"The archive has more than one file of the same name: {_some(doubles)}.")
        if strange := sorted(set(names) - set(NAMES)):
            raise Refused(f"The archive has files that no bundle has: {_some(strange)}.")
        if missing := sorted(set(NAMES) - set(names)):
            raise Refused(f"The archive lacks {_some(missing)}.")
        if sum(info.file_size for info in infos) > MOST_BYTES:
            raise Refused(f"The archive unpacks to more than {MOST_BYTES >> 30} GiB and is not read.")
        for info in infos:
            if info.file_size > SMALL and info.file_size > MOST_PACKED * max(1, info.compress_size):
                raise Refused(f"{info.filename} unpacks to more than {MOST_PACKED} times its size and is not read.")
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or info.flag_bits & 9:
                raise Refused(f"{info.filename} is encrypted or packed in a way that no bundle uses.")
            if info.external_attr >> 28 not in {0, 8}:  # of Unix: a regular file, or not said
                raise Refused(f"{info.filename} is a link or a device, and no file.")
        self._check_gaps(infos)

    def _check_gaps(self, infos: list[zipfile.ZipInfo]) -> None:
        """Refuse bytes that belong to no file: a program that reads archives from their beginning would find other files there."""
        whole, end = self._archive.fp, 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            header = b""
            if whole is not None and info.header_offset == end:
                whole.seek(end)
                header = whole.read(30)
            if len(header) < 30 or info.comment or not _of_zip64(info.extra):  # noqa: PLR2004 - bytes of a header
                raise Refused("The archive holds bytes that belong to none of its files.")
            end += 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            end += info.compress_size
        if whole is None or end != self._archive.start_dir or self._archive.comment:
            raise Refused("The archive holds bytes that belong to none of its files.")
        whole.seek(-22, 2)
        if whole.read(4) != b"PK\x05\x06":
            raise Refused("The archive goes on after its end.")

    def pieces(self, name: str) -> Iterator[bytes]:
        """The file's content in pieces; told as a problem where it is damaged or not what the manifest says."""
        digest = hashlib.sha256()
        try:
            with self._archive.open(name) as stream:
                while piece := stream.read(1 << 20):
                    digest.update(piece)
                    yield piece
        except GeneratorExit:
            raise
        except Exception as error:  # zipfile raises many kinds for damage: zlib's, struct's, its own
            raise Refused(f"{name} is damaged and cannot be unpacked ({type(error).__name__}).") from error
        if name in self.files and digest.hexdigest() != self.files[name]:
            self._result.problem(f"{name} is not the file that the manifest names: its SHA-256 differs.")

    def whole(self, name: str) -> bytes:
        """A small file's content."""
        parts, size = [], 0
        for piece in self.pieces(name):
            parts.append(piece)
            size += len(piece)
            if size > LONGEST_LINE:
                raise Refused(f"{name} is larger than it can be.")
        return b"".join(parts)

    def lines(self, name: str) -> Iterator[bytes]:
        """The file's lines without their ends; a last line without an end is told as cut off."""
        rest = b""
        for piece in self.pieces(name):
            parts = (rest + piece).split(b"\n")
            rest = parts.pop()
            if len(rest) > LONGEST_LINE:
                raise Refused(f"{name} has a line that is longer than any can be.")
            yield from parts
        if rest:
            self._result.problem(f"{name} ends in the middle of a line: it was cut off.")
            yield rest


def _of_zip64(extra: bytes) -> bool:
    """Whether the directory says no more of a file than a large size: some programs would prefer another name that stands there."""
    return not extra or (extra[:2] == b"\x01\x00" and len(extra) == 4 + int.from_bytes(extra[2:4], "little"))


def _some(names: list[str]) -> str:
    return ", ".join(repr(name)[1:-1] for name in names[:5]) + (" …" if len(names) > 5 else "")  # noqa: PLR2004


# ── Heads and keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Head:
    """A head as its signed statement says it."""

    entries: int
    root: bytes
    workflows: bytes
    at: datetime
    ledger: str
    hash: str
    key_id: str


def read_keys(archive: Archive, ledger: str, trusted: str | None, result: Result) -> dict[str, bytes]:
    """The public keys by id, in the order of their rotation; each but the first endorsed by the one before it."""
    keys: dict[str, bytes] = {}
    before = ""
    for line in archive.lines("keys.jsonl"):
        where = f"keys.jsonl, line {len(keys) + 1},"
        found = record(line, where, endorsed_by=str, endorsement=str, key_id=str, public_key=str, since=str)
        public, key_id = found["public_key"], found["key_id"]
        if not _DIGEST.fullmatch(public) or hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16] != key_id:
            raise Refused(f"{where} names a key by an id that is not its own.")
        if key_id in keys:
            raise Refused(f"{where} names the key {key_id} a second time.")
        _check_endorsement(
            found, where, ledger=ledger, before=before, public=keys.get(before), trusted=trusted, result=result
        )
        keys[key_id] = bytes.fromhex(public)
        before = key_id
    result.counts["keys"] = len(keys)
    return keys


def _check_endorsement(
    found: dict[str, Any],
    where: str,
    *,
    ledger: str,
    before: str,
    public: bytes | None,
    trusted: str | None,
    result: Result,
) -> None:
    if not found["endorsed_by"]:
        if found["endorsement"] or found["since"]:
            raise Refused(f"{where} says since when a key holds that nobody endorsed.")
        if public is not None:
            text = f"{where} has the key {found['key_id']}, which the key before it did not endorse"
            if trusted != found["key_id"]:
                raise Refused(f"{text}; if you know it to be the ledger's, say so with --key.")
            result.unproven.append(f"{text}; it is trusted because you named it.")
        return
    if public is None or found["endorsed_by"] != before:
        raise Refused(f"{where} was endorsed by the key {found['endorsed_by']!r}, which does not stand before it.")
    names = ("endorsed_by", "key_id", "public_key", "since")
    statement = canonical({"ledger": ledger, **{name: found[name] for name in names}})
    if not re.fullmatch(r"[0-9a-f]{128}", found["endorsement"]) or not signed(
        public, statement, bytes.fromhex(found["endorsement"])
    ):
        raise Refused(f"{where} has an endorsement that the key {before} did not make.")


def read_heads(archive: Archive, ledger: str, keys: dict[str, bytes], result: Result) -> list[Head]:
    """The heads, each signed and the beginning of the last; the last one is what all is proven against."""
    heads: list[Head] = []
    proofs: list[list[bytes]] = []
    for line in archive.lines("heads.jsonl"):
        where = f"heads.jsonl, line {len(heads) + 1},"
        if len(heads) >= MOST_LINES_OF_HEADS:
            raise Refused("heads.jsonl has more heads than any bundle has.")
        found = record(line, where, consistency=list, key_id=str, signature=str, statement=str)
        head = _head(found, where)
        if head.ledger != ledger:
            raise Refused(f"{where} is a head of the ledger {head.ledger}, not of {ledger}.")
        if heads and head.entries <= heads[-1].entries:
            raise Refused(f"{where} does not have more entries than the head before it: heads were swapped or doubled.")
        _check_signature(found, head, where, keys)
        if not all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in found["consistency"]):
            raise Refused(f"{where} has a consistency proof that is none.")
        heads.append(head)
        proofs.append([bytes.fromhex(one) for one in found["consistency"]])
    if not heads:
        raise Refused("There is no head in heads.jsonl, so nothing can be proven.")
    for head, proof in zip(heads, proofs):  # noqa: B905 - Python 3.9
        if not consistent(head.entries, heads[-1].entries, head.root, heads[-1].root, proof):
            raise Refused(
                f"The head of {head.entries} entries is not proven to be the beginning of the last: history was rewritten."
            )
    if list(keys)[-1:] != [heads[-1].key_id]:
        raise Refused("The last key in keys.jsonl is not the one that signed the last head.")
    result.counts["heads"] = len(heads)
    return heads


def _head(found: dict[str, Any], where: str) -> Head:
    text: str = found["statement"]
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(f"{where} has a statement that is no text.") from None
    said = record(data, f"{where} in its statement", at=str, entries=int, key=str, ledger=str, root=str, workflows=str)
    try:
        at = moment(said["at"])
    except ValueError as error:
        raise Refused(f"{where} has no time: {error}.") from None
    if not (_DIGEST.fullmatch(said["root"]) and _DIGEST.fullmatch(said["workflows"]) and 0 < said["entries"] < 1 << 63):
        raise Refused(f"{where} has a statement with a root or a number that is none.")
    if said["key"] != found["key_id"]:
        raise Refused(f"{where} was signed with another key than its statement names.")
    return Head(
        entries=said["entries"],
        root=bytes.fromhex(said["root"]),
        workflows=bytes.fromhex(said["workflows"]),
        at=at,
        ledger=said["ledger"],
        hash=hashlib.sha256(data).hexdigest(),
        key_id=said["key"],
    )


def _check_signature(found: dict[str, Any], head: Head, where: str, keys: dict[str, bytes]) -> None:
    if head.key_id not in keys:
        raise Refused(f"{where} was signed with the key {head.key_id!r}, which is not in keys.jsonl.")
    signature = found["signature"]
    if not re.fullmatch(r"[0-9a-f]{128}", signature):
        raise Refused(f"{where} has no signature.")
    if not signed(keys[head.key_id], found["statement"].encode("utf-8"), bytes.fromhex(signature)):
        raise Refused(f"{where} has a signature that the key {head.key_id} did not make.")


def check_trust(heads: list[Head], keys: dict[str, bytes], head: str | None, key: str | None, result: Result) -> None:
    """Compare with what is known from outside, and say what is not known."""
    last = heads[-1]
    if key is not None:
        _check_trusted_key(last, keys, key, result)
    if head is None:
        result.unproven.append(
            "No published head was given (--head), so it is not ruled out that the newest entries were cut off, or that the whole "
            "bundle was made up" + (" by whoever holds the key." if key else " and signed with somebody else's key.")
        )
        return
    given = next((one for one in heads if one.hash == head), None)
    if given is None:
        raise Refused(
            f"The head {head} is not in this bundle: the bundle is older than that head, or not of the ledger that the head is of; or "
            "the head was never published: bundles hold published heads, and others where they are asked for when the bundle is made."
        )
    result.checked.append(f"the bundle holds the published head that you gave, of {given.entries} entries")
    if given is not last:
        result.unproven.append(
            f"The head that you gave covers the first {given.entries} entries of the ledger; what came later, up to {last.entries}, "
            f"is vouched for by the key {last.key_id} only. Give the newest published head to prove it, too."
        )


def _check_trusted_key(last: Head, keys: dict[str, bytes], key: str, result: Result) -> None:
    order = list(keys)
    if key not in order:
        raise Refused(f"The key {key} is not among the keys of this bundle.")
    if order.index(last.key_id) < order.index(key):
        raise Refused(f"The last head was signed with the key {last.key_id}, which is older than the key {key}.")
    result.checked.append(
        f"the last head is signed with the key {key} that you gave, or with one that followed from it"
    )


# ── Entries ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Entries:
    """Walks through entries, payloads and nodes side by side; what is wrong becomes a problem, and it goes on where it can."""

    def __init__(self, manifest: dict[str, Any], head: Head, archive: Archive, result: Result) -> None:
        self._from, self._to = manifest["from"], manifest["to"]
        self._written_workflow = canonical(manifest["workflow"]).decode()[1:-1]  # as it stands in a line
        self._head, self._archive, self._result = head, archive, result
        self._tree = Tree()
        self._nodes = archive.lines("nodes.jsonl")
        self._proving = True
        self._dates: set[str] = set()
        self._digests = {name: hashlib.sha256() for name in TABLES}
        self._tables = {name: Table(name, self._digests[name].update) for name in TABLES}
        self._by_action: dict[str, Table] = {}
        self._young_from = _stamp(head.at - LEGAL_MINIMUM)
        self._held: tuple[int, str] | None = (
            None  # number and time of an entry without payload: the boundary, if no line follows
        )
        self.first = self.number = 0  # of the first and the last line
        self.first_young: int | None = None  # number of the first that no retention may have removed
        self.before = self.after = False  # whether the boundary is there
        self.inside = self.first_inside = self.last_inside = 0  # how many are of the period, and between which numbers
        self.strays: list[int] = []  # the first and the last that lie between those of the period without being of it
        self.stray_count = 0
        self.documents: dict[str, dict[bytes, int]] = {
            kind: {} for kind in KINDS
        }  # SHA-256 → number that names it first
        self.messages: dict[int, str] = {}  # number → subject of the message whose document it names
        self.erased: set[str] = set()  # messages of which an entry says that a person's data were erased from them
        self.commitments: dict[bytes, int] = {}  # of sealed values → their place among all

    def walk(self, progress: Progress | None) -> None:
        """Read all of them."""
        pairs = zip_longest(self._archive.lines("entries.jsonl"), self._archive.lines("payloads.jsonl"))
        for lines, (line, payload) in enumerate(pairs, start=1):
            if line is None or payload is None:
                self._result.problem("entries.jsonl and payloads.jsonl do not have the same number of lines.")
                break
            self._entry(lines, line, payload)
            if progress and not lines & 0x3FFF:
                progress(lines)
        self._end()

    def _entry(self, at: int, line: bytes, payload: bytes) -> None:
        try:
            match = _ENTRY.fullmatch(line.decode("utf-8"))
            if match is None:
                raise ValueError("it is no entry in canonical form")  # noqa: TRY301 - told like the others below
            action, actor, when, _, index, number, digest, recorded, subject, workflow = match.groups()
            self._check_date(when[:10])
            self._check_date(recorded[:10])
            first = (number, recorded, when, _unescaped(actor), action, _unescaped(subject))
        except ValueError as error:
            self._result.problem(f"entries.jsonl, line {at}: {error}.")
            self._proving = False
            return
        if workflow != self._written_workflow:
            self._result.problem(f"entries.jsonl, line {at}, is an entry of another workflow.")
        self._count(at, int(number))
        self._prove(at, line, int(index))
        self._place(at, first, payload, digest)

    def _check_date(self, day: str) -> None:
        if day not in self._dates:
            datetime.strptime(day, "%Y-%m-%d")  # noqa: DTZ007 - only whether there is such a day
            self._dates.add(day)

    def _count(self, at: int, number: int) -> None:
        if at == 1:
            self.first = number
            if number < 1:
                self._result.problem("entries.jsonl, line 1: entries are numbered from 1.")
        elif number != self.number + 1:
            self._result.problem(
                f"entries.jsonl, line {at}: entry {number} follows entry {self.number}; entries were removed, inserted or reordered."
            )
        self.number = number

    def _prove(self, at: int, line: bytes, index: int) -> None:
        if not self._proving:
            return
        if not self._tree.size <= index < self._head.entries:
            self._result.problem(
                f"entries.jsonl, line {at}: its place {index} in the ledger does not rise or is beyond the last head."
            )
            self._proving = False
            return
        if self._tree.size < index:
            self._fill(index)
        self._tree.add(0, hashlib.sha256(b"\x00" + line).digest())

    def _fill(self, end: int) -> None:
        """Take the hashes of what lies between, up to leaf ``end``."""
        for level, index in cover(self._tree.size, end):
            match = _NODE.fullmatch(next(self._nodes, b""))
            if match is None or int(match[2]) != index or int(match[3]) != level:
                self._result.problem(
                    f"nodes.jsonl lacks the hash of subtree {index} of level {level} in its place; nothing is proven beyond it."
                )
                self._proving = False
                return
            self._tree.add(level, bytes.fromhex(match[1].decode()))

    def _place(self, at: int, first: tuple[str, ...], payload: bytes, digest: str) -> None:
        """Sort an entry into the period or the boundary, and read its payload."""
        number, recorded = int(first[0]), first[1]
        if self.first_young is None and recorded >= self._young_from:
            self.first_young = number
        if self._held is not None:
            self._lacking(self._held[0])
            self._held = None
        if self._from <= recorded < self._to:
            self.first_inside = self.first_inside or number
            self.last_inside = number
            self.inside += 1
            self._row(at, first, payload, digest)
        elif at == 1 and recorded < self._from:
            self.before = True
            if payload != b"null":
                self._result.problem("payloads.jsonl, line 1: the entry before the period is given with its payload.")
        elif payload == b"null":
            self._held = (number, recorded)
        else:
            self._stray(number)
            self._payload(at, number, first[5], payload, digest)

    def _row(self, at: int, first: tuple[str, ...], payload: bytes, digest: str) -> None:
        table = self._table(first[4])
        if first[4] == ERASED:
            self.erased.add(first[5])
        if payload == b"null":
            self._lacking(int(first[0]))
            table.row(first, {}, "")
        else:
            found, text = self._payload(at, int(first[0]), first[5], payload, digest)
            table.row(first, found, text)

    def _table(self, action: str) -> Table:
        found = self._by_action.get(action)
        if found is None:
            found = self._by_action[action] = self._tables[table_of(action)]
        return found

    def _lacking(self, number: int) -> None:
        self._result.problem(f"The payload of entry {number} is not there.")

    def _stray(self, number: int) -> None:
        self.stray_count += 1
        self.strays = [*self.strays[:1], number]

    def _payload(self, at: int, number: int, subject: str, payload: bytes, digest: str) -> tuple[dict[str, Any], str]:
        """The payload as an object and as text, both empty where it is not what was recorded."""
        problem = ""
        found: Any = None
        try:
            text = payload.decode("utf-8")
            if hashlib.sha256(payload).hexdigest() != digest:
                problem = "it is not the one that was recorded"
            elif not isinstance(found := strict(text), dict):
                problem = "it is no object"
        except ValueError as error:
            problem = str(error)
        if problem:
            self._result.problem(f"payloads.jsonl, line {at}: the payload of entry {number}: {problem}.")
            return {}, ""
        if "document" in found:
            self._document(at, number, subject, found["document"])
        if '"$sealed"' in text:
            self._sealed(found)
        return found, text

    def _document(self, at: int, number: int, subject: str, named: object) -> None:
        if not isinstance(named, str) or not _DIGEST.fullmatch(named):
            self._result.problem(
                f"payloads.jsonl, line {at}: entry {number} names a document by something that is no SHA-256."
            )
            return
        kind = subject.partition(":")[0] + "s"
        if kind == "messages":
            self.messages[number] = subject
        self.documents[kind if kind in self.documents else "others"].setdefault(bytes.fromhex(named), number)

    def _sealed(self, value: object) -> None:
        if isinstance(value, dict):
            box = value.get("$sealed")
            if len(value) == 1 and isinstance(box, dict):
                commitment = box.get("commitment")
                if isinstance(commitment, str) and _DIGEST.fullmatch(commitment):
                    self.commitments.setdefault(bytes.fromhex(commitment), len(self.commitments))
                return
            for one in value.values():
                self._sealed(one)
        elif isinstance(value, list):
            for one in value:
                self._sealed(one)

    def _end(self) -> None:
        """Compare the tree, the ends of the period and the tables with what they should be."""
        if self._held is not None:
            self.after = self._held[1] >= self._to
            if not self.after:
                self._result.problem(
                    "The last entry has no payload, and was recorded neither in the period nor after it."
                )
        if self.strays and not (self.first_inside < self.strays[0] and self.strays[-1] < self.last_inside):
            self._result.problem("More than one entry stands before or after those of the period.")
        if not self.number:
            self._result.problem("There are no entries, not even those between which the period lies.")
        self._finish_tree()
        for name, table in self._tables.items():
            table.flush()
            self._compare(f"tables/{name}.csv", self._digests[name].hexdigest())
        self._result.counts.update(
            entries=self.inside, boundary=self.before + self.after, out_of_order=self.stray_count
        )

    def _finish_tree(self) -> None:
        if self._proving:
            self._fill(self._head.entries)
        for _ in self._nodes:
            if self._proving:
                self._result.problem("nodes.jsonl has hashes that nothing needs.")
                self._proving = False
        if not self._proving:
            return
        if self._tree.root() != self._head.root:
            self._result.problem(
                "The entries do not lead to the root of the last head: entries or the hashes between them were changed, removed, "
                "inserted or reordered."
            )
        else:
            self._result.checked.append(f"every entry is in the ledger of {self._head.entries} entries at its place")

    def _compare(self, name: str, expected: str) -> None:
        digest = hashlib.sha256()
        for piece in self._archive.pieces(name):
            digest.update(piece)
        if digest.hexdigest() != expected:
            self._result.problem(f"{name} is not the table that the entries give.")


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def check_ends(entries: Entries, total: int, head: Head, until: str, result: Result) -> None:
    """Whether nothing was cut off before the first or after the last entry; ``total`` is what the head says the workflow has."""
    if entries.number > total:
        result.problem(f"There is an entry {entries.number}, but the workflow has {total} at the last head.")
    if not entries.before and entries.first > 1:
        result.problem(
            f"The first entry is number {entries.first}, and the one before the period is not there: entries were cut off at the beginning."
        )
    if not entries.after:
        if entries.number < total:
            result.problem(
                f"The workflow has {total} entries at the last head, and those after number {entries.number} are not there: "
                "they were cut off."
            )
        if until > _stamp(head.at):
            result.unproven.append(
                f"The period ends after the last head of {_stamp(head.at)}: what was recorded later was not sealed yet and cannot "
                "be here."
            )
    if entries.stray_count:
        result.unproven.append(
            f"{entries.stray_count} entries were recorded outside the period, but sealed between those of it; they are given, and "
            "are not in the tables."
        )


def check_workflow(archive: Archive, workflow: str, head: Head) -> int:
    """How many entries the workflow has at the head, as the head's tree of workflows proves it."""
    found = record(archive.whole("workflow.json"), "workflow.json", entries=int, path=list)
    seen = leaf_hash(canonical({"entries": found["entries"], "workflow": workflow}))
    for step in found["path"]:
        match = _PATH.fullmatch(step) if isinstance(step, str) else None
        if match is None:
            raise Refused("workflow.json has a path that is none.")
        other = bytes.fromhex(match[2])
        seen = node_hash(other, seen) if match[1] == "left" else node_hash(seen, other)
    if seen != head.workflows:
        raise Refused(
            f"workflow.json: it is not proven that the workflow has {found['entries']} entries at the last head."
        )
    return int(found["entries"])


# ── Documents, opened values, and what is not there ───────────────────────────────────────────────────────────────────────────


def check_documents(archive: Archive, entries: Entries, result: Result) -> None:
    """Whether each document is one that a payload names, in its order. Takes those that are there out of ``entries.documents``."""
    for kind in KINDS:
        named, last, count = entries.documents[kind], 0, 0
        for line in archive.lines(f"documents/{kind}.jsonl"):
            count += 1
            number = named.pop(hashlib.sha256(line).digest(), 0)
            if not number:
                result.problem(
                    f"documents/{kind}.jsonl, line {count}: no entry names this document; it was changed, inserted or doubled."
                )
            elif number < last:
                result.problem(f"documents/{kind}.jsonl, line {count}: it does not stand in the order of the entries.")
            else:
                last = number
        result.counts[f"documents_{kind}"] = count


def check_absent(archive: Archive, entries: Entries, result: Result) -> None:
    """Whether each document that is not there is listed, with a reason that can be; all of them are told."""
    last: tuple[int, int] = (-1, 0)
    count = 0
    for line in archive.lines("absent.jsonl"):
        count += 1
        match = _ABSENT.fullmatch(line)
        if match is None:
            raise Refused(f"absent.jsonl, line {count}, cannot be read.")
        number, reason, digest = int(match[1]), match[2].decode(), bytes.fromhex(match[3].decode())
        kind = next((kind for kind in KINDS if entries.documents[kind].get(digest) == number), None)
        place = (KINDS.index(kind), number) if kind else last
        if kind is None or place <= last:
            result.problem(
                f"absent.jsonl, line {count}: no entry of that number names this, it is here, or it does not stand in order."
            )
            continue
        last = place
        del entries.documents[kind][digest]
        _tell_absent(entries, kind, number, reason, result)
    for kind in KINDS:
        for digest, number in entries.documents[kind].items():
            result.problem(
                f"The document {digest.hex()} that entry {number} names is not there, and no reason is given."
            )
    result.counts["absent"] = count


def _tell_absent(entries: Entries, kind: str, number: int, reason: str, result: Result) -> None:
    because = REASONS.get(kind, {}).get(reason)
    if because is None:
        result.problem(
            f"The document of entry {number} is not there for the reason {reason!r}, which is none for {kind}."
        )
    elif reason == "retention" and entries.first_young is not None and number >= entries.first_young:
        result.problem(f"The document of entry {number} is said to be removed by retention, but is not six months old.")
    elif reason == "erased" and entries.messages[number] not in entries.erased:
        result.unproven.append(
            f"The document of entry {number} is not there, and the entry that says why, {ERASED} of {entries.messages[number]}, is not "
            "of this period: ask for the bundle of the time since."
        )
    elif len(result.absent) < 1000:  # noqa: PLR2004 - all are counted
        result.absent.append(f"the document of entry {number}: {because}")


def check_opened(archive: Archive, entries: Entries, result: Result) -> None:
    """Whether each value that is shown is the one that was sealed: its commitment is HMAC-SHA256 of it under the key given."""
    last, count = -1, 0
    for line in archive.lines("opened.jsonl"):
        count += 1
        match = _OPENED.fullmatch(line)
        if match is None:
            raise Refused(f"opened.jsonl, line {count}, cannot be read.")
        commitment, key, value = bytes.fromhex(match[1].decode()), bytes.fromhex(match[2].decode()), match[3]
        place = entries.commitments.get(commitment, -1)
        if place <= last:
            result.problem(
                f"opened.jsonl, line {count}: no payload has this commitment, or it does not stand in order."
            )
            continue
        last = place
        if not hmac.compare_digest(hmac.digest(key, value, "sha256"), commitment):
            result.problem(f"opened.jsonl, line {count}: the value is not the one that was sealed.")
    result.counts.update(sealed=len(entries.commitments), opened=count)
    if len(entries.commitments) > count:
        result.absent.append(f"{len(entries.commitments) - count} personal values: sealed, and not opened here")


# ── All of it ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_manifest(archive: Archive) -> dict[str, Any]:
    """What the bundle says it is; raises Refused."""
    found = record(
        archive.whole(MANIFEST),
        MANIFEST,
        files=dict,
        format=str,
        ledger=str,
        made_at=str,
        to=str,
        workflow=str,
        **{"from": str},
    )
    if found["format"] != FORMAT:
        raise Refused(f"The bundle has the format {found['format']!r}; this program reads {FORMAT!r}.")
    files = found["files"]
    if files.keys() != set(NAMES) - {MANIFEST} or not all(
        isinstance(one, str) and _DIGEST.fullmatch(one) for one in files.values()
    ):
        raise Refused("The manifest does not name each file with its SHA-256.")
    try:
        begin, end, _ = moment(found["from"]), moment(found["to"]), moment(found["made_at"])
    except ValueError as error:
        raise Refused(f"The manifest has a time that is none: {error}.") from None
    if begin >= end:
        raise Refused("The manifest names a period that ends before it begins.")
    return found


def verify(
    path: Any,  # noqa: ANN401 - a path, or a file that is open for reading
    head: str | None = None,
    key: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Check a bundle, against a published head and a key where they are given (lower-case hexadecimal).

    ``progress`` is called now and then with the number of entries read so far. Never raises for what a file holds.
    """
    result = Result()
    if head is not None and not _DIGEST.fullmatch(head):
        result.problem(f"{head!r} is no head: a published head has 64 hexadecimal digits.")
        return result
    if key is not None and not _KEY_ID.fullmatch(key):
        result.problem(f"{key!r} is no key: the id of a key has 16 hexadecimal digits.")
        return result
    try:
        with zipfile.ZipFile(path) as opened:
            _verify(Archive(opened, result), head, key, progress, result)
    except Refused as refused:
        result.problem(str(refused))
    except Exception as error:  # noqa: BLE001 - whatever a made-up archive brings about is told, never thrown at an auditor
        result.problem(f"The file cannot be read as a bundle: {str(error) or 'damaged'} ({type(error).__name__}).")
    return result


def _verify(
    archive: Archive,
    head: str | None,
    key: str | None,
    progress: Progress | None,
    result: Result,
) -> None:
    archive.check_names()
    manifest = read_manifest(archive)
    result.readable = True
    archive.files = manifest["files"]
    for name in ("README.md", "verify.py"):
        archive.whole(name)
    keys = read_keys(archive, manifest["ledger"], key, result)
    heads = read_heads(archive, manifest["ledger"], keys, result)
    last = heads[-1]
    result.facts.update({name: manifest[name] for name in ("ledger", "workflow", "from", "to", "made_at")})
    result.facts.update(head=last.hash, head_at=_stamp(last.at), head_entries=str(last.entries), key=last.key_id)
    signed_heads = (
        "the head is signed"
        if len(heads) == 1
        else f"{len(heads)} heads are signed, and each is the beginning of the last"
    )
    result.checked.append(signed_heads)
    check_trust(heads, keys, head, key, result)
    total = check_workflow(archive, manifest["workflow"], last)
    entries = Entries(manifest, last, archive, result)
    entries.walk(progress)
    check_ends(entries, total, last, manifest["to"], result)
    check_documents(archive, entries, result)
    check_absent(archive, entries, result)
    check_opened(archive, entries, result)
    if not result.problems:
        result.checked.append(
            f"none of the workflow's {total} entries was left out of the period, and their payloads are the recorded ones"
        )
        result.checked.append("documents, opened values and tables are what the entries say")


def told(result: Result) -> str:
    """The result as text for a person."""
    titles = {"verified": "VERIFIED", "wrong": "WRONG", "unchecked": "NOT CHECKED"}
    facts = result.facts
    lines = [titles[result.outcome]]
    if facts:
        lines.append(f"Workflow {facts['workflow']}, {facts['from']} to {facts['to']}, ledger {facts['ledger']}.")
        lines.append(
            f"Last head {facts['head']} of {facts['head_entries']} entries at {facts['head_at']}, key {facts['key']}."
        )
    if result.counts.get("entries") is not None:
        lines.append(f"Entries of the period: {result.counts['entries']}.")
    parts = (
        ("Wrong:", result.problems),
        ("Checked:", result.checked),
        ("Not in this bundle:", result.absent),
        ("Not proven:", result.unproven),
    )
    for title, texts in parts:
        if texts:
            lines += [title, *(f"  - {_shown(text)}" for text in texts[:TOLD])]
            more = len(texts[TOLD:]) + (result.more_problems if title == "Wrong:" else 0)
            lines += [f"  - and {more} more"] if more else []
    return "\n".join(lines)


def _shown(text: str) -> str:
    """Text of a bundle may hold what a terminal obeys; it is written out instead."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def main(arguments: list[str] | None = None) -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(
        description="Checks an evidence bundle. Exit status: 0 verified, 1 wrong, 2 not checked."
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--head", type=lambda text: text.strip().lower(), help="a published head, which you have from elsewhere"
    )
    parser.add_argument(
        "--key", type=lambda text: text.strip().lower(), help="the id of a signing key, which you have from elsewhere"
    )
    chosen = parser.parse_args(arguments)
    result = verify(chosen.bundle, chosen.head, chosen.key)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    print(told(result))  # noqa: T201 - it is a program of its own
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
