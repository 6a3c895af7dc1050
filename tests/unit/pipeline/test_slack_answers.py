"""Who answers in Slack: declared people by their Slack user ids, as the declarations stand."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from afterpilot.domain.workflow import Person
from afterpilot.pipeline.slack_answers import Declared, SlackAnswers

DANA, LEE, OPS = Person("Dana Ruiz", "U0DANA"), Person("Lee Okafor", "U0LEE"), Person("Ola Berg", "U0OPS")


def declared(owner: Person = DANA) -> Any:
    """One workflow and the fleet's operators; nothing else of either is looked at."""
    workflow = SimpleNamespace(slug="invoice_matching", owner=owner, deputy=LEE)
    return Declared(SimpleNamespace(fleet=SimpleNamespace(operators=(OPS,))), (workflow,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("user", "name"), [("U0DANA", "Dana Ruiz"), ("U0LEE", "Lee Okafor"), ("U0OPS", "Ola Berg"), ("U0EVE", ""), ("", "")]
)
def test_owners_deputies_and_operators_are_known(user: str, name: str) -> None:
    """Anybody else is not made up."""
    assert SlackAnswers(declared).name_of(user) == name


class Clock:
    """Seconds that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_old_declarations_answer_while_new_ones_are_read() -> None:
    """A click waits three seconds at most; a thousand declarations take longer."""
    clock, reading, go_on = Clock(), threading.Event(), threading.Event()
    read: list[Person] = []

    def slow() -> Declared:
        if read:
            reading.set()
            go_on.wait(10)
        read.append(DANA)
        return declared(DANA if len(read) == 1 else Person("Dana Ruiz-Berg", "U0DANA"))  # type: ignore[no-any-return]

    answers = SlackAnswers(slow, fresh=60, now=clock)
    assert answers.name_of("U0DANA") == "Dana Ruiz"
    clock.now = 61
    assert answers.name_of("U0DANA") == "Dana Ruiz"  # the old ones, at once
    assert reading.wait(10)
    assert answers.name_of("U0DANA") == "Dana Ruiz"  # nobody reads them a third time meanwhile
    go_on.set()
    end = time.monotonic() + 10
    while answers.name_of("U0DANA") != "Dana Ruiz-Berg" and time.monotonic() < end:
        time.sleep(0.01)
    assert answers.name_of("U0DANA") == "Dana Ruiz-Berg"
    assert len(read) == 2


def test_declarations_that_cannot_be_read_again_leave_the_old_ones() -> None:
    """A folder that is being replaced costs no answer."""
    clock, tries = Clock(), threading.Semaphore(0)
    broken = False

    def read() -> Declared:
        if broken:
            tries.release()
            raise OSError("the folder is away")
        return declared()  # type: ignore[no-any-return]

    answers = SlackAnswers(read, fresh=60, now=clock)
    answers.name_of("U0DANA")
    clock.now, broken = 61, True
    assert answers.name_of("U0DANA") == "Dana Ruiz"
    assert tries.acquire(timeout=10)
    assert answers.name_of("U0LEE") == "Lee Okafor"
