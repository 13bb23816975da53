"""What the local cloud's README says can be done."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from scripts.localcloud.__main__ import make_parser
from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.cloud import LocalCloud, Options
from scripts.localcloud.rulefile import read_rules
from scripts.localcloud.switches import add_switches

README = Path(__file__).parents[2] / "scripts" / "localcloud" / "README.md"
LINES_MAX = 120
TEXT = README.read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = dict(FENCE.findall(TEXT))


def test_it_is_short() -> None:
    """It stays a page."""
    assert len(TEXT.splitlines()) < LINES_MAX


def test_its_program_runs() -> None:
    """The block of Python runs as it stands, and what it shows happened."""
    names: dict[str, object] = {}
    exec(BLOCKS["python"], names)  # noqa: S102 - our own text
    cloud = names["cloud"]
    assert isinstance(cloud, LocalCloud)
    assert [row.path for row in cloud.cdn.submissions] == ["http://a.example.com/page.html"]
    assert cloud.edge.held("http://a.example.com/page.html")


def test_its_command_is_understood() -> None:
    """The command's options are those of the program."""
    program, *words = shlex.split(BLOCKS["sh"])
    assert (program, words[:2]) == ("python", ["-m", "scripts.localcloud"])
    assert make_parser().parse_args(words[2:]).no_functions


def test_its_rules_are_rules() -> None:
    """The example of a file of rules can be read, and has a rule for each service."""
    rules = read_rules(BLOCKS["json"])
    assert [len(each) for each in (rules.cdn, rules.oss, rules.sls)] == [2, 1, 1]


def test_it_names_every_switch(capsys: pytest.CaptureFixture[str]) -> None:
    """Each switch of the command line stands in it, and no option that does not exist."""
    parser = argparse.ArgumentParser(add_help=False)
    add_switches(parser)
    with pytest.raises(SystemExit):
        make_parser().parse_args(["serve", "--help"])
    switches, named, known = (
        set(re.findall(r"--[a-z-]+[a-z]", text)) for text in (parser.format_help(), TEXT, capsys.readouterr().out)
    )
    assert (switches - named, named - known) == (set(), set())


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(?:cloud\.)?(cdn|oss|sls)\.(\w+)", TEXT))))
def test_it_names_what_there_is(name: tuple[str, str]) -> None:
    """Each attribute of a service that it names exists."""
    service, attribute = name
    assert hasattr(getattr(LocalCloud(Options(), VirtualClock(1_800_000_000.0)), service), attribute)
