"""Values of a declaration: durations, shares, money, names. Each type reads its text and says in words what it wants."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from afterpilot.declare.cron import cron_error, days_a_year
from afterpilot.declare.currencies import CURRENCIES
from afterpilot.declare.problems import choices, describe
from afterpilot.domain.money import Cap, Money

NAME_CHARACTERS = 100
TEXT_CHARACTERS = 500
MAX_DAYS = 3_660
MAX_AMOUNT = Decimal(10) ** 12
MIN_PRICE = Decimal(10) ** -12

_DURATION = re.compile(r"^(\d{1,6})(m|h|d|w)$", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHARE = re.compile(r"^(\d{1,3}(?:\.\d{1,4})?) ?%$", re.ASCII)
_POINTS = re.compile(r"^(\d{1,3}(?:\.\d{1,4})?) ?pp$", re.ASCII)
_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"
_CURRENCY_AT_END = re.compile(r"([A-Za-z]+)\s*(?:/.*)?$")


@dataclass(frozen=True, slots=True)
class Words:
    """What a value looks like, for the reference and for hints."""

    text: str


class Wrong(ValueError):
    """A value is not what its type wants; ``hint`` says what would be right."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def typed(parse: Callable[[Any], Any], words: str) -> Any:  # noqa: ANN401 - builds the arguments of Annotated
    """What makes a type of a reader and of words for it, to be unpacked into ``Annotated``."""

    def validate(value: Any) -> Any:  # noqa: ANN401 - YAML holds anything
        try:
            return parse(value)
        except Wrong as error:
            message = {"text": str(error), "hint": error.hint or ("" if words == "text" else words)}
            raise PydanticCustomError("wrong", "{text}", message) from error

    return PlainValidator(validate), Words(words)


def text_of(value: Any, *, most: int = TEXT_CHARACTERS) -> str:  # noqa: ANN401 - YAML holds anything
    """The value as a text of one line that is not empty.

    Raises:
        Wrong: it is something else.
    """
    if not isinstance(value, str):
        hint = "put quotes around it" if isinstance(value, (int, float)) else ""
        raise Wrong(f"must be text, but is {describe(value)}", hint)
    if not value.strip():
        raise Wrong("is empty")
    if len(value) > most:
        raise Wrong(f"has {len(value)} characters, more than {most}")
    if not value.isprintable() and any(not (char.isprintable() or char == "\n") for char in value):
        raise Wrong("holds a character that cannot be shown")
    return value.strip()


def duration(value: Any) -> timedelta:  # noqa: ANN401 - YAML holds anything
    """Read ``30m``, ``2h``, ``28d`` or ``4w``."""
    match = _DURATION.match(text_of(value))
    if not match:
        raise Wrong(f"{describe(value)} is not a duration", "a whole number with m, h, d or w, such as 2h")
    length = timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})
    if length > timedelta(days=MAX_DAYS):
        raise Wrong(f"is longer than {MAX_DAYS:,} days")
    return length


def _some_time(value: Any) -> timedelta:  # noqa: ANN401
    length = duration(value)
    if not length:
        raise Wrong("must be longer than nothing")
    return length


def days_of(value: Any) -> int:  # noqa: ANN401
    """Read ``400d`` or ``4w`` as days. Raises Wrong for what is no whole day, or longer than ten years."""
    length = _some_time(value)
    if length % timedelta(days=1):
        raise Wrong("must be whole days", "such as 400d")
    return length.days


def share_of(value: Any) -> Decimal:  # noqa: ANN401 - YAML holds anything
    """Read ``80%`` as 0.8.

    Raises:
        Wrong: it is something else, or more than the whole.
    """
    match = _SHARE.match(value) if isinstance(value, str) else None
    if not match:
        raise Wrong(f"must be a share in per cent, but is {describe(value)}", "such as 5%")
    share = Decimal(match.group(1)) / 100
    if share > 1:
        raise Wrong("is more than 100 %")
    return share


def some_share_of(value: Any) -> Decimal:  # noqa: ANN401 - as above
    """Read a share that something can miss. Raises Wrong as above, and for 0 %."""
    share = share_of(value)
    if not share:
        raise Wrong("must be above 0 %")
    return share


def _points(value: Any) -> Decimal:  # noqa: ANN401
    match = _POINTS.match(value) if isinstance(value, str) else None
    if not match:
        raise Wrong(f"must be percentage points, but is {describe(value)}", "such as 5pp")
    points = Decimal(match.group(1)) / 100
    if not 0 < points <= 1:
        raise Wrong("is more than 100 percentage points" if points else "must be above 0 percentage points")
    return points


def _number(value: Any) -> Decimal:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Wrong(f"must be a number, but is {describe(value)}", "write it without quotes")
    return Decimal(str(value))


def _price(value: Any) -> Decimal:  # noqa: ANN401
    price = _number(value)
    if price < 0:
        raise Wrong("must not be below 0")
    if price > MAX_AMOUNT:
        raise Wrong("is more money than there is")
    if 0 < price < MIN_PRICE:
        raise Wrong("is so little that it cannot be told from nothing", "0 where it is free")
    return price


def _currency(value: Any) -> str:  # noqa: ANN401
    code = text_of(value)
    if code not in CURRENCIES:
        raise Wrong(f"{describe(code)} is not a currency", "an ISO 4217 code, such as USD or EUR")
    return code


def _known_currency(value: Any) -> None:  # noqa: ANN401
    found = _CURRENCY_AT_END.search(value) if isinstance(value, str) else None
    if found and found.group(1) not in {"day", "week", "month"}:
        _currency(found.group(1))


def _money(value: Any) -> Money:  # noqa: ANN401
    _known_currency(value)
    try:
        money = Money.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        raise Wrong(f"{describe(value)} is not an amount with a currency", "such as 2.50 USD") from error
    return _reasonable(money)


def _cap(value: Any) -> Cap:  # noqa: ANN401
    _known_currency(value.split("/")[0] if isinstance(value, str) else value)
    try:
        cap = Cap.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        if str(error) == "a cap must be above zero":
            raise Wrong("must be above zero", "such as 400 USD/month") from error
        if "366 days" in str(error):
            raise Wrong("is longer than 366 days", "such as 60 USD/7 days") from error
        hint = "an amount for each day, week, month or (rolling) stretch, such as 400 USD/month or 60 USD/7 days"
        raise Wrong(f"{describe(value)} is not a cap", hint) from error
    _reasonable(cap.limit)
    return cap


def _calendar_cap(value: Any) -> Cap:  # noqa: ANN401
    cap = _cap(value)
    if cap.length is not None:
        raise Wrong("must be for each day, week or month", "such as 400 USD/month")
    return cap


def _reasonable(money: Money) -> Money:
    if not 0 < money.amount <= MAX_AMOUNT:
        raise Wrong("must be above zero" if money.amount <= 0 else "is more money than there is")
    return money


def matching(pattern: str, what: str, hint: str, *, most: int = NAME_CHARACTERS) -> Callable[[Any], str]:
    """A reader of texts of one form."""
    compiled = re.compile(pattern)

    def parse(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
        text = text_of(value, most=most)
        if not compiled.fullmatch(text):
            raise Wrong(f"{describe(text)} is not {what}", hint)
        return text

    return parse


column_name = matching(_IDENTIFIER, "a column's name", "letters, digits and _, such as finished_at")
table_name = matching(rf"{_IDENTIFIER}(\.{_IDENTIFIER})?", "a table's name", "such as invoices or finance.invoices")
connection_name = matching(
    r"[A-Za-z][A-Za-z0-9_.-]{0,99}", "a connection's name", "name an Airflow connection, such as erp; never an address"
)


def _channel(value: Any) -> str:  # noqa: ANN401
    hint = 'in quotes, since # begins a comment: "#ap-automation"'
    if value is None:
        raise Wrong("is empty", hint)
    return matching(r"#[^\sA-Z#@,.:<>&]{1,80}|[CG][A-Z0-9]{8,20}", "a Slack channel", hint)(value)


def _cron(value: Any) -> str:  # noqa: ANN401
    text = text_of(value)
    if wrong := cron_error(text):
        raise Wrong(wrong, "minute, hour, day, month, day of the week in UTC, such as 0 6 * * mon")
    if not days_a_year(text):
        raise Wrong(f"{describe(value)} falls due on no day", "a month that has this day, such as 0 6 28 2 *")
    return " ".join(text.split())


def _base_url(value: Any) -> str:  # noqa: ANN401
    text = text_of(value)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise Wrong(f"{describe(text)} is not a web address", "such as https://airflow.example.com")
    return text.rstrip("/")


def one_of(*options: str) -> Callable[[Any], str]:
    """A reader of one of a few words."""

    def parse(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
        if isinstance(value, str) and value in options:
            return value
        raise Wrong(f"must be one of the accepted words, but is {describe(value)}", choices(str(value), options))

    return parse


Text = Annotated[str, *typed(text_of, "text")]
Name = Annotated[str, *typed(lambda value: text_of(value, most=NAME_CHARACTERS), "text of at most 100 characters")]
Slug = Annotated[
    str,
    *typed(
        matching(r"[a-z][a-z0-9_]{0,59}", "a workflow's name", "small letters, digits and _, such as invoice_matching"),
        "small letters, digits and _; the folder's name",
    ),
]
ScheduleName = Annotated[
    str,
    *typed(
        matching(r"[a-z][a-z0-9_]{0,59}", "a schedule's name", "small letters, digits and _, such as monday_morning"),
        "small letters, digits and _",
    ),
]
SlackUser = Annotated[
    str,
    *typed(
        matching(r"[UW][A-Z0-9]{6,20}", "a Slack user id", "such as U02AB3CD4: in Slack, profile → Copy member ID"),
        "Slack user id, such as `U02AB3CD4`",
    ),
]
Channel = Annotated[str, *typed(_channel, 'Slack channel in quotes, such as `"#ap-automation"`')]
Connection = Annotated[str, *typed(connection_name, "name of an Airflow connection")]
Table = Annotated[str, *typed(table_name, "table, or schema.table")]
Column = Annotated[str, *typed(column_name, "column")]
FileName = Annotated[str, *typed(lambda value: text_of(value, most=200), "file in the workflow's folder")]
Duration = Annotated[timedelta, *typed(duration, "duration, such as `30m`, `2h`, `28d`")]
SomeTime = Annotated[timedelta, *typed(_some_time, "duration above nothing, such as `30m`, `2h`, `28d`")]
Days = Annotated[int, *typed(days_of, "whole days, such as `400d`")]
Share = Annotated[Decimal, *typed(share_of, "share from 0% to 100%")]
SomeShare = Annotated[Decimal, *typed(some_share_of, "share above 0% up to 100%")]
Points = Annotated[Decimal, *typed(_points, "percentage points, such as `5pp`")]
Number = Annotated[Decimal, *typed(_number, "number")]
Price = Annotated[Decimal, *typed(_price, "number, 0 or more")]
Currency = Annotated[str, *typed(_currency, "ISO 4217 code, such as `USD`")]
MoneyText = Annotated[Money, *typed(_money, "amount and currency, such as `2.50 USD`")]
CapText = Annotated[Cap, *typed(_cap, "amount per day, week, month or stretch of time, such as `400 USD/month`")]
CalendarCapText = Annotated[Cap, *typed(_calendar_cap, "amount per day, week or month, such as `400 USD/month`")]
Cron = Annotated[str, *typed(_cron, "cron expression in UTC, such as `0 6 * * mon`")]
BaseUrl = Annotated[str, *typed(_base_url, "web address")]
Limit = Annotated[
    str,
    *typed(
        matching(r"(<|<=|>|>=) ?\d{1,3}(\.\d{1,4})? ?%", "a limit", 'a sign and a share, such as "< 3%"'),
        'sign and share, such as `"< 3%"`',
    ),
]
