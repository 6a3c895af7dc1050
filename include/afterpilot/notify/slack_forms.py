"""What people see while they answer in Slack: the form of a waiver, and short notes that only they see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from afterpilot.notify.text import clean, fitted

FORM = "waive"  # the form's callback id
REASON, LENGTH = "reason", "length"  # its blocks, and the elements in them
LENGTHS: Mapping[str, tuple[str, timedelta]] = {
    "1h": ("1 hour", timedelta(hours=1)),
    "4h": ("4 hours", timedelta(hours=4)),
    "1d": ("1 day", timedelta(days=1)),
    "3d": ("3 days", timedelta(days=3)),
    "7d": ("1 week", timedelta(days=7)),
    "14d": ("2 weeks", timedelta(days=14)),
    "30d": ("30 days", timedelta(days=30)),
}
_USUAL = "1d"
_LONGEST_REASON = 1000
_NOTE = 2000
_METADATA = 3000  # Slack's limit for what a form carries unseen


@dataclass(frozen=True, slots=True)
class Asked:
    """A form that was sent: the incident that it is about, the answers as given, and where its sender can be told something."""

    incident: str
    length: str
    reason: str
    response_url: str


def waiver_form(incident: str, response_url: str) -> dict[str, Any]:
    """The form: for how long, and why."""
    carried = json.dumps({"incident": incident, "response_url": response_url})
    if len(carried) > _METADATA:
        carried = json.dumps({"incident": incident[:100], "response_url": ""})
    options = [{"text": _plain(label), "value": value} for value, (label, _) in LENGTHS.items()]
    return {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": carried,
        "title": _plain("Waive an incident"),
        "submit": _plain("Waive"),
        "close": _plain("Cancel"),
        "blocks": [
            {
                "type": "input",
                "block_id": LENGTH,
                "label": _plain("For how long"),
                "hint": _plain("It is not told before. If it is still there then, it is told again."),
                "element": {
                    "type": "static_select",
                    "action_id": LENGTH,
                    "options": options,
                    "initial_option": next(option for option in options if option["value"] == _USUAL),
                },
            },
            {
                "type": "input",
                "block_id": REASON,
                "label": _plain("Why it may wait"),
                "hint": _plain("Your name and this reason are kept, and stand in the incident's thread."),
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "multiline": True,
                    "max_length": _LONGEST_REASON,
                },
            },
        ],
    }


def sent_form(view: Mapping[str, Any]) -> Asked:
    """What was filled in. Whatever is not as our form sends it is empty."""
    try:
        carried = json.loads(str(view.get("private_metadata") or "{}"))
    except ValueError:
        carried = {}
    carried = carried if isinstance(carried, dict) else {}
    values = _inside(view, "state", "values")
    return Asked(
        incident=str(carried.get("incident") or ""),
        length=str(_inside(values, LENGTH, LENGTH, "selected_option").get("value") or ""),
        reason=str(_inside(values, REASON, REASON).get("value") or ""),
        response_url=str(carried.get("response_url") or ""),
    )


def refusal(text: str, *, at: str = REASON) -> dict[str, Any]:
    """The reply that keeps the form open, with what is wrong below one of its fields."""
    return {"response_action": "errors", "errors": {at: clean(text)[:_NOTE] or "This cannot be taken."}}


def note(text: str) -> dict[str, Any]:
    """A text that only the person who clicked sees. It may hold what others wrote, so nothing in it is markup."""
    shown = fitted(clean(text) or "Done.", _NOTE)
    return {
        "response_type": "ephemeral",
        "replace_original": False,
        "text": shown,
        "blocks": [{"type": "section", "text": {"type": "plain_text", "text": shown, "emoji": False}}],
    }


def _inside(data: object, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}
