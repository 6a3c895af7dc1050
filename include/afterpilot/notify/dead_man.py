"""The dead man's switch: an address elsewhere that is called after each good pass; when the calls stop, it calls somebody.

Its address is a secret: whoever knows it can keep it quiet. It stands in no text.
"""

from __future__ import annotations

from afterpilot.domain.http_deadline import within
from afterpilot.notify.http_post import unlogged

PATIENCE = 10.0  # seconds, for the whole exchange


def call(url: str, *, patience: float = PATIENCE) -> str:
    """Call it by GET; what went wrong, in a few words, empty where nothing did. Never raises."""
    import requests  # a fifth of a second

    try:
        with unlogged(), requests.Session() as session, within(session, patience):
            answer = session.get(url, timeout=patience, stream=True)
            answer.close()
    except Exception as error:  # noqa: BLE001 - its text may quote the address
        return (
            "it did not answer in time" if isinstance(error, TimeoutError | requests.Timeout) else type(error).__name__
        )
    return "" if answer.ok else f"it answered {answer.status_code}"
