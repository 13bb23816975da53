"""A template and code go in; a running function host, with its files and settings, comes out."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from scripts.localcloud.clock import Clock
from scripts.localcloud.fc.host import FunctionHost, HostOptions
from scripts.localcloud.fc.process import ProcessRunner
from scripts.localcloud.fc.run import Credentials, LogLine
from scripts.localcloud.fc.staging import SITE_FILE, stage_code, write_site_file
from scripts.localcloud.fc.template import RUNTIMES, FunctionSpec, read_template
from scripts.localcloud.sls.service import LogStore

TREE = Path(__file__).parents[3]
TEMPLATE = TREE / "template.yml"
OLDEST_PYTHON = "3.10"
FUNCTION_LOGSTORE = "functions"
"""Where the output of functions goes whose template leaves the logstore to the platform."""


@dataclass(frozen=True, slots=True)
class CodeSource:
    """Which functions to host, and how.

    `code` is a directory or a built zip; without it the working tree is copied. Where it is `isolated` it has
    to bring all that it imports, as on the platform; else it may use the packages of this Python.
    """

    code: Path | None = None
    template: Path = TEMPLATE
    isolated: bool = False
    interpreter: Path = Path(sys.executable)
    """The Python that runs functions; native parts of a package fit one version only."""
    instances: int = 4
    """How many instances one function may have at once."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for every function, which win over all others."""
    show: Callable[[LogLine], None] | None = None
    """Sees each line that functions print, beside the log service."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where functions run, and as whom."""

    account_id: str
    region: str
    service: str
    bucket: str
    domains: tuple[str, ...]
    log_project: str
    keys: Mapping[str, str]
    role: Credentials


@dataclass(slots=True)
class Hosted:
    """A function host and the folder that its code and site file lie in."""

    host: FunctionHost
    folder: tempfile.TemporaryDirectory[str]

    async def close(self) -> None:
        """End the functions and remove their files."""
        await self.host.close()
        self.folder.cleanup()


def host_functions(
    clock: Clock,
    account: Account,
    source: CodeSource,
    *,
    environment: Mapping[str, str],
    logs: LogStore,
    rng: Random,
) -> Hosted:
    """Put a function host together; its output is shipped to `logs`, as the platform does."""
    folder = tempfile.TemporaryDirectory(prefix="localcloud-code-")
    root = Path(folder.name)
    code = source.code if source.code is not None else stage_code(TREE, root / "code")
    site_file = write_site_file(root / SITE_FILE, account.bucket, account.domains)
    functions = _functions(source, account)
    host = FunctionHost(
        clock,
        keys=account.keys,
        account_id=account.account_id,
        region=account.region,
        service=account.service,
        functions=functions,
        runner=ProcessRunner(
            code,
            instances=source.instances,
            total=2 * source.instances,
            isolated=source.isolated,
            interpreters=dict.fromkeys(RUNTIMES, str(source.interpreter.absolute())),
        ),
        rng=rng,
        options=HostOptions(credentials=lambda: account.role, show=_shipper(functions, account, logs, source.show)),
    )
    host.environment = {**environment, "SITES_FILE": str(site_file), **source.environment}
    return Hosted(host, folder)


def _functions(source: CodeSource, account: Account) -> tuple[FunctionSpec, ...]:
    """Read the template; what it asks of the deployer's environment is answered for this account."""
    version = _version(source.interpreter)
    environ = {
        "REGION": account.region,
        "CONTENT_BUCKET": account.bucket,
        "LOG_PROJECT": account.log_project,
        "FUNCTION_LOGSTORE": FUNCTION_LOGSTORE,
        "RUNTIME_PYTHON": version if f"python{version}" in RUNTIMES else OLDEST_PYTHON,
    }
    return read_template(source.template, environ=environ, config={"AccountID": account.account_id}).functions


def _version(interpreter: Path) -> str:
    """Ask a Python which one it is, such as `3.10`."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([interpreter, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


def _shipper(
    functions: Iterable[FunctionSpec],
    account: Account,
    logs: LogStore,
    show: Callable[[LogLine], None] | None,
) -> Callable[[LogLine], None]:
    """Make what writes each printed line to the logstore of its function."""
    places = {
        each.name: (each.log_project, each.log_store) if each.log_store else (account.log_project, FUNCTION_LOGSTORE)
        for each in functions
    }
    for project, logstore in places.values():
        logs.create(project, logstore)

    def ship(line: LogLine) -> None:
        contents = {"functionName": line.function, "requestId": line.request_id, "message": line.text}
        logs.write(*places[line.function], f"FCLogs:{line.function}", contents)
        if show is not None:
            show(line)

    return ship
