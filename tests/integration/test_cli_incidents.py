"""``afterpilot incidents`` and ``afterpilot alerts``: a list needs the ops database alone, an answer the declarations too."""

from __future__ import annotations

import json
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from afterpilot.cli.app import app
from afterpilot.domain.errors import AnswerRefused
from afterpilot.record import tables

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"


@pytest.fixture
def ops(ops_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """A migrated ops database, and a shell whose folder of declarations does not exist."""
    monkeypatch.setenv("AFTERPILOT_DATABASE_URL", ops_url)
    monkeypatch.setenv("AFTERPILOT_WORKFLOWS", str(tmp_path / "gone"))
    return sa.create_engine(ops_url, poolclass=sa.NullPool)


@pytest.fixture
def declared(ops: sa.Engine, tmp_path: Path) -> sa.Engine:
    """The same with a folder that holds the fleet's settings."""
    (tmp_path / "gone").mkdir()
    shutil.copy(WORKFLOWS / "_fleet.yaml", tmp_path / "gone")
    return ops


def said(*arguments: str) -> str:
    """What a command prints that ends well."""
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def document(*arguments: str) -> Any:
    """What a command says to a program."""
    return json.loads(said(*arguments, "--json"))


def incident(ops: sa.Engine, **more: Any) -> uuid.UUID:
    """An incident of a workflow that no folder declares any more."""
    values = {
        "fingerprint": uuid.uuid4().hex[:16], "workflow": "refunds", "stage": "pull", "kind": "pull.source_shrank",
        "severity": "warning", "title": "5 rows are gone", "opened_at": AT, "last_seen_at": AT, **more,
    }  # fmt: skip
    with ops.begin() as connection:
        which: uuid.UUID = connection.execute(
            sa.insert(tables.incidents).values(values).returning(tables.incidents.c.id)
        ).scalar_one()
        connection.execute(sa.insert(tables.incident_events).values(incident_id=which, at=AT, what="opened"))
    return which


def test_open_incidents_are_listed_with_what_can_be_said_of_them(ops: sa.Engine) -> None:
    """Counted, oldest first, with the first digits of the id; without any that is said."""
    assert said("incidents", "list") == "No incident is open.\n"
    incident(ops)
    shown = said("incidents", "list")
    assert "2026-11-20 02:00 UTC  warning  refunds: 5 rows are gone" in shown
    assert "1 incident not over. All about one: afterpilot incidents show ID" in shown
    assert "No incident fits" in said("incidents", "list", "--severity", "critical")


def test_a_workflow_that_there_never_was_is_an_error_that_names_the_nearest(declared: sa.Engine) -> None:
    """One that was declared and has no incident is fine; so is what concerns all of them."""
    named = {"workflow": "refunds", "sha256": "0" * 64}
    with declared.begin() as connection:
        connection.execute(sa.insert(tables.declarations).values(**named, usable=False, document={}))
        connection.execute(sa.insert(tables.current_declarations).values(**named, loaded_at=AT))
    assert said("incidents", "list", "refunds") == "No incident of refunds is open.\n"
    assert said("incidents", "list", "_fleet") == "No incident of _fleet is open.\n"
    done = CliRunner().invoke(app, ["incidents", "list", "refnds"])
    assert isinstance(done.exception, AnswerRefused)
    assert str(done.exception) == "there is no workflow 'refnds' (did you mean refunds? known: refunds, _fleet)"


def test_tomorrow_is_where_the_people_of_the_workflow_are(declared: sa.Engine, tmp_path: Path) -> None:
    """As on the page: nine in the morning of the declared time zone, told in UTC."""
    fleet = tmp_path / "gone" / "_fleet.yaml"
    said_so = fleet.read_text(encoding="utf-8")
    assert said_so.count("Europe/London") >= 1
    fleet.write_text(said_so.replace("Europe/London", "Asia/Tokyo"), encoding="utf-8")
    which = str(incident(declared))
    said("incidents", "waive", which, "--by", "Dana Ruiz", "--for", "tomorrow", "--reason", "Friday's release")
    until = datetime.fromisoformat(document("incidents", "show", which)["waived_until"])
    assert until.astimezone(UTC).hour == 0


def test_the_list_is_narrowed_by_state_gravity_and_silence(ops: sa.Engine) -> None:
    """Each filter by itself; an unknown state is refused."""
    over = incident(ops, state="resolved", resolved_at=AT, severity="critical")
    still = incident(ops)
    with ops.begin() as connection:
        connection.execute(
            sa.insert(tables.outbox).values(
                dedupe_key="a", workflow="refunds", kind="incident", incident_id=still, channel="#a", message={},
                state="silenced", why="the warehouse moves",
            )
        )  # fmt: skip
    ids = {
        options: [one["id"] for one in document("incidents", "list", *options.split())]
        for options in ("", "--state resolved", "--state all", "--severity critical --state all", "--silenced")
    }
    assert ids == {
        "": [str(still)],
        "--state resolved": [str(over)],
        "--state all": ids["--state all"],
        "--severity critical --state all": [str(over)],
        "--silenced": [str(still)],
    }
    assert sorted(ids["--state all"]) == sorted([str(over), str(still)])
    assert CliRunner().invoke(app, ["incidents", "list", "--state", "lost"]).exit_code == 2


def test_an_incident_is_answered_and_shown_with_all_that_happened(declared: sa.Engine) -> None:
    """Acknowledged, waived, settled: each with its name and words on the time line, and what became of each message."""
    which = str(incident(declared))
    took = said("incidents", "acknowledge", which[:8], "--by", "Dana Ruiz", "--note", "asking the supplier")
    assert "Dana Ruiz has it now" in took
    again = document("incidents", "acknowledge", which, "--by", "Dana Ruiz")
    assert (again["state"], again["changed"]) == ("acknowledged", False)
    said("incidents", "waive", which, "--by", "Dana Ruiz", "--for", "3d", "--reason", "Friday's release")
    shown = said("incidents", "show", which[:8])
    assert "acknowledged by Dana Ruiz: asking the supplier" in shown
    assert "by Dana Ruiz: Friday's release)" in shown
    assert shown.count("message waits to be sent to ") == 2
    assert "over" in said("incidents", "resolve", which, "--by", "Dana Ruiz").lower()
    known = document("incidents", "show", which)
    assert known["state"] == "resolved"
    events = [one["what"] for one in known["timeline"] if not one["message"]]
    assert events == ["opened", "acknowledged", "waived", "resolved"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("waive", "ID", "--for", "soon", "--by", "Dana", "--reason", "x"), "'soon' is no time"),
        (("waive", "ID", "--until", "2020-01-01", "--by", "Dana", "--reason", "x"), "is over"),
        (("acknowledge", "ffffffff", "--by", "Dana"), "No incident has an id"),
        (("acknowledge", "ID", "--by", " "), "Say who answers"),
        (("show", "ffffffff"), "begins with 'ffffffff'; `afterpilot incidents list"),
    ],
)
def test_an_answer_that_cannot_be_taken_says_why(declared: sa.Engine, arguments: tuple[str, ...], why: str) -> None:
    """And changes nothing."""
    which = str(incident(declared))
    done = CliRunner().invoke(app, ["incidents", *(which if one == "ID" else one for one in arguments)])
    assert isinstance(done.exception, AnswerRefused)
    assert why in str(done.exception)
    assert document("incidents", "show", which)["state"] == "open"


def test_a_silence_is_begun_listed_and_ended(ops: sa.Engine) -> None:
    """For all workflows or for one that there is; what it holds, until when, by whom and why."""
    assert said("alerts", "silences") == "No silence holds.\n"
    begun = said(
        "alerts", "silence", "--all", "--kind", "pull.*", "--for", "2h", "--reason", "ERP moves", "--by", "Dana"
    )
    assert "pull.* of all workflows is silent until" in begun
    (held,) = document("alerts", "silences")
    assert (held["kind"], held["by"], held["reason"], held["holds"]) == ("pull.*", "Dana", "ERP moves", True)
    assert document("alerts", "unsilence", held["id"][:8], "--by", "Lee")["changed"] is True
    assert document("alerts", "unsilence", held["id"], "--by", "Ola")["changed"] is False
    assert document("alerts", "silences") == []
    (past,) = document("alerts", "silences", "--all")
    assert past["ended_by"] == "Lee"
    refused = CliRunner().invoke(app, ["alerts", "silence", "refunds", "--for", "2h", "--reason", "x", "--by", "Dana"])
    assert "No workflow is called 'refunds'" in str(refused.exception)
    assert CliRunner().invoke(app, ["alerts", "silence", "--for", "2h", "--reason", "x", "--by", "D"]).exit_code == 2


@pytest.mark.parametrize("which", ["\udcff\udcfe\udcfd\udcfc", "ab\x00cd", "\uff15d1f", "%%%%", "____"])
@pytest.mark.parametrize(
    "command", [("incidents", "show"), ("incidents", "acknowledge", "--by", "D"), ("alerts", "unsilence", "--by", "D")]
)
def test_what_can_be_no_id_is_refused_in_a_sentence(declared: sa.Engine, which: str, command: tuple[str, ...]) -> None:
    """Also bytes of a terminal that are no text, and what no database takes."""
    incident(declared)
    done = CliRunner().invoke(app, [*command, which])
    assert isinstance(done.exception, AnswerRefused)
