"""A machine's clock against OSS's: right clocks stay as they are, wrong ones are moved to where OSS can have been."""

from __future__ import annotations

import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.clock import OssClock, SigningClock, date_of

seconds = st.floats(0, 5)
errors = st.floats(-1e6, 1e6)


class Machine:
    """A machine whose clock is wrong by a fixed error, and requests that take their time."""

    def __init__(self, error: float) -> None:
        self.true = 1_790_000_000.0
        self.clock = OssClock(lambda: self.true + error)

    def request(self, there: float, back: float) -> None:
        """Make a request; OSS answers with its time in whole seconds."""
        sent = self.clock.own()
        self.true += there
        date = math.floor(self.true)
        self.true += back
        self.clock.hear(date, sent, self.clock.own())


@given(st.lists(st.tuples(seconds, seconds), max_size=10))
def test_a_right_clock_stays_as_it_is(trips: list[tuple[float, float]]) -> None:
    """Whole seconds and slow replies move no clock that is right."""
    machine = Machine(0.0)
    for there, back in trips:
        machine.request(there, back)
    assert machine.clock.now() == machine.true


@given(errors, seconds, seconds)
def test_a_wrong_clock_is_put_right_by_one_reply(error: float, there: float, back: float) -> None:
    """After one reply the clock is wrong by no more than the whole second and the time that the reply took."""
    machine = Machine(error)
    machine.request(there, back)
    assert abs(machine.clock.now() - machine.true) <= 1 + there + back + 1e-3


@given(errors, st.lists(st.tuples(seconds, seconds), min_size=1, max_size=10))
def test_further_replies_only_bring_it_nearer(error: float, trips: list[tuple[float, float]]) -> None:
    """No reply makes a clock worse than the one before left it."""
    machine = Machine(error)
    wrong = abs(error)
    for there, back in trips:
        machine.request(there, back)
        now_wrong = abs(machine.clock.now() - machine.true)
        assert now_wrong <= wrong + 1e-3
        wrong = now_wrong


def date(moment: float) -> dict[str, str]:
    """The header by which a service tells its time."""
    return {"Date": formatdate(moment, usegmt=True)}


def test_a_signing_clock_is_the_machines_until_a_service_refuses_it() -> None:
    """Then it is that service's, and goes on with the machine's."""
    machine = [1_790_000_000.0]
    clock = SigningClock(lambda: machine[0])
    assert 1_790_000_000.0 == clock.now()
    assert clock.follow(date(1_790_007_200.0))
    machine[0] += 60
    assert 1_790_007_260.0 == clock.now()


def test_a_signing_clock_that_agrees_is_not_the_reason() -> None:
    """Signing again by the same time would be refused again."""
    clock = SigningClock(lambda: 1_790_000_000.0)
    assert not clock.follow(date(1_790_000_050.0))
    assert clock.follow(date(1_789_000_000.0))
    assert not clock.follow(date(1_789_000_000.0))


@pytest.mark.parametrize("headers", [{}, {"date": ""}, {"date": "soon"}, {"Date": "Fri, 99 Jan 2026 03:04:06 GMT"}])
def test_a_reply_without_a_date_moves_no_clock(headers: dict[str, str]) -> None:
    """What cannot be read tells nothing."""
    clock = SigningClock(lambda: 5.0)
    assert (False, None, 5.0) == (clock.follow(headers), date_of(headers), clock.now())
