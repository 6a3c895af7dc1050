"""An HTTP exchange has an end, however slowly its bytes come: a time-out for each read alone would let it trickle for ever.

``requests`` and its ``urllib3`` know no time-out of the whole. So the sockets of an exchange are watched, and shut when its time is
over: what waits for a byte wakes up. Handshake, headers and body count together.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any


class _Watch:
    """The sockets of one exchange. ``over`` once its time is up."""

    def __init__(self) -> None:
        self.over = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._own: list[socket.socket] = []

    def add(self, found: object, *, own: bool = False) -> None:
        """Shut it with the others; ``own``: nobody else closes it."""
        if not isinstance(found, socket.socket):
            return
        with self._lock:
            self._sockets.append(found)
            if own:
                self._own.append(found)
            if self.over:
                _shut(found)

    def end(self) -> None:
        """The time is up."""
        with self._lock:
            self.over = True
            for one in self._sockets:
                _shut(one)

    def close(self) -> None:
        """The exchange is done with."""
        with self._lock:
            self._sockets.clear()
            for one in self._own:
                one.close()


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        socket.socket.shutdown(one, socket.SHUT_RDWR)  # not TLS's own, which would break what reads meanwhile


_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)


class _Watched:
    """What a connection of ``urllib3`` does besides."""

    sock: object

    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc] # urllib3's
        watch_socket(made)
        return made

    def getresponse(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - handed through
        """Of a connection that was kept from an earlier exchange, too."""
        if (watch := _watch.get()) is not None:
            watch.add(self.sock)
        return super().getresponse(*given, **named)  # type: ignore[misc] # http.client's


@contextlib.contextmanager
def within(session: Any, seconds: float) -> Iterator[None]:  # noqa: ANN401 - a requests.Session, which the domain does not know
    """What this thread sends through the session ends after that many seconds in all.

    Raises:
        TimeoutError: it was cut off.
    """
    for adapter in session.adapters.values():
        _prepare(adapter)
    with sockets_within(seconds):
        yield


@contextlib.contextmanager
def sockets_within(seconds: float) -> Iterator[None]:
    """Every socket that this thread gives to :func:`watch_socket` meanwhile is shut after that many seconds in all.

    Raises:
        TimeoutError: it was cut off.
    """
    watch = _Watch()
    timer = threading.Timer(seconds, watch.end)
    timer.daemon = True
    before = _watch.set(watch)
    timer.start()
    try:
        yield
    except Exception as error:
        if watch.over:
            raise TimeoutError(f"longer than {seconds:g} s") from error
        raise
    finally:
        timer.cancel()
        _watch.reset(before)
        watch.close()
    if watch.over:
        raise TimeoutError(f"longer than {seconds:g} s")


def watch_socket(made: socket.socket) -> None:
    """Shut it when the time is over. To be called before TLS takes it over."""
    if (watch := _watch.get()) is not None:
        watch.add(made.dup(), own=True)


def _prepare(adapter: Any) -> None:  # noqa: ANN401 - a requests.adapters.HTTPAdapter
    """Let its connections be watched, those through a proxy too."""
    _watched(adapter.poolmanager)
    if "proxy_manager_for" not in vars(adapter):
        through = adapter.proxy_manager_for

        def proxy_manager_for(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - handed through
            return _watched(through(*given, **named))

        adapter.proxy_manager_for = proxy_manager_for


def _watched(manager: Any) -> Any:  # noqa: ANN401 - a urllib3.PoolManager
    pools = manager.pool_classes_by_scheme
    if not any(issubclass(pool.ConnectionCls, _Watched) for pool in pools.values()):
        manager.pool_classes_by_scheme = {scheme: _with_watch(pool) for scheme, pool in pools.items()}
    return manager


def _with_watch(pool: Any) -> Any:  # noqa: ANN401 - a urllib3.HTTPConnectionPool
    connection = type(pool.ConnectionCls.__name__, (_Watched, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})
