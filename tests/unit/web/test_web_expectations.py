"""Which expectations the checks of some days judged, beside what is declared."""

from __future__ import annotations

from afterpilot.web.expectations import expectations


def test_the_check_of_types_follows_from_the_declared_fields_and_is_never_taken_away() -> None:
    rows = [
        {"expect": name, "column": "total", "parameters": "", "runs": 1, "judged": 1, "failed": 0, "day": None}
        for name in ("column_values_to_be_of_declared_type", "column_values_to_be_unique")
    ]
    declared = {one.expect: one.declared for one in expectations([], rows)}
    assert declared == {"column_values_to_be_of_declared_type": True, "column_values_to_be_unique": False}
