"""What git keeps holds no secret, no path of somebody's machine, and no address of a package registry."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Written in pieces, so that this file does not find itself.
SECRETS = {
    "Slack token": "xox[abeoprs]-" + r"\d{6,}-[\w-]{10,}",
    "Slack webhook": "hooks" + r"\.slack\.com/services/T\w+/B\w+/\w{16,}",
    "OpenAI or Anthropic key": r"\bsk-" + r"(?:ant-|proj-)?[A-Za-z0-9_-]{24,}",
    "AWS key": r"\b(?:AKIA|ASIA)" + r"[0-9A-Z]{16}\b",
    "GitHub or GitLab token": r"\b(?:gh[opsu]_\w{30,}|glpat-[\w-]{18,})",
    "private key": "-----BEGIN " + r"(?:[A-Z]+ )*PRIVATE KEY-----",
    "JSON web token": r"\beyJ" + r"[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{15,}",
    "Fernet key": r"(?i)fernet\w*[\"']?\s*[:=]\s*[\"']?" + r"[\w-]{43}=",
}
MACHINE_PATHS = r"(?<![\w.\-/$}])/(?:" + "work|root|farm|home/" + r"\w+|Users/\w+|tmp/lab)(?=[/\s\"'`),:;.]|$)"
REGISTRIES = "|".join(
    [
        r"pypi\." + "org",
        r"pythonhosted\." + "org",
        r"registry\.npmjs\." + "org",
        r"deb\.debian\." + "org",
        "npm" + "mirror",
    ]
)
LOCKS = {"requirements.txt", "requirements-dev.txt", "requirements-model.txt", "requirements-uv.txt"}


@cache
def _tracked() -> dict[str, str]:
    """Every text file that git keeps, by name."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    texts = {}
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        data = path.read_bytes() if path.is_file() else b"\0"
        if b"\0" not in data[:4096]:
            texts[name] = data.decode("utf-8", errors="replace")
    return texts


def _hits(pattern: str, texts: dict[str, str]) -> list[str]:
    compiled = re.compile(pattern, re.MULTILINE)
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        for name, text in texts.items()
        for match in compiled.finditer(text)
    ]


@pytest.mark.parametrize("kind", sorted(SECRETS))
def test_no_secret_is_in_git(kind: str) -> None:
    """No tracked file holds anything of the shape of this secret; the place is named, never the secret."""
    assert _hits(SECRETS[kind], _tracked()) == []


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        ("Slack token", "xoxb" + "-123456789012-abcdefghijklmnop"),
        ("OpenAI or Anthropic key", "sk" + "-proj-" + "a1" * 20),
        ("AWS key", "AKIA" + "ABCDEFGHIJKLMNOP"),
        ("GitHub or GitLab token", "ghp" + "_" + "a" * 36),
        ("private key", "-----BEGIN " + "RSA PRIVATE KEY-----"),
        ("Fernet key", "FERNET_KEY=" + "A" * 43 + "="),
    ],
)
def test_a_secret_would_be_found(kind: str, example: str) -> None:
    """Each pattern knows what it looks for."""
    assert _hits(SECRETS[kind], {"file": f"x {example}\n"}) == ["file:1"]


def test_no_password_stands_in_an_address() -> None:
    """An address with a password in it is a variable, a placeholder, or plainly a test's own."""
    pattern = r"[a-z][a-z0-9+.-]*://[^\s:/@\"'`{}$<>]+:(?P<password>[^\s@/\"'`]{12,})@"
    hits = [
        f"{name}: {match['password'][:2]}…"
        for name, text in _tracked().items()
        for match in re.finditer(pattern, text)
        if not re.search(r"[{}$<>%]|PASSWORD|secret|hunter|example", match["password"])
    ]
    assert hits == []


def test_no_path_of_a_machine_is_in_git() -> None:
    """Nothing depends on, or tells of, the folders of one machine."""
    assert _hits(MACHINE_PATHS, _tracked()) == []


def test_a_path_of_a_machine_would_be_found() -> None:
    """Folders of a machine are told from names that only look alike."""
    texts = {"bad": 'cd "/wo' + 'rk/main"\n/ro' + "ot\n", "good": "/workflows a/work/b ./root $HOME/root\n"}
    assert _hits(MACHINE_PATHS, texts) == ["bad:1", "bad:2"]


def test_no_registry_is_named() -> None:
    """Packages come from wherever the installers are told to look; no file names a host."""
    assert _hits(REGISTRIES, _tracked()) == []


def test_locks_hold_only_packages_and_hashes() -> None:
    """A lock has no index, no address and no file path in it, and every package has a hash."""
    for name in LOCKS:
        lines = [line for line in _tracked()[name].splitlines() if line and not line.startswith("#")]
        for line in lines:
            assert re.fullmatch(r"[A-Za-z0-9._-]+==\S+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
        assert sum("==" in line for line in lines) <= sum("--hash=" in line for line in lines)


def test_local_secrets_are_ignored_by_git() -> None:
    """The files where an operator keeps secrets cannot be added by mistake."""
    for name in (".env", "connections.env", ".afterpilot/secrets.json"):
        done = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
        assert done.returncode == 0, name
