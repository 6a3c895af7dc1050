"""``afterpilot alerts preview``: every kind of message as it will look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from rich.text import Text

from afterpilot.cli.output import as_json, console
from afterpilot.pipeline.gallery import Specimen, gallery

SHAPES = ("terminal", "slack", "email", "json")


def preview(
    kind: Annotated[
        str,
        typer.Argument(
            help="One message by its name, or all of a kind such as spend.over_cap; unless given, every kind."
        ),
    ] = "",
    *,
    shape: Annotated[
        str, typer.Option("--as", help="terminal; slack: Block Kit; email: as plain text; json: as data.")
    ] = "terminal",
    names: Annotated[bool, typer.Option("--names", help="Only name them, with when each comes.")] = False,
) -> None:
    """Show every kind of message that Afterpilot sends, made from data of an example by what makes the real ones.

    Nothing is read and nothing is sent: neither a database nor Slack is needed. The page /afterpilot/alerts/preview of the run
    history shows the same as it looks in Slack.

    Example: afterpilot alerts preview escalated-deputy
    """
    if shape not in SHAPES:
        raise typer.BadParameter(f"{shape!r} is none of {', '.join(SHAPES)}", param_hint="--as")
    chosen = _chosen(kind)
    if names:
        _names(chosen)
    elif shape in ("slack", "json"):
        as_json([_slack(one) if shape == "slack" else _data(one) for group in chosen.values() for one in group])
    else:
        _print(chosen, as_mail=shape == "email")


def _chosen(kind: str) -> Mapping[str, Sequence[Specimen]]:
    """The specimens of that name or kind, by group. Raises BadParameter with the nearest name."""
    found = {
        group: [one for one in those if not kind or kind in (one.name, one.kind, group)]
        for group, those in gallery().items()
    }
    if any(found.values()):
        return {group: those for group, those in found.items() if those}
    known = sorted({name for those in gallery().values() for one in those for name in (one.name, one.kind)})
    near = get_close_matches(kind, known, n=1)
    hint = f"; do you mean {near[0]}?" if near else ": see `afterpilot alerts preview --names`"
    raise typer.BadParameter(f"no message is called {kind!r}{hint}", param_hint="KIND")


def _names(chosen: Mapping[str, Sequence[Specimen]]) -> None:
    for group, those in chosen.items():
        console.print(Text(group, style="bold"))
        for one in those:
            console.print(Text.assemble(f"  {one.name:<24}", (one.when, "dim")))


def _print(chosen: Mapping[str, Sequence[Specimen]], *, as_mail: bool) -> None:
    for group, those in chosen.items():
        console.print()
        console.rule(Text(group, style="bold"), align="left", style="dim")
        for one in those:
            console.print()
            _mail(one) if as_mail else _terminal(one)


def _terminal(one: Specimen) -> None:
    from afterpilot.notify.preview import render_terminal

    console.print(Text.assemble((one.name, "bold cyan"), (f"  {one.when}", "dim")))
    console.print(Text.assemble(("on a phone  ", "dim"), one.message.notification))
    console.print(Text.assemble(("in ", "dim"), one.channel))
    console.print(render_terminal(one.message), soft_wrap=False)
    for line in one.lines:
        console.print(Text.assemble(("    ↳ ", "dim"), line.summary, (_called(line.mention), "dim")))


def _called(mention: str) -> str:
    return f"  (calls {mention})" if mention else ""


def _mail(one: Specimen) -> None:
    from afterpilot.notify.mail_body import plain, subject

    console.print(Text.assemble((one.name, "bold cyan"), (f"  {one.when}", "dim")))
    console.print(Text.assemble(("Subject: ", "dim"), (subject(one.message), "bold")))
    console.print(Text(plain(one.message)))


def _slack(one: Specimen) -> dict[str, Any]:
    """What Slack gets: the message as it stands, and each post of its thread."""
    from afterpilot.notify.blocks import render, render_thread

    details = render_thread(one.opening)
    posts = [*([details] if details else []), *(render(line) for line in one.lines)]
    stands = render(one.message, interactive=True)
    return {
        "name": one.name,
        "channel": one.channel,
        "text": stands.text,
        "blocks": stands.blocks,
        "thread": [{"text": post.text, "blocks": post.blocks} for post in posts],
    }


def _data(one: Specimen) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "when": one.when,
        "channel": one.channel,
        "news": list(one.news),
        "message": one.message.as_dict(),
        "thread": [line.summary for line in one.lines],
    }
