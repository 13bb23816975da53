"""What goes into the code package and what stays out: tables with reasons, and pure functions over names and texts.

Everything here was found by experiment: the package without it imports and works (see proof.py, which repeats the
experiment at every build). A distribution that a new version starts to need fails the build with the module's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

PLATFORM_GLIBC = {"3.10": 28, "3.12": 31}
"""The newest glibc 2.x of each runtime: python3.10 runs on Debian 10, python3.12 on Debian 11 (vendor's page "Python").

A library built for a newer one would be chosen on a newer build machine, and would not load in the cloud.
"""

LEFT_OUT: Mapping[str, str] = {
    "aliyun-fc2": "only the commands in scripts/ call functions",
    "aliyun-python-sdk-core": "only oss2's client-side encryption calls the key service; see STAND_INS",
    "aliyun-python-sdk-kms": "the same",
    "anyio": "httpx and httpcore use it for asynchronous clients only",
    "cffi": "only cryptography needs it",
    "cryptography": "only aliyun-python-sdk-core needs it, to sign with RSA key pairs",
    "dateparser": "the log SDK parses dates in words with it, for queries only",
    "elastic-transport": "only elasticsearch needs it",
    "elasticsearch": "the log SDK migrates from Elasticsearch with it",
    "exceptiongroup": "only anyio needs it",
    "pycparser": "only cffi needs it",
    "pytz": "only dateparser needs it",
    "regex": "only dateparser needs it",
    "sniffio": "httpx asks it which asynchronous loop runs, for asynchronous clients only",
    "tzdata": "only dateparser's tzlocal needs it",
    "tzlocal": "only dateparser needs it",
    "websocket-client": "only aliyun-fc2 needs it",
}
"""Locked distributions that no function needs at run time, each with its reason; they are not even downloaded."""

PRUNED: Mapping[str, str] = {
    "*.dist-info/RECORD": "for installers; the metadata (versions) and the licences stay",
    "*.dist-info/INSTALLER": "the same",
    "*.dist-info/REQUESTED": "the same",
    "*.dist-info/WHEEL": "the same",
    "*.dist-info/entry_points.txt": "the same",
    "*.dist-info/top_level.txt": "the same",
    "*.dist-info/zip-safe": "the same",
    "*.pyi": "types are for editors",
    "*/py.typed": "types are for editors",
    "*.c": "sources of compiled modules",
    "*.h": "the same",
    "*.pxd": "the same",
    "*.pyx": "the same",
    "*/__pycache__/*": "compiled anew, for the runtime",
    "bin/*": "commands of the distributions",
    "*/tests/*": "the distributions' own tests",
    "Crypto/SelfTest/*": "the same",
    "Crypto/Hash/_SHA[23]*shani*": "oss2 encrypts nothing here; it imports AES, a counter and a random source",
    "Crypto/IO/*": "the same",
    "Crypto/Math/*": "the same",
    "Crypto/Protocol/*": "the same",
    "Crypto/PublicKey/*": "the same",
    "Crypto/Signature/*": "the same",
    "aliyun/log/es_migration/*": "needs elasticsearch",
    "lz4/frame/*": "the log SDK compresses in blocks",
    "lz4/stream/*": "the same",
    "yaml/_yaml.*": "the site file is short; loading libyaml takes longer than parsing without it",
    "_yaml/*": "the same",
}
"""Files of the distributions that stay out, as patterns of their paths (`*` crosses `/`), each with its reason."""

STAND_INS: Mapping[str, str] = {"oss2/crypto.py": "oss2_crypto.py"}
"""Vendored modules replaced by a file of this folder; the reason stands at the top of that file."""

FUNCTION_FILES = ("*.py", "*.yml", "*.yaml")
"""What of `functions/` goes to the root of the package: the entry points and the site file."""

_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)


def distribution(name: str) -> str:
    """Give the normal form of a distribution's name: `PyYAML` and `py_yaml` are written in many ways."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(requirements: str) -> list[str]:
    """List the distributions that a locked requirements file pins."""
    return [distribution(name) for name in _PIN.findall(requirements)]


def without(requirements: str, left_out: Iterable[str]) -> str:
    """Give a locked requirements file without the pins (and their hashes) of some distributions."""
    kept: list[str] = []
    keeping = True
    for line in requirements.splitlines(keepends=True):
        if pin := _PIN.match(line):
            keeping = distribution(pin[1]) not in left_out
        if keeping or line.startswith("#"):
            kept.append(line)
    return "".join(kept)


def pruned_by(path: str) -> str | None:
    """Give the pattern that keeps a file (path from the package's root) out of the package, or None."""
    return next((pattern for pattern in PRUNED if fnmatchcase(path, pattern)), None)


def pip_platforms(python: str) -> list[str]:
    """List the platform tags whose wheels load in the runtime of that Python version, newest first."""
    recent = [f"manylinux_2_{minor}_x86_64" for minor in range(PLATFORM_GLIBC[python], 4, -1)]
    return [*recent, "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]


def glibc_needed(library: bytes) -> int:
    """Give the newest 2.x symbol version of glibc that a shared library names; 0 if it names none."""
    return max((int(minor) for minor in re.findall(rb"\bGLIBC_2\.(\d+)", library)), default=0)


def library_fault(name: str, library: bytes, python: str) -> str | None:
    """Say why a shared library would not load in the runtime of that Python version, or None."""
    machine = int.from_bytes(library[18:20], "little")
    if library[:5] != b"\x7fELF\x02" or machine != 0x3E:  # noqa: PLR2004 - 64 bits, x86-64, by the ELF standard
        return f"{name} is no library for Linux on x86-64"
    if (needed := glibc_needed(library)) > PLATFORM_GLIBC[python]:
        return f"{name} needs glibc 2.{needed}; the runtime python{python} has 2.{PLATFORM_GLIBC[python]}"
    return None


def name_clashes(functions: Iterable[str], vendored: Iterable[str]) -> list[str]:
    """List the top-level names that an entry point, `shared` and a vendored distribution would fight for."""
    own = {name.partition(".")[0] for name in functions} | {"shared"}
    return sorted(own & {name.partition(".")[0] for name in vendored})
