"""What the page of an output says of its releases."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, mounted

from afterpilot.record import tables

pytestmark = pytest.mark.integration
AT = sa.text("'2026-11-18 09:00:00+00'::timestamptz")


@pytest.mark.parametrize(
    ("state", "refused", "says"),
    [
        ("done", False, "done"),
        ("pending", False, "waits to be told"),
        ("pending", True, "refused until it is mended"),
        ("failed", False, "refused for good"),
        ("overtaken", False, "production had moved on"),
        ("superseded", False, "replaced by a later decision"),
    ],
)
def test_each_state_of_a_release_is_in_words(ops: sa.Engine, state: str, refused: bool, says: str) -> None:  # noqa: FBT001
    """With the decision, the attempts, and the other system's last word, which is shown as text."""
    key = {"workflow": "w", "key": "a", "at": AT, "decided_at": AT}
    with ops.begin() as connection:
        connection.execute(
            sa.insert(tables.gate_decisions).values(
                **key, released=True, reason="passed", run_id=sa.func.gen_random_uuid()
            )
        )
        connection.execute(
            sa.insert(tables.releases).values(
                **key, number=1, data_md5="m", effect="released", reason="passed", state=state, refused=refused, attempts=3,
                error="desk: HTTP 503: <b>closed</b>",
            )
        )  # fmt: skip
    page = TestClient(mounted(ops)).get("/afterpilot/outputs?workflow=w&key=a", headers=BROWSER).text
    told = page.partition("What production was told")[2].partition("</section>")[0]
    assert says in told
    assert '<td data-label="Attempts">3</td>' in told
    assert "&lt;b&gt;closed&lt;/b&gt;" in told


def test_where_nothing_is_told_nothing_is_said(ops: sa.Engine) -> None:
    """A workflow whose production reads the view."""
    with ops.begin() as connection:
        connection.execute(
            sa.insert(tables.gate_decisions).values(
                workflow="w", key="a", at=AT, released=True, reason="passed", run_id=sa.func.gen_random_uuid()
            )
        )
    page = TestClient(mounted(ops)).get("/afterpilot/outputs?workflow=w&key=a", headers=BROWSER).text
    assert "What production was told" not in page
