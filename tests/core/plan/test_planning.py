"""Plans as properties: everything is accounted for, no limit is passed, and urgency decides who goes first."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.plan.books import Books, minute_of, per_minute
from shared.core.plan.limits import Limits
from shared.core.plan.planning import Plan
from shared.core.plan.planning import plan as plan_for
from shared.core.task.covers import covers
from shared.core.task.model import Form, Kind, Lane, Target, Task
from shared.core.task.notes import Place
from shared.core.task.waits import REFRESH, Why, minute_of_domain, quota_of, trouble_of
from tests import strategies
from tests.core.plan.plans import (
    FREE,
    HOST,
    A,
    B,
    files,
    plan,
    planning,
    reasons,
    spent,
    targets,
    today,
    urls,
)
from tests.strategies import NOW, make_task


@planning
def test_every_task_is_accounted_for_once(tasks: list[Task], books: Books, limits: Limits) -> None:
    """Calls, waits and what is void together hold the input: nothing lost, nothing twice, nothing invented."""
    made = plan(tasks, today(books), limits)
    out = [*(task for call in made.calls for task in call.tasks), *(task for task, _ in made.waits), *made.void]
    assert sorted({task.id: task for task in tasks}) == sorted(task.id for task in out)


@planning
def test_every_call_is_within_the_limits_of_a_call(tasks: list[Task], books: Books, limits: Limits) -> None:
    """No call is empty, mixes kinds or forms, or has too many URLs or domains."""
    most = {Form.FILE: 1_000, Form.IGNORE_PARAMS: 1_000, Form.DIRECTORY: 100, Form.REGEX: 1}
    for call in plan(tasks, today(books), limits).calls:
        target = call.target
        assert {(target.kind, target.form, target.force)} == {
            (task.target.kind, task.target.form, task.target.force) for task in call.tasks
        }
        assert 1 <= len(urls(call)) <= (100 if target.kind is Kind.PREFETCH else most[target.form])
        assert 1 <= len({task.domain for task in call.tasks}) <= 10


@planning
def test_no_url_is_sent_twice(tasks: list[Task], books: Books, limits: Limits) -> None:
    """Equal targets go once, and cover all of their tasks."""
    calls = plan(tasks, today(books), limits).calls
    sent = [target for call in calls for target in targets(call)]
    assert len(sent) == len(set(sent))


@planning
def test_the_day_is_never_overspent(tasks: list[Task], books: Books, limits: Limits) -> None:
    """No more units are spent than are left, and all but removals and people leave the reserve alone."""
    made = plan(tasks, today(books), limits)
    left = today(books).remaining
    assert {} == {unit: n for unit, n in spent(made.calls).items() if n > left.get(unit, math.inf)}
    modest: Counter[str] = Counter()
    for call in made.calls:
        for target in targets(call):
            lanes = {task.lane for task in call.tasks if task.target == target}
            modest[CDN.unit(target)] += lanes.isdisjoint({Lane.REMOVED, Lane.MANUAL})
    for unit, units in modest.items():
        reserve = today(books).total.get(unit, 0) * limits.reserve_percent // 100
        assert units <= max(0, left.get(unit, math.inf) - reserve)


@planning
def test_the_minute_is_never_overspent(tasks: list[Task], books: Books, limits: Limits) -> None:
    """Of each domain no more goes in a minute than its limit, less what the minute has seen already."""
    counted: Counter[tuple[str, str]] = Counter()
    for call in plan(tasks, today(books), limits).calls:
        counted.update((CDN.unit(target), target.domain) for target in targets(call))
    seen = today(books).in_minute
    for (unit, domain), units in counted.items():
        assert units <= max(0, per_minute(unit, limits, CDN) - seen.get(unit, {}).get(domain, 0))


@planning
def test_what_waits_has_a_reason_that_holds(tasks: list[Task], books: Books, limits: Limits) -> None:
    """Each reason is the task's own: its unit, its domain, its refresh."""
    made, now = plan(tasks, today(books), limits), today(books)
    for task, place in made.waits:
        unit, domain = CDN.unit(task.target), task.domain
        assert 0.0 == place.due
        assert place.wait in {REFRESH, quota_of(unit), minute_of_domain(unit, domain), trouble_of(unit, domain)}
        assert place.wait != REFRESH or task.target.kind is Kind.PREFETCH
        assert place.wait.why is not Why.QUOTA or unit in now.remaining
        assert place.wait.why is not Why.TROUBLE or place.wait.slot in now.holds


@given(strategies.task_lists())
def test_what_is_free_goes_now(tasks: list[Task]) -> None:
    """Where no quota is known and no minute is full, nothing waits but prefetches of what is being refreshed."""
    made = plan(tasks)
    refreshing = [task.target for task in tasks if task.target.kind is Kind.REFRESH]
    waiting = [task for task, _ in made.waits if task.target.form is not Form.DIRECTORY]
    assert [] == [task for task in waiting if not any(covers(each, task.target) for each in refreshing)]
    assert [] == [task for task in waiting if task.target.kind is Kind.REFRESH]


def _lanes(made: Plan) -> list[Lane]:
    return [min(task.lane for task in call.tasks) for call in made.calls]


@given(strategies.task_lists(), strategies.books(), strategies.limits())
@example(
    [
        make_task(f"{HOST}/1/.*", form=Form.REGEX, lane=Lane.REMOVED, time=NOW - 3),
        make_task(f"{HOST}/2/.*", form=Form.REGEX, lane=Lane.OVERWRITTEN, time=NOW - 2),
        make_task(f"{HOST}/3.css", lane=Lane.REMOVED, time=NOW - 1),
    ],
    Books(),
    FREE,
)
@example(
    [
        make_task(f"{HOST}/0.css", lane=Lane.REMOVED, time=NOW - 3),
        *files(1_500),
        *(make_task(f"https://{name}/a.css", lane=Lane.REMOVED, time=NOW) for name in strategies.DOMAINS[:10]),
    ],
    Books(),
    FREE,
)
def test_the_most_urgent_lane_goes_first(tasks: list[Task], books: Books, limits: Limits) -> None:
    """No call that holds a removal comes after one that holds none, and so on down the lanes."""
    lanes = _lanes(plan(tasks, today(books), limits))
    assert sorted(lanes) == lanes


@planning
def test_inside_a_lane_the_oldest_goes_first(tasks: list[Task], books: Books, limits: Limits) -> None:
    """Inside a call, URLs stand by lane, then by the age of their oldest change."""
    for call in plan(tasks, today(books), limits).calls:
        by_url: dict[str, list[Task]] = {}
        for task in call.tasks:
            by_url.setdefault(task.url, []).append(task)
        order = [(min(t.lane for t in same), min(t.cause.time for t in same)) for same in by_url.values()]
        assert sorted(order) == order


def test_calls_go_in_the_order_of_their_most_urgent_url() -> None:
    """Two calls of one lane go by age, whatever their form; equal ones by URL."""
    tasks = [
        make_task(f"{HOST}/new.css", time=NOW),
        make_task(f"{HOST}/old/", form=Form.DIRECTORY, time=NOW - 9),
        make_task(f"{HOST}/b/.*", form=Form.REGEX, time=NOW - 5),
        make_task(f"{HOST}/a/.*", form=Form.REGEX, time=NOW - 5),
    ]
    assert [f"{HOST}/old/", f"{HOST}/a/.*", f"{HOST}/b/.*", f"{HOST}/new.css"] == [
        urls(call)[0] for call in plan(tasks).calls
    ]


def test_prefetches_go_after_all_refreshes() -> None:
    """Whatever lane a prefetch is in, it is no more urgent than any refresh."""
    prefetch = msgspec.structs.replace(make_task(f"{HOST}/a", kind=Kind.PREFETCH, time=NOW - 9), lane=Lane.REMOVED)
    assert [Kind.REFRESH, Kind.PREFETCH] == [
        call.target.kind for call in plan([prefetch, make_task(f"{HOST}/b", lane=Lane.MANUAL)]).calls
    ]


def test_who_waits_is_the_youngest_of_the_least_urgent() -> None:
    """With three units left, the removal and the two oldest overwrites get them."""
    tasks = [*reversed(files(5)), make_task(f"{HOST}/gone.css", lane=Lane.REMOVED, time=NOW + 9)]
    made = plan(tasks, Books(read_at=NOW, total={"url": 9}, remaining={"url": 3}))
    assert [[f"{HOST}/gone.css", f"{HOST}/0.css", f"{HOST}/1.css"]] == [urls(call) for call in made.calls]
    assert dict.fromkeys([f"{HOST}/{number}.css" for number in (2, 3, 4)], Place(quota_of("url"))) == reasons(made)


def test_a_merged_url_is_as_urgent_as_its_most_urgent_task() -> None:
    """An overwrite that shares its URL with a removal goes with it, for one unit."""
    both = [make_task(f"{HOST}/a.css"), make_task(f"{HOST}/a.css", lane=Lane.REMOVED, time=NOW + 1)]
    made = plan([*files(3, age=9), *both], Books(read_at=NOW, total={"url": 9}, remaining={"url": 1}))
    assert [{task.id for task in both}] == [{task.id for task in call.tasks} for call in made.calls]


def test_the_reserve_is_for_removals_and_people() -> None:
    """Where only the reserve is left, overwrites wait; removals and people still go."""
    books = Books(read_at=NOW, total={"url": 100}, remaining={"url": 5})
    tasks = [make_task(f"{HOST}/{lane.name}", lane=lane) for lane in (Lane.REMOVED, Lane.OVERWRITTEN, Lane.MANUAL)]
    made = plan(tasks, books, Limits(reserve_percent=5))
    assert [Lane.REMOVED, Lane.MANUAL] == sorted({task.lane for call in made.calls for task in call.tasks})
    assert [Lane.OVERWRITTEN] == [task.lane for task, _ in made.waits]


def test_the_reserve_is_for_all_tasks_of_what_was_removed() -> None:
    """One unit covers an overwrite and a removal of the same URL, and the removal may have it."""
    twins = [make_task(f"{HOST}/a", lane=Lane.REMOVED), make_task(f"{HOST}/a")]
    books = Books(read_at=NOW, total={"url": 100}, remaining={"url": 5})
    assert [2] == [len(call.tasks) for call in plan(twins, books, Limits(reserve_percent=5)).calls]


def test_the_reserve_is_a_share_of_the_day_not_of_the_lane() -> None:
    """What removals took from above the reserve is not there for overwrites any more."""
    books = Books(read_at=NOW, total={"url": 100}, remaining={"url": 7})
    removals = [make_task(f"{HOST}/{number}", lane=Lane.REMOVED) for number in range(2)]
    made = plan([*removals, *files(2)], books, Limits(reserve_percent=5))
    assert 2 == spent(made.calls)["url"]


def test_the_reserve_holds_for_prefetches_too() -> None:
    """Prefetches have a quota of their own, with its own reserve."""
    books = Books(read_at=NOW, total={"prefetch": 100, "url": 100}, remaining={"prefetch": 7, "url": 0})
    tasks = [make_task(f"{HOST}/{number}.css", kind=Kind.PREFETCH) for number in range(4)]
    made = plan(tasks, books, Limits(reserve_percent=5))
    assert (2, 2) == (spent(made.calls)["prefetch"], len(made.waits))


@pytest.mark.parametrize(("seen", "goes"), [(0, 10), (4, 6), (9, 1), (10, 0), (11, 0)])
def test_what_a_minute_does_not_take_waits_for_the_next(seen: int, goes: int) -> None:
    """The oldest go as far as the domain's minute allows, and all others wait for its next one."""
    books = Books(minute=minute_of(NOW), in_minute={"url": {A: seen}})
    made = plan(files(25), books, Limits(urls_per_minute_per_domain=10))
    assert [task.url for task in files(25)[:goes]] == [url for call in made.calls for url in urls(call)]
    assert [(task, Place(minute_of_domain("url", A))) for task in files(25)[goes:]] == list(made.waits)


@pytest.mark.parametrize("limit", [1, 2])
def test_a_minute_that_has_seen_nothing_takes_its_whole_limit(limit: int) -> None:
    """The first one goes, and counts as one."""
    assert [limit] == [len(call.tasks) for call in plan(files(3), Books(), Limits(limit)).calls]


def test_one_full_domain_does_not_hold_up_another() -> None:
    """The limit per minute is each domain's own."""
    books = Books(minute=minute_of(NOW), in_minute={"url": {A: 1_000}})
    made = plan([*files(3), *files(3, f"https://{B}")], books, Limits())
    assert [[f"https://{B}/{number}.css" for number in range(3)]] == [urls(call) for call in made.calls]
    assert {Place(minute_of_domain("url", A))} == set(reasons(made).values())


def test_a_minute_and_a_day_count_what_goes_not_what_waits() -> None:
    """What waits for its domain's minute leaves the day's units to others, and the other way round."""
    books = Books(total={"url": 9}, remaining={"url": 2}, minute=minute_of(NOW), in_minute={"url": {A: 10, B: 0}})
    made = plan([*files(5, age=9), *files(3, f"https://{B}")], books, Limits(10, reserve_percent=0))
    assert [[f"https://{B}/0.css", f"https://{B}/1.css"]] == [urls(call) for call in made.calls]
    assert Place(quota_of("url")) == reasons(made)[f"https://{B}/2.css"]
    tight = Books(total={"url": 9}, remaining={"url": 0, "directory": 1})
    folder = make_task(f"{HOST}/d/", form=Form.DIRECTORY)
    assert [[f"{HOST}/d/"]] == [urls(call) for call in plan([*files(1), folder], tight).calls]


def test_a_spent_quota_stops_its_own_form_only() -> None:
    """Directories go on when no URL may."""
    tasks = [make_task(f"{HOST}/a.css"), make_task(f"{HOST}/a/", form=Form.DIRECTORY)]
    made = plan(tasks, Books(read_at=NOW, total={"url": 9}, remaining={"url": 0}))
    assert [Form.DIRECTORY] == [call.target.form for call in made.calls]


# -- calls ---------------------------------------------------------------------------------------------


def test_small_domains_share_calls() -> None:
    """A full call of one domain and one URL of each of ten others are two calls."""
    own = [make_task(f"{HOST}/{number}.css") for number in range(1_000)]
    others = [make_task(f"https://d{number}.example.com/a.css") for number in range(10)]
    assert [1_000, 10] == sorted((len(urls(call)) for call in plan([*own, *others]).calls), reverse=True)


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
    made = plan(tasks)
    assert math.ceil((count - len(made.waits)) / most) == len(made.calls)


def test_ten_domains_share_a_call() -> None:
    """Files of ten domains go together, and an eleventh domain starts another call."""
    tasks = [make_task(f"https://{name}/a.css") for name in strategies.DOMAINS[:11]]
    assert [10, 1] == [len(urls(call)) for call in plan(tasks).calls]


@pytest.mark.parametrize(
    ("counts", "sizes"),
    [
        ((60, 40), [100]),
        ((60, 41), [41, 60]),
        ((100,), [100]),
        ((101,), [1, 100]),
        ((100, 1), [1, 100]),
        ((150, 50), [100, 100]),
        ((150, 60, 40), [50, 100, 100]),
        ((90, 10, 95, 5), [100, 100]),
    ],
)
def test_what_is_left_of_domains_shares_calls_as_far_as_it_fits(counts: tuple[int, ...], sizes: list[int]) -> None:
    """A domain's rest is never torn; the largest find their places first."""
    tasks = [
        make_task(f"https://{name}/{number}/", form=Form.DIRECTORY)
        for name, count in zip(strategies.DOMAINS, counts, strict=False)
        for number in range(count)
    ]
    limits = Limits(reserve_percent=0)
    roomy = msgspec.structs.replace(CDN, shapes=tuple(msgspec.structs.replace(s, per_minute=None) for s in CDN.shapes))
    assert sizes == sorted(len(urls(call)) for call in plan_for(tasks, Books(), limits, roomy, NOW).calls)


def test_providers_accounts_and_force_do_not_share_a_call() -> None:
    """One call is one request: to one provider, with one account's keys and one set of options."""
    plain = Target(Kind.REFRESH, Form.DIRECTORY, f"{HOST}/a/")
    others = [
        msgspec.structs.replace(plain, url=f"{HOST}/b/", **field)
        for field in ({}, {"force": True}, {"provider": "other"}, {"account": "second"})
    ]
    tasks = [
        msgspec.structs.replace(make_task(each.url), target=each, id=str(n)) for n, each in enumerate([plain, *others])
    ]
    assert [1, 1, 1, 2] == sorted(len(call.tasks) for call in plan(tasks).calls)


def test_books_of_another_day_bind_nobody() -> None:
    """What was spent yesterday is forgotten at the reset."""
    yesterday = Books(read_at=NOW - 86_400, total={"url": 9}, remaining={"url": 0})
    assert 1 == len(plan(files(3), today(yesterday)).calls)


@given(strategies.task_orders())
def test_the_order_of_the_notes_does_not_matter(orders: tuple[list[Task], list[Task]]) -> None:
    """However the spool lists its notes, the same URLs go in the same calls."""
    books = Books(read_at=NOW, total={"url": 20}, remaining={"url": 10})
    one, other = ([urls(call) for call in plan(tasks, books).calls] for tasks in orders)
    assert sorted(one) == sorted(other)


def test_nothing_waits_nothing_goes() -> None:
    """An empty spool makes an empty plan."""
    assert Plan() == plan([])


def test_a_plan_changes_no_books() -> None:
    """What is counted down while planning is counted down in a copy."""
    books = Books(total={"url": 9}, remaining={"url": 9}, minute=minute_of(NOW), in_minute={"url": {A: 1}})
    plan(files(3), books)
    assert ({"url": 9}, {"url": {A: 1}}) == (books.remaining, books.in_minute)


def test_second_spellings_wait_first_when_units_run_short() -> None:
    """However old they are; what people asked for, and first spellings, go before them."""
    spelled = make_task(f"{HOST}/a%5Bb", lane=Lane.SPELLED, time=NOW - 9)
    first, by_hand = make_task(f"{HOST}/a[b"), make_task(f"{HOST}/c", lane=Lane.MANUAL)
    books = Books(NOW, {"url": 2}, {"url": 2})
    planned = plan_for([spelled, first, by_hand], books, Limits(reserve_percent=0), CDN, NOW)
    assert [spelled] == [task for task, _ in planned.waits]
    assert [{first, by_hand}] == [set(call.tasks) for call in planned.calls]
