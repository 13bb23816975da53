"""The code package, built by the project's own command: its size, and what is in it."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from typing import Any


def measure(_asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Build the package and give what `./scripts/build --json` says of it."""
    built = subprocess.run(["./scripts/build", "--json"], check=True, capture_output=True, text=True)
    yield {"what": "the code package for Function Compute", **json.loads(built.stdout.splitlines()[-1])}
