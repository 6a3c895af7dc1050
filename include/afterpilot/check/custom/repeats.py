"""Inputs that came before, exactly or nearly."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from afterpilot.check.custom.outcome import NO_ROWS, CannotSay, Counted, by_value, figure, share
from afterpilot.check.custom.scope import Column, Scope, key_of
from afterpilot.check.custom.shingles import PERMUTATIONS, Shingles, jaccard, minhash, shingles
from afterpilot.check.window import MOST_KEYS
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

THRESHOLD = 0.9
NEAR_ROWS = 5_000
MOST_NEAR_ROWS = 50_000
EXACT_CHARACTERS = 100_000
CHARACTERS = 20_000
SECONDS = 60.0
_NAMED = 20
_COMPARED = 200  # candidates of one row
_BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True)
class Pair:
    """A row, the one that it repeats, and how alike they are (1: the same but for case and blanks)."""

    key: str | None
    repeats: str | None
    similarity: float

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a result."""
        return {"key": self.key, "repeats": self.repeats, "similarity": round(self.similarity, 3)}


@dataclass(frozen=True, slots=True)
class _Near:
    pairs: Sequence[Pair]
    looked_at: int  # different texts
    rows: int  # that have them


def rows_not_repeated(check: Check, scope: Scope) -> Judged:
    """Whether the texts of ``columns``, taken together, stand in one row only: the same text but for case and blanks, and,
    unless ``near`` is false, texts that share nine in ten of their five-word runs (``threshold``). A row that repeats one with
    a smaller key fails; rows that lack one of the texts are not judged.

    Exact repetitions are looked for in all rows, in the first 100,000 characters of each text; near ones among ``near_rows``
    records (unless said 5,000), in their first 20,000 characters, for a minute. Records beyond those were not judged.

    Raises:
        CheckError: a column is missing, or a parameter is wrong.
    """
    columns = check.params.get("columns") or ()
    if isinstance(columns, str) or not columns:
        raise CheckError("it needs columns, such as [letter]")
    plain = [_normal(scope, scope.text(name)) for name in columns]
    placed = _placed(scope, plain)
    total = scope.count()
    if not total:
        raise CannotSay(NO_ROWS)
    again = sa.func.sum(sa.case((placed.c.place > 1, 1), else_=0))
    values, repeated = scope.connection.execute(sa.select(sa.func.count(), again).select_from(placed)).one()
    pairs = _exact(scope, placed) if repeated else []
    near = _near(check, scope, columns) if check.params.get("near", True) else _Near((), 0, int(values))
    found = [*pairs, *near.pairs]
    counted = Counted(
        total,
        total - int(values),
        int(repeated or 0) + len(near.pairs),
        [(pair.key, f"{pair.key} repeats {pair.repeats}") for pair in found],
        unjudged=max(0, int(values) - near.rows),
        why=f"near repetitions were looked for among {near.rows:,}; near_rows says among how many, near: false none",
    )
    return by_value(
        check,
        counted,
        exact_count=int(repeated or 0),
        near_count=len(near.pairs),
        near_looked_at=near.looked_at,
        pairs=[pair.as_dict() for pair in found[:_NAMED]],
    )


def _normal(scope: Scope, whole: Column) -> Column:
    text: Column = sa.func.substr(whole, 1, EXACT_CHARACTERS)
    if scope.connection.dialect.name != "postgresql":
        trimmed: Column = sa.func.lower(sa.func.trim(text))
        return trimmed
    blanks: Column = sa.func.btrim(sa.func.regexp_replace(sa.func.lower(text), r"\s+", " ", "g"))
    return blanks


def _joined(parts: Sequence[Column]) -> Column:
    found: Column = parts[0]
    for part in parts[1:]:
        found = found.concat(_BETWEEN).concat(part)
    return found


def _placed(scope: Scope, plain: Sequence[Column]) -> sa.Subquery:
    """Each row that has all texts, with its place among those of the same text, and the key of the first of them."""
    text, key = _joined(plain), key_of(scope.rows)
    same: Column = sa.func.md5(text) if scope.connection.dialect.name == "postgresql" else text
    statement = scope.select(
        key.label("key"),
        sa.func.row_number().over(partition_by=same, order_by=key).label("place"),
        sa.func.first_value(key).over(partition_by=same, order_by=key).label("first"),
    )
    return statement.where(*(part.is_not(None) for part in plain)).subquery()


def _exact(scope: Scope, placed: sa.Subquery) -> list[Pair]:
    again = sa.select(placed.c.key, placed.c.first).where(placed.c.place > 1)
    found = scope.connection.execute(again.order_by(placed.c.first, placed.c.key).limit(MOST_KEYS))
    return [Pair(key, first, 1.0) for key, first in found]


def _near(check: Check, scope: Scope, columns: Sequence[str]) -> _Near:
    from datasketch import MinHashLSH

    threshold = share(check.params, "threshold", unless=THRESHOLD)
    most = int(figure(check.params, "near_rows") or NEAR_ROWS)
    if not 0 < threshold <= 1 or not 1 <= most <= MOST_NEAR_ROWS:
        raise CheckError(
            f"threshold is {threshold:g}, near_rows {most}: above 0 up to 1, 1 to {MOST_NEAR_ROWS:,} can be"
        )
    # Candidates from a lower threshold, so that few near ones are overlooked; the true similarity then decides.
    index = MinHashLSH(threshold=max(0.1, threshold - 0.1), num_perm=PERMUTATIONS)
    kept: list[tuple[str | None, Shingles]] = []
    pairs: list[Pair] = []
    rows = 0
    for key, text in _texts(scope, columns, most):
        rows += 1
        if text is None:
            continue
        runs = shingles(text)
        sketch = minhash(runs)
        close = sorted(index.query(sketch))[:_COMPARED] if runs.size else []
        scored = [(jaccard(runs, kept[place][1]), kept[place][0]) for place in close]
        best = max(scored, key=lambda one: one[0], default=(0.0, None))
        if best[0] >= threshold:
            pairs.append(Pair(key, best[1], best[0]))
        if runs.size:
            index.insert(len(kept), sketch)
        kept.append((key, runs))
    return _Near(pairs, len(kept), rows)


def _texts(scope: Scope, columns: Sequence[str], most: int) -> Iterator[tuple[str | None, str | None]]:
    """Different texts with the least key of each, None for one that came before; of a sample that does not depend on the order of rows where there are many.
    It ends when the time is up.
    """
    stop = time.monotonic() + SECONDS
    key, texts = key_of(scope.rows), [scope.text(name) for name in columns]
    scattered = scope.connection.dialect.name == "postgresql" and scope.rows.key is not None
    labelled = [text.label(f"text_{place}") for place, text in enumerate(texts)]
    sample = scope.select(key.label("key"), *labelled).where(*(text.is_not(None) for text in texts))
    # The sample first: what it leaves out need not be made plain.
    inner = sample.order_by(sa.func.md5(key) if scattered else key).limit(most).subquery()
    plain = _joined([_normal(scope, inner.c[one.name]) for one in labelled])
    statement = sa.select(inner.c.key, sa.func.substr(plain, 1, CHARACTERS)).order_by(inner.c.key)
    seen: set[str] = set()
    for found, words in scope.connection.execute(statement):
        if time.monotonic() > stop:
            return
        yield found, None if words in seen else words
        seen.add(words)
