"""Scorer of retrieval: did the right sources come back, and how far up."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from math import log2

from afterpilot.evaluate.answers import as_text
from afterpilot.evaluate.scorers.question import Question, Result, ScorerError

_METRICS = ("hit_rate", "mrr", "ndcg")
_K = 5
_SHOWN = 5  # ids in a sentence


def retrieval(question: Question) -> Result:
    """The declared metric over the first ``k`` sources. A source that comes twice counts where it comes first."""
    wanted = question.wanted("ids")
    metric, k = question.param("metric", "hit_rate"), question.param("k", _K)
    right = {as_text(one) for one in ([wanted] if isinstance(wanted, str) else wanted or ())}
    if not right:
        raise ScorerError("the case expects no source, so retrieval cannot be scored")
    if metric not in _METRICS or not isinstance(k, int) or k < 1:
        raise ScorerError(f"retrieval cannot be scored by {metric!r} at {k!r}")
    sources = tuple(dict.fromkeys(question.reply.sources))[:k]
    figures = {
        "hit_rate": hit_rate(sources, right),
        "mrr": reciprocal_rank(sources, right),
        "ndcg": ndcg(sources, right, k),
    }
    ranks = [rank for rank, source in enumerate(sources, 1) if source in right]
    details = {
        **figures,
        "k": k,
        "expected": len(right),
        "found": len(ranks),
        "first_rank": ranks[0] if ranks else None,
    }
    return Result(figures[metric], "" if figures[metric] == 1 else _reason(sources, right, k), details)


def hit_rate(sources: Sequence[str], right: AbstractSet[str]) -> float:
    """1 where any right source is among them, else 0; its mean over cases is the hit rate at k."""
    return 1.0 if any(source in right for source in sources) else 0.0


def reciprocal_rank(sources: Sequence[str], right: AbstractSet[str]) -> float:
    """1 / rank of the first right source, 0 where none came; its mean over cases is MRR (Voorhees, TREC-8, 1999)."""
    return next((1 / rank for rank, source in enumerate(sources, 1) if source in right), 0.0)


def ndcg(sources: Sequence[str], right: AbstractSet[str], k: int) -> float:
    """Normalised discounted cumulative gain at k with relevance 0 or 1, 0 to 1 (Järvelin and Kekäläinen, 2002).

    DCG is the sum of 1 / log2(rank + 1) over the ranks of right sources; it is divided by the DCG of the best order there is.
    ``sources`` hold no id twice.
    """
    gain = sum(1 / log2(rank + 1) for rank, source in enumerate(sources[:k], 1) if source in right)
    ideal = sum(1 / log2(rank + 1) for rank in range(1, min(len(right), k) + 1))
    return min(gain / ideal, 1.0)


def _reason(sources: Sequence[str], right: AbstractSet[str], k: int) -> str:
    if not sources:
        return "no source was retrieved"
    missing = sorted(right - set(sources))
    if not missing:
        return f"the right sources are among the first {k}, but not first"
    return f"not among the first {k} sources: {', '.join(missing[:_SHOWN])}{' …' if len(missing) > _SHOWN else ''}"
