"""What a reviewer's browser sends, checked before anything else sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

MOST_BYTES = 2_000_000
MOST_FIELDS = 500
FIELD = "field."
_LONGEST_REASON = 4000
_MOST_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, the last of equal names."""

    values: Mapping[str, str]

    def text(self, name: str) -> str:
        """One field without blanks at its ends; empty where there is none."""
        return self.values.get(name, "").strip()

    @property
    def item(self) -> tuple[str, str]:
        """The item that the form is about. Raises HTTPException 400 where it names none."""
        workflow, key = self.values.get("workflow", ""), self.values.get("key", "")
        if not workflow or not key:
            raise HTTPException(400, "The form names no item.")
        return workflow, key

    @property
    def typed(self) -> Mapping[str, str]:
        """What stands in the item's fields, with the lines as we keep them."""
        found = {name[len(FIELD) :]: value for name, value in self.values.items() if name.startswith(FIELD)}
        return {name: value.replace("\r\n", "\n") for name, value in found.items()}

    @property
    def reason(self) -> str:
        """Why it was decided so."""
        return self.text("reason")[:_LONGEST_REASON]

    def seconds(self, *, at_most: float) -> Decimal:
        """How long the item was on the screen: what the page counted, and never longer than since it was made."""
        limit = Decimal(str(max(0.0, min(at_most, _MOST_SECONDS))))
        try:
            said = Decimal(self.text("seconds") or "NaN")
        except InvalidOperation:
            said = Decimal("NaN")
        counted = said if said.is_finite() and said >= 0 else limit
        return round(min(counted, limit), 3)


async def read_form(request: Request) -> Form:
    """Read a form.

    Raises:
        HTTPException: 400 for what is none, 413 for one that is too large.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413, "The form is too large. Nothing was saved.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read. Nothing was saved.") from error
    return Form(dict(pairs))


Given = Annotated[Form, Depends(read_form)]
