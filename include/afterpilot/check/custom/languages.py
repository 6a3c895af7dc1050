"""Which language texts are in."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from afterpilot.check.custom.outcome import NO_ROWS, CannotSay, Counted, by_value
from afterpilot.check.custom.reading import Bounds, Texts
from afterpilot.check.custom.scope import Scope
from afterpilot.check.window import MOST_KEYS
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.storable import storable
from afterpilot.domain.workflow import Check

LETTERS = 20
BOUNDS = Bounds(rows=200_000, characters=2_000)
_lock = threading.Lock()


def language_is(check: Check, scope: Scope) -> Judged:
    """Whether texts are in one of ``languages`` (ISO 639 codes, such as en), by the model of py3langid over their first 2,000
    characters. A text of fewer than 20 letters is not judged: it counts as missing.

    Raises:
        CheckError: a language is not known, or no text is long enough.
    """
    wanted = _wanted(check.params.get("languages"))
    texts = Texts(scope, check.column, BOUNDS)
    found: Counter[str] = Counter()
    examples: list[tuple[str | None, Any]] = []
    short = 0
    for value in texts:
        language = language_of(value.text)
        if language is None:
            short += 1
            continue
        found[language] += 1
        if language not in wanted and len(examples) < MOST_KEYS:
            examples.append((value.key, f"{language}: {value.text[:80]}"))
    if not texts.rows:
        raise CannotSay(NO_ROWS)
    if texts.values and short == texts.values:
        raise CannotSay(f"no text has {LETTERS} letters", element_count=texts.rows, short_count=short)
    wrong = sum(count for language, count in found.items() if language not in wanted)
    counted = Counted(texts.rows, texts.missing + short, wrong, examples, texts.left, str(BOUNDS))
    return by_value(check, counted, languages=dict(found.most_common(10)), short_count=short)


def language_of(text: str) -> str | None:
    """The ISO 639 code of the language of a text, None for one of fewer than 20 letters."""
    plain = storable(text[: BOUNDS.characters])
    if sum(letter.isalpha() for letter in plain) < LETTERS:
        return None
    with _lock:
        from py3langid import langid  # four tenths of a second

        return str(langid.classify(plain)[0])


@functools.lru_cache(maxsize=1)
def known_languages() -> frozenset[str]:
    """The codes that the model knows."""
    from py3langid import langid

    langid.classify("")
    return frozenset(map(str, langid.IDENTIFIER.labels))


def _wanted(given: object) -> Sequence[str]:
    languages = [given] if isinstance(given, str) else list(given) if isinstance(given, Sequence) else []
    if not languages:
        raise CheckError("it needs languages, such as [en, de]")
    unknown = [str(one)[:20] for one in languages if one not in known_languages()]
    if unknown:
        raise CheckError(f"{unknown[0]!r} is no language that is known; a code such as en or de is needed")
    return [str(one) for one in languages]
