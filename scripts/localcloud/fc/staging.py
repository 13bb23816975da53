"""The working tree goes in; a code directory as Function Compute has it, and a site file, come out.

The local cloud copies the functions but never imports them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import yaml

FUNCTIONS, SHARED = "functions", "shared"
SITE_FILE = "sites.yml"
NOT_CODE = shutil.ignore_patterns("__pycache__", "*.pyc")


def stage_code(tree: Path, target: Path) -> Path:
    """Copy the functions to the root of `target` and what they share beside them; give `target`."""
    for part in (FUNCTIONS, SHARED):
        if not (tree / part).is_dir():
            raise FileNotFoundError(f"There is no {part}/ in {tree}, so there are no functions to host.")
    shutil.copytree(tree / FUNCTIONS, target, ignore=NOT_CODE, dirs_exist_ok=True)
    shutil.copytree(tree / SHARED, target / SHARED, ignore=NOT_CODE)
    return target


def write_site_file(path: Path, bucket: str, domains: Iterable[str]) -> Path:
    """Write the rules of one site, which serves all of a bucket under some domains; give `path`."""
    site = {"name": "local", "bucket": bucket, "domains": list(domains)}
    path.write_text(yaml.safe_dump({"sites": [site]}, sort_keys=False), encoding="utf-8")
    return path
