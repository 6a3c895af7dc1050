"""A page as its elements: which there are, and whether they stand where HTML allows them."""

from __future__ import annotations

from html.parser import HTMLParser


class Outline(HTMLParser):
    """Headings, landmarks and the title of a page, and whether its elements are closed in order."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "path", "circle", "rect", "use", "wbr"})
    PHRASES = frozenset({"p", "span", "b", "code", "h1", "h2", "h3", "a", "summary"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.misplaced: list[str] = []

    def handle_starttag(  # noqa: D102 - the parser's own
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.tags.append(tag)
        if tag in {"details", "div", "table", "ul", "pre", "dl", "p"} and self.PHRASES & set(self.open):
            self.misplaced.append(f"{tag} in {self.open[-1]}")
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(  # noqa: D102 - the parser's own
        self, tag: str
    ) -> None:
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def values(self, tag: str, name: str) -> list[str]:
        """The values of an attribute on elements of this kind."""
        return [value for of, key, value in self.attributes if (of, key) == (tag, name)]


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    return parser
