"""When a sample passes, and when a case with several epochs does."""

from __future__ import annotations

import pytest

from afterpilot.domain.evals import Reducer, Sample, Score


def sample(*scores: tuple[float, float], pass_score: float | None = None) -> Sample:
    """With these values and weights."""
    marks = tuple(Score("exact", value, value == 1, weight=weight) for value, weight in scores)
    return Sample("c", 0, "x", marks, pass_score=pass_score)


@pytest.mark.parametrize(
    ("scores", "least", "passes"),
    [
        (((1, 0.1), (1, 0.7), (0, 0.2)), 0.8, True),
        (((1, 0.1), (1, 0.7), (0, 0.2)), 0.8001, False),
        (((0, 1.0),), 0.5, False),
    ],
)
def test_what_is_lost_in_rounding_fails_no_sample(
    scores: tuple[tuple[float, float], ...], least: float, *, passes: bool
) -> None:
    """0.1 and 0.7 of 1 are 0.8, which a float misses by a hair."""
    assert sample(*scores, pass_score=least).passed is passes


@pytest.mark.parametrize(
    ("reducer", "values", "passes"),
    [
        (Reducer("mean", share=0.7), (0.7, 0.7, 0.7), True),
        (Reducer("mean", share=0.7), (0.7, 0.7, 0.6999), False),
        (Reducer("pass_at", 1, share=0.1), (1, *[0] * 9), True),
        (Reducer("pass_at", 1, share=0.1), (1, *[0] * 10), False),
    ],
)
def test_what_is_lost_in_rounding_fails_no_case(reducer: Reducer, values: tuple[float, ...], *, passes: bool) -> None:
    """Just as much as is asked for is enough, and a little less is not."""
    assert reducer.passes([sample((value, 1.0)) for value in values]) is passes
