"""URLs in; the folders that they lie in, with names, out: those of each domain in one another, the outer ones first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from shared.core.cover.search import NONE, Folder


def folders_of(
    urls: Iterable[str], others: Mapping[str, int] | None = None, whole: Collection[str] = ()
) -> tuple[list[str], list[Folder]]:
    """Name the folders of URLs (`https://host/a/`), and count what lies in each.

    `others` counts objects that have not changed, by folder; `whole` names the domains that may be refreshed whole.
    """
    changed = Counter(url[: url.partition("?")[0].rfind("/") + 1] for url in urls)
    others = others or {}
    numbers: dict[str, int] = {}
    names: list[str] = []
    parents: list[int] = []

    def number_of(name: str) -> int:
        found = numbers.get(name)
        if found is not None:
            return found
        outer = name[: name.rfind("/", 0, -1) + 1]
        parent = NONE if outer.endswith("//") else number_of(outer)
        numbers[name] = len(names)
        names.append(name)
        parents.append(parent)
        return numbers[name]

    for name in (*changed, *others):
        number_of(name)
    made = [
        Folder(parent, changed.get(name, 0), others.get(name, 0), parent != NONE or name.split("/")[2] in whole)
        for name, parent in zip(names, parents, strict=True)
    ]
    return names, made
