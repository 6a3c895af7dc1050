"""A receiver whose reply comes byte by byte never ends by itself: the exchange does."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import pytest
import requests

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.errors import SourceError
from afterpilot.domain.http_deadline import within
from afterpilot.domain.releasing import Effect
from afterpilot.domain.review import CallBack
from afterpilot.domain.spend import Stop
from afterpilot.domain.stop_orders import StopOrder
from afterpilot.pull.http.client import Client, Limits
from afterpilot.review import call_back as releases
from afterpilot.spend.stopping import posting

pytestmark = pytest.mark.integration
T = TypeVar("T")
NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
HEAD = b"HTTP/1.1 500 Oh\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n"
ORDER = StopOrder(uuid.UUID(int=7), "w", "stop", Stop("call_back", "desk", path="/stop"), "why", NOW)


seconds: list[int] = []  # second requests on a connection


@contextmanager
def trickling(first: bytes, *, whole: bytes = b"") -> Iterator[str]:
    """The address of a server that says that at once, and then a byte every 50 ms as long as somebody listens. With ``whole`` that
    is its answer to the second request of a connection; the first one gets that.
    """
    over = threading.Event()
    seconds.clear()

    def serve(taken: socket.socket) -> None:
        with taken:
            try:
                taken.recv(65_536)
                if whole:
                    taken.sendall(whole)
                    taken.recv(65_536)
                    seconds.append(1)
                taken.sendall(first)
                while not over.is_set():
                    taken.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(taken,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


def ended(what: Callable[[], T]) -> T:
    """What it gives, if it ends at all: the byte of each 50 ms would keep it waiting for an hour."""
    found: list[T] = []
    worker = threading.Thread(target=lambda: found.append(what()), daemon=True)
    worker.start()
    worker.join(60)
    assert found, "it waits for ever"
    return found[0]


def test_an_order_whose_reply_never_says_what_it_is_is_told_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is not known, so neither is whether the order was taken."""
    monkeypatch.setattr(posting, "EXCHANGE_SECONDS", 0.5)
    with trickling(b"") as url:
        carried = ended(lambda: posting.post(Endpoint(url, "key"), ORDER, "/stop", b"{}", {}))
    assert (carried.state, carried.error) == ("later", "POST desk:/stop: no reply (TimeoutError)")


@pytest.mark.parametrize(("status", "state"), [(b"200 OK", "done"), (b"500 Oh", "later")])
def test_the_status_counts_although_its_headers_never_end(
    monkeypatch: pytest.MonkeyPatch, status: bytes, state: str
) -> None:
    """A receiver that has said so has taken the order, or has not."""
    monkeypatch.setattr(posting, "EXCHANGE_SECONDS", 0.5)
    with trickling(b"HTTP/1.1 " + status + b"\r\nX-Slow: ") as url:
        carried = ended(lambda: posting.post(Endpoint(url, "key"), ORDER, "/stop", b"{}", {}))
    assert carried.state == state


@pytest.mark.parametrize(
    ("status", "state", "error"),
    [(b"200 OK", "done", ""), (b"500 Oh", "later", "POST desk:/stop: HTTP 500"), (b"401 No", "refused", "HTTP 401")],
)
def test_the_status_counts_although_its_words_never_end(
    monkeypatch: pytest.MonkeyPatch, status: bytes, state: str, error: str
) -> None:
    """An order that was taken is done, and one that was not is tried again; nobody waits for the rest."""
    monkeypatch.setattr(posting, "EXCHANGE_SECONDS", 0.5)
    with trickling(HEAD.replace(b"500 Oh", status)) as url:
        carried = ended(lambda: posting.post(Endpoint(url, "key"), ORDER, "/stop", b"{}", {}))
    assert carried.state == state
    assert carried.error.endswith(error)


def test_what_is_asked_for_and_never_ends_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an answer is none."""
    monkeypatch.setattr(posting, "EXCHANGE_SECONDS", 0.5)
    with trickling(HEAD.replace(b"500 Oh", b"200 OK")) as url:
        found = ended(lambda: posting.get(Endpoint(url, "key"), ORDER, "/team/info", {"team_id": "t"}))
    assert not isinstance(found, bytes)
    assert found.state == "later"


def test_a_release_whose_reply_trickles_is_told_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver of released outputs is held to the same."""
    monkeypatch.setattr(releases, "EXCHANGE_SECONDS", 0.5)
    effect = Effect(
        "w", "k", 1, NOW, "00", released=True, reason="", decided_at=NOW, attempts=1, lease=uuid.UUID(int=1)
    )
    with trickling(HEAD) as url:
        (told,) = ended(lambda: releases.perform(Endpoint(url, "key"), CallBack("desk", "/out", "/held"), [effect]))
    assert (told.state, "TimeoutError" in told.error) == ("later", True)


@pytest.mark.parametrize("first", [b"", HEAD.replace(b"500 Oh", b"200 OK")], ids=["status line", "body"])
def test_a_source_that_drips_is_given_up(first: bytes) -> None:
    """So is a service that records or bills are read from."""

    def asked(url: str) -> str:
        client = Client(Endpoint(url, "key"), limits=Limits(attempts=1, answer=0.5))
        try:
            client.get("/runs")
        except SourceError as error:
            return str(error)
        return "answered"

    with trickling(first) as url:
        assert "the answer took longer than 0.5 s, 1 times in a row" in ended(lambda: asked(url))


def test_a_connection_that_is_kept_for_the_next_exchange_is_watched_too() -> None:
    """The first reply is whole and leaves the connection open; the second one trickles on it, and is cut off."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    with trickling(HEAD, whole=whole) as url, requests.Session() as session:
        with within(session, 5):
            assert session.get(url, timeout=5).content == b"x"

        def again() -> str:
            try:
                with within(session, 0.5):
                    session.get(url, timeout=5)
            except TimeoutError as error:
                return str(error)
            return "answered"

        assert ended(again) == "longer than 0.5 s"
        assert len(seconds) == 1
