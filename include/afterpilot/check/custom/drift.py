"""How far two distributions over the same bins lie apart, and how sure that is.

Both are given as counts. ``Distance.low`` and ``high`` are a 95 % interval from the delta method, with the bias and the spread
taken off that counts of one and the same distribution would show by chance alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Shares = NDArray[np.float64]

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance with its 95 % interval."""

    value: float
    low: float
    high: float


def psi(reference: Sequence[int], current: Sequence[int]) -> Distance:
    """Population stability index, Σ (q - p) ln(q / p), natural logarithm (the credit-scoring form of Jeffreys' divergence;
    S. Kullback & R. Leibler, 1951, Annals of Mathematical Statistics 22, 79-86).

    Without drift it is distributed as (1/n + 1/m) χ² with B - 1 degrees of freedom (B. Yurdakul, 2018, Statistical Properties
    of Population Stability Index): its mean is the bias, its variance is added to that of the delta method. Where a bin is
    empty on one side, half an observation is added to each bin of both.

    Raises:
        ValueError: the counts are not of the same bins, or one side has none.
    """
    one, other, smooth = _arrays(reference, current)
    p, q = _shares(one, smooth=smooth), _shares(other, smooth=smooth)
    ratio = np.log(q / p)
    value = float(np.sum((q - p) * ratio))
    slopes = (-ratio + 1 - q / p, ratio + 1 - p / q)
    noise = 1 / one.sum() + 1 / other.sum()
    free = len(p) - 1
    variance = _variance(p, slopes[0], one.sum()) + _variance(q, slopes[1], other.sum()) + 2 * free * noise**2
    return _interval(value, bias=free * noise, variance=variance)


def jensen_shannon(reference: Sequence[int], current: Sequence[int]) -> Distance:
    """Jensen-Shannon distance, the square root of the divergence to base 2: 0 for the same shares, 1 for no bin in common
    (J. Lin, 1991, IEEE Transactions on Information Theory 37, 145-151; D. Endres & J. Schindelin, 2003, ibid. 49, 1858-1860).

    Near p = q the divergence is χ² / (8 ln 2) of the shares, which gives bias and spread without drift as for :func:`psi`.

    Raises:
        ValueError: the counts are not of the same bins, or one side has none.
    """
    one, other, _ = _arrays(reference, current)
    p, q = _shares(one), _shares(other)
    middle = (p + q) / 2
    slopes = (_half_log(p, middle), _half_log(q, middle))
    divergence = float(np.sum(p * slopes[0]) + np.sum(q * slopes[1]))
    noise = (1 / one.sum() + 1 / other.sum()) / (8 * math.log(2))
    free = max(0, int(np.count_nonzero(middle)) - 1)
    variance = _variance(p, slopes[0], one.sum()) + _variance(q, slopes[1], other.sum()) + 2 * free * noise**2
    squared = _interval(divergence, bias=free * noise, variance=variance)
    root: Callable[[float], float] = lambda number: math.sqrt(min(1.0, max(0.0, number)))  # noqa: E731 - three uses
    return Distance(root(squared.value), root(squared.low), root(squared.high))


def moved(reference: Sequence[int], current: Sequence[int]) -> float:
    """The share of rows that would have to be in another bin for both to be the same (total variation distance), 0 to 1."""
    one, other, _ = _arrays(reference, current)
    return float(np.abs(_shares(one) - _shares(other)).sum() / 2)


def _arrays(reference: Sequence[int], current: Sequence[int]) -> tuple[Shares, Shares, bool]:
    one, other = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if one.shape != other.shape or one.ndim != 1 or not one.sum() or not other.sum():
        raise ValueError("two distributions need the same bins, and something in them")
    used = (one + other) > 0
    one, other = one[used], other[used]
    return one, other, bool((one == 0).any() or (other == 0).any())


def _shares(counts: Shares, *, smooth: bool = False) -> Shares:
    more = counts + 0.5 if smooth else counts
    shares: Shares = more / more.sum()
    return shares


def _half_log(share: Shares, middle: Shares) -> Shares:
    found = np.zeros_like(share)
    there = share > 0
    found[there] = 0.5 * np.log2(share[there] / middle[there])
    return found


def _variance(share: Shares, slope: Shares, rows: float) -> float:
    """Of a function of multinomial shares, to first order."""
    return float(max(0.0, np.sum(share * slope**2) - np.sum(share * slope) ** 2) / rows)


def _interval(value: float, *, bias: float, variance: float) -> Distance:
    value, bias = max(0.0, float(value)), float(bias)
    half = _Z95 * math.sqrt(variance)
    return Distance(value, max(0.0, value - bias - half), max(value, value - bias + half))
