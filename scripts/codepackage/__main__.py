"""The command line of the build: options in, a table for people or one JSON line out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from scripts.codepackage.build import BuildError, build

SUMMARY = ("path", "bytes_zipped", "files", "bytes_unpacked", "python")


def table(result: dict[str, Any]) -> str:
    """Lay the result out for a person."""
    rows = [
        ("package", f"{result['path']} (unpacked: {Path(result['path']).with_suffix('')}/)"),
        ("for", f"python{result['python']} on Linux x86-64"),
        ("zipped", f"{result['bytes_zipped'] / 1e6:.1f} MB"),
        ("unpacked", f"{result['bytes_unpacked'] / 1e6:.1f} MB in {result['files']:,} files"),
        ("entry points", ", ".join(result["entry_points"])),
        ("import", f"{1000 * result['import_seconds']:.0f} ms, {result['modules']:,} modules"),
    ]
    return "\n".join(f"{name:<13} {value}" for name, value in rows)


def main() -> None:
    """Build and tell; ends with status 1 and a sentence where that is not possible."""
    parser = argparse.ArgumentParser(prog="scripts/build", description="Build the code package for Function Compute.")
    parser.add_argument("--python", default="3.10", choices=("3.10", "3.12"), help="the runtime (default: %(default)s)")
    parser.add_argument(
        "--output", type=Path, default=Path("dist"), help="folder for code/ and code.zip (default: dist)"
    )
    parser.add_argument("--json", action="store_true", help="print one line: " + ", ".join(SUMMARY))
    options = parser.parse_args()
    try:
        result = build(Path.cwd(), options.output)
    except BuildError as error:
        sys.exit(f"build: {error}")
    for note in result["notes"]:
        print(f"build: note: {note}", file=sys.stderr)
    print(json.dumps({name: result[name] for name in SUMMARY}) if options.json else table(result))


if __name__ == "__main__":
    main()
