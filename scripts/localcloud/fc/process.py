"""Calls go in, results come out, each function in Python processes of its own as on the platform.

One request at a time per instance; an instance stays warm until it fails, times out, is killed, or has to
make room for another function. The code is a directory, or a built zip that is unpacked first.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import zipfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.localcloud.fc import worker
from scripts.localcloud.fc.run import (
    LOG_TAIL_BYTES_MAX,
    Call,
    LogLine,
    Outcome,
    Result,
    exited,
    failure,
    instance_cap,
    timed_out,
)
from scripts.localcloud.fc.template import FunctionSpec

LOAD_SECONDS_MAX = 60.0
"""An instance that has not imported its handler by then is given up; the platform's limit is unpublished."""
PIPE_BYTES = 65536
READS_PER_TURN_MAX = 16
"""A handler that prints without end must not keep the event loop for itself."""
PLATFORM_CODE_PATH = "/code"
BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start an instance."""

    python: str
    flags: tuple[str, ...]
    code: Path
    scratch: Path


class Output:
    """Collects what an instance prints: whole lines for the log, and the last bytes of the running call."""

    def __init__(self, sink: Callable[[str], None]) -> None:
        self._sink = sink
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._partial = b""
        self._tail = b""
        asyncio.get_running_loop().add_reader(self._read_end, self.read)

    @property
    def write_end(self) -> int:
        """The descriptor a process prints to."""
        return self._write_end

    def read(self) -> None:
        """Take what is in the pipe now."""
        for _ in range(READS_PER_TURN_MAX):
            try:
                data = os.read(self._read_end, PIPE_BYTES)
            except BlockingIOError:
                return
            if not data:
                asyncio.get_running_loop().remove_reader(self._read_end)
                return
            self._tail = (self._tail + data)[-LOG_TAIL_BYTES_MAX:]
            *lines, self._partial = (self._partial + data).split(b"\n")
            for line in lines:
                self._sink(line.decode(errors="replace"))

    def take_tail(self) -> bytes:
        """Give the last bytes printed since this was last asked.

        An instance prints before it answers, so once its answer is here its output is in the pipe.
        """
        self.read()
        tail, self._tail = self._tail, b""
        return tail

    def close_write_end(self) -> None:
        """Let go of the end that the process writes to; only the process holds it then."""
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1

    def close(self) -> None:
        """Take what is left, even an unfinished line, and let go of the pipe."""
        self.close_write_end()
        self.read()
        if self._partial:
            self._sink(self._partial.decode(errors="replace"))
        asyncio.get_running_loop().remove_reader(self._read_end)
        os.close(self._read_end)


class Instance:
    """One worker process of one function."""

    def __init__(self, function: FunctionSpec, launch: Launch, sink: Callable[[LogLine], None]) -> None:
        self.function = function
        self.busy = True
        self.warm = False
        self._launch = launch
        self._sink = sink
        self._request_id = ""
        self._process: asyncio.subprocess.Process | None = None
        self._output: Output | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._scratch = ""
        self._doomed = False

    @property
    def alive(self) -> bool:
        """Tell whether the process runs, as far as the event loop has heard."""
        return self._process is not None and self._process.returncode is None

    async def run(self, call: Call) -> Result:
        """Run one call; the instance is no longer `warm` where it did not survive."""
        self._request_id = call.request_id
        cold, result = not self.warm, None
        if cold:
            result = await self.warm_up(call)
        if result is None:
            result = await self._step("invoke", call.function.handler, call, call.function.timeout_seconds)
        if not self.warm or result.outcome not in (Outcome.OK, Outcome.ERROR):
            await self.end()
        return Result(result.outcome, result.body, cold, result.log)

    async def warm_up(self, call: Call) -> Result | None:
        """Start the process, import the handler, run the initializer; give the result of a failed step."""
        function, self._request_id = call.function, call.request_id
        try:
            await self._start(call)
        except OSError as error:
            return failure(Outcome.EXITED, f"the instance did not start: {error}", "InstanceStartError")
        steps = [("load", function.handler, LOAD_SECONDS_MAX)]
        if function.initializer:
            steps.append(("initialize", function.initializer, float(function.initializer_timeout_seconds)))
        for do, handler, seconds in steps:
            result = await self._step(do, handler, call, seconds)
            if result.outcome is not Outcome.OK:
                return result
        self.warm = True
        return None

    def kill(self) -> None:
        """Kill the process and what it started, as the platform does: at once, or as soon as it exists."""
        self._doomed = True
        if self.alive and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill the process and let go of everything it held."""
        self.warm = False
        self.kill()
        if self._process is not None:
            await self._process.wait()
        if self._streams is not None:
            self._streams[1].close()
        if self._output is not None:
            self._output.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._process = self._streams = self._output = None

    async def _start(self, call: Call) -> None:
        launch = self._launch
        self._scratch = tempfile.mkdtemp(dir=launch.scratch)
        self._output = Output(lambda text: self._sink(LogLine(self.function.name, self._request_id, text)))
        ours, theirs = socket.socketpair()
        self._streams = await asyncio.open_connection(sock=ours)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(launch.python, *launch.flags, worker.__file__, str(theirs.fileno()), str(launch.code)),
                cwd=launch.code,
                env=self._environment(call),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._output.write_end,
                stderr=self._output.write_end,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._output.close_write_end()
        if self._doomed:
            self.kill()

    def _environment(self, call: Call) -> dict[str, str]:
        """Give the process its whole environment: nothing of this machine's user leaks in."""
        code = str(self._launch.code)
        environment = {
            **BASE_ENVIRONMENT,
            "HOME": self._scratch,
            "TMPDIR": self._scratch,
            **call.environment,
            **call.credentials.environment(),
            "FC_FUNC_CODE_PATH": f"{code}/",
            "FC_INSTANCE_ID": f"c-{Path(self._scratch).name}",
        }
        if "PYTHONPATH" in environment:
            entries = environment["PYTHONPATH"].split(os.pathsep)
            environment["PYTHONPATH"] = os.pathsep.join(_local_path(entry, code) for entry in entries)
        return environment

    async def _step(self, do: str, handler: str, call: Call, seconds: float) -> Result:
        """Send one frame and await its answer, for at most `seconds`."""
        header = {
            "do": do,
            "handler": handler,
            "context": dict(call.context),
            "environment": call.credentials.environment(),
        }
        try:
            reply, body = await asyncio.wait_for(self._exchange(header, call.event), seconds)
        except asyncio.TimeoutError:
            self.kill()
            return timed_out(seconds, log=self._tail())
        except (EOFError, OSError):
            return exited(log=self._tail())
        return Result(Outcome.OK if reply["ok"] else Outcome.ERROR, body, log=self._tail())

    async def _exchange(self, header: Mapping[str, Any], event: bytes) -> tuple[dict[str, Any], bytes]:
        if self._streams is None:
            raise EOFError
        reader, writer = self._streams
        writer.write(worker.pack_frame(header, event))
        await writer.drain()
        head_bytes, body_bytes = worker.LENGTHS.unpack(await reader.readexactly(worker.LENGTHS.size))
        head = await reader.readexactly(head_bytes)
        return json.loads(head), await reader.readexactly(body_bytes)

    def _tail(self) -> bytes:
        return self._output.take_tail() if self._output is not None else b""


class ProcessRunner:
    """Keeps a pool of instances per function, at most `instances` each and `total` together.

    `isolated` leaves importable only the standard library and what the code directory holds, as on the
    platform; without it the packages of the interpreter are there too. `interpreters` says which Python
    runs a runtime.
    """

    def __init__(
        self,
        code: Path,
        *,
        instances: int = 4,
        total: int = 8,
        isolated: bool = False,
        interpreters: Mapping[str, str] | None = None,
    ) -> None:
        self._package = code
        self._instances_max = instances
        self._total_max = total
        self._flags = ("-I", "-S", "-X", "utf8") if isolated else ("-X", "utf8")
        self._interpreters = interpreters or {}
        self._pool: list[Instance] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._code = code
        self._sink: Callable[[LogLine], None] = lambda _line: None

    def watch(self, sink: Callable[[LogLine], None]) -> None:
        """Give each line that functions print to `sink`."""
        self._sink = sink

    async def open(self) -> None:
        """Unpack the code; calls can start from now on."""
        self._folder = tempfile.TemporaryDirectory(prefix="localcloud-")
        if self._package.is_file():
            self._code = Path(self._folder.name) / "code"
            with zipfile.ZipFile(self._package) as package:
                package.extractall(self._code)
        self._code = self._code.resolve()

    def has_room(self, function: FunctionSpec) -> bool:
        """Tell whether an instance is idle, or can be started, or can take the place of an idle one."""
        own = [instance for instance in self._pool if instance.function.name == function.name]
        if self._folder is None:
            return False
        if any(not instance.busy for instance in own):
            return True
        if len(own) >= instance_cap(function, self._instances_max):
            return False
        return len(self._pool) < self._total_max or any(not instance.busy for instance in self._pool)

    def start(self, call: Call, done: Callable[[Result], None]) -> None:
        """Run a call in an instance that is idle, or in a new one."""
        instance = self._idle(call.function.name)
        if instance is not None and not instance.alive:
            self._discard(instance)
            instance = None
        instance = instance or self._made(call.function)
        instance.busy = True
        self._spawn(self._run(instance, call, done))

    def kill_one(self, function: str | None) -> bool:
        """Kill an instance, a busy one if there is one; the call in it ends as `exited`."""
        candidates = [one for one in self._pool if function in (None, one.function.name)]
        for instance in sorted(candidates, key=lambda one: not one.busy):
            instance.kill()
            if not instance.busy:
                self._discard(instance)
            return True
        return False

    async def prewarm(self, call: Call, count: int) -> int:
        """Make instances ready for the call's function, as far as the caps allow; tell how many are."""
        name = call.function.name
        made: list[Instance] = []
        while len(self._warm(name)) + len(made) < count and self._can_add(call.function):
            made.append(self._made(call.function))
        await asyncio.gather(*(self._spawn(self._warm_up(instance, call)) for instance in made))
        return len(self._warm(name))

    async def close(self) -> None:
        """Kill every instance, and wait until all are gone."""
        for instance in self._pool:
            instance.kill()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(instance.end() for instance in self._pool))
        self._pool.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        for error in ended:
            if error is not None:
                raise error

    async def _run(self, instance: Instance, call: Call, done: Callable[[Result], None]) -> None:
        result = await instance.run(call)
        instance.busy = False
        if not instance.warm:
            self._pool.remove(instance)
        done(result)

    async def _warm_up(self, instance: Instance, call: Call) -> None:
        await instance.warm_up(call)
        instance.busy = False
        if not instance.warm:
            self._pool.remove(instance)
            await instance.end()

    def _can_add(self, function: FunctionSpec) -> bool:
        own = sum(instance.function.name == function.name for instance in self._pool)
        return own < instance_cap(function, self._instances_max) and len(self._pool) < self._total_max

    def _warm(self, name: str) -> list[Instance]:
        return [one for one in self._pool if one.function.name == name and one.warm]

    def _idle(self, name: str) -> Instance | None:
        return next((one for one in self._pool if one.function.name == name and not one.busy), None)

    def _made(self, function: FunctionSpec) -> Instance:
        """Make an instance, busy from the start; where the pool is full an idle one gives way."""
        if self._folder is None:
            raise RuntimeError("the runner is not open")
        if len(self._pool) >= self._total_max:
            self._discard(next(instance for instance in self._pool if not instance.busy))
        python = self._interpreters.get(function.runtime, sys.executable)
        launch = Launch(python, self._flags, self._code, Path(self._folder.name))
        instance = Instance(function, launch, self._sink)
        self._pool.append(instance)
        return instance

    def _discard(self, instance: Instance) -> None:
        self._pool.remove(instance)
        self._spawn(instance.end())

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in the event loop, and remember it until it has ended."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _local_path(entry: str, code: str) -> str:
    """Map a path below the platform's code directory into the directory that stands for it here."""
    inside = entry == PLATFORM_CODE_PATH or entry.startswith(f"{PLATFORM_CODE_PATH}/")
    return code + entry[len(PLATFORM_CODE_PATH) :] if inside else entry
