"""Plans as properties: everything is accounted for, no limit is passed, and urgency decides who goes first."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.core.plan.books import Ledger, after_reset, minute_key, minute_of, minute_start, unit_of
from shared.core.plan.limits import Limits
from shared.core.plan.planning import UNFINISHED_REFRESH_WAIT_SECONDS, Call, Plan, Refreshing, joined, plan
from shared.core.task.model import Form, Kind, Lane, Task
from tests import strategies
from tests.strategies import NOW, make_task

HOST = "https://a.example.com"
FREE = Limits(urls_per_minute_per_domain=1_000_000, reserve_percent=0)

planning = given(strategies.task_lists(), strategies.ledgers(), strategies.limits())


def urls(call: Call) -> list[str]:
    """List the URLs of a call, each once."""
    return list(dict.fromkeys(task.url for task in call.tasks))


def files(count: int, host: str = HOST, **fields: float) -> list[Task]:
    """Make refreshes of files, the first one oldest."""
    age = fields.get("age", 0.0)
    return [make_task(f"{host}/{number}.css", time=NOW - age + number / 1000) for number in range(count)]


def spent(calls: tuple[Call, ...]) -> Counter[str]:
    """Count the units of each quota that calls spend."""
    units: Counter[str] = Counter()
    for call in calls:
        units[unit_of(call.kind, call.form)] += len(urls(call))
    return units


@planning
def test_every_task_is_accounted_for_once(tasks: list[Task], ledger: Ledger, limits: Limits) -> None:
    """Calls, deferrals and what is void together hold the input: nothing lost, nothing twice, nothing invented."""
    made = plan(tasks, ledger, limits, NOW)
    out = [*(task for call in made.calls for task in call.tasks), *(each.task for each in made.deferred), *made.void]
    assert sorted({task.id: task for task in tasks}) == sorted(task.id for task in out)


@planning
def test_every_call_is_within_the_limits_of_a_call(tasks: list[Task], ledger: Ledger, limits: Limits) -> None:
    """No call is empty, mixes kinds or forms, or has too many URLs or domains."""
    most = {Form.FILE: 1_000, Form.IGNORE_PARAMS: 1_000, Form.DIRECTORY: 100, Form.REGEX: 1}
    for call in plan(tasks, ledger, limits, NOW).calls:
        assert {(call.kind, call.form, call.force)} == {(task.kind, task.form, task.force) for task in call.tasks}
        assert 1 <= len(urls(call)) <= (100 if call.kind is Kind.PREFETCH else most[call.form])
        assert 1 <= len({task.domain for task in call.tasks}) <= 10


@planning
def test_no_url_is_sent_twice(tasks: list[Task], ledger: Ledger, limits: Limits) -> None:
    """Equal URLs of one kind and form go once, and cover all of their tasks."""
    calls = plan(tasks, ledger, limits, NOW).calls
    sent = [(call.kind, call.form, call.force, url) for call in calls for url in urls(call)]
    assert len(sent) == len(set(sent))


@planning
def test_the_day_is_never_overspent(tasks: list[Task], ledger: Ledger, limits: Limits) -> None:
    """No more units are spent than are left, and all but removals and people leave the reserve alone."""
    made = plan(tasks, ledger, limits, NOW)
    today = ledger.at(NOW)
    assert {} == {unit: n for unit, n in spent(made.calls).items() if n > today.remaining.get(unit, math.inf)}
    modest = [
        Call(call.kind, call.form, call.force, tuple(task for task in call.tasks if task.url not in privileged))
        for call in made.calls
        for privileged in [{task.url for task in call.tasks if task.lane in {Lane.REMOVED, Lane.MANUAL}}]
    ]
    for unit, units in spent(tuple(modest)).items():
        reserve = today.total.get(unit, 0) * limits.reserve_percent // 100
        assert units <= max(0, today.remaining.get(unit, math.inf) - reserve)


@planning
def test_the_minute_is_never_overspent(tasks: list[Task], ledger: Ledger, limits: Limits) -> None:
    """Of each domain no more goes in a minute than its limit, less what the minute has seen already."""
    counted: Counter[str] = Counter()
    for call in plan(tasks, ledger, limits, NOW).calls:
        unit = unit_of(call.kind, call.form)
        counted.update(minute_key(url, unit) for url in urls(call))
    seen = ledger.at(NOW).in_minute
    for name, units in counted.items():
        most = 100 if name.endswith(" directory") else limits.urls_per_minute_per_domain
        assert units <= max(0, most - seen.get(name, 0))


@planning
def test_what_waits_has_a_time_and_a_reason(tasks: list[Task], ledger: Ledger, limits: Limits) -> None:
    """A deferral lies in the future, not beyond what its reason asks for, and says why."""
    for each in plan(tasks, ledger, limits, NOW).deferred:
        assert each.due > NOW
        assert each.reason
        if "day's" in each.reason:
            assert after_reset(NOW) == each.due


@given(strategies.task_lists())
def test_what_is_free_goes_now(tasks: list[Task]) -> None:
    """Where no quota is known and no minute is full, nothing waits but prefetches of what is being refreshed."""
    made = plan(tasks, Ledger(), FREE, NOW)
    refreshed = {task.url for task in tasks if task.kind is Kind.REFRESH}
    waiting = [each.task for each in made.deferred if each.task.form is not Form.DIRECTORY]
    assert [] == [task for task in waiting if task.kind is Kind.REFRESH or task.url not in refreshed]


def _lanes(made: Plan) -> list[Lane]:
    return [min(task.lane for task in call.tasks) for call in made.calls]


@planning
@example(
    [
        make_task(f"{HOST}/1/.*", form=Form.REGEX, lane=Lane.REMOVED, time=NOW - 3),
        make_task(f"{HOST}/2/.*", form=Form.REGEX, lane=Lane.OVERWRITTEN, time=NOW - 2),
        make_task(f"{HOST}/3.css", lane=Lane.REMOVED, time=NOW - 1),
    ],
    Ledger(),
    FREE,
)
@example(
    [
        make_task(f"{HOST}/0.css", lane=Lane.REMOVED, time=NOW - 3),
        *files(1_500),
        *(make_task(f"https://{name}/a.css", lane=Lane.REMOVED, time=NOW) for name in strategies.DOMAINS[:10]),
    ],
    Ledger(),
    FREE,
)
def test_the_most_urgent_lane_goes_first(tasks: list[Task], ledger: Ledger, limits: Limits) -> None:
    """No call that holds a removal comes after one that holds none, and so on down the lanes."""
    lanes = _lanes(plan(tasks, ledger, limits, NOW))
    assert sorted(lanes) == lanes


@planning
def test_inside_a_lane_the_oldest_goes_first(tasks: list[Task], ledger: Ledger, limits: Limits) -> None:
    """Inside a call, URLs stand by lane, then by the age of their oldest change."""
    for call in plan(tasks, ledger, limits, NOW).calls:
        by_url: dict[str, list[Task]] = {}
        for task in call.tasks:
            by_url.setdefault(task.url, []).append(task)
        order = [(min(t.lane for t in same), min(t.cause.time for t in same)) for same in by_url.values()]
        assert sorted(order) == order


def test_who_waits_is_the_youngest_of_the_least_urgent() -> None:
    """With three units left, the removal and the two oldest overwrites get them."""
    tasks = [*reversed(files(5)), make_task(f"{HOST}/gone.css", lane=Lane.REMOVED, time=NOW + 9)]
    made = plan(tasks, Ledger(read_at=NOW, total={"url": 9}, remaining={"url": 3}), FREE, NOW)
    assert [[f"{HOST}/gone.css", f"{HOST}/0.css", f"{HOST}/1.css"]] == [urls(call) for call in made.calls]
    assert {(after_reset(NOW), "the day's url quota is spent")} == {(each.due, each.reason) for each in made.deferred}


def test_a_merged_url_is_as_urgent_as_its_most_urgent_task() -> None:
    """An overwrite that shares its URL with a removal goes with it, for one unit."""
    both = [make_task(f"{HOST}/a.css"), make_task(f"{HOST}/a.css", lane=Lane.REMOVED, time=NOW + 1)]
    made = plan([*files(3, age=9), *both], Ledger(read_at=NOW, total={"url": 9}, remaining={"url": 1}), FREE, NOW)
    assert [{task.id for task in both}] == [{task.id for task in call.tasks} for call in made.calls]


def test_the_reserve_is_for_removals_and_people() -> None:
    """Where only the reserve is left, overwrites wait; removals and people still go."""
    ledger = Ledger(read_at=NOW, total={"url": 100}, remaining={"url": 5})
    tasks = [make_task(f"{HOST}/{lane.name}", lane=lane) for lane in (Lane.REMOVED, Lane.OVERWRITTEN, Lane.MANUAL)]
    made = plan(tasks, ledger, Limits(reserve_percent=5), NOW)
    assert [Lane.REMOVED, Lane.MANUAL] == sorted({task.lane for call in made.calls for task in call.tasks})
    assert [Lane.OVERWRITTEN] == [each.task.lane for each in made.deferred]


def test_the_reserve_holds_for_prefetches_too() -> None:
    """Prefetches have a quota of their own, with its own reserve."""
    ledger = Ledger(read_at=NOW, total={"prefetch": 100, "url": 100}, remaining={"prefetch": 7, "url": 0})
    tasks = [make_task(f"{HOST}/{number}.css", kind=Kind.PREFETCH) for number in range(4)]
    made = plan(tasks, ledger, Limits(reserve_percent=5), NOW)
    assert (2, 2) == (spent(made.calls)["prefetch"], len(made.deferred))


@pytest.mark.parametrize(("seen", "minutes"), [(0, [0] * 10 + [1] * 10 + [2] * 5), (4, [0] * 6 + [1] * 10 + [2] * 9)])
def test_what_a_minute_does_not_take_is_spread_over_the_next(seen: int, minutes: list[int]) -> None:
    """A burst goes as fast as the domain's minutes allow, and no faster."""
    ledger = Ledger(minute=minute_of(NOW), in_minute={"a.example.com url": seen})
    made = plan(files(25), ledger, Limits(urls_per_minute_per_domain=10), NOW)
    due = {task.url: 0 for call in made.calls for task in call.tasks}
    due.update({each.task.url: int(each.due // 60) - minute_of(NOW) for each in made.deferred})
    assert minutes == [due[task.url] for task in files(25)]
    assert minute_start(minute_of(NOW) + 1) == min(each.due for each in made.deferred)


def test_one_full_domain_does_not_hold_up_another() -> None:
    """The limit per minute is each domain's own."""
    ledger = Ledger(minute=minute_of(NOW), in_minute={"a.example.com url": 1_000})
    made = plan([*files(3), *files(3, "https://b.example.com")], ledger, Limits(), NOW)
    assert [[f"https://b.example.com/{number}.css" for number in range(3)]] == [urls(call) for call in made.calls]
    assert {"a.example.com is at its url limit per minute"} == {each.reason for each in made.deferred}


def test_a_spent_quota_stops_its_own_form_only() -> None:
    """Directories go on when no URL may."""
    tasks = [make_task(f"{HOST}/a.css"), make_task(f"{HOST}/a/", form=Form.DIRECTORY)]
    made = plan(tasks, Ledger(read_at=NOW, total={"url": 9}, remaining={"url": 0}), FREE, NOW)
    assert [Form.DIRECTORY] == [call.form for call in made.calls]


@planning
def test_nothing_is_prefetched_beside_its_refresh(tasks: list[Task], ledger: Ledger, limits: Limits) -> None:
    """While a refresh that covers a URL is sent, waits or is unfinished, its prefetch steps back as long."""
    made = plan(tasks, ledger, limits, NOW, tasks[::3])
    waiting = [msgspec.structs.replace(each.task, due=each.due) for each in made.deferred]
    refreshing = Refreshing([*tasks, *waiting])
    sent = {url for call in made.calls if call.kind is Kind.PREFETCH for url in urls(call)}
    assert [] == [url for url in sent if refreshing.covering(url)]
    for each in made.deferred:
        if each.task.kind is Kind.PREFETCH and (covering := refreshing.covering(each.task.url)):
            latest = max(NOW, *(refresh.due for refresh in covering))
            assert latest + UNFINISHED_REFRESH_WAIT_SECONDS == each.due


def test_a_prefetch_waits_as_long_as_its_refresh() -> None:
    """Where the refresh waits for tomorrow's quota, the prefetch is not looked at each minute until then."""
    spent_day = Ledger(read_at=NOW, total={"url": 10, "prefetch": 10}, remaining={"url": 0, "prefetch": 10})
    refresh, prefetch = make_task(f"{HOST}/a"), make_task(f"{HOST}/a", kind=Kind.PREFETCH)
    due = {each.task.kind: each.due for each in plan([prefetch, refresh], spent_day, FREE, NOW).deferred}
    assert {Kind.REFRESH: after_reset(NOW), Kind.PREFETCH: after_reset(NOW) + UNFINISHED_REFRESH_WAIT_SECONDS} == due


@pytest.mark.parametrize(
    ("lane", "age", "key", "void"),
    [
        (Lane.REMOVED, 5.0, "", True),
        (Lane.REMOVED, -5.0, "", False),
        (Lane.REMOVED, 0.0, "", False),
        (Lane.OVERWRITTEN, 5.0, "", False),
        (Lane.REMOVED, 5.0, "another key of the same URL", False),
    ],
)
def test_only_a_later_removal_makes_a_prefetch_void(lane: Lane, age: float, key: str, *, void: bool) -> None:
    """What was removed after the change that asked for the prefetch cannot be fetched; all else still can."""
    prefetch = make_task(f"{HOST}/a", kind=Kind.PREFETCH, time=NOW - age)
    refresh = make_task(f"{HOST}/a", lane=lane)
    if key:
        refresh = msgspec.structs.replace(refresh, cause=msgspec.structs.replace(refresh.cause, key=key))
    made = plan([prefetch], Ledger(), FREE, NOW, [refresh])
    assert ((prefetch,) if void else ()) == made.void
    assert ([] if void else [prefetch]) == [each.task for each in made.deferred]


@given(strategies.task_lists(), strategies.task_lists(), strategies.ledgers(), strategies.limits())
def test_what_waits_joins_a_call_of_its_url(
    tasks: list[Task], later: list[Task], ledger: Ledger, limits: Limits
) -> None:
    """A task that waits goes with a call that asks for the same; the call's URLs and units stay as they are."""
    made = plan(tasks, ledger, limits, NOW)
    full = joined(made, later)
    assert [set(urls(call)) for call in made.calls] == [set(urls(call)) for call in full.calls]
    for before, after in zip(made.calls, full.calls, strict=True):
        assert (before.kind, before.form, before.force) == (after.kind, after.form, after.force)
        own, joining = set(before.tasks), set(after.tasks) - set(before.tasks)
        assert own | joining == set(after.tasks)
        assert joining <= set(later)
    asked = {(task.kind, task.form, task.force, task.url) for call in made.calls for task in call.tasks}
    gone = {task.id for call in full.calls for task in call.tasks}
    assert [] == [
        task for task in later if (task.kind, task.form, task.force, task.url) in asked and task.id not in gone
    ]


@pytest.mark.parametrize(
    ("form", "url", "covered"),
    [
        (Form.FILE, f"{HOST}/a/b.css", True),
        (Form.FILE, f"{HOST}/a/b.css?v=1", False),
        (Form.DIRECTORY, f"{HOST}/a/", True),
        (Form.DIRECTORY, f"{HOST}/", True),
        (Form.DIRECTORY, f"{HOST}/a/b", False),
        (Form.IGNORE_PARAMS, f"{HOST}/a/b.css", True),
        (Form.REGEX, f"{HOST}/a/.*", False),
    ],
)
def test_a_refresh_covers_what_its_form_says(form: Form, url: str, *, covered: bool) -> None:
    """A folder covers what lies below it, ignore-params all variants of a path, a file itself."""
    assert covered is bool(Refreshing([make_task(url, form=form)]).covering(f"{HOST}/a/b.css"))


def test_small_domains_share_calls() -> None:
    """A full call of one domain and one URL of each of ten others are two calls."""
    own = [make_task(f"{HOST}/{number}.css") for number in range(1_000)]
    others = [make_task(f"https://d{number}.example.com/a.css") for number in range(10)]
    assert [1_000, 10] == sorted(
        (len(urls(call)) for call in plan([*own, *others], Ledger(), FREE, NOW).calls), reverse=True
    )


@settings(max_examples=25)
@given(
    st.sampled_from(
        (
            (Kind.REFRESH, Form.FILE, 1_000),
            (Kind.REFRESH, Form.DIRECTORY, 100),
            (Kind.PREFETCH, Form.FILE, 100),
        )
    ),
    st.integers(1, 2_500),
)
def test_one_domain_takes_as_few_calls_as_can_be(shape: tuple[Kind, Form, int], count: int) -> None:
    """Ten thousand uploads are ten calls."""
    kind, form, most = shape
    tasks = [make_task(f"{HOST}/{number}/", kind=kind, form=form) for number in range(count)]
    made = plan(tasks, Ledger(), FREE, NOW)
    assert math.ceil((count - len(made.deferred)) / most) == len(made.calls)


def test_ten_domains_share_a_call() -> None:
    """Files of ten domains go together, and an eleventh domain starts another call."""
    tasks = [make_task(f"https://{name}/a.css") for name in strategies.DOMAINS[:11]]
    assert [10, 1] == [len(urls(call)) for call in plan(tasks, Ledger(), FREE, NOW).calls]


def test_a_ledger_of_another_day_binds_nobody() -> None:
    """What was spent yesterday is forgotten at the reset."""
    yesterday = Ledger(read_at=NOW - 86_400, total={"url": 9}, remaining={"url": 0})
    assert 1 == len(plan(files(3), yesterday, FREE, NOW).calls)


@given(strategies.task_orders())
def test_the_order_of_the_notes_does_not_matter(orders: tuple[list[Task], list[Task]]) -> None:
    """However the spool lists its notes, the same URLs go in the same calls."""
    ledger = Ledger(read_at=NOW, total={"url": 20}, remaining={"url": 10})
    one, other = ([urls(call) for call in plan(tasks, ledger, FREE, NOW).calls] for tasks in orders)
    assert sorted(one) == sorted(other)


def test_nothing_waits_nothing_goes() -> None:
    """An empty spool makes an empty plan."""
    assert Plan() == plan([], Ledger(), Limits(), NOW)
