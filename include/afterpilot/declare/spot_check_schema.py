"""The key ``spot_check`` of a declaration: a share, or the precision that the owner asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import Field

from afterpilot.declare.keys import Keys
from afterpilot.declare.problems import Flaw, choices, show_text
from afterpilot.declare.rules import dig
from afterpilot.declare.values import Column, Days, Points, Share
from afterpilot.domain.review import SpotCheck


class SpotCheckTerms(Keys):
    """Which of the outputs that were released alone a person looks at all the same."""

    share: Share = Field(
        "5%",
        validate_default=True,
        description="share of them; with a precision that of the first period, of which nothing is known",
    )
    precision: Points | None = Field(
        None, description="half of the 95 % interval of the error rate, at most: the sample is as large as that takes"
    )
    by: Column | None = Field(
        None, description="a field whose values are looked at each for itself, such as a kind of document"
    )
    period: Days = Field("7d", validate_default=True, description="for which an error rate is told")


def spot_check_of(given: Decimal | SpotCheckTerms) -> SpotCheck:
    """As the gate and the report take it."""
    if isinstance(given, Decimal):
        return SpotCheck(share=given)
    return SpotCheck(
        share=given.share, precision=given.precision, by=given.by or "", period=timedelta(days=given.period)
    )


def spot_check_flaws(data: Mapping[str, Any]) -> Iterator[Flaw]:
    """What does not fit to the rest of the declaration."""
    by, known = dig(data, "spot_check", "by"), dig(data, "source", "fields")
    if not isinstance(by, str) or not isinstance(known, dict):
        return
    if by not in known:
        yield Flaw(("spot_check", "by"), f"'{show_text(by)}' is not one of source.fields", choices(by, list(known)))
    elif by in (dig(data, "source", "personal") or ()):
        yield Flaw(("spot_check", "by"), f"'{by}' is redacted when written, so nobody can tell its values apart")
