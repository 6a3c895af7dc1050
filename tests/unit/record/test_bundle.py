"""Evidence bundles: what is right is verified, what is not is named in a plain sentence, and nothing makes the verifier stumble."""

from __future__ import annotations

import ast
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[3]))  # benchmarks/ is no part of the package

from benchmarks.tampering import tamperings as ways
from benchmarks.tampering.__main__ import tamperings
from benchmarks.tampering.ledger import BEGIN, STEP, MemoryLedger, changed, make, private

from afterpilot.domain.errors import ConfigurationError
from afterpilot.record import merkle
from afterpilot.record.bundle import verifier as bundle_verifier
from afterpilot.record.bundle.verifier import cell, consistent, line_of, main, table_of, told, verify
from afterpilot.record.bundle.writing import write_bundle
from afterpilot.record.ledger.canonical import canonical


@pytest.fixture(scope="module")
def right():
    """A bundle that is right."""
    return ways.original(500)


@pytest.fixture(autouse=True)
def quick_signatures(monkeypatch):
    """The same signature is checked once: a function of its arguments (its own tests do without this)."""
    monkeypatch.setattr(bundle_verifier, "signed", _signed)


_signed = cache(bundle_verifier.signed)


def judged(files, head=None, key=None):
    return verify(io.BytesIO(ways.packed(files)), head, key)


def head_of(ledger, at=-1):
    return hashlib.sha256(ledger.heads()[at].statement).hexdigest()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from(',"\r\n; ')), min_size=2, max_size=5))
def test_a_line_of_a_table_is_what_readers_of_csv_read(cells):
    """Byte for byte what Python's own writer makes, and every cell is read back."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    assert line_of(cells) == written.getvalue()
    assert next(csv.reader(io.StringIO(line_of(cells), newline=""))) == cells


def test_a_right_bundle_is_verified_against_the_published_head(right):
    """Nothing is wrong, nothing is unproven, and it says what it checked."""
    found = judged(right.files, right.head)
    assert (found.outcome, found.exit_code, found.problems, found.unproven, found.absent) == ("verified", 0, [], [], [])
    assert found.counts["entries"] > 60
    assert found.counts["boundary"] == 2
    assert found.counts["opened"] == found.counts["sealed"] > 3
    assert found.facts["workflow"] == "invoices"


def test_without_a_head_it_says_what_it_cannot_know(right):
    """The bundle agrees with itself, and the reader is told that this is not all."""
    found = judged(right.files)
    assert found.exit_code == 0
    assert "No published head was given" in found.unproven[0]
    assert "No published head was given" in told(found)


def test_an_older_head_says_which_part_it_covers(right):
    """With the head before the last, what came after it is vouched for by the key only, and that is said."""
    found = judged(right.files, head_of(right.ledger, 1))
    assert found.exit_code == 0
    assert "covers the first 333 entries" in found.unproven[0]


@pytest.mark.parametrize("count", [0, 1], ids=["the first key", "the key after it"])
def test_a_known_key_may_be_an_older_one(right, count):
    """Keys that followed from the given one by endorsement are as good as it."""
    key = right.ledger.keys()[count].key_id
    found = judged(right.files, right.head, key)
    assert found.exit_code == 0
    assert any(key in text for text in found.checked)


def test_an_unknown_key_is_wrong(right):
    """A key that the bundle does not have did not sign it."""
    found = judged(right.files, right.head, "0123456789abcdef")
    assert found.problems == ["The key 0123456789abcdef is not among the keys of this bundle."]


def test_the_recomputing_of_the_tamperings_is_right(right):
    """Tables, nodes and manifest that the tamperings recompute are those of the bundle, so that only what they change is found."""
    files = ways.with_nodes(dict(right.files), right.ledger)
    assert files == right.files


def test_forgeries_are_perfect_but_for_the_head(right):
    """A made-up ledger, signed by its own key, is a right bundle in itself: only a published head tells it apart."""
    written = [changed(right.ledger.written[0], actor="person:0000"), *right.ledger.written[1:]]
    forged = ways.bundle(replace(right.source, ledger=MemoryLedger(written, right.ledger.cuts, [private("forger")])))
    assert judged(forged).exit_code == 0
    assert "is not in this bundle" in judged(forged, right.head).problems[0]


def test_the_same_entries_signed_by_somebody_else_are_found_by_the_head_alone(right):
    """A head says whose it is: the same content under another key has another head, and a statement that names no key is none."""
    forged = ways.bundle(
        replace(right.source, ledger=MemoryLedger(right.ledger.written, right.ledger.cuts, [private("forger")]))
    )
    assert "is not in this bundle" in judged(forged, right.head).problems[0]
    heads = ways.lines(forged, "heads.jsonl")
    last = json.loads(heads[-1])
    last["statement"] = canonical(
        {name: value for name, value in json.loads(last["statement"]).items() if name != "key"}
    ).decode()
    last["signature"] = private("forger").sign(last["statement"].encode()).hex()
    ways.put(forged, "heads.jsonl", [*heads[:-1], canonical(last)])
    stripped = hashlib.sha256(last["statement"].encode()).hexdigest()
    assert "is not what it should be" in judged(ways.with_manifest(forged), stripped).problems[0]


def test_keys_before_the_first_that_signed_are_left_out(right):
    """A bundle whose heads are all of a later key begins with that key, and is right."""
    keys = [*right.ledger.keys_, private("third")]
    whole = MemoryLedger(right.ledger.written, right.ledger.cuts[1:], keys)

    class Later(ways.MemorySource):
        def heads(self):
            return [whole.head(cut, keys[1 + at]) for at, cut in enumerate(whole.cuts)]

        def keys(self):
            return whole.keys()[1:]

    own = Later(whole, "invoices", right.source.since, right.source.until)
    found = judged(ways.bundle(own), hashlib.sha256(own.heads()[-1].statement).hexdigest())
    assert (found.problems, found.counts["keys"]) == ([], 2)


def test_a_document_that_nothing_explains_is_missed(right):
    """A source that cannot make a document again, and knows no reason, does not make a right bundle."""

    class Forgetful(ways.MemorySource):
        def documents(self, kind):
            return (one._replace(text=None) for one in super().documents(kind))

    files = ways.bundle(Forgetful(right.ledger, "invoices", right.source.since, right.source.until))
    assert "and no reason is given" in judged(files, right.head).problems[0]


def test_tamperings_are_found(right):
    """Of every way to tamper with a bundle, each tampering is found when the published head is given."""
    missed = [
        name for name, archive in tamperings(right, 900, 11) if verify(io.BytesIO(archive), right.head).exit_code == 0
    ]
    assert missed == []


def test_every_way_to_tamper_comes_about():
    """A way that never changes anything would prove nothing."""
    right = ways.original(240)
    assert {name for name, _ in tamperings(right, 60, 5)} == set(ways.Tamperer(right, None).ways())


def test_a_wrong_bundle_names_what_is_wrong(right):
    """The sentence says which file, which line and which entry."""
    files = dict(right.files)
    payloads = ways.lines(files, "payloads.jsonl")
    payloads[4] = ways.edited(payloads[4], verdict="CHANGED")
    ways.put(files, "payloads.jsonl", payloads)
    number = json.loads(ways.lines(files, "entries.jsonl")[4])["number"]
    problem = f"payloads.jsonl, line 5: the payload of entry {number}: it is not the one that was recorded."
    assert problem in judged(ways.with_tables(files), right.head).problems


def test_a_workflows_whole_life_needs_no_boundary(right):
    """From before the first entry to after the last, there is nothing before and nothing after."""
    whole = replace(right.source, since=BEGIN - STEP, until=BEGIN + 1000 * STEP)
    found = judged(ways.bundle(whole), right.head)
    assert (found.problems, found.counts["boundary"]) == ([], 0)
    assert "The period ends after the last head" in found.unproven[0]


def test_a_period_without_entries_is_proven_empty(right):
    """The entries before and after it have numbers that follow each other."""
    own = [one for one in right.ledger.written if one.workflow == "invoices"]
    since = own[10].recorded_at + timedelta(seconds=1)
    found = judged(ways.bundle(replace(right.source, since=since, until=since + timedelta(seconds=1))), right.head)
    assert (found.problems, found.counts["entries"], found.counts["boundary"]) == ([], 0, 2)


@pytest.mark.parametrize("entries", [6, 64, 257])
def test_bundles_of_any_size_are_verified(entries):
    """Few entries and many, on and off the powers of two, and each place in the tree of workflows."""
    ledger = make(entries, seed=3)
    for workflow, _ in ledger.counts(entries):
        own = replace(ways.source(ledger, workflow), since=BEGIN, until=BEGIN + entries * STEP)
        assert judged(ways.bundle(own), head_of(ledger)).problems == []


def test_entries_sealed_out_of_order_are_given_and_told(right):
    """An entry of a longer transaction is sealed among later ones: it is there, it is no part of the tables, and it is said."""
    written = list(right.ledger.written)
    places = [at for at, one in enumerate(written) if one.workflow == "invoices"]
    inside = places[len(places) // 2]
    written[inside] = changed(written[inside], recorded_at=BEGIN)
    ledger = MemoryLedger(written, right.ledger.cuts, right.ledger.keys_)
    found = judged(ways.bundle(replace(right.source, ledger=ledger)), head_of(ledger))
    assert (found.problems, found.counts["out_of_order"]) == ([], 1)


def _without(right, kind, **what):
    """The first entry within the period that names a document of this kind, and the ledger in which its payload says more."""
    written = list(right.ledger.written)
    at = next(
        at
        for at, one in enumerate(written)
        if one.workflow == "invoices" and one.subject.startswith(kind) and right.source.since <= one.recorded_at
    )
    written[at] = changed(written[at], payload=written[at].payload | what)
    return at, MemoryLedger(written, right.ledger.cuts, right.ledger.keys_)


def test_what_is_erased_is_listed(right):
    """A message that is gone with a person's data does not make the rest wrong, and does not go unsaid; an entry has to say so."""
    at, ledger = _without(right, "message", erased=True)
    found = judged(ways.bundle(replace(right.source, ledger=ledger)), head_of(ledger))
    assert (found.problems, found.absent) == ([], [])
    assert found.unproven[0].startswith(
        f"The document of entry {ledger.numbers[at]} is not there, and the entry that says why"
    )
    written = list(ledger.written)
    last = max(
        at
        for at, one in enumerate(written)
        if one.workflow == "invoices" and one.subject.startswith("output") and one.recorded_at < right.source.until
    )
    written[last] = changed(
        written[last], action="retention:message:erased", subject=written[at].subject, payload={}, document=None
    )
    ledger = MemoryLedger(written, right.ledger.cuts, right.ledger.keys_)
    found = judged(ways.bundle(replace(right.source, ledger=ledger)), head_of(ledger))
    assert (found.problems, found.unproven) == ([], [])
    assert found.absent == [f"the document of entry {ledger.numbers[at]}: a person's data were erased from it"]


@pytest.mark.parametrize("kind", ["run", "declaration"])
def test_runs_and_declarations_are_never_erased(right, kind):
    """Whoever would rather not show one cannot say that it was."""
    at, ledger = _without(right, kind, erased=True)
    found = judged(ways.bundle(replace(right.source, ledger=ledger)), head_of(ledger))
    assert found.problems == [
        f"The document of entry {ledger.numbers[at]} is not there for the reason 'erased', which is none for {kind}s."
    ]


@pytest.mark.parametrize(("age", "outcome"), [(timedelta(days=100), "wrong"), (timedelta(days=300), "verified")])
def test_retention_takes_nothing_that_is_not_six_months_old(right, age, outcome):
    """What is said to be removed by retention is listed once it can be so, and is a problem before."""
    written = [
        *right.ledger.written,
        changed(right.ledger.written[-1], recorded_at=right.ledger.written[-1].recorded_at + age),
    ]
    ledger = MemoryLedger(written, [len(written)], [private("only")])
    runs = [
        ledger.numbers[at]
        for at, one in enumerate(written)
        if one.workflow == "invoices" and one.subject.startswith("run") and one.recorded_at >= right.source.since
    ]
    found = judged(ways.bundle(replace(right.source, ledger=ledger, gone=frozenset(runs[:3]))), head_of(ledger))
    assert found.outcome == outcome
    assert found.counts["absent"] == 3
    assert len(found.absent) == (3 if outcome == "verified" else 0)


def test_the_same_evidence_is_the_same_archive(right, tmp_path):
    """Two exports at one moment are equal byte for byte."""
    one, other = (write_bundle(right.source, tmp_path / name) for name in ("one.zip", "other.zip"))
    assert one == other
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    assert one.sha256 == hashlib.sha256((tmp_path / "one.zip").read_bytes()).hexdigest()


def test_an_export_that_fails_leaves_what_was_there(right, tmp_path):
    """A bundle replaces another only once it is whole, and leaves nothing beside it."""

    class Breaking(ways.MemorySource):
        def documents(self, kind):  # noqa: ARG002 - of the protocol
            raise OSError("the database has gone")

    path = tmp_path / "bundle.zip"
    path.write_bytes(b"the last one")
    with pytest.raises(OSError, match="gone"):
        write_bundle(Breaking(right.ledger, "invoices", right.source.since, right.source.until), path)
    assert path.read_bytes() == b"the last one"
    assert [one.name for one in tmp_path.iterdir()] == ["bundle.zip"]


def test_nothing_is_exported_before_a_head_is_signed(right, tmp_path):
    """A bundle without a signature would prove nothing."""

    class Unsigned(ways.MemorySource):
        def heads(self):
            return [one._replace(signature=b"") for one in self.ledger.heads()]

    with pytest.raises(ConfigurationError, match="signed"):
        write_bundle(
            Unsigned(right.ledger, "invoices", right.source.since, right.source.until), tmp_path / "bundle.zip"
        )


def test_the_readme_says_where_heads_are_published(right, tmp_path):
    """An auditor reads in the bundle where to find a head, and how to verify by hand."""
    write_bundle(right.source, tmp_path / "bundle.zip", published=["Slack #ops, Mondays"])
    text = ways.unpacked((tmp_path / "bundle.zip").read_bytes())["README.md"].decode()
    assert "Slack #ops, Mondays" in text
    assert "python verify.py bundle.zip --head HASH" in text
    assert '{"entries":N,"workflow":"invoices"}' in text


# ── The program by itself ──


def test_the_verifier_needs_the_standard_library_only():
    """Every module that it imports comes with Python, and its grammar is that of Python 3.9."""
    tree = ast.parse(Path(bundle_verifier.__file__).read_text(), feature_version=(3, 9))
    names = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {(node.module or "").partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= sys.stdlib_module_names
    assert not any(isinstance(node, ast.Match) for node in ast.walk(tree))


def test_the_program_in_the_bundle_verifies_it(right, tmp_path):
    """``python verify.py`` alone, apart from everything installed: 0 for what is right, 1 for what is wrong, 2 for what is no bundle."""
    (tmp_path / "verify.py").write_bytes(right.files["verify.py"])
    (tmp_path / "right.zip").write_bytes(ways.packed(right.files))
    wrong = dict(right.files) | {"tables/runs.csv": b"changed"}
    (tmp_path / "wrong.zip").write_bytes(ways.packed(ways.with_manifest(wrong)))
    (tmp_path / "none.zip").write_bytes(b"PK\x03\x04")

    def run(*arguments):
        command = [sys.executable, "-I", "-S", "verify.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    good, bad, none = (run(f"{name}.zip", "--head", right.head) for name in ("right", "wrong", "none"))
    assert (good.returncode, bad.returncode, none.returncode) == (0, 1, 2)
    assert good.stdout.startswith("VERIFIED\nWorkflow invoices")
    assert "tables/runs.csv is not the table that the entries give." in bad.stdout
    assert good.stderr + bad.stderr + none.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.zip"], "No such file"),
        (["."], "Is a directory"),
        ([__file__], "not a zip file"),
        ([__file__, "--head", "abc"], "is no head"),
        ([__file__, "--key", "zz"], "is no key"),
    ],
)
def test_what_cannot_be_checked_is_said_so(arguments, said, capsys):
    """A missing file, a directory, another file and a head that is none: exit status 2 and a sentence."""
    assert main(arguments) == 2
    text = capsys.readouterr().out
    assert text.startswith("NOT CHECKED")
    assert said in text


# ── Archives that are made to harm ──


def test_a_zip_bomb_is_not_unpacked(right):
    """A file that unpacks to hundreds of times its size is refused before it is read."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in right.files.items():
            archive.writestr(name, data if name != "payloads.jsonl" else bytes(17 << 20))
    found = verify(whole)
    assert found.exit_code == 2
    assert found.problems == ["payloads.jsonl unpacks to more than 250 times its size and is not read."]


def test_doubled_names_are_refused(right):
    """Two files of one name could be read differently by two programs."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in right.files.items():
            archive.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("entries.jsonl", b"")
    assert verify(whole).problems == ["The archive has more than one file of the same name: entries.jsonl."]


def _zipped(files, *, comment=b"", extra=b"", mode=0o100644):
    """The files as an archive that says more of the last one."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100644 << 16
            if name == "README.md":
                info.external_attr, info.extra = mode << 16, extra
            archive.writestr(info, data)
        archive.comment = comment
    return whole.getvalue()


def _hidden():
    """The beginning of an archive: a file that no directory lists."""
    return _zipped({"tables/runs.csv": b"forged"}).partition(b"PK\x01\x02")[0]


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (lambda files: _hidden() + _zipped(files), "bytes that belong to none of its files"),
        (lambda files: _zipped(files, comment=b"x"), "bytes that belong to none of its files"),
        (
            lambda files: _zipped(files, extra=b"up\x06\x00\x01\x00\x00\x00\x00x"),
            "bytes that belong to none of its files",
        ),
        (lambda files: _zipped(files) + b"x", "goes on after its end"),
        (lambda files: _zipped(files, mode=0o120777), "README.md is a link or a device, and no file"),
    ],
    ids=["before", "comment", "another name", "after", "link"],
)
def test_an_archive_that_others_would_read_otherwise_is_refused(right, forged, said):
    """Nothing is in it but its files."""
    assert verify(io.BytesIO(_zipped(right.files))).exit_code == 0
    found = verify(io.BytesIO(forged(right.files)))
    assert found.exit_code == 2
    assert said in found.problems[0]


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "entries.jsonl\x1b[2J", "documents/"])
def test_strange_names_are_refused_and_shown_harmlessly(right, name):
    """A name that leads elsewhere, or holds what a terminal obeys, is told without being obeyed."""
    found = judged(dict(right.files) | {name: b""})
    assert found.exit_code == 2
    assert "The archive has files that no bundle has" in found.problems[0]
    assert "\x1b" not in told(found)


def test_a_key_that_stands_twice_is_refused(right):
    """JSON that says two things under one name is none."""
    files = dict(right.files)
    files["workflow.json"] = files["workflow.json"].replace(b'{"entries":', b'{"entries":1,"entries":')
    assert judged(ways.with_manifest(files), right.head).exit_code == 1


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000, b"{" * 100_000, b"9" * 10_000, b"\xff\xfe", b'"\\ud800"', b"NaN", b"null", b"", b"{}", b"[1]"],
)
@pytest.mark.parametrize(
    "name",
    [name for name in bundle_verifier.NAMES if name.endswith((".json", ".jsonl")) and not name.startswith("documents")],
)
def test_no_content_makes_the_verifier_stumble(right, name, line):
    """Deep nesting, huge numbers, broken text and other values become problems in sentences."""
    files = dict(right.files)
    files[name] = line + b"\n"
    if name != "manifest.json":
        ways.with_manifest(files)
    found = judged(files, right.head)
    assert found.exit_code in {1, 2}
    assert all(text.endswith(".") for text in found.problems)
    assert "Traceback" not in told(found)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_verifier_stumble(data):
    """Whatever stands before an archive's own end, the answer is that it cannot be checked."""
    assert verify(io.BytesIO(data)).exit_code == 2
    assert verify(io.BytesIO(b"PK\x05\x06" + data)).exit_code == 2


def test_both_verifications_of_consistency_agree():
    """The verifier's own copy of the RFC's algorithm answers as the package's does, for right proofs and for swapped roots."""
    leaves = [merkle.leaf_hash(bytes([at])) for at in range(40)]
    subtree = merkle.in_memory(leaves)
    for first in range(1, 41):
        proof, roots = merkle.consistency_proof(first, 40, subtree), (merkle.root(leaves[:first]), merkle.root(leaves))
        assert consistent(first, 40, *roots, proof) is merkle.verify_consistency(first, 40, *roots, proof) is True
        swapped = roots[::-1]
        assert (
            consistent(first, 40, *swapped, proof)
            is merkle.verify_consistency(first, 40, *swapped, proof)
            is (first == 40)
        )


# ── Tables ──


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1"])  # noqa: RUF001
def test_a_cell_is_never_a_formula(text):
    """What a spreadsheet would compute is shown as text."""
    assert cell(text) == "'" + text


def test_cells_hold_json_where_it_is_no_text():
    """Nothing is empty, text is itself, and anything else is its JSON."""
    assert [cell(one) for one in (None, "PASS", 3, True, {"b": 1, "a": [2]})] == [
        "",
        "PASS",
        "3",
        "true",
        '{"a":[2],"b":1}',
    ]


@pytest.mark.parametrize(
    ("action", "table"),
    [
        ("check:run:recorded", "runs"),
        ("alerts:incident:acknowledged", "incidents"),
        ("deliver:message:sent", "messages"),
        ("review:decision:made", "decisions"),
        ("evals:baseline:approved", "approvals"),
        ("spend:raise:approved", "approvals"),
        ("web:evidence:viewed", "events"),
    ],
)
def test_every_action_has_its_table(action, table):
    """An auditor finds runs, decisions, approvals, incidents and messages each in one table, and all else among the events."""
    assert table_of(action) == table


def test_the_tables_hold_every_entry_of_the_period_once(right):
    """Their rows together are the entries."""
    rows = sum(data.count(b"\r\n") - 1 for name, data in right.files.items() if name.startswith("tables/"))
    assert rows == judged(right.files).counts["entries"]


def test_times_of_the_archive_are_fixed(right, tmp_path):
    """Nothing in the archive depends on when or where it was written, but for the moment it states."""
    write_bundle(replace(right.source, made_at=datetime(2026, 12, 1, tzinfo=UTC)), tmp_path / "later.zip")
    with zipfile.ZipFile(tmp_path / "later.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert json.loads(archive.read("manifest.json"))["made_at"] == "2026-12-01T00:00:00.000000Z"
