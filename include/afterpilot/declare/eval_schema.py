"""The keys of an eval suite: of ``evals`` in ``workflow.yaml``, and of a ``suite.yaml``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from afterpilot.declare.eval_values import MOST_EPOCHS, Alarms, Day, JsonPath, ReducerWords, UrlPath
from afterpilot.declare.keys import Keys
from afterpilot.declare.values import (
    CalendarCapText,
    Column,
    Connection,
    Currency,
    FileName,
    MoneyText,
    Name,
    Points,
    SomeShare,
    Text,
    Words,
)

Scorer = Annotated[Any, Words("scorer, see below")]
Api = Literal["chat", "responses", "messages"]


class Model(Keys):
    """The model under test, as it is used in production."""

    connection: Connection = Field(description="address and key, by name")
    name: Name = Field(description="the model's name")
    prompt: FileName = Field(description="the prompt in production, with `{{ variables }}`")
    api: Api = Field(
        "chat", description="shape of its API: OpenAI-compatible chat completions or responses, or Anthropic messages"
    )
    response_schema: FileName | None = Field(None, description="JSON schema that the answer is asked to follow")
    temperature: Annotated[float, Words("number from 0 to 2")] = Field(0.0, ge=0, le=2, description="0 repeats itself")
    max_tokens: Annotated[int, Words("whole number")] = Field(256, ge=1, le=200_000, description="longest answer")
    tools: FileName | None = Field(
        None, description="JSON list of the tools that it may call, in OpenAI's function shape"
    )


class Endpoint(Keys):
    """A team's own workflow behind HTTP."""

    connection: Connection = Field(description="address and key, by name")
    name: Name = Field(description="the model that it uses, for prices and fingerprints")
    path: UrlPath = Field(description="where it listens, below the connection's address")
    request: FileName = Field(description="JSON of the request's body, with `{{ variables }}` in its texts")
    answer: JsonPath = Field(description="leads to the answer in the reply")
    model: JsonPath | None = Field(None, description="leads to the name of the model that answered")
    input_tokens: JsonPath | None = Field(None, description="leads to the tokens of the request")
    output_tokens: JsonPath | None = Field(None, description="leads to the tokens of the answer")
    cost: JsonPath | None = Field(None, description="leads to what the endpoint itself says that the call cost")
    currency: Currency | None = Field(None, description="of that cost")
    sources: JsonPath | None = Field(None, description="leads to the ids of what was retrieved, best first")
    tool_calls: JsonPath | None = Field(
        None, description="leads to the tools that were called, each with name and arguments"
    )
    most_cost: MoneyText | None = Field(
        None, description="the most that one call costs, where tokens do not tell: it holds the run's limit"
    )


class Alarm(Keys):
    """What the regression alarm promises."""

    false_alarms_per_year: Alarms = Field(0.1, validate_default=True, description="the most that are accepted")
    smallest_drop: Points = Field("5pp", validate_default=True, description="the drop of the pass rate to look for")


class Waiver(Keys):
    """Cases that are known to fail."""

    case: Name | None = Field(None, description="id of a case; or give `tag`")
    tag: Name | None = Field(None, description="every case with this tag; or give `case`")
    until: Day = Field(description="last day on which it holds; each report shows it, and says so when it has expired")
    by: Name = Field(description="who waived it")
    why: Text = Field(description="why, and what will be done")


class Reads(Keys):
    """Data that the workflow reads, so that a change of it can be named as a cause."""

    connection: Connection = Field(description="the database, by name")
    sql: FileName = Field(description="one SELECT whose result changes when the data does")


class Corrections(Keys):
    """How a person's correction is offered as a new case."""

    vars: dict[Name, Column] = Field(
        {}, description="variable of the prompt → field of `source.fields`; unless given, the field of its name"
    )
    expected: dict[Name, Name] | Name = Field(
        {},
        description="field of the answer → one of `source.decisions.corrected_fields`, or a text of several such as "
        '`"{total} {currency}"`; one text alone where the whole answer counts. Without it nothing is offered',
    )
    answer: Column | None = Field(
        None,
        description="field of `source.fields` that holds the model's answer as it came, for judges to be measured on; "
        "unless given, the fields of `expected` as JSON",
    )


class Evals(Keys):
    """Known inputs with known answers, run against what is in production."""

    model: Model | None = Field(None, description="what is asked: a model with a prompt; or `endpoint`, or `scripted`")
    endpoint: Endpoint | None = Field(None, description="what is asked: a workflow of the team's own behind HTTP")
    scripted: FileName | None = Field(
        None, description="answers that exist already, as JSON lines with `id` and `output`; nothing is asked"
    )
    cases: FileName = Field(description="JSON lines, see below")
    scorers: list[Scorer] = Field([], description="for every case, on top of the case's own; each case needs one")
    epochs: Annotated[int, Words("whole number")] = Field(
        1, ge=1, le=MOST_EPOCHS, description="how often each case is asked"
    )
    reducer: ReducerWords = Field(
        "all", validate_default=True, description="how the epochs of a case become one verdict"
    )
    pass_rate: SomeShare = Field(description="least share of cases that must pass")
    pass_score: SomeShare | None = Field(
        None,
        description="an answer passes when the weighted mean of its scores reaches this; unless given, when all pass",
    )
    max_cost: MoneyText = Field(description="the most that one run may cost; it stops there")
    cap: CalendarCapText | None = Field(None, description="the eval budget: the most that all runs together may cost")
    concurrency: Annotated[int, Words("whole number")] = Field(4, ge=1, le=128, description="requests at the same time")
    alarm: Alarm | None = Field(None, description="the regression alarm")
    waivers: list[Waiver] = Field([], description="cases that are known to fail and must not alarm")
    reads: list[Reads] = Field([], description="data that the workflow reads")
    corrections: Corrections | None = Field(None, description="how corrections of people become cases")


class SuiteFile(Evals):
    """``suite.yaml``: a suite of its own, outside of a workflow."""

    name: Name | None = Field(None, description="what results are called; the folder's name unless given")
