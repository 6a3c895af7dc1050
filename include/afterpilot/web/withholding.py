"""What auditors do not read of fields that became personal after they had been kept as they are.

Older texts may quote such a field, and nobody can change most of them. So whatever names the field is withheld, whenever it was written: a
sentence, a finding, incident or message as a whole, and in evidence the field's own value and all that stands beside its name. A value that
is quoted without the name is not recognised. Engineers and owners read all of it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, ValuesView
from functools import lru_cache
from typing import Any

from afterpilot.domain.message import Message
from afterpilot.domain.run import FLEET
from afterpilot.record.history.late_personal import spelled
from afterpilot.web.personal import HIDDEN

Late = Mapping[str, frozenset[str]]  # workflow → its fields

WITHHELD = "[withheld: it names a field that is personal now]"
_NAMES = ("about", "column", "column_A", "column_B", "column_list", "columns", "field", "fields", "of")
_IN_EVIDENCE = frozenset({"evidence", "data", "corrected"})  # what is keyed by a field there is its value
_WORDS = frozenset({"title", "detail", "summary"})  # of a finding or an incident: one tells of the same as the other
# What stands beside a field's name and quotes no value of it.
_SAFE = frozenset(
    {
        *_NAMES,
        "expect",
        "check",
        "kind",
        "stage",
        "severity",
        "success",
        "state",
        "verdict",
        "workflow",
        "fingerprint",
        "id",
        "run_id",
    }
    | {
        "rows",
        "outputs",
        "elements",
        "element_count",
        "failing_total",
        "unexpected_count",
        "missing_count",
        "actor",
    }
    | {"transport", "target", "channel", "posted_ts", "posted_channel", "tone", "what", "path", "sha256", "version"}
)
# Of pages and rows, outside of evidence: words of ours, whatever else a workflow calls its fields. They are read, and not hidden as a value.
_OURS = frozenset(
    {"title", "summary", "detail", "reason", "reasons", "note", "text", "name", "subject", "payload", "message"}
    | {"notification", "facts", "label", "value", "points", "footer", "error", "action"}
)
_NOT_WALKED = frozenset(
    {"document", "query", "slugs", "stages", "problems", "days", "here", "form", "token", "who", "sight"}
)


def withheld(data: Any, late: Late | Callable[[], Late], *, workflow: str = "") -> Any:  # noqa: ANN401 - whatever a page shows
    """The same without what names such a field; ``workflow``: what the page is about, where a part does not say it itself."""
    known = late if isinstance(late, Mapping) else late()
    return _Walk(known).of(data, workflow) if any(known.values()) else data


class _Walk:
    def __init__(self, late: Late) -> None:
        self._late = late

    def of(self, value: Any, workflow: str, *, in_evidence: bool = False) -> Any:  # noqa: ANN401 - as above
        if isinstance(value, str):
            return WITHHELD if workflow and self._quotes(value, workflow) else value
        if isinstance(value, Mapping):
            return self._mapping(value, workflow, in_evidence=in_evidence)
        if isinstance(value, list | tuple | ValuesView):
            each = [self.of(one, workflow, in_evidence=in_evidence) for one in value]
            return value._make(each) if hasattr(value, "_make") else each if isinstance(value, list) else tuple(each)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._instance(value, workflow)
        return value

    def _mapping(self, value: Mapping[Any, Any], workflow: str, *, in_evidence: bool) -> Mapping[Any, Any]:
        workflow = _workflow_of(value, workflow)
        fields = self._fields(workflow)
        if fields and "tone" in value and "notification" in value and self._any(value, workflow):
            return {
                name: one if name in {"tone", "about", "mention", "picture"} else _emptied(one)
                for name, one in value.items()
            }
        named = fields and any(_named(value.get(name), fields) for name in _NAMES)
        told = fields and any(isinstance(value.get(one), str) and self._quotes(value[one], workflow) for one in _WORDS)
        hides = frozenset(value if named else _WORDS | _IN_EVIDENCE if told else ())
        return {
            WITHHELD if in_evidence and isinstance(key, str) and _mentions(key, fields) else key: self._value(
                key, one, workflow, in_evidence=in_evidence, hide=key in hides
            )
            for key, one in value.items()
        }

    def _value(self, key: Any, one: Any, workflow: str, *, in_evidence: bool, hide: bool) -> Any:  # noqa: ANN401 - as above
        """What stands under a key of a mapping; ``hide``: it stands beside the name of a field."""
        fields, name = self._fields(workflow), key if isinstance(key, str) else ""
        own = _names(name, fields) and not isinstance(one, bool | None)
        if own and (in_evidence or name not in _OURS | _SAFE | _NOT_WALKED):
            return _hidden(one, fields, numbers=in_evidence)
        if name in _NAMES and isinstance(one, str):
            return WITHHELD if any(_mentions(part, fields) for part in one.split(",")) else one
        if (name in _NOT_WALKED and not in_evidence) or (name in _SAFE and not isinstance(one, Mapping | list | tuple)):
            return one
        if hide:
            return _hidden(one, fields, numbers=in_evidence or name in _IN_EVIDENCE)
        return self.of(one, name if name in self._late else workflow, in_evidence=in_evidence or name in _IN_EVIDENCE)

    def _instance(self, value: Any, workflow: str) -> Any:  # noqa: ANN401 - as above
        row = getattr(value, "row", None)
        workflow = _workflow_of(row if isinstance(row, Mapping) else {}, workflow)
        own = getattr(value, "workflow", None)
        workflow = own if isinstance(own, str) and own else workflow
        if isinstance(value, Message) and workflow and self._any(dataclasses.asdict(value), workflow):
            return dataclasses.replace(
                value,
                title=WITHHELD, summary=WITHHELD, notification=WITHHELD, facts=(), details=(), points=(), point_urls=(), footer="", picture_alt="",
            )  # fmt: skip
        changed = {}
        for one in dataclasses.fields(value):
            before = getattr(value, one.name)
            after = before if one.name in _NOT_WALKED or not one.init else self.of(before, workflow)
            if after is not before and after != before:
                changed[one.name] = after
        return dataclasses.replace(value, **changed) if changed else value

    def _fields(self, workflow: str) -> Collection[str]:
        return self._late.get(workflow, frozenset()) if workflow and workflow != FLEET else frozenset()

    def _quotes(self, text: str, workflow: str) -> bool:
        """Whether a text names one of the workflow's fields and says more; one of the fleet has to name the workflow, too."""
        if workflow == FLEET:
            return any(
                _mentions(text, frozenset({slug})) and _mentions(text, of) for slug, of in self._late.items() if of
            )
        return _mentions(text, self._fields(workflow))

    def _any(self, value: Any, workflow: str) -> bool:  # noqa: ANN401 - as above
        if isinstance(value, str):
            return self._quotes(value, workflow)
        if isinstance(value, Mapping):
            return any(self._any(one, workflow) for one in value.values())
        return isinstance(value, list | tuple) and any(self._any(one, workflow) for one in value)


def _workflow_of(value: Mapping[Any, Any], otherwise: str) -> str:
    own = value.get("workflow")
    return own if isinstance(own, str) and own else otherwise


def _named(value: Any, fields: Collection[str]) -> bool:  # noqa: ANN401 - any JSON value
    """Whether columns that something is about are among the fields, or its words name one."""
    if isinstance(value, str):
        return bool(_pattern(frozenset(fields)).search(value))
    return isinstance(value, list | tuple) and any(_named(one, fields) for one in value)


def _names(text: str, fields: Collection[str]) -> bool:
    """Whether a text is the name of a field."""
    return bool(fields and text and _pattern(frozenset(fields)).fullmatch(text.strip()))


def _mentions(text: str, fields: Collection[str]) -> bool:
    """Whether a text names a field and is more than its name."""
    return bool(fields and _pattern(frozenset(fields)).search(text)) and not _names(text, fields)


@lru_cache(maxsize=256)
def _pattern(fields: frozenset[str]) -> re.Pattern[str]:
    """Any of the names where it is no part of a longer word."""
    return re.compile(rf"(?<!\w)(?:{spelled(fields)})(?!\w)", re.IGNORECASE)


def _hidden(value: Any, fields: Collection[str], *, numbers: bool) -> Any:  # noqa: ANN401 - any JSON value
    """Without its texts, and its ``numbers``; what quotes no value stays, unless a field is called so."""
    if isinstance(value, str):
        return HIDDEN if value else value
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return HIDDEN if numbers else value
    if isinstance(value, Mapping):
        return {
            name: one if name in _SAFE and not _names(name, fields) else _hidden(one, fields, numbers=numbers)
            for name, one in value.items()
        }
    return [_hidden(one, fields, numbers=numbers) for one in value] if isinstance(value, list | tuple) else value


def _emptied(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A part of a message as it is stored, without words."""
    if isinstance(value, str):
        return WITHHELD if value else value
    return [] if isinstance(value, list | tuple) else value
