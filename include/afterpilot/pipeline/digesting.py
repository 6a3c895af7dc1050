"""The sweep that puts all that could wait in a place into one message a day."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Severity
from afterpilot.notify.digest import Notice, digest_message
from afterpilot.pipeline.services import Services
from afterpilot.record.digests import Digests, Waiting


def send_digests(services: Services) -> int:
    """Queue the digest of each place where one is due, and return how many.

    Each is one transaction with the messages that it takes the place of: cut off, it is made again; made twice at once, the
    second finds nothing.
    """
    at = services.now()
    with services.ops.begin() as unit:
        places = Digests(unit.connection).due(at)
    return sum(_send(services, target, channel) for target, channel in places)


def _send(services: Services, target: str, channel: str) -> bool:
    at = services.now()
    with services.ops.begin() as unit:
        taken = Digests(unit.connection).take(target, channel, at)
        if not taken:
            return False
        slugs = {one.workflow for one in taken}
        unit.outbox.put(
            digest_message(_notices(services, taken), since=taken[0].created_at, at=at),
            dedupe_key=f"digest/{target}/{channel}/{taken[0].id}",
            workflow=slugs.pop() if len(slugs) == 1 else FLEET,
            kind="digest",
            channel=channel,
            target=target,
            severity=Severity.INFO,
        )
    return True


def _notices(services: Services, taken: Sequence[Waiting]) -> Sequence[Notice]:
    """One for each incident, as it stands now, and one for each message without any."""
    newest = {one.incident.id if one.incident else one.id: one for one in taken}
    return [
        Notice(
            one.workflow,
            one.incident.title if one.incident else one.message.title,
            services.messages.page(one.incident) if one.incident else "",
            one.incident,
        )
        for one in newest.values()
    ]
