"""The values that travel: names, targets, tries, the URLs of a batch, outcomes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.task.model import (
    CONTROL,
    ENDS,
    HISTORY_STEPS_MAX,
    TEXT_CHARACTERS_MAX,
    Action,
    Batch,
    Cause,
    Form,
    Kind,
    Lane,
    ObjectChange,
    Outcome,
    Result,
    State,
    Step,
    Submission,
    Target,
    Task,
    TaskId,
    Try,
    digest,
    domain_of,
    json_bytes,
    outcome,
)
from tests import strategies
from tests.strategies import NOW, make_task


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://static.example.com/a.css", "static.example.com"),
        ("http://Static.Example.com/", "static.example.com"),
        ("https://static.example.com", "static.example.com"),
        ("https://static.example.com?w=1", "static.example.com"),
        ("https://static.example.com/a?u=http://b.example.com/", "static.example.com"),
        ("https://static.example.com//b.example.com/", "static.example.com"),
        ("static.example.com/a.css", ""),
        ("", ""),
    ],
)
def test_the_domain_of_a_url_is_its_host(url: str, domain: str) -> None:
    """Limits count by domain, so paths and queries must not be taken for hosts."""
    assert domain == domain_of(url)


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_different_parts_have_different_names(one: list[str], other: list[str]) -> None:
    """Where parts end matters: `ab, c` is not `a, bc`."""
    assert (one == other) == (digest(*one) == digest(*other))


def test_a_name_never_changes() -> None:
    """Names lie in the spool across deployments: the first 20 hex digits of SHA-256 of the parts as compact JSON."""
    assert "529c6f7c6925ad7eaf54" == digest("a", "b", "中")
    assert 20 == len(digest())


def batch(*tasks: Task) -> Batch:
    """Make a batch of some tasks."""
    return Batch("call", tasks, NOW)


def test_a_url_is_sent_once() -> None:
    """Tasks may share a URL; what is sent, and paid for, are the distinct ones in order."""
    tasks = [make_task(f"https://a.example.com/{name}", time=NOW - age) for age, name in enumerate("bacab")]
    assert ("https://a.example.com/b", "https://a.example.com/a", "https://a.example.com/c") == batch(*tasks).urls


def test_a_batch_knows_its_domains_and_what_kind_of_call_it_is() -> None:
    """Domains come in the order of the tasks, each once; kind, form and `force` are those of the first task."""
    hosts = ("b", "A", "b", "a")
    tasks = [
        make_task(f"https://{host}.example.com/{n}/", form=Form.DIRECTORY, force=True) for n, host in enumerate(hosts)
    ]
    assert ("b.example.com", "a.example.com") == batch(*tasks).domains
    assert tasks[0].target == batch(*tasks).target


def test_texts_and_histories_have_a_measure() -> None:
    """So that a note of a thousand tasks that have been tried for days can still be read at once."""
    assert (300, 12) == (TEXT_CHARACTERS_MAX, HISTORY_STEPS_MAX)


def test_a_history_is_bounded() -> None:
    """A task that is tried for days keeps its newest steps only, without those that say the same again."""
    task = make_task("https://a.example.com/a")
    for number in range(HISTORY_STEPS_MAX + 5):
        task = task.with_step(Step(NOW + number, Result.DEFERRED, str(number)))
    assert [NOW + number for number in range(5, HISTORY_STEPS_MAX + 5)] == [step.at for step in task.history]


def test_a_step_that_says_the_same_takes_the_place_of_the_last() -> None:
    """Result and code decide; the time and the words are those of the latest."""
    first = Step(NOW, Result.DEFERRED, "Busy", "one", "R-1")
    task = make_task("https://a.example.com/a").with_step(first)
    same = Step(NOW + 1, Result.DEFERRED, "Busy", "two", "R-2")
    assert (same,) == task.with_step(same).history
    for other in (Step(NOW + 1, Result.DEFERRED, "Other"), Step(NOW + 1, Result.UNCERTAIN, "Busy")):
        assert (first, other) == task.with_step(other).history
        assert (first, other, first) == task.with_step(other).with_step(first).history


def test_a_step_that_says_the_same_leaves_what_is_before_the_last() -> None:
    """Only the last one gives way, however long the history is."""
    steps = [Step(NOW + number, Result.DEFERRED, code) for number, code in enumerate("abcc")]
    task = make_task("https://a.example.com/a")
    for step in steps:
        task = task.with_step(step)
    assert (*steps[:2], steps[3]) == task.history


def test_the_words_of_a_step_are_cut() -> None:
    """However much a service says, a note does not grow without end."""
    task = make_task("https://a.example.com/a").with_step(Step(NOW, Result.DEAD, "C", "x" * 999, "R"))
    assert (Step(NOW, Result.DEAD, "C", "x" * TEXT_CHARACTERS_MAX, "R"),) == task.history


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_one_second_s_changes_the_one_that_asks_for_a_prefetch_is_followed(order: tuple[int, ...]) -> None:
    """Created, removed and created again within a second: the prefetch is not forgotten, whatever the order."""
    url = "https://a.example.com/a"
    asks = msgspec.structs.replace(make_task(url), id="asks", then_prefetch=True)
    removal = make_task(url, lane=Lane.REMOVED)
    older = make_task(url, time=NOW - 1)
    made = batch(*((older, removal, asks)[place] for place in order)).accepted(("1",), "request", NOW)
    assert (asks,) == made.batch.tasks
    assert {older.this_try, removal.this_try} == set(made.covered)
    assert {task.this_try for task in (older, removal, asks)} == made.tries


@pytest.mark.parametrize(("key", "follows"), [("b", True), ("a", False)])
def test_the_removal_of_one_object_takes_no_prefetch_from_another_s_change(key: str, follows: bool) -> None:  # noqa: FBT001 - a table
    """Both are served under the URL; a prefetch for what was removed itself is not asked for."""
    url = "https://a.example.com/latest"
    asks = msgspec.structs.replace(make_task(url, key=key, time=NOW - 1), then_prefetch=True)
    removal = make_task(url, key="a", lane=Lane.REMOVED)
    other = make_task("https://a.example.com/b", key="c")
    made = batch(asks, removal, other).accepted(("1",), "R", NOW)
    assert {url: follows, other.url: False} == {task.url: task.then_prefetch for task in made.batch.tasks}
    assert (asks.this_try,) == made.covered


def test_an_accepted_call_keeps_what_it_was() -> None:
    """Ids, request and time are the answer's; the batch is the call's, with the newest task of each URL."""
    old, new = (make_task("https://a.example.com/a", time=NOW - age) for age in (9, 0))
    again = msgspec.structs.replace(make_task("https://a.example.com/a", time=NOW - 5), cdn_failures=2)
    other = make_task("https://a.example.com/b", time=NOW - 7)
    sent = Batch("call", (old, other, new, again), NOW - 1, replaces="refused")
    made = sent.accepted(("1", "2"), "R", NOW)
    assert (("1", "2"), "R", NOW) == (made.task_ids, made.request_id, made.accepted)
    assert ("call", NOW - 1, "refused") == (made.batch.id, made.batch.created, made.batch.replaces)
    assert [other, new] == sorted(made.batch.tasks, key=lambda task: task.cause.time)
    assert tuple(sorted((Try(old.id), Try(again.id, 2)), key=lambda each: each.task)) == made.covered


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_change_is_followed_rather_than_a_control(order: tuple[int, int]) -> None:
    """What goes only to tell whether the CDN works may end with any change of its URL, not the other way round."""
    change = make_task("https://a.example.com/a")
    control = msgspec.structs.replace(change, id="control", cause=Cause(CONTROL, CONTROL, NOW + 9))
    both = (change, control)
    assert [False, True] == [task.is_control for task in both]
    assert {change.url: change} == batch(*(both[place] for place in order)).newest
    assert "control" == CONTROL


def test_what_a_call_covers_is_in_order() -> None:
    """By task, then by number: the same call is always written in the same bytes."""
    url = "https://a.example.com/a"
    tries = [
        msgspec.structs.replace(make_task(url), id=name, cdn_failures=number)
        for name, number in (("b", 0), ("a", 2), ("a", 0), ("a", 1))
    ]
    newest = make_task(url, time=NOW + 1)
    made = batch(newest, *tries).accepted(("1",), "R", NOW)
    assert [("a", 0), ("a", 1), ("a", 2), ("b", 0)] == [(each.task, each.number) for each in made.covered]


def test_a_try_is_not_its_task() -> None:
    """After a failure at the CDN the same task is another try; calls that came to nothing do not make one."""
    task = make_task("https://a.example.com/a")
    assert Try(task.id, 0) == task.this_try
    assert Try(task.id, 2) == msgspec.structs.replace(task, cdn_failures=2).this_try
    tried = msgspec.structs.replace(task, calls_tried=3, unknowns=3, blamed=3, part="p")
    assert task.this_try == tried.this_try
    assert sorted([Try(TaskId("b")), Try(TaskId("a"), 2), Try(TaskId("a"), 1)]) == [
        Try(TaskId("a"), 1),
        Try(TaskId("a"), 2),
        Try(TaskId("b")),
    ]


def test_each_field_of_a_target_makes_another_target() -> None:
    """Whom, with which account, what, in which form, how, and for which URL: its name says all of these."""
    plain = Target(Kind.REFRESH, Form.FILE, "https://A.example.com/a")
    others = [
        msgspec.structs.replace(plain, **field)
        for field in (
            {"kind": Kind.PREFETCH},
            {"form": Form.DIRECTORY},
            {"url": "https://a.example.com/a"},
            {"force": True},
            {"provider": "other"},
            {"account": "second"},
        )
    ]
    assert 7 == len({each.name for each in (plain, *others)}) == len({plain, *others})
    assert "alibaba-cdn\n\nrefresh\nfile\nFalse\nhttps://A.example.com/a" == plain.name
    assert "a.example.com" == plain.domain


def test_a_task_shows_its_target() -> None:
    """URL and domain are asked for often."""
    task = make_task("https://A.example.com/a")
    assert ("https://A.example.com/a", "a.example.com") == (task.url, task.domain)


def test_an_object_is_its_bucket_and_key() -> None:
    """Two keys of one URL are two objects."""
    assert ("content", "a") == Cause("e", "n", NOW, "content", "a").source


@pytest.mark.parametrize(
    ("action", "delta_size", "is_new"),
    [
        (Action.CREATED, 5, True),
        (Action.CREATED, 4, False),
        (Action.CREATED, None, False),
        (Action.REMOVED, 5, False),
    ],
)
def test_a_growth_of_the_whole_size_is_new(action: Action, delta_size: int | None, *, is_new: bool) -> None:
    """Only of a created object, and only where the event said so."""
    assert is_new is ObjectChange("e", action, "n", "b", "k", "E", 5, delta_size, NOW).is_new


def test_the_ends_of_a_life() -> None:
    """Four states are ends; each has its word in the log."""
    assert {State.DONE, State.SUPERSEDED, State.SKIPPED, State.DEAD} == set(ENDS)
    assert {state.value for state in ENDS} <= {result.value for result in Result}


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (Action, "created removed"),
        (Kind, "refresh prefetch"),
        (Form, "file directory ignore-params regex"),
        (State, "waiting intended unknown accepted done superseded skipped dead"),
        (Result, "accepted deferred uncertain done superseded skipped dead round report expired told"),
    ],
)
def test_words_never_change(members: type[Action | Kind | Form | State | Result], words: str) -> None:
    """They lie in the spool and in the log across deployments."""
    assert words.split() == [member.value for member in members]


PLAIN = Target(Kind.REFRESH, Form.FILE, "https://a.example.com/a")
CAUSE = Cause("e", "n", NOW)
TASK = Task(TaskId("t"), PLAIN, "site", Lane.MANUAL, CAUSE)


@pytest.mark.parametrize(
    ("value", "written", "left_out"),
    [
        (CAUSE, {"event_id", "event_name", "time"}, ("", "", "")),
        (PLAIN, {"kind", "form", "url"}, (False, "alibaba-cdn", "")),
        (Step(NOW, Result.DEAD), {"at", "result"}, ("", "", "")),
        (TASK, {"id", "target", "site", "lane", "cause"}, (False, 0, 0, 0, 0, "", (), "")),
        (Batch("call", (TASK,), NOW), {"id", "tasks", "created"}, ("",)),
        (Submission(batch(TASK)), {"batch"}, ((), "", 0.0, ())),
        (
            Outcome(NOW, Result.TOLD),
            {"time", "result"},
            (*("", "", ""), 0.0, *("",) * 8, 0, 0, *("",) * 5, 0.0, 0),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_says_nothing_is_left_out(value: msgspec.Struct, written: set[str], left_out: tuple[object, ...]) -> None:
    """Stored values are small, and what is not there is read as nothing, also by another version."""
    assert written == set(msgspec.to_builtins(value))
    assert left_out == tuple(getattr(value, field) for field in value.__struct_fields__[len(written) :])


def test_a_try_is_the_first_where_nothing_else_is_said() -> None:
    """A number is told of later tries."""
    assert Try(TaskId("t"), 0) == Try(TaskId("t"))


@given(strategies.tasks(), st.lists(strategies.steps(), max_size=3))
def test_values_survive_json(task: Task, steps: list[Step]) -> None:
    """A task comes back from JSON as it was, alone, in a batch and in a submission."""
    for step in steps:
        task = task.with_step(step)
    sent = Submission(batch(task), ("1", "2"), "request", NOW, (Try(task.id, 3),))
    assert task == msgspec.json.decode(json_bytes(task), type=Task)
    assert sent == msgspec.json.decode(json_bytes(sent), type=Submission)


def test_lanes_are_ordered_by_urgency() -> None:
    """Their numbers are part of the spool's keys."""
    assert [0, 1, 2, 3, 4] == [Lane.REMOVED, Lane.OVERWRITTEN, Lane.MANUAL, Lane.SPELLED, Lane.PREFETCH]


def test_prefetches_of_versions_without_second_spellings_are_in_their_lane() -> None:
    """These versions gave it the number that second spellings have now."""
    stored = json_bytes(make_task("https://a.example.com/a", kind=Kind.PREFETCH)).replace(b'"lane":4', b'"lane":3')
    refresh = json_bytes(make_task("https://a.example.com/a", lane=Lane.SPELLED))
    assert [Lane.PREFETCH, Lane.SPELLED] == [msgspec.json.decode(each, type=Task).lane for each in (stored, refresh)]


def test_an_outcome_tells_task_and_cause() -> None:
    """A record can be found by URL, by object and by event."""
    task = make_task("https://A.example.com/a", lane=Lane.REMOVED)
    task = msgspec.structs.replace(task, calls_tried=4, cdn_failures=3)
    record = outcome(task, Result.DEFERRED, NOW + 1, code="Throttling", due=NOW + 60)
    assert (
        Outcome(
            time=NOW + 1,
            result=Result.DEFERRED,
            task_id=task.id,
            event_id=task.cause.event_id,
            event_name="ObjectCreated:PutObject",
            event_time=NOW,
            bucket="content",
            key="https://A.example.com/a",
            site="site",
            lane="removed",
            url="https://A.example.com/a",
            domain="a.example.com",
            kind="refresh",
            form="file",
            attempt=7,
            code="Throttling",
            due=NOW + 60,
        )
        == record
    )
    assert record == msgspec.json.decode(json_bytes(record), type=Outcome)
