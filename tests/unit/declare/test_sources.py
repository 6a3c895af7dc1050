"""Sources of every kind, as they are declared."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.declare import load
from afterpilot.declare.source_schema import SOURCES
from afterpilot.domain.source import (
    FilesReader,
    HttpReader,
    LangfuseReader,
    LiteLlmApi,
    LiteLlmTable,
    OtelReader,
    Paging,
    Source,
    UsageColumns,
)
from afterpilot.domain.workflow import Loaded

ROOT = Path(__file__).parents[3]
GOOD = Path(__file__).parents[2] / "golden" / "declare" / "good"
EXAMPLES: dict[str, dict[str, Any]] = {
    example.get("kind", "sql"): example
    for block in re.findall(r"```yaml\n(source:.*?)```", (ROOT / "docs" / "sources.md").read_text("utf-8"), re.DOTALL)
    for example in [yaml.safe_load(block)["source"]]
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workflows folder whose one declaration is written anew by each test."""
    return Path(shutil.copytree(GOOD, tmp_path_factory.mktemp("sources") / "workflows"))


def loaded(folder: Path, source: Any, *, kpi_connection: str = "shop") -> Loaded:
    """A small workflow with that source."""
    document = yaml.safe_load((GOOD / "refunds" / "workflow.yaml").read_text("utf-8"))
    for key in ("evals", "review", "release"):
        document.pop(key, None)
    document["schedule"].pop("evals")
    document["source"] = source
    fields = source.get("fields") if isinstance(source, dict) else None
    kept = list(fields) if isinstance(fields, dict) else []
    document["outputs"] = [{"expect": "column_values_to_not_be_null", "column": (kept or ["x"])[0]}]
    document["quality"] = [{"expect": "volume_between", "min_value": 0, "max_value": 9}]
    if kpi_connection:
        document["kpi"]["connection"] = kpi_connection
    path = folder / "refunds" / "workflow.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8", errors="replace")
    (found,) = load(folder).folders
    return found


def source_of(folder: Path, source: dict[str, Any]) -> Source:
    """The source of a declaration without problems."""
    found = loaded(folder, source)
    assert found.problems == ()
    assert found.workflow is not None
    assert found.workflow.kpi.connection == "shop"
    return found.workflow.source


def problems(folder: Path, source: Any, **more: Any) -> list[str]:
    """What is told, without file and line."""
    return [str(problem).split(": ", 1)[1] for problem in loaded(folder, source, **more).problems]


@pytest.mark.parametrize("kind", SOURCES)
def test_the_documentation_has_an_example_of_each_kind_that_loads(folder: Path, kind: str) -> None:
    """What is copied from docs/sources.md has no problem."""
    assert source_of(folder, EXAMPLES[kind]).fields


def test_a_table_is_what_it_always_was(folder: Path) -> None:
    """No kind: a table, read by SQL, under its name."""
    source = source_of(folder, EXAMPLES["sql"])
    assert (source.reader, source.name, source.paths, source.where) == (None, "erp.ai_invoice_runs", {}, {})


def test_an_api_is_read_as_declared(folder: Path) -> None:
    """Path, query, rows, paging, nested fields and usage."""
    source = source_of(folder, EXAMPLES["http"])
    assert source.reader == HttpReader(
        "/v1/runs",
        "$.data[*]",
        {"since": "{{ start }}", "until": "{{ end }}", "status": "done"},
        Paging("cursor", at="$.next_cursor", parameter="cursor", size_parameter="limit", size=200),
        "bearer",
    )
    assert (source.connection, source.name) == ("crm_api", "crm_api/v1/runs")
    assert (source.fields, source.paths) == ({"summary": "text", "total": "number"}, {"total": "$.result.total"})
    assert source.usage == UsageColumns("$.model.name", "$.usage.prompt_tokens", "$.usage.completion_tokens")


def test_all_that_a_price_depends_on_may_be_named(folder: Path) -> None:
    """Columns of a table, paths of a row; what a declaration does not name is not looked for."""
    table = EXAMPLES["sql"]
    more = {"cache_write_tokens": "tok_written", "seconds": "took", "tier": "service_tier"}
    source = source_of(folder, {**table, "usage": {**table["usage"], **more}})
    assert source.usage.details == more
    assert source.usage.places[-3:] == ("tok_written", "took", "service_tier")
    usage = EXAMPLES["http"]["usage"]
    paths = {"input_audio_tokens": "$.usage.details.audio", "web_searches": "$.usage.searches"}
    assert source_of(folder, {**EXAMPLES["http"], "usage": {**usage, **paths}}).usage.details == paths
    unknown = problems(folder, {**EXAMPLES["http"], "usage": {**usage, "web_serches": "$.n"}})
    assert unknown[0].startswith("source.usage.web_serches: is not a known key (did you mean 'web_searches'?")


@pytest.mark.parametrize(
    ("declared", "paging"),
    [
        ({"page": "p", "first": 0, "total": "$.pages"}, Paging("page", parameter="p", first=0, total="$.pages")),
        (
            {"offset": "skip", "limit": "top", "size": 50},
            Paging("offset", parameter="skip", size_parameter="top", size=50),
        ),
        ({"link": "next"}, Paging("link", at="next")),
        ({"next": "$.links.next"}, Paging("next", at="$.links.next")),
    ],
    ids=["page", "offset", "link", "next"],
)
def test_every_way_of_paging_can_be_declared(folder: Path, declared: dict[str, Any], paging: Paging) -> None:
    """In the fewest words."""
    reader = source_of(folder, EXAMPLES["http"] | {"paging": declared}).reader
    assert isinstance(reader, HttpReader)
    assert reader.paging == paging


@pytest.mark.parametrize(
    ("more", "reader"),
    [
        ({"path": "/logs/*.csv"}, FilesReader("/logs/*.csv", "csv")),
        ({"path": "/logs/a.ndjson.gz"}, FilesReader("/logs/a.ndjson.gz", "jsonl")),
        ({"path": "gs://b/a.parquet"}, FilesReader("gs://b/a.parquet", "parquet")),
        ({"path": "/logs/a.txt", "format": "csv", "separator": ";"}, FilesReader("/logs/a.txt", "csv", ";")),
    ],
    ids=["csv", "packed lines", "parquet", "said"],
)
def test_the_format_of_files_is_told_by_their_name_or_said(
    folder: Path, more: dict[str, Any], reader: FilesReader
) -> None:
    """``format`` is needed only where the name says nothing."""
    source = source_of(folder, EXAMPLES["files"] | more)
    assert (source.reader, source.connection, source.name) == (reader, "", more["path"])


def test_gateways_have_keys_times_and_lateness_of_their_own(folder: Path) -> None:
    """Nothing but the connection and what is kept needs to be said."""
    kinds = {"litellm": LiteLlmTable(), "litellm_api": LiteLlmApi(), "langfuse": LangfuseReader()}
    for kind, reader in kinds.items():
        source = source_of(folder, {"kind": kind, "connection": "gateway", "fields": {"model": "text"}})
        assert (source.reader, source.key, source.time, source.late_by) == (
            reader,
            "request_id",
            "started_at",
            timedelta(hours=1),
        )
    assert source_of(folder, EXAMPLES["litellm"]).name == "gateway_db.LiteLLM_SpendLogs"
    otel = source_of(folder, EXAMPLES["otel"])
    assert (otel.reader, otel.time, otel.where) == (
        OtelReader(EXAMPLES["otel"]["path"]),
        "finished_at",
        {"service": ("refunds",)},
    )
    several = source_of(folder, EXAMPLES["langfuse"] | {"where": {"tags": ["a", 7], "$.metadata.dag": "x"}})
    assert several.where == {"tags": ("a", "7"), "$.metadata.dag": ("x",)}


HTTP, FILES, LITELLM = EXAMPLES["http"], EXAMPLES["files"], EXAMPLES["litellm"]
_TABLE = {"table": "d", "key": "k", "time": "t", "decision": "d"}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({**HTTP, "kind": "htp"}, "source.kind: must be one of the accepted words, but is 'htp' (did you mean 'http'? accepted: sql, http, files, litellm, litellm_api, langfuse, otel)"),
        ({**HTTP, "pagging": {}}, "source.pagging: is not a known key (did you mean 'paging'?"),
        ({**HTTP, "rows": "data"}, "source.rows: 'data' is not a JSONPath (it begins with $, such as $.answer)"),
        ({**HTTP, "path": "https://x.example/runs"}, "source.path: 'https://x.example/runs' is not a path (begins with /, such as /v1/answer)"),
        ({**HTTP, "query": {"since": "{{ from }}"}}, "source.query.since: 'from' cannot be filled in (accepted: start, end, start | unix,"),
        ({**HTTP, "paging": {"cursor": "$.next"}}, "source.paging: lacks the key 'as' (the parameter that takes the cursor)"),
        ({**HTTP, "paging": {"cursor": "$.next", "page": "p"}}, "source.paging: needs exactly one of cursor, page, offset, link, next"),
        ({**HTTP, "paging": {"page": "p", "totl": "$.n"}}, "source.paging: has the unknown key 'totl' (did you mean 'total'?"),
        ({**HTTP, "paging": {"page": "p", "size": 5}}, "source.paging: has only one of limit and size"),
        ({**HTTP, "paging": {"page": "p", "limit": "n", "size": 0}}, "source.paging: 'size' must be a whole number from 1 to 10,000, but is the number 0"),
        ({**HTTP, "auth": "digest"}, "source.auth: must be a way to show the connection's secret, but is 'digest' (bearer, basic, none, or {header: X-API-Key})"),
        ({**HTTP, "fields": {"total": {"type": "number"}}}, "source.fields.total: lacks the key 'from' (such as {type: text, from: $.a.b})"),
        ({**HTTP, "fields": {"total": {"type": "numbr", "from": "$.a"}}}, "source.fields.total: must be one of the accepted words, but is 'numbr' (did you mean 'number'?"),
        ({**HTTP, "decisions": _TABLE}, "source.decisions.connection: is missing, but the source is no database (an Airflow connection to a database, such as erp)"),
        ({**EXAMPLES["sql"], "fields": {"total": {"type": "number", "from": "$.a"}}}, "source.fields.total: must be one of the accepted words, but is a mapping"),
        ({**FILES, "path": "logs/a.jsonl"}, "source.path: 'logs/a.jsonl' is not a path of files"),
        ({**FILES, "path": "s3://key:secret@b/a.jsonl"}, "source.path: looks like a secret, which is never kept in a declaration"),
        ({**FILES, "path": "/logs/a.log"}, "source.path: does not tell what the files are (name the `format`: csv, jsonl or parquet)"),
        ({**FILES, "path": "/logs/{{ hour }}.csv"}, "source.path: 'hour' cannot be filled in (only {{ date }} can: each day of the window)"),
        ({**LITELLM, "fields": {"modl": "text"}}, "source.fields.modl: 'modl' is nothing that is known of a call (did you mean 'model'?"),
        ({**LITELLM, "fields": {"cost": "text"}}, "source.fields.cost: is of type number"),
        ({**LITELLM, "where": {"tag": "x"}}, "source.where.tag: 'tag' is nothing that is known of a call (did you mean 'tags'?"),
        ({**LITELLM, "where": {"tags": []}}, "source.where.tags: is empty (a text, or a list of them)"),
        ({**LITELLM, "time": "finished"}, "source.time: 'finished' is no time of a call (did you mean 'finished_at'?"),
        ({**LITELLM, "usage": {"model": "m"}}, "source.usage: is not a known key"),
    ],
    ids=lambda value: value.split(" (")[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_told_with_what_would_be_right(folder: Path, source: dict[str, Any], told: str) -> None:
    """Key, sentence and hint."""
    (said,) = problems(folder, source)
    assert said.startswith(told)


def test_a_kpi_needs_a_database(folder: Path) -> None:
    """Its SQL cannot be asked of files; LiteLLM's own database is one."""
    told = (
        "kpi.connection: is missing, but the source is no database (an Airflow connection to a database, such as erp)"
    )
    assert problems(folder, FILES, kpi_connection="") == [told]
    assert problems(folder, LITELLM, kpi_connection="") == []


_ODD: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["$", "$.a[", "{{", "{{ start }}", "s3://"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_value_anywhere_is_answered(folder: Path, data: st.DataObject) -> None:
    """Whatever stands at a key of whatever kind: a workflow, or problems with words."""
    example = EXAMPLES[data.draw(st.sampled_from(sorted(EXAMPLES)))]
    key = data.draw(st.sampled_from([*example, "kind", "where", "paging", "auth", "decisions", "usage", "format"]))
    found = loaded(folder, {**example, key: data.draw(_ODD)})
    assert (found.workflow is None) == bool(found.problems)
    assert not [problem for problem in found.problems if "fault of the loader" in problem.text or not problem.text]
