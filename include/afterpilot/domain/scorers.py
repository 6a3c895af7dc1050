"""The scorers by name: what a declaration may say of each, and what of it reaches the scorer.

``bare`` is what stands behind the scorer's own name in a declaration, ``{numeric: total, tolerance: 0.01}``. Where its kind is
``field`` or ``key`` it becomes :attr:`ScorerSpec.field`, and a bare name leaves that empty; otherwise it becomes the parameter
``bare_as``, and ``field`` may be given beside it (see :attr:`Scorer.shared`). What is read from a file is added as ``loaded``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from afterpilot.domain.evals import ScorerSpec


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its ``kind`` (see :data:`KINDS`), what it means, and the ``words`` where only some are accepted."""

    kind: str
    meaning: str
    required: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scorer:
    """One scorer as a declaration may name it.

    ``expects`` is where the case's expected value stands: ``field`` (under the scorer's field, ``""`` being the whole answer),
    another key such as ``tool_calls``, or ``""`` for a scorer that needs none. A parameter of ``instead`` makes it needless.
    """

    meaning: str
    bare: str = "field"
    bare_as: str = ""
    loaded: str = ""
    parameters: Mapping[str, Parameter] = dataclasses.field(default_factory=dict)
    expects: str = ""
    instead: tuple[str, ...] = ()
    graded: bool = False  # may give a value between 0 and 1

    @property
    def shared(self) -> Mapping[str, Parameter]:
        """The parameters that it has besides its own: those of every scorer, and ``field`` where that is not its bare value."""
        looks_at_answer = self.bare not in {"field", "key"} and self.bare_as not in {"most_ms", "most"}
        return {**SHARED, **({"field": FIELD} if looks_at_answer else {})}


KINDS: Mapping[str, str] = {
    "field": "a field of the answer, which is then read as a JSON object; an empty text is the whole answer",
    "any": "any value",
    "boolean": "true or false",
    "compare": "how fields are compared: a word, or a mapping with `compare` and what goes with it (`tolerance`, `threshold`, `order`)",
    "count": "a whole number, 1 or more",
    "embedding": "`{connection: …, model: …}`",
    "file": "a file of the workflow's folder",
    "function": "the name of a Python function",
    "key": "the key of the case's expected value; the usual one where the scorer's name stands alone",
    "model": "`{connection: …, name: …}`, and `api`, `temperature` and `max_tokens` where they are not the usual ones",
    "not negative": "a number, 0 or more",
    "number above 0": "a number above 0",
    "regex": "a regular expression, in Python's syntax",
    "scalar list": "a list of texts, numbers, true and false",
    "share": "a number above 0, and at most 1",
    "text": "a text",
    "text list": "a list of texts",
    "tool calls": "a list of `{name: …, arguments: {…}}`; empty where no tool may be called",
    "word": "one of the words that are named",
}

SHARED: Mapping[str, Parameter] = {
    "weight": Parameter(
        "number above 0", "how much the score counts where the suite has a `pass_score`; 1 unless given"
    ),
    "threshold": Parameter("share", "the least value that passes; 1 unless given"),
    "tags": Parameter("text list", "score only the cases that bear one of these tags"),
    "title": Parameter("text", "how the score is called in results"),
    "negate": Parameter(
        "boolean", "turn the score round: 1 becomes 0; an answer that cannot be read as the scorer needs it stays wrong"
    ),
}
FIELD = Parameter("field", "the field of the answer that is looked at; the whole answer unless given")
_VALUE = Parameter("any", "what is expected, in place of the case's own expected value")
_IGNORE_CASE = Parameter("boolean", "capital and small letters are the same")
_FENCE = Parameter("boolean", "whether JSON may stand in a code fence; true unless given")
_TOLERANCE = Parameter("not negative", "how far the number may be off; 0 unless given")
_ORDER = Parameter(
    "word",
    "how dates in digits such as 03/04/2026 are written; without it they are read only where no other order is possible",
    words=("day_first", "month_first"),
)

SCORERS: Mapping[str, Scorer] = {
    "exact": Scorer(
        "the field is the expected value, to the letter; blanks around a text do not count",
        parameters={"value": _VALUE, "ignore_case": _IGNORE_CASE},
        expects="field",
        instead=("value",),
    ),
    "one_of": Scorer(
        "the field is one of the listed values, and the expected one where the case has one",
        bare="scalar list",
        bare_as="values",
        parameters={"ignore_case": _IGNORE_CASE},
    ),
    "contains": Scorer(
        "the field contains the text; without `text`, `all` and `any`: the expected text",
        parameters={
            "text": Parameter("text", "the text that must stand in it"),
            "all": Parameter("text list", "each of these must stand in it"),
            "any": Parameter("text list", "at least one of these must stand in it"),
            "ignore_case": _IGNORE_CASE,
        },
        expects="field",
        instead=("text", "all", "any"),
    ),
    "regex": Scorer(
        "the pattern is found in the field; blanks around the text do not count, so that `$` is its very end",
        parameters={
            "pattern": Parameter("regex", "what is looked for", required=True),
            "whole": Parameter("boolean", "the pattern must match the whole text, not a part of it"),
        },
    ),
    "numeric": Scorer(
        "the field is a number near enough to the expected one; the wider tolerance counts where both are given",
        parameters={
            "tolerance": _TOLERANCE,
            "relative": Parameter(
                "not negative", "how far it may be off as a share of the expected number, such as 0.01"
            ),
            "value": _VALUE,
        },
        expects="field",
        instead=("value",),
    ),
    "date": Scorer(
        "the field is the expected day: ISO 8601, digits by `order`, or with the month's English name",
        parameters={
            "tolerance": Parameter("not negative", "how many days it may be off; 0 unless given"),
            "order": _ORDER,
            "value": _VALUE,
        },
        expects="field",
        instead=("value",),
    ),
    "is_json": Scorer(
        "the answer is JSON, strictly: no key twice, no NaN, nothing around it but a code fence",
        parameters={"fence": _FENCE},
    ),
    "json_schema": Scorer(
        "the answer follows the JSON schema in the file",
        bare="file",
        bare_as="file",
        loaded="schema",
        parameters={"fence": _FENCE},
    ),
    "json_fields": Scorer(
        "the answer's JSON field by field against the expected object; the value is F1 over the fields",
        parameters={
            "fields": Parameter(
                "compare",
                "how each field is compared, by its path (`total`, `lines[].price`); the others exactly",
                words=("exact", "numeric", "date", "similarity"),
            ),
            "ignore": Parameter("text list", "paths of fields that do not count"),
            "extra": Parameter(
                "boolean", "whether fields that nobody expected count against precision; true unless given"
            ),
            "value": _VALUE,
        },
        expects="field",
        instead=("value",),
        graded=True,
    ),
    "similarity": Scorer(
        "how alike the field and the expected text are, by edit distance or by the angle between their embeddings",
        parameters={
            "method": Parameter(
                "word",
                "levenshtein (letter by letter; unless given) or token_sort (whatever order the words stand in)",
                words=("levenshtein", "token_sort"),
            ),
            "embedding": Parameter(
                "embedding", "the model that makes vectors of both texts; the value is their cosine"
            ),
            "ignore_case": _IGNORE_CASE,
            "value": _VALUE,
        },
        expects="field",
        instead=("value",),
        graded=True,
    ),
    "refusal": Scorer(
        "the answer is a refusal (true), or is none (false), by the model's own word or by its wording",
        bare="boolean",
        bare_as="expected",
        parameters={"words": Parameter("text list", "wordings of a refusal, on top of the usual English ones")},
    ),
    "latency": Scorer(
        "the answer took at most so many milliseconds, all its turns together",
        bare="number above 0",
        bare_as="most_ms",
    ),
    "cost": Scorer(
        "the answer cost at most so much, in the currency of the suite's `max_cost`",
        bare="number above 0",
        bare_as="most",
    ),
    "tool_call": Scorer(
        "the model calls the expected tools; the value is F1 over the calls, 1 where none is expected and none is made",
        bare="key",
        parameters={
            "calls": Parameter("tool calls", "the calls, in place of what the case expects under `tool_calls`"),
            "arguments": Parameter(
                "word",
                "exact (all of them; unless given), subset (those that are named) or ignore",
                words=("exact", "subset", "ignore"),
            ),
            "tolerance": _TOLERANCE,
            "ordered": Parameter("boolean", "the calls must come in the expected order"),
            "extra": Parameter("boolean", "further calls do not count against it"),
        },
        expects="tool_calls",
        instead=("calls",),
        graded=True,
    ),
    "retrieval": Scorer(
        "the sources that the workflow retrieved hold the expected ones; all three metrics stand in the details",
        bare="key",
        parameters={
            "ids": Parameter(
                "text list", "ids of the right sources, in place of what the case expects under `sources`"
            ),
            "metric": Parameter(
                "word",
                "hit_rate (one of them is there; unless given), mrr (how far up the first one stands) or ndcg (how far up all stand)",
                words=("hit_rate", "mrr", "ndcg"),
            ),
            "k": Parameter("count", "how many of the first sources are looked at; 5 unless given"),
        },
        expects="sources",
        instead=("ids",),
        graded=True,
    ),
    "judge": Scorer(
        "a model judges the answer by the rubric in the file; advisory until its agreement with people is known",
        bare="file",
        bare_as="file",
        loaded="rubric",
        parameters={
            "model": Parameter("model", "the model that judges; it reaches the scorer as `target`", required=True),
            "floor": Parameter("share", "the agreement (Cohen's kappa) from which on it may decide; 0.6 unless given"),
        },
        graded=True,
    ),
    "python": Scorer(
        "a function of the file says so: f(answer, case, reply) gives true or false, a number from 0 to 1, or (number, reason)",
        bare="file",
        bare_as="file",
        loaded="source",
        parameters={"function": Parameter("function", "the function's name; score unless given")},
        graded=True,
    ),
}


def expected_key(spec: ScorerSpec) -> str | None:
    """The key of :attr:`Case.expected` that the scorer compares with; None where it needs none."""
    scorer = SCORERS.get(spec.name)
    if scorer is None or not scorer.expects or any(name in spec.params for name in scorer.instead):
        return None
    return spec.field if scorer.expects == "field" else spec.field or scorer.expects
