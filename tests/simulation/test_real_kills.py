"""Function processes that are really killed lose nothing, over sockets, beside a real load."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.kills import Asked, impatient, try_to_lose

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="function processes are found in Linux's /proc")
def test_killed_functions_lose_nothing() -> None:
    """After dozens of SIGKILLs each URL was refreshed after its last change, edges serve it, and nothing waits."""
    found = try_to_lose(Asked(seed=1))
    print(found)  # noqa: T201 - shown where the test fails
    assert ([], [], []) == (found.urls_lost, found.urls_stale, found.left_over)
    assert 201 == found.uploads + found.deletes
    assert found.kills >= 10
    assert found.invocations_killed >= 5


def test_only_patience_differs_from_the_deployed_template() -> None:
    """What is killed is what is deployed, but for time limits, the timer's distance and the number of retries."""
    plain = (ROOT / "template.yml").read_text(encoding="utf-8")
    before, after = yaml.safe_load(plain), yaml.safe_load(impatient(plain))
    assert before["resources"].keys() == after["resources"].keys()
    for name, resource in before["resources"].items():
        assert resource["props"]["handler"] == after["resources"][name]["props"]["handler"]
