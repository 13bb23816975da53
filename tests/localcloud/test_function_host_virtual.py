"""The function host on a virtual clock, with handlers in this process: what runs when, and how often."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from scripts.localcloud.clock import VirtualClock
from scripts.localcloud.fc.host import FunctionHost, HostOptions
from scripts.localcloud.fc.run import CallableRunner, Credentials, Handler, Killed, Outcome
from scripts.localcloud.fc.schedule import parse_schedule
from scripts.localcloud.fc.template import FunctionSpec
from scripts.localcloud.fc.triggers import CdnTrigger, OssTrigger, TimerTrigger

START = 1_767_225_600.0  # 2026-01-01 00:00:00 UTC
KEYS = {"LTAI-local": "local-secret"}
PUT = "ObjectCreated:PutObject"


def _host(
    clock: VirtualClock, spec: FunctionSpec, handler: Handler, *, instances: int = 100, **options: Any
) -> FunctionHost:
    return FunctionHost(
        clock,
        keys=KEYS,
        account_id="1234567890123456",
        region="cn-hangzhou",
        service="refresh",
        functions=[spec],
        runner=CallableRunner(clock, {spec.name: handler}, instances=instances),
        rng=Random(1),
        options=HostOptions(**options),
    )


def _change(key: str, name: str = PUT, bucket: str = "site") -> dict[str, Any]:
    return {"eventName": name, "oss": {"bucket": {"name": bucket}, "object": {"key": key}}}


def _keys(seen: list[bytes]) -> list[str]:
    return [event["oss"]["object"]["key"] for payload in seen for event in json.loads(payload)["events"]]


def _spec(*triggers: OssTrigger | TimerTrigger | CdnTrigger, **fields: Any) -> FunctionSpec:
    return FunctionSpec("f", "index.handler", triggers=triggers, **fields)


def _collect(seen: list[bytes]) -> Handler:
    return lambda event, _context: seen.append(event)


def test_only_matching_changes_are_delivered_and_never_inside_the_put() -> None:
    """Bucket, event, prefix and suffix decide; delivery waits for the clock, and leaves out other events."""
    seen: list[bytes] = []
    clock = VirtualClock(START)
    trigger = OssTrigger("t", "site", ("ObjectCreated:*",), "www/", ".html")
    host = _host(clock, _spec(trigger), _collect(seen))

    host.deliver_oss({"events": [_change("www/ä.html"), _change("www/a.css")]})
    host.deliver_oss({"events": [_change("www/b.html", bucket="other")]})
    host.deliver_oss({"events": [_change("www/c.html", "ObjectRemoved:DeleteObject")]})
    host.deliver_oss({"events": [_change("d.html")]})

    assert (seen, host.pending()) == ([], 1)
    clock.advance(0)
    assert _keys(seen) == ["www/ä.html"]
    assert "ä".encode() in seen[0]
    assert host.pending() == 0
    assert [(one.function, one.cause, one.outcome) for one in host.invocations] == [("f", "t", Outcome.OK)]


def test_cdn_events_match_by_name_and_domain() -> None:
    """A CDN trigger sees its own event of its own domains only."""
    seen: list[bytes] = []
    clock = VirtualClock(START)
    host = _host(clock, _spec(CdnTrigger("t", "CachedObjectsRefreshed", ("a.example.com",))), _collect(seen))

    for name, domain in [
        ("CachedObjectsRefreshed", "a.example.com"),
        ("CachedObjectsRefreshed", "b.example.com"),
        ("CachedObjectsPushed", "a.example.com"),
    ]:
        host.deliver_cdn({"events": [{"eventName": name, "resource": {"domain": domain}}]})
    clock.advance(1)

    assert [json.loads(event)["events"][0]["resource"]["domain"] for event in seen] == ["a.example.com"]


def test_timers_ring_on_virtual_time_with_the_platform_payload() -> None:
    """Each ring of the schedule calls the function once; a disabled timer never does."""
    seen: list[bytes] = []
    clock = VirtualClock(START)
    on = TimerTrigger("on", parse_schedule("0 */5 * * * *"), "drain")
    off = TimerTrigger("off", parse_schedule("0 * * * * *"), "never", enabled=False)
    _host(clock, _spec(on, off), _collect(seen))

    clock.advance(900)

    assert [json.loads(event) for event in seen] == [
        {"triggerTime": f"2026-01-01T00:{minute}:00Z", "triggerName": "on", "payload": "drain"}
        for minute in ("05", "10", "15")
    ]


def test_three_days_of_timers_take_no_real_time() -> None:
    """A timer of every minute rings 4,320 times in three virtual days."""
    seen: list[bytes] = []
    clock = VirtualClock(START)
    _host(clock, _spec(TimerTrigger("t", parse_schedule("@every 1m"))), _collect(seen))

    clock.advance(3 * 86400)

    assert len(seen) == 4320


def test_an_error_is_retried_with_growing_delays_and_one_request_id() -> None:
    """An asynchronous event that always fails runs once and then as often as its settings allow."""
    clock = VirtualClock(START)
    times: list[float] = []

    def fail(_event: bytes, _context: Any) -> None:
        times.append(clock.now() - START)
        raise ValueError("no")

    host = _host(clock, _spec(retries_max=3), fail, retry_delays_seconds=(1.0, 2.0))
    request_id = host.invoke_async("f", b"{}")
    clock.advance(100)

    assert times == [0, 1, 3, 5]
    assert [one.attempt for one in host.invocations] == [1, 2, 3, 4]
    assert {one.request_id for one in host.invocations} == {request_id}
    assert {(one.outcome, one.error) for one in host.invocations} == {(Outcome.ERROR, "no")}
    assert host.pending() == 0


def test_an_event_past_its_age_is_not_retried() -> None:
    """A retry that would come after the age limit is recorded as expired instead."""
    clock = VirtualClock(START)

    def fail(_event: bytes, _context: Any) -> None:
        raise ValueError

    host = _host(clock, _spec(event_age_seconds_max=10), fail, retry_delays_seconds=(8.0,))
    host.invoke_async("f", b"")
    clock.advance(100)

    assert [one.outcome for one in host.invocations] == [Outcome.ERROR, Outcome.ERROR, Outcome.EXPIRED]


@pytest.mark.parametrize(
    ("ending", "outcome", "cold"),
    [
        (lambda _clock: None, Outcome.OK, False),
        (lambda clock: clock.advance(3), Outcome.OK, False),
        (lambda clock: clock.advance(4), Outcome.TIMEOUT, True),
    ],
)
def test_a_handler_that_passes_its_time_limit_times_out(
    ending: Callable[[VirtualClock], None], outcome: Outcome, *, cold: bool
) -> None:
    """Virtual time counts against the limit, and an instance that timed out is not used again."""
    clock = VirtualClock(START)
    host = _host(clock, _spec(timeout_seconds=3, retries_max=0), lambda _event, _context: ending(clock))
    for _ in range(2):
        host.invoke_async("f", b"")
        clock.advance(10)

    assert [(one.outcome, one.cold) for one in host.invocations] == [(outcome, True), (outcome, cold)]


def test_a_killed_handler_is_a_crash_and_is_retried() -> None:
    """`Killed` passes every `except Exception` of the handler, ends the invocation, and the event runs again."""
    clock = VirtualClock(START)
    lives = iter([False, True])

    def kill() -> None:
        raise Killed

    def die_once(_event: bytes, _context: Any) -> str:
        try:
            if not next(lives):
                kill()
        except Exception:  # noqa: BLE001 - the point: this must not see a kill
            return "caught"
        return "alive"

    host = _host(clock, _spec(), die_once)
    host.invoke_async("f", b"")
    clock.advance(10)

    assert [one.outcome for one in host.invocations] == [Outcome.EXITED, Outcome.OK]
    assert host.invocations[0].error == "Process exited unexpectedly before completing request"


def test_calls_that_fall_due_inside_a_call_run_beside_it_up_to_the_cap() -> None:
    """While one handler waits, others start, until the instances are used up; the rest queue and all run."""
    clock = VirtualClock(START)
    running, most, order = 0, 0, []

    def work(event: bytes, _context: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        clock.advance(1)
        running -= 1
        order.append(event)

    host = _host(clock, _spec(reserved_concurrency=2), work)
    for number in range(2000):
        host.invoke_async("f", str(number).encode())
    clock.advance(3000)

    assert (most, len(order), host.pending()) == (2, 2000, 0)


def test_duplicates_and_reordering_come_from_the_seed() -> None:
    """The same seed delivers the same events, twice and out of order; another seed differs."""

    def run(seed: int) -> list[str]:
        seen: list[bytes] = []
        clock = VirtualClock(START)
        spec = _spec(OssTrigger("t", "site", (PUT,)))
        host = FunctionHost(
            clock,
            keys=KEYS,
            account_id="1",
            region="cn-hangzhou",
            service="s",
            functions=[spec],
            runner=CallableRunner(clock, {"f": _collect(seen)}),
            rng=Random(seed),
            options=HostOptions(duplicate_rate=0.3, delay_seconds=(0, 60)),
        )
        for number in range(50):
            host.deliver_oss({"events": [_change(f"{number:02}")]})
        clock.advance(60)
        return _keys(seen)

    first = run(7)
    assert first == run(7)
    assert first != run(8)
    assert sorted(set(first)) == [f"{number:02}" for number in range(50)]
    assert 55 < len(first) < 80
    assert first != sorted(first)


@pytest.mark.parametrize("runtime", ["python3.10", "python3.12"])
def test_the_context_carries_current_keys_in_process(runtime: str) -> None:
    """Keys are asked for at each invocation, and stand on the context whatever the runtime."""
    clock = VirtualClock(START)
    seen: list[Any] = []
    tokens = iter("ab")
    host = _host(
        clock,
        _spec(runtime=runtime, timeout_seconds=9),
        lambda _event, context: seen.append(context),
        credentials=lambda: Credentials("id", "secret", next(tokens)),
    )
    for _ in range(2):
        host.invoke_async("f", b"")
    clock.advance(1)

    assert [context.credentials.security_token for context in seen] == ["a", "b"]
    assert (seen[0].account_id, seen[0].region) == ("1234567890123456", "cn-hangzhou")
    assert (seen[0].function.name, seen[0].function.timeout) == ("f", 9)
    assert hasattr(seen[0], "service") == (runtime == "python3.10")
    assert seen[0].request_id == host.invocations[0].request_id


def test_an_initializer_runs_once_per_instance() -> None:
    """The initializer runs before the first event of an instance, and again only after one was lost."""
    clock = VirtualClock(START)
    log: list[str] = []

    def handler(event: bytes, _context: Any) -> None:
        log.append(event.decode())
        if event == b"die":
            raise Killed

    spec = _spec(initializer="index.initialize", retries_max=0)
    host = FunctionHost(
        clock,
        keys=KEYS,
        account_id="1",
        region="r",
        service="s",
        functions=[spec],
        runner=CallableRunner(clock, {"f": handler}, {"f": lambda _context: log.append("init")}),
        rng=Random(1),
    )
    for event in (b"1", b"2", b"die", b"3"):
        host.invoke_async("f", event)
    clock.advance(1)

    assert log == ["init", "1", "2", "die", "init", "3"]
