"""What went well before and goes once more, ahead of what is suspected: it tells whether the CDN works."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.plan.books import ACCOUNT, SERVICE, Books, Good, Hold, minute_of
from shared.core.plan.limits import Limits
from shared.core.plan.planning import Plan
from shared.core.plan.planning import plan as plan_for
from shared.core.plan.retry import MEANWHILE_SECONDS
from shared.core.task.model import CONTROL, Form, Kind, Lane, Target, Task
from shared.core.task.waits import trouble_of
from tests.core.plan.plans import FREE, HOST, A, B, files, plan, urls
from tests.strategies import NOW, make_task


def went_well(
    target: Target, holds: dict[str, Hold] | None = None, *, at: float = NOW - 600, unit: str = "url"
) -> Books:
    """Make books by which a target was accepted, longer ago than what still is a witness."""
    return Books(good={unit: {target.domain: Good(at, target, "site")}}, holds=holds or {})


def suspect(path: str = "/bad", *, blamed: int = 0, host: str = HOST, **fields: Any) -> Task:
    """Make a task that has been in a call that came to nothing."""
    return msgspec.structs.replace(make_task(host + path, **fields), unknowns=1, blamed=blamed)


GOOD = make_task(f"{HOST}/good").target
IN_TROUBLE = {SERVICE: Hold(NOW, NOW - 60, 1)}


def check_control(made: Plan, target: Target, task: Task) -> None:
    """See that what went well goes first, in a call of its own, and then what is suspected."""
    control, probe = made.calls
    (sent,) = control.tasks
    assert (target, "site", Lane.MANUAL, True) == (sent.target, sent.site, sent.lane, control.is_probe)
    assert (CONTROL, CONTROL, NOW - 600) == (sent.cause.event_id, sent.cause.event_name, sent.cause.time)
    assert (task,) == probe.tasks


@pytest.mark.parametrize("slot", [SERVICE, ACCOUNT, trouble_of("url", A).slot])
def test_before_a_probe_that_failed_goes_what_went_well(slot: str) -> None:
    """Its answer tells whether the CDN works, and so whether the probe is to blame."""
    task = suspect()
    check_control(plan([task], went_well(GOOD, {slot: Hold(NOW, NOW - 60, 1)})), GOOD, task)


def test_what_was_blamed_goes_behind_a_control_where_nothing_else_would_tell() -> None:
    """Without any hold: else it is alone in its domain, and nobody knows whose trouble it is."""
    task = suspect(blamed=1)
    check_control(plan([task], went_well(GOOD)), GOOD, task)
    assert [[task.url]] == [urls(call) for call in plan([suspect()], went_well(GOOD)).calls]


@pytest.mark.parametrize(("age", "is_sent"), [(MEANWHILE_SECONDS + 0.1, True), (MEANWHILE_SECONDS, False)])
def test_what_went_well_just_now_need_not_go_again(age: float, *, is_sent: bool) -> None:
    """It is a witness already."""
    assert is_sent is (2 == len(plan([suspect(blamed=1)], went_well(GOOD, at=NOW - age)).calls))


@pytest.mark.parametrize(
    ("beside", "is_sent"),
    [
        (make_task(f"{HOST}/sound"), False),
        (suspect("/other"), True),
        (make_task(f"https://{B}/sound"), True),
        (make_task(f"{HOST}/d/", form=Form.DIRECTORY), True),
    ],
)
def test_what_goes_beside_what_was_blamed_is_its_control(beside: Task, *, is_sent: bool) -> None:
    """A sound target of its unit and domain tells as much, and costs nothing more."""
    calls = plan([suspect(blamed=1), beside], went_well(GOOD)).calls
    assert is_sent is any(task.cause.event_id == CONTROL for call in calls for task in call.tasks)


def test_what_is_sound_needs_no_control() -> None:
    """Its first failure is not held against it anyway."""
    assert [files(1)] == [[*call.tasks] for call in plan(files(1), went_well(GOOD, IN_TROUBLE)).calls]


@pytest.mark.parametrize(
    "books",
    [
        Books(holds=IN_TROUBLE),
        went_well(make_task(f"https://{B}/good").target, IN_TROUBLE),
        went_well(make_task(f"{HOST}/d/", form=Form.DIRECTORY).target, IN_TROUBLE, unit="directory"),
        went_well(suspect().target, IN_TROUBLE),
    ],
    ids=["nothing", "another domain", "another unit", "itself"],
)
def test_only_another_target_of_its_unit_and_domain_is_a_control(books: Books) -> None:
    """Where none is known, the probe goes alone."""
    assert [(suspect(),)] == [call.tasks for call in plan([suspect()], books).calls]


def test_a_control_is_in_no_prefetchs_way() -> None:
    """It would take away what was fetched, or fetch what is refreshed: then the probe goes alone."""
    task, prefetch = suspect(), suspect("/good", kind=Kind.PREFETCH)
    books = went_well(GOOD, IN_TROUBLE)
    for calls in (plan([task, prefetch], books).calls, plan([suspect(blamed=1), prefetch], went_well(GOOD)).calls):
        assert CONTROL not in {each.cause.event_id for call in calls for each in call.tasks}
    fetched = make_task(f"{HOST}/fetched", kind=Kind.PREFETCH).target
    alone = suspect(kind=Kind.PREFETCH)
    check_control(plan([alone], went_well(fetched, IN_TROUBLE, unit="prefetch")), fetched, alone)
    running = make_task(f"{HOST}/fetched")
    made = plan([alone], went_well(fetched, IN_TROUBLE, unit="prefetch"), refreshes=[running])
    assert [(alone,)] == [call.tasks for call in made.calls]


@pytest.mark.parametrize(
    "beside", [suspect("/other", kind=Kind.PREFETCH), suspect("/good")], ids=["a prefetch", "itself"]
)
def test_what_a_control_does_not_harm_does_not_stop_it(beside: Task) -> None:
    """A prefetch of another URL stays fetched, and a change of the same URL is refreshed all the same."""
    task = suspect(time=NOW - 9)
    check_control(plan([task, beside], went_well(GOOD, {SERVICE: Hold(NOW, NOW - 60)})), GOOD, task)


def test_one_control_goes_for_all_of_a_unit_and_domain() -> None:
    """Each plan's is a task of its own, since the one before it may have ended otherwise."""
    tasks = [suspect("/x", blamed=1), suspect("/y", blamed=2)]
    first, second = (plan(tasks, went_well(GOOD)).calls for _ in range(2))
    controls = [task for call in first for task in call.tasks if task.cause.event_id == CONTROL]
    assert 1 == len(controls)
    assert controls == [task for call in second for task in call.tasks if task.cause.event_id == CONTROL]
    later = plan(tasks, went_well(GOOD), now=NOW + 60).calls[0].tasks[0]
    assert (controls[0].target, controls[0].cause) == (later.target, later.cause)
    assert controls[0].id != later.id


def test_a_refresh_that_goes_as_a_control_says_which_prefetch_may_not() -> None:
    """Fetched beside its refresh a URL may be stale: refreshes have their turn first."""
    tasks = [suspect("/x", blamed=1), suspect("/y", kind=Kind.PREFETCH, blamed=1)]
    warm = msgspec.structs.replace(GOOD, kind=Kind.PREFETCH)
    books = Books(good={"url": {A: Good(NOW - 600, GOOD, "site")}, "prefetch": {A: Good(NOW - 600, warm, "site")}})
    calls = plan(tasks, books).calls
    assert [GOOD] == [task.target for call in calls for task in call.tasks if task.is_control]


def test_where_kinds_share_a_quota_one_control_goes() -> None:
    """What went well last is known by quota and domain, and asked once."""
    one = msgspec.structs.replace(CDN, shapes=tuple(msgspec.structs.replace(s, unit="all") for s in CDN.shapes))
    tasks = [suspect("/x", blamed=1), suspect("/y", kind=Kind.PREFETCH, blamed=1)]
    calls = plan_for(tasks, went_well(GOOD, unit="all"), FREE, one, NOW).calls
    assert [GOOD] == [task.target for call in calls for task in call.tasks if task.is_control]


def test_a_control_leaves_the_reserve_alone() -> None:
    """It is nobody's change: what only removals and people may use is not for it."""
    removal = suspect(blamed=1, lane=Lane.REMOVED)
    books = msgspec.structs.replace(went_well(GOOD), total={"url": 100}, remaining={"url": 5})
    assert [(removal,)] == [call.tasks for call in plan([removal], books, Limits(reserve_percent=5)).calls]


def test_a_target_is_blamed_for_each_of_its_tasks() -> None:
    """A change that comes later asks for the same URL, which is no better for it."""
    calls = plan([suspect(blamed=1, time=NOW - 9), make_task(suspect().url)], went_well(GOOD)).calls
    assert [GOOD] == [task.target for call in calls for task in call.tasks if task.is_control]


def test_where_the_day_leaves_nothing_no_control_goes() -> None:
    """What was blamed waits for the day, and what would tell of it with it; a held domain's control waits too."""
    none = msgspec.structs.replace(went_well(GOOD), total={"url": 9}, remaining={"url": 0})
    assert () == plan([suspect(blamed=1)], none).calls
    assert () == plan([suspect()], msgspec.structs.replace(none, holds=IN_TROUBLE)).calls
    held = went_well(GOOD, {trouble_of("url", A).slot: Hold(NOW + 1, NOW, 1)})
    assert () == plan([suspect(blamed=1)], held).calls


DOMAIN_IN_TROUBLE = {trouble_of("url", A).slot: Hold(NOW, NOW - 60, 1)}


@pytest.mark.parametrize("holds", [{}, IN_TROUBLE, DOMAIN_IN_TROUBLE], ids=["nothing", "everything", "the domain"])
def test_a_control_may_not_overspend(holds: dict[str, Hold]) -> None:
    """Where the day leaves a single unit, a control and what it is for do not both go."""
    one = msgspec.structs.replace(went_well(GOOD, holds), total={"url": 9}, remaining={"url": 1})
    assert 1 >= sum(len(urls(call)) for call in plan([suspect(blamed=1)], one).calls)


@pytest.mark.parametrize("holds", [{}, IN_TROUBLE, DOMAIN_IN_TROUBLE], ids=["nothing", "everything", "the domain"])
def test_a_control_keeps_within_its_minute(holds: dict[str, Hold]) -> None:
    """Where the minute takes a single target, a control and what it is for do not both go."""
    one = msgspec.structs.replace(went_well(GOOD, holds), minute=minute_of(NOW), in_minute={"url": {A: 6}})
    assert 1 >= sum(len(urls(call)) for call in plan([suspect(blamed=1)], one, Limits(7)).calls)


def test_no_control_goes_for_a_probe_that_does_not() -> None:
    """A domain in trouble whose day is spent waits for the day: a control would be refused for that, each round."""
    none = msgspec.structs.replace(went_well(GOOD, DOMAIN_IN_TROUBLE), total={"url": 9}, remaining={"url": 0})
    assert () == plan([suspect()], none).calls
