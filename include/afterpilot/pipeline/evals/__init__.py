"""The stage of evals: run the suite, hold it against bar and baseline, approve a baseline, probe what answers."""

from __future__ import annotations

from afterpilot.pipeline.evals.approving import Approval, Standing, approve, standing
from afterpilot.pipeline.evals.judging import Calibration, calibrate, judge_drifts, judge_standings
from afterpilot.pipeline.evals.probing import Probing, probe
from afterpilot.pipeline.evals.running import PROBE, evaluate, evaluated_since

__all__ = [
    "PROBE",
    "Approval",
    "Calibration",
    "Probing",
    "Standing",
    "approve",
    "calibrate",
    "evaluate",
    "evaluated_since",
    "judge_drifts",
    "judge_standings",
    "probe",
    "standing",
]
