"""Every route, every role, every method: what answers whom, and which looks are on record."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from access_site import LOGINS, MINE, PREFIX, REPLIES, ROLES, AccessSite
from starlette.routing import Mount, Route

from afterpilot.demo.postgres import APPLICATION, EmbeddedPostgres
from afterpilot.domain.run import FLEET
from afterpilot.web.app import create_app

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_EVERYBODY = {"nobody": 401, "auditor": 200, "owner": 200, "other": 200, "engineer": 200}
_ONE = {**_EVERYBODY, "other": 404}
# A form without the browser's token comes no further than that; before it, who may not change this is told so.
_OPERATES = {"nobody": 401, "auditor": 403, "owner": 403, "other": 404, "engineer": 403}


@dataclass(frozen=True)
class Answers:
    """What a route answers to GET or POST by role, and which subject a look at it is recorded under (empty: none is)."""

    url: str
    roles: Mapping[str, int]
    subject: str = ""
    form: Mapping[str, str] = field(default_factory=dict)


def everybody(url: str) -> Answers:
    """A list, or something of no workflow: whoever is logged in sees it, or their part of it."""
    return Answers(url, _EVERYBODY)


def one(url: str, subject: str = "") -> Answers:
    """A page of one workflow: another one's owner does not find it."""
    return Answers(url, _ONE, subject)


def files(name: str) -> Mapping[tuple[str, str], Answers]:
    """A list as files: each holds what whoever takes it sees, and is a look that is recorded."""
    forms = {"csv": f"/{name}.csv", "jsonl": f"/{name}.jsonl"}
    return {("GET", path): Answers(path, _EVERYBODY, f"{name}:{form}") for form, path in forms.items()}


OUTPUT = "output:"
TABLE: Mapping[tuple[str, str], Answers] = {
    ("GET", "/style.css"): everybody("/style.css"),
    ("GET", "/review.js"): everybody("/review.js"),
    ("GET", "/icon.svg"): everybody("/icon.svg"),
    ("GET", "/"): everybody("/"),
    ("GET", "/runs"): everybody("/runs"),
    ("GET", "/runs.csv"): Answers("/runs.csv", _EVERYBODY, "runs:csv"),
    ("GET", "/runs.jsonl"): Answers("/runs.jsonl?workflow={workflow}", _EVERYBODY, "runs:jsonl"),
    ("GET", "/runs/{run_id}"): one("/runs/{run}", "run:{run}"),
    ("GET", "/runs/{run_id}/evidence.json"): one("/runs/{run}/evidence.json", "run:{run}"),
    ("GET", "/runs/{run_id}/samples/{case_id:path}/{epoch:int}"): one(
        "/runs/{evaluated}/samples/{case}/{epoch}", "run:{evaluated}"
    ),
    ("GET", "/reports/{report_id}/chart.png"): one("/reports/{report}/chart.png"),
    ("GET", "/messages"): everybody("/messages"),
    **files("messages"),
    ("GET", "/messages/{message_id}"): one("/messages/{message}", "message:{message}"),
    ("GET", "/outputs"): one("/outputs?workflow={workflow}&key={key}", OUTPUT),
    ("GET", "/declarations"): everybody("/declarations"),
    ("GET", "/declarations/{workflow}"): one("/declarations/{workflow}", "declaration:"),
    ("GET", "/coverage"): everybody("/coverage"),
    **files("coverage"),
    ("GET", "/as-of"): everybody("/as-of"),
    ("GET", "/obligations"): everybody("/obligations"),
    ("GET", "/bundle"): everybody("/bundle"),
    # Nothing is signed here, and so there is nothing to prove a bundle against.
    ("GET", "/bundle.zip"): Answers(
        "/bundle.zip?workflow={workflow}", {**dict.fromkeys(ROLES, 409), "nobody": 401, "other": 404}
    ),
    ("GET", "/ledger"): everybody("/ledger"),
    **files("ledger"),
    ("GET", "/ledger/heads"): everybody("/ledger/heads"),
    ("GET", "/ledger/heads/{entries}"): Answers("/ledger/heads/7", {**dict.fromkeys(ROLES, 404), "nobody": 401}),
    ("GET", "/ledger/{entry_id}"): one("/ledger/{entry}", "{entry_subject}"),
    ("GET", "/review"): everybody("/review"),
    **files("review"),
    ("GET", "/review/item"): one("/review/item?workflow={workflow}&key={key}", OUTPUT),
    ("GET", "/spend"): everybody("/spend"),
    ("GET", "/spend/{slug}"): one("/spend/{workflow}"),
    ("GET", "/spend/{slug}/models.csv"): one("/spend/{workflow}/models.csv", "workflow:{workflow}"),
    ("GET", "/spend/{workflow}/raise"): one("/spend/{workflow}/raise"),
    ("GET", "/silences"): everybody("/silences"),
    ("GET", "/retention"): everybody("/retention"),
    ("GET", "/alerts/preview"): everybody("/alerts/preview"),
    ("GET", "/alerts/preview/{name}"): everybody("/alerts/preview/weekly"),
    ("GET", "/evals"): everybody("/evals"),
    ("GET", "/evals/{workflow}"): one("/evals/{workflow}"),
    ("GET", "/evals/{workflow}/compare"): one("/evals/{replies}/compare", "run:"),
    ("GET", "/evals/{workflow}/cases/{case:path}"): one("/evals/{replies}/cases/refund-04", "workflow:{replies}"),
    ("GET", "/incidents"): everybody("/incidents"),
    **files("incidents"),
    ("GET", "/incidents/{incident_id}"): one("/incidents/{incident}", "incident:{incident}"),
    ("GET", "/runbooks/{workflow}"): one("/runbooks/{workflow}"),
    ("GET", "/health"): everybody("/health"),
    ("POST", "/review/hold"): Answers("/review/hold", _OPERATES, form={"workflow": "{workflow}", "key": "{key}"}),
    ("POST", "/review/leave"): Answers("/review/leave", _OPERATES, form={"workflow": "{workflow}", "key": "{key}"}),
    ("POST", "/review/next"): Answers("/review/next", _OPERATES, form={"workflow": "{workflow}", "key": "{key}"}),
    ("POST", "/review/decide"): Answers("/review/decide", _OPERATES, form={"workflow": "{workflow}", "key": "{key}"}),
    ("POST", "/spend/{workflow}/raise"): Answers("/spend/{workflow}/raise", _OPERATES),
    ("POST", "/silences"): Answers("/silences", {**_OPERATES, "other": 403}, form={"workflow": "{workflow}"}),
    ("POST", "/silences/{silence_id}/end"): Answers("/silences/{silence}/end", {**_OPERATES, "other": 403}),
    ("POST", "/retention/holds"): Answers("/retention/holds", {**_OPERATES, "other": 403}),
    ("POST", "/retention/holds/{hold_id}/release"): Answers(
        "/retention/holds/{lost}/release", {**_OPERATES, "other": 403}
    ),
    ("POST", "/incidents/{incident_id}/acknowledge"): Answers("/incidents/{incident}/acknowledge", _OPERATES),
    ("POST", "/incidents/{incident_id}/waive"): Answers("/incidents/{incident}/waive", _OPERATES),
    ("POST", "/incidents/{incident_id}/settle"): Answers("/incidents/{incident}/settle", _OPERATES),
    ("GET", "/{path:path}"): Answers("/nowhere/at/all", {**dict.fromkeys(ROLES, 404), "nobody": 401}),
}
# They know who asks by a token, a signature, or tell nobody anything: asked by machines, without a login.
OF_MACHINES = {"/api/v1/health", "/api/v1", "/api/v1/slack"}


@pytest.fixture(scope="module")
def site(
    postgres: EmbeddedPostgres, new_ops: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AccessSite]:
    """The pages with people of every role, over a history that is written once."""
    engine = sa.create_engine(postgres.url(new_ops(), role=APPLICATION))
    yield AccessSite(engine, tmp_path_factory.mktemp("workflows"))
    engine.dispose()


def routes(site: AccessSite) -> set[tuple[str, str]]:
    """Method and path of every route of the application, those of machines apart."""
    found = set()
    for route in site.inner.routes:
        if isinstance(route, Mount):
            assert route.path in OF_MACHINES
        elif isinstance(route, Route) and route.path not in OF_MACHINES:
            found |= {(method, route.path) for method in route.methods or ()}
    return found


def test_the_table_names_every_route_and_no_other(site: AccessSite) -> None:
    """A page that nobody has said of who may see it is none."""
    refusing = {(method, "/{path:path}") for method in METHODS if method != "GET"}
    assert routes(site) == set(TABLE) | refusing


@pytest.mark.parametrize("path", sorted({path for _, path in TABLE}))
def test_every_method_of_every_route_answers_each_role_as_the_table_says(site: AccessSite, path: str) -> None:
    """What the table does not allow is refused: without a login 401 whatever the method, with one 405, or 404 where there is no page."""
    for role, method in itertools.product(ROLES, METHODS):
        known = TABLE.get((method, path))
        url = (known or TABLE.get(("GET", path)) or TABLE["POST", path]).url.format(**site.names)
        form = {name: value.format(**site.names) for name, value in (known.form if known else {}).items()}
        answer = site.client(role).request(method, f"{PREFIX}{url}", data=form or None)
        expected = known.roles[role] if known else _refused(method, role)
        assert answer.status_code == expected, f"{method} {url} for {role}: {answer.status_code}"


def _refused(method: str, role: str) -> int:
    if role == "nobody":
        return 401
    return 404 if method == "GET" else 405


@pytest.mark.parametrize("path", sorted(path for method, path in TABLE if method == "GET"))
def test_a_look_at_evidence_is_on_record_and_no_other(site: AccessSite, path: str) -> None:
    """Evidence that was shown has an entry of whoever saw it, before they see it; lists, and what was refused, have none."""
    known = TABLE["GET", path]
    url = f"{PREFIX}{known.url.format(**site.names)}"
    site.inner.state.views.forget()
    for role in ROLES:
        before = len(site.views())
        answer = site.client(role).get(url)
        new = site.views()[before:]
        if not known.subject or answer.status_code != 200:
            assert new == [], (role, url)
            continue
        (entry,) = new
        assert entry["subject"].startswith(known.subject.format(**site.names))
        assert entry["workflow"] in {MINE, REPLIES, FLEET}
        assert entry["actor"].startswith("person:")
        assert f'"page":"{path}"' in entry["payload"]
        assert LOGINS[role][0] not in entry["payload"]
        assert site.names["key"] not in entry["payload"]


@pytest.mark.parametrize("path", ["/allowances/invoice_matching", "/health/more", "/", "", "/slack/actions"])
@pytest.mark.parametrize("method", METHODS)
def test_what_machines_ask_gives_nobody_anything_without_their_own_key(
    site: AccessSite, method: str, path: str
) -> None:
    """No token, no answer; a login is no token."""
    for role in ("nobody", "engineer"):
        answer = site.client(role).request(method, f"{PREFIX}/api/v1{path}")
        assert answer.status_code in {401, 403, 404, 405}
        assert MINE not in answer.text


@pytest.mark.parametrize("method", [method for method in METHODS if method not in {"GET", "HEAD"}])
def test_monitors_ask_for_the_health_and_can_do_nothing_else(site: AccessSite, method: str) -> None:
    """The health says one word to whoever asks; it takes no other method."""
    assert site.client("nobody").get(f"{PREFIX}/api/v1/health").status_code in {200, 503}
    assert site.client("nobody").request(method, f"{PREFIX}/api/v1/health").status_code in {401, 404, 405}


def test_an_application_cannot_be_made_without_a_gate() -> None:
    """Pages that anybody may read have to be asked for."""
    with pytest.raises(TypeError, match="gate"):
        create_app(lambda: None, workflows=Path())  # type: ignore[call-arg, arg-type, return-value]
