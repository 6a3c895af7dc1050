"""The README.md of an evidence bundle: how an auditor verifies it, with the program in it and by hand."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.record.bundle.parts import Facts
from afterpilot.record.ledger.canonical import stamp

_TEXT = """# Evidence of the workflow {workflow}

This archive holds what was recorded about the AI workflow `{workflow}` from {since} up to, not including, {until} (UTC), and the
proof that it is complete and was not altered. It was made at {made_at} from the ledger `{ledger}`.

## Verify it
1. Get a **published head** from somewhere else than this archive: the weekly message of Afterpilot, or a file that was given to
   you or stored out of the reach of the team that you audit. A head is a hash of 64 hexadecimal digits. It stands for the whole
   ledger as it was at that time: nothing before it can be changed any more without changing the head.
   {places}
2. Get a verifier that you trust. `verify.py` in this archive needs Python 3.9 or newer and nothing else; but whoever alters an
   archive can alter the program in it, too. Compare it with the one of Afterpilot's release (the file
   `afterpilot/record/bundle/verifier.py`), or use `afterpilot audit verify`, which is the same program.
3. Run it:

       python verify.py bundle.zip --head HASH

   Exit status 0: verified; 1: something is wrong, and each problem is named; 2: it could not be checked. Without `--head` it can
   only tell that the archive agrees with itself, not that it is the real one. `--key KEYID` says which signing key you know.

## What is proven, and what is not
- Each entry is in the ledger, unchanged, at its place; none is missing between the first and the last (they are numbered without
  gaps), none before or after them that belongs to the period (the entry before and the one after are there as the boundary), and
  the number of all entries of the workflow is part of the head, so that the end cannot be cut off.
- Each payload and each document is the one that was recorded: its SHA-256 is part of the entry.
- What is not in the archive is listed when you verify: documents of runs and messages that retention removed after six months or
  more, messages from which a person's data were erased, personal values that stay sealed. Their hashes are still proven.
- Where retention has removed the entries before the period, the period begins after the first entry that is left. If `from` is
  later than what you asked for, ask for the entries `retention:partition:dropped` of `_fleet`.
- Not proven: that what was recorded is true. An entry proves that it was recorded then, by that part of Afterpilot, and stayed.
- `at` is when something happened as the recording part says; `recorded_at` is set by the database when the entry was written.
- Transactions that run at the same time may be sealed in another order than they were recorded. Within those moments, right at
  the edge of the period, an entry may stand on the other side; the archive of the neighbouring period then has it.
- This README, `verify.py` and the time at which the archive was made are not part of the proof.

## What is in it
| file | what |
|---|---|
| `entries.jsonl` | one line for each entry: who (`actor`) did what (`action`) to what (`subject`), when; `number` counts the workflow's entries, `index` is the place in the ledger, `payload` the SHA-256 of the details |
| `payloads.jsonl` | the details, line for line with the entries; `null` for the boundary and for what is not here |
| `documents/*.jsonl` | runs with their evidence, messages, declarations: one document a line, named in a payload by its SHA-256 |
| `tables/*.csv` | the same entries for a spreadsheet; cells that it would take for a formula begin with an apostrophe |
| `heads.jsonl`, `keys.jsonl` | signed heads of the ledger, and the public keys (Ed25519) |
| `nodes.jsonl`, `workflow.json` | the hashes that lead from these entries to the last head |
| `opened.jsonl` | sealed personal values that you may see |
| `absent.jsonl` | what is not here, and why |
| `manifest.json` | what this archive is, and the SHA-256 of each file |

## Verify it by hand
Any line can be checked with common tools; no file has to be rewritten for it, since lines are hashed as they stand, without the
line's end. ‖ joins bytes.

1. A payload: `sed -n 5p payloads.jsonl | tr -d '\\n' | sha256sum` is the `payload` of line 5 of `entries.jsonl`. A document: the same with
   its line; the hash stands as `document` in a payload.
2. A leaf is SHA-256(0x00 ‖ line of `entries.jsonl`); a node is SHA-256(0x01 ‖ left ‖ right). Together with `nodes.jsonl` (the
   subtree of level L and index I covers the places I·2^L up to (I+1)·2^L) they give the `root` in the statement of the last head:
   the Merkle Tree Hash of RFC 9162, section 2.1.1.
3. The head's hash, which is published, is SHA-256 of the `statement`'s characters; its `signature` is Ed25519 (RFC 8032) over the
   same bytes, by the key named. A key's id is the first 16 digits of its SHA-256. A key that replaced another is signed by that
   one: over {{"endorsed_by","key_id","ledger","public_key","since"}} as JSON with sorted keys and without blanks.
4. Each head is the beginning of the last: `consistency` is the proof of RFC 9162, section 2.1.4.
5. The number of entries: {{"entries":N,"workflow":"{workflow}"}} is a leaf of a second tree, whose root is `workflows` in the statement;
   `path` in `workflow.json` leads from it to that root, each hash joined from the side that is named.
6. An opened value: HMAC-SHA256 of its characters under `key` is its `commitment`, which stands in a payload.
"""


def readme(facts: Facts, published: Sequence[str]) -> str:
    """The text. ``published`` says where heads of this ledger are told outside of it, one place each."""
    places = (
        f"Heads of this ledger are published here: {'; '.join(published)}."
        if published
        else "Ask where heads are published."
    )
    return _TEXT.format(
        workflow=facts.workflow,
        ledger=facts.ledger,
        since=stamp(facts.since),
        until=stamp(facts.until),
        made_at=stamp(facts.made_at),
        places=places,
    )
