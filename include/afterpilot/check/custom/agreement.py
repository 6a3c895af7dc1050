"""Whether two columns, or an output and what people decided on it, name the same label."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa

from afterpilot.check.custom.agreement_figures import Kappa, kappa, observed
from afterpilot.check.custom.outcome import NO_ROWS, CannotSay, by_figure, figure, share
from afterpilot.check.custom.parameters import needs
from afterpilot.check.custom.scope import Column, Scope
from afterpilot.check.words import number, plain_number
from afterpilot.domain.errors import CheckError
from afterpilot.domain.intervals import Interval
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

DECISIONS = "decisions"
LEAST = 20
_MOST_PAIRS = 2_000
_LONGEST = 200
_NAMED = 10


def labels_agree(check: Check, scope: Scope) -> Judged:
    """Whether a label agrees with another one: at least ``min_agreement`` of the time, or with at least ``min_kappa``.

    It holds where the figure reaches its minimum, and fails where even the upper end of the 95 % interval does not; between
    the two it cannot say. Records that lack one of the two labels are left out.

    Raises:
        CheckError: there are fewer than 20 pairs, or the columns hold no labels.
    """
    least_agreement, least_kappa = _limits(check)
    rows, table = _table(check, scope)
    if not rows:
        raise CannotSay(NO_ROWS)
    pairs = sum(table.values())
    if pairs < LEAST:
        raise CannotSay(f"{pairs} of {rows} records have both labels, {LEAST} are needed", pairs=pairs)
    agreement, chance = observed(table), kappa(table)
    found = {
        "pairs": pairs,
        "left_out": rows - pairs,
        "agreement": agreement.value,
        "agreement_low": agreement.low,
        "agreement_high": agreement.high,
        "kappa": chance.value,
        "kappa_low": chance.low,
        "kappa_high": chance.high,
        "most_common_disagreements": _disagreements(table),
    }
    said = _said(agreement, chance, pairs)
    verdicts = [_verdict(agreement.value, agreement.high, least_agreement)]
    if least_kappa is not None:
        if chance.value is None:
            raise CannotSay("all labels are one and the same, so kappa says nothing", **found)
        verdicts.append(_verdict(chance.value, chance.high, least_kappa))
    if None in verdicts and False not in verdicts:
        raise CannotSay(f"{said}: below the minimum, but too few pairs to be sure", **found)
    return by_figure(
        check, success=False not in verdicts, observed=said, value=agreement.value, elements=pairs, **found
    )


def _limits(check: Check) -> tuple[float | None, float | None]:
    agreement = share(check.params, "min_agreement", unless=0.0) if "min_agreement" in check.params else None
    value = figure(check.params, "min_kappa")
    if agreement is None and value is None:
        raise CheckError("it needs min_agreement, min_kappa or both")
    return agreement, value


def _verdict(value: float, high: float, least: float | None) -> bool | None:
    if least is None or value >= least:
        return True
    return False if high < least else None


def _table(check: Check, scope: Scope) -> tuple[int, Counter[tuple[str, str]]]:
    """How many rows there are, and how often each pair of labels occurs, as people would compare them."""
    ours, theirs = scope.text(check.column), _other(check, scope)
    cut = [sa.func.substr(one, 1, _LONGEST) for one in (ours, theirs)]
    inner = scope.select(cut[0].label("ours"), cut[1].label("theirs")).subquery()
    grouped = sa.select(inner.c.ours, inner.c.theirs, sa.func.count()).group_by(inner.c.ours, inner.c.theirs)
    table: Counter[tuple[str, str]] = Counter()
    rows = 0
    for place, (one, other, count) in enumerate(scope.connection.execute(grouped.limit(_MOST_PAIRS + 1))):
        if place == _MOST_PAIRS:
            raise CheckError(f"there are more than {_MOST_PAIRS:,} different pairs: these are no labels")
        rows += count
        if one is not None and other is not None and one.strip() and other.strip():
            table[_label(one), _label(other)] += count
    return rows, table


def _other(check: Check, scope: Scope) -> Column:
    name = needs(check, "against")
    if name != DECISIONS or (name in scope.rows.columns and scope.decided is None):
        return scope.text(name)
    if scope.decided is None:
        raise CheckError("what people decided is not on record here; name a column")
    return sa.cast(scope.decided(check.column), sa.Text)


def _label(text: str) -> str:
    """A label as people compare it: case and blanks do not matter, nor does 12.50 differ from 12.5."""
    value = number(text)
    return plain_number(value.normalize()) if value is not None else " ".join(text.split()).casefold()


def _disagreements(table: Counter[tuple[str, str]]) -> list[dict[str, object]]:
    apart = Counter({pair: count for pair, count in table.items() if pair[0] != pair[1]})
    return [{"label": one, "against": other, "count": count} for (one, other), count in apart.most_common(_NAMED)]


def _said(agreement: Interval, chance: Kappa, pairs: int) -> str:
    text = f"agreement {agreement} of {pairs:,}"
    if chance.value is None:
        return f"{text}, kappa unknown"
    return f"{text}, kappa {chance.value:.2f} ({chance.low:.2f} to {chance.high:.2f})"
