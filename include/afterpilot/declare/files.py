"""The files that a declaration names, read from its own folder and from nowhere else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from afterpilot.declare.problems import choices, describe

MAX_BYTES = 1_000_000
MAX_CASES_BYTES = 16_000_000


class Unreadable(Exception):
    """A file cannot be used; ``hint`` says what would be right."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(slots=True)
class Folder:
    """One workflow's folder, or that of a suite. ``contents`` gathers what was read, by name; ``what`` is what messages call it."""

    path: Path
    what: str = "the workflow's folder"
    contents: dict[str, bytes] = field(default_factory=dict)

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        """The bytes of a file inside the folder.

        Raises:
            Unreadable: it is missing, outside the folder, too large, or not a plain file.
        """
        if name not in self.contents:
            try:
                self.contents[name] = self._read(name, limit)
            except OSError as error:
                raise Unreadable(f"cannot be read: {error.strerror or 'the system refuses'}") from error
            except (ValueError, RuntimeError) as error:  # a NUL in a name, links that lead to themselves
                raise Unreadable(f"{describe(name)} is not a file's name") from error
        return self.contents[name]

    def text(self, name: str, *, limit: int = MAX_BYTES) -> str:
        """The text of a file inside the folder.

        Raises:
            Unreadable: as for :meth:`read`, or the file is not UTF-8 or is empty.
        """
        try:
            text = self.read(name, limit=limit).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Unreadable(f"{describe(name)} is not UTF-8 text", "save it as UTF-8") from error
        if not text.strip():
            raise Unreadable(f"{describe(name)} is empty")
        if "\x00" in text:
            raise Unreadable(f"{describe(name)} holds a control character", "remove it")
        return text

    def has(self, name: str) -> bool:
        """Whether there is a plain file of that name."""
        return (self.path / name).is_file()

    def sha256(self, *more: str) -> str:
        """Hex digest over the names and contents of everything that was read, and over further texts."""
        digest = hashlib.sha256()
        for name, content in sorted(self.contents.items()):
            digest.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogatepass") + content)
        for text in more:
            digest.update(f"\0{text}".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def _read(self, name: str, limit: int) -> bytes:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\\" in name or Path(name).is_absolute():
            raise Unreadable(f"{describe(name)} is outside {self.what}", "name a file inside it")
        real, home = (self.path / name).resolve(), self.path.resolve()
        if not real.is_relative_to(home):
            raise Unreadable(f"{describe(name)} leads outside {self.what}", "put the file inside it")
        if not real.exists():
            names = sorted(entry.name for entry in self.path.iterdir() if entry.is_file())
            raise Unreadable(f"{describe(name)} does not exist in {self.what}", choices(name, names[:200]))
        if not real.is_file():
            raise Unreadable(f"{describe(name)} is not a file")
        with real.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise Unreadable(f"{describe(name)} is larger than {limit / 1_000_000:.0f} MB")
        return content
