"""What is redacted before a record is written, and what must stay."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.record import Record
from afterpilot.domain.source import Source
from afterpilot.pull.patterns import masked
from afterpilot.pull.redact import redact

SOURCE = Source(
    connection="erp",
    table="runs",
    key="id",
    time="at",
    late_by=timedelta(),
    history=timedelta(days=1),
    fields={"contact": "text", "phone_id": "number", "document": "text", "total": "number"},
    personal=("contact", "phone_id"),
)


def record(**data: object) -> Record:
    """A record with these fields."""
    return Record("w", "k", datetime(2026, 11, 16, tzinfo=UTC), data)


def test_a_personal_field_is_replaced_as_a_whole_whatever_its_type() -> None:
    """Nothing of its content stays."""
    found = redact(record(contact="Ann Lee", phone_id=491234, document="paid", total="4.50"), SOURCE)
    assert found.data == {"contact": "[redacted]", "phone_id": "[redacted]", "document": "paid", "total": "4.50"}


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_personal_value_stays_missing(value: str | None) -> None:
    """A check for completeness can still find it."""
    assert redact(record(contact=value), SOURCE).data["contact"] == value


def test_redacting_twice_changes_nothing() -> None:
    """What was redacted stays as it is."""
    once = redact(record(contact="Ann", document="write to ann@example.com or call +49 30 1234567"), SOURCE)
    assert redact(once, SOURCE) == once


def test_only_text_is_searched() -> None:
    """A number is never taken for a card."""
    assert redact(record(total="4111111111111111"), SOURCE).data["total"] == "4111111111111111"


def test_text_where_a_number_was_declared_is_searched_too() -> None:
    """A source whose column changed its type must not fill the ops database with what people wrote."""
    assert redact(record(total="ask ann@example.com"), SOURCE).data["total"] == "ask [e-mail]"


def test_order_numbers_that_happen_to_have_the_check_digits_of_an_account_stay() -> None:
    """One of 97 has them, but no country writes such accounts."""
    numbers = [f"{head}{20261118000000 + number}" for head in ("RE", "PO", "SO") for number in range(200)]
    assert [masked(f"order {number}") for number in numbers] == [f"order {number}" for number in numbers]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to Ann.Lee+ap@mail.example.co.uk.", "write to [e-mail]."),
        ("<bob_x@example.com>", "<[e-mail]>"),
        ("call +49 (0)30 1234-567 now", "call [phone] now"),
        ("+442079460958", "[phone]"),
        ("(020) 7946 0958", "[phone]"),
        ("Tel.: 030 123 45 67, thanks", "Tel.: [phone], thanks"),
        ("Phone no: 555-123-4567", "Phone no: [phone]"),
        ("IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFF", "IBAN [account] BIC COBADEFF"),
        ("GB29NWBK60161331926819", "[account]"),
        ("card 4111 1111 1111 1111 exp 12/27", "card [card] exp 12/27"),
        ("3782-822463-10005", "[card]"),
        ("5555555555554444", "[card]"),
        ("2 4111 1111 1111 1111", "2 [card]"),
        ("pay to NL91ABNA0417164300, thanks", "pay to [account], thanks"),
        ("FR76 3000 6000 0112 3456 7890 189", "[account]"),
        ("call +1 (555) 010-0100 now", "call [phone] now"),
        ("ssn: 078-05-1120", "ssn: [national id]"),
        ("his number 123-45-6789.", "his number [national id]."),
        ("NI number AB 12 34 56 C", "NI number [national id]"),
        ("(AB123456C)", "([national id])"),
        ("Steuer-ID 36 574 261 809", "Steuer-ID [national id]"),
        ("1 85 05 78 006 084 91", "[national id]"),
        ("DNI:12345678Z", "DNI:[national id]"),
        ("born RSSMRA85T10A562S", "born [national id]"),
        ("BSN 111222333", "BSN [national id]"),
        ("900101-0017", "[national id]"),
        ("AHV 756.9217.0769.85", "AHV [national id]"),
        ("CPF 390.533.447-05", "CPF [national id]"),
        ("national id no. 85051700112", "national id no. [national id]"),
        ("call +44\u00a020\u202f7946\u00a00958", "call [phone]"),  # as web pages and word processors write it
        ("call +44\u201320\u20117946\u20130958", "call [phone]"),
        ("IBAN: DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "IBAN: [account]"),
        ("4111\u00a01111\u00a01111\u00a01111", "[card]"),
        ("4111.1111.1111.1111", "[card]"),
        ("ann\uff20example.com", "[e-mail]"),
        ("+49 (0) 30 / 123 45-67", "[phone]"),
        ("+442079460958 100.00", "[phone] 100.00"),  # as in a table
        ("row 12 (020) 7946 0958", "row 12 [phone]"),
        ("SSN 219099998 2026-11-18", "SSN [national id] 2026-11-18"),
        ('{"phone": "02079460958", "ssn":"219099998"}', '{"phone": "[phone]", "ssn":"[national id]"}'),
        (
            '{"customer_phone_number": 2079460958, "tax_id": "36574261809"}',
            '{"customer_phone_number": [phone], "tax_id": "[national id]"}',
        ),
        ("Phone:\t020 7946 0958\nTelefonnummer:  030 123456", "Phone:\t[phone]\nTelefonnummer:  [phone]"),
        ("T\u00e9l. : 01 23 45 67 89", "T\u00e9l. : [phone]"),
        ("her phone number is 555 0173 22", "her phone number is [phone]"),
        ("DE 89 3704 0044 0532 0130 00", "[account]"),
        ("DE89-3704-0044-0532-0130-00", "[account]"),
        (r'{"a": "Hello\nann@example.com\n\u201eTel: 030 1234567"}', r'{"a": "Hello\n[e-mail]\n\u201eTel: [phone]"}'),
        (r'{"é": "\tDE89370400440532013000\r4111111111111111"}', r'{"é": "\t[account]\r[card]"}'),
        (
            r'{"a": "{\"b\": \"\\nBSN 111222333\"}", "n": 1.50}',
            r'{"a": "{\"b\": \"\\nBSN [national id]\"}", "n": 1.50}',
        ),
        (r'{"a": "cut off\n+49 30 1234567', r'{"a": "cut off\n[phone]'),
        (r'["\ud83d é\nann@example.com"]', r'["\ud83d \u00e9\n[e-mail]"]'),
        ("call 0044 20 7946 0958 now", "call [phone] now"),
        ("0049 (0)30 1234567", "[phone]"),
        ("row 12 0044/20/7946 0958", "row 12 [phone]"),
        ("iban de89 3704 0044 0532 0130 00, thanks", "iban [account], thanks"),
        ("gb29nwbk60161331926819", "[account]"),
        ("de89370400440532013000 bic cobadeff", "[account] bic cobadeff"),
        ("Nl91Abna0417164300", "[account]"),
        ("Tel: 030 1234567, 030 7654321", "Tel: [phone], [phone]"),
        ("Tel.: 030 1234567 / 030 7654321 or +49 30 998877", "Tel.: [phone] / [phone] or [phone]"),
        ("phone: 555-123-4567; 555-123-4568, 2026-11-18", "phone: [phone]; [phone], 2026-11-18"),
        ("name@пример.рф, thanks", "[e-mail], thanks"),
        ("имя@пример.рф", "[e-mail]"),
        ("name@xn--e1afmkfd.xn--p1ai.", "[e-mail]."),
        (
            "नाम@उदा.भारत",
            "[e-mail]",
        ),
        ("to ann@example.com请回复", "to [e-mail]请回复"),
        ("Diners 3056 930902 5904", "Diners [card]"),
        ("38520000023237", "[card]"),
        ("UnionPay 6200 0000 0000 0005", "UnionPay [card]"),
        ("6205500000000000004", "[card]"),
        ("cell 555-123-4567, cell: 12345678, cell 5551234567", "cell [phone], cell: [phone], cell [phone]"),
        ("+34 612 345 000", "[phone]"),  # ends as an amount does, and is a mobile phone's
    ],
)
def test_personal_patterns_are_masked_in_free_text(text: str, expected: str) -> None:
    """E-mail addresses, phone, account and card numbers and national ids become words."""
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Invoice no: INV-3101874",
        "Order: PO-51187",
        "12 x Desk lamp @ 31.50 = 378.00",
        "Total due: 1,234,567.89 USD",
        "2026-11-20T14:05:00+00:00",
        "+2026-11-20 in a patch",
        "difference: +12345678.90 EUR",
        "DE89 3704 0044 0532 0130 01",  # wrong check digits
        "4111 1111 1111 1112",  # wrong check digit
        "order 20261120123456",
        "Payment: 30 days net",
        "(2026) 1234",
        "VAT DE123456789",
        "part 555-123-4567",
        "a@b",
        "see telescope 12345678",
        "order 123-45-678",
        "part 000-12-3456",  # no such social security number
        "12345678A",  # wrong check letter
        "901332-0017",  # no such day
        "+99999999999999 points",
        "vans in 123456789",
        "asked by phone 2026-11-18 and by fax 2026-11-19",
        "RE20261118000033",
        "(2024) 123-4567",
        "sold +12 500 000 units",
        "+49 500 000",
        "+1.250.000",
        "cell 12345678",
        "in cell 123456 of the sheet",
        "part 0012 4500 1000",  # zeros in front, and no number that a country has given out
        "00441234567890",
        "order 6200000000000006",  # wrong check digit
        "de89 3704 0044 0532 0130 01",
        "Fax: none, 20261118 and 30 more",
    ],
)
def test_what_is_not_personal_stays(text: str) -> None:
    """Numbers of invoices and orders, amounts, dates and near misses are not touched."""
    assert masked(text) == text


digits = st.integers(0, 10**12 - 1)


@given(
    st.one_of(
        st.integers(0, 9_999_999).map("INV-{:07d}".format),
        st.integers(0, 99_999).map("PO-{:05d}".format),
        st.decimals(0, 10**9, places=2).map("{:,.2f} USD".format),
        st.decimals(-(10**9), 10**9, places=2).map("{:+.2f}".format),
        st.dates(date(1990, 1, 1), date(2100, 1, 1)).map(str),
        st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.isoformat() + "+00:00"),  # noqa: DTZ001 - written as UTC
        digits.map(str),
    ),
    st.sampled_from(["{}", "Invoice no: {}", "Total {} due", "ref #{}.", "({})"]),
)
def test_numbers_of_an_invoice_are_never_damaged(number: str, frame: str) -> None:
    """Whatever the digits are, numbers of invoices and orders, amounts, dates and plain numbers stay."""
    text = frame.format(number)
    assert masked(text) == text


@given(st.text(max_size=200))
def test_masking_is_stable_for_any_text(text: str) -> None:
    """It never fails, and a second pass finds nothing new."""
    once = masked(text)
    assert masked(once) == once


@given(
    st.from_regex(r"[a-z0-9]{1,10}(\.[a-z0-9]{1,10})?@[a-z]{2,10}\.(com|org|co\.uk)", fullmatch=True),
    st.sampled_from(["from {} today", "{}", "<{}>", "mail:{};"]),
)
def test_no_address_survives(address: str, frame: str) -> None:
    """Every ordinary e-mail address is gone."""
    assert address not in masked(frame.format(address))
