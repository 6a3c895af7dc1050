"""Slack's Web API as a transport.

slack_sdk's own retries are off: after a lost reply they post twice. Each message carries an opaque reference in its metadata,
by which it can be found again. What an error means stands in :mod:`afterpilot.notify.slack_errors`.

Scopes: ``chat:write``, ``channels:history``, ``channels:read``; ``files:write`` for charts; for private channels the same of
``groups:``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from slack_sdk import WebClient

from afterpilot.domain.delivery import Posted
from afterpilot.domain.errors import ConfigurationError, DeliveryGone, DeliveryRefused, DeliveryUnclear
from afterpilot.domain.message import Message
from afterpilot.notify.blocks import render, render_thread
from afterpilot.notify.slack_errors import translated
from afterpilot.notify.text import one_line

log = logging.getLogger(__name__)

EVENT = "afterpilot_message"
SLACK = "https://slack.com/api/"

_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{6,20}")
_TIME_STAMP = re.compile(r"\d+\.\d+")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_PAGES = 20
_PAGE = 900  # messages or channels; Slack gives up to 999
_CLOCKS_APART = 3600.0  # seconds that our clock and Slack's may differ


class SlackTransport:
    """Posts with a bot token.

    Args:
        token: the bot token.
        base_url: another address than Slack's, e.g. of a test double.
        timeout: seconds for each HTTP request; the outbox's lease must be longer than those of one post and its picture.
        pace: seconds between two posts to one channel (Slack allows about one a second).
        interactive: whether the installation takes answers, so that buttons act at once.

    Raises:
        ConfigurationError: the token cannot be one.
    """

    name = "slack"
    threads = True

    def __init__(
        self,
        token: str,
        base_url: str | None = None,
        *,
        timeout: int = 15,
        pace: float = 1.0,
        interactive: bool = False,
    ) -> None:
        if not printable(token.strip()):
            raise ConfigurationError("the Slack token is empty or holds characters that no token has")
        self._client = WebClient(
            token=token.strip(), base_url=base_url or SLACK, timeout=timeout, retry_handlers=[], logger=_quiet()
        )
        self.pace = pace
        self._interactive = interactive
        self._ids: dict[str, str] = {}

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Post it, and its picture in its thread; a picture that fails is logged and never costs the message."""
        content = self._content(message, reference, in_thread=bool(thread))
        where = self._ids.get(channel.lstrip("#"), channel)
        quiet = {"unfurl_links": False, "unfurl_media": False}
        in_thread = {"thread_ts": thread} if thread else {}
        posted = self._write("chat.postMessage", {"channel": where, **content, **quiet, **in_thread})
        self._ids[channel.lstrip("#")] = posted.channel
        if picture is not None:
            self._add_picture(posted, picture, message, thread=thread or posted.ts)
        return posted

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Replace the message that stands there; a message of the preview never stood in Slack and counts as gone."""
        if not _TIME_STAMP.fullmatch(posted.ts):
            raise DeliveryGone("the message was never posted in Slack")
        content = self._content(message, reference)
        return self._write("chat.update", {"channel": posted.channel, "ts": posted.ts, **content})

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """Look through the channel's or the thread's messages since then for our reference."""
        where = self._channel_id(channel)
        asked: dict[str, Any] = {
            "channel": where,
            "oldest": f"{since.timestamp() - _CLOCKS_APART:.6f}",
            "include_all_metadata": True,
            "limit": _PAGE,
        }
        method = "conversations.replies" if thread else "conversations.history"
        if thread:
            asked["ts"] = thread
        for page in self._pages(method, asked):
            for found in page.get("messages", ()):
                metadata = found.get("metadata") or {}
                payload = metadata.get("event_payload") or {}
                if metadata.get("event_type") == EVENT and payload.get("reference") == reference:
                    return Posted(where, str(found["ts"]))
        return None

    def _channel_id(self, channel: str) -> str:
        """The id of a channel given by id or name.

        Raises:
            DeliveryRefused: no channel of that name can be seen.
        """
        if _CHANNEL_ID.fullmatch(channel):
            return channel
        name = channel.lstrip("#")
        if name not in self._ids:
            self._read_channels("public_channel")
        if name not in self._ids:
            try:
                self._read_channels("private_channel")
            except ConfigurationError:  # the right to see private channels is not everybody's to have
                log.info("private channels cannot be listed", extra={"channel": name})
        if name not in self._ids:
            raise DeliveryRefused(f"Slack shows no channel #{one_line(name)[:80]}")
        return self._ids[name]

    def _read_channels(self, kind: str) -> None:
        for page in self._pages("conversations.list", {"types": kind, "exclude_archived": True, "limit": _PAGE}):
            self._ids.update({str(channel["name"]): str(channel["id"]) for channel in page.get("channels", ())})

    def _pages(self, method: str, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        cursor = ""
        for _ in range(_PAGES):
            page = self._call(method, params={**asked, **({"cursor": cursor} if cursor else {})})
            yield page
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return
        raise DeliveryUnclear(f"{method} has more than {_PAGES} pages: the answer may be further back")

    def _add_picture(self, posted: Posted, picture: bytes, message: Message, *, thread: str) -> None:
        try:
            self._client.files_upload_v2(
                channel=posted.channel,
                thread_ts=thread,
                content=picture,
                filename="chart.png",
                title=one_line(message.title)[:150] or "Chart",
                alt_txt=one_line(message.picture_alt)[:1000] or "Chart of the week",
            )
        except Exception as error:  # noqa: BLE001 - the message stands; whatever broke here must not post it again
            log.warning("a chart could not be uploaded: %s", translated("files.upload", error))

    def _content(self, message: Message, reference: str, *, in_thread: bool = False) -> dict[str, Any]:
        rendered = (render_thread(message) if in_thread else None) or render(message, interactive=self._interactive)
        return {
            "text": rendered.text,
            "blocks": list(rendered.blocks),
            "metadata": {"event_type": EVENT, "event_payload": {"reference": reference}},
        }

    def _write(self, method: str, asked: Mapping[str, Any]) -> Posted:
        answer = self._call(method, json=dict(asked))
        where, ts = answer.get("channel"), answer.get("ts")
        if not isinstance(where, str) or not isinstance(ts, str) or not _TIME_STAMP.fullmatch(ts):
            raise DeliveryUnclear(f"{method}: the reply does not say where the message stands")
        return Posted(where, ts)

    def _call(self, method: str, **asked: Any) -> Mapping[str, Any]:  # noqa: ANN401 - params or json, as slack_sdk names it
        try:
            answer = self._client.api_call(method, **asked).data
        except Exception as error:  # noqa: BLE001 - whatever broke, the request may have arrived
            raise translated(method, error) from None  # the cause may repeat what was sent
        if not isinstance(answer, dict):
            raise DeliveryUnclear(f"{method}: the reply is not an object")
        return answer


def printable(token: str) -> bool:
    """Whether it may be a token: one that cannot stand in a header would be repeated by the error about it."""
    return _PRINTABLE.fullmatch(token) is not None


def _quiet() -> logging.Logger:
    """A logger for slack_sdk, whose debug lines repeat whole requests."""
    logger = logging.getLogger("afterpilot.notify.slack_sdk")
    logger.setLevel(logging.CRITICAL)
    return logger
