"""People, as logins, names and e-mail addresses call them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_APART = re.compile(r"[\W_]+")


def folded(name: str) -> str:
    """What dana.ruiz, Dana Ruiz and dana.ruiz@example.com have in common; what has no such words stands for itself alone."""
    whole = name.casefold().strip()
    return _APART.sub(" ", whole.split("@", maxsplit=1)[0]).strip() or whole


@dataclass(frozen=True, slots=True)
class Somebody:
    """Whoever says something, and by which other names they are known; ``login`` is what is kept."""

    login: str
    also: tuple[str, ...] = ()

    def is_one_of(self, *names: str) -> bool:
        """Whether one of these names is theirs."""
        own = {folded(name) for name in (self.login, *self.also)} - {""}
        return bool(own & {folded(name) for name in names})
