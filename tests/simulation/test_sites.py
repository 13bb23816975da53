"""The oracle's reading of a site file, and the functions': written apart, from the meaning of the same words."""

from __future__ import annotations

from random import Random

import pytest

from scripts.simulation import scenario
from scripts.simulation.sites import site_file, wants
from shared.cloud.provider.facts import ALIBABA_CDN
from shared.core.site.sitefile import read_sites
from shared.core.site.urls import tasks_of
from shared.core.task.model import Action, Kind, ObjectChange, Task

ACTIONS = ("created", "new", "removed")
KEYS = 20


def change(key: str, action: str) -> ObjectChange:
    """Make a change of an object of five bytes."""
    what = Action.REMOVED if action == "removed" else Action.CREATED
    return ObjectChange("event", what, "", "content", key, "E", 5, 5 if action == "new" else 2, 7.0)


def asked(task: Task) -> tuple[str, str, str, bool, str]:
    """Tell what a task asks for, in the words of the oracle."""
    target = task.target
    form = "preload" if target.kind is Kind.PREFETCH else target.form.value.replace("-", "")
    return (target.kind.value, form, target.url, task.then_prefetch, task.or_directory)


@pytest.mark.parametrize("seed", range(25))
def test_both_readings_agree(seed: int) -> None:
    """Of sites with rules as they are drawn, of keys with odd names, whatever happens to these."""
    sites = scenario._sites(Random(seed), Random(f"more {seed}"))  # noqa: SLF001 - what a seed draws
    read = read_sites(site_file(sites, "content"))
    for key in scenario._keys(Random(seed), sites, KEYS):  # noqa: SLF001 - what a seed draws
        for action in ACTIONS:
            tasks, _ = tasks_of(change(key, action), read, ALIBABA_CDN)
            expected = {
                (want.kind, want.form, want.url, want.follow, want.instead) for want in wants(sites, key, action)
            }
            assert expected == set(map(asked, tasks))
