"""The true error rate of automatic decisions, from a stratified sample that people looked at."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.domain.intervals import Interval, wilson, wilson_of
from afterpilot.domain.sampling import ErrorRate, Stratum


def error_rate(strata: Sequence[Stratum]) -> ErrorRate | None:
    """The share of wrong decisions among all released outputs; None where no sample was looked at.

    Each stratum counts by its size, however many of it were looked at (Cochran 1977, 5.1). The interval is Wilson's for the
    effective size of the sample: the size of a simple one that is as sure (E. L. Korn and B. I. Graubard, 1998, Survey
    Methodology 24). A stratum's own variance is planned with one error and one hit more than were found, so that a stratum
    without errors is not taken for one that can have none.
    """
    merged = _merged(strata)
    looked_at = [stratum for stratum in merged if stratum.checked]
    population = sum(stratum.population for stratum in merged)
    covered = sum(stratum.population for stratum in looked_at)
    if not covered:
        return None
    share = variance = smooth = 0.0
    for stratum in looked_at:
        weight = stratum.population / covered
        near = (stratum.errors + 1) / (stratum.checked + 2)
        left = max(0.0, 1 - stratum.checked / stratum.population)  # where all were looked at nothing is left to chance
        share += weight * stratum.errors / stratum.checked
        smooth += weight * near
        variance += weight**2 * left * near * (1 - near) / stratum.checked
    whole = wilson_of(share, smooth * (1 - smooth) / variance) if variance else Interval(share, share, share)
    return ErrorRate(
        whole=whole,
        slices={stratum.name: wilson(stratum.errors, stratum.checked) for stratum in looked_at if stratum.name},
        population=population,
        checked=sum(stratum.checked for stratum in looked_at),
        errors=sum(stratum.errors for stratum in looked_at),
        covered=covered / population,
    )


def _merged(strata: Sequence[Stratum]) -> list[Stratum]:
    """One for each name, also where a stratum comes from several periods."""
    found: dict[str, Stratum] = {}
    for one in strata:
        known = found.get(one.name, Stratum(one.name, 0, 0, 0, 0))
        found[one.name] = Stratum(
            one.name,
            known.population + one.population,
            known.picked + one.picked,
            known.checked + one.checked,
            known.errors + one.errors,
        )
    return [found[name] for name in sorted(found)]
