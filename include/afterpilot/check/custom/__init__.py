"""Expectations that AI workflows need beyond those of Great Expectations, each in two ways.

In the path :func:`judge` judges them over the records of a window, without Great Expectations. Each is a real expectation of
Great Expectations as well: ``from afterpilot.check.custom import ExpectFreshWithin`` gives its class, and :func:`register`
makes all of them known by name (``expect_fresh_within``), as a suite in a file wants it. Great Expectations is imported when
the first class is asked for and not before: that takes seconds and 230 MB.
"""

from __future__ import annotations

from typing import Any

from afterpilot.check.custom.batches import judge_batch
from afterpilot.check.custom.joined import joins, judge_together
from afterpilot.check.custom.judging import EXPECTS, judge, judge_all
from afterpilot.check.custom.scope import Scope
from afterpilot.check.custom.windowed import scope_of

__all__ = ["EXPECTS", "Scope", "joins", "judge", "judge_all", "judge_batch", "judge_together", "register", "scope_of"]


def register() -> None:
    """Make the expectations known to Great Expectations by their names."""
    import afterpilot.check.custom.expectations  # noqa: F401 - a class is known once it is defined


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class of Great Expectations'
    """The class of an expectation, such as ``ExpectFreshWithin``."""
    if not name.startswith("Expect"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from afterpilot.check.custom import expectations

    return getattr(expectations, name)
