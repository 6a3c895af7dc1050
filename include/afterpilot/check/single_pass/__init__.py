"""Expectations over one table in one aggregate statement, with the semantics of Great Expectations 1.24.

Great Expectations is not imported here: its rules are written down again as SQL and judged as it judges. Property tests
compare the two on the same table.
"""

from __future__ import annotations

from afterpilot.check.single_pass.failing import failing_keys
from afterpilot.check.single_pass.judging import judge
from afterpilot.check.single_pass.registry import compiles
from afterpilot.check.single_pass.rows import Rows

__all__ = ["Rows", "compiles", "failing_keys", "judge"]
