"""Numbers that states give to people, in the shapes in which they are written. python-stdnum knows their check digits.

Some have a shape of their own and are found anywhere. The others are plain digits, as invoices are full of them: they count
only after a word that names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module

WORD = "[national id]"
LONGEST_LABEL = 40  # characters before a number in which a word may name it


# Shape by shape, and the module of python-stdnum that knows valid ones (None: there is no check digit).
SHAPES: tuple[tuple[str, str | None], ...] = (
    (r"(?<![\w-])\d{3}-\d\d-\d{4}(?![\w-])", "us.ssn"),
    (r"(?<!\w)[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?!\w)", None),  # United Kingdom
    (r"(?<!\w)[12] \d\d \d\d (?:\d\d|2[AB]) \d{3} \d{3} \d\d(?!\w)", "fr.nir"),
    (r"(?<![\w-])\d{8}-?[A-Z](?![\w-])", "es.dni"),
    (r"(?<![\w-])[XYZ]-?\d{7}-?[A-Z](?![\w-])", "es.nie"),
    (r"(?<!\w)[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z](?!\w)", "it.codicefiscale"),
    (r"(?<![\w-])(?:19|20)?\d{6}[-+]\d{4}(?![\w-])", "se.personnummer"),
    (r"(?<![\w-])\d{6}[-+A-FU-Y]\d{3}[0-9A-Z](?![\w-])", "fi.hetu"),
    (r"(?<![\w.])756\.\d{4}\.\d{4}\.\d\d(?!\w)", "ch.ssn"),
    (r"(?<![\w.])\d{3}\.\d{3}\.\d{3}-\d\d(?![\w-])", "br.cpf"),
    (r"(?<![\w.])\d\d\.\d\d\.\d\d-\d{3}\.\d\d(?!\w)", "be.nn"),
)
_SHAPED = re.compile("|".join(pattern for pattern, _ in SHAPES))
_MODULES = tuple((re.compile(pattern), module) for pattern, module in SHAPES)
BEFORE, AFTER = 8, 16  # characters around a run of digits that may belong to a shape

LABELS = (
    r"ssn|social security(?: no| number)?|national insurance(?: no| number)?|nhs(?: no| number)?"
    r"|steuer-?id(?:entifikationsnummer)?|idnr|sozialversicherungsnummer|sv-?nummer|ahv(?:-nr)?"
    r"|insee|nir|num[eé]ro de s[eé]curit[eé] sociale|dni|nie|codice fiscale|bsn|burgerservicenummer|sofinummer"
    r"|pesel|personnummer|personal identity(?: code| number)?|cpr(?:-nr)?|f[oø]dselsnummer|cpf|aadhaar|tfn|tax file number"
    r"|sin|social insurance(?: no| number)?|nif|pps(?: no| number)?|passport(?: no| number)?|tax id|curp|rrn|my number"
    r"|national id(?: no| number)?|identity card(?: no| number)?|id card(?: no| number)?"
)
# What may stand between such a word and the number: in a sentence, a form, a table, JSON within the text.
SAYS = r"""\.?["']?(?: is)?[ \t\r\n]{0,3}[:#=]?[ \t\r\n]{0,3}["']?"""
_NAMED = re.compile(rf"(?i)(?<![^\W_])(?<!-)(?:{LABELS.replace(' ', '[ _]')}){SAYS}\Z")
FEWEST_DIGITS, MOST_DIGITS = 8, 16
LAST_WORDS = frozenset(
    [
        "ssn",
        "security",
        "insurance",
        "nhs",
        "id",
        "steuer-id",
        "steuerid",
        "steueridentifikationsnummer",
        "steuer-identifikationsnummer",
        "idnr",
        "sozialversicherungsnummer",
        "sv-nummer",
        "svnummer",
        "ahv",
        "ahv-nr",
        "insee",
        "nir",
        "sociale",
        "dni",
        "nie",
        "fiscale",
        "bsn",
        "burgerservicenummer",
        "sofinummer",
        "pesel",
        "personnummer",
        "identity",
        "code",
        "cpr",
        "cpr-nr",
        "fodselsnummer",
        "fødselsnummer",
        "cpf",
        "aadhaar",
        "tfn",
        "file",
        "sin",
        "nif",
        "pps",
        "passport",
        "curp",
        "rrn",
        "card",
    ]
)


def is_named(before: str) -> bool:
    """Whether the end of this text says that a person's number follows."""
    return _NAMED.search(before) is not None


def length(run: str) -> int:
    """How many characters of a run of digits may be one number of a person; 0 for none.

    Other numbers may follow it, so shorter ends at a blank are tried too.
    """
    for end in [len(run), *(place for place in range(len(run) - 1, 0, -1) if run[place] == " ")]:
        if FEWEST_DIGITS <= sum(map(str.isdigit, run[:end])) <= MOST_DIGITS:
            return end
    return 0


def shaped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where in this part of the text a number stands whose shape nothing else has."""
    if _SHAPED.search(text, start, end) is None:
        return
    for pattern, module in _MODULES:
        for match in pattern.finditer(text, start, end):
            if module is None or import_module(f"stdnum.{module}").is_valid(match[0]):
                yield match.span()
