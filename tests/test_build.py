"""What of the code package's contents is decided by pure functions: pruning, pins, libraries, names."""

from __future__ import annotations

import ast
import importlib
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.codepackage import build, contents, proof
from shared.core.site.compiled import sites_of
from shared.core.site.sitefile import read_sites

ROOT = Path(__file__).parent.parent
LOCKED = (ROOT / "requirements.txt").read_text(encoding="utf-8")
REQUIREMENTS = """\
# a header
one==1.0 \\
    --hash=sha256:aa
    # via two
Two_Words==2.0 ; python_full_version < '3.11' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
three==3.0 \\
    --hash=sha256:dd
"""


def library(*, machine: int = 0x3E, symbols: str = "") -> bytes:
    """Give the beginning of a shared library that names some symbol versions."""
    return b"\x7fELF\x02" + bytes(13) + struct.pack("<H", machine) + symbols.encode()


def test_left_out_pins_go_with_their_hashes() -> None:
    """A distribution that is left out takes its hashes and comments along, and the others stay as they were."""
    kept = contents.without(REQUIREMENTS, {"two-words"})
    assert contents.pins(kept) == ["one", "three"]
    assert re.findall(r"sha256:(\w+)", kept) == ["aa", "dd"]


def test_every_left_out_distribution_is_locked() -> None:
    """The table names nothing that the lock file does not hold, in the lock file's spelling."""
    assert set(contents.LEFT_OUT) - set(contents.pins(LOCKED)) == set()


def test_every_pin_has_hashes_and_no_address() -> None:
    """Each locked file pins with hashes only: no index, no folder, no URL."""
    for path in sorted(ROOT.glob("requirements*.txt")):
        text = path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
        strange = [line for line in lines if not re.match(r"[\w.-]+==|    --hash=sha256:[0-9a-f]{64}", line)]
        assert (strange, len(re.findall(r"^\S+==.*\\\n    --hash", text, re.MULTILINE))) == (
            [],
            len(contents.pins(text)),
        )


def test_shipped_versions_are_the_tested_versions() -> None:
    """Whatever the package pins, the development environment pins in the same version."""
    pins = re.compile(r"^(\S+==[\w.]+)", re.MULTILINE)
    tested = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    assert set(pins.findall(LOCKED)) - set(pins.findall(tested)) == set()


@pytest.mark.parametrize(
    ("path", "stays"),
    [
        ("httpx/__init__.py", True),
        ("structlog-26.1.0.dist-info/METADATA", True),
        ("structlog-26.1.0.dist-info/licenses/LICENSE-MIT", True),
        ("structlog-26.1.0.dist-info/RECORD", False),
        ("Crypto/Cipher/AES.py", True),
        ("Crypto/SelfTest/Cipher/test_AES.py", False),
        ("Crypto/PublicKey/RSA.py", False),
        ("lz4/block/__init__.py", True),
        ("lz4/frame/__init__.py", False),
        ("aliyun/log/logclient.py", True),
        ("aliyun/log/es_migration/__init__.py", False),
        ("yaml/_yaml.cpython-310-x86_64-linux-gnu.so", False),
        ("msgspec/_core.cpython-310-x86_64-linux-gnu.so", True),
        ("msgspec/_core.pyi", False),
        ("oss2/__pycache__/api.cpython-310.pyc", False),
    ],
)
def test_what_is_pruned(path: str, *, stays: bool) -> None:
    """Of the distributions' files, those that no function reads are pruned, and licences stay."""
    assert (contents.pruned_by(path) is None) == stays


def test_platforms_are_no_newer_than_the_runtime() -> None:
    """Wheels are chosen for the runtime's glibc, not for the build machine's."""
    assert contents.pip_platforms("3.10")[0] == "manylinux_2_28_x86_64"
    assert contents.pip_platforms("3.12")[0] == "manylinux_2_31_x86_64"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (library(symbols="GLIBC_2.2.5 GLIBC_2.28"), None),
        (library(symbols="GLIBC_2.2.5 GLIBC_2.34"), "x.so needs glibc 2.34; the runtime python3.10 has 2.28"),
        (library(machine=0xB7), "x.so is no library for Linux on x86-64"),
        (b"\xcf\xfa\xed\xfe", "x.so is no library for Linux on x86-64"),
    ],
)
def test_libraries_that_would_not_load_are_refused(content: bytes, fault: str | None) -> None:
    """A compiled module for another machine, or for a newer glibc, is named with the reason."""
    assert contents.library_fault("x.so", content, "3.10") == fault


def test_names_that_clash_are_found() -> None:
    """An entry point or `shared` with the name of a vendored module is found, since one would hide the other."""
    assert contents.name_clashes(["yaml.py", "sites.yml"], ["yaml", "six.py", "shared"]) == ["shared", "yaml"]


def test_stand_in_has_every_name_that_oss2_imports() -> None:
    """The stand-in offers all that the rest of oss2 imports from the module it replaces."""
    folder = Path(importlib.import_module("oss2").__file__ or "").parent
    statements = re.compile(r"^from \.crypto import (.+)$", re.MULTILINE)
    lists = [
        found for source in folder.glob("*.py") for found in statements.findall(source.read_text(encoding="utf-8"))
    ]
    asked = {name.strip() for found in lists for name in found.split(",")}
    stand_in = importlib.import_module("scripts.codepackage.oss2_crypto")
    assert asked != set()
    assert {name for name in asked if not hasattr(stand_in, name)} == set()


def test_sources_are_laid_out_for_the_handler_strings(tmp_path: Path) -> None:
    """Entry points and the site file go to the root and `shared/` beside them; nothing else of the tree goes along."""
    for name in ("functions/one.py", "functions/sites.yml", "functions/notes.md", "shared/core/a.py", "scripts/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    code = tmp_path / "code"
    code.mkdir()
    assert build.add_sources(tmp_path, code) == ["one"]
    assert [name for _, name in build.files_below(code)] == ["one.py", "shared/core/a.py", "sites.yml"]


def test_a_tree_without_entry_points_is_refused(tmp_path: Path) -> None:
    """A package that nothing could call is not built."""
    (tmp_path / "functions").mkdir()
    with pytest.raises(build.BuildError, match="no entry point"):
        build.add_sources(tmp_path, tmp_path / "code")


def compile_sites(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Compile a site file as the build does, with the code of this tree."""
    (folder / "sites.yml").write_text(text, encoding="utf-8")
    command = [sys.executable, str(ROOT / "scripts" / "codepackage" / "sites.py"), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)  # noqa: S603 - our own


def test_a_site_file_that_cannot_work_is_not_packed(tmp_path: Path) -> None:
    """Each fault is told, with its line and what to write."""
    told = compile_sites(tmp_path, "sites:\n  - bucket: content\n    domain: [static.example.com]\n    new: no\n")
    assert (1, "") == (told.returncode, told.stdout)
    assert [
        "the site file cannot work:",
        "functions/sites.yml: line 2: sites[0].domains: is missing",
        "functions/sites.yml: line 3: sites[0].domain: unknown field; did you mean 'domains'?",
        "functions/sites.yml: line 4: sites[0].new: YAML reads that as false; write `new: ignore`",
    ] == [line.strip() for line in told.stderr.splitlines()]
    assert not (tmp_path / "sites.yml.json").exists()


def test_the_shipped_site_file_is_packed_with_a_warning(tmp_path: Path) -> None:
    """So that the package can be built before anybody has a bucket."""
    text = (ROOT / "functions" / "sites.yml").read_text(encoding="utf-8")
    told = compile_sites(tmp_path, text)
    assert (0, "") == (told.returncode, told.stderr)
    assert "nothing is refreshed until it names your bucket and domains" in told.stdout
    assert read_sites(text) == sites_of((tmp_path / "sites.yml.json").read_bytes(), text.encode())


def test_equal_content_makes_equal_archives(tmp_path: Path) -> None:
    """Two archives of the same files are the same bytes, whenever the files were written and in whatever order."""
    archives = []
    for turn, order in enumerate((("a.py", "b/c.py"), ("b/c.py", "a.py"))):
        code = tmp_path / str(turn)
        for name in order:
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            (code / name).write_text(name, encoding="utf-8")
        build.write_zip(code, tmp_path / f"{turn}.zip")
        archives.append((tmp_path / f"{turn}.zip").read_bytes())
    assert archives[0] == archives[1]
    assert zipfile.ZipFile(tmp_path / "0.zip").namelist() == ["a.py", "b/c.py"]


def test_bytecode_is_shipped_and_never_checked_against_its_source(tmp_path: Path) -> None:
    """Each source gets bytecode of this Python that is used whatever the source's time (PEP 552, flags 0b01)."""
    (tmp_path / "one.py").write_text("x = 1\n", encoding="utf-8")
    build.compile_all(tmp_path)
    compiled = tmp_path / "__pycache__" / f"one.{sys.implementation.cache_tag}.pyc"
    assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00"


def test_the_proof_sees_late_imports_and_skips_those_for_type_checkers() -> None:
    """Imports inside functions are proved too; those under TYPE_CHECKING never run and are not."""
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import never\n"
        "def late():\n    from a.b import c, d\n    import e.f\n"
    )
    assert list(proof.statements(tree)) == [
        ("typing", ("TYPE_CHECKING",)),
        ("a.b", ("c", "d")),
        ("e.f", ()),
    ]
