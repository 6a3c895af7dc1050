"""Each way to break a declaration, with the exact lines and words that its team gets to read.

After a change of words on purpose: ``UPDATE_GOLDEN=1 pytest tests/unit/declare``, and read the difference.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from afterpilot.declare import load

GOLDEN = Path(__file__).parents[2] / "golden" / "declare" / "problems.txt"


@dataclass(frozen=True)
class Break:
    """A text of a file that is replaced by another one; ``new`` alone is put at the end."""

    name: str
    new: str
    old: str = ""
    file: str = "refunds/workflow.yaml"


BREAKS = (
    Break("unknown key at the top", "notify: everybody\n"),
    Break("unknown key, nearest name", "  pass_rat: 90%", "  pass_rate: 90%"),
    Break("missing section", "", "spend: {cap: 1200 EUR/month, warn_at: [50%, 80%], at_cap: stop}\n"),
    Break("empty section", "spend:", "spend: {cap: 1200 EUR/month, warn_at: [50%, 80%], at_cap: stop}"),
    Break("list where a mapping belongs", "kpi: [hours]\nold_kpi:\n", "kpi:\n"),
    Break("several at once", "stage: liv\nowner:\n  name: 5\n  slack: ana\n", "stage: live\nowner:\n  name: Ana Silva\n  slack: U01AAAAAA\n"),
    Break("name differs from the folder", "workflow: refund", "workflow: refunds"),
    Break("name with a blank", "workflow: My Refunds", "workflow: refunds"),
    Break("owner and deputy are one", "slack: U01AAAAAA}", "slack: U02BBBBBB}"),
    Break("channel without quotes", "channel: #refunds", 'channel: "#refunds"'),
    Break("KPI that cannot be reached", "target: 40", "target: 4"),
    Break("number as text", 'baseline: "30"', "baseline: 30"),
    Break("infinite number", "baseline: .inf", "baseline: 30"),
    Break("not a number", "target: .nan", "target: 4"),
    Break("number beyond all bounds", "target: 1e999", "target: 4"),
    Break("optional key left empty", "spot_check:", "spot_check: 2.5%"),
    Break("duplicate key", "stage: live\npurpose: Something else\n", "stage: live\n"),
    Break("duplicate key deep down", "    amount: text\n    amount: number\n", "    amount: number\n"),
    Break("alias", "deputy: *ana", "deputy: {name: Ben Mori, slack: U02BBBBBB}"),
    Break("merge key", "governance:\n  <<: *all\n", "governance:\n"),
    Break("tag", "purpose: !!python/object/apply:os.system [id]", "purpose: Suggest an amount for each refund"),
    Break("tag on a text", "purpose: !!str yes", "purpose: Suggest an amount for each refund"),
    Break("boolean where text belongs", "purpose: true", "purpose: Suggest an amount for each refund"),
    Break("list as a key", "? [a, b]\n: c\n"),
    Break("two documents", "---\nworkflow: other\n"),
    Break("not closed", "personal: [customer\n", "personal: [customer]\n"),
    Break("tab", "\tname: Ana Silva", "  name: Ana Silva"),
    Break("control character", 'purpose: "a\\0b"', "purpose: Suggest an amount for each refund"),
    Break("secret as a value", "connection: sk-proj-a1b2c3d4e5f6g7h8", "connection: shop\n  table: ops"),
    Break("Slack token", "    name: xoxb-123456-abcdef", "    name: own-model"),
    Break("URL with a password", "connection: postgresql://app:hunter2@db/shop", "connection: shop\n  table: ops"),
    Break("address instead of a connection", "connection: https://models.example/v1", "connection: models"),
    Break("table with more than a name", 'table: "refunds; DROP TABLE x"', "table: ops.refund_runs"),
    Break("not a duration", "late_by: 30 minutes", "late_by: 30m"),
    Break("history shorter than lateness", "late_by: 30d", "late_by: 30m"),
    Break("duration of a thousand years", "history: 400000d", "history: 14d"),
    Break("unknown type of a field", "amount: money", "amount: number"),
    Break("personal field that is not kept", "personal: [custommer]", "personal: [customer]"),
    Break("one word for two outcomes", "rejected: [refused, paid]", "rejected: [refused]"),
    Break("usage without tokens", "    model: model\n", "    model: model\n    input_tokens: tokens_in\n    output_tokens: tokens_out\n"),
    Break("share above all", "spot_check: 250%", "spot_check: 2.5%"),
    Break("precision as a share", "spot_check: {precision: 2%}", "spot_check: 2.5%"),
    Break("strata of a field that is not kept", "spot_check: {by: order_not}", "spot_check: 2.5%"),
    Break("share as a number", "spot_check: 0.025", "spot_check: 2.5%"),
    Break("no check at all", "outputs: []\nold:", "outputs:"),
    Break("unknown expectation, nearest name", "expect: colum_values_to_be_in_set", "expect: column_values_to_be_in_set"),
    Break("expectation in its long form", "expect: expect_column_values_to_be_in_set", "expect: column_values_to_be_in_set"),
    Break("expectation in the wrong list", "  - {expect: column_mean_to_be_between, column: amount, max_value: 9}\nspot_check:", "spot_check:"),
    Break("expectation that cannot be built", "expect: multicolumn_values_to_be_unique", "expect: column_values_to_be_in_set"),
    Break("check without a name", "{column: currency, value_set", "{expect: column_values_to_be_in_set, column: currency, value_set"),
    Break("check that is a text", "quality:\n  - fresh\n", "quality:\n"),
    Break("unknown severity", "severity: warn}", "severity: warning}"),
    Break("unknown parameter, nearest name", "valueset: [EUR, NOK, NO]", "value_set: [EUR, NOK, NO]"),
    Break("mostly in per cent", "mostly: 99", "mostly: 0.99"),
    Break("mostly where it means nothing", "max_age: 12h, mostly: 0.9}", "max_age: 12h}"),
    Break("range without bounds", "    column: amount\n", "    column: amount\n    min_value: 0.01\n    max_value: 500\n"),
    Break("range upside down", "min_value: 900", "min_value: 0.01"),
    Break("bounds of two kinds", 'min_value: "2026-01-01"', "min_value: 0.01"),
    Break("range on a text", "    column: answer\n    min_value", "    column: amount\n    min_value"),
    Break("freshness of a text", "{expect: fresh_within, column: answer", "{expect: fresh_within, column: finished_at"),
    Break("broken regular expression", 'regex: "^[0-9+$"', 'regex: "^[0-9]+$"'),
    Break("empty set", "value_set: []", "value_set: [EUR, NOK, NO]"),
    Break("column that is not kept", "column: order_number, regex", "column: order_no, regex"),
    Break("output check on the time, which is no field", "columns: [finished_at]", "columns: [order_no]"),
    Break("check on a redacted column", "columns: [customer]", "columns: [order_no]"),
    Break("reference without a key", "key: order_no", "key: {order_no: order_no}"),
    Break("reference with a wrong tolerance", "tolerance: a cent", "tolerance: 0.01"),
    Break("reference with an unknown key", "status: {column: state, allow: [delivered]}", "status: {column: state, accept: [delivered, returned]}"),
    Break("file that is not there", "prompt: promt.md", "prompt: prompt.md"),
    Break("file outside the folder", "sql: ../../secrets.sql", "sql: kpi.sql"),
    Break("absolute file", "sql: /etc/passwd", "sql: kpi.sql"),
    Break("SQL that changes something", "DELETE FROM refund_hours", "SELECT week, hours FROM refund_hours", "refunds/kpi.sql"),
    Break("two statements", "SELECT 1; DROP TABLE x;", "SELECT week, hours FROM refund_hours;", "refunds/kpi.sql"),
    Break("schema that is not JSON", '"reason"]', '"reason"]}', "refunds/answer.schema.json"),
    Break("schema with an unknown type", '"objekt"', '"object"', "refunds/answer.schema.json"),
    Break("schema that wants the network", '{"$ref": "https://example.com/x"}', '{"type": "number"}', "refunds/answer.schema.json"),
    Break("secret in the prompt", "Use Bearer abcdef0123456789abcdef.\n", "Suggest a refund.\n", "refunds/prompt.md"),
    Break("prompt without a variable", "A letter", "{{ letter }} of {{ customer }}", "refunds/prompt.md"),
    Break("prompt variable without a value", "{{ lettre }}", "{{ letter }}", "refunds/prompt.md"),
    Break("half a line of cases", '{"id": "late-2", "vars": {"letter": "It ca', file="refunds/cases.jsonl"),
    Break("repeated case", '"late-1"', '"damaged-1"', "refunds/cases.jsonl"),
    Break("case without the expected value", '"expected": {"amuont": 12.5', '"expected": {"amount": 12.5', "refunds/cases.jsonl"),
    Break("case that expects nothing", '"reason": null', '"reason": "late"', "refunds/cases.jsonl"),
    Break("case that expects no number", '"amount": "all"', '"amount": 12.5', "refunds/cases.jsonl"),
    Break("case with a number as a variable", '"customer": 5', '"customer": "K."', "refunds/cases.jsonl"),
    Break("case with an infinite number", '"amount": Infinity', '"amount": 12.5', "refunds/cases.jsonl"),
    Break("case with a repeated key", '"tags": [], "tags"', '"tags"', "refunds/cases.jsonl"),
    Break("case with half a character", '"K\\ud83d"', '"K."', "refunds/cases.jsonl"),
    Break("case that is a list", "[1, 2]\n", file="refunds/cases.jsonl"),
    Break("case with unknown keys", '"input": 1, "vars"', '"vars"', "refunds/cases.jsonl"),
    Break("unknown scorer, nearest name", "{exakt: reason}", "{exact: reason}"),
    Break("two scorers in one item", "{exact: reason, contains: reason}", "{exact: reason}"),
    Break("scorer with an unknown parameter", "{numeric: amount, tolerence: 0.01}", "{numeric: amount, tolerance: 0.01}"),
    Break("scorer without its parameter", "{regex: reason}", "{exact: reason}"),
    Break("scorer of a field that the answer lacks", "{contains: reasons}", "{exact: reason}"),
    Break("no concurrency", "  concurrency: 0\n  pass_rate: 90%", "  pass_rate: 90%"),
    Break("half an epoch", "  epochs: 1.5\n  pass_rate: 90%", "  pass_rate: 90%"),
    Break("drop in per cent", "smallest_drop: 3%", "smallest_drop: 3pp"),
    Break("unknown API", "    api: completions\n    tools: tools.json", "    tools: tools.json"),
    Break("no target at all", "evals:\n  nothing:", "evals:\n  model:"),
    Break("two targets", "evals:\n  scripted: answers.jsonl", "evals:"),
    Break("tools that are no list", "{}", '[{"type": "function", "function": {"name": "refund", "description": "Pays back", "parameters": {"type": "object"}}}]', "refunds/tools.json"),
    Break("tool without a name", '"names": "refund"', '"name": "refund"', "refunds/tools.json"),
    Break("tool with a broken schema", '{"type": "objekt"}', '{"type": "object"}', "refunds/tools.json"),
    Break("judge without a model", "{judge: rubric.md, floor", "{judge: rubric.md, model: {connection: models, name: own-judge, max_tokens: 90}, floor"),
    Break("judge whose model lacks a name", "model: {connection: models, max_tokens: 90}", "model: {connection: models, name: own-judge, max_tokens: 90}"),
    Break("judge of an unknown API", "name: own-judge, api: completions", "name: own-judge"),
    Break("judge that is not allowed", "name: other-judge", "name: own-judge"),
    Break("judge without a rubric", "judge: rubrik.md", "judge: rubric.md"),
    Break("empty rubric", " ", "The reason is one that the letter gives.", "refunds/rubric.md"),
    Break("secret in the rubric", "Use sk-proj-a1b2c3d4e5f6g7h8.", "The reason", "refunds/rubric.md"),
    Break("floor above all", "floor: 7", "floor: 0.7"),
    Break("threshold of nothing", "threshold: 0%", "threshold: 80%"),
    Break("threshold of a scorer that is right or wrong", "{exact: reason, threshold: 0.5}", "{exact: reason}"),
    Break("weight below nothing", "weight: -2", "weight: 2"),
    Break("tags that are no list", "tags: late}", "tags: [late]}"),
    Break("Python that is none", "def polite(answer", "def polite(answer, case, reply)", "refunds/scorers.py"),
    Break("function that is not there", "function: polit,", "function: polite,"),
    Break("Python outside the folder", "python: ../scorers.py", "python: scorers.py"),
    Break("embedding without a model", "embedding: {connection: models}", "embedding: {connection: models, model: own-embedding}"),
    Break("embedding that is not allowed", "model: other-embedding", "model: own-embedding"),
    Break("unknown way of comparing", "{json_fields: reason, fields: {amount: numerical}}", "{exact: reason}"),
    Break("scorer that needs a value", "refusal", "{exact: reason}"),
    Break("pass score above all", "pass_score: 850%", "pass_score: 85%"),
    Break("unknown reducer, nearest name", "reducer: majorty", "reducer: {at_least: 1}"),
    Break("reducer with an unknown key", "reducer: {at_most: 1}", "reducer: {at_least: 1}"),
    Break("reducer that needs more epochs", "reducer: {pass_at: 3}", "reducer: {at_least: 1}"),
    Break("reducer of half an epoch", "reducer: {at_least: 0.5}", "reducer: {at_least: 1}"),
    Break("eval budget above the whole cap", "cap: 3000 EUR/month", "cap: 300 EUR/month"),
    Break("eval budget in another currency", "cap: 300 USD/month", "cap: 300 EUR/month"),
    Break("no false alarm at all", "false_alarms_per_year: 0,", "false_alarms_per_year: 0.5,"),
    Break("drop of nothing", "smallest_drop: 0pp", "smallest_drop: 3pp"),
    Break("unknown key of the alarm", "smalest_drop: 3pp", "smallest_drop: 3pp"),
    Break("waiver of a case that is not there", "case: damaged-2", "case: damaged-1"),
    Break("waiver of a tag that is not there", "tag: lat,", "tag: late,"),
    Break("waiver of nothing", "{until: 2026-12-31", "{case: damaged-1, until: 2026-12-31"),
    Break("waiver of a case and a tag", "{case: damaged-1, tag: late", "{case: damaged-1"),
    Break("waiver for ever", "{case: damaged-1, by", "{case: damaged-1, until: 2026-12-31, by"),
    Break("waiver until a day that is none", "until: 2026-02-30", "until: 2026-12-31"),
    Break("waiver without a reason", "by: Ben Mori}", "by: Ben Mori, why: Late ones are settled by hand}"),
    Break("data that is read with two statements", "; DELETE FROM orders", " FROM orders", "refunds/orders.sql"),
    Break("data that is read without SQL", "{connection: shop}\n  corrections", "{connection: shop, sql: orders.sql}\n  corrections"),
    Break("correction of an unknown variable", "vars: {lettre: answer", "vars: {letter: answer"),
    Break("correction from a field that is not kept", "letter: answers", "letter: answer"),
    Break("correction from a redacted field", "customer: customer}", "customer: currency}"),
    Break("correction of a field that nobody corrects", "expected: {amount: currency}", "expected: {amount: amount}"),
    Break("corrected field that is not kept", "corrected_fields: {ammount", "corrected_fields: {amount"),
    Break("case with an unknown role", '"role": "usr"', '"role": "user"', "refunds/cases.jsonl"),
    Break("case with a turn that says nothing", ', "contents": "And the other one?"', ', "content": "And the other one?"', "refunds/cases.jsonl"),
    Break("case that ends with an open answer", '"And the other one?"}, {"role": "assistant"}]', '"And the other one?"}]', "refunds/cases.jsonl"),
    Break("case with an image that is not there", '"scann.png"', '"scan.png"', "refunds/cases.jsonl"),
    Break("case with an image that is none", '"kpi.sql"', '"scan.png"', "refunds/cases.jsonl"),
    Break("case with an unknown scorer", '{"tool_cal": ""', '{"tool_call": ""', "refunds/cases.jsonl"),
    Break("case with a scorer that it says nothing for", '{"tool_call": ""}', '{"tool_call": "", "calls": [{"name": "refund"}]}', "refunds/cases.jsonl"),
    Break("case with a call that has no name", '"calls": [{"nam": "refund"}]', '"calls": [{"name": "refund"}]', "refunds/cases.jsonl"),
    Break("case with a secret", "sk-proj-a1b2c3d4e5f6g7h8", "a correction of run 17", "refunds/cases.jsonl"),
    Break("model that is not allowed", "models_allowed: [own-modell, own-judge, own-embedding]", "models_allowed: [own-model, own-judge, own-embedding]"),
    Break("cap of nothing", "cap: 0 EUR/month", "cap: 1200 EUR/month"),
    Break("cap below nothing", "cap: -5 EUR/month", "cap: 1200 EUR/month"),
    Break("cap in an odd currency", "cap: 1200 EURO/month", "cap: 1200 EUR/month"),
    Break("cap in an unknown currency", "cap: 1200 XQX/month", "cap: 1200 EUR/month"),
    Break("cap per year", "cap: 1200 EUR/year", "cap: 1200 EUR/month"),
    Break("cap that is infinite", "cap: .inf", "cap: 1200 EUR/month"),
    Break("two currencies", "max_cost: 1.50 USD", "max_cost: 1.50 EUR"),
    Break("warning beyond the cap", "warn_at: [50%, 120%]", "warn_at: [50%, 80%]"),
    Break("warnings that fall", "warn_at: [80%, 50%]", "warn_at: [50%, 80%]"),
    Break("second cap for a period", ", at_cap: stop, more_caps: [{cap: 90 EUR/month}]}", ", at_cap: stop}"),
    Break("cap in another currency than the first", ", at_cap: stop, more_caps: [{cap: 90 USD/day}]}", ", at_cap: stop}"),
    Break("levels of another cap that fall", ", at_cap: stop, more_caps: [{cap: 90 EUR/day, warn_at: [80%, 50%]}]}", ", at_cap: stop}"),
    Break("cap of a model that is not allowed", ", at_cap: stop, more_caps: [{cap: 90 EUR/day, model: own-modell}]}", ", at_cap: stop}"),
    Break("cap of a team in a workflow", ", at_cap: stop, more_caps: [{cap: 90 EUR/day, team: finance}]}", ", at_cap: stop}"),
    Break("rolling cap over years", ", at_cap: stop, more_caps: [{cap: 90 EUR/900 days}]}", ", at_cap: stop}"),
    Break("rolling cap of nothing", ", at_cap: stop, more_caps: [{cap: 90 EUR/0 days}]}", ", at_cap: stop}"),
    Break("time zone that is none, nearest name", ", at_cap: stop, timezone: Europe/Londn}", ", at_cap: stop}"),
    Break("volume with a comma for thousands that parts none", ", at_cap: stop, volume: '30,0 records/month'}", ", at_cap: stop}"),
    Break("volume a week", ", at_cap: stop, volume: 3000 records/week}", ", at_cap: stop}"),
    Break("hour of work in another currency", ", at_cap: stop, hour_of_work: 40 USD}", ", at_cap: stop}"),
    Break("second person below the cap", ", at_cap: stop, second_person_above: 800 EUR}", ", at_cap: stop}"),
    Break("stop without a place", ", at_cap: stop, stop: {}}", ", at_cap: stop}"),
    Break("stop at two places", ", at_cap: stop, stop: {call_back: desk:/stop, litellm: proxy, keys: [k1]}}", ", at_cap: stop}"),
    Break("stop that blocks nothing", ", at_cap: stop, stop: {litellm: proxy}}", ", at_cap: stop}"),
    Break("stop by an address", ", at_cap: stop, stop: {call_back: https://desk.example/stop}}", ", at_cap: stop}"),
    Break("keys for a call-back", ", at_cap: stop, stop: {call_back: desk:/stop, keys: [k1]}}", ", at_cap: stop}"),
    Break("budget that is no switch", ", at_cap: stop, stop: {litellm: proxy, team: t, budget: 400 USD}}", ", at_cap: stop}"),
    Break("budget of a call-back", ", at_cap: stop, stop: {call_back: desk:/stop, budget: true}}", ", at_cap: stop}"),
    Break("budget of several keys, in another currency", ", at_cap: stop, stop: {litellm: proxy, keys: [k1, k2], budget: true}}", ", at_cap: stop}"),
    Break("budget of a key beside its team", ", at_cap: stop, stop: {litellm: proxy, keys: [k1], team: t, budget: true}}", ", at_cap: stop}"),
    Break("budget at a cap that asks", ", at_cap: ask_owner, stop: {litellm: proxy, team: t, budget: true}}", ", at_cap: stop}"),
    Break("bill that the fleet does not have", ", at_cap: stop, billed: [{account: opnai}]}", ", at_cap: stop}"),
    Break("account that stands twice", ", at_cap: stop, billed: [{account: openai, projects: [proj_1]}, {account: openai, projects: [proj_2]}]}", ", at_cap: stop}"),
    Break("unknown word for what gateways are told", ", at_cap: stop, on_unknown: deny}", ", at_cap: stop}"),
    Break("team that the fleet does not have", "team: financ\nspend:", "spend:"),
    Break("rolling eval budget", "cap: 300 EUR/7 days", "cap: 300 EUR/month"),
    Break("unknown schedule, nearest name", "records: hurly", "records: hourly"),
    Break("schedule of another kind", "evals: hourly", "evals: nightly"),
    Break("no schedule for evals", "{records: hourly, report", "{records: hourly, evals: nightly, report"),
    Break("retention in hours", "retention: 30h", "retention: 400d"),
    Break("limit without a sign", "override_rate: 3%", 'override_rate: "< 3%"'),
    Break("fleet: broken cron", "hourly: 5 * * *", "hourly: 5 * * * *", "_fleet.yaml"),
    Break("fleet: cron out of range", "nightly: 30 25 * * *", "nightly: 30 1 * * *", "_fleet.yaml"),
    Break("fleet: unknown key, nearest name", "operater:", "operators:", "_fleet.yaml"),
    Break("fleet: second price for a model", "  - {model: own-model, input_per_million: -1, output_per_million: 1, cached_per_million: 0, currency: EUR, note: x}\nbase_url", "base_url", "_fleet.yaml"),
    Break("fleet: price that holds on days of another one", "  - {model: own-model, from: 2026-01-01, input_per_million: 1, output_per_million: 1, cached_per_million: 0, currency: EUR, note: x}\nbase_url", "base_url", "_fleet.yaml"),
    Break("fleet: price of a service tier that is no word", "  - {model: m, tier: '@@@', input_per_million: 1, output_per_million: 1, cached_per_million: 0, currency: EUR, note: x}\nbase_url", "base_url", "_fleet.yaml"),
    Break("fleet: price that ends before it begins", "  - {model: m, from: 2026-07-01, until: 2026-07-01, input_per_million: 1, output_per_million: 1, cached_per_million: 0, currency: EUR, note: x}\nbase_url", "base_url", "_fleet.yaml"),
    Break("fleet: price from no day", "  - {model: m, from: July, input_per_million: 1, output_per_million: 1, cached_per_million: 0, currency: EUR, note: x}\nbase_url", "base_url", "_fleet.yaml"),
    Break("fleet: price without the rate of answers", "  - {model: m, input_per_million: 1, cached_per_million: 0, currency: EUR, note: x}\nbase_url", "base_url", "_fleet.yaml"),
    Break("fleet: price of an unknown tool", "  - {model: m, input_per_million: 1, output_per_million: 1, cached_per_million: 0, tools: {web_serches: 0.01}, currency: EUR, note: x}\nbase_url", "base_url", "_fleet.yaml"),
    Break("fleet: price of an unknown sort", "  - {model: m, input_per_million: 1, output_per_million: 1, cached_per_million: 0, input_audio_per_milion: 3, currency: EUR, note: x}\nbase_url", "base_url", "_fleet.yaml"),
    Break("fleet: address with a password", "base_url: https://me:word@airflow.example.com", "base_url: https://airflow.example.com/", "_fleet.yaml"),
    Break("fleet: cap of an unknown team", "team: financ}", "team: finance}", "_fleet.yaml"),
    Break("fleet: second cap for a team", "{cap: 900 EUR/month, team: finance}, {cap: 1000", "{cap: 1000", "_fleet.yaml"),
    Break("fleet: caps in two currencies", "cap: 1000 USD", "cap: 1000 EUR", "_fleet.yaml"),
    Break("fleet: bill of an unknown kind", "kind: open_ai", "kind: openai", "_fleet.yaml"),
    Break("fleet: second bill of a name", "bills: [{name: openai, kind: litellm, connection: proxy}, ", "bills: [", "_fleet.yaml"),
    Break("fleet: time zone that is none", "timezone: Mars", "timezone: Europe/Oslo", "_fleet.yaml"),
    Break("fleet: not readable", "schedules: [", "schedules:", "_fleet.yaml"),
)  # fmt: skip


def problems_of(folder: Path, change: Break) -> str:
    """The problems that a change brings, one a line."""
    path = folder / change.file
    before = path.read_text(encoding="utf-8")
    assert change.old in before, change.name
    after = before.replace(change.old, change.new, 1) if change.old else before + change.new
    path.write_text(after, encoding="utf-8")
    told = "\n".join(str(problem) for problem in load(folder).problems)
    path.write_text(before, encoding="utf-8")
    return told


def golden() -> dict[str, str]:
    """The problems on file, by the name of the change."""
    parts = GOLDEN.read_text(encoding="utf-8").split("## ")[1:] if GOLDEN.exists() else []
    return {name: body.strip() for name, body in (part.split("\n", 1) for part in parts)}


def test_nothing_is_wrong_with_the_unbroken_one(good: Path) -> None:
    """The declaration that all the others are broken from has no problem."""
    assert load(good).problems == ()


@pytest.mark.parametrize("change", BREAKS, ids=lambda change: change.name)
def test_each_break_is_told_with_its_line(good: Path, change: Break) -> None:
    """File, line, key, sentence and hint are exactly those on file."""
    if os.environ.get("UPDATE_GOLDEN"):
        pytest.skip("the file is being written anew")
    assert problems_of(good, change) == golden()[change.name]


def test_the_golden_file_is_complete(good: Path) -> None:
    """No break without its text on file, and none on file that is not tried."""
    if os.environ.get("UPDATE_GOLDEN"):
        text = "".join(f"## {change.name}\n{problems_of(good, change)}\n\n" for change in BREAKS)
        GOLDEN.write_text(text, encoding="utf-8")
    assert list(golden()) == [change.name for change in BREAKS]
    assert all(golden().values())
