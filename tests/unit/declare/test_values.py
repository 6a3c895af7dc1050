"""Durations, shares, money, cron expressions, secrets: what is read, and what is not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from afterpilot.declare.cron import cron_error, days_a_year
from afterpilot.declare.json_files import NotJson, json_schema, parse_json
from afterpilot.declare.secrecy import looks_secret
from afterpilot.declare.values import CapText, Channel, Cron, Duration, MoneyText, Points, Price, Share, SlackUser

BOUND = Decimal(10) ** 12


def value_of(kind: Any, raw: Any) -> Any:
    """The value that a type reads, or None where it refuses."""
    try:
        return TypeAdapter(kind).validate_python(raw)
    except ValidationError:
        return None


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (Duration, "90m", timedelta(minutes=90)),
        (Duration, "4w", timedelta(weeks=4)),
        (Duration, "1.5h", None),
        (Duration, "-2h", None),
        (Duration, "2 h", None),
        (Duration, "٢h", None),
        (Duration, 120, None),
        (Share, "5%", Decimal("0.05")),
        (Share, "2.5 %", Decimal("0.025")),
        (Share, "100%", Decimal(1)),
        (Share, "100.01%", None),
        (Share, "-1%", None),
        (Share, 0.05, None),
        (Points, "5pp", Decimal("0.05")),
        (Points, "5%", None),
        (SlackUser, "U02AB3CD4", "U02AB3CD4"),
        (SlackUser, "@dana", None),
        (Channel, "#ap-automation", "#ap-automation"),
        (Channel, "C012AB3CD", "C012AB3CD"),
        (Channel, "#AP", None),
        (Channel, "#a <!here>", None),
        (Channel, "ap-automation", None),
    ],
)
def test_values_are_read_exactly_or_not_at_all(kind: Any, raw: Any, value: Any) -> None:
    """No rounding, no guessing of units."""
    assert value_of(kind, raw) == value


@given(st.decimals(min_value=Decimal("0.01"), max_value=BOUND, places=2, allow_nan=False, allow_infinity=False))
def test_money_keeps_every_cent(amount: Decimal) -> None:
    """An amount comes back as it was written, whatever its size."""
    money = value_of(MoneyText, f"{amount} USD")
    assert money is not None
    assert (money.amount, money.currency) == (amount, "USD")


@pytest.mark.parametrize(
    "raw",
    ["0 USD/month", "5 USD", "5 usd/month", "5 $/month", "5 ABC/day", "USD 5/month", "5 USD/hour", "", None, 5, "5 XXX/day", "9999999999999 USD/day", "5,50 USD/month", "1,,2 USD/day", "\u0665 USD/month", "5_ USD/day"],
)  # fmt: skip
def test_no_cap_without_an_amount_a_currency_and_a_period(raw: Any) -> None:
    """Nothing that could be taken for no cap at all."""
    assert value_of(CapText, raw) is None


@pytest.mark.parametrize(
    ("raw", "amount"),
    [
        ("5,50 USD", None),
        ("1.234,50 USD", None),
        ("12,34,567 USD", None),
        ("1,234.50 USD", Decimal("1234.50")),
        ("12_345_678 USD", Decimal(12_345_678)),
        ("1234567 USD", Decimal(1_234_567)),
    ],
)
def test_a_comma_parts_thousands_and_nothing_else(raw: str, amount: Decimal | None) -> None:
    """Five euros and fifty cents, as they are written in many countries, are never 550."""
    money = value_of(MoneyText, raw)
    assert (money and money.amount) == amount


@pytest.mark.parametrize(
    ("raw", "price"),
    [(0, 0), (1e-9, Decimal("1e-9")), (1e12, Decimal(10) ** 12), (1e13, None), (1e30, None), (1e-13, None), (-1, None)],
)
def test_a_price_is_one_that_can_be_reckoned_with(raw: float, price: Decimal | None) -> None:
    """Neither more money than there is, nor so little that an hour of it would cost nothing."""
    assert value_of(Price, raw) == price


@pytest.mark.parametrize("good", ["5 * * * *", "*/15 0-6 1,15 * mon-fri", "0 6 * * 7", "0 0 1 jan *", "30 1 */2 * *"])
def test_cron_expressions_are_accepted(good: str) -> None:
    """Stars, ranges, lists, steps and names."""
    assert cron_error(good) == ""


@pytest.mark.parametrize("bad", ["@hourly", "", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *", "a * * * *", "1,,2 * * * *", "* * * * * *", "² * * * *"])  # fmt: skip
def test_cron_expressions_are_refused(bad: str) -> None:
    """Anything that Airflow would refuse, or read as something else."""
    assert cron_error(bad)


@pytest.mark.parametrize(
    "text",
    [
        "sk-abcdefgh12345678",
        "key sk-" + "ant-api03-abcdefgh12345678",
        "xoxb-1234567890-abc",
        "xapp-1-A012-345",
        "https://hooks.slack.com/services/T000/B000/abcdefgh",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnop1234",
        "postgresql+psycopg://app:word@db:5432/shop",
        "https://user:p%40ss@example.com",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.x",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "Authorization: Bearer abcdef0123456789",
    ],
)
def test_secrets_are_known_by_their_form(text: str) -> None:
    """Keys, tokens, webhooks and passwords in addresses, wherever in a text they stand."""
    assert looks_secret(text)
    assert looks_secret(f"before {text} after")


@pytest.mark.parametrize(
    "text",
    [
        "risk-assessment-2026",
        "task-12345678-done",
        "https://example.com/a:b@c",
        "sk-learn",
        "erp",
        "mailto:me@example.com",
        "12:30 to 13:30 @ the office",
        "https://airflow.example.com:8080/dags",
        "invoice INV-3101874 of PO-51187",
        "Bearer of bad news",
    ],
)
def test_ordinary_texts_are_not_taken_for_secrets(text: str) -> None:
    """Words, addresses and times that only look a little like one."""
    assert not looks_secret(text)


@pytest.mark.parametrize(
    "text",
    ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": 1, "a": 2}', '"\\ud800"', '"\\u0000"', "[" * 100_000, "1" * 10_000, "{", ""],
)  # fmt: skip
def test_json_that_cannot_be_kept_is_refused(text: str) -> None:
    """Whatever a database or another reader would choke on."""
    with pytest.raises(NotJson):
        parse_json(text)


@pytest.mark.parametrize(
    "text", ["[]", "true", '{"type": "objekt"}', '{"pattern": "("}', '{"$ref": "file:///etc/passwd"}']
)
def test_schemas_that_cannot_be_used_are_refused(text: str) -> None:
    """A schema that is none would let every answer pass."""
    with pytest.raises(NotJson):
        json_schema(text)


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 3 * * *", 10_227),
        ("*/5 * * * *", 10_227),
        ("0 3,15 * * 1", 1_461),
        ("0 3 * * mon-fri", 7_305),
        ("0 3 * * 0,7", 1_461),
        ("0 3 * * 5-7", 4_383),
        ("0 3 * * */2", 5_844),
        ("0 3 * * 1/2", 4_383),
        ("30 2 1 * *", 336),
        ("0 3 5/10 * *", 1_008),
        ("0 3 29 2 *", 7),
        ("0 3 30 feb *", 0),
        ("0 3 1 jan-mar *", 84),
        ("0 3 * 6/2 *", 3_444),
        ("0 3 1,15 * mon", 2_037),
        ("0 3 */3 * 1", 4_509),
        ("0 3 1-31 * 1", 10_227),
        ("0 3 */1 * */7", 1_461),
    ],
)
def test_the_days_of_a_schedule_are_counted_as_croniter_counts_them(expression: str, days: int) -> None:
    """Days of the 28 years from 2025 on, on which Airflow's own reader of cron expressions falls due."""
    assert days_a_year(expression) * 28 == pytest.approx(days)


@pytest.mark.parametrize("never", ["0 3 30 2 *", "0 3 31 2,4,jun *", "0 3 31 sep *"])
def test_a_schedule_that_never_falls_due_is_refused(never: str) -> None:
    """Airflow could not read it, and nothing would be overdue by it: a workflow that is never looked at would be green."""
    assert cron_error(never) == ""
    assert value_of(Cron, never) is None
    assert value_of(Cron, f"{never[:-1]}mon") == f"{never[:-1]}mon"


def test_what_is_no_schedule_has_no_days() -> None:
    """It says why."""
    with pytest.raises(ValueError, match="has 1 fields instead of 5"):
        days_a_year("nightly")
