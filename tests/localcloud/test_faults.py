"""Faults: that each kind does what its name says, that scripts are obeyed and that seeds replay."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable

import pytest

from scripts.localcloud.faults import KINDS, Faults
from scripts.localcloud.web import Request, Response, Service

REQUEST = Request("POST", "cdn.aliyuncs.com", "/")


class Counting:
    """A service that counts what took effect on it."""

    def __init__(self) -> None:
        self.effects = 0

    def handle(self, _request: Request) -> Response:
        """Take effect once more."""
        self.effects += 1
        return Response(200, body=b"done")

    def fault_response(self, kind: str, _request: Request) -> Response:
        """Refuse in words of its own."""
        return Response(429 if kind == "throttle" else 503, body=kind.encode())


def chance(seed: int) -> random.Random:
    """A source of chance that a seed repeats."""
    return random.Random(seed)


def answer(handle: Service, request: Request = REQUEST) -> Response:
    """Call a service that answers at once."""
    response = handle(request)
    assert isinstance(response, Response)
    return response


@pytest.mark.parametrize(
    ("kind", "effects", "status", "lost", "delay"),
    [
        ("throttle", 0, 429, False, 0.0),
        ("server_error", 0, 503, False, 0.0),
        ("refused", 0, 200, True, 0.0),
        ("slow", 1, 200, False, 7.0),
        ("lost", 1, 200, True, 0.0),
    ],
)
def test_each_kind_does_what_its_name_says(
    kind: str,
    effects: int,
    status: int,
    lost: bool,  # noqa: FBT001 - a column of the table
    delay: float,
) -> None:
    """Before or after the effect, with or without a reply: each kind in its own way, once."""
    service, faults = Counting(), Faults(chance(1), slow_seconds=7.0)
    handle = faults.wrap("cdn", service.handle, service.fault_response)
    faults.next("cdn", kind)
    first = answer(handle)
    assert (service.effects, first.status, first.lost, first.delay_seconds) == (effects, status, lost, delay)
    assert answer(handle) == Response(200, body=b"done")
    assert faults.counts == {f"cdn.{kind}": 1}


def test_a_script_waits_for_the_request_it_matches() -> None:
    """A scripted fault spares other requests and other services, and ends after its times."""
    service, faults = Counting(), Faults(chance(1))
    handle = faults.wrap("oss", service.handle, service.fault_response)
    faults.next("cdn", "lost")
    faults.next("oss", "lost", times=2, match=lambda request: request.method == "PUT")
    methods = ["GET", "PUT", "PUT", "PUT"]
    assert [answer(handle, Request(each, "h", "/k")).lost for each in methods] == [False, True, True, False]


def test_rates_are_met_and_a_seed_replays() -> None:
    """Each kind comes about as often as its rate, and the same seed gives the same faults."""
    rates = {
        "cdn.throttle": 0.1,
        "cdn.server_error": 0.1,
        "cdn.refused": 0.1,
        "cdn.slow": 0.1,
        "cdn.lost": 0.1,
    }

    def run(seed: int) -> tuple[list[Response], Faults]:
        service, faults = Counting(), Faults(chance(seed), rates)
        handle = faults.wrap("cdn", service.handle, service.fault_response)
        return [answer(handle) for _ in range(2000)], faults

    replies, faults = run(5)
    assert run(5)[0] == replies
    assert run(6)[0] != replies
    assert all(150 < faults.counts[f"cdn.{kind}"] < 250 for kind in KINDS)


def test_after_a_stop_nothing_goes_wrong() -> None:
    """Stopping ends rates and scripts alike, but replies go on taking their time."""
    service = Counting()
    faults = Faults(chance(1), {"cdn.lost": 1.0}, latencies={"cdn": 0.08})
    handle = faults.wrap("cdn", service.handle, service.fault_response)
    faults.next("cdn", "refused")
    assert answer(handle).lost
    faults.stop()
    assert (answer(handle).lost, answer(handle).delay_seconds) == (False, 0.08)


def test_a_service_that_answers_later_fails_later() -> None:
    """The reply of a service that has to be awaited is delayed and lost like any other."""
    faults = Faults(chance(1), latencies={"fc": 0.5})

    async def invoke(_request: Request) -> Response:
        return Response(202, delay_seconds=0.25)

    handle = faults.wrap("fc", invoke, Counting().fault_response)
    faults.next("fc", "lost")

    async def run() -> Response:
        pending = handle(REQUEST)
        assert isinstance(pending, Awaitable)
        return await pending

    assert asyncio.run(run()) == Response(202, delay_seconds=0.75, lost=True)


def test_wrong_rates_are_all_named() -> None:
    """One error lists every rate that cannot be, in words."""
    with pytest.raises(ValueError, match="no fault") as wrong:
        Faults(chance(1), {"cdn.late": 0.1, "oss.lost": 1.5, "sls.slow": 0.6, "sls.lost": 0.6})
    assert [line.split(" ")[0] for line in str(wrong.value).splitlines()] == [
        "cdn.late",
        "oss.lost=1.5",
        "The",
        "The",
    ]
    with pytest.raises(ValueError, match="no kind of fault"):
        Faults(chance(1)).next("cdn", "late")
