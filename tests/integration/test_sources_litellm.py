"""LiteLLM's spend logs: its own table on a real PostgreSQL, and its API over HTTP, with a call that a real proxy logged."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from afterpilot.domain.calls import CALL_FIELDS
from afterpilot.domain.errors import SourceError
from afterpilot.domain.looking import Looked
from afterpilot.domain.prices import CallDetails
from afterpilot.domain.record import HumanDecision, Record, Usage
from afterpilot.domain.source import Decisions, LiteLlmApi, LiteLlmTable
from afterpilot.domain.window import Window
from afterpilot.pull.sources import RowSource, source_of
from doubles.api import ApiDouble, Asked
from doubles.sources import Places, source, workflow_of

pytestmark = pytest.mark.integration

LOGGED = json.loads(
    (Path(__file__).parents[1] / "golden/payloads/litellm_standard_logging_object.json").read_text("utf-8")
)
START = datetime(2026, 11, 21, 10, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))
BEGAN = datetime.fromtimestamp(LOGGED["startTime"], UTC)
TABLE = """
CREATE TABLE "LiteLLM_SpendLogs" (
  request_id text PRIMARY KEY, call_type text NOT NULL, api_key text NOT NULL DEFAULT '', spend double precision NOT NULL DEFAULT 0,
  total_tokens int NOT NULL DEFAULT 0, prompt_tokens int NOT NULL DEFAULT 0, completion_tokens int NOT NULL DEFAULT 0,
  "startTime" timestamp(3) NOT NULL, "endTime" timestamp(3) NOT NULL, request_duration_ms int, "completionStartTime" timestamp(3),
  model text NOT NULL DEFAULT '', model_id text DEFAULT '', model_group text DEFAULT '', custom_llm_provider text DEFAULT '',
  api_base text DEFAULT '', "user" text DEFAULT '', metadata jsonb DEFAULT '{}', cache_hit text DEFAULT '', cache_key text DEFAULT '',
  request_tags jsonb DEFAULT '[]', team_id text, organization_id text, end_user text, requester_ip_address text,
  messages jsonb DEFAULT '{}', response jsonb DEFAULT '{}', session_id text, status text, mcp_namespaced_tool_name text,
  billing_agent_id text, agent_id text, proxy_server_request jsonb DEFAULT '{}', litellm_call_id text,
  created_at timestamp(3) DEFAULT now(), updated_at timestamp(3) DEFAULT now())
"""


def milliseconds(seconds: float) -> datetime:
    """A time as the proxy's database keeps it: without a zone, to the millisecond."""
    return datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC).replace(tzinfo=None)


def spend_log(**changed: Any) -> dict[str, Any]:
    """The row that the proxy makes of the logged call, with some columns changed."""
    began, ended, first = (milliseconds(LOGGED[name]) for name in ("startTime", "endTime", "completionStartTime"))
    row = {
        **{name: LOGGED[name] for name in ("call_type", "total_tokens", "prompt_tokens", "completion_tokens", "model")},
        **{name: LOGGED[name] for name in ("model_group", "custom_llm_provider", "metadata", "request_tags", "status")},
        **{name: LOGGED[name] for name in ("session_id", "messages", "response", "litellm_call_id", "end_user")},
        "request_id": LOGGED["id"],
        "spend": LOGGED["response_cost"],
        "startTime": began,
        "endTime": ended,
        "completionStartTime": first,
        "request_duration_ms": int(LOGGED["response_time"] * 1000),
        "cache_hit": "None",
        "user": "default_user_id",
    }
    return copy.deepcopy(row) | changed


KEPT = {name: one.type for name, one in CALL_FIELDS.items()}
WHOLE = {
    "request_id": "chatcmpl-ld97rqtc4K4zvxjLENb5qOgQkBBVGuzM",
    "started_at": "2026-11-21T10:19:30.661000+00:00",
    "finished_at": "2026-11-21T10:19:41.682000+00:00",
    "operation": "completion",
    "provider": "openai",
    "model": "smollm2-135m",
    "model_asked": "smollm2-135m",
    "input_tokens": 32,
    "cached_tokens": 0,
    "output_tokens": 5,
    "cost": "0.000042",
    "latency_ms": 11020,
    "status": "success",
    "user": "default_user_id",
    "tags": '["team:ap", "workflow:invoice"]',
    "input": '[{"role": "user", "content": "Say hi"}]',
    "output": "I'm glad you're",
}


@pytest.fixture
def gateway(empty_database: str) -> Iterator[sa.Engine]:
    """A proxy's database with its table."""
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLE)
    yield engine
    engine.dispose()


def log(gateway: sa.Engine, *rows: dict[str, Any]) -> None:
    """Write spend logs, JSON as JSON."""
    for row in rows:
        types = {name: sa.JSON() if isinstance(value, (dict, list)) else None for name, value in row.items()}
        place = sa.table("LiteLLM_SpendLogs", *(sa.column(name, kind) for name, kind in types.items()))
        with gateway.begin() as connection:
            connection.execute(sa.insert(place).values(row))


def url_of(engine: sa.Engine) -> str:
    """With its password."""
    return engine.url.render_as_string(hide_password=False)


def opened(place: Any, *, api: bool = False, **keys: Any) -> RowSource:
    """The source of a proxy's calls."""
    of = {"table": "LiteLLM_SpendLogs", "key": "request_id", "time": "started_at", "fields": KEPT}
    found = source_of(
        workflow_of(source(reader=LiteLlmApi() if api else LiteLlmTable(), **(of | keys))), Places(place=place)
    )
    assert isinstance(found, RowSource)
    return found


def test_a_logged_call_is_known_by_the_names_of_all_calls(gateway: sa.Engine) -> None:
    """Tokens, cost, times, tags, what was asked and what was answered; what was not reported is missing, not 0."""
    log(gateway, spend_log())
    found = opened(url_of(gateway))
    (record,) = found.records(WINDOW)
    assert (record.key, record.at) == (LOGGED["id"], BEGAN.replace(microsecond=661000))
    assert {name: value for name, value in record.data.items() if value is not None} == WHOLE
    assert record.usage == Usage("smollm2-135m", 32, 5, 0)
    assert (dict(found.skipped), dict(found.noted)) == ({}, {})


def test_what_was_asked_and_answered_is_not_even_read_unless_declared(gateway: sa.Engine) -> None:
    """The statement that goes to the proxy's database names neither, and no record holds them."""
    log(gateway, spend_log())
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        (record,) = opened(url_of(gateway), fields={"model": "text"}).records(WINDOW)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    (asked,) = [statement for statement in sent if 'FROM "LiteLLM_SpendLogs"' in statement]
    assert not any(column in asked for column in ("messages", "response", "proxy_server_request"))
    assert record.data == {"model": "smollm2-135m"}


@pytest.mark.parametrize(
    "where",
    [
        {"tags": ("workflow:invoice",)},
        {"tags": ("other", "team:ap"), "provider": ("openai",)},
        {"$.metadata.spend_logs_metadata.dag_id": ("invoice_extract",)},
        {"team": ("Accounts",)},
        {"$.team_id": ("t-1",), "key_name": ("ap-key",)},
    ],
    ids=str,
)
def test_only_the_workflows_own_calls_are_taken(gateway: sa.Engine, where: dict[str, tuple[str, ...]]) -> None:
    """By tag, team, key, or whatever a JSONPath finds."""
    meta = {**LOGGED["metadata"], "user_api_key_team_alias": "Accounts", "user_api_key_alias": "ap-key"}
    other = {**LOGGED["metadata"], "spend_logs_metadata": {"dag_id": "another"}}
    log(
        gateway,
        spend_log(metadata=meta, team_id="t-1"),
        spend_log(
            request_id="other", metadata=other, request_tags=["workflow:refunds"], custom_llm_provider="anthropic"
        ),
    )
    assert [record.key for record in opened(url_of(gateway), where=where).records(WINDOW)] == [LOGGED["id"]]


def test_the_database_chooses_the_own_calls_where_it_can(gateway: sa.Engine) -> None:
    """Other workflows' logs stay where they are; rows of older versions, whose JSON is a text in JSON, are found all the same."""
    twice = {"request_tags": json.dumps(LOGGED["request_tags"]), "metadata": json.dumps(LOGGED["metadata"])}
    with gateway.begin() as connection:
        for key, more in (
            ("old", twice),
            ("own", {}),
            ("list", {"metadata": {"spend_logs_metadata": {"dag_id": ["x", "invoice_extract"]}}}),
        ):
            row = spend_log(request_id=key) | more
            types = {
                name: JSONB() if name in {"metadata", "request_tags", "messages", "response"} else None for name in row
            }
            place = sa.table("LiteLLM_SpendLogs", *(sa.column(name, kind) for name, kind in types.items()))
            connection.execute(sa.insert(place).values(row))
    log(
        gateway,
        spend_log(request_id="other", request_tags=["x"], metadata={"spend_logs_metadata": {"dag_id": "y"}}, model="m"),
    )
    seen: list[int] = []

    def count(_: object, cursor: Any, statement: str, *__: object) -> None:
        if 'FROM "LiteLLM_SpendLogs"' in statement:
            seen.append(statement.count(" IN (") + statement.count(" @> "))

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        where = {
            "tags": ("workflow:invoice",),
            "$.metadata.spend_logs_metadata.dag_id": ("invoice_extract",),
            "model": ("smollm2-135m",),
        }
        assert sorted(record.key for record in opened(url_of(gateway), where=where).records(WINDOW)) == [
            "list",
            "old",
            "own",
        ]
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
    assert seen == [3]


def test_windows_are_half_open_on_either_time(gateway: sa.Engine) -> None:
    """A call at the window's start is in it, one at its end is not; ``finished_at`` asks for the end of calls."""
    naive = START.replace(tzinfo=None)
    log(
        gateway,
        spend_log(request_id="first", startTime=naive, endTime=naive + timedelta(hours=1)),
        spend_log(request_id="next", startTime=naive + timedelta(hours=1), endTime=naive + timedelta(hours=2)),
        spend_log(request_id="before", startTime=naive - timedelta(minutes=1), endTime=naive + timedelta(minutes=1)),
    )
    keys = {
        time: [record.key for record in opened(url_of(gateway), time=time).records(WINDOW)]
        for time in ("started_at", "finished_at")
    }
    assert keys == {"started_at": ["first"], "finished_at": ["before"]}


_CACHED = {
    "prompt_tokens": 1000,
    "prompt_tokens_details": {"cached_tokens": 900},
    "completion_tokens_details": {"reasoning_tokens": 7},
}
_ALL = {
    "usage_object": {
        "prompt_tokens": 1000,
        "prompt_tokens_details": {
            "cached_tokens": 600,
            "audio_tokens": 40,
            "image_tokens": 10,
            "cache_creation_tokens": 50,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        },
        "completion_tokens_details": {"audio_tokens": 3},
        "server_tool_use": {"web_search_requests": 2},
    },
    "cost_breakdown": {"service_tier": "priority", "data_residency": "eu"},
}
_ANTHROPIC = {"prompt_tokens": 1000, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 50}


@pytest.mark.parametrize(
    ("changed", "usage", "fields"),
    [
        (
            {"prompt_tokens": 1000, "metadata": {"usage_object": _CACHED}},
            Usage("smollm2-135m", 1000, 5, 900),
            (900, None, 7),
        ),
        (
            {"prompt_tokens": 1000, "metadata": {"usage_object": _ANTHROPIC}},
            Usage("smollm2-135m", 1000, 5, 900, CallDetails((("cache_write_tokens", 50),))),
            (900, 50, None),
        ),
        (
            {"prompt_tokens": 1000, "metadata": {"additional_usage_values": _ANTHROPIC, "usage_object": None}},
            Usage("smollm2-135m", 1000, 5, 900, CallDetails((("cache_write_tokens", 50),))),
            (900, 50, None),
        ),
        (
            {"prompt_tokens": 1000, "metadata": _ALL, "custom_llm_provider": "vertex_ai"},
            Usage(
                "smollm2-135m",
                1000,
                5,
                600,
                CallDetails(
                    (
                        ("cache_write_tokens", 20),
                        ("cache_write_1h_tokens", 30),
                        ("input_audio_tokens", 40),
                        ("input_image_tokens", 10),
                        ("output_audio_tokens", 3),
                        ("web_searches", 2),
                    ),
                    "priority",
                    "eu",
                    "vertex_ai",
                ),
            ),
            (600, 50, None),
        ),
        ({"metadata": {}}, Usage("smollm2-135m", 32, 5, 0), (None, None, None)),
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "metadata": None},
            Usage("smollm2-135m", None, None, 0),
            (None, None, None),
        ),
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "status": "failure"},
            Usage("smollm2-135m", 0, 0, 0),
            (0, None, None),
        ),
        ({"cache_hit": "True", "spend": 0.0}, Usage("smollm2-135m", 0, 0, 0), (0, None, None)),
    ],
    ids=[
        "OpenAI's cache",
        "Anthropic's cache",
        "older rows",
        "all there is",
        "nothing told",
        "a stream without usage",
        "a failure",
        "the proxy's cache",
    ],
)
def test_usage_is_what_was_used_and_unknown_is_not_nought(
    gateway: sa.Engine, changed: dict[str, Any], usage: Usage, fields: tuple[int | None, ...]
) -> None:
    """Cached tokens lie in the metadata, in several places; a call that was not counted has no usage."""
    log(gateway, spend_log(**changed))
    (record,) = opened(url_of(gateway)).records(WINDOW)
    assert record.usage == usage
    assert tuple(record.data[name] for name in ("cached_tokens", "cache_write_tokens", "reasoning_tokens")) == fields


def test_an_older_table_with_fewer_columns_is_read(gateway: sa.Engine) -> None:
    """Columns come and go with the proxy's version; those that a call cannot do without are told where they lack."""
    log(gateway, spend_log())
    with gateway.begin() as connection:
        for column in (
            "request_duration_ms",
            "session_id",
            "status",
            "agent_id",
            "litellm_call_id",
            "proxy_server_request",
        ):
            connection.exec_driver_sql(f'ALTER TABLE "LiteLLM_SpendLogs" DROP COLUMN {column}')
    (record,) = opened(url_of(gateway)).records(WINDOW)
    assert (record.data["latency_ms"], record.data["status"], record.data["session"]) == (11021, None, None)
    with gateway.begin() as connection:
        connection.exec_driver_sql('ALTER TABLE "LiteLLM_SpendLogs" DROP COLUMN prompt_tokens')
    with pytest.raises(SourceError, match="has no column prompt_tokens"):
        list(opened(url_of(gateway)).records(WINDOW))


def test_the_table_is_looked_at_beside_its_rows(gateway: sa.Engine) -> None:
    """By day, the workflow's own calls alone, on the time that is declared; what is ahead of the clock is told."""
    naive = START.replace(tzinfo=None)
    for key, hours, tag in (("a", 0, "own"), ("b", 20, "own"), ("c", 20, "other"), ("late", 30, "own")):
        began = naive + timedelta(hours=hours)
        log(gateway, spend_log(request_id=key, startTime=began, endTime=began + timedelta(hours=1), request_tags=[tag]))
    looked = opened(url_of(gateway), where={"tags": ("own",)}, time="finished_at")
    assert isinstance(looked, Looked)
    days = Window(START - timedelta(hours=10), START + timedelta(hours=38))
    counted = looked.counted(days, now=START + timedelta(hours=25))
    assert counted.days == {START.date(): 1, START.date() + timedelta(days=1): 2}
    assert (counted.newest, counted.ahead) == (START + timedelta(hours=21), 1)
    assert counted.furthest == START + timedelta(hours=31)
    assert sorted(looked.keys(days)) == ["a", "b", "late"]
    assert looked.elsewhere(["a", "gone"]) == {"a"}
    assert not isinstance(opened(url_of(gateway), key="session"), Looked)  # many calls have one session


def test_a_declared_field_without_its_column_is_lost(gateway: sa.Engine) -> None:
    """It says where it is read from; what is kept in another column as well, or is computed, is not."""
    fields = {"cost": "number", "session": "text", "status": "text", "latency_ms": "number"}
    looked = opened(url_of(gateway), fields=fields)
    assert isinstance(looked, Looked)
    assert looked.columns().types == {"cost": "number", "session": "text", "status": "text"}
    with gateway.begin() as connection:
        for column in ("spend", "status"):
            connection.exec_driver_sql(f'ALTER TABLE "LiteLLM_SpendLogs" DROP COLUMN {column}')
    found = looked.columns()
    assert found.missing.keys() == {"cost"}
    assert found.missing["cost"].startswith("it is read from spend")
    assert found.types["status"] == "text"  # from the metadata: nothing that is read has changed


def test_decisions_and_kpi_come_from_databases_of_their_own(gateway: sa.Engine, empty_database: str) -> None:
    """A gateway knows no decisions: they are joined by the call's id."""
    log(gateway, spend_log())
    with gateway.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE verdicts (call text, at timestamptz, said text)")
        connection.exec_driver_sql(
            "INSERT INTO verdicts VALUES ('c1', '2026-11-21T10:30Z', 'accepted'), ('c2', '2026-11-21T10:31Z', 'perhaps')"
        )
        connection.exec_driver_sql("CREATE TABLE weekly (week date, value numeric)")
        connection.exec_driver_sql("INSERT INTO weekly VALUES ('2026-11-16', 5.5)")
    decided = Decisions(table="verdicts", key="call", time="at", decision="said", connection="erp")
    workflow = workflow_of(
        source(
            reader=LiteLlmTable(), table="LiteLLM_SpendLogs", key="request_id", time="started_at", decisions=decided
        ),
        kpi_connection="figures",
    )
    found = source_of(workflow, Places(place=url_of(gateway), erp=url_of(gateway), figures=url_of(gateway)))
    assert len(list(found.records(WINDOW))) == 1
    assert list(found.decisions(WINDOW)) == [HumanDecision("refunds", "c1", START + timedelta(minutes=30), "accepted")]
    assert dict(found.skipped) == {"decision with an unknown word 'perhaps'": 1}
    assert [str(value) for _, value in found.kpi(START - timedelta(days=7))] == ["5.5"]


def served(rows: list[dict[str, Any]], size: int) -> ApiDouble:
    """The proxy's API as documented: pages of at most 100, a total that is capped, times as ISO 8601."""

    def answer(asked: Asked) -> Any:
        if asked.path != "/spend/logs/v2" or asked.headers.get("authorization") != "Bearer token-0123456789":
            return {"detail": "no"}
        page = int(asked.query["page"])
        found = json.loads(
            json.dumps(rows[(page - 1) * size : page * size], default=lambda value: f"{value.isoformat()}Z")
        )
        return {
            "data": found,
            "total": size,
            "page": page,
            "page_size": size,
            "total_pages": 1,
            "total_is_capped": True,
        }

    return ApiDouble(answer)


def test_the_api_gives_the_same_records_as_the_table(gateway: sa.Engine) -> None:
    """Page after page to the empty one, whatever total is told of; the window goes in LiteLLM's own form."""
    rows = [spend_log(request_id=f"c{number}") for number in range(5)]
    outside = spend_log(request_id="late", startTime=(START + timedelta(hours=1)).replace(tzinfo=None))
    log(gateway, *rows)
    with served([*rows, outside], 2) as api:
        over_http: list[Record] = list(opened(api.endpoint, api=True).records(WINDOW))
        assert [asked.query["page"] for asked in api.asked] == ["1", "2", "3", "4"]
        assert api.asked[0].query | {"page": ""} == {
            "start_date": "2026-11-21 10:00:00",
            "end_date": "2026-11-21 11:00:01",
            "sort_by": "startTime",
            "sort_order": "asc",
            "page": "",
            "page_size": "100",
        }
    assert len(over_http) == 5
    assert over_http == list(opened(url_of(gateway)).records(WINDOW))
