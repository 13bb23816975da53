"""`cdnctl dead`: what was given up is listed, shown whole, put back to be submitted, or deleted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import click

from scripts.operators import graves, show
from scripts.operators.desk import Desk
from scripts.operators.faults import plain, say
from scripts.operators.graves import Dead, Opened
from scripts.operators.requeue import Again, again, let_go, put_back
from shared import flow
from shared.core.task.links import Links
from shared.core.task.stored import Piece

LISTED_MAX = 200
DRAIN_SECONDS_MAX = 45.0

_SINCE = click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="From this day (UTC) on: YYYY-MM-DD."
)
Command = Callable[..., Any]


@click.group()
def dead() -> None:
    """What was given up: tasks that can never go or failed too often, and what could not be read or logged."""


@dead.command("list")
@_SINCE
@click.option("--most", type=click.IntRange(1), default=LISTED_MAX, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, with whole ids.")
@click.pass_obj
def list_(desk: Desk, *, since: datetime | None, most: int, as_json: bool) -> None:
    """List what stands in dead/, newest first."""
    parts = desk.instance
    found, more = graves.newest(parts.spool, _day(since), most, parts.kit.clock())
    if as_json:
        click.echo(json.dumps([show.facts(each) for each in found], indent=2))
    elif not found:
        click.echo("Nothing stands in dead/.")
    else:
        show.table(found)
    if more:
        say(f"the newest {len(found)} are shown, and there are more; --most N shows so many, --since DAY from a day on")


@dead.command("show")
@click.argument("which", metavar="ID")
@_SINCE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show_(desk: Desk, *, which: str, since: datetime | None, as_json: bool) -> None:
    """Show everything about one: its reason, and the task with its history or the bytes of what could not be read.

    ID may be cut short as long as it names one thing only.
    """
    spool = desk.instance.spool
    meant = graves.named(spool, [which], _day(since), say)
    newest = max(meant)
    for piece in graves.opened(spool, [newest]).get(newest, ()):
        if piece.id in meant[newest]:
            found = Dead(newest.partition("/")[0], piece)
            if as_json:
                click.echo(json.dumps(show.everything(found), indent=2))
            else:
                show.whole(found)


@dead.command("requeue")
@click.argument("which", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that stands in dead/.")
@_SINCE
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--now", "at_once", is_flag=True, help="Submit at once, instead of at the timer's next minute.")
@click.pass_obj
def requeue(
    desk: Desk, *, which: tuple[str, ...], everything: bool, since: datetime | None, dry_run: bool, at_once: bool
) -> None:
    """Put back what was given up: tasks are submitted, records logged, and events read again with the site file.

    An object that could not be read is put back where it lay, if this version can read it. What cannot go again stays
    in dead/, is named with the reason, and makes the status 1.
    """
    has_gone = has_stayed = False
    for opened, ids in _asked(desk, which, _day(since), everything=everything):
        gone, refused = _put_back(desk, opened, ids, dry_run=dry_run)
        has_gone, has_stayed = has_gone or bool(gone), has_stayed or bool(refused)
        _tell(opened, gone, refused, "would go again" if dry_run else "goes again")
    if has_gone and at_once and not dry_run:
        click.echo(_drained(desk))
    if has_stayed:
        raise click.exceptions.Exit(1)


@dead.command("drop")
@click.argument("which", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that stands in dead/.")
@_SINCE
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.pass_obj
def drop(desk: Desk, *, which: tuple[str, ...], everything: bool, since: datetime | None, dry_run: bool) -> None:
    """Delete what need not go again. The outcome log keeps the reason, and that an operator let it go."""
    parts = desk.instance
    for opened, ids in _asked(desk, which, _day(since), everything=everything):
        pieces = _distinct(opened, ids)
        if not dry_run:
            let_go(parts.kit, pieces.values())
            graves.remove(parts.spool, opened, ids)
        for piece in pieces.values():
            verb = "would be" if dry_run else "is"
            click.echo(f"{verb} deleted  {piece.id[: show.ID_SHOWN]}  {plain(show.what(piece))}")


def _day(since: datetime | None) -> str:
    return f"{since:%Y-%m-%d}" if since else ""


def _asked(desk: Desk, which: tuple[str, ...], since: str, *, everything: bool) -> Iterator[tuple[Opened, set[str]]]:
    """Find what the arguments name: some objects at a time, and the ids of those of their pieces that are meant."""
    if everything == bool(which):
        raise click.UsageError("Name one ID or more, or give --all.")
    spool = desk.instance.spool
    if everything:
        for opened in graves.chunks(spool, since):
            yield opened, {piece.id for pieces in opened.values() for piece in pieces}
        return
    meant = graves.named(spool, which, since, say)
    yield graves.opened(spool, meant), {each for ids in meant.values() for each in ids}


def _distinct(opened: Opened, ids: Iterable[str]) -> dict[str, Piece]:
    """Give each piece once, the newest where it was given up on several days."""
    wanted = set(ids)
    return {piece.id: piece for key in sorted(opened) for piece in opened[key] if piece.id in wanted}


def _put_back(
    desk: Desk, opened: Opened, ids: Iterable[str], *, dry_run: bool
) -> tuple[dict[str, tuple[Piece, Again]], dict[str, str]]:
    """Sort what was given up into what goes again and what does not, with the reason; and let the former go."""
    kit, spool = desk.instance.kit, desk.instance.spool
    links = kit.links.known() if kit.links is not None else Links()
    decided = {
        piece_id: (piece, again(piece, kit.sites, links, kit.provider, kit.clock()))
        for piece_id, piece in _distinct(opened, ids).items()
    }
    refused = {piece_id: each.refusal for piece_id, (_, each) in decided.items() if each.refusal}
    chosen = {piece_id: both for piece_id, both in decided.items() if piece_id not in refused}
    if chosen and not dry_run:
        refused |= put_back(kit, spool, chosen)
        chosen = {piece_id: both for piece_id, both in chosen.items() if piece_id not in refused}
        graves.remove(spool, opened, chosen.keys())
    return chosen, refused


def _tell(opened: Opened, gone: dict[str, tuple[Piece, Again]], refused: dict[str, str], verb: str) -> None:
    for piece_id, (piece, each) in gone.items():
        for what in [task.url for task in each.tasks] or [show.what(piece)]:
            click.echo(f"{verb}  {piece_id[: show.ID_SHOWN]}  {plain(what)}")
    for piece_id in _distinct(opened, refused):
        say(f"{piece_id[: show.ID_SHOWN]} stays in dead/: {refused[piece_id]}")


def _drained(desk: Desk) -> str:
    """Submit what is due, and say what came of it."""
    kit, lease_seconds = desk.instance.kit, desk.instance.settings.lease_seconds
    deadline = kit.clock() + min(DRAIN_SECONDS_MAX, lease_seconds / 2)
    came = flow.drain(kit, flow.Invocation("cdnctl", f"cdnctl-{uuid.uuid4()}", deadline))
    if "calls" not in came:
        return "A drain is under way already; it submits them."
    return ", ".join(f"{name} {came[name]}" for name in ("calls", "accepted", "deferred", "buried"))
