"""``afterpilot routes explain`` prints the precedence, and what decided."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from path_site import SLUG, Site
from typer.testing import CliRunner, Result

from afterpilot.cli.app import app
from afterpilot.record import tables

pytestmark = pytest.mark.integration


def explain(site: Site, *arguments: str) -> Result:
    """The command in a shell of the site."""
    return CliRunner().invoke(app, ["routes", "explain", *arguments], env={**site.env, "COLUMNS": "200"})


def test_one_workflow_step_by_step(site: Site) -> None:
    """By the clock of its working hours: where it goes, who is called at once, and who after that."""
    shown = explain(site, SLUG, "--severity", "critical", "--at", "2026-07-04 03:00", "--kind", "spend.over_cap")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines() == [
        f"{SLUG}: critical, spend.over_cap  Sat 2026-07-04 03:00 BST, outside working hours",
        "  1. silences: none holds",
        "  2. maintenance: none holds",
        "  3. route 1 of the fleet: no, it is for warning",
        "  4. unless a route decides: the workflow's channel #ap-automation",
        "  goes to: #ap-automation",
        "  calls: Dana Ruiz at once; unless somebody takes it up Lee Okafor after 30 min, then everybody in #ap-automation after another 30 min",
    ]


def test_a_silence_that_holds_then_is_looked_up(site: Site) -> None:
    """At the moment that was asked for, not at this one; for programs too."""
    start, end = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 2, tzinfo=UTC)
    with site.ops.begin() as connection:
        values = {"workflow": SLUG, "by": "Dana Ruiz", "reason": "move", "starts_at": start, "ends_at": end}
        connection.execute(sa.insert(tables.silences).values(values))
    told = json.loads(explain(site, SLUG, "--severity", "unknown", "--at", "2030-01-01 12:00", "--json").stdout)
    assert told["silences_known"] is True
    (alert,) = told["alerts"]
    assert alert["silenced"] == "silenced until 2030-01-02 00:00 UTC by Dana Ruiz: move"
    assert alert["calls"] == []
    now = json.loads(explain(site, SLUG, "--severity", "unknown", "--json").stdout)["alerts"][0]
    assert (now["silenced"], now["to"]) == ("", [{"target": "slack", "channel": "#ap-automation", "digest_at": None}])


def test_all_of_them_in_a_table(site: Site) -> None:
    """Three lines for each; without the ops database the silences are said to be not known."""
    site.env["AFTERPILOT_DATABASE_URL"] = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    shown = explain(site)
    assert shown.exit_code == 0, shown.output
    begun = [line.split()[0] for line in shown.stdout.splitlines() if line.split()]
    assert [word for word in begun if word in {SLUG, "unknown", "warning"}] == [SLUG, "unknown", "warning"]
    assert "Silences are not known: the ops database cannot be reached." in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "there is no workflow 'nobody'"),
        ([SLUG, "--severity", "bad"], "'bad' is no severity that alerts have"),
        ([SLUG, "--kind", "spend.overcap"], "'spend.overcap' is no kind of alert: did you mean spend.over_cap?"),
        ([SLUG, "--at", "tomorrow"], "'tomorrow' is no moment"),
        ([SLUG, "--at", "0001-01-01 00:00+14:00"], "is too far away"),
        ([SLUG, "--at", "9999-12-31 23:59"], "is too far away"),
    ],
)
def test_what_cannot_be_explained_is_an_error(site: Site, arguments: list[str], said: str) -> None:
    """In one sentence."""
    shown = explain(site, *arguments)
    assert shown.exit_code != 0
    assert said in str(shown.exception)
