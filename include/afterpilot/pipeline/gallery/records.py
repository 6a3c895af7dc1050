"""Messages about declarations, production records, their checks, the gate and the review queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from afterpilot.decide.changing import CHANGED, with_changed
from afterpilot.decide.crashing import did_not_run
from afterpilot.decide.declaring import judge_declaration, judge_gone
from afterpilot.decide.gating import judge_gate
from afterpilot.decide.lasting import Silent, lasting
from afterpilot.decide.pulling import judge_pull
from afterpilot.decide.quality import judge_quality
from afterpilot.decide.releasing import KINDS, with_releases
from afterpilot.decide.reporting import judge_report
from afterpilot.decide.reviewing import judge_reviews
from afterpilot.decide.sources import TYPE_CHANGED
from afterpilot.decide.writing_back import not_written
from afterpilot.domain.errors import CheckError, ConfigurationError, SourceError
from afterpilot.domain.looking import ChangedType, Look, LostColumn, Vanished
from afterpilot.domain.ports import Judged
from afterpilot.domain.record import ChangedReleases, GateTally
from afterpilot.domain.releasing import Standing, Trouble
from afterpilot.domain.run import Stage
from afterpilot.domain.sampling import Overrides, Reviewing
from afterpilot.domain.verdict import Finding, StageResult
from afterpilot.domain.workflow import Check, Loaded, Problem
from afterpilot.pipeline.gallery.office import AT, DAY, FRESH, HOUR, MISSING, SLUG, TODAY, WINDOW, WORKFLOW
from afterpilot.pipeline.gallery.story import Specimen, only, told

_KEYS = ("run-10072", "run-10075", "run-10081", "run-10090", "run-10094", "run-10102")
_DOWN = 'connection to the server at "erp-db" failed: timeout expired.'


def missing_numbers(share: str = "5.9", failing: int = 12) -> Finding:
    """Purchase order numbers that are missing: the trouble by which the gallery shows the life of an incident."""
    result = {"element_count": 203, "unexpected_count": failing, "missing_count": 0, "unexpected_percent": float(share)}
    return _judged(MISSING, f"{share} %", failing=failing, result=result)


def stale_data() -> Finding:
    """Data that is older than is declared."""
    return _judged(FRESH, "9 h old")


def declarations() -> Iterator[Specimen]:
    """A folder that cannot be used, and one that is gone."""
    problems = (
        Problem(f"{WORKFLOW.path}/workflow.yaml", 12, "spend.cap", "'400' is no cap", "400 USD/month"),
        Problem(f"{WORKFLOW.path}/cases.jsonl", 3, "", "not JSON: a comma is missing before column 41"),
    )
    broken = judge_declaration(Loaded(SLUG, WORKFLOW.path, None, problems, "", {}))
    yield told(
        "declaration-broken",
        "A change of the workflow's folder cannot be used. Every problem stands with file and line.",
        broken.findings[0],
    )
    gone = judge_gone("email_triage", retired=False).findings[0]
    yield told("declaration-gone", "A folder was deleted although its workflow was not retired.", gone)


def pulls() -> Iterator[Specimen]:
    """What is wrong with reading the source, or with the source itself."""
    yield told("source-unreadable", "The production system did not answer. Nothing is lost.", unreadable())
    rows = {"a time without a date": 2, "no key": 1}
    yield told("rows-skipped", "Rows came that cannot be taken.", _pulled(skipped=rows).findings[0])
    yield told("keys-repeated", "Two rows claim to be the same record.", _pulled(repeated=4).findings[0])
    lost = LostColumn("po_number", AT - HOUR, "purchase_order is there, and was not before")
    yield told("column-lost", "A declared column is not there any more.", lost_column(lost))
    changed = ChangedType("total", "number", "text")
    types = only(_pulled(look=Look(looked=True, changed=(changed,))).findings, TYPE_CHANGED)
    yield told("type-changed", "A column holds another kind of value than before.", types)
    gone = (Vanished(TODAY - DAY, 208, 31, _KEYS),)
    shrank = _pulled(look=Look(looked=True, vanished=gone)).findings[0]
    yield told("source-shrank", "Rows that were read before are not in the source any more.", shrank)
    back = Look(looked=True, went_back=True, newest=AT - DAY, before=AT - HOUR)
    yield told("went-back", "The source stands where it stood earlier.", _pulled(look=back).findings[0])


def checks() -> Iterator[Specimen]:
    """What the expectations say."""
    yield told("expectation-failed", "An expectation of the declaration does not hold.", missing_numbers())
    yield told("data-stale", "No new data came for longer than is declared.", stale_data())
    nothing = _checked(*(Judged(one, None, "", 0, 0, (), {}, error="no rows") for one in WORKFLOW.quality))
    yield told("no-rows", "There was nothing to look at, and nobody has said that this is fine.", nothing)
    error = 'relation "purchase_orders" does not exist'
    unable = (replace(MISSING, params={"column": name}) for name in ("po_number", "supplier", "total"))
    could_not = _checked(*(Judged(one, None, "", 203, 0, (), {}, error=error) for one in unable))
    yield told("check-could-not-run", "Checks could not say anything, all for one reason.", could_not)
    down = did_not_run(SLUG, Stage.CHECK, ConfigurationError("The connection erp names no database."))
    yield told("stage-did-not-run", "A stage broke before it could say anything.", down)
    silent = StageResult(SLUG, Stage.REVIEW, "no decision of people, and no spot check")
    lasts = lasting(silent, Silent(6, AT - 4 * DAY), at=AT)
    yield told("unknown-lasts", "A stage has said nothing for days, and nothing else tells why.", lasts)


def gates() -> Iterator[Specimen]:
    """Outputs before their use."""
    error = CheckError("The table suppliers of erp cannot be read.")
    unable = judge_gate(WORKFLOW, GateTally(), undecided=29, error=error).findings[0]
    yield told("gate-could-not-run", "Outputs wait because they cannot be checked.", unable)
    tally = GateTally(52, 27, 3, {("match_reference", "po_number"): 19, ("json_schema", "total"): 6})
    many = judge_gate(WORKFLOW, tally, undecided=0, error=None).findings[0]
    yield told("gate-routes-many", "More outputs than usual went to people.", many)
    reasons = {
        "waiting": "erp answered 503.",
        "refused": "permission denied for column status.",
        "failed": "the row is locked by the month's end.",
        "overtaken": "status was paid, not waiting.",
    }
    whens = {
        "waiting": "Production has not heard of decisions for a while.",
        "refused": "Production does not take decisions until something is mended.",
        "failed": "Production has refused decisions for good.",
        "overtaken": "Production used outputs before the gate had decided.",
    }
    for kind, why in reasons.items():
        trouble = Trouble(kind, 6, AT - HOUR, why, _KEYS)  # type: ignore[arg-type] # one of its four words
        found = with_releases(_gated(), WORKFLOW, Standing(6, (trouble,)), done={}).findings
        yield told(f"release-{kind}", whens[kind], only(found, KINDS[kind]))
    found = with_changed(_gated(), WORKFLOW, ChangedReleases(3, 1, _KEYS[:3])).findings
    yield told("released-changed", "Outputs changed after the gate had released them.", only(found, CHANGED))


def reviews() -> Iterator[Specimen]:
    """What people decide, and whether it arrives."""
    hasty = Reviewing("Kim Vogel", AT - 7 * DAY, 84, 84, 80, 61)
    rising = Overrides(40, 11, 160, 9)
    blind, more = judge_reviews(WORKFLOW, [hasty], rising, None, picked=0, released=0).findings
    yield told("blind-acceptance", "Somebody accepts faster than anybody can read.", blind)
    yield told("overrides-rising", "People change more of the outputs than before.", more)
    calm = Overrides(0, 0, 0, 0)
    (undone,) = judge_reviews(WORKFLOW, [], calm, None, picked=9, released=171).findings
    yield told("spot-checks-not-done", "Nobody has looked at the spot checks.", undone)
    failing = [(key, "permission denied for table ap_decisions") for key in _KEYS[:3]]
    yield told("write-back-failed", "Decisions do not reach the production system.", not_written(WORKFLOW, failing))
    figures = {"minutes per invoice": "UNKNOWN: the KPI's query failed", "handled alone": "", "cost": ""}
    report = judge_report(WORKFLOW, figures, summary="", evidence={}).findings[0]
    yield told("report-incomplete", "A figure of the weekly report has no value.", report)


def unreadable(slug: str = SLUG) -> Finding:
    """A source that does not answer."""
    return _pulled(slug=slug, error=SourceError(_DOWN)).findings[0]


def lost_column(lost: LostColumn) -> Finding:
    """A column that is gone."""
    return _pulled(look=Look(looked=True, lost=(lost,))).findings[0]


def _pulled(
    *,
    slug: str = SLUG,
    skipped: Mapping[str, int] | None = None,
    repeated: int = 0,
    error: SourceError | None = None,
    look: Look | None = None,
) -> StageResult:
    return judge_pull(
        replace(WORKFLOW, slug=slug),
        window=WINDOW,
        pulled=0 if error else 12,
        late=0,
        skipped=skipped or {},
        repeated=repeated,
        error=error,
        look=look,
    )


def _judged(
    check: Check, observed: str, *, failing: int = 0, elements: int = 203, result: Mapping[str, object] | None = None
) -> Finding:
    keys: Sequence[str] = _KEYS[:failing]
    return _checked(Judged(check, False, observed, elements, failing, tuple(keys), result or {}))


def _checked(*judged: Judged) -> Finding:
    return judge_quality(WORKFLOW, judged, window=WINDOW).findings[0]


def _gated() -> StageResult:
    return StageResult(SLUG, Stage.GATE, "", checked=12)
