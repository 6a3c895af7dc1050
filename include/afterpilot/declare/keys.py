"""What every part of a declaration's schema is: a mapping with known keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


class Keys(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(defer_build=True, strict=True, extra="forbid", frozen=True)


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a mapping by the keys that declarations use, which may be words of Python's own."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
