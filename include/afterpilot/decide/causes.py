"""What changed since the last good run, from recorded fingerprints: the line that names a cause, or says that none is known.

A fingerprint is ``{prompt, cases, declaration, model, answered, data, judges, harness}``: hashes and names as texts;
``answered`` is {what of the reply: [its values]}, ``data`` and ``judges`` are {name: value}. A value that begins with
``unknown`` equals nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from afterpilot.domain.causation import AS_BEFORE

UNKNOWN = "unknown"
_NOTHING = (
    "nothing that we record changed: same prompt, cases, declaration, model named, model that answered, data, judges and "
    "Afterpilot. The provider may have changed the model behind its name, or something that the workflow reads and does not "
    "declare"
)
_HASHED = {"prompt": "our prompt", "declaration": "our declaration of the suite"}
_WORDS = {"model": "the model", "system_fingerprint": "the provider's fingerprint (system_fingerprint)"}
_SHORT = 7  # of a hash, as people know it from commits
_MOST = 3  # values that are named


@dataclass(frozen=True, slots=True)
class Causes:
    """Which parts of the fingerprint ``changed``, each as a sentence in ``lines``; what could not be compared is in ``unknown``."""

    changed: tuple[str, ...]
    lines: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The cause line."""
        said = "; ".join(self.lines) or _NOTHING
        return "; ".join([said, *(f"{what} cannot be compared" for what in self.unknown)])


def causes(
    now: Mapping[str, Any],
    good: Sequence[Mapping[str, Any]],
    *,
    cases: str = "",
    also: Sequence[str] = (),
    begun: Mapping[str, Any] | None = None,
) -> Causes:
    """Compare a run's fingerprint with those of good runs, oldest first; the last one is what it is held against.

    What a provider changes between replies (a fingerprint of whichever server answered) counts as changed only where none of
    the good runs had it. ``cases`` says in words how the cases differ, where that is known; ``also`` are causes that others
    have found, such as a judge that drifted. ``begun`` is of a run by which the drop had surely begun: where something had
    changed by then, what changed only later is no cause of it, and is told as such.
    """
    if not good:
        return Causes((), ("there is no earlier good run to compare with",))
    found = _changed(now, good, cases)
    early = {part for part, _ in _changed(begun, good, "")} if begun else set()
    causing = [(part, line) for part, line in found if part in early] or found
    later = [f"{line}, but only after the drop had begun" for part, line in found if (part, line) not in causing]
    unknown = tuple(f"{name} ({why})" for name, why in _unknown(now, good[-1]))
    lines = (*also, *(line for _, line in causing), *later)
    return Causes(tuple(dict.fromkeys(part for part, _ in causing)), lines, unknown)


def undone(then: Causes, now: Causes) -> Causes:
    """The cause of a drop that lasts: what had changed when it began, also where it is as before by now."""
    if now.changed or not then.changed:
        return now
    lines = tuple(f"{line}{AS_BEFORE}" for line in then.lines)
    return Causes(then.changed, lines, now.unknown)


def different(now: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> Causes:
    """How what a probe or run sees differs from what was seen before, oldest first; the last one is what it is held against.

    A provider's fingerprint that was seen lately is no change: replies come from several servers in turn. A model is, also
    where it was seen before: a switch back is a switch.
    """
    before = known[-1]
    found = [*_hashes(now, before, ""), *_answered(now, known, switching=True), *_named(now, before)]
    return Causes(tuple(dict.fromkeys(part for part, _ in found)), tuple(line for _, line in found))


def _changed(now: Mapping[str, Any], good: Sequence[Mapping[str, Any]], cases: str) -> list[tuple[str, str]]:
    """Each part that differs from the last good run, with its sentence."""
    before = good[-1]
    found = [*_hashes(now, before, cases), *_answered(now, good), *_named(now, before)]
    if now.get("harness", "") != before.get("harness", ""):
        found.append(("harness", f"Afterpilot itself changed: {before.get('harness')} → {now.get('harness')}"))
    return found


def _hashes(now: Mapping[str, Any], before: Mapping[str, Any], cases: str) -> Iterator[tuple[str, str]]:
    for part, words in _HASHED.items():
        if now.get(part, "") != before.get(part, ""):
            yield part, f"{words} changed ({_hash(before, part)} → {_hash(now, part)})"
    if now.get("cases", "") != before.get("cases", ""):
        hashes = f"{_hash(before, 'cases')} → {_hash(now, 'cases')}"
        yield "cases", f"our cases changed ({cases or hashes})"
    if now.get("model", "") != before.get("model", ""):
        yield "model", f"the model that we name changed: {before.get('model')} → {now.get('model')}"


def _answered(
    now: Mapping[str, Any], good: Sequence[Mapping[str, Any]], *, switching: bool = False
) -> Iterator[tuple[str, str]]:
    answers: Mapping[str, Sequence[str]] = now.get("answered", {})
    last: Mapping[str, Sequence[str]] = good[-1].get("answered", {})
    for what, values in answers.items():
        held = good[-1:] if switching and what == "model" else good
        seen = {value for one in held for value in one.get("answered", {}).get(what, ())}
        new = [value for value in values if value not in seen]
        if new and seen:
            of = "the model that answered" if what == "model" else _WORDS.get(what, f"the reply's {what}")
            yield "answered", f"{of} changed: {_list(last.get(what) or sorted(seen))} → {_list(new)}"


def _named(now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What has names: data that the workflow reads, and judges."""
    for part, words in (("data", "the data that the workflow reads changed"), ("judges", "the judge changed")):
        then, new = before.get(part, {}), now.get(part, {})
        if part not in before or part not in now:  # was not looked at
            continue
        for name in sorted({*then, *new}):
            old, value = str(then.get(name, "not there")), str(new.get(name, "not there"))
            if old != value and not old.startswith(UNKNOWN) and not value.startswith(UNKNOWN):
                yield part, f"{words}: {name} ({_brief(old)} → {_brief(value)})"


def _unknown(now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in sorted({*before.get("data", {}), *now.get("data", {})}):
        for value in (now.get("data", {}).get(name, ""), before.get("data", {}).get(name, "")):
            if str(value).startswith(UNKNOWN):
                yield name, str(value)
                break


def _hash(fingerprint: Mapping[str, Any], part: str) -> str:
    return str(fingerprint.get(part, ""))[:_SHORT] or "none"


def _brief(value: str) -> str:
    """A hash as people know it; any other text as it is."""
    return value[:_SHORT] if len(value) == 64 and " " not in value else value  # noqa: PLR2004 - SHA-256 in hex


def _list(values: Sequence[str]) -> str:
    more = f" and {len(values) - _MOST} more" if len(values) > _MOST else ""
    return ", ".join(values[:_MOST]) + more
