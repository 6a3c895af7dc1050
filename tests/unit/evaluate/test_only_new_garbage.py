"""What a run asks of the garbage collector, and that it gives it back."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import pytest

from afterpilot.evaluate.keeping import Keeper, run_beside


async def _one(keeper: Keeper[int]) -> None:
    await keeper.kept(1)


def test_what_was_there_before_is_not_searched_meanwhile() -> None:
    """While a run lasts, and no longer: also where it is ended by an error."""
    frozen: list[bool] = []

    def keep(_batch: Sequence[int]) -> None:
        frozen.append(gc.get_freeze_count() > 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_beside(_one, keep=keep)
    assert (frozen, gc.get_freeze_count()) == ([True], 0)


def test_what_somebody_else_keeps_from_it_stays_so() -> None:
    """A process that has frozen its objects before a fork finds them so after a run."""
    gc.freeze()
    try:
        run_beside(_one, keep=lambda _batch: None)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
