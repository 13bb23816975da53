"""`cdnctl check`: a site file in; all that is wrong with it out, or what changes of some keys would ask of the CDN."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

import click
import msgspec

from scripts.operators.faults import plain, say
from shared.cloud.provider.facts import ALIBABA_CDN
from shared.core.checked import Invalid
from shared.core.site.doubts import warnings_of
from shared.core.site.patternfaults import KEY_BYTES_MAX
from shared.core.site.plainyaml import BYTES_MAX
from shared.core.site.sitefile import read_sites
from shared.core.site.sites import Site
from shared.core.site.spelling import has_dot_segments
from shared.core.site.urls import Caused, judge, own_paths
from shared.core.task.model import Action, ObjectChange

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*/*")
CODE = Path(__file__).parents[2] / "functions"
KEYS_BYTES_MAX = 200_000_000
SIZE = 2
"""Of the object that is written, in bytes: a new one has grown by all of it."""


class Line(msgspec.Struct, frozen=True):
    """What one task would ask for. `units` is 0 where another line's unit covers it.

    `instead` says why it is a directory where another form was asked for.
    """

    key: str
    kind: str
    form: str
    url: str
    units: int
    site: str
    rule: str
    instead: str


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Show what a change of this key asks for.")
@click.option(
    "--keys-from", type=click.Path(path_type=Path), metavar="FILE", help="The same for each line; - is stdin."
)
@click.option("--bucket", metavar="BUCKET", help="The bucket of the keys; by default each that the file names.")
@click.option("--removed", is_flag=True, help="The keys are removed instead of written.")
@click.option("--new", is_flag=True, help="Nothing was there before.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a task, a line each.")
def check(
    *,
    file: Path | None,
    keys: tuple[str, ...],
    keys_from: Path | None,
    bucket: str | None,
    removed: bool,
    new: bool,
    as_json: bool,
) -> None:
    """Check a site file, and show which URLs follow from it for some keys.

    Without FILE it is SITES_FILE, or the one that is deployed. Status 1 where something in it is wrong: each fault is
    told with its line, and what to write instead.
    """
    if removed and new:
        raise click.UsageError("An object is removed or new, not both.")
    path = _path(file)
    sites = _sites(path)
    for warning in warnings_of(sites):
        say(f"warning: {warning}")
    asked = [*map(_key, keys), *(_lines(keys_from) if keys_from else ())]
    action = Action.REMOVED if removed else Action.CREATED
    buckets = list(dict.fromkeys(site.bucket for site in sites))
    if bucket:
        if bucket not in buckets:
            raise click.UsageError(f"No site serves the bucket {bucket!r:.80}; the file names {', '.join(buckets)}.")
        buckets = [bucket]
    for key in asked:
        changes = [_change(key, action, each, is_new=new) for each in buckets]
        _tell(key, list(_of(changes, sites)), as_json=as_json)
    if not as_json:
        _summary(path, sites, asked)


def _path(file: Path | None) -> Path:
    if file is not None:
        return Path(os.environ.get("CALLED_FROM", "."), file)
    return CODE / (os.environ.get("SITES_FILE") or "sites.yml")


def _sites(path: Path) -> tuple[Site, ...]:
    """Read a site file; ends the program with every fault, a line each."""
    try:
        with path.open("rb") as file:
            return read_sites(file.read(BYTES_MAX + 1), str(path))
    except Invalid as error:
        for fault in error.faults:
            say(f"{path}: {fault}")
    except OSError as error:
        say(f"{path} cannot be read: {error.strerror}")
    raise click.exceptions.Exit(1)


def _lines(path: Path) -> list[str]:
    shown = "the standard input" if str(path) == "-" else str(path)
    try:
        with click.open_file(str(path if str(path) == "-" else _path(path)), "rb") as lines:
            data: bytes = lines.read(KEYS_BYTES_MAX + 1)
    except OSError as error:
        raise click.UsageError(f"{shown} cannot be read: {error.strerror}") from error
    if len(data) > KEYS_BYTES_MAX:
        raise click.UsageError(f"{shown} is longer than {KEYS_BYTES_MAX:,} bytes; give it in parts.")
    try:
        found = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise click.UsageError(f"{shown}: line {line} is not UTF-8, as keys are") from error
    return [_key(line.removesuffix("\r"), f"{shown}, line {number}: ") for number, line in enumerate(found, 1) if line]


def _key(text: str, where: str = "") -> str:
    """Take a text for a key. Raises `UsageError`, which begins with `where`, if no key is like that."""
    if found := _URL.match(text):
        key = unquote(text[found.end() :].partition("?")[0])
        raise click.UsageError(
            f"{where}{text!r:.200} is a URL; name the key that lies behind it, such as {key!r:.200}."
        )
    if text.startswith("/"):
        raise click.UsageError(f"{where}{text!r:.200}: keys begin with no `/`; write {text.lstrip('/')!r:.200}.")
    if len(text.encode(errors="replace")) > KEY_BYTES_MAX:
        raise click.UsageError(f"{where}{text!r:.80}… is longer than a key can be, {KEY_BYTES_MAX} bytes.")
    if not text.strip():
        raise click.UsageError(f"{where}{text!r} is no key.")
    return text


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _change(key: str, action: Action, bucket: str, *, is_new: bool) -> ObjectChange:
    name = "ObjectRemoved:DeleteObject" if action is Action.REMOVED else "ObjectCreated:PutObject"
    return ObjectChange("check", action, name, bucket, key, "", SIZE, SIZE if is_new else 0, 0.0)


def _of(changes: Iterable[ObjectChange], sites: Sequence[Site]) -> Iterator[Line]:
    """Give what changes ask for; a target that comes again costs nothing more. Says what is passed over, and why."""
    seen: set[object] = set()
    for change in changes:
        caused, skipped = judge(change, sites, ALIBABA_CDN)
        for skip in skipped:
            say(f"{change.key}: " + (f"site {skip.site}: " if skip.site else "") + skip.reason)
        for each in caused:
            yield _line(each, 0 if each.task.target in seen else 1)
            seen.add(each.task.target)


def _line(caused: Caused, units: int) -> Line:
    task, target = caused.task, caused.task.target
    return Line(
        key=task.cause.key,
        kind=target.kind.value,
        form=target.form.value,
        url=target.url,
        units=units,
        site=task.site,
        rule=caused.rule,
        instead=caused.instead,
    )


def _tell(key: str, lines: Sequence[Line], *, as_json: bool) -> None:
    if as_json:
        for line in lines:
            click.echo(json.dumps(msgspec.structs.asdict(line)))
        return
    click.echo(f"{plain(key)}: {_count(sum(line.units for line in lines), 'unit')}")
    for line in lines:
        what = f"{line.kind} {'' if line.form == 'file' else line.form + ' '}".ljust(24)
        why = f"site {line.site}" + (
            f", {line.rule}" if line.rule.startswith("rules[") else f", rule {line.rule}"
        ) * bool(line.rule)
        click.echo(f"  {line.units}  {what}{plain(line.url)}  ({plain(why)})")
        if line.instead:
            click.echo(f"     instead, since {plain(line.instead)}")


def _summary(path: Path, sites: Sequence[Site], keys: Sequence[str]) -> None:
    """Say what the file holds, and how many keys clients write in more than one way."""
    rules = sum(len(site.rules) for site in sites)
    click.echo(f"{plain(str(path))} is in order: {_count(len(sites), 'site')}, {_count(rules, 'rule')}")
    own = [(key, own_paths(key, site)) for key in keys for site in sites if key.startswith(site.prefix)]
    twice = {key for key, paths in own if len(paths) > 1}
    if keys:
        share = 100 * len(twice) / len(keys)
        click.echo(f"{len(twice)} of {len(keys)} keys ({share:.1f} %) are spelled in two ways or more, a unit each")
    for key in dict.fromkeys(key for key, paths in own if any(map(has_dot_segments, paths))):
        say(f"warning: {key} has a segment `.` or `..`: no browser can ask for it, so it is spelled strictly only")
