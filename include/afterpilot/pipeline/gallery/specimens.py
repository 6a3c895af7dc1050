"""All specimens, in the order in which a reader meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from afterpilot.pipeline.gallery.letters import letters
from afterpilot.pipeline.gallery.life import life
from afterpilot.pipeline.gallery.models import evals
from afterpilot.pipeline.gallery.money import bills, spend
from afterpilot.pipeline.gallery.records import checks, declarations, gates, pulls, reviews
from afterpilot.pipeline.gallery.story import Specimen
from afterpilot.pipeline.gallery.watched import together, watchdog

GROUPS: Mapping[str, Callable[[], Iterator[Specimen]]] = {
    "The life of an incident": life,
    "Many workflows, one cause": together,
    "By the week, by the day, by answer": letters,
    "Declarations": declarations,
    "Reading production": pulls,
    "Data checks": checks,
    "Outputs before their use": gates,
    "People's decisions": reviews,
    "Evals": evals,
    "Spend": spend,
    "Bills": bills,
    "The watchdog": watchdog,
}


@cache
def gallery() -> Mapping[str, tuple[Specimen, ...]]:
    """The specimens by group."""
    return {group: tuple(made()) for group, made in GROUPS.items()}
