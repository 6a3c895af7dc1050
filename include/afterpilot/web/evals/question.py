"""A case as it stands in its workflow's folder now. What cannot be read is said to be missing, never guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,59}")
_LARGEST = 30_000_000  # bytes of a file of cases


def read_case(folder: Path | None, workflow: str, evals: Mapping[str, Any], case: str) -> Mapping[str, Any] | None:
    """The case's line of the file that the declaration names, as data; None where there is none to be read."""
    name = evals.get("cases")
    if folder is None or not isinstance(name, str) or not _SLUG.fullmatch(workflow):
        return None
    try:
        home = folder.resolve() / workflow
        path = (home / name).resolve()
        # A link may lead to what only the server may read.
        if not path.is_relative_to(home) or not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        return _find(path, case)
    except (OSError, RuntimeError, ValueError):
        return None


def _find(path: Path, case: str) -> Mapping[str, Any] | None:
    probe = json.dumps(case, ensure_ascii=False)[1:-1][:40]
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if probe not in line and "\\u" not in line:  # the cheap look first: most lines are other cases
                continue
            try:
                data = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(data, dict) and data.get("id") == case:
                return data
    return None
