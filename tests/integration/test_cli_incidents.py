"""``afterpilot incidents list`` needs the ops database alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from afterpilot.cli.app import app
from afterpilot.record import tables

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 20, 2, tzinfo=UTC)


@pytest.fixture
def ops(ops_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """A migrated ops database, and a shell whose folder of declarations does not exist."""
    monkeypatch.setenv("AFTERPILOT_DATABASE_URL", ops_url)
    monkeypatch.setenv("AFTERPILOT_WORKFLOWS", str(tmp_path / "gone"))
    return sa.create_engine(ops_url, poolclass=sa.NullPool)


def test_open_incidents_are_listed_with_how_to_settle_them(ops: sa.Engine) -> None:
    """Counted, oldest first, with the first digits of the id; without any that is said."""
    assert CliRunner().invoke(app, ["incidents", "list"]).stdout == "No incident is open.\n"
    with ops.begin() as connection:
        connection.execute(
            sa.insert(tables.incidents).values(
                fingerprint="f", workflow="refunds", stage="pull", kind="source.shrunk", severity="warning",
                title="5 rows are gone", opened_at=AT, last_seen_at=AT,
            )
        )  # fmt: skip
    shown = CliRunner().invoke(app, ["incidents", "list"])
    assert shown.exit_code == 0, shown.output
    assert "2026-11-20 02:00  warning  refunds: 5 rows are gone" in shown.stdout
    assert "1 incident not over. One that a person has settled: afterpilot incidents resolve ID" in shown.stdout
    assert "No incident" in CliRunner().invoke(app, ["incidents", "list", "other"]).stdout
