"""Which parts of windows with failing records a pull reads again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.window import Window
from afterpilot.pipeline.noticing import READ_AGAIN, merged, read_again, read_again_to

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(first: int, last: int) -> Window:
    """A window of whole hours."""
    return Window(START + first * HOUR, START + last * HOUR)


def test_few_windows_are_all_read_again_by_each_pull() -> None:
    """In their order, those that several incidents name once, and nothing behind the time that is read anyhow."""
    found = read_again([[hours(8, 9), hours(2, 4)], [hours(2, 4), hours(20, 30)]], before=START + 24 * HOUR)
    assert found == (hours(2, 4), hours(8, 9), hours(20, 24))


def test_nothing_is_read_again_where_nothing_fails() -> None:
    """Nor where it is of a time that is read anyhow."""
    assert read_again([], before=START) == ()
    assert read_again([[hours(5, 9)]], before=START + 5 * HOUR) == ()


spans = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 60)).map(lambda two: hours(two[0], sum(two))), max_size=8
)


@given(spans)
def test_every_part_has_its_turn_once_in_a_round(failing: list[Window]) -> None:
    """However many or long they are, a pull reads a day's worth at most, and no part waits for another to be good."""
    before = START + 1000 * HOUR
    wanted = sum((one.length for one in merged(failing)), timedelta())
    read: list[Window] = []
    after = None
    for _ in range(-(-wanted // READ_AGAIN)):
        part = read_again([failing], before=before, after=after)
        assert sum((one.length for one in part), timedelta()) == min(READ_AGAIN, wanted)
        read += part
        after = read_again_to({"read_again": [{"start": "", "end": one.end.isoformat()} for one in part]})
    assert merged(read) == merged(failing)
