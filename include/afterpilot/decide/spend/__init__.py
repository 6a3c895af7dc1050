"""The verdict on a workflow's spend, or the fleet's: all its caps, what is not known, how fast they are used up and when they end."""

from afterpilot.decide.spend.judging import Subject, judge_spend
from afterpilot.decide.spend.kinds import BURNING, CROSSING, LEAKING, NEAR, OVER, STALE, UNKNOWN
from afterpilot.decide.spend.looks import Calls, Look, still_open
from afterpilot.decide.spend.words import of_team

__all__ = [
    "BURNING",
    "CROSSING",
    "LEAKING",
    "NEAR",
    "OVER",
    "STALE",
    "UNKNOWN",
    "Calls",
    "Look",
    "Subject",
    "judge_spend",
    "of_team",
    "still_open",
]
