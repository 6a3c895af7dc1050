"""Templates that make one text of several fields of a record: ``{total} {currency}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_FIELD = re.compile(r"\{([^{}]*)\}")


def fields_in(template: str) -> tuple[str, ...]:
    """The fields that a template needs; a text without braces is the name of one."""
    return tuple(name.strip() for name in _FIELD.findall(template)) if _FIELD.search(template) else (template,)


def filled(template: str, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """The value that a template stands for: a field as it is kept, or a text with each ``{field}`` replaced.

    None where a field that it needs is missing.
    """
    needed = fields_in(template)
    if any(values.get(name) is None for name in needed):
        return None
    if needed == (template,):
        return values[template]
    return _FIELD.sub(lambda match: str(values[match[1].strip()]), template)
