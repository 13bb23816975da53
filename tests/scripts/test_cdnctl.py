"""What operators see of dead/, and what they can put back, on the local cloud."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from scripts.cloudprocess import local_cloud
from scripts.localcloud.cloud import LocalCloud
from scripts.operators.cli import cli
from scripts.operators.desk import connect
from scripts.operators.show import event_lines
from shared import wiring
from shared.cloud.credentials import Credentials
from shared.core.task.model import Task
from shared.core.task.stored import Bad
from tests.flow.world import World

ROOT = Path(__file__).parents[2]
FOREIGN = """
sites:
  - bucket: content
    domains: [static.example.com, not-ours.example.org]
"""
HALF = {"eventName": "ObjectCreated:PutObject", "eventSource": "acs:oss", "oss": {"bucket": {"name": "content"}}}


def desk(world: World, sites: str | None = None) -> wiring.Instance:
    """The parts that an operator's process works with, under the account's own key."""
    instance = world.new_instance(sites)
    instance.keys.use(lambda: Credentials(world.options.access_key_id, world.options.access_key_secret))
    return instance


def cdnctl(world: World, *arguments: str, sites: str | None = None) -> Result:
    """Run the program on a world, in an operator's process of its own."""
    instance = desk(world, sites)
    return CliRunner().invoke(cli, ["dead", *arguments], obj=lambda _environ, _local: instance, prog_name="cdnctl")


def with_dead_task() -> World:
    """A world in which a domain that is not the account's has left one dead task."""
    world = World(FOREIGN)
    world.deliver(world.put("news/a.html"))
    return world


def ids(world: World) -> list[str]:
    """The ids of what stands in dead/."""
    return [key.rpartition("/")[2].removesuffix(".json") for key in world.spool("dead/")]


def allow(cloud: LocalCloud, domain: str) -> None:
    """Let the account have another domain, as an operator does who mends the cause."""
    cloud.cdn.domains.add(domain)


def test_an_empty_spool_has_nothing_dead() -> None:
    """With nothing given up the list says so; for programs it is an empty array."""
    world = World()
    assert cdnctl(world, "list").output == "Nothing stands in dead/.\n"
    assert [] == json.loads(cdnctl(world, "list", "--json").stdout)


def test_the_list_names_url_reason_and_tries() -> None:
    """A dead task and a dead event stand in one table, the newest first, none of it cut in a pipe."""
    world = with_dead_task()
    world.clock.advance(86_400)
    world.deliver([HALF])
    _, event, url, reason = cdnctl(world, "list").output.splitlines()
    assert ["2026-09-22", "event", "not"] == event.split()[1:4]
    assert ["2026-09-21", "task", "0", "https://not-ours.example.org/news/a.html"] == url.split()[1:]
    assert reason.strip().startswith("InvalidDomain.NotFound: ")
    assert "not a whole OSS event" in event


def test_the_list_begins_at_a_day() -> None:
    """--since leaves older days out, and --limit says how many more there are."""
    world = with_dead_task()
    world.clock.advance(86_400)
    world.deliver([HALF])
    assert ["2026-09-22"] == [
        each["day"] for each in json.loads(cdnctl(world, "list", "--json", "--since", "2026-09-22").stdout)
    ]
    few = cdnctl(world, "list", "--json", "--limit", "1")
    assert (1, "cdnctl: 1 of 2 are shown, the newest; --limit 0 shows all\n") == (
        len(json.loads(few.stdout)),
        few.stderr,
    )


def test_a_task_is_shown_with_its_history() -> None:
    """Everything about a dead task: its cause, and each step with time, code and request id."""
    world = with_dead_task()
    (dead_id,) = ids(world)
    out = cdnctl(world, "show", dead_id[:6]).output
    assert "content/news/a.html" in out
    assert "ObjectCreated:PutObject at 2026-09-21T05:53:20.000Z" in out
    assert "2026-09-21T05:53:20.275Z  dead" in out
    whole = json.loads(cdnctl(world, "show", dead_id, "--json").stdout)
    assert ["dead"] == [step["result"] for step in whole["history"]]
    assert whole["history"][0]["request_id"]


def test_an_event_is_shown_with_its_bytes() -> None:
    """JSON is shown with indents, anything else in hex beside its letters."""
    world = World()
    world.deliver([HALF])
    out = cdnctl(world, "show", ids(world)[0]).output
    assert '"eventName": "ObjectCreated:PutObject",' in out
    assert ["000000  ff 00 61" + " " * 41 + "..a"] == event_lines(b"\xff\x00a")


def test_nothing_shown_can_move_the_cursor() -> None:
    """Control characters of keys, reasons and events are spelled out on their way to a terminal."""
    world = World()
    bad = Bad(
        id="ab",
        day="2026-09-21",
        at=world.clock.now(),
        reason="\x1b[2Jgone",
        event=base64.b64encode(b'"\x9b"').decode(),
    )
    desk(world).spool.bury(bad)
    for command in (["list"], ["show", "ab"]):
        out = cdnctl(world, *command).output
        assert "\\x1b[2Jgone" in out
        assert "\x1b" not in out


def test_a_task_goes_again_once_the_cause_is_mended() -> None:
    """A requeued task waits with its lane and history, a step that says who did it, and counters at zero."""
    world = with_dead_task()
    (dead_id,) = ids(world)
    allow(world.cloud, "not-ours.example.org")
    result = cdnctl(world, "requeue", dead_id)
    assert (0, f"goes again  {dead_id[:12]}  https://not-ours.example.org/news/a.html\n") == (
        result.exit_code,
        result.output,
    )
    assert world.spool("dead/") == []
    (note,) = world.spool("waiting/")
    task = world.spooled(note)["tasks"][0]
    assert ["dead", "deferred"] == [step["result"] for step in task["history"]]
    assert (1, "Requeued") == (task["lane"], task["history"][1]["code"])
    assert {"attempt", "failures"}.isdisjoint(task)
    world.tick()
    assert "https://not-ours.example.org/news/a.html" in world.submitted_urls()
    assert world.spool("waiting/") == []


def test_each_requeue_leaves_an_outcome() -> None:
    """The outcome log tells that an operator put the task back, and which task it was before."""
    world = with_dead_task()
    (dead_id,) = ids(world)
    cdnctl(world, "requeue", "--all")
    last = world.outcomes()[-1]
    assert ("deferred", "Requeued") == (last["result"], last["code"])
    assert dead_id in last["message"]


def test_what_is_put_back_may_be_submitted_at_once() -> None:
    """--now drains, and says what came of it."""
    world = with_dead_task()
    allow(world.cloud, "not-ours.example.org")
    out = cdnctl(world, "requeue", "--all", "--now").output
    assert out.endswith("calls 1, accepted 1, deferred 0, buried 0\n")
    assert "https://not-ours.example.org/news/a.html" in world.submitted_urls()


def test_a_dry_run_changes_nothing() -> None:
    """--dry-run says what would go again, and writes and deletes nothing."""
    world = with_dead_task()
    before = world.spool()
    assert cdnctl(world, "requeue", "--all", "--dry-run").output.startswith("would go again  ")
    assert before == world.spool()


def test_what_need_not_go_is_deleted_and_the_log_says_so() -> None:
    """Dropped, a task is gone from dead/ and never submitted; its last record tells who did it, and the old reason."""
    world = with_dead_task()
    world.deliver(b"no event")
    task_id, event_id = ids(world)
    before = world.spool()
    assert cdnctl(world, "drop", "--all", "--dry-run").output.count("would be deleted  ") == 2
    assert before == world.spool()
    result = cdnctl(world, "drop", task_id, event_id)
    assert (0, 2) == (result.exit_code, result.output.count("is deleted  "))
    assert [] == world.spool("dead/")
    records = world.outcomes()[-2:]
    assert {("dead", "LetGo")} == {(record["result"], record["code"]) for record in records}
    assert all("it had been given up: " in record["message"] for record in records)
    world.tick()
    assert "https://not-ours.example.org/news/a.html" not in world.submitted_urls()


def test_a_crash_between_writing_and_deleting_makes_no_second_task() -> None:
    """A requeue that is repeated puts back the same task, so its URL is submitted once."""
    world = with_dead_task()
    allow(world.cloud, "not-ours.example.org")
    (grave,) = world.spool("dead/")
    kept = world.cloud.oss.read(world.options.spool_bucket, "cdn-refresh/" + grave)
    assert kept is not None
    cdnctl(world, "requeue", "--all")
    world.cloud.oss.put(world.options.spool_bucket, "cdn-refresh/" + grave, kept.data)
    cdnctl(world, "requeue", "--all")
    world.tick()
    assert 1 == world.submitted_urls().count("https://not-ours.example.org/news/a.html")


def test_a_requeue_while_the_burial_goes_on_loses_nothing() -> None:
    """An operator who is quicker than the drain that buried a task does not have it swept away with the old note."""
    world = World(FOREIGN)
    done: list[Result] = []

    def meanwhile(service: str, request: object) -> None:
        if service == "oss" and "dead" in getattr(request, "path", ""):
            allow(world.cloud, "not-ours.example.org")
            world.after = lambda _service, _request: None
            done.append(cdnctl(world, "requeue", "--all"))

    world.after = meanwhile
    world.deliver(world.put("a.html"))
    assert [0] == [each.exit_code for each in done]
    world.tick()
    assert "https://not-ours.example.org/a.html" in world.submitted_urls()


def test_a_domain_that_no_site_has_any_more_is_not_submitted() -> None:
    """A dead task of a domain that was taken out of the site file stays, with the reason, and the status is 1."""
    world = with_dead_task()
    result = cdnctl(world, "requeue", "--all", sites=World().sites)
    assert 1 == result.exit_code
    assert "stays in dead/: no site of the site file has the domain not-ours.example.org" in result.stderr
    assert 1 == len(world.spool("dead/"))


def test_an_event_that_can_be_read_now_becomes_tasks() -> None:
    """After an upgrade an event that an older version gave up is refreshed; one that still is none stays."""
    world = World()
    event = base64.b64encode(json.dumps(world.put("late.html")).encode()).decode()
    world.deliver(b"\xff never an event")
    (hopeless,) = ids(world)
    desk(world).spool.bury(Bad(id="aa", day="2026-09-21", at=world.clock.now(), reason="an older version", event=event))
    result = cdnctl(world, "requeue", "--all", "--now")
    assert (1, ["https://static.example.com/late.html"]) == (result.exit_code, world.submitted_urls())
    assert f"cdnctl: {hopeless[:12]} stays in dead/: not JSON" in result.stderr
    assert [hopeless] == ids(world)


@pytest.mark.parametrize("command", [["show", "zz"], ["requeue", "zz"]])
def test_an_unknown_id_is_one_sentence(command: list[str]) -> None:
    """What is not there is said in one sentence on stderr, with status 1."""
    result = cdnctl(with_dead_task(), *command)
    assert (1, "cdnctl: nothing in dead/ has the id zz\n") == (result.exit_code, result.stderr)


def test_a_cut_id_that_names_several_is_refused() -> None:
    """The beginning of two ids names neither."""
    world = World()
    world.deliver([HALF, {**HALF, "eventVersion": "1.0"}])
    result = cdnctl(world, "show", "")
    assert (1, "cdnctl:  is the beginning of 2 ids in dead/; give more of it\n") == (result.exit_code, result.stderr)


ENV = {
    "SPOOL_BUCKET": "refresh-spool",
    "LOG_PROJECT": "p",
    "LOGSTORE": "l",
    "REGION": "cn-hangzhou",
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "local-access-key-id",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "local-access-key-secret",
}


def run_real(called_from: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run what `./scripts/cdnctl` runs, in a process of its own."""
    command = [sys.executable, "-m", "scripts.operators", *arguments]
    env = {"CALLED_FROM": str(called_from)}
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({}, "SPOOL_BUCKET is missing; LOG_PROJECT is missing; LOGSTORE is missing; REGION is missing"),
        ({**ENV, "ALIBABA_CLOUD_ACCESS_KEY_ID": ""}, "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        ({**ENV, "SITES_FILE": "none.yml"}, "none.yml cannot be read"),
        ({**ENV, "SPOOL_BUCKET": "X"}, "SPOOL_BUCKET is no name of a bucket"),
    ],
)
def test_what_is_missing_is_one_sentence(env: dict[str, str], sentence: str) -> None:
    """Settings, keys and the site file are checked before anything is asked; no traceback."""
    result = CliRunner(env={**dict.fromkeys(os.environ), **env}).invoke(cli, ["dead", "list"])
    assert (1, 1) == (result.exit_code, result.stderr.count("\n"))
    assert sentence in result.stderr


def test_operators_use_the_public_endpoints() -> None:
    """The internal addresses are for functions; a person's machine does not reach them."""
    settings = connect(ENV).settings
    assert ("https://oss-cn-hangzhou.aliyuncs.com", "https://cn-hangzhou.log.aliyuncs.com") == (
        settings.oss_endpoint,
        settings.log_endpoint,
    )


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ready file of a local cloud that runs in a process of its own."""
    with local_cloud(["--no-functions"]) as found:
        path = tmp_path_factory.mktemp("cloud") / "ready.json"
        path.write_text(json.dumps(dict(found)), encoding="utf-8")
        yield path


def test_the_command_works_on_a_running_local_cloud(ready: Path) -> None:
    """The real command reads the ready file, relative to where it was called, and puts a task back at once."""
    instance = connect({}, ready)
    world = with_dead_task()
    (grave,) = world.spool("dead/")
    task = world.spooled(grave)["task"] | {"url": "https://static.example.com/b.html"}
    again = Bad(id="feed", day="2026-09-21", at=1.0, reason="Failed", task=msgspec.convert(task, Task))
    instance.spool.bury(again)
    result = run_real(ready.parent, "--local", ready.name, "dead", "requeue", "feed", "--now")
    assert (0, "goes again  feed  https://static.example.com/b.html\ncalls 1, accepted 1, deferred 0, buried 0\n") == (
        result.returncode,
        result.stdout,
    )


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong"}, "the access key is not good"),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "nobody"}, "the access key is not good"),
        ({"SPOOL_BUCKET": "not-there"}, "there is no such bucket"),
        ({"OSS_ENDPOINT": "http://127.0.0.1:9"}, "nothing answers"),
    ],
)
def test_what_oss_refuses_is_one_sentence(ready: Path, env: dict[str, str], sentence: str) -> None:
    """Wrong keys, a missing bucket or no network end with one sentence and status 1."""
    endpoint = json.loads(ready.read_text(encoding="utf-8"))["oss"]
    given = {**dict.fromkeys(os.environ), **ENV, "OSS_ENDPOINT": endpoint, **env}
    result = CliRunner(env=given).invoke(cli, ["dead", "list"])
    assert (1, 1) == (result.exit_code, result.stderr.count("\n"))
    assert sentence in result.stderr
