"""What a fleet and a workflow say of their alerts, in the domain's words, and what is wrong with it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot import decide
from afterpilot.decide import sharing
from afterpilot.decide.consequences import LASTS
from afterpilot.decide.sharing import SHARED
from afterpilot.declare import load
from afterpilot.declare.alert_kinds import KINDS
from afterpilot.declare.expectations import QUALITY
from afterpilot.declare.fleet import fleet_warnings
from afterpilot.domain.alerting import Alerting, Escalation, Maintenance, Route, Target
from afterpilot.domain.connections import MailServer
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Severity
from afterpilot.domain.working_hours import WorkingHours
from afterpilot.notify.email import MailTransport

_KIND = re.compile(r"(declaration|pull|quality|gate|review|evals|spend|bills|report|watch)\.[a-z_]+")
FLEET = """
alerts:
  targets:
    pagerduty: {kind: pagerduty, connection: pagerduty}
    mail: {kind: email, connection: smtp, to: [ops@example.com, night@example.com]}
  working_hours: {timezone: Europe/Berlin, days: mon-fri, from: "08:00", to: "18:00"}
  routes:
    - {severity: critical, hours: "off", to: [pagerduty, channel]}
    - {kind: "spend.*", severity: warning, workflow: refunds, to: digest, continue: true}
    - {kind: gate.could_not_run, severity: warning, to: [], reason: nobody acts on it}
    - {to: channel}
  escalate: {critical: 15m, unknown: 4h working}
  digest: {at: "07:15"}
  maintenance:
    - {from: 2026-12-01T20:00, until: 2026-12-01T23:00, reason: ERP upgrade, by: Sam Whitfield, workflow: [refunds]}
"""


def _add(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text(encoding='utf-8')}{text}", encoding="utf-8")


def _fleet(good: Path, text: str) -> Alerting:
    _add(good / "_fleet.yaml", text)
    fleet = load(good).fleet
    assert fleet is not None
    return fleet.alerts


def _problems(good: Path) -> list[str]:
    """What is said of each place, without file and line, which all must have."""
    problems = load(good).problems
    assert all(problem.line for problem in problems)
    return [f"{problem.key}: {problem.text}" for problem in problems]


def test_all_that_a_fleet_may_say(good: Path) -> None:
    """Targets, hours, routes in their order, escalation by severity, the digest's time, and maintenance in UTC."""
    assert _fleet(good, FLEET) == Alerting(
        targets=(
            Target("pagerduty", "pagerduty", "pagerduty"),
            Target("mail", "email", "smtp", "ops@example.com, night@example.com"),
        ),
        routes=(
            Route(("pagerduty", "channel"), (Severity.CRITICAL,), hours="off"),
            Route(("digest",), (Severity.WARNING,), ("spend.*",), ("refunds",), go_on=True),
            Route((), (Severity.WARNING,), ("gate.could_not_run",), reason="nobody acts on it"),
            Route(("channel",)),
        ),
        working_hours=WorkingHours("Europe/Berlin", (0, 1, 2, 3, 4), time(8), time(18)),
        escalate={
            Severity.CRITICAL: Escalation(timedelta(minutes=15)),
            Severity.UNKNOWN: Escalation(timedelta(hours=4), "working"),
        },
        digest_at=time(7, 15),
        maintenance=(
            Maintenance(
                datetime(2026, 12, 1, 19, tzinfo=UTC),
                datetime(2026, 12, 1, 22, tzinfo=UTC),
                "ERP upgrade",
                "Sam Whitfield",
                ("refunds",),
            ),
        ),
    )
    assert load(good).problems == ()


def test_a_workflow_says_less_and_in_its_own_zone(good: Path) -> None:
    """Its routes name the fleet's targets; without hours of its own its times are meant where the fleet works."""
    _add(good / "_fleet.yaml", FLEET)
    own = "alerts:\n  routes: [{severity: warning, to: [mail, '#night']}]\n  maintenance: [{WHEN, reason: r, by: b}]\n"
    _add(good / "refunds/workflow.yaml", own.replace("WHEN", "from: 2026-07-01T20:00, until: 2026-07-01T21:00Z"))
    (workflow,) = load(good).workflows
    assert workflow.alerts is not None
    assert workflow.alerts.routes == (Route(("mail", "#night"), (Severity.WARNING,)),)
    (window,) = workflow.alerts.maintenance
    assert (window.start.hour, window.end.hour) == (18, 21)
    assert (workflow.alerts.working_hours, workflow.alerts.escalate, workflow.alerts.digest_at) == (None, None, None)


def test_without_any_all_is_as_it_is_unless_said(good: Path) -> None:
    """No key `alerts`, no targets, no routes, nobody is called."""
    declarations = load(good)
    assert declarations.fleet is not None
    assert declarations.fleet.alerts == Alerting()
    assert declarations.workflows[0].alerts is None


@pytest.mark.parametrize(
    ("given", "days"),
    [("mon-fri", (0, 1, 2, 3, 4)), ("sun-thu", (0, 1, 2, 3, 6)), ("mon, wed, sat-sun", (0, 2, 5, 6)), ("sat", (5,))],
)
def test_days_are_words(good: Path, given: str, days: tuple[int, ...]) -> None:
    """A span may go past the end of the week; the end of a day may be called 24:00."""
    hours = _fleet(good, f"alerts: {{working_hours: {{days: '{given}', from: '00:00', to: '24:00'}}}}\n").working_hours
    assert hours == WorkingHours("UTC", days, time(0), time(0))


WRONG = {
    "routes: [{to: pagerdutty}]": ["alerts.routes[0].to: 'pagerdutty' is not one of alerts.targets in _fleet.yaml"],
    "routes: [{to: []}]": ["alerts.routes[0].reason: is missing"],
    "routes: [{to: [], reason: r, severity: [warning, unknown]}]": [
        "alerts.routes[0].severity: names 'unknown', but what is critical or could not be checked is always told at once"
    ],
    "routes: [{to: digest, severity: critical}]": [
        "alerts.routes[0].severity: names 'critical', but what is critical or could not be checked is always told at once"
    ],
    "routes: [{to: channel}, {to: digest}]": ["alerts.routes[1]: is never looked at: the route 1 takes all"],
    "routes: [{to: owner}]": ["alerts.routes[0].to: names the owner, but no target sends mail"],
    "routes: [{severity: info, to: channel}]": [
        "alerts.routes[0].severity: must be one of the accepted words, but is 'info'"
    ],
    "routes: [{kinds: spend, to: channel}]": ["alerts.routes[0].kinds: is not a known key"],
    "targets: {mail: {kind: email, connection: smtp}}": ["alerts.targets.mail.to: is missing"],
    "targets: {p: {kind: pagerduty, connection: p, to: a@example.com}}": [
        "alerts.targets.p.to: belongs to e-mail; other connections name their place themselves"
    ],
    "targets: {p: {kind: pager, connection: p}}": [
        "alerts.targets.p.kind: must be one of the accepted words, but is 'pager'"
    ],
    "targets: {digest: {kind: webhook, connection: p}}": ["alerts.targets.digest: is a word that routes use already"],
    "targets: {p: {kind: webhook, connection: 'https://hooks.example/x'}}": [
        "alerts.targets.p.connection: 'https://hooks.example/x' is not a connection's name"
    ],
    "working_hours: {timezone: Berlin}": ["alerts.working_hours.timezone: 'Berlin' is not a time zone"],
    "working_hours: {days: weekdays}": ["alerts.working_hours.days: 'weekdays' names no days"],
    "working_hours: {from: 8}": ["alerts.working_hours.from: must be text, but is the number 8"],
    "working_hours: {to: '25:00'}": ["alerts.working_hours.to: '25:00' is not a time of day"],
    "escalate: {critical: 15 minutes}": ["alerts.escalate.critical: '15 minutes' is not a duration"],
    "escalate: {critical: 0m}": ["alerts.escalate.critical: must be longer than nothing"],
    "escalate: {info: 1h}": ["alerts.escalate.info: is not a known key"],
    "maintenance: [{from: 2026-12-02, until: 2026-12-03T10:00, reason: r, by: b}]": [
        "alerts.maintenance[0].from: '2026-12-02' is not a day with a time"
    ],
    "maintenance: [{from: 2026-12-02T10:00, until: 2026-12-02T10:00, reason: r, by: b}]": [
        "alerts.maintenance[0].until: is not after `from`"
    ],
    "maintenance: [{from: '0001-01-01T00:00+14:00', until: 2026-12-02T11:00, reason: r, by: b}]": [
        "alerts.maintenance[0].from: '0001-01-01T00:00+14:00' is not of this millennium",
    ],
    "maintenance: [{from: 2026-12-02T10:00, until: '9999-12-31T23:59-10:00', reason: r, by: b}]": [
        "alerts.maintenance[0].until: '9999-12-31T23:59-10:00' is not of this millennium",
    ],
    "maintenance: [{from: 2026-12-02T10:00, until: '2026-12-01T20:00Z', reason: r, by: b}]": [
        "alerts.maintenance[0].until: is not after `from`"
    ],
    "maintenance: [{from: 2026-12-02T10:00, until: 2026-12-02T11:00, reason: r}]": [
        "alerts.maintenance[0].by: is missing"
    ],
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_and_left_out_of_the_fleet(good: Path, wrong: str) -> None:
    """With its line; all that is right beside it is kept, and no workflow is broken by it."""
    alerts = _fleet(good, f"alerts:\n  digest: {{at: '07:00'}}\n  {wrong}\n")
    assert _problems(good) == WRONG[wrong]
    assert alerts.digest_at == time(7)
    assert len(load(good).workflows) == 1


ADDRESSES = (
    "jürgen@example.com",
    "ops@müller.example",
    "a..b@example.com",
    "a@b..example",
    ".a@example.com",
    "a@-b.example",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_no_mail_can_be_sent_to_is_refused(good: Path, address: str) -> None:
    """When it is declared, and not when there is something to tell."""
    _fleet(good, f"alerts: {{targets: {{m: {{kind: email, connection: smtp, to: [ops@example.com, {address}]}}}}}}\n")
    assert _problems(good) == [f"alerts.targets.m.to: {address!r} is not an e-mail address"]


@pytest.mark.parametrize("address", ["a@b", "o'neill+night_1@mail.example.co.uk", f"{'a' * 64}@example.com"])
def test_what_may_be_declared_can_be_sent_to(good: Path, address: str) -> None:
    """The transport takes every address that a declaration may hold."""
    alerts = _fleet(good, f'alerts: {{targets: {{m: {{kind: email, connection: smtp, to: ["{address}"]}}}}}}\n')
    assert alerts.targets[0].to == address
    MailTransport(MailServer("localhost", 25, sender=address))


def test_of_wrong_routes_the_right_ones_are_kept(good: Path) -> None:
    """In their order."""
    first = "{to: nobody, kind: pull.noted}, {to: digest, kind: gate.could_not_run}"
    alerts = _fleet(good, f"alerts: {{routes: [{first}, {{to: []}}, {{to: channel}}]}}\n")
    assert [route.to for route in alerts.routes] == [("digest",), ("channel",)]


KINDS_MISNAMED = {
    "evals.regresed": "'evals.regresed' is no kind of alert (did you mean evals.regressed?)",
    "eval.regressed": "'eval.regressed' is no kind of alert (did you mean evals.regressed?)",
    "evals.regresion*": "'evals.regresion*' fits no kind of alert (did you mean evals.regressed?)",
    "spends.*": "'spends.*' fits no kind of alert (did you mean spend.*?)",
    "bills.zzz": "'bills.zzz' is no kind of alert (of bills there are: did_not_run, gap, incomparable, unknown_lasts, unowned, "
    "unread, unreadable)",
    "zzz": "'zzz' is no kind of alert (families: bills, check, declaration, declare, evals, evaluate, gate, pull, quality, "
    "report, review, shared, spend, watch; docs/runbooks has the kinds)",
    "quality.fresh": "'quality.fresh' is no kind of alert (did you mean quality.fresh_within?)",
}


@pytest.mark.parametrize("kind", KINDS_MISNAMED)
def test_a_kind_that_there_is_not_is_refused_with_the_nearest(good: Path, kind: str) -> None:
    """In routes and in maintenance, of the fleet and of a workflow, with file and line; in a list, too."""
    window = "from: 2026-12-02T10:00, until: 2026-12-02T11:00, reason: r, by: b"
    alerts = f'alerts:\n  routes: [{{kind: "{kind}", to: channel}}]\n  maintenance:\n  - {{{window}, kind: [pull.noted, "{kind}"]}}\n'
    for file in ("_fleet.yaml", "refunds/workflow.yaml"):
        before = len((good / file).read_text(encoding="utf-8").splitlines())
        _add(good / file, alerts)
        assert [str(one) for one in load(good).problems if one.file == file] == [
            f"{file}:{before + 2}: alerts.routes[0].kind: {KINDS_MISNAMED[kind]}",
            f"{file}:{before + 4}: alerts.maintenance[0].kind[1]: {KINDS_MISNAMED[kind]}",
        ]


def test_a_workflow_that_there_is_not_is_refused_and_the_route_goes_on_for_the_others(good: Path) -> None:
    """Its nearest name is said; a workflow that is removed takes nobody else's route along. The fleet itself may be named."""
    alerts = _fleet(good, "alerts: {routes: [{workflow: [refund, refunds, _fleet], to: digest}]}\n")
    assert [str(one).partition("alerts.")[2] for one in load(good).problems] == [
        "routes[0].workflow[0]: 'refund' is no workflow of this folder (did you mean 'refunds'? accepted: refunds)"
    ]
    assert alerts.routes == (Route(("digest",), workflows=("refund", "refunds", "_fleet")),)


def test_a_pattern_of_workflows_that_none_fits_yet_is_a_warning(good: Path) -> None:
    """A workflow may still come: it is said, with its line, and nothing is refused."""
    _fleet(good, 'alerts: {routes: [{workflow: ["claims_*", "ref*"], to: digest}]}\n')
    assert load(good).problems == ()
    [warning] = fleet_warnings(good)
    assert warning.line
    assert str(warning).endswith(
        "alerts.routes[0].workflow[0]: 'claims_*' fits no workflow that there is (right if one is still to come)"
    )


def test_every_kind_that_is_found_is_known() -> None:
    """A kind that a verb can find may be routed and silenced; what may be routed is found by one, or is one of a family of checks."""
    said = set(_kinds_in_decide())
    of_stages = {f"{stage}.{word}" for stage in Stage for word in ("did_not_run", LASTS)}
    checks = {f"quality.{name}" for name in QUALITY}
    shared = {f"{SHARED}{what}" for what in sharing._WORDS}
    assert set(KINDS) == said | of_stages | checks | shared


def _kinds_in_decide() -> Iterator[str]:
    """The constants of the modules that make findings, whose form is a family and a word."""
    names = [one.name for one in pkgutil.walk_packages(decide.__path__, "afterpilot.decide.")]
    for name in [*names, "afterpilot.domain.watching"]:
        for value in vars(importlib.import_module(name)).values():
            several = value.values() if isinstance(value, dict) else [value]
            yield from (one for one in several if isinstance(one, str) and _KIND.fullmatch(one))


def test_a_workflow_may_not_name_what_the_fleet_lacks(good: Path) -> None:
    """A target, or the owner's mail without an address; where the fleet's alerts cannot be read it is not held against it."""
    _add(good / "refunds/workflow.yaml", "alerts: {routes: [{to: owner, kind: pull.noted}, {to: mail}]}\n")
    assert _problems(good) == [
        "alerts.routes[0].to: names the owner, whose e-mail address is not known",
        "alerts.routes[1].to: 'mail' is not one of alerts.targets in _fleet.yaml",
    ]
    _add(good / "_fleet.yaml", "alerts: [all]\n")
    assert "alerts.routes[1].to" not in " ".join(_problems(good))


def test_a_key_of_a_target_has_its_nearest_name(good: Path) -> None:
    """Below a name that the team chose the keys are known again."""
    _fleet(good, "alerts: {targets: {p: {kind: webhook, conection: p}}}\n")
    hints = [problem.hint for problem in load(good).problems]
    assert any(hint.startswith("did you mean 'connection'? accepted: kind, connection, to") for hint in hints)


def test_a_person_may_have_an_address(good: Path) -> None:
    """So that routes to the owner can reach them."""
    path = good / "refunds/workflow.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("  slack: U01AAAAAA\n", "  slack: U01AAAAAA\n  email: ana@example.com\n"), encoding="utf-8"
    )
    (workflow,) = load(good).workflows
    assert (workflow.owner.email, workflow.deputy.email) == ("ana@example.com", "")


_ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3), max_size=2)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_alerts_are_answered(good: Path, data: st.DataObject) -> None:
    """Whatever stands at any place: the fleet is there, and what is wrong has a problem; what is not damaged is kept."""
    document = yaml.safe_load((good / "_fleet.yaml").read_text(encoding="utf-8").split("\nalerts:")[0])
    alerts = yaml.safe_load(FLEET.replace("2026-12-01T20:00", "'2026-12-01T20:00'").replace("2026-12-01T23:00", "x"))[
        "alerts"
    ]
    section = data.draw(st.sampled_from(sorted(alerts)))
    holder = alerts[section]
    keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
    alerts[section][data.draw(st.sampled_from(list(keys)))] = data.draw(_ODD)
    (good / "_fleet.yaml").write_text(yaml.safe_dump(document | {"alerts": alerts}, sort_keys=False), encoding="utf-8")
    declarations = load(good)
    assert declarations.fleet is not None
    assert not [problem for problem in declarations.problems if "fault of the loader" in problem.text]
    assert declarations.fleet.channel == "#ai-operations"
