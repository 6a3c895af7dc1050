"""Every kind of message that Afterpilot sends, made of realistic data by the functions that real runs use."""

from __future__ import annotations

from afterpilot.pipeline.gallery.office import PEOPLE
from afterpilot.pipeline.gallery.specimens import GROUPS, gallery
from afterpilot.pipeline.gallery.story import Specimen

__all__ = ["GROUPS", "PEOPLE", "Specimen", "gallery"]
