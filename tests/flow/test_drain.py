"""What the drain does when the CDN, the log store or another drain gets in the way."""

from __future__ import annotations

import pytest

from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from scripts.localcloud.web import Request
from tests.flow.world import SITES, World

PLENTY = Limits(urls_per_minute_per_domain=10_000)
TWO_OWN = Options(domains=("static.example.com", "img.example.com"))
TWO_DOMAINS = """
sites:
  - bucket: content
    domains: [static.example.com, not-ours.example.org]
"""


def test_a_burst_goes_out_in_full_calls() -> None:
    """Two and a half thousand URLs that wait together become three calls."""
    world = World(env={"URLS_PER_MINUTE_PER_DOMAIN": "10000"}, options=Options(limits=PLENTY))
    world.deliver([world.put(f"{number}.html") for number in range(2500)])
    assert [1000, 1000, 500] == [call.urls for call in world.refresh_calls()]
    assert world.spool("waiting/") == []


def test_equal_urls_are_sent_once() -> None:
    """Fifty writes of one object that wait together cost one unit, and each has its outcome."""
    world = World()
    world.cloud.faults.next("oss", "refused", times=10**9, match=lambda request: "lease" in request.query)
    for number in range(50):
        world.deliver(world.put("hot.html", b"%d" % number))
    world.cloud.faults.stop()
    world.tick()
    assert world.submitted_urls() == ["https://static.example.com/hot.html"]
    assert {"accepted": 1, "superseded": 49} == {
        name: count for name, count in world.results().items() if name in {"accepted", "superseded"}
    }


def test_a_foreign_domain_ends_in_dead_and_the_others_go() -> None:
    """A domain that is not the account's is given up with the API's reason; its neighbours are refreshed."""
    world = World(TWO_DOMAINS)
    world.deliver(world.put("a.html"))
    assert world.submitted_urls() == ["https://static.example.com/a.html"]
    (dead,) = world.pieces()
    assert dead["reason"].startswith("InvalidDomain.NotFound")
    assert dead["task"]["target"]["url"] == "https://not-ours.example.org/a.html"
    assert world.spool("waiting/") == []


def test_a_wrong_secret_keeps_tasks_waiting_and_says_so() -> None:
    """Refused credentials lose nothing: the task waits, the log says who must act, and it goes out later."""
    world = World()
    event = world.put("a.html")
    role = world.cloud.role
    world.cloud.keys[role.access_key_id] = "another secret"
    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        world.deliver(event)
    world.cloud.keys[role.access_key_id] = role.access_key_secret
    world.deliver(event)
    assert world.submitted_urls() == ["https://static.example.com/a.html"]


def test_a_missing_permission_keeps_tasks_waiting() -> None:
    """When the CDN refuses the account, tasks wait in the spool with the reason and go once it is mended."""
    world = World()
    world.cloud.cdn.expired_tokens.add(world.cloud.role.security_token)
    world.deliver(world.put("a.html"))
    assert len(world.spool("waiting/")) == 1
    (alarm,) = world.alarms()
    assert alarm.startswith("the CDN refuses this account's calls")
    world.cloud.cdn.expired_tokens.clear()
    world.clock.advance(61)
    world.tick()
    assert world.submitted_urls() == ["https://static.example.com/a.html"]


def test_the_day_s_quota_defers_to_the_reset() -> None:
    """What the day's quota does not leave waits for 00:00 UTC+8 and goes then."""
    world = World(options=Options(limits=Limits(url_refreshes_per_day=2)), env={"RESERVE_PERCENT": "0"})
    for number in range(5):
        world.deliver(world.put(f"{number}.html"))
    assert len(world.submitted_urls()) == 2
    assert len(world.spool("waiting/")) == 3
    world.tick()
    assert len(world.submitted_urls()) == 2
    world.clock.advance(86_400)
    world.tick()
    assert len(world.submitted_urls()) == 4
    world.clock.advance(86_400)
    world.tick()
    assert sorted(world.submitted_urls()) == [f"https://static.example.com/{number}.html" for number in range(5)]


def test_removals_may_use_the_reserve() -> None:
    """The reserve is kept from ordinary uploads, and a takedown may use it."""
    world = World(options=Options(limits=Limits(url_refreshes_per_day=10)), env={"RESERVE_PERCENT": "20"})
    for number in range(10):
        world.deliver(world.put(f"{number}.html"))
    assert len(world.submitted_urls()) == 8
    world.deliver(world.remove("9.html"))
    assert world.submitted_urls()[-1] == "https://static.example.com/9.html"


def test_the_minute_s_limit_defers_to_the_next_minute() -> None:
    """URLs over the limit per minute and domain wait for the next minutes, and no call is refused for it."""
    world = World(
        options=Options(limits=Limits(urls_per_minute_per_domain=10)), env={"URLS_PER_MINUTE_PER_DOMAIN": "10"}
    )
    world.clock.advance_to(world.clock.now() // 60 * 60 + 60)
    for number in range(25):
        world.deliver(world.put(f"{number}.html"))
    assert len(world.submitted_urls()) == 10
    for _ in range(3):
        world.clock.advance(61)
        world.tick()
    assert len(world.submitted_urls()) == 25
    assert {"OK"} == {call.code for call in world.refresh_calls()}


def test_a_new_change_takes_along_what_waits_of_its_url() -> None:
    """A removal that may use the reserve covers the overwrite that waits for tomorrow: one unit for both."""
    world = World(options=Options(limits=Limits(url_refreshes_per_day=10)), env={"RESERVE_PERCENT": "20"})
    for number in range(10):
        world.deliver(world.put(f"{number}.html"))
    assert len(world.spool("waiting/")) == 2
    world.deliver(world.remove("9.html"))
    assert len(world.spool("waiting/")) == 1
    world.clock.advance(86_400)
    world.tick()
    assert [f"https://static.example.com/{number}.html" for number in (*range(8), 9, 8)] == world.submitted_urls()
    superseded = [record for record in world.outcomes() if record["result"] == "superseded"]
    assert ["https://static.example.com/9.html"] == [record["url"] for record in superseded]


def test_an_event_that_comes_again_costs_nothing_while_its_call_is_followed() -> None:
    """Events that were submitted together, the older covered by the newer, are both known when they come again."""
    world = World()
    world.deliver(world.put("warm.html"))
    first, second = world.put("a.html", b"1"), world.put("a.html", b"2")
    taken = world.instance.spool.take("drain", "somebody")
    assert taken is not None
    world.deliver(first)
    world.deliver(second)
    world.instance.spool.release(taken, taken.books)
    world.tick()
    world.clock.advance(30)
    for again in (first, second):
        world.deliver(again)
    url = "https://static.example.com/a.html"
    assert [url] == world.submitted_urls()[1:]
    assert [] == world.spool("waiting/")
    world.deliver(world.put("a.html", b"3"))
    assert [url, url] == world.submitted_urls()[1:]
    assert {"accepted": 3, "superseded": 3} == _steps(world)


def test_the_log_store_down_stops_no_task() -> None:
    """Outcomes wait in the spool while the log store is down, and are written once it answers, in order."""
    world = World()
    world.cloud.faults.next("sls", "server_error", times=99)
    world.deliver(world.put("1.html"))
    world.clock.advance(1)
    world.deliver(world.put("2.html"))
    assert len(world.submitted_urls()) == 2
    assert len(world.spool("kept/")) == 2
    world.clock.advance(1)
    world.deliver(world.put("3.html"))
    world.cloud.faults.stop()
    world.tick()
    assert world.spool("kept/") == []
    keys = [record["key"] for record in world.outcomes() if record["result"] == "accepted"]
    assert ["1.html", "2.html", "3.html"] == keys


def test_two_drains_at_once_lose_nothing() -> None:
    """A second instance that drains in the middle of the first's call leaves every URL covered."""
    world = World()
    other = world.new_instance()
    second: list[object] = []

    def meanwhile(service: str, _request: object) -> None:
        if service == "cdn" and not second:
            second.append(world.put("b.html"))
            second.append(world.deliver(second[0], other))

    world.after = meanwhile
    world.deliver(world.put("a.html"))
    assert second[1]["drain"] == "left to the holder of the lease"  # type: ignore[index]
    assert sorted(world.submitted_urls()) == ["https://static.example.com/a.html", "https://static.example.com/b.html"]
    assert world.spool("waiting/") == []


def test_an_expired_lease_is_taken_over() -> None:
    """A holder that died is followed by another once its lease has run out, not before."""
    world = World()
    world.deliver(world.put("warm.html"))
    assert world.instance.spool.take("drain", "somebody who dies") is not None
    assert world.deliver(world.put("a.html"))["drain"] == "left to the holder of the lease"
    world.clock.advance(121)
    assert world.tick()["accepted"] == 1


def test_a_lost_answer_is_looked_up_before_anything_is_sent_again() -> None:
    """Accepted but never answered: the task list is asked, and the unit is not spent twice."""
    world = World()
    world.cloud.faults.next("cdn", "lost", times=1, match=_refresh)
    summary = world.deliver(world.put("a.html"))
    assert summary["uncertain"] == 1
    world.tick()
    assert world.submitted_urls() == ["https://static.example.com/a.html"]
    assert world.spool("waiting/") + world.spool("submitting/") == []
    assert len(world.spool("accepted/")) == 1
    assert {"uncertain": 1, "accepted": 1} == _steps(world)


def test_a_call_that_never_arrived_is_sent_again() -> None:
    """Not accepted and not answered: after the time in which rows appear, the URLs are sent again, once."""
    world = World()
    world.cloud.faults.next("cdn", "refused", times=1, match=_refresh)
    asked: list[tuple[float, str]] = []
    world.after = lambda _service, request: asked.append((world.clock.now(), request.header("x-acs-action")))
    world.deliver(world.put("a.html"))
    world.tick()
    assert world.submitted_urls() == ["https://static.example.com/a.html"]
    assert world.spool("waiting/") + world.spool("submitting/") == []
    first, second = [at for at, action in asked if action == "RefreshObjectCaches"]
    looks = [at for at, action in asked if action == "DescribeRefreshTasks"]
    assert 15 <= second - first <= 60
    assert len([at for at in looks if first + 15 <= at <= second]) == 2


def test_an_earlier_refresh_is_not_taken_for_a_lost_one() -> None:
    """A hot URL refreshed in the same second does not make a lost call look accepted."""
    world = World()
    world.deliver(world.put("hot.html", b"1"))
    world.cloud.faults.next("cdn", "refused", times=1, match=_refresh)
    world.deliver(world.put("hot.html", b"2"))
    world.clock.advance(16)
    world.tick()
    assert len(world.submitted_urls()) == 2


def test_a_throttled_call_is_tried_again_in_place() -> None:
    """A short throttle costs a wait, not a deferral."""
    world = World()
    world.cloud.faults.next("cdn", "throttle", times=2, match=_refresh)
    assert world.deliver(world.put("a.html"))["accepted"] == 1


def test_one_bad_url_costs_at_most_eleven_more_calls() -> None:
    """Of a thousand URLs one can never go: the others are accepted in the same drain, the bad one is buried."""
    world = World(options=Options(limits=Limits(url_max_chars=60)))
    world.deliver([world.put("x" * 60 if number == 377 else f"{number}.html") for number in range(1000)])
    assert len(world.submitted_urls()) == 999
    assert len(world.refresh_calls()) <= 12
    assert len(world.spool("dead/")) == 1
    assert world.spool("waiting/") == []


def test_a_foreign_domain_costs_one_call_however_many_urls() -> None:
    """Once the API says that a domain is not the account's, its other URLs are given up without asking for each."""
    world = World("sites:\n  - bucket: content\n    domains: [not-ours.example.org]\n")
    world.deliver([world.put(f"{number}.html") for number in range(100)])
    assert 1 == len(world.refresh_calls())
    assert 100 == len(world.pieces())
    assert 1 == len(world.spool("dead/"))


def test_a_batch_that_is_too_large_is_halved_and_nothing_is_given_up() -> None:
    """An account whose calls take fewer URLs than documented gets smaller calls, and every URL is accepted."""
    world = World(options=Options(limits=Limits(urls_per_refresh_call=30)))
    world.deliver([world.put(f"{number}.html") for number in range(100)])
    assert 100 == len(set(world.submitted_urls()))
    assert [] == world.spool("dead/")


def test_a_domain_without_permission_holds_back_only_itself() -> None:
    """Where the role lacks permission for one of two domains, the other's URLs go and its own wait."""
    world = World("sites:\n  - bucket: content\n    domains: [static.example.com, img.example.com]\n", TWO_OWN)
    world.refuse("Forbidden.RAM", lambda request: b"img.example.com" in request.body)
    world.deliver(world.put("a.html"))
    assert ["https://static.example.com/a.html"] == world.submitted_urls()
    assert {"accepted": 1, "deferred": 1} == _steps(world)
    assert ["the CDN refuses calls for img.example.com"] == world.alarms()
    assert ["waiting/trouble+url+img.example.com"] == [key.rpartition("/")[0] for key in world.spool("waiting/")]


def test_a_stray_object_in_the_spool_stops_nothing() -> None:
    """A folder marker that a console left below the spool's prefixes is passed over."""
    world = World()
    for marker in (
        *("waiting/", "waiting/0-ready/", "waiting/notes.txt", "waiting/0-ready/notes.txt", "waiting/other/notes.txt"),
        *("submitting/", "submitting/notes.txt", "accepted/", "accepted/notes.txt", "submitted/", "unlogged/"),
        *("lease/", "lease/drain/", "lease/settle/notes.txt", "kept/", "events/", "dead/", "dead/notes.txt"),
    ):
        world.stray(marker, b"")
    assert world.deliver(world.put("a.html"))["accepted"] == 1
    world.tick()
    assert 1 == world.results()["accepted"]


def test_the_quota_is_read_once_for_many_drains() -> None:
    """Two drains soon after each other read the quota once, also in another instance."""
    world = World(SITES)
    world.deliver(world.put("1.html"))
    world.deliver(world.put("2.html"), world.new_instance())
    reads = [call for call in world.cloud.cdn.calls if call.operation == "DescribeRefreshQuota"]
    assert len(reads) == 1


def _steps(world: World) -> dict[str, int]:
    """Count what the outcome log tells of tasks."""
    return {name: count for name, count in world.results().items() if name not in {"report", "round"}}


def _refresh(request: Request) -> bool:
    return request.header("x-acs-action") == "RefreshObjectCaches"
