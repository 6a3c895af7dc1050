"""What every part of a declaration's schema is: a mapping with known keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Keys(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(defer_build=True, strict=True, extra="forbid", frozen=True)
