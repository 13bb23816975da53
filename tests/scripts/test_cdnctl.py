"""What operators see of dead/, and what they can put back, on the local cloud."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from shared.core.task.model import Result as Step
from shared.core.task.model import TaskId, outcome
from shared.core.task.stored import Piece
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


def pieces(world: World) -> list[dict[str, Any]]:
    """What stands in dead/, as it is stored."""
    return [piece for key in world.spool("dead/") for piece in world.spooled(key)["pieces"]]


def ids(world: World) -> list[str]:
    """The ids of what stands in dead/."""
    return [piece["id"] for piece in pieces(world)]


def dead_task(number: int) -> Piece:
    """A task that was given up."""
    world = with_dead_task()
    found = msgspec.convert(pieces(world)[0], Piece)
    assert found.task
    task_id, url = TaskId(f"{number:020x}"), f"https://static.example.com/{number}.html"
    target = msgspec.structs.replace(found.task.target, url=url)
    return msgspec.structs.replace(
        found, id=task_id, task=msgspec.structs.replace(found.task, id=task_id, target=target)
    )


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
    """--since leaves older days out, and --most says that there are more."""
    world = with_dead_task()
    world.clock.advance(86_400)
    world.deliver([HALF])
    assert ["2026-09-22"] == [
        each["day"] for each in json.loads(cdnctl(world, "list", "--json", "--since", "2026-09-22").stdout)
    ]
    few = cdnctl(world, "list", "--json", "--most", "1")
    assert ["event"] == [each["kind"] for each in json.loads(few.stdout)]
    assert few.stderr.startswith("cdnctl: the newest 1 are shown, and there are more; ")
    assert "" == cdnctl(world, "list", "--most", "2").stderr


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
    """Controls, separators and marks of direction are spelled out on their way to a terminal."""
    world = World()
    event = base64.b64encode('"\x9b\u2028"'.encode()).decode()
    desk(world).spool.bury([Piece(id="ab", at=world.clock.now(), reason="\x1b[2Jgone \u202e\u2029", event=event)])
    for command in (["list"], ["show", "ab"]):
        out = cdnctl(world, *command).output
        assert "\\u001b[2Jgone \\u202e\\u2029" in out
        assert not {"\x1b", "\x9b", "\u2028", "\u2029", "\u202e"} & set(out)


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
    assert {"calls_tried", "cdn_failures", "unknowns", "blamed", "part"}.isdisjoint(task)
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
    desk(world).spool.bury([Piece(id="aa", at=world.clock.now(), reason="an older version", event=event)])
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


def test_one_of_several_pieces_goes_again_and_the_others_stay() -> None:
    """Requeued or dropped, one piece leaves its object; what is left is written before the old object is deleted."""
    world = World()
    spool = desk(world).spool
    spool.bury([dead_task(number) for number in (1, 2, 3)])
    steps: list[tuple[str, list[str]]] = []
    world.after = lambda service, request: steps.append((request.method, ids(world))) if service == "oss" else None
    result = cdnctl(world, "requeue", f"{2:020x}")
    world.after = lambda _service, _request: None
    assert (0, "goes again  000000000000  https://static.example.com/2.html\n") == (result.exit_code, result.output)
    both = {f"{1:020x}", f"{3:020x}"}
    assert all(both <= set(left) for _, left in steps)
    assert [f"{1:020x}", f"{3:020x}"] == sorted(ids(world))
    assert 0 == cdnctl(world, "drop", f"{3:020x}").exit_code
    assert [f"{1:020x}"] == ids(world)
    world.tick()
    assert ["https://static.example.com/2.html"] == world.submitted_urls()


def test_what_stays_of_an_object_stays_in_it() -> None:
    """Of several pieces those go again that can; the others are refused and kept."""
    world = World()
    hopeless = Piece(id="ff", at=world.clock.now(), reason="no event", event=base64.b64encode(b"{").decode())
    desk(world).spool.bury([dead_task(1), hopeless])
    result = cdnctl(world, "requeue", "--all", "--now")
    assert (1, ["ff"]) == (result.exit_code, ids(world))
    assert ["https://static.example.com/1.html"] == world.submitted_urls()


def with_object_set_aside(world: World) -> tuple[str, bytes]:
    """Let a note be damaged and set aside; returns its key and the bytes that are right."""
    busy = [True]
    world.refuse("ServiceBusy", lambda _request: bool(busy))
    world.deliver([world.put(f"news/{number:04d}.html") for number in range(60)])
    (key,) = world.spool("waiting/")
    name = "cdn-refresh/" + key
    whole = world.cloud.oss.read(world.options.spool_bucket, name)
    assert whole
    world.cloud.oss.put(world.options.spool_bucket, name, whole.data[:-9])
    busy.clear()
    world.clock.advance(60)
    world.instance = world.new_instance()
    world.tick()
    return key, whole.data


def test_an_object_that_was_set_aside_lies_again_where_it_lay() -> None:
    """Byte for byte, if this version can read it; what it cannot read, or where another lies, stays in dead/."""
    world = World()
    key, data = with_object_set_aside(world)
    (dead_id,) = ids(world)
    refused = cdnctl(world, "requeue", dead_id)
    assert (1, [dead_id]) == (refused.exit_code, ids(world))
    assert "stays in dead/: this version cannot read it either" in refused.stderr
    assert "object" in cdnctl(world, "list").output
    assert f"waiting/{key.partition('/')[2]}" in cdnctl(world, "show", dead_id).output
    mended = Piece(id="ee", at=world.clock.now(), reason="mended", event=base64.b64encode(data).decode(), where=key)
    desk(world).spool.bury([mended])
    world.cloud.oss.put(world.options.spool_bucket, "cdn-refresh/" + key, b"another")
    assert f"stays in dead/: another object lies at {key}" in cdnctl(world, "requeue", "ee").stderr
    world.cloud.oss.delete(world.options.spool_bucket, "cdn-refresh/" + key)
    assert 0 == cdnctl(world, "requeue", "ee").exit_code
    stored = world.cloud.oss.read(world.options.spool_bucket, "cdn-refresh/" + key)
    assert stored
    assert data == stored.data
    world.minutes(3)
    assert 60 == len(world.submitted_urls())


def test_a_record_that_the_log_store_refused_is_written_once_it_takes_it() -> None:
    """Requeued, it reaches the log store, or stays with the reason; dropped, it is gone."""
    world = World()
    piece = dead_task(1)
    assert piece.task
    record = outcome(piece.task, Step.ACCEPTED, world.clock.now(), call="the call")
    event = base64.b64encode(msgspec.json.encode(record)).decode()
    desk(world).spool.bury([Piece(id="ab", at=world.clock.now(), reason="records that are refused", event=event)])
    assert "record" == json.loads(cdnctl(world, "list", "--json").stdout)[0]["kind"]
    world.cloud.faults.next("sls", "server_error", times=9)
    failed = cdnctl(world, "requeue", "ab")
    assert (1, ["ab"]) == (failed.exit_code, ids(world))
    assert "the log store does not take it" in failed.stderr
    world.cloud.faults.stop()
    assert 0 == cdnctl(world, "requeue", "ab").exit_code
    assert [("accepted", "the call")] == [(each["result"], each["call"]) for each in world.outcomes()]
    assert [] == ids(world)


def test_what_the_first_version_gave_up_is_found_by_its_id() -> None:
    """One piece an object, named by its id, and a task whose target stood in fields of its own."""
    world = World()
    task: dict[str, object] = {
        "id": "cafe",
        "kind": "refresh",
        "form": "file",
        "url": "https://static.example.com/old.html",
    }
    task |= {"site": "content", "lane": 1, "cause": {"event_id": "e", "event_name": "n", "time": 1.0}, "attempt": 3}
    old = {"id": "cafe", "day": "2026-09-20", "at": 1.0, "reason": "Failed", "task": task}
    name = "cdn-refresh/dead/2026-09-20/cafe.json"
    world.cloud.oss.put(world.options.spool_bucket, name, json.dumps(old).encode())
    assert "https://static.example.com/old.html" in cdnctl(world, "show", "caf").output
    assert 0 == cdnctl(world, "requeue", "cafe", "--now").exit_code
    assert ["https://static.example.com/old.html"] == world.submitted_urls()
    assert [] == world.spool("dead/")


def test_the_list_stays_usable_with_a_hundred_thousand_pieces() -> None:
    """It reads the newest few only, and says that there are more; a whole id is found among them all."""
    world = World()
    plain = msgspec.to_builtins(dead_task(1))
    for number in range(200):
        body = msgspec.json.encode(
            {"format": 1, "pieces": [{**plain, "id": f"{number}-{each}"} for each in range(500)]}
        )
        name = f"2026-09-{1 + number % 20:02d}/{1_789_000_000_000 + number:013d}-500-{number:020x}"
        world.cloud.oss.put(world.options.spool_bucket, f"cdn-refresh/dead/{name}.json", body)
    desk(world).spool.bury([dead_task(2)])
    world.calls.clear()
    result = cdnctl(world, "list", "--json", "--most", "50")
    assert f"{2:020x}" == json.loads(result.stdout)[0]["id"]
    assert "there are more" in result.stderr
    assert 10 > world.calls["oss"]
    world.calls.clear()
    assert 0 == cdnctl(world, "show", f"{2:020x}").exit_code
    assert 4 > world.calls["oss"]


ENV = {
    "SPOOL_BUCKET": "refresh-spool",
    "LOG_PROJECT": "my-logs",
    "LOGSTORE": "outcomes",
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
    instance.spool.bury([msgspec.structs.replace(dead_task(5), id="feed")])
    result = run_real(ready.parent, "--local", ready.name, "dead", "requeue", "feed", "--now")
    assert (0, "goes again  feed  https://static.example.com/5.html\ncalls 1, accepted 1, deferred 0, buried 0\n") == (
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
