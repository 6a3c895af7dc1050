"""Money: an exact amount in one currency, and caps over it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal, cast

Period = Literal["day", "week", "month", "rolling"]

# Commas part thousands and nothing else: "5,50 USD" is no amount, rather than 550.
WHOLE_NUMBER = r"(?:\d{1,3}(?:[,_]\d{3})+|\d+)"
_MONEY = re.compile(rf"^\s*({WHOLE_NUMBER}(?:\.\d+)?)\s*([A-Z]{{3}})\s*$", re.ASCII)
_CAP = re.compile(r"^\s*(.+?)\s*/\s*(?:(day|week|month)|([1-9]\d{0,2}) (hour|day)s?)\s*$", re.ASCII)
_LONGEST = timedelta(days=366)
_WHOLE = Decimal("0.995")  # rounds to 1
_LEAST = 4  # decimals below that
_ESTIMATED = Decimal("0.000001")


def digits_of(amount: Decimal, *, exact: bool = False) -> str:
    """An amount as people read it: ``2,345.60``, ``0.0200``, ``0.00059``.

    Two decimals from 1 on; below it four, or as many as two significant digits need. Rounding keeps the order of amounts.
    ``exact``: no digit is left out, as in what somebody has declared.
    """
    places = 2 if not amount or abs(amount) >= _WHOLE else max(_LEAST, 1 - amount.adjusted())
    if exact:
        places = max(places, -cast("int", amount.normalize().as_tuple().exponent))
    return f"{amount:,.{places}f}"


@dataclass(frozen=True, slots=True)
class Money:
    """``amount`` is finite; ``currency`` is an ISO 4217 code."""

    amount: Decimal
    currency: str = "USD"

    def __post_init__(self) -> None:
        if not self.amount.is_finite():
            raise ValueError("an amount of money must be finite")

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount + other.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same_currency(other)
        return self.amount < other.amount

    def __str__(self) -> str:
        return f"{digits_of(self.amount)} {self.currency}"

    @property
    def exact(self) -> str:
        """With every digit: a limit is never told as another one."""
        return f"{digits_of(self.amount, exact=True)} {self.currency}"

    def share_of(self, other: Money) -> Decimal:
        """This amount over the other one.

        Raises:
            ValueError: the currencies differ, or the other amount is not above zero.
        """
        self._same_currency(other)
        if other.amount <= 0:
            raise ValueError("a share needs an amount above zero")
        return self.amount / other.amount

    @classmethod
    def estimated(cls, amount: float, currency: str) -> Money:
        """Of arithmetic that is not exact, such as a forecast: to six decimals."""
        return cls(Decimal(amount).quantize(_ESTIMATED), currency)

    @classmethod
    def parse(cls, text: str) -> Money:
        """Read ``"400 USD"``.

        Raises:
            ValueError: the text is not an amount and a currency of three capital letters.
        """
        match = _MONEY.match(text)
        if not match:
            raise ValueError(f"{text!r} is not an amount with a currency, such as '400 USD'")
        try:
            return cls(Decimal(match.group(1).replace(",", "").replace("_", "")), match.group(2))
        except InvalidOperation as error:  # pragma: no cover - the pattern admits numbers only
            raise ValueError(f"{text!r} is not an amount") from error

    def _same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot combine {self.currency} with {other.currency}")


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that may be spent in each day, week or month of a calendar, or (rolling) in any stretch of ``length``."""

    limit: Money
    period: Period
    length: timedelta | None = None  # of a rolling one

    @property
    def every(self) -> str:
        """``day``, ``week``, ``month``, or ``24 hours``, ``7 days`` for a rolling one."""
        if self.length is None:
            return self.period
        days, rest = divmod(self.length, timedelta(days=1))
        count, unit = (days, "day") if days > 1 and not rest else (self.length // timedelta(hours=1), "hour")
        return f"{count} {unit}{'' if count == 1 else 's'}"

    def __str__(self) -> str:
        return f"{self.limit.exact} {'in' if self.length else 'a'} {self.every}"

    @classmethod
    def parse(cls, text: str) -> Cap:
        """Read ``"400 USD/month"``, or ``"60 USD/7 days"`` for a rolling one.

        Raises:
            ValueError: the text is not money per period, or the money is not above zero.
        """
        match = _CAP.match(text)
        if not match:
            raise ValueError(f"{text!r} is not a cap, such as '400 USD/month' (per day, week, month, or '7 days')")
        limit = Money.parse(match.group(1))
        if limit.amount <= 0:
            raise ValueError("a cap must be above zero")
        if match.group(2):
            return cls(limit, cast("Period", match.group(2)))
        length = int(match.group(3)) * timedelta(**{f"{match.group(4)}s": 1})
        if length > _LONGEST:
            raise ValueError("a cap reaches over 366 days at most")
        return cls(limit, "rolling", length)
