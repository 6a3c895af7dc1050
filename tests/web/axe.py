"""axe-core, fetched by npm once and checked against its hash, and what it says of a page that stands in a browser."""

from __future__ import annotations

import base64
import fcntl
import functools
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chromium import Tab

VERSION = "4.14.1"
INTEGRITY = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="  # SHA-512, as npm says it
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
_KEPT = Path(tempfile.gettempdir()) / f"afterpilot-axe-core-{VERSION}.tgz"
_PATIENCE = 120  # seconds


def npm() -> str | None:
    """Where npm is, or None."""
    return shutil.which("npm")


@functools.cache
def source() -> str:
    """axe-core as JavaScript.

    Raises:
        RuntimeError: npm does not fetch it, or what it fetches is not what it was.
    """
    with _KEPT.with_suffix(".lock").open("w") as lock:  # several processes test at once: one of them fetches
        fcntl.flock(lock, fcntl.LOCK_EX)
        packed = _KEPT.read_bytes() if _KEPT.exists() else b""
        if not _is_it(packed):
            packed = _fetched()
            _KEPT.write_bytes(packed)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        found = archive.extractfile("package/axe.min.js")
        if found is None:
            raise RuntimeError("the package of axe-core holds no axe.min.js")
        return found.read().decode()


def violations(tab: Tab, rules: Sequence[str] = RULES) -> list[str]:
    """What breaks the rules (those of WCAG 2.2 A and AA) on the page that is open, each with the first places."""
    tab.value(source() + "; 0")
    told = tab.call(
        "Runtime.evaluate",
        expression=f"axe.run(document, {{runOnly: {json.dumps(rules)}, resultTypes: ['violations']}})"
        ".then(found => JSON.stringify(found.violations))",
        awaitPromise=True,
        returnByValue=True,
    )
    if "exceptionDetails" in told:
        raise RuntimeError(f"axe could not run: {told['exceptionDetails']}")
    return [_words(one) for one in json.loads(told["result"]["value"])]


def _words(one: dict[str, Any]) -> str:
    places = "; ".join(f"{' '.join(map(str, node['target']))}: {node['html'][:160]}" for node in one["nodes"][:4])
    return f"{one['id']} ({one['help']}), {len(one['nodes'])} times: {places}"


def _is_it(packed: bytes) -> bool:
    return base64.b64encode(hashlib.sha512(packed).digest()).decode() == INTEGRITY


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [npm() or "npm", "pack", f"axe-core@{VERSION}", "--ignore-scripts", "--pack-destination", folder]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        found = list(Path(folder).glob("*.tgz"))
        if done.returncode or not found:
            raise RuntimeError(f"npm did not fetch axe-core: {done.stderr[-400:]}")
        packed = found[0].read_bytes()
    if not _is_it(packed):
        raise RuntimeError(f"axe-core {VERSION} is not what it was: its hash is another")
    return packed
