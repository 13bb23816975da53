"""The steps of a build, in order: fetch, prune, replace, add our sources, check, compile (sites, too), prove, zip.

The interpreter that runs this is the one whose bytecode is shipped, so it is of the runtime's version.
"""

from __future__ import annotations

import compileall
import json
import os
import platform
import py_compile
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.codepackage import contents

HERE = Path(__file__).parent
CODE_PATH = "/code"
"""Where Function Compute lays the package, and so what tracebacks should say."""
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold, given to every file: equal content makes an equal archive."""
FILE_TIME = 315_619_200
"""The same for the files of the folder, which other tools zip: the day after, so that it is 1980 in every zone."""


class BuildError(Exception):
    """The package cannot be built; the message says what to do."""


def build(root: Path, output: Path) -> dict[str, Any]:
    """Build `output`/code and `output`/code.zip from the project at `root`, and tell their sizes."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    check_machine(python)
    with tempfile.TemporaryDirectory(prefix="codepackage-") as scratch:
        code = Path(scratch, "code")
        fetch(root / "requirements.txt", python, code, Path(scratch))
        prune(code)
        replace(code)
        entry_points = add_sources(root, code)
        doubts = compile_sites(code, Path(scratch))
        check_libraries(code, python)
        compile_all(code)
        proof = prove(code, entry_points, Path(scratch))
        archive = Path(scratch, "code.zip")
        write_zip(code, archive)
        install(code, archive, output)
    files = [path for path in (output / "code").rglob("*") if path.is_file()]
    return {
        "path": str(output / "code.zip"),
        "bytes_zipped": (output / "code.zip").stat().st_size,
        "files": len(files),
        "bytes_unpacked": sum(path.stat().st_size for path in files),
        "python": python,
        "notes": [*notes([path.name for path in files]), *doubts],
        **proof,
    }


def notes(names: list[str]) -> list[str]:
    """List what a person should know about a package that works."""
    if any(name.startswith("_crcfunext.") for name in names):
        return []
    return ["no C compiler was found here, so oss2 computes checksums in Python, far slower on objects of megabytes"]


def check_machine(python: str) -> None:
    """Refuse to build where the result could not be proved."""
    if python not in contents.PLATFORM_GLIBC:
        raise BuildError(f"there is no runtime python{python}; choose --python {' or '.join(contents.PLATFORM_GLIBC)}")
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise BuildError("the package holds libraries for Linux on x86-64, so it is built and proved there")


def fetch(requirements: Path, python: str, code: Path, scratch: Path) -> None:
    """Install the locked distributions that the functions need, in the builds that the runtime can load."""
    wanted = scratch / "requirements.txt"
    wanted.write_text(contents.without(requirements.read_text(encoding="utf-8"), contents.LEFT_OUT), encoding="utf-8")
    platforms = (part for tag in contents.pip_platforms(python) for part in ("--platform", tag))
    # fmt: off
    command = [
        sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", "--no-compile",
        "--require-hashes", "--no-deps", "--no-build-isolation", "--target", str(code), *platforms, "-r", str(wanted),
    ]
    # fmt: on
    # Debug information names the temporary folder of the compilation, so two builds would differ.
    environment = {**os.environ, "CFLAGS": "-O2 -g0"}
    result = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
    )
    if result.returncode:
        raise BuildError(f"the dependencies could not be installed:\n{result.stderr.strip()}")


def files_below(folder: Path) -> Iterator[tuple[Path, str]]:
    """List the files of a folder in a fixed order, each with its path from there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.relative_to(folder).as_posix()


def prune(code: Path) -> None:
    """Take out of the vendored distributions what is never used."""
    for path, name in list(files_below(code)):
        if contents.pruned_by(name):
            path.unlink()
    for folder in sorted((path for path in code.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def replace(code: Path) -> None:
    """Put our stand-ins over vendored modules."""
    for name, stand_in in contents.STAND_INS.items():
        if not (code / name).is_file():
            raise BuildError(f"{name} is not in its distribution any more: look at STAND_INS in contents.py again")
        shutil.copyfile(HERE / stand_in, code / name)


def add_sources(root: Path, code: Path) -> list[str]:
    """Copy `functions/` to the root of the package and `shared/` beside; give the entry points' names."""
    functions = sorted(path for form in contents.FUNCTION_FILES for path in (root / "functions").glob(form))
    entry_points = [path.stem for path in functions if path.suffix == ".py"]
    if not entry_points:
        raise BuildError("functions/ has no entry point (*.py)")
    if clashes := contents.name_clashes([path.name for path in functions], [path.name for path in code.iterdir()]):
        raise BuildError(f"these names are both ours and a distribution's: {', '.join(clashes)}")
    for path in functions:
        shutil.copyfile(path, code / path.name)
    shutil.copytree(root / "shared", code / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    return entry_points


def compile_sites(code: Path, scratch: Path) -> list[str]:
    """Check the site files with the package's own code, and write beside each what loads fast; give the warnings."""
    command = [sys.executable, "-I", "-S", "-B", str(HERE / "sites.py"), str(code)]
    result = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=scratch, timeout=300
    )
    if result.returncode:
        raise BuildError(result.stderr.strip())
    return result.stdout.splitlines()


def check_libraries(code: Path, python: str) -> None:
    """Refuse compiled modules that the runtime could not load."""
    faults = [
        fault
        for path, name in files_below(code)
        if ".so" in path.suffixes and (fault := contents.library_fault(name, path.read_bytes(), python))
    ]
    if faults:
        raise BuildError("\n".join(faults))


def compile_all(code: Path) -> None:
    """Compile every source. /code is read-only, so what is not compiled here is compiled at each cold start.

    Unchecked: uploading changes the sources' times, and bytecode with older times would be ignored.
    """
    for path, name in files_below(code):
        if path.suffix == ".py" and not _compile(path, code):
            raise BuildError(f"{name} does not compile")


def _compile(path: Path, code: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDKs' sources have escape sequences that newer Pythons dislike
        return bool(
            compileall.compile_file(
                path,
                stripdir=str(code),
                prependdir=CODE_PATH,
                quiet=1,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        )


def prove(code: Path, entry_points: list[str], scratch: Path) -> dict[str, Any]:
    """Run the package alone; see proof.py."""
    command = [sys.executable, "-I", "-S", "-B", str(HERE / "proof.py"), str(code), *entry_points]
    result = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=scratch, timeout=120
    )
    if result.returncode:
        raise BuildError(result.stderr.strip())
    proof: dict[str, Any] = json.loads(result.stdout)
    return proof


def write_zip(code: Path, archive: Path) -> None:
    """Zip the package so that equal content makes an equal file."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for path, name in files_below(code):
            entry = zipfile.ZipInfo(name, ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100644 if path.suffix != ".so" else 0o100755) << 16
            out.writestr(entry, path.read_bytes())


def install(code: Path, archive: Path, output: Path) -> None:
    """Put the finished package in place; nothing half-built is ever there."""
    output.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(output / "code", ignore_errors=True)
    shutil.move(code, output / "code")
    shutil.move(archive, output / "code.zip")
    for path, _ in files_below(output / "code"):
        os.utime(path, (FILE_TIME, FILE_TIME))
