"""Mail by a real SMTP server: what arrives, how it hangs together, and what each answer means."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from afterpilot.domain.connections import MailServer
from afterpilot.domain.delivery import Posted
from afterpilot.domain.errors import (
    AfterpilotError,
    ConfigurationError,
    DeliveryDeferred,
    DeliveryGone,
    DeliveryNeedless,
    DeliveryRefused,
    DeliveryUnclear,
    DeliveryUnreachable,
)
from afterpilot.domain.message import About, Fact, Link, Message
from afterpilot.notify import smtp
from afterpilot.notify.email import MailTransport
from doubles.mail import LOGIN, PASSWORD, MailDouble

pytestmark = pytest.mark.integration

DANA, LEE = "dana@example.com", "lee@example.com"
SENDER = "afterpilot@ops.a-company-with-a-very-long-name-of-many-words.example.com"
INCIDENT, FIRST, LAST = (str(uuid.UUID(int=number)) for number in (7, 1, 2))
MESSAGE = Message(
    tone="critical",
    title="FAIL <b>invoices</b>",
    summary="Åström & Søn\n.\nX-Not: a header",
    notification="FAIL invoices\r\nBcc: everybody@example.com\u202e: 100 %",
    facts=(Fact("Since", "14:00"),),
    details=(Fact("How sure", "certain"),),
    points=("<script>alert(1)</script>",),
    links=(
        Link("Open", "https://airflow.example/afterpilot?a=1&b=2", primary=True),
        Link("Bad", "javascript:alert(1)"),
    ),
    about=About(INCIDENT, "invoices", "quality.fresh", "critical", "open", "opened", "2026-11-20T14:00:00+00:00"),
)
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture(autouse=True)
def no_secret_in_any_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Of nobody."""
    caplog.set_level(logging.DEBUG)
    yield
    assert PASSWORD not in caplog.text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for 127.0.0.1 that vouches for itself; its key lies beside it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("mail") / "bundle.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.with_suffix(".key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return path


def tls(certificate: Path) -> ssl.SSLContext:
    """The server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


def sender(mail: MailDouble) -> MailTransport:
    """A transport without a login."""
    return MailTransport(MailServer("127.0.0.1", mail.port, SENDER, tls="none"))


def error_of(what: Callable[[], object]) -> AfterpilotError:
    """The error that it ends with, which holds no secret."""
    with pytest.raises(AfterpilotError) as caught:
        what()
    assert PASSWORD not in f"{caught.value!r} {caught.value.__cause__!r}"
    return caught.value


def test_a_mail_is_read_as_text_and_as_html() -> None:
    """Both parts say all of it; what came as data is neither a header nor markup."""
    with MailDouble() as server:
        posted = sender(server).post(f"{DANA}, {LEE}", MESSAGE, reference=FIRST)
    ((to, mail),) = server.mails
    assert to == (DANA, LEE)
    assert mail["Subject"] == "🔴 FAIL invoices Bcc: everybody@example.com: 100 %"
    assert (mail["Bcc"], mail["X-Not"], mail["Auto-Submitted"]) == (None, None, "auto-generated")
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    for part in (text, html):
        assert all(word in part for word in ("Åström", "14:00", "How sure", "https://airflow.example/afterpilot"))
        assert "javascript:" not in part
    assert "\n.\nX-Not: a header" in text.replace("\r\n", "\n")
    assert "<script>" not in html
    assert "FAIL &lt;b&gt;invoices" in html
    assert posted.answer == "250 2.0.0 queued as 42"


def test_an_incident_is_one_thread_and_a_repeated_mail_is_the_same_one() -> None:
    """Its end answers its beginning; the id comes from the letter. Ids are written as they are, however long the domain."""
    over = replace(MESSAGE, notification="OVER after 3 h invoices", tone="good")
    with MailDouble(lose_reply=True) as server:
        transport = sender(server)
        assert type(error_of(lambda: transport.post(DANA, MESSAGE, reference=FIRST))) is DeliveryUnclear
        server.lose_reply = False
        posted = transport.post(DANA, MESSAGE, reference=FIRST)
        transport.update(posted, over, reference=LAST)
    lost, again, end = (mail for _, mail in server.mails)
    domain = SENDER.partition("@")[2]
    assert lost["Message-ID"] == again["Message-ID"] == posted.ts == f"<{FIRST}@{domain}>"
    assert end["In-Reply-To"] == posted.ts
    assert end["References"].split() == [f"<incident.{INCIDENT}@{domain}>", posted.ts]
    assert again["References"] == f"<incident.{INCIDENT}@{domain}>"
    assert end["Subject"] == "Re: ✅ OVER after 3 h invoices"


def test_a_mere_change_is_no_mail() -> None:
    """And what stands elsewhere is told anew."""
    quiet = replace(MESSAGE, about=replace(MESSAGE.about, quiet=True, event="changed"))  # type: ignore[type-var]
    with MailDouble() as server:
        transport = sender(server)
        with pytest.raises(DeliveryNeedless):
            transport.update(Posted(DANA, f"<{FIRST}@example.com>"), quiet, reference=LAST)
        with pytest.raises(DeliveryGone):
            transport.update(Posted("#ap", "1700000000.0001"), MESSAGE, reference=LAST)
        assert transport.find(DANA, FIRST, datetime(2026, 11, 20, tzinfo=UTC)) is None
    assert server.mails == []


def test_a_picture_comes_with_the_mail() -> None:
    """Inside it, named by the HTML; nothing is loaded from anywhere."""
    with MailDouble() as server:
        sender(server).post(DANA, replace(MESSAGE, picture_alt='Pass "rate"'), reference=FIRST, picture=PICTURE)
    ((_, mail),) = server.mails
    image = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert image.get_content() == PICTURE
    assert f'src="cid:{image["Content-ID"].strip("<>")}" alt="Pass &quot;rate&quot;"' in html


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ({"MAIL": "550 5.7.1 not you"}, ConfigurationError),
        ({"MAIL": "552 too large"}, DeliveryRefused),
        ({"MAIL": "451 later"}, DeliveryDeferred),
        ({f"RCPT {DANA}": "550 no such user"}, DeliveryRefused),
        ({f"RCPT {DANA}": "450 greylisted"}, DeliveryDeferred),
        ({"DATA": "554 spam"}, DeliveryRefused),
        ({"DATA": "452 disk full"}, DeliveryDeferred),
    ],
    ids=str,
)
def test_what_a_server_says(says: dict[str, str], kind: type[AfterpilotError]) -> None:
    """4xx: later; 5xx: never; of the sender, the installation must be mended. Nothing is sent in any case."""
    with MailDouble(says=says) as server:
        error = error_of(lambda: sender(server).post(DANA, MESSAGE, reference=FIRST))
    assert type(error) is kind
    assert server.mails == []


def test_those_whom_a_server_takes_it_for_get_it(caplog: pytest.LogCaptureFixture) -> None:
    """The others are logged."""
    with MailDouble(says={f"RCPT {DANA}": "550 no such user"}) as server:
        sender(server).post(f"{DANA},{LEE}", MESSAGE, reference=FIRST)
    assert [to for to, _ in server.mails] == [(LEE,)]
    assert DANA in caplog.text


@pytest.mark.parametrize(
    "to", ["", "dana", "dana@example.com\r\nRCPT TO:<eve@example.com>", "a b@example.com", "Dana <d@e.com>"]
)
def test_what_is_no_address_gets_no_mail(to: str) -> None:
    """It is refused before anything is said to a server."""
    with MailDouble() as server:
        assert isinstance(error_of(lambda: sender(server).post(to, MESSAGE, reference=FIRST)), DeliveryRefused)
    assert server.mails == []


def test_nobody_there_is_nothing_sent() -> None:
    """It is tried again without a doubt."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gone = MailTransport(MailServer("127.0.0.1", port, SENDER, tls="none"))
    assert type(error_of(lambda: gone.post(DANA, MESSAGE, reference=FIRST))) is DeliveryUnreachable


def test_a_server_that_says_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before its time-out for each read."""
    monkeypatch.setattr(smtp, "EXCHANGE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = MailTransport(MailServer("127.0.0.1", silent.getsockname()[1], SENDER, tls="none"))
        assert isinstance(error_of(lambda: mute.post(DANA, MESSAGE, reference=FIRST)), DeliveryUnreachable)


@pytest.mark.parametrize("form", ["starttls", "tls"])
def test_tls_and_login(certificate: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """With a certificate that the environment's bundle vouches for; without it nothing is sent."""
    with MailDouble(tls=tls(certificate), implicit=form == "tls") as server:
        login = {} if form == "tls" else {"login": LOGIN, "password": PASSWORD}
        known = MailServer("127.0.0.1", server.port, SENDER, tls=form, **login)  # type: ignore[arg-type] # one of its words
        error = error_of(lambda: MailTransport(known).post(DANA, MESSAGE, reference=FIRST))
        assert isinstance(error, ConfigurationError)
        assert "certificate" in str(error)
        assert server.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        MailTransport(known).post(DANA, MESSAGE, reference=FIRST)
        assert len(server.mails) == 1


def test_a_wrong_password_must_be_mended(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So must a server that offers no TLS where it is asked for: a password is never sent without."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with MailDouble(tls=tls(certificate)) as server:
        wrong = MailServer("127.0.0.1", server.port, SENDER, LOGIN, f"not {PASSWORD}")
        assert isinstance(
            error_of(lambda: MailTransport(wrong).post(DANA, MESSAGE, reference=FIRST)), ConfigurationError
        )
    with MailDouble() as plain:
        asks = MailServer("127.0.0.1", plain.port, SENDER, LOGIN, PASSWORD)
        assert isinstance(
            error_of(lambda: MailTransport(asks).post(DANA, MESSAGE, reference=FIRST)), ConfigurationError
        )
