"""What a record of production is as a case: its question, the model's answer, and the right one after a correction.

``{total} {currency}`` is a template that makes one text of several fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from afterpilot.domain.prompt import VARIABLE
from afterpilot.domain.workflow import Corrections, Evals, JsonTarget, ModelTarget

_FIELD = re.compile(r"\{([^{}]*)\}")
Data = Mapping[str, Any]


def fields_in(template: str) -> tuple[str, ...]:
    """The fields that a template needs; a text without braces is the name of one."""
    return tuple(name.strip() for name in _FIELD.findall(template)) if _FIELD.search(template) else (template,)


def filled(template: str, values: Data) -> Any:  # noqa: ANN401 - any JSON value
    """The value that a template stands for: a field as it is kept, or a text with each ``{field}`` replaced.

    None where a field that it needs is missing.
    """
    needed = fields_in(template)
    if any(values.get(name) is None for name in needed):
        return None
    if needed == (template,):
        return values[template]
    return _FIELD.sub(lambda match: str(values[match[1].strip()]), template)


def variables_of(evals: Evals) -> Collection[str]:
    """The variables that a question must have: the prompt's, a request's, or those of the cases where nothing is asked."""
    if isinstance(evals.target, ModelTarget):
        return evals.target.prompt.variables
    if isinstance(evals.target, JsonTarget):
        return set(VARIABLE.findall(json.dumps(evals.target.request)))
    return {name for case in evals.cases for name in case.vars}


def terms_of(evals: Evals, fields: Collection[str]) -> Corrections:
    """How records are read: as declared, else by fields of the same name as the cases' variables and expected values."""
    if evals.corrections is not None:
        return evals.corrections
    names = {name for case in evals.cases for name in case.expected if name in fields}
    return Corrections({}, {name: name for name in sorted(names)})


def question_of(terms: Corrections, variables: Collection[str], data: Data) -> tuple[dict[str, str], list[str]]:
    """The question that a record was: the values of the prompt's variables, and the variables that have none."""
    found = {name: data.get(terms.vars.get(name, name)) for name in sorted({*variables, *terms.vars})}
    lacking = [name for name, value in found.items() if value is None]
    return {name: str(value) for name, value in found.items() if value is not None}, lacking


def answer_of(terms: Corrections, data: Data) -> str | None:
    """The model's answer as a judge gets to see it; None where the record holds none."""
    if terms.answer:
        value = data.get(terms.answer)
        return None if value is None else _text(value)
    parts = {name: filled(template, data) for name, template in terms.expected.items()}
    if all(value is None for value in parts.values()):
        return None
    return _text(parts[""]) if set(parts) == {""} else json.dumps(parts, ensure_ascii=False)


def right_answer(terms: Corrections, data: Data, corrected: Data) -> tuple[dict[str, Any], list[str]]:
    """What a case expects after a correction, and the fields of it that are not known.

    A field that the correction leaves out stands as the record has it: the person has looked at it. Empty where the correction
    is about nothing that a case expects.
    """
    needed = {name for template in terms.expected.values() for name in fields_in(template)}
    if needed.isdisjoint(corrected):
        return {}, []
    values = {**data, **corrected}
    found = {name: filled(template, values) for name, template in terms.expected.items()}
    return {name: value for name, value in found.items() if value is not None}, [
        name or "the answer" for name, value in found.items() if value is None
    ]


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
