"""A built package goes in; what it imports comes out as one JSON line, or the name of what is missing.

Run by the runtime's own Python with nothing else on its path: `python -I -S -B proof.py DIRECTORY ENTRY_POINT...`.
It needs the standard library only. Three things are proved:

1. every entry point imports, and has a `handler`;
2. every import statement in our sources resolves, also those inside functions, which run late;
3. the clients of OSS, the log store and the CDN work as far as a reply from a socket, since SDKs import late too.
"""

from __future__ import annotations

import ast
import contextlib
import http.server
import importlib
import importlib.util
import json
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers every request with an empty success, in the form that each SDK accepts."""

    def answer(self) -> None:
        """Read the request whole and answer it."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("x-oss-request-id", "0")
        self.send_header("x-log-requestid", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server calls

    def log_message(self, *_: object) -> None:
        """Keep quiet: the caller reads this process's output."""


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Let a server on loopback be the proxy of every client, and so answer for every host, during the block."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ["http_proxy"] = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def import_entry_points(names: list[str]) -> float:
    """Import the entry points as a cold start does, and give the seconds it took."""
    start = time.perf_counter()
    for name in names:
        module = importlib.import_module(name)
        if not callable(getattr(module, "handler", None)):
            raise TypeError(f"{name}.py has no function `handler`")
    return time.perf_counter() - start


def statements(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """List the imports of a source as (module, names), without those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((each.name, ()) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, tuple(each.name for each in node.names)
        else:
            yield from statements(node)


def resolve_imports(source: Path) -> None:
    """Import all that a source imports anywhere in it."""
    for module, names in statements(ast.parse(source.read_text(encoding="utf-8"))):
        found = importlib.import_module(module)
        for name in names:
            if not hasattr(found, name):
                importlib.import_module(f"{module}.{name}")


def exercise_clients() -> None:
    """Send requests with each client that the functions use."""
    # Only the package has these modules, so they are found at run time, not when this file is checked.
    httpx, oss2, log = (importlib.import_module(name) for name in ("httpx", "oss2", "aliyun.log"))
    keys = oss2.credentials.StaticCredentialsProvider("id", "secret", "token")
    region = "cn-hangzhou"
    with answering():
        with httpx.Client() as client:
            client.get("http://cdn.aliyuncs.com/").raise_for_status()
        bucket = oss2.Bucket(oss2.ProviderAuthV4(keys), f"http://oss-{region}.aliyuncs.com", "bucket", region=region)
        bucket.put_object("key", b"content")
        bucket.delete_object("key")
        records = [log.LogItem(1, contents=[("field", "value")])]
        request = log.PutLogsRequest("project", "store", "topic", "", records, compress=True)
        log.LogClient(f"http://{region}.log.aliyuncs.com", "id", "secret").put_logs(request)


def prove(package: Path, entry_points: list[str]) -> dict[str, object]:
    """Prove one package and tell what was proved."""
    sys.path.insert(0, str(package))
    seconds = import_entry_points(entry_points)
    modules = len(sys.modules)
    for source in [*(package / f"{name}.py" for name in entry_points), *sorted((package / "shared").rglob("*.py"))]:
        resolve_imports(source)
    exercise_clients()
    return {"entry_points": entry_points, "import_seconds": round(seconds, 3), "modules": modules}


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the SDKs' sources have escape sequences that newer Pythons dislike
    try:
        print(json.dumps(prove(Path(sys.argv[1]).resolve(), sys.argv[2:])))
    except Exception as error:  # noqa: BLE001 - whatever it is, the package does not work
        raise SystemExit(f"the package does not work: {type(error).__name__}: {error}") from None
