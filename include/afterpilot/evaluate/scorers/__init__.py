"""Scorers: what one answer is worth against a case's expected values, one module for each kind."""

from afterpilot.evaluate.scorers.question import ScorerError
from afterpilot.evaluate.scorers.scoring import SCORERS, score_all

__all__ = ["SCORERS", "ScorerError", "score_all"]
