"""The style sheet: contrast that everybody can read, in light and in dark."""

from __future__ import annotations

import re

import pytest

from afterpilot.web.frame import style

TEXT = [
    ("ink", "ground"), ("ink", "paper"), ("ink", "faint"), ("ink", "bad-ground"),
    ("quiet", "ground"), ("quiet", "paper"), ("quiet", "faint"), ("quiet", "bad-ground"),
    ("link", "paper"), ("link", "ground"), ("link", "bad-ground"), ("link", "faint"),
    ("good", "good-ground"), ("warn", "warn-ground"), ("bad", "bad-ground"), ("none", "none-ground"),
    ("good", "paper"), ("warn", "paper"), ("bad", "paper"), ("none", "paper"), ("bad", "ground"),
    ("on-accent", "accent"),
]  # fmt: skip
SHAPES = [
    ("b-good", "paper"),
    ("b-bad", "paper"),
    ("b-none", "paper"),
    ("plain", "b-empty"),
    ("b-mark", "b-good"),
    ("focus", "paper"),
    ("focus", "ground"),
]


def themes() -> dict[str, dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", style(), re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks)
    return {"light": light, "dark": {**light, **dark}}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"), [(*pair, 4.5) for pair in TEXT] + [(*pair, 2.3) for pair in SHAPES]
)
def test_contrast(theme: str, front: str, back: str, least: float) -> None:
    """Text has the contrast of WCAG 2.2 AA on every ground that it stands on."""
    colours = themes()[theme]
    assert contrast(colours[front], colours[back]) >= least


def test_nothing_is_loaded_from_elsewhere() -> None:
    """The style sheet names no address: no font, no picture, no other sheet."""
    assert "url(" not in style()
    assert "@import" not in style()
