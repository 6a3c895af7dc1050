"""The stage of bills: read what providers bill, and hold it against what was metered. It is the fleet's, not one workflow's."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from afterpilot.decide.bills import CORRECTED, LOOK_BACK, AccountFacts, Facts, Spender, Standing, judge_bills
from afterpilot.decide.bills.facts import DAY, GRACE, over
from afterpilot.decide.crashing import did_not_run
from afterpilot.declare.rules import dig
from afterpilot.declare.spend_schema import stored_spend
from afterpilot.domain.bills import NO_NAMES, Bill, ProjectNames
from afterpilot.domain.errors import AfterpilotError, ConfigurationError
from afterpilot.domain.run import FLEET, Run, Stage, Trigger
from afterpilot.domain.spend import BillAccount
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.metering import meter
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit
from afterpilot.record.spend.bills import Kept

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How each account stands, and the run that says so; None where nothing was judged for the record."""

    standings: tuple[Standing, ...]
    run: Run | None = None


def bills(
    services: Services,
    workflows: Sequence[Workflow],
    *,
    trigger: Trigger,
    accounts: Collection[str] = (),
    again: int = 0,
) -> Reconciled | None:
    """Read the bills and reconcile them; None where no account is declared.

    ``accounts`` narrows down what is read, never what is judged. Read is what was not read yet, what may still be corrected,
    and the last ``again`` days in any case; a day that does not agree with the meter is read once more before that is told.

    Raises:
        ConfigurationError: there is no such account.
    """
    declared = services.fleet.spend.bills
    if unknown := sorted(set(accounts) - {one.name for one in declared}):
        known = ", ".join(one.name for one in declared) or "none"
        raise ConfigurationError(
            f"there is no account {unknown[0]!r} under spend.bills in _fleet.yaml (known: {known})"
        )
    if not declared:
        return None
    started = services.now()
    with services.ops.begin() as unit:
        done = unit.runs.find(FLEET, Stage.BILLS, trigger)
    if done is not None:
        return Reconciled(bill_standings(services, workflows), done)
    wanted = [one for one in declared if not accounts or one.name in accounts]
    read = {one.name: _read(services, one, again=again) for one in wanted}
    meter(services, workflows)
    facts = _facts(services, workflows, read)
    result, found = judge_bills(facts)
    if _read_doubted(services, wanted, found, facts, before=started):
        facts = _facts(services, workflows, read)
        result, found = judge_bills(facts)
    window = Window(_midnight(facts.first), _closed(facts))
    return Reconciled(found, concluded(services, result, None, window, trigger, started))


def bill_standings(services: Services, workflows: Sequence[Workflow]) -> tuple[Standing, ...]:
    """How the accounts stand by what is on record; nothing is read or written."""
    return judge_bills(_facts(services, workflows, {}))[1]


def bills_crashed(services: Services, error: BaseException, *, trigger: Trigger) -> Run:
    """The stage itself failed: an UNKNOWN run with the reason, never silence."""
    at = services.now()
    finding = did_not_run(FLEET, Stage.BILLS, error)
    result = StageResult(
        workflow=FLEET,
        stage=Stage.BILLS,
        summary="the stage could not run",
        findings=(finding,),
        evidence={"crashed": type(error).__name__},
    )
    return concluded(services, result, None, Window(at, at), trigger, at, ran=False)


def to_read(read: Mapping[date, datetime], *, today: date, again: int = 0) -> Iterable[tuple[date, date]]:
    """Which days to ask for, as stretches from a day to before another one: those not read since a bill is final, and the last
    ``again``.
    """
    final = timedelta(days=CORRECTED)
    days = [today - n * DAY for n in range(max(LOOK_BACK, again), 0, -1)]
    return stretches(
        [
            day
            for day in days
            if day >= today - again * DAY
            or (day >= today - LOOK_BACK * DAY and (day not in read or read[day] < over(day) + final))
        ]
    )


def stretches(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Days as stretches without a hole, each from a day to before another one."""
    wanted = sorted(days)
    first: date | None = None
    for day, following in zip(wanted, [*wanted[1:], None], strict=True):
        first = first or day
        if following != day + DAY:
            yield first, day + DAY
            first = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """Why an account could not be read now, empty where it was; and what it calls its projects, None where nobody could ask."""

    trouble: str = ""
    names: ProjectNames | None = None


def _read(services: Services, account: BillAccount, *, again: int) -> _Reading:
    """Read what is due of an account, stretch by stretch."""
    at = services.now()
    today = at.astimezone(UTC).date()
    with services.ops.begin() as unit:
        read = unit.bills.read(account.name, today - max(LOOK_BACK, again) * DAY, today)
    names: ProjectNames | None = None
    try:
        for bill in _kept(services, account, to_read(read, today=today, again=again), at=at):
            names = bill.names
    except AfterpilotError as error:
        log.warning("%s: %s", account.name, error)
        return _Reading(str(error), names)
    if names is not None and names.trouble:
        log.info("%s: projects are shown by their ids: %s", account.name, names.trouble)
    return _Reading(names=names)


def _read_doubted(
    services: Services, accounts: Iterable[BillAccount], found: Iterable[Standing], facts: Facts, *, before: datetime
) -> bool:
    """Read the days again that do not agree and were read ``before`` this pass: the provider may have corrected them since, whatever
    their age. Whether any was. What cannot be read now stands as it was read.
    """
    standings = {one.account.name: one for one in found}
    told = {one.account.name: one for one in facts.accounts}
    done = False
    for account in accounts:
        read = told[account.name].read
        days = [day for day in standings[account.name].doubted if day in read and read[day] < before]
        if told[account.name].trouble or not days:
            continue
        try:
            for _ in _kept(services, account, stretches(days), at=services.now()):
                done = True
        except AfterpilotError as error:
            log.warning("%s: days that do not agree with the meter could not be read again: %s", account.name, error)
    return done


def _kept(
    services: Services, account: BillAccount, spans: Iterable[tuple[date, date]], *, at: datetime
) -> Iterator[Bill]:
    """Each span as the provider bills it, once it is on record."""
    reader = services.bills(account)
    for first, end in spans:
        bill = reader.read(first, end)
        with services.ops.begin() as unit:
            kept: Kept = unit.bills.keep(account.name, bill, at=at)
        log.info("%s: %s to before %s: %s", account.name, first, end, kept)
        yield bill


def _facts(services: Services, workflows: Sequence[Workflow], read: Mapping[str, _Reading]) -> Facts:
    now = services.now()
    end = now.astimezone(UTC).date()
    first = end - LOOK_BACK * DAY
    with services.ops.begin() as unit:
        spenders = _spenders(services, unit, workflows)
        before = _names_before(unit)
        slugs = [one.slug for one in spenders]
        pulled = {slug: unit.records.pulled_to(slug) for slug in slugs}
        return Facts(
            first=first,
            end=end,
            now=now,
            accounts=tuple(
                AccountFacts(
                    account=one,
                    lines=tuple(unit.bills.lines(one.name, first, end)),
                    read=unit.bills.read(one.name, first, end),
                    trouble=read.get(one.name, _Reading()).trouble,
                    names=_names(read.get(one.name, _Reading()).names, before.get(one.name, NO_NAMES)),
                )
                for one in services.fleet.spend.bills
            ),
            workflows=spenders,
            metered=tuple(unit.bills.metered(first, end)),
            pulled_to={slug: moment for slug, moment in pulled.items() if moment is not None},
            metered_since=unit.bills.first_metered(slugs),
        )


def _names(now: ProjectNames | None, before: ProjectNames) -> ProjectNames:
    """What projects are called: as it was just told, else as it was told last."""
    return before if now is None else ProjectNames(now.of or before.of, now.trouble)


def _names_before(unit: Unit) -> Mapping[str, ProjectNames]:
    """What each account called its projects when its bill was judged last."""
    run = unit.runs.latest_ran(FLEET, Stage.BILLS)
    told = run.evidence.get("accounts", ()) if run else ()
    return {one["account"]: ProjectNames(one.get("names", {}), one.get("names_trouble", "")) for one in told}


def _spenders(services: Services, unit: Unit, workflows: Sequence[Workflow]) -> tuple[Spender, ...]:
    """The workflows as declared; one whose declaration is broken as it was when it could be used last: its spend is still its own."""
    found = {workflow.slug: Spender.of(workflow) for workflow in workflows}
    for slug, document in unit.declarations.broken().items():
        spend = stored_spend(document, services.fleet.spend)
        if slug not in found and spend is not None:
            found[slug] = Spender(slug, spend.billed, spend.team, str(dig(document, "owner", "name") or ""))
    return tuple(found.values())


def _closed(facts: Facts) -> datetime:
    """Up to when the run can say anything: the end of the last day that is over for long enough."""
    days = [day for day in facts.days if over(day) <= facts.now - GRACE]
    return over(days[-1]) if days else _midnight(facts.first)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
