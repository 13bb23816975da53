"""What `cdnctl check` says of a site file, and which tasks it shows for keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scripts.operators.cli import cli

SITES = """
sites:
  - name: web
    bucket: acme-web
    domains: [www.example.com]
    index: index.html
    exclude: ["*.tmp"]
    rules:
      - keys: ["*.jpg"]
        urls: ["{url}!thumb"]
  - name: twin
    bucket: acme-web
    domains: [WWW.example.com]
"""


def check(folder: Path, *arguments: str, text: str = SITES, env: dict[str, str] | None = None) -> Result:
    """Run the program on a file."""
    (folder / "sites.yml").write_text(text, encoding="utf-8")
    given = {"CALLED_FROM": str(folder), "SITES_FILE": "", **(env or {})}
    return CliRunner().invoke(cli, ["check", *arguments], prog_name="cdnctl", env=given)


def lines(result: Result) -> list[dict[str, Any]]:
    """Read what was printed as JSON."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_file_that_can_work_is_said_to_be_in_order(tmp_path: Path) -> None:
    """Status 0."""
    result = check(tmp_path, "sites.yml")
    assert (0, "") == (result.exit_code, result.stderr)
    assert f"{tmp_path}/sites.yml is in order: 2 sites, 3 rules\n" == result.stdout


def test_every_fault_is_told_with_its_line(tmp_path: Path) -> None:
    """Status 1, and nothing of keys."""
    result = check(
        tmp_path, "sites.yml", "--key", "a", text=SITES.replace("index: index", "idnex: index") + "    new: no\n"
    )
    assert (1, "") == (result.exit_code, result.stdout)
    assert [
        f"cdnctl: {tmp_path}/sites.yml: line 6: sites[0].idnex: unknown field; did you mean 'index'?",
        f"cdnctl: {tmp_path}/sites.yml: line 14: sites[1].new: YAML reads that as false; write `new: ignore`",
    ] == result.stderr.splitlines()


@pytest.mark.parametrize("env", [{}, {"SITES_FILE": "sites.yml"}])
def test_without_a_file_it_is_the_one_that_is_deployed(tmp_path: Path, env: dict[str, str]) -> None:
    """Which as it is shipped names nobody's bucket."""
    result = check(tmp_path, env=env)
    assert result.exit_code == 0
    assert "warning: this is the site file as it is shipped" in result.stderr


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With its path."""
    result = check(tmp_path, "none.yml")
    assert 1 == result.exit_code
    assert f"cdnctl: {tmp_path}/none.yml cannot be read: No such file or directory\n" == result.stderr


def test_each_task_of_a_key_is_a_line(tmp_path: Path) -> None:
    """With the site and the rule that ask for it; what a unit covers already costs nothing."""
    result = check(tmp_path, "sites.yml", "--json", "--key", "a:b.jpg")
    root = "https://www.example.com"
    assert [
        (f"{root}/a:b.jpg", 1, "web", ""),
        (f"{root}/a%3Ab.jpg", 1, "web", ""),
        (f"{root}/a:b.jpg!thumb", 1, "web", "rules[0]"),
        (f"{root}/a%3Ab.jpg!thumb", 1, "web", "rules[0]"),
        (f"{root}/a:b.jpg", 0, "twin", ""),
        (f"{root}/a%3Ab.jpg", 0, "twin", ""),
    ] == [(each["url"], each["units"], each["site"], each["rule"]) for each in lines(result)]
    assert {("a:b.jpg", "refresh", "file")} == {(each["key"], each["kind"], each["form"]) for each in lines(result)}


def test_people_see_the_same_and_the_share_of_keys_that_cost_more(tmp_path: Path) -> None:
    """From arguments, and from a file."""
    (tmp_path / "keys.txt").write_text("x.css\na/../b.css\n", encoding="utf-8")
    result = check(tmp_path, "sites.yml", "--key", "docs/index.html", "--key", "a:b", "--keys-from", "keys.txt")
    assert 0 == result.exit_code
    assert "docs/index.html: 2 units\n" in result.stdout
    assert "https://www.example.com/docs/  (site web, rule index)\n" in result.stdout
    assert "1 of 4 keys (25.0 %) are spelled in two ways or more, a unit each\n" in result.stdout
    assert "warning: a/../b.css has a segment `.` or `..`: no browser can ask for it" in result.stderr


def test_what_is_passed_over_is_told_with_the_reason(tmp_path: Path) -> None:
    """On stderr, so that the lines of the tasks stay alone."""
    result = check(tmp_path, "sites.yml", "--json", "--key", "a.tmp", "--removed")
    assert ["twin"] == [each["site"] for each in lines(result)]
    assert "a.tmp: site web: rule exclude ignores removed objects that match '*.tmp'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--key", "a", "--bucket", "other"], "No site serves the bucket 'other'; the file names acme-web."),
        (["--key", "/a.css"], "'/a.css': keys begin with no `/`; write 'a.css'."),
        (
            ["--key", "https://www.example.com/a.css?v=1"],
            "is a URL; name the key that lies behind it, such as 'a.css'.",
        ),
        (["--key", "x" * 1_024], "is longer than a key can be, 1023 bytes."),
        (["--keys-from", "keys.bin"], "keys.bin: line 2 is not UTF-8, as keys are"),
        (["--key", " "], "' ' is no key."),
        (["--key", "https://www.example.com/a%20b.css"], "such as 'a b.css'"),
        (["--keys-from", "rooted.txt"], "rooted.txt, line 2: '/b': keys begin with no `/`; write 'b'."),
        (["--keys-from", "\x1b[31mnone"], "Error: \\u001b[31mnone cannot be read"),
        (["more\x1b[31m"], "(more\\u001b[31m)"),
        (["--keys-from", "none.txt"], "none.txt cannot be read: No such file or directory"),
    ],
)
def test_what_is_no_key_is_told(tmp_path: Path, arguments: list[str], told: str) -> None:
    """Status 2, with what to write."""
    (tmp_path / "keys.bin").write_bytes(b"a\nb\xff\n")
    (tmp_path / "rooted.txt").write_text("a\n/b\n", encoding="utf-8")
    result = check(tmp_path, "sites.yml", *arguments)
    assert 2 == result.exit_code
    assert told in result.stderr


def test_what_goes_as_a_directory_says_why(tmp_path: Path) -> None:
    """A name that is too long for a URL, of which nothing is left but its folder."""
    key = "docs/" + "中" * 339
    result = check(tmp_path, "sites.yml", "--key", key)
    assert "1  refresh directory       https://www.example.com/docs/" in result.stdout
    assert "     instead, since https://www.example.com/docs/%E4%B8%AD" in result.stdout
    assert "… is 3080 characters long, of at most 1024\n" in result.stdout
    top = check(tmp_path, "sites.yml", "--key", "中" * 339)
    assert (
        "… is 3075 characters long, of at most 1024; it could only go with all of https://www.example.com/"
        in top.stderr
    )


def test_new_objects_may_ask_for_something_else(tmp_path: Path) -> None:
    """As the site says."""
    text = SITES.partition("    index")[0] + "    new: prefetch\n"
    kinds = [lines(check(tmp_path, "sites.yml", "--json", "--key", "a", *more, text=text)) for more in ([], ["--new"])]
    assert ["refresh", "prefetch"] == [line["kind"] for each in kinds for line in each]
    assert 2 == check(tmp_path, "--new", "--removed").exit_code
