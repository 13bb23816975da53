"""What steps back in a plan, what goes as a probe, and what joins a call from elsewhere."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from shared.core.plan.books import ACCOUNT, SERVICE, Books, Hold, minute_of
from shared.core.plan.limits import Limits
from shared.core.plan.planning import Call, Plan, Refreshes, joined
from shared.core.task.covers import covers, voids
from shared.core.task.model import Form, Kind, Lane, Task
from shared.core.task.notes import Place
from shared.core.task.waits import REFRESH, minute_of_domain, quota_of, trouble_of
from tests import strategies
from tests.core.plan.plans import (
    ANY_BOOKS,
    HOST,
    A,
    B,
    files,
    plan,
    planning,
    reasons,
    targets,
    today,
    urls,
)
from tests.strategies import NOW, make_task

# -- prefetches and refreshes --------------------------------------------------------------------------


@planning
def test_nothing_is_prefetched_beside_its_refresh(tasks: list[Task], books: Books, limits: Limits) -> None:
    """While a refresh that covers a URL is sent, waits or is unfinished, its prefetch steps back."""
    made = plan(tasks, today(books), limits, tasks[::3])
    refreshing = [task.target for task in tasks if task.target.kind is Kind.REFRESH]
    single = [each for each in refreshing if each.form is not Form.DIRECTORY]
    sent = [target for call in made.calls for target in targets(call) if target.kind is Kind.PREFETCH]
    assert [] == [target for target in sent if any(covers(each, target) for each in single)]
    for task, place in made.waits:
        if place.wait == REFRESH:
            assert any(covers(each, task.target) for each in refreshing)


@pytest.mark.parametrize("where", ["together", "elsewhere"])
@pytest.mark.parametrize(
    ("form", "path", "waits"),
    [
        (Form.FILE, "/d/a.css", True),
        (Form.FILE, "/d/b.css", False),
        (Form.IGNORE_PARAMS, "/d/a.css", True),
        (Form.DIRECTORY, "/d/", True),
        (Form.DIRECTORY, "/", True),
        (Form.DIRECTORY, "/e/", False),
        (Form.REGEX, "/d/.*", False),
    ],
)
def test_a_prefetch_waits_for_what_reaches_it(where: str, form: Form, path: str, *, waits: bool) -> None:
    """A file, its variants, a folder above it: whatever may still take away what would be fetched."""
    prefetch = make_task(f"{HOST}/d/a.css", kind=Kind.PREFETCH)
    refresh = make_task(HOST + path, form=form)
    made = plan([prefetch, refresh]) if where == "together" else plan([prefetch], refreshes=[refresh])
    assert ({prefetch.url: Place(REFRESH)} if waits else {}) == reasons(made)


def test_a_prefetch_waits_for_a_refresh_that_waits_itself() -> None:
    """Where the refresh waits for tomorrow's quota, the prefetch waits for the refresh."""
    spent_day = Books(read_at=NOW, total={"url": 10, "prefetch": 10}, remaining={"url": 0, "prefetch": 10})
    refresh, prefetch = make_task(f"{HOST}/a"), make_task(f"{HOST}/a", kind=Kind.PREFETCH)
    waits = {task.target.kind: place for task, place in plan([prefetch, refresh], spent_day).waits}
    assert {Kind.REFRESH: Place(quota_of("url")), Kind.PREFETCH: Place(REFRESH)} == waits


@pytest.mark.parametrize(
    ("age", "key", "waits"),
    [(1.0, "other", True), (0.0, "other", True), (-1.0, "other", False), (-1.0, "same", True)],
)
def test_of_a_folder_only_earlier_refreshes_are_waited_for(age: float, key: str, *, waits: bool) -> None:
    """A busy folder's later refreshes are about other objects, unless the object is the same."""
    prefetch = make_task(f"{HOST}/d/a.css", kind=Kind.PREFETCH, key="same")
    folder = make_task(f"{HOST}/d/", form=Form.DIRECTORY, time=NOW - age, key=key)
    assert waits is bool(plan([prefetch], refreshes=[folder]).waits)
    file = make_task(f"{HOST}/d/a.css", time=NOW + 9, key="another")
    assert plan([prefetch], refreshes=[file]).waits


def test_of_several_prefetches_of_a_url_the_latest_says_which_folders_are_earlier() -> None:
    """They go together, so all of them wait for what the last of them has to wait for."""
    some = [make_task(f"{HOST}/d/a.css", kind=Kind.PREFETCH, time=NOW - age) for age in (9, 1)]
    folder = make_task(f"{HOST}/d/", form=Form.DIRECTORY, time=NOW - 5)
    assert [REFRESH, REFRESH] == [place.wait for _, place in plan(some, refreshes=[folder]).waits]


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
    refresh = make_task(f"{HOST}/a", lane=lane, key=key)
    made = plan([prefetch], refreshes=[refresh])
    assert ((prefetch,) if void else ()) == made.void
    assert ([] if void else [prefetch]) == [task for task, _ in made.waits]
    assert () == made.calls


def test_a_folder_s_refresh_for_a_removal_makes_a_prefetch_void() -> None:
    """It is later than the prefetch and about its object: nothing is left that would wait for it, or go."""
    prefetch = make_task(f"{HOST}/d/a", kind=Kind.PREFETCH, time=NOW - 5, key="a")
    folder = make_task(f"{HOST}/d/", form=Form.DIRECTORY, lane=Lane.REMOVED, key="a")
    assert Plan(void=(prefetch,)) == plan([prefetch], refreshes=[folder])


def test_of_two_prefetches_of_a_url_only_the_void_one_goes() -> None:
    """The object was removed and written again: what the later change asked for still stands."""
    old, new = (make_task(f"{HOST}/a", kind=Kind.PREFETCH, time=NOW + age, key="a") for age in (-5, 5))
    removal = make_task(f"{HOST}/a", lane=Lane.REMOVED, key="a")
    made = plan([old, new], refreshes=[removal])
    assert ((old,), ((new, Place(REFRESH)),)) == (made.void, made.waits)


def test_refreshes_are_found_by_what_they_reach() -> None:
    """Prefetches are none, and of nothing nothing is found."""
    file, folder = make_task(f"{HOST}/d/a"), make_task(f"{HOST}/d/", form=Form.DIRECTORY, force=True)
    known = Refreshes([file, folder, make_task(f"{HOST}/d/a", kind=Kind.PREFETCH), make_task(f"{HOST}/e")])
    assert {file.id, folder.id} == {task.id for task in known.reaching(file.target)}
    assert [] == Refreshes().reaching(file.target)
    assert [] == Refreshes([make_task(f"{HOST}/d/a", kind=Kind.PREFETCH)]).reaching(file.target)


# -- trouble -------------------------------------------------------------------------------------------


def troubled(due: float, tries: int = 1, unit: str = "url", domain: str = A) -> Books:
    """Make books in which one domain is in trouble."""
    return Books(holds={trouble_of(unit, domain).slot: Hold(due, NOW - 99, tries)})


def test_a_domain_in_trouble_waits_alone() -> None:
    """Until its time nothing of it goes; other domains and its other units do."""
    folder = make_task(f"{HOST}/d/", form=Form.DIRECTORY)
    made = plan([*files(3), *files(2, f"https://{B}"), folder], troubled(NOW + 1))
    assert {f"{HOST}/{n}.css": Place(trouble_of("url", A)) for n in range(3)} == reasons(made)
    assert [[f"{HOST}/d/"], [f"https://{B}/0.css", f"https://{B}/1.css"]] == sorted(urls(call) for call in made.calls)
    assert [False, False] == [call.is_probe for call in made.calls]


@pytest.mark.parametrize(("tries", "probed"), [(0, 0), (1, 1), (2, 2), (3, 0), (7, 1)])
def test_of_a_domain_in_trouble_one_target_goes_another_one_each_time(tries: int, probed: int) -> None:
    """The probe is a call of its own, with all tasks of its target, and goes before all others."""
    twin = make_task(f"{HOST}/{probed}.css", time=NOW + 99, lane=Lane.PREFETCH)
    twins = [task for task in (*files(3), twin) if task.url == twin.url]
    made = plan([*files(3), *files(2, f"https://{B}", age=9), twin], troubled(NOW, tries))
    assert [f"{HOST}/{n}.css" for n in range(3) if n != probed] == sorted(reasons(made))
    probe, other = made.calls
    assert {task.id for task in twins} == {task.id for task in probe.tasks}
    assert (True, False) == (probe.is_probe, other.is_probe)


@pytest.mark.parametrize(("tries", "probed"), [(0, "/1.css"), (1, "/0.css"), (2, "/1.css")])
def test_of_a_domain_in_trouble_what_was_in_no_lost_call_goes_first(tries: int, probed: str) -> None:
    """It tells of the domain, where the other may tell of itself only; the other has its turn, too."""
    older, newer = files(2)
    (probe,) = plan([msgspec.structs.replace(older, unknowns=1), newer], troubled(NOW, tries)).calls
    assert [HOST + probed] == urls(probe)


def test_a_probe_may_not_overspend() -> None:
    """Where the day leaves nothing for it, the probe waits for the day."""
    books = msgspec.structs.replace(troubled(NOW, 0), total={"url": 9}, remaining={"url": 0})
    made = plan(files(2), books)
    assert ((), {"0": quota_of("url"), "1": trouble_of("url", A)}) == (
        made.calls,
        {url.removeprefix(HOST)[1]: place.wait for url, place in reasons(made).items()},
    )


@pytest.mark.parametrize("slot", [SERVICE, ACCOUNT])
@pytest.mark.parametrize(("tries", "probed"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 0)])
def test_of_everything_one_target_goes_while_the_cdn_is_in_trouble(slot: str, tries: int, probed: int) -> None:
    """The most urgent one first, another one each time; nothing moves but that."""
    tasks = [*files(3), make_task(f"{HOST}/p", kind=Kind.PREFETCH, time=NOW - 9)]
    books = Books(holds={slot: Hold(NOW, NOW - 60, tries)})
    assert Plan((Call((tasks[probed],), is_probe=True),)) == plan([tasks[-1], *tasks[:-1]], books)


@pytest.mark.parametrize(("tries", "probed"), [(0, "a0"), (1, "b0"), (2, "a1"), (3, "b1"), (4, "a2"), (5, "b0")])
def test_probes_of_everything_take_the_domains_in_turn(tries: int, probed: str) -> None:
    """A domain that is in trouble itself does not stand in the others' way; of each another target each time."""
    tasks = [*files(3, age=9), *files(2, f"https://{B}")]
    (probe,) = plan(tasks, Books(holds={SERVICE: Hold(NOW, NOW, tries)})).calls
    assert [f"https://{probed[0]}.example.com/{probed[1]}.css"] == urls(probe)


def test_the_probe_of_everything_is_none_of_which_others_came_to_nothing() -> None:
    """What was part of a lost call may be what is lost; where all were, one of these goes."""
    suspects = [msgspec.structs.replace(task, unknowns=1) for task in files(2, age=9)]
    fresh = make_task(f"{HOST}/fresh")
    for tries in range(3):
        books = Books(holds={SERVICE: Hold(NOW, NOW, tries)})
        assert [(fresh,)] == [call.tasks for call in plan([*suspects, fresh], books).calls]
        assert [(suspects[tries % 2],)] == [call.tasks for call in plan(suspects, books).calls]


@pytest.mark.parametrize("tries", [0, 1])
def test_a_target_is_suspect_for_each_of_its_tasks(tries: int) -> None:
    """A change that came later to a URL of a lost call makes it no probe while there is another."""
    suspect = msgspec.structs.replace(make_task(f"{HOST}/a", time=NOW - 9), unknowns=1)
    fresh = make_task(f"{HOST}/fresh")
    books = Books(holds={SERVICE: Hold(NOW, NOW, tries)})
    assert [(fresh,)] == [call.tasks for call in plan([suspect, make_task(f"{HOST}/a"), fresh], books).calls]


def test_the_probe_of_everything_goes_with_all_tasks_of_its_target() -> None:
    """One unit covers them."""
    twins = (make_task(f"{HOST}/a", time=NOW - 9), make_task(f"{HOST}/a", lane=Lane.REMOVED))
    (probe,) = plan(list(twins), Books(holds={ACCOUNT: Hold(NOW, NOW, 3)})).calls
    assert ({*twins}, True) == ({*probe.tasks}, probe.is_probe)


def test_where_only_prefetches_wait_one_of_these_is_the_probe() -> None:
    """The tries of all holds of everything together choose it; of nothing there is no probe."""
    some = [make_task(f"{HOST}/{n}", kind=Kind.PREFETCH, time=NOW + n) for n in range(5)]
    books = Books(holds={SERVICE: Hold(NOW, NOW, 1), ACCOUNT: Hold(NOW, NOW, 2)})
    assert Plan((Call((some[3],), is_probe=True),)) == plan(some, books)
    assert Plan() == plan([], books)


def test_a_call_remembers_no_search_at_first() -> None:
    """It is part of nothing, stands for nothing else and was not made smaller."""
    (call,) = plan(files(1)).calls
    remembered = (call.replaces, call.is_probe, call.other, call.aside, call.found, call.shrunk)
    assert ("", False, (), (), 0, None) == remembered


# -- parts ---------------------------------------------------------------------------------------------


def test_parts_of_a_call_that_failed_go_apart() -> None:
    """Tasks of one part share a call, with nobody else."""
    tasks = [
        msgspec.structs.replace(task, part=part)
        for task, part in zip(files(6), ("", "p", "q", "p", "", "q"), strict=True)
    ]
    assert [["0", "4"], ["1", "3"], ["2", "5"]] == [
        [url.removeprefix(HOST)[1] for url in urls(call)] for call in plan(tasks).calls
    ]


def test_a_new_task_of_a_marked_target_goes_with_its_part() -> None:
    """One target is one unit, so the part of one of its tasks is that of all."""
    old, new = make_task(f"{HOST}/0.css", time=NOW - 9), make_task(f"{HOST}/0.css")
    marked = msgspec.structs.replace(old, part="p")
    assert [2, 1] == [len(call.tasks) for call in plan([marked, new, *files(2)[1:]]).calls]


# -- what waits elsewhere ------------------------------------------------------------------------------


@given(strategies.task_lists(), strategies.task_lists(), ANY_BOOKS, strategies.limits())
def test_what_waits_joins_a_call_of_its_target(
    tasks: list[Task], later: list[Task], books: Books, limits: Limits
) -> None:
    """A task that waits goes with a call that asks for the same; the call's URLs and units stay as they are."""
    made = plan(tasks, today(books), limits)
    full = joined(made, later)
    assert [set(urls(call)) for call in made.calls] == [set(urls(call)) for call in full.calls]
    for before, after in zip(made.calls, full.calls, strict=True):
        assert (before.target.kind, before.target.form, before.is_probe) == (
            after.target.kind,
            after.target.form,
            after.is_probe,
        )
        own, joining = {t.id for t in before.tasks}, {t.id for t in after.tasks} - {t.id for t in before.tasks}
        assert own | joining == {t.id for t in after.tasks}
        assert joining <= {t.id for t in later}
    asked = {task.target for call in made.calls for task in call.tasks}
    gone = {task.id for call in full.calls for task in call.tasks} | {task.id for task in full.void}
    assert [] == [task for task in later if task.target in asked and task.id not in gone]
    assert made.waits == full.waits


def test_a_removal_that_goes_makes_waiting_prefetches_void() -> None:
    """What waits elsewhere for an object that is gone is not kept until its refresh is over."""
    removal = make_task(f"{HOST}/a", lane=Lane.REMOVED, key="a")
    before, after, other = (
        make_task(f"{HOST}/a", kind=Kind.PREFETCH, time=NOW + age, key=key)
        for age, key in ((-1, "a"), (1, "a"), (-1, "b"))
    )
    full = joined(plan([removal]), [before, after, other])
    assert ((before,), [(removal,)]) == (full.void, [call.tasks for call in full.calls])
    overwrite = make_task(f"{HOST}/a", key="a")
    assert () == joined(plan([overwrite]), [before]).void
    assert voids(removal, before)


def test_what_joins_keeps_what_was_void() -> None:
    """Void by what runs and void by what goes are one list."""
    old = make_task(f"{HOST}/a", kind=Kind.PREFETCH, time=NOW - 5, key="a")
    removal = make_task(f"{HOST}/a", lane=Lane.REMOVED, key="a")
    other = msgspec.structs.replace(old, id=make_task(f"{HOST}/x").id)
    assert (old, other) == joined(plan([old, removal]), [other]).void


def test_a_task_that_lies_in_two_notes_joins_once() -> None:
    """A second delivery may have left a task in two notes: it is one task, accepted or superseded, not both."""
    going = make_task(f"{HOST}/a", lane=Lane.REMOVED)
    waiting = make_task(f"{HOST}/a", time=NOW - 9)
    (call,) = joined(plan([going]), [waiting, msgspec.structs.replace(waiting)]).calls
    assert [waiting.this_try, going.this_try] == [task.this_try for task in call.tasks]


def test_a_task_that_goes_and_lies_elsewhere_too_goes_once() -> None:
    """The note that it goes from is one of two."""
    (call,) = joined(plan(files(1)), files(1)).calls
    assert files(1) == [*call.tasks]
    old = make_task(f"{HOST}/a", kind=Kind.PREFETCH, time=NOW - 5, key="a")
    removal = make_task(f"{HOST}/a", lane=Lane.REMOVED, key="a")
    assert (old,) == joined(plan([removal]), [old, msgspec.structs.replace(old)]).void


# -- the probe of everything keeps the other rules ------------------------------------------------------


@pytest.mark.parametrize(("left", "goes"), [(0, False), (1, True)])
def test_a_probe_of_everything_may_not_overspend(left: int, *, goes: bool) -> None:
    """Where the day leaves nothing, the probe would be refused for that: all wait for the day instead."""
    books = Books(NOW, {"url": 9}, {"url": left}, holds={SERVICE: Hold(NOW, NOW, 1)})
    made = plan(files(3), books)
    assert goes is bool(made.calls)
    assert ({} if goes else {task.url: Place(quota_of("url")) for task in files(3)}) == reasons(made)


@pytest.mark.parametrize(("used", "goes"), [(7, False), (6, True)])
def test_a_probe_of_everything_keeps_within_its_minute(used: int, *, goes: bool) -> None:
    """A full minute of its domain lets another domain's target go."""
    books = Books(minute=minute_of(NOW), in_minute={"url": {A: used}}, holds={SERVICE: Hold(NOW, NOW)})
    made = plan([*files(1, age=9), *files(1, f"https://{B}")], books, Limits(7))
    assert [A if goes else B] == [call.target.domain for call in made.calls]
    assert ({} if goes else {f"{HOST}/0.css": Place(minute_of_domain("url", A))}) == reasons(made)


def test_a_probe_of_everything_keeps_the_reserve() -> None:
    """What only removals may use is a removal's."""
    books = Books(NOW, {"url": 100}, {"url": 5}, holds={SERVICE: Hold(NOW, NOW)})
    removal = make_task(f"{HOST}/gone", lane=Lane.REMOVED)
    made = plan([*files(1, age=9), removal], books, Limits(reserve_percent=5))
    assert [(removal,)] == [call.tasks for call in made.calls]
    assert {f"{HOST}/0.css": Place(quota_of("url"))} == reasons(made)


def test_a_probe_of_everything_is_as_urgent_as_its_most_urgent_task() -> None:
    """An overwrite that shares its URL with a removal goes from the reserve with it."""
    twins = (make_task(f"{HOST}/a", lane=Lane.REMOVED), make_task(f"{HOST}/a"))
    books = Books(NOW, {"url": 100}, {"url": 5}, holds={SERVICE: Hold(NOW, NOW)})
    assert [{*twins}] == [{*call.tasks} for call in plan([*twins], books, Limits(reserve_percent=5)).calls]


def test_a_probe_of_everything_takes_what_its_minute_has_not_seen() -> None:
    """The first target of a minute, also where only one may go."""
    assert 1 == len(plan(files(2), Books(holds={SERVICE: Hold(NOW, NOW)}), Limits(1)).calls)


def test_a_probe_of_everything_is_no_prefetch_beside_its_refresh() -> None:
    """What is being refreshed is not prefetched, whatever else is in trouble."""
    prefetch, refresh = make_task(f"{HOST}/a", kind=Kind.PREFETCH), make_task(f"{HOST}/a")
    books = Books(holds={SERVICE: Hold(NOW, NOW, 1)})
    assert () == plan([prefetch], books, refreshes=[refresh]).calls
    assert [(refresh,)] == [call.tasks for call in plan([prefetch, refresh], books).calls]
    free = make_task(f"{HOST}/b", kind=Kind.PREFETCH)
    assert [(free,)] == [call.tasks for call in plan([prefetch, free], books, refreshes=[refresh]).calls]


def test_a_removal_makes_prefetches_void_also_while_the_cdn_is_in_trouble() -> None:
    """What is void is over, and no probe."""
    old = make_task(f"{HOST}/a", kind=Kind.PREFETCH, time=NOW - 9, key="a")
    removal = make_task(f"{HOST}/a", lane=Lane.REMOVED, key="a")
    made = plan([old], Books(holds={SERVICE: Hold(NOW, NOW)}), refreshes=[removal])
    assert Plan(void=(old,)) == made


@pytest.mark.parametrize(("due", "domain"), [(NOW + 0.1, B), (NOW, A)])
def test_a_probe_of_everything_is_of_no_domain_that_is_held_back(due: float, domain: str) -> None:
    """A domain that is known to be refused tells nothing of the others: one that is not is tried."""
    books = Books(holds={SERVICE: Hold(NOW, NOW, 0), trouble_of("url", A).slot: Hold(due, NOW, 1)})
    made = plan([*files(3, age=9), *files(1, f"https://{B}")], books)
    (probe,) = made.calls
    assert domain == probe.target.domain
    held = {task.url: Place(trouble_of("url", A)) for task in files(3)}
    assert (held if domain == B else {}) == reasons(made)
