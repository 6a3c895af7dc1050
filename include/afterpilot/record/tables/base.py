"""What all tables are made of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

NOW = sa.text("now()")


def time_column(name: str, *, nullable: bool = False, default_now: bool = False) -> sa.Column[datetime]:
    """A moment, aware UTC."""
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=NOW if default_now else None)


def json_column(name: str, default: str = "{}") -> sa.Column[Any]:
    """A document that is never NULL."""
    return sa.Column(name, JSONB, nullable=False, server_default=default)


def text_column(name: str, default: str = "") -> sa.Column[str]:
    """A text that is never NULL: empty where there is none."""
    return sa.Column(name, sa.Text, nullable=False, server_default=default)
