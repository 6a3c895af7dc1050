"""The pages over a history that is written once and only read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import audit_site
import pytest
import sample_data
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import Site, mounted

from afterpilot.demo.postgres import APPLICATION, EmbeddedPostgres
from afterpilot.web.access import Access, Role, Sight


@pytest.fixture(scope="session")
def site(postgres: EmbeddedPostgres, new_ops: Callable[[], str]) -> Iterator[Site]:
    """The pages over the sample history; nobody may write to it."""
    engine = sa.create_engine(postgres.url(new_ops(), role=APPLICATION))
    kept = sample_data.build(engine)
    app = mounted(engine)
    yield Site(TestClient(app, follow_redirects=False), app, engine, kept)
    engine.dispose()


@pytest.fixture(scope="session")
def audited(postgres: EmbeddedPostgres, new_ops: Callable[[], str]) -> Iterator[Site]:
    """The pages over a history with schedules, gaps and approvals beside the sample one; nobody may write to it."""
    engine = sa.create_engine(postgres.url(new_ops(), role=APPLICATION))
    kept, audit = audit_site.everything(engine)
    app = mounted(engine)
    yield Site(TestClient(app, follow_redirects=False), app, engine, kept, audit)
    engine.dispose()


@pytest.fixture
def audited_by_owner(audited: Site) -> Site:
    """The same for the owner of one of its workflows."""
    app = mounted(audited.engine, access=Access(who=lambda: Sight("Mara Lindqvist", role=Role.OWNER)))
    return Site(TestClient(app, follow_redirects=False), app, audited.engine, audited.kept, audited.audit)
