"""The function host with processes: handlers written to disk are run, limited, killed and retried for real."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from scripts.localcloud.clock import Clock
from scripts.localcloud.fc.host import FunctionHost, HostOptions
from scripts.localcloud.fc.process import ProcessRunner
from scripts.localcloud.fc.run import Credentials, Outcome, Result
from scripts.localcloud.fc.template import FunctionSpec

Body = Callable[[FunctionHost], Awaitable[None]]

TOY = """
import json, os, signal, sys, time

STARTED = []

def initialize(context):
    STARTED.append(context.request_id)
    print("initialized")

def handler(event, context):
    print("event of", len(event), "bytes")
    ask = json.loads(event)
    return globals()[ask.pop("do")](context, **ask)

def look(context):
    environment = {k: v for k, v in os.environ.items() if k.startswith(("FC_", "ALIBABA_", "MY_"))}
    facts = dict(vars(context), function=vars(context.function))
    for name in ("service", "credentials"):
        if hasattr(context, name):
            facts[name] = vars(getattr(context, name))
    if hasattr(context, "logger"):
        facts["logger"] = context.logger or bool(context.getLogger())
    return {"environment": environment, "context": facts, "cwd": os.getcwd(), "path": sys.path[0],
            "pid": os.getpid(), "started": len(STARTED), "file": __file__}

def noise(context, lines):
    os.write(1, b"raw bytes \\x00\\xff\\n")
    for number in range(lines):
        print("line", number)
    print("to stderr", file=sys.stderr)
    sys.stdout.write("no newline")
    return "x" * 200_000

def fail(context):
    raise ValueError("no such luck")

def sleep(context, seconds):
    print("sleeping", flush=True)
    time.sleep(seconds)

def die(context):
    os.kill(os.getpid(), signal.SIGKILL)

def leave(context):
    sys.exit(3)

def odd(context):
    return object()

def once(context, flag):
    if os.path.exists(flag):
        return "second time"
    open(flag, "w").close()
    raise RuntimeError("first time")

def imports(context, name):
    __import__(name)
    return name
"""


class Answers:
    """Collects results of synchronous calls, and can be awaited for the next."""

    def __init__(self, host: FunctionHost) -> None:
        self._host = host

    async def ask(self, **event: Any) -> Result:
        """Call the toy and wait for its result."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._host.invoke("toy", json.dumps(event).encode(), future.set_result)
        return await future

    async def look(self) -> Any:
        """Ask the toy what it sees."""
        return json.loads((await self.ask(do="look")).body)


def _toy(**fields: Any) -> FunctionSpec:
    return FunctionSpec("toy", "index.handler", **fields)


@contextlib.asynccontextmanager
async def _hosted(
    code: Path,
    spec: FunctionSpec,
    options: HostOptions | None = None,
    other: FunctionSpec | None = None,
    **runner: Any,
) -> AsyncIterator[FunctionHost]:
    """Host the toy while the block runs; nothing of it may be left afterwards."""
    host = FunctionHost(
        Clock(),
        keys={"LTAI-local": "local-secret"},
        account_id="1234567890123456",
        region="cn-hangzhou",
        service="refresh",
        functions=[spec, other] if other else [spec],
        runner=ProcessRunner(code, **runner),
        rng=Random(1),
        options=options or HostOptions(retry_delays_seconds=(0.01,)),
    )
    await host.start()
    try:
        yield host
    finally:
        await host.close()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Write the toy function; its directory is the code directory."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "index.py").write_text(TOY, encoding="utf-8")
    return folder


@pytest.mark.parametrize("runtime", ["python3.10", "python3.12"])
def test_handlers_are_told_what_the_platform_tells_them(code: Path, runtime: str) -> None:
    """Context, environment, directory and keys are as documented for each runtime; keys are fresh each time."""

    async def body() -> None:
        tokens = iter("ab")
        options = HostOptions(credentials=lambda: Credentials("id", "secret", next(tokens)))
        spec = _toy(runtime=runtime, environment={"MY_LEVEL": "info", "MY_HOST": "x"}, log_store="logs")
        async with _hosted(code, spec, options) as host:
            host.environment["MY_HOST"] = "127.0.0.1"
            first, second = await Answers(host).look(), await Answers(host).look()
            environment, context = second["environment"], second["context"]
            older = runtime == "python3.10"
            assert (first["pid"], first["environment"]["ALIBABA_CLOUD_SECURITY_TOKEN"]) == (second["pid"], "a")
            assert environment.pop("FC_INSTANCE_ID").startswith("c-")
            if older:
                assert environment.pop("FC_SERVICE_NAME") == "refresh"
                assert environment.pop("FC_QUALIFIER") == "LATEST"
            assert environment == {
                "ALIBABA_CLOUD_ACCESS_KEY_ID": "id",
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret",
                "ALIBABA_CLOUD_SECURITY_TOKEN": "b",
                "FC_ACCOUNT_ID": "1234567890123456",
                "FC_CUSTOM_LISTEN_PORT": "9000",
                "FC_FUNC_CODE_PATH": f"{code}/",
                "FC_FUNCTION_HANDLER": "index.handler",
                "FC_FUNCTION_MEMORY_SIZE": "512",
                "FC_FUNCTION_NAME": "toy",
                "FC_REGION": "cn-hangzhou",
                "FC_VER_ID" if older else "FC_FUNCTION_VERSION": "LATEST",
                "MY_HOST": "127.0.0.1",
                "MY_LEVEL": "info",
            }
            assert (second["cwd"], second["path"]) == (str(code), str(code))
            assert context["request_id"] == host.invocations[-1].request_id
            assert context["function"].items() >= {"name": "toy", "memory": 512, "timeout": 3}.items()
            if older:
                assert context["credentials"]["security_token"] == "b"
                assert context["service"].items() >= {"name": "refresh", "log_store": "logs"}.items()
                assert "logger" not in context
            else:
                assert "credentials" not in context
                assert "service" not in context
                assert (context["log_store"], context["logger"]) == ("logs", True)

    asyncio.run(body())


def test_output_of_the_handler_never_meets_its_answer(code: Path) -> None:
    """Raw bytes, many lines, stderr and an unfinished line end up in the log; a large result arrives whole."""

    async def body() -> None:
        async with _hosted(code, _toy()) as host:
            result = await Answers(host).ask(do="noise", lines=5000)
            assert (result.outcome, len(result.body)) == (Outcome.OK, 200_000)
            assert len(result.log) == 4096
            assert result.log.endswith(b"line 4999\nto stderr\nno newline")
            texts = [line.text for line in host.log_lines]
            assert texts[0].startswith("event of")
            assert len(texts) == 5003
            assert {line.request_id for line in host.log_lines} == {host.invocations[0].request_id}
        assert host.log_lines[-1].text == "no newline"

    asyncio.run(body())


@pytest.mark.parametrize(
    ("ask", "outcome", "kind", "message"),
    [
        ({"do": "fail"}, Outcome.ERROR, "ValueError", "no such luck"),
        ({"do": "odd"}, Outcome.ERROR, "TypeError", "Object of type object is not JSON serializable"),
        ({"do": "die"}, Outcome.EXITED, "FunctionExitedError", "Process exited unexpectedly"),
        ({"do": "leave"}, Outcome.EXITED, "FunctionExitedError", "Process exited unexpectedly"),
        ({"do": "sleep", "seconds": 9}, Outcome.TIMEOUT, "FunctionTimeoutError", "Function time out after 1"),
    ],
)
def test_each_way_to_fail_is_told_apart_and_survived(
    code: Path, ask: dict[str, Any], outcome: Outcome, kind: str, message: str
) -> None:
    """An exception keeps the instance; a death or a passed time limit costs it, and the next call gets another."""

    async def body() -> None:
        async with _hosted(code, _toy(timeout_seconds=1)) as host:
            answers = Answers(host)
            before = (await answers.look())["pid"]
            result = await answers.ask(**ask)
            after = (await answers.look())["pid"]
            error = json.loads(result.body)
            assert (result.outcome, error["errorType"]) == (outcome, kind)
            assert error["errorMessage"].startswith(message)
            assert (before == after) == (outcome is Outcome.ERROR)
            assert [one.cold for one in host.invocations] == [True, False, before != after]
            if ask["do"] == "fail":
                assert [line[2:] for line in error["stackTrace"]][-1] == [
                    "fail",
                    'raise ValueError("no such luck")',
                ]
            if ask["do"] == "sleep":
                assert result.log.endswith(b"sleeping\n")

    asyncio.run(body())


def test_a_process_past_its_time_is_gone(code: Path) -> None:
    """The time limit kills: the process does not linger after the answer."""

    async def body() -> None:
        async with _hosted(code, _toy(timeout_seconds=1)) as host:
            answers = Answers(host)
            pid = (await answers.look())["pid"]
            started = time.monotonic()
            await answers.ask(do="sleep", seconds=30)
            assert time.monotonic() - started < 3
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)

    asyncio.run(body())


def test_asynchronous_errors_are_retried_in_order(code: Path, tmp_path: Path) -> None:
    """An event whose first attempt raises succeeds at its second, under one request id."""

    async def body() -> None:
        async with _hosted(code, _toy()) as host:
            ask = {"do": "once", "flag": str(tmp_path / "flag")}
            request_id = host.invoke_async("toy", json.dumps(ask).encode())
            assert host.pending() == 1
            await host.wait_idle()
            told = [(one.request_id, one.attempt, one.outcome, one.error) for one in host.invocations]
            assert told == [
                (request_id, 1, Outcome.ERROR, "first time"),
                (request_id, 2, Outcome.OK, ""),
            ]

    asyncio.run(body())


def test_an_initializer_runs_once_and_its_failure_drops_the_instance(code: Path) -> None:
    """It runs once before the first event; where it fails so does the invocation, and no instance stays."""

    async def body() -> None:
        async with _hosted(code, _toy(initializer="index.initialize")) as host:
            answers = Answers(host)
            assert [(await answers.look())["started"] for _ in range(2)] == [1, 1]
            assert [line.text for line in host.log_lines].count("initialized") == 1
        (code / "index.py").write_text(TOY + "\ndef initialize(context): raise OSError('bad setting')\n")
        async with _hosted(code, _toy(initializer="index.initialize")) as host:
            result = await Answers(host).ask(do="look")
            assert (result.outcome, result.error) == (Outcome.ERROR, "bad setting")
            assert not host.kill_one()

    asyncio.run(body())


@pytest.mark.parametrize("text", ["def other(): pass", "import nothing_of_this_name", "def ("])
def test_code_that_does_not_load_fails_the_call(code: Path, text: str) -> None:
    """A missing handler, a missing module and a syntax error are errors of the function."""
    (code / "index.py").write_text(text)

    async def body() -> None:
        async with _hosted(code, _toy()) as host:
            assert (await Answers(host).ask(do="look")).outcome is Outcome.ERROR

    asyncio.run(body())


def test_a_busy_instance_can_be_killed_and_its_event_runs_again(code: Path) -> None:
    """`kill_one` ends a running call as a crash would, and an asynchronous event is retried after it."""

    async def body() -> None:
        sleeping = asyncio.Event()
        options = HostOptions((0.01,), show=lambda line: sleeping.set() if line.text == "sleeping" else None)
        async with _hosted(code, _toy(), options) as host:
            assert await host.prewarm("toy", 1) == 1
            host.invoke_async("toy", json.dumps({"do": "sleep", "seconds": 0.4}).encode())
            await sleeping.wait()
            assert host.kill_one("toy")
            await host.wait_idle()
            assert [(one.outcome, one.cold) for one in host.invocations] == [
                (Outcome.EXITED, False),
                (Outcome.OK, True),
            ]

    asyncio.run(body())


def test_an_idle_instance_that_died_is_replaced(code: Path) -> None:
    """A process that ends between two calls costs nobody a failed call."""

    async def body() -> None:
        async with _hosted(code, _toy()) as host:
            os.kill((await Answers(host).look())["pid"], signal.SIGKILL)
            await asyncio.sleep(0.2)
            await Answers(host).look()
            assert [one.outcome for one in host.invocations] == [Outcome.OK, Outcome.OK]

    asyncio.run(body())


def test_instances_are_capped_and_the_rest_waits(code: Path) -> None:
    """One request at a time per instance, at most as many instances as allowed; everything runs in the end."""

    async def body() -> None:
        async with _hosted(code, _toy(), instances=2) as host:
            assert await host.prewarm("toy", 5) == 2
            results = await asyncio.gather(*(Answers(host).look() for _ in range(10)))
            assert len({result["pid"] for result in results}) == 2
            assert not any(one.cold for one in host.invocations)

    asyncio.run(body())


def test_an_idle_instance_makes_room_for_another_function(code: Path) -> None:
    """With one process in all, two functions take turns."""

    async def body() -> None:
        async with _hosted(code, _toy(), other=FunctionSpec("toy2", "index.handler"), total=1) as host:
            first = (await Answers(host).look())["pid"]
            host.invoke_async("toy2", b'{"do": "look"}')
            await host.wait_idle()
            assert (await Answers(host).look())["pid"] != first
            assert [one.cold for one in host.invocations] == [True, True, True]

    asyncio.run(body())


def test_a_built_package_sees_only_what_it_brings(code: Path, tmp_path: Path) -> None:
    """A zip is unpacked; isolated, its own modules import and the packages of this interpreter do not."""
    (code / "vendored.py").write_text("")
    package = tmp_path / "code.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for file in code.glob("*.py"):
            archive.write(file, file.name)
        archive.writestr("python/deep.py", "")

    async def body() -> Path:
        spec = _toy(environment={"PYTHONPATH": "/code/python"})
        async with _hosted(package, spec, isolated=True) as host:
            answers = Answers(host)
            assert (await answers.ask(do="imports", name="vendored")).body == b"vendored"
            assert (await answers.ask(do="imports", name="deep")).body == b"deep"
            for absent in ("yaml", "pytest", "scripts", "worker"):
                assert (await answers.ask(do="imports", name=absent)).error.startswith("No module named")
            unpacked = Path((await answers.look())["path"])
        async with _hosted(package, spec) as host:
            assert (await Answers(host).ask(do="imports", name="yaml")).body == b"yaml"
        return unpacked

    assert not asyncio.run(body()).exists()


def test_an_interpreter_that_is_not_there_fails_the_call(code: Path) -> None:
    """An instance that cannot start is an error of its call, never a hang."""

    async def body() -> None:
        async with _hosted(code, _toy(), interpreters={"python3.10": "/nowhere/python"}) as host:
            result = await Answers(host).ask(do="look")
            assert (result.outcome, result.error.split(":")[0]) == (Outcome.EXITED, "the instance did not start")

    asyncio.run(body())


def test_closing_answers_who_waits_and_leaves_no_process(code: Path) -> None:
    """Running calls end as crashes, waiting ones as dropped, and every process is gone."""

    async def body() -> None:
        outcomes: list[Outcome] = []
        async with _hosted(code, _toy(), instances=1) as host:
            pid = (await Answers(host).look())["pid"]
            for _ in range(2):
                ask = json.dumps({"do": "sleep", "seconds": 30}).encode()
                host.invoke("toy", ask, lambda result: outcomes.append(result.outcome))
            await asyncio.sleep(0.05)
        assert sorted(outcomes) == [Outcome.DROPPED, Outcome.EXITED]
        assert host.pending() == 0
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    asyncio.run(body())
