"""The folder of a code package in; its site files are checked and compiled by its own code. Prints warnings.

It runs alone, as the functions will: nothing but the package and the standard library is imported. Ends with status 1
and every fault where a file is wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

FORMS = ("*.yml", "*.yaml")


def main(code: Path) -> int:
    """Compile each site file of a package."""
    sys.path.insert(0, str(code))
    from shared.core.checked import Invalid  # noqa: PLC0415 - of the package, which has just become importable
    from shared.core.site.compiled import SUFFIX, compiled  # noqa: PLC0415 - the same
    from shared.core.site.doubts import warnings_of  # noqa: PLC0415 - the same
    from shared.core.site.sitefile import read_sites  # noqa: PLC0415 - the same

    faults: list[str] = []
    for path in sorted(path for form in FORMS for path in code.glob(form)):
        name = f"functions/{path.name}"
        text = path.read_bytes()
        try:
            sites = read_sites(text, name)
        except Invalid as error:
            faults += [f"{name}: {fault}" for fault in error.faults]
        else:
            path.with_name(path.name + SUFFIX).write_bytes(compiled(text, sites))
            for warning in warnings_of(sites):
                print(f"{name}: {warning}")
    if faults:
        print("the site file cannot work:\n  " + "\n  ".join(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
