"""The key ``review`` of a declaration: what a reviewer sees and may correct, by when, and where the decision goes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from afterpilot.declare.keys import Keys
from afterpilot.declare.problems import Flaw, Path, choices, show_text
from afterpilot.declare.rules import dig, items, texts
from afterpilot.declare.values import Column, Connection, Name, SomeTime, Table, Words, matching, typed
from afterpilot.domain import review as domain

_WRITTEN = ("key", "decision", "reason", "reviewer", "decided_at", "minutes")
_OF_FIELD = ("corrected.", "final.")
_NEEDED = ("key", "decision")

Written = Annotated[
    str,
    *typed(
        matching(
            rf"{'|'.join(_WRITTEN)}|(corrected|final)\.[A-Za-z_][A-Za-z0-9_]*",
            "something that can be written back",
            f"one of {', '.join(_WRITTEN)}, corrected.FIELD, final.FIELD",
        ),
        f"{', '.join(f'`{word}`' for word in _WRITTEN)}, `corrected.FIELD` or `final.FIELD`",
    ),
]


class WriteBack(Keys):
    """Where decisions go at the source: one new row for each."""

    table: Table = Field(description="gets one new row for each decision")
    columns: dict[Column, Written] = Field(
        min_length=1,
        description="column → what is written: `corrected.FIELD` is what a correction says, `final.FIELD` what stands after it",
    )
    words: dict[Literal["accepted", "corrected", "rejected"], Name] = Field(
        {},
        description="our word → theirs; without any: the first ones of `source.decisions` where that is the table, else our own. "
        "A decision without a word cannot be made",
    )
    connection: Connection | None = Field(None, description="the source's own unless said")


class Review(Keys):
    """How people look at what was routed to them."""

    source_field: Column | None = Field(
        None, description="the text that the output was made from; the longest text that no check looks at unless said"
    )
    fields: list[Column] = Field(
        [],
        description="those that a reviewer may correct, in their order; the columns that `outputs` check unless said",
    )
    reviewers: list[Name] = Field(
        [],
        description="who decides in the queue beside owner and deputy: names, logins or e-mail addresses, as Airflow's accounts have them",
    )
    due_within: SomeTime = Field(
        "24h", validate_default=True, description="when a decision is due, after it was asked for"
    )
    reservation: SomeTime = Field(
        "15m", validate_default=True, description="how long an item stays with the person who opened it"
    )
    reading_speed: Annotated[int, Words("whole number")] = Field(
        600, ge=50, le=5000, description="words a minute; who accepts faster has not read it"
    )
    write_back: WriteBack | None = Field(None, description="where decisions go at the source")


def review_of(
    given: Review | None,
    *,
    fields: Collection[str],
    outputs: Sequence[Any],
    personal: Collection[str],
    decisions: Mapping[str, Any] | None,
) -> domain.Review:
    """The declared review, with what is left out filled in. ``decisions`` is the raw ``source.decisions``, or None."""
    given = given or Review.model_validate({})
    checked = dict.fromkeys(column for check in outputs for column in _columns(check))
    return domain.Review(
        source_field=given.source_field or "",
        fields=tuple(given.fields) or tuple(name for name in checked if name in fields and name not in personal),
        due_within=given.due_within,
        reservation=given.reservation,
        write_back=_write_back(given.write_back, decisions) if given.write_back else None,
        reading_speed=given.reading_speed,
    )


def stored_review(document: Mapping[str, Any]) -> domain.Review:
    """The review of a declaration that was loaded before, from its document; what this version cannot read is left out."""
    try:
        given = Review.model_validate(document["review"]) if document.get("review") else None
    except ValidationError:
        given = None
    fields = dig(document, "source", "fields")
    return review_of(
        given,
        fields=fields if isinstance(fields, dict) else {},
        outputs=[check for _, check in items(document.get("outputs"))],
        personal=[name for _, name in texts(dig(document, "source", "personal"))],
        decisions=dig(document, "source", "decisions"),
    )


def review_flaws(data: Mapping[str, Any]) -> Iterator[Flaw]:
    """What under ``review`` does not fit to the rest of the declaration."""
    section = data.get("review")
    if not isinstance(section, dict):
        return
    named: list[tuple[Path, Any]] = [(("review", "source_field"), section.get("source_field"))]
    named += [(("review", "fields", index), column) for index, column in texts(section.get("fields"))]
    columns = dig(section, "write_back", "columns")
    for column, what in columns.items() if isinstance(columns, dict) else ():
        if isinstance(what, str) and what.startswith(_OF_FIELD):
            named.append((("review", "write_back", "columns", column), what.partition(".")[2]))
    known = dig(data, "source", "fields")
    names = list(known) if isinstance(known, dict) else []
    personal = {name for _, name in texts(dig(data, "source", "personal"))}
    for path, column in named:
        if isinstance(column, str) and names and column not in names:
            yield Flaw(path, f"'{show_text(column)}' is not one of source.fields", choices(column, names))
        elif column in personal:
            yield Flaw(path, f"'{column}' is redacted when written, so nobody can review it")
    yield from _write_back_flaws(section.get("write_back"), dig(data, "source", "decisions"))


def _write_back_flaws(section: Any, decisions: Any) -> Iterator[Flaw]:  # noqa: ANN401 - YAML holds anything
    if not isinstance(section, dict):
        return
    columns = section.get("columns")
    if isinstance(columns, dict) and columns:
        for what in _NEEDED:
            if what not in columns.values():
                yield Flaw(("review", "write_back", "columns"), f"no column gets the {what}", f"such as run_id: {what}")
    words = section.get("words")
    if not isinstance(words, dict) or not _same_table(section, decisions):
        return
    for ours, theirs in words.items():
        known = [word for _, word in texts(dig(decisions, ours))] or ([] if ours in decisions else [ours])
        told = [word for outcome in domain.DECISIONS for _, word in texts(dig(decisions, outcome))]
        if isinstance(theirs, str) and theirs not in (*known, *told):
            text = f"'{show_text(theirs)}' is no word of source.decisions, so it could not be read again"
            yield Flaw(("review", "write_back", "words", ours), text, choices(theirs, known))


def _write_back(given: WriteBack, decisions: Any) -> domain.WriteBack:  # noqa: ANN401 - YAML holds anything
    words: dict[str, str] = {str(ours): theirs for ours, theirs in given.words.items()}
    same = _same_table({"table": given.table, "connection": given.connection}, decisions)
    if not words and same:
        for ours in domain.DECISIONS:
            theirs = [word for _, word in texts(decisions.get(ours, [ours]))]
            words |= {ours: theirs[0]} if theirs else {}
    connection = given.connection or (decisions.get("connection") if same else None) or ""
    return domain.WriteBack(table=given.table, columns=dict(given.columns), words=words, connection=connection)


def _same_table(section: Mapping[str, Any], decisions: Any) -> bool:  # noqa: ANN401 - YAML holds anything
    """Whether decisions are written where the source's own are read."""
    if not isinstance(decisions, dict) or section.get("connection") not in {None, decisions.get("connection")}:
        return False
    return "table" in section and section["table"] == decisions.get("table")


def _columns(check: Any) -> Iterator[str]:  # noqa: ANN401 - YAML holds anything
    """The columns of the record that a check of outputs looks at."""
    if not isinstance(check, dict):
        return
    if isinstance(column := check.get("column"), str):
        yield column
    yield from (column for _, column in texts(check.get("columns")))
    if check.get("expect") == "match_reference":
        for key in ("key", "fields"):
            yield from (check[key] if isinstance(check.get(key), dict) else ())
