"""The regression alarm: evidence against "nothing changed since the approval" that states its rate of false alarms.

`judge` reads one workflow's approved runs and the runs since, `suspicious` names the cases to run again the same day,
`confirmed` bounds false discoveries over all workflows, `flaky` finds cases that waver by their own history, `moved`
tells a drifting judge from a drifting model, and `pooled_wobble` measures the days. docs/benchmarks-alarm.md has the figures.
"""

from afterpilot.decide.alarm.days import pooled_wobble
from afterpilot.decide.alarm.detectable import Detectable, detectable
from afterpilot.decide.alarm.fleet import confirmed, e_value, stop_for
from afterpilot.decide.alarm.judging import judge, suspicious
from afterpilot.decide.alarm.outcomes import RERUNS, Alarm, AlarmSettings, Kind, RunOutcome, State
from afterpilot.decide.alarm.wavering import Flaky, Moved, answerer, flaky, moved

__all__ = [
    "RERUNS",
    "Alarm",
    "AlarmSettings",
    "Detectable",
    "Flaky",
    "Kind",
    "Moved",
    "RunOutcome",
    "State",
    "answerer",
    "confirmed",
    "detectable",
    "e_value",
    "flaky",
    "judge",
    "moved",
    "pooled_wobble",
    "stop_for",
    "suspicious",
]
