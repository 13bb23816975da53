"""`cdnctl dead`: what was given up is listed, shown whole, put back to be submitted, or deleted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import click

from scripts.operators import show
from scripts.operators.desk import Desk
from scripts.operators.faults import Fault, plain, say
from scripts.operators.requeue import again, let_go, put_back
from shared import flow
from shared.core.task.model import Task
from shared.core.task.stored import Bad, Grave

LISTED_MAX = 200
DRAIN_SECONDS_MAX = 45.0


@click.group()
def dead() -> None:
    """What was given up: tasks that can never go or failed too often, and events that could not be read."""


@dead.command("list")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="From this day (UTC) on: YYYY-MM-DD.")
@click.option("--limit", type=click.IntRange(0), default=LISTED_MAX, show_default=True, help="How many; 0 for all.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, with whole ids.")
@click.pass_obj
def list_(desk: Desk, *, since: datetime | None, limit: int, as_json: bool) -> None:
    """List what stands in dead/, newest first."""
    graves = desk.instance.spool.dead(f"{since:%Y-%m-%d}" if since else "")
    shown = graves[: limit or None]
    found = _exhumed(desk, shown)
    if as_json:
        click.echo(json.dumps([show.facts(bad) for bad in found.values()], indent=2))
    elif not graves:
        click.echo("Nothing stands in dead/.")
    else:
        show.table(found.values())
    if len(shown) < len(graves):
        say(f"{len(shown)} of {len(graves)} are shown, the newest; --limit 0 shows all")


@dead.command("show")
@click.argument("which", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show_(desk: Desk, *, which: str, as_json: bool) -> None:
    """Show everything about one: its reason, and the task with its history or the event's bytes.

    ID may be cut short as long as it names one thing only.
    """
    newest = _named(desk.instance.spool.dead(), which)[:1]
    for bad in _exhumed(desk, newest).values():
        if as_json:
            click.echo(json.dumps(show.everything(bad), indent=2))
        else:
            show.whole(bad)


@dead.command("requeue")
@click.argument("which", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that stands in dead/.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--now", "at_once", is_flag=True, help="Submit at once, instead of at the timer's next minute.")
@click.pass_obj
def requeue(desk: Desk, *, which: tuple[str, ...], everything: bool, dry_run: bool, at_once: bool) -> None:
    """Put tasks back to be submitted; an event is read again, with this version and the site file.

    What cannot go again stays in dead/, is named with the reason, and makes the status 1.
    """
    parts = desk.instance
    chosen, refused = _decide(desk, _exhumed(desk, _asked(desk, which, everything=everything)))
    verb = "would go again" if dry_run else "goes again"
    if chosen and not dry_run:
        put_back(parts.kit, parts.spool, chosen)
    for key, tasks in chosen.items():
        for task in tasks:
            click.echo(f"{verb}  {key.partition('/')[2][: show.ID_SHOWN]}  {plain(task.url)}")
    if chosen and at_once and not dry_run:
        click.echo(_drained(desk))
    for key, reason in refused.items():
        say(f"{key.partition('/')[2][: show.ID_SHOWN]} stays in dead/: {reason}")
    if refused:
        raise click.exceptions.Exit(1)


@dead.command("drop")
@click.argument("which", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that stands in dead/.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.pass_obj
def drop(desk: Desk, *, which: tuple[str, ...], everything: bool, dry_run: bool) -> None:
    """Delete what need not go again. The outcome log keeps the reason, and that an operator let it go."""
    parts = desk.instance
    found = _exhumed(desk, _asked(desk, which, everything=everything))
    if not dry_run:
        let_go(parts.kit, parts.spool, found)
    for bad in found.values():
        what = bad.task.url if bad.task else "an event that could not be read"
        click.echo(f"{'would be' if dry_run else 'is'} deleted  {bad.id[: show.ID_SHOWN]}  {plain(what)}")


def _asked(desk: Desk, which: Sequence[str], *, everything: bool) -> list[Grave]:
    """Find what the arguments name: some ids, or all."""
    if everything == bool(which):
        raise click.UsageError("Name one ID or more, or give --all.")
    graves = desk.instance.spool.dead()
    return graves if everything else list({one.key: one for each in which for one in _named(graves, each)}.values())


def _exhumed(desk: Desk, graves: Sequence[Grave]) -> dict[str, Bad]:
    """Read what lies in some graves, in their order."""
    found = desk.instance.spool.exhume(graves)
    return {grave.key: found[grave.key] for grave in graves if grave.key in found}


def _named(graves: Iterable[Grave], which: str) -> list[Grave]:
    """Find what an id, maybe cut short, names: one thing, though it may have been given up on several days."""
    found = [grave for grave in graves if grave.id.startswith(which)]
    ids = {grave.id for grave in found}
    if not ids:
        raise Fault(f"nothing in dead/ has the id {which}")
    if len(ids) > 1:
        raise Fault(f"{which} is the beginning of {len(ids)} ids in dead/; give more of it")
    return found


def _decide(desk: Desk, found: Mapping[str, Bad]) -> tuple[dict[str, tuple[Task, ...]], dict[str, str]]:
    """Sort what was given up into what goes again, with its tasks, and what does not, with the reason."""
    kit = desk.instance.kit
    decided = {key: again(bad, kit.sites, kit.clock()) for key, bad in found.items()}
    chosen = {key: each.tasks for key, each in decided.items() if each.tasks}
    return chosen, {key: each.refusal for key, each in decided.items() if not each.tasks}


def _drained(desk: Desk) -> str:
    """Submit what is due, and say what came of it."""
    kit, lease_seconds = desk.instance.kit, desk.instance.settings.lease_seconds
    deadline = kit.clock() + min(DRAIN_SECONDS_MAX, lease_seconds / 2)
    came = flow.drain(kit, flow.Invocation("cdnctl", f"cdnctl-{uuid.uuid4()}", deadline))
    if "calls" not in came:
        return "A drain is under way already; it submits them."
    return ", ".join(f"{name} {came[name]}" for name in ("calls", "accepted", "deferred", "buried"))
