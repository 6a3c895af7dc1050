"""Alerts of the path reach the declared targets: each its own, whatever becomes of the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import typer.main
from path_site import SLUG, Site, trigger

from afterpilot.cli import alerts_test
from afterpilot.domain.errors import AfterpilotError, ConfigurationError
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.notify.deliver import Delivered, deliver
from afterpilot.pipeline.conclude import concluded
from afterpilot.record.alerts.delivery import PostgresOutbox
from doubles.hook import Answer, HookDouble
from doubles.mail import MailDouble
from doubles.slack import TOKEN, SlackDouble

pytestmark = pytest.mark.integration

TARGETS = """alerts:
  targets:
    duty_mail: {kind: email, connection: mail_server, to: [dana@example.com, lee@example.com]}
    phones: {kind: pagerduty, connection: duty_phones}
    desk: {kind: webhook, connection: desk_hook}
    partner: {kind: slack_webhook, connection: partner_hook}
  routes:
    - {to: [channel, duty_mail, phones, desk, partner]}
"""


def declared(site: Site, mail: MailDouble, hook: HookDouble) -> None:
    """All kinds of targets, with their connections."""
    fleet = site.folder / "_fleet.yaml"
    before, _, rest = fleet.read_text().partition("alerts:")
    fleet.write_text(
        before + TARGETS + rest[rest.index("\nprices:") if "\nprices:" in rest else rest.index("\nspend:") :]
    )
    site.env |= {
        "AIRFLOW_CONN_MAIL_SERVER": json.dumps(
            {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": mail.port,
                "extra": {"tls": "none", "from": "ops@a.example"},
            }
        ),
        "AIRFLOW_CONN_DUTY_PHONES": json.dumps({"conn_type": "http", "host": hook.url, "password": "routing-key"}),
        "AIRFLOW_CONN_DESK_HOOK": json.dumps(
            {"conn_type": "http", "host": f"{hook.url}/desk", "extra": {"signing_secret": "sign"}}
        ),
        "AIRFLOW_CONN_PARTNER_HOOK": json.dumps(
            {"conn_type": "http", "host": f"{hook.url}/services", "password": "T0/B0/word"}
        ),
    }


def ran(site: Site, *findings: Finding) -> None:
    """A run of the check that found just that."""
    wired = site.wired()
    result = StageResult(SLUG, "check", "looked", findings, checked=1, covered=("quality.*",))
    window = Window(site.now - timedelta(hours=1), site.now)
    concluded(wired.services, result, wired.workflow(SLUG), window, trigger(), site.now)


def delivered_by(site: Site) -> Delivered:
    """A sweep that does not stay for what has to wait."""
    wired = site.wired()
    return deliver(PostgresOutbox(wired.engine, fallback_channel="#afterpilot"), wired.transports(), longest_wait=2.0)


def late(title: str) -> Finding:
    """A trouble of the check."""
    return Finding(SLUG, "check", "quality.fresh_within", Severity.CRITICAL, title, about="finished_at")


def letters(site: Site, target: str) -> Sequence[tuple[str, str]]:
    """What became of the letters to a target."""
    rows = site.rows("SELECT target, state, why, transport FROM outbox ORDER BY created_at, id")
    return [(row["state"], row["transport"]) for row in rows if row["target"] == target]


def test_an_incident_is_told_at_every_target_from_its_begin_to_its_end(site: Site) -> None:
    """A change in between goes to those alone who can use it, and what others were spared is on record."""
    with SlackDouble() as slack, MailDouble() as mail, HookDouble() as hook:
        declared(site, mail, hook)
        site.env |= {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": slack.url}
        for findings in ([late("nothing for 9 h")], [late("nothing for 10 h")], []):
            ran(site, *findings)
            delivered = delivered_by(site)
            assert (delivered.deferred, delivered.dead, delivered.blocked) == (0, 0, "")
        assert [sent["Subject"].split()[:3] for _, sent in mail.mails] == [
            ["🔴", "FAIL", f"{SLUG}:"],
            ["Re:", "✅", "OVER"],
        ]
        assert len(slack.root_messages()) == 1
    by_path: dict[str, list[Any]] = {}
    for taken in hook.taken:
        by_path.setdefault(taken.path, []).append(taken.data)
    assert [told["event_action"] for told in by_path["/v2/enqueue"]] == ["trigger", "resolve"]
    assert [told["event"] for told in by_path["/desk"]] == ["opened", "changed", "resolved"]
    assert len(by_path["/services/T0/B0/word"]) == 2
    assert letters(site, "duty_mail") == [("sent", "email"), ("superseded", ""), ("sent", "email")]
    assert [state for state, _ in letters(site, "desk")] == ["sent"] * 3


def test_a_target_without_its_connection_holds_its_letters_and_the_others_go_on(site: Site) -> None:
    """It says what to mend; once it is there they go out."""
    with MailDouble() as mail, HookDouble() as hook:
        declared(site, mail, hook)
        kept = site.env.pop("AIRFLOW_CONN_DUTY_PHONES")
        ran(site, late("nothing for 9 h"))
        delivered = delivered_by(site)
        assert "'phones'" in delivered.blocked
        assert "AIRFLOW_CONN_DUTY_PHONES" in delivered.blocked
        assert letters(site, "phones") == [("pending", "")]
        assert letters(site, "duty_mail") == [("sent", "email")]
        site.env["AIRFLOW_CONN_DUTY_PHONES"] = kept
        with site.ops.begin() as connection:
            connection.exec_driver_sql("UPDATE lanes SET free_at = now()")
        assert delivered_by(site).sent == 1
    assert letters(site, "phones") == [("sent", "pagerduty")]


def test_what_is_told_at_once_holds_up_no_target_that_this_process_does_not_know(site: Site) -> None:
    """Slack has it at once; the letter of the other one has not been tried, and its target is not closed."""
    with SlackDouble() as slack, MailDouble() as mail, HookDouble() as hook:
        declared(site, mail, hook)
        site.env |= {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": slack.url}
        kept = site.env.pop("AIRFLOW_CONN_DUTY_PHONES")
        wired = site.wired()
        with wired.telling():
            result = StageResult(SLUG, "check", "looked", (late("nothing for 9 h"),), checked=1, covered=("quality.*",))
            window = Window(site.now - timedelta(hours=1), site.now)
            concluded(wired.services, result, wired.workflow(SLUG), window, trigger(), site.now)
        assert len(slack.root_messages()) == 1
        assert letters(site, "duty_mail") == [("sent", "email")]
        assert site.rows("SELECT attempts FROM outbox WHERE target = 'phones'") == [{"attempts": 0}]
        site.env["AIRFLOW_CONN_DUTY_PHONES"] = kept
        assert site.wired().deliver().blocked == ""
    assert letters(site, "phones") == [("sent", "pagerduty")]


def test_without_slack_nothing_is_shown_in_the_preview_at_once(site: Site) -> None:
    """Another process may know the token: the sweep decides."""
    wired = site.wired()
    with wired.telling():
        result = StageResult(SLUG, "check", "looked", (late("nothing for 9 h"),), checked=1, covered=("quality.*",))
        window = Window(site.now - timedelta(hours=1), site.now)
        concluded(wired.services, result, wired.workflow(SLUG), window, trigger(), site.now)
    assert letters(site, "slack") == [("pending", "")]
    assert site.wired().deliver().sent == 1


def test_letters_to_a_target_whose_lines_are_broken_wait(site: Site) -> None:
    """A slip in _fleet.yaml costs no message."""
    with MailDouble() as mail, HookDouble() as hook:
        declared(site, mail, hook)
        ran(site, late("nothing for 9 h"))
        site.edit("_fleet.yaml", "phones: {kind: pagerduty,", "phones: {kind: pager,")
        assert site.wired().deliver().dead == 0
        assert letters(site, "phones") == [("pending", "")]
        assert letters(site, "duty_mail") == [("sent", "email")]
        site.edit("_fleet.yaml", "phones: {kind: pager,", "phones: {kind: pagerduty,")
        assert site.wired().deliver().sent == 1


def test_a_sweep_that_does_not_try_a_blocked_target_still_says_what_to_mend(site: Site) -> None:
    """And does not wait for it."""
    with MailDouble() as mail, HookDouble() as hook:
        declared(site, mail, hook)
        del site.env["AIRFLOW_CONN_DUTY_PHONES"]
        ran(site, late("nothing for 9 h"))
        assert "AIRFLOW_CONN_DUTY_PHONES" in site.wired().deliver().blocked
        assert "AIRFLOW_CONN_DUTY_PHONES" in site.wired().deliver().blocked
    assert site.rows("SELECT attempts FROM outbox WHERE target = 'phones'") == [{"attempts": 1}]


def test_without_a_token_slack_is_its_webhook(site: Site) -> None:
    """One channel for all; a webhook that is gone holds the letters, and the address is not repeated."""
    with HookDouble() as hook:
        site.env["SLACK_WEBHOOK_URL"] = f"{hook.url}/services/T0/B0/word"
        ran(site, late("nothing for 9 h"))
        hook.answers.append(Answer(404, "no_service"))
        delivered = delivered_by(site)
        assert delivered.blocked == "SLACK_WEBHOOK_URL: HTTP 404, no_service"
        with site.ops.begin() as connection:
            connection.exec_driver_sql("UPDATE lanes SET free_at = now()")
        assert delivered_by(site).sent == 1
    assert letters(site, "slack") == [("sent", "slack_webhook")]


@pytest.mark.parametrize(
    ("target", "answer"),
    [("duty_mail", "250 2.0.0 queued"), ("phones", "HTTP 200"), ("desk", "HTTP 200"), ("partner", "HTTP 200, ok")],
)
def test_a_test_message_says_what_the_other_side_answers(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], target: str, answer: str
) -> None:
    """It is marked as one, and nothing of it is in the outbox; PagerDuty's alert is resolved again."""
    with MailDouble() as mail, HookDouble() as hook:
        declared(site, mail, hook)
        for name, value in site.env.items():
            monkeypatch.setenv(name, value)
        alerts_test.send_test(target)
        assert answer in capsys.readouterr().out
        if target == "phones":
            assert [taken.data["event_action"] for taken in hook.taken] == ["trigger", "resolve"]
        else:
            sent = [taken.content.decode() for taken in hook.taken] + [str(one["Subject"]) for _, one in mail.mails]
            assert len(sent) == 1
            assert "TEST" in sent[0]
    assert site.rows("SELECT id FROM outbox") == []


def test_a_test_message_that_does_not_get_through_says_why(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error, which the command line ends with in exit status 2: no such target, no connection, a refusal."""
    with MailDouble(says={"RCPT eve@example.com": "550 no such user"}) as mail, HookDouble() as hook:
        declared(site, mail, hook)
        del site.env["AIRFLOW_CONN_DESK_HOOK"]
        for name, value in site.env.items():
            monkeypatch.setenv(name, value)
        for target, channel, why in (
            ("nobody", "", "known: desk, duty_mail, partner, phones, slack"),
            ("desk", "", "AIRFLOW_CONN_DESK_HOOK"),
            ("duty_mail", "eve@example.com", "550 no such user"),
            ("slack", "", "SLACK_BOT_TOKEN"),
        ):
            with pytest.raises(AfterpilotError, match=why):
                alerts_test.send_test(target, channel=channel)


def test_the_command_is_one_of_alerts() -> None:
    """As it is documented."""
    from afterpilot.cli.alerts import app

    assert "send-test" in typer.main.get_group(app).commands


def test_a_token_that_cannot_be_one_holds_slack_alone(site: Site) -> None:
    """The other targets go on."""
    with MailDouble() as mail, HookDouble() as hook:
        declared(site, mail, hook)
        site.env["SLACK_BOT_TOKEN"] = "no token"
        ran(site, late("nothing for 9 h"))
        delivered = delivered_by(site)
        assert "token" in delivered.blocked
        assert letters(site, "slack") == [("pending", "")]
        assert letters(site, "duty_mail") == [("sent", "email")]
        with pytest.raises(ConfigurationError):
            site.wired().transport()
