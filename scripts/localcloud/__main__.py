"""The command line goes in; a local cloud that serves until it is told to stop comes out.

python -m scripts.localcloud serve --ready-file FILE
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.localcloud import server
from scripts.localcloud.cdn.service import Limits
from scripts.localcloud.clock import Clock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.faults import KINDS, SERVICES, check_rates
from scripts.localcloud.fc.hosting import TEMPLATE, CodeSource
from scripts.localcloud.fc.run import LogLine
from scripts.localcloud.fc.template import TemplateError
from scripts.localcloud.switches import Switches, add_switches, read_switches

FINISH_RESOLUTION_SECONDS = 1.0
MILLISECONDS = 1000.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = make_parser()
    asked = parser.parse_args(arguments)
    try:
        check_host(asked)
        options = read_options(asked)
        switches = read_switches(asked, (options.bucket, options.spool_bucket))
    except ValueError as error:
        parser.error(str(error))
    try:
        serve(options, asked, switches)
    except (OSError, TemplateError) as error:
        print(f"The local cloud cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def check_host(asked: argparse.Namespace) -> None:
    """ValueError where others could reach this cloud and nobody said that they may."""
    if not (asked.expose_to_network or is_loopback(asked.host)):
        raise ValueError(
            f"--host {asked.host} lets everybody who reaches this machine use the local cloud and run its functions, "
            "for its keys are public knowledge. Add --expose-to-network if that is meant."
        )


def is_loopback(host: str) -> bool:
    """Tell whether an address can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(options: Options, asked: argparse.Namespace, switches: Switches) -> None:
    """Serve until SIGTERM or SIGINT; write the ready file once everything answers."""
    asked.ready_file.unlink(missing_ok=True)  # one that is left over must not be taken for ours
    cloud = LocalCloud(options, Clock())
    switches.apply(cloud)
    ports = {name: getattr(asked, f"{name}_port") for name in cloud.listeners}
    sockets = server.listen(cloud.listeners, asked.host, ports)
    addresses = server.addresses_of(sockets)

    def ready() -> None:
        write_whole(asked.ready_file, json.dumps({**addresses, **options.facts()}, indent=2) + "\n")
        for name, address in addresses.items():
            print(f"{name:<5}{address}", flush=True)

    server.run(cloud, sockets, ready)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that who sees it sees all of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def read_options(asked: argparse.Namespace) -> Options:
    """Turn the command line into options; ValueError with a sentence for each thing that cannot be."""
    faults = _pairs("--fault", asked.fault)
    rates = {name: _number("--fault", name, value) for name, value in faults.items()}
    check_rates(rates)
    return Options(
        limits=_limits(asked),
        latencies=_latencies(asked.latency),
        faults=rates,
        seed=asked.seed,
        functions=_functions(asked),
    )


def _functions(asked: argparse.Namespace) -> CodeSource | None:
    if asked.no_functions:
        return None
    paths = {"--code": asked.code, "--template": asked.template, "--interpreter": asked.interpreter}
    for option, path in paths.items():
        if path is not None and not path.exists():
            raise ValueError(f"{option} {path} does not exist.")
    return CodeSource(
        code=asked.code,
        template=asked.template,
        isolated=asked.isolated or (asked.code is not None and asked.code.is_file()),
        interpreter=asked.interpreter,
        instances=asked.instances,
        environment=_pairs("--env", asked.env),
        show=_show if asked.show_output else None,
    )


def _show(line: LogLine) -> None:
    print(f"[{line.function}] {line.text}", file=sys.stderr, flush=True)


def _limits(asked: argparse.Namespace) -> Limits:
    refresh, prefetch = asked.task_seconds, asked.prefetch_seconds
    for name, (shortest, longest) in (("--task-seconds", refresh), ("--prefetch-seconds", prefetch)):
        if not 0 <= shortest <= longest:
            raise ValueError(f"{name} takes two times, the shorter one first.")
    return Limits(
        url_refreshes_per_day=asked.url_quota,
        directory_refreshes_per_day=asked.directory_quota,
        prefetches_per_day=asked.prefetch_quota,
        urls_per_minute_per_domain=asked.urls_per_minute,
        refresh_duration_seconds=(refresh[0], refresh[1]),
        prefetch_duration_seconds=(prefetch[0], prefetch[1]),
        finish_resolution_seconds=min(FINISH_RESOLUTION_SECONDS, max(refresh[0], 0.05)),
    )


def _latencies(given: Sequence[str]) -> dict[str, float]:
    pairs = _pairs("--latency", given)
    for name in pairs:
        if name not in SERVICES:
            raise ValueError(f"--latency {name}: the services are {', '.join(SERVICES)}.")
    return {name: _number("--latency", name, value) / MILLISECONDS for name, value in pairs.items()}


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    for each in given:
        if "=" not in each:
            raise ValueError(f"{option} {each}: write NAME=VALUE.")
    return dict(each.split("=", 1) for each in given)


def _number(option: str, name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"{option} {name}={value}: {value} is no number.") from None
    if number < 0:
        raise ValueError(f"{option} {name}={value}: {value} is negative.")
    return number


def _count(text: str) -> int:
    """Read a whole number that is not negative, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no whole number")
    return int(text)


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.localcloud",
        description="OSS, CDN, its edges, the log service and Function Compute on this machine, for development.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "Serve on loopback sockets until SIGTERM or SIGINT. Nothing is kept afterwards."
    serve_ = commands.add_parser("serve", help="serve until told to stop", description=what)
    _add_sockets(serve_.add_argument_group("sockets"))
    _add_limits(serve_.add_argument_group("the CDN's limits"))
    _add_chance(serve_.add_argument_group("time and faults"))
    _add_functions(serve_.add_argument_group("functions"))
    add_switches(serve_)
    return parser


def _add_sockets(group: argparse._ArgumentGroup) -> None:
    what = "written once everything answers: one JSON object"
    group.add_argument("--ready-file", type=Path, required=True, metavar="FILE", help=what)
    group.add_argument("--host", default="127.0.0.1", help="address to listen at; default %(default)s")
    what = "let --host be one that others can reach: they can do everything here, since the keys are public knowledge"
    group.add_argument("--expose-to-network", action="store_true", help=what)
    for name in SERVICES:
        what = f"port of {name}; by default any that is free"
        group.add_argument(f"--{name}-port", type=_count, default=0, metavar="N", help=what)


def _add_limits(group: argparse._ArgumentGroup) -> None:
    limits = Limits()
    for option, default, what in (
        ("--url-quota", limits.url_refreshes_per_day, "URL refreshes a day"),
        ("--directory-quota", limits.directory_refreshes_per_day, "directory refreshes a day"),
        ("--prefetch-quota", limits.prefetches_per_day, "prefetches a day"),
        ("--urls-per-minute", limits.urls_per_minute_per_domain, "URLs a minute and domain"),
    ):
        group.add_argument(option, type=_count, default=default, metavar="N", help=f"{what}; default {default}")
    for option, range_, what in (
        ("--task-seconds", limits.refresh_duration_seconds, "how long a refresh takes"),
        ("--prefetch-seconds", limits.prefetch_duration_seconds, "how long a prefetch takes"),
    ):
        said = f"{what}; default {range_[0]:g} {range_[1]:g}"
        group.add_argument(option, type=float, nargs=2, default=range_, metavar=("MIN", "MAX"), help=said)


def _add_chance(group: argparse._ArgumentGroup) -> None:
    what = f"milliseconds that each reply takes; services: {', '.join(SERVICES)}"
    _add_many(group, "--latency", "SERVICE=MS", what)
    what = f"share of requests that go wrong, from 0 to 1; kinds: {', '.join(KINDS)}"
    _add_many(group, "--fault", "SERVICE.KIND=RATE", what)
    group.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all chance; default %(default)s")


def _add_functions(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--no-functions", action="store_true", help="host no functions")
    what = "built zip or code directory to host; by default the working tree"
    group.add_argument("--code", type=Path, metavar="PATH", help=what)
    what = "template that describes functions and triggers; by default the working tree's"
    group.add_argument("--template", type=Path, default=TEMPLATE, metavar="FILE", help=what)
    what = "let functions import only what the code brings, as on the platform; a zip always does"
    group.add_argument("--isolated", action="store_true", help=what)
    what = "the Python that runs functions; by default the one that runs this"
    group.add_argument("--interpreter", type=Path, default=Path(sys.executable), metavar="PATH", help=what)
    what = "instances of one function at once; default %(default)s"
    group.add_argument("--instances", type=_count, default=4, metavar="N", help=what)
    _add_many(group, "--env", "NAME=VALUE", "variables for every function, over all others")
    group.add_argument("--show-output", action="store_true", help="print on stderr what functions print")


def _add_many(group: argparse._ArgumentGroup, option: str, form: str, what: str) -> None:
    """Add an option that takes several values and may be repeated."""
    group.add_argument(option, nargs="+", action="extend", default=[], metavar=form, help=what)


if __name__ == "__main__":
    sys.exit(main())
