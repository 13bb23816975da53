"""The worst that a decision can do: hold back everything for one thing. Played through the whole flow."""

from __future__ import annotations

from scripts.localcloud.web import Request
from tests.flow.world import World


def holds_poison(request: Request) -> bool:
    """Whether a call of the CDN holds the URL that it cannot digest."""
    return b"poison" in request.body


def test_one_upload_that_the_cdn_cannot_digest_does_not_hold_back_all_others() -> None:
    """It came in a quiet moment, so nothing else went meanwhile; what is uploaded later goes within minutes."""
    world = World()
    world.refuse("InternalError", holds_poison)
    world.deliver(world.put("poison.css"))
    world.minutes(5)
    for number in range(10):
        world.deliver(world.put(f"{number}.css"))
        world.minutes(1)
    assert {f"https://static.example.com/{number}.css" for number in range(5)} <= set(world.submitted_urls())
