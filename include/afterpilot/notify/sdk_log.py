"""Where slack_sdk logs: nowhere, as its lines repeat whole requests, with tokens and tickets in them."""

from __future__ import annotations

import logging


def quiet() -> logging.Logger:
    """A logger for slack_sdk that says nothing; what went wrong is logged by whoever called it."""
    logger = logging.getLogger("afterpilot.notify.slack_sdk")
    logger.setLevel(logging.CRITICAL + 1)
    return logger
