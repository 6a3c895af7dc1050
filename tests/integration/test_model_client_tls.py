"""Whom the model client trusts: certificates of the environment's bundle, and no others."""

from __future__ import annotations

import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.evals import Case
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.exchange import Refused
from doubles.client import Clock, answer
from doubles.model import KEY, MODEL

pytestmark = pytest.mark.integration

TARGET = ModelTarget("double", MODEL, Prompt("hi"))
BODY = json.dumps({"model": MODEL, "choices": [{"message": {"content": "over TLS"}}]}).encode()


class Answers(http.server.BaseHTTPRequestHandler):
    """Says the same to everybody."""

    def do_POST(self) -> None:
        """The answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself; its key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "bundle.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    path.with_suffix(".key").write_bytes(key.private_bytes(serialization.Encoding.PEM, private, plain))
    return path


@pytest.fixture(scope="module")
def endpoint(bundle: Path) -> Iterator[Endpoint]:
    """A server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, bundle.with_suffix(".key"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Endpoint(f"https://127.0.0.1:{server.server_port}/v1", KEY)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_of_the_environment_is_trusted(
    endpoint: Endpoint, bundle: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """By whichever name it is given."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(bundle))
    assert answer(endpoint, TARGET, Case("a", {}, {})).text == "over TLS"


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key goes to such a server, and no retry can help."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    clock = Clock()
    with pytest.raises(Refused, match="certificate is not trusted"):
        answer(endpoint, TARGET, Case("a", {}, {}), clock=clock)
    assert clock.pauses == []
