"""What is held back until when, what has gone well, and what lifts the reason for which a note waits."""

from __future__ import annotations

import msgspec
import pytest

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.plan.books import (
    ACCOUNT,
    DOMAINS_REMEMBERED_MAX,
    FLOW,
    HELD_READING_SECONDS_MAX,
    HOLDS_MAX,
    ORIGIN_FORGOTTEN_SECONDS,
    PROBE_ENDS_SECONDS,
    QUOTA_READING_SECONDS_MAX,
    SERVICE,
    Books,
    Good,
    Hold,
    is_free,
    minute_of,
)
from shared.core.plan.limits import Limits
from shared.core.task.model import Batch, Form, Kind, Lane, Target
from shared.core.task.notes import NoteKey
from shared.core.task.waits import (
    BACKOFF,
    READY,
    REFRESH,
    Wait,
    Why,
    minute_of_domain,
    quota_of,
    trouble_of,
)
from tests.strategies import NOW, make_task

A, B = "a.example.com", "b.example.com"
TROUBLE = trouble_of("url", A).slot


def batch(*urls: str, kind: Kind = Kind.REFRESH, form: Form = Form.FILE) -> Batch:
    """Make a batch of some URLs, the first of which two tasks share."""
    tasks = [make_task(url, kind=kind, form=form) for url in urls]
    tasks.append(make_task(urls[0], kind=kind, form=form, time=1.0))
    return Batch("call", tasks=tuple(tasks), created=NOW)


def held(wait: Wait, *, due: float = 0.0, lane: int = Lane.OVERWRITTEN) -> NoteKey:
    """Make the key of a note that waits."""
    return NoteKey("", wait, due, lane, NOW, 1)


# -- holds ---------------------------------------------------------------------------------------------


def test_a_hold_says_until_when_since_when_and_why() -> None:
    """Each further try in vain counts, brings its own words, and leaves the beginning as it was."""
    once = Books().hold("x", NOW + 5, NOW, "Code", "words", failed=True)
    assert Hold(NOW + 5, NOW, 1, "Code", "words") == once.holds["x"]
    twice = once.hold("x", NOW + 9, NOW + 6, "Other", "more", failed=True)
    assert Hold(NOW + 9, NOW, 2, "Other", "more") == twice.holds["x"]
    quiet = twice.hold("x", NOW + 12, NOW + 10)
    assert Hold(NOW + 12, NOW, 2, "Other", "more") == quiet.holds["x"]
    assert Hold(NOW + 5, NOW, 0) == Books().hold("x", NOW + 5, NOW).holds["x"]


def test_a_hold_keeps_whether_a_person_was_told_and_what_lifts_it() -> None:
    """Held again, it is the same trouble: nobody is told a second time."""
    books = Books().hold("x", NOW, NOW).hold("y", NOW, NOW).told(["x", "unheard of"]).until_done("x")
    again = books.hold("x", NOW + 9, NOW, failed=True)
    assert (True, True, 1) == (again.holds["x"].told, again.holds["x"].until_done, again.holds["x"].tries)
    assert (False, False) == (again.holds["y"].told, again.holds["y"].until_done)
    assert {"x", "y"} == set(again.holds)


def test_holds_are_bounded() -> None:
    """The oldest give way where there are very many."""
    books = Books()
    for number in range(HOLDS_MAX + 2):
        books = books.hold(str(number), NOW, NOW)
    assert HOLDS_MAX == len(books.holds)
    assert ("0" in books.holds, "1" in books.holds, "2" in books.holds) == (False, False, True)


@pytest.mark.parametrize(("due", "is_held"), [(NOW + 0.1, True), (NOW, False), (NOW - 1, False)])
def test_what_is_due_is_held_no_more(due: float, is_held: bool) -> None:  # noqa: FBT001 - a table
    """At its time, and not a moment later, it goes again; what was never held is not."""
    books = Books().hold("x", due, NOW - 9)
    assert (is_held, False) == (books.is_held("x", NOW), books.is_held("y", NOW))


def test_lifting_lifts_what_is_named() -> None:
    """All else stays held."""
    books = Books(holds=dict.fromkeys("abc", Hold(NOW, NOW)))
    assert {"b"} == set(books.lift("a", "c", "unheard of").holds)
    assert books == books.lift()


def test_holds_can_be_listed_by_their_kind() -> None:
    """A quota's, a domain's; those of everything are of no kind."""
    hold = Hold(NOW, NOW)
    books = Books(holds={TROUBLE: hold, quota_of("url").slot: hold, SERVICE: hold, FLOW: hold})
    assert {trouble_of("url", A): hold} == books.of_kind(Why.TROUBLE)
    assert {quota_of("url"): hold} == books.of_kind(Why.QUOTA)
    assert {} == books.of_kind(Why.MINUTE)


def test_whether_records_are_kept_is_noted() -> None:
    """Newer records then wait behind them."""
    books = Books().with_kept(is_kept=True)
    assert (True, False) == (books.kept, books.with_kept(is_kept=False).kept)
    assert books is books.with_kept(is_kept=True)


def test_it_is_noted_of_which_calls_the_task_list_had_no_row() -> None:
    """The books keep a copy of their own; what was noted before gives way."""
    looked = {"call": NOW}
    books = Books(looked={"older": NOW - 9}).with_looked(looked)
    looked["newer"] = NOW
    assert ({"call": NOW}, {}) == (books.looked, books.with_looked({}).looked)


# -- what went well ------------------------------------------------------------------------------------


def test_a_success_ends_the_trouble_of_its_domains_and_of_everything() -> None:
    """Of its unit only: that a domain's files go says nothing of its prefetches."""
    slots = (TROUBLE, trouble_of("url", B).slot, trouble_of("prefetch", A).slot, SERVICE, ACCOUNT, FLOW)
    books = Books(holds=dict.fromkeys(slots, Hold(NOW + 9, NOW)))
    after = books.with_success(batch(f"https://{A}/1"), NOW, CDN)
    assert {trouble_of("url", B).slot, trouble_of("prefetch", A).slot, FLOW} == set(after.holds)
    assert {"url": {A: good(A, "1")}} == after.good


def test_a_success_after_a_pause_ends_what_flow_control_asked_for() -> None:
    """So that a pause which comes later is not taken for one that has lasted."""
    books = Books(holds={FLOW: Hold(NOW, NOW - 60)})
    assert {} == books.with_success(batch(f"https://{A}/1"), NOW, CDN).holds


def good(domain: str, path: str = "good", at: float = NOW, kind: Kind = Kind.REFRESH) -> Good:
    """Make what the books keep of a call that went well."""
    return Good(at, Target(kind, Form.FILE, f"https://{domain}/{path}"), "site")


def test_a_success_is_remembered_as_the_latest() -> None:
    """Of many domains the ones longest ago are forgotten first."""
    older = {A: good(A, at=NOW - 9)} | {str(n): good(str(n), at=NOW - 9) for n in range(DOMAINS_REMEMBERED_MAX)}
    books = Books(good={"url": older})
    books = books.with_success(batch(f"https://{A}/1", f"https://{B}/1"), NOW, CDN)
    last = books.good["url"]
    assert DOMAINS_REMEMBERED_MAX == len(last)
    assert [A, B] == list(last)[-2:]
    assert ("0" in last, "1" in last, "2" in last) == (False, False, True)
    assert (good(A, "1"), good(B, "1")) == (last[A], last[B])


def test_a_success_is_remembered_of_its_unit() -> None:
    """With a target to send once more; what is known of the other units stays, however many domains these have."""
    others = {str(n): good(str(n), at=NOW - 9) for n in range(DOMAINS_REMEMBERED_MAX)}
    books = Books(good={"url": others}).with_success(batch(f"https://{A}/p", kind=Kind.PREFETCH), NOW, CDN)
    assert {"url": others, "prefetch": {A: good(A, "p", kind=Kind.PREFETCH)}} == books.good


def test_an_accepted_probe_does_not_end_what_only_a_completed_task_ends() -> None:
    """The CDN accepts what then fails at the origin, so the next probe waits for this one's end."""
    slot = trouble_of("prefetch", A).slot
    books = Books().hold(slot, NOW, NOW - 9, "Failed", failed=True).until_done(slot)
    after = books.with_success(batch(f"https://{A}/1", kind=Kind.PREFETCH), NOW, CDN)
    assert {slot: Hold(NOW + PROBE_ENDS_SECONDS, NOW - 9, 1, "Failed", until_done=True)} == after.holds


@pytest.mark.parametrize(
    ("moment", "unit", "domain", "went"),
    [
        (NOW, "url", A, True),
        (NOW + 0.1, "url", A, False),
        (NOW, "url", B, False),
        (NOW - 5, "url", B, True),
        (NOW, "url", "c.example.com", False),
        (NOW - 9, "directory", A, False),
        (NOW + 5, "prefetch", B, True),
        (NOW - 9, "prefetch", A, False),
        (NOW + 5, "", "", True),
        (NOW + 5.1, "", "", False),
    ],
)
def test_it_is_known_since_when_calls_have_gone_well(moment: float, unit: str, domain: str, went: bool) -> None:  # noqa: FBT001 - a table
    """Of one unit for one domain, or any."""
    last = {"url": {A: good(A), B: good(B, at=NOW - 5)}, "prefetch": {B: good(B, at=NOW + 5, kind=Kind.PREFETCH)}}
    assert went is Books(good=last).went_well_since(moment, unit, domain)


def test_nothing_has_gone_well_at_first() -> None:
    """Books of nothing know of no success."""
    assert not Books().went_well_since(0.0)
    assert not Books().went_well_since(0.0, "url", A)


def test_failing_origins_are_taken_over_from_who_follows_calls() -> None:
    """One that fails is held, one that fails no more is lifted, and what is held for another reason stays."""
    slot, other = trouble_of("prefetch", A).slot, trouble_of("prefetch", B).slot
    failing, failed = Hold(NOW + 9, NOW, 3, until_done=True), Hold(NOW + 9, NOW, 2)
    books = Books().with_origins({A: failing, B: failed}, "prefetch", NOW)
    assert {slot: failing} == books.holds
    probed = books.hold(slot, NOW + 99, NOW)
    assert probed == probed.with_origins({A: failing}, "prefetch", NOW)
    assert {} == books.with_origins({}, "prefetch", NOW).holds
    refused = Books().hold(other, NOW + 9, NOW, "Forbidden")
    assert refused.holds == refused.with_origins({}, "prefetch", NOW).holds


@pytest.mark.parametrize(("age", "is_held"), [(ORIGIN_FORGOTTEN_SECONDS - 1, True), (ORIGIN_FORGOTTEN_SECONDS, False)])
def test_an_origin_that_nobody_has_tried_for_long_is_tried(age: float, is_held: bool) -> None:  # noqa: FBT001 - a table
    """After six hours without a task to end it, the hold is forgotten."""
    origins = {A: Hold(NOW - age, NOW - age, 3, until_done=True)}
    assert is_held is bool(Books().with_origins(origins, "prefetch", NOW).holds)


# -- what lifts a reason -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "is_released"),
    [
        (held(READY), True),
        (held(BACKOFF, due=NOW), True),
        (held(BACKOFF, due=NOW + 0.001), False),
        (held(quota_of("url")), False),
        (held(quota_of("url"), lane=Lane.REMOVED), True),
        (held(quota_of("url"), lane=Lane.MANUAL), True),
        (held(quota_of("url"), lane=9), False),
        (held(quota_of("directory")), False),
        (held(quota_of("directory"), lane=Lane.REMOVED), False),
        (held(quota_of("regex")), True),
        (held(minute_of_domain("url", A)), False),
        (held(minute_of_domain("url", B)), True),
        (held(minute_of_domain("directory", A)), True),
        (held(minute_of_domain("prefetch", A)), True),
        (held(trouble_of("url", A)), False),
        (held(trouble_of("url", B)), True),
        (held(trouble_of("prefetch", A)), True),
        (held(REFRESH), False),
    ],
)
def test_what_lifts_a_reason_releases_what_waits_for_it(key: NoteKey, is_released: bool) -> None:  # noqa: FBT001 - a table
    """Ready goes at once; each other reason by its own time, unit, minute or hold."""
    books = Books(
        total={"url": 100, "directory": 10},
        remaining={"url": 5, "directory": 0},
        minute=minute_of(NOW),
        in_minute={"url": {A: 10, B: 9}, "directory": {A: 99}},
        holds={
            TROUBLE: Hold(NOW + 1, NOW),
            trouble_of("url", B).slot: Hold(NOW, NOW - 9),
            REFRESH.slot: Hold(NOW + 1, NOW),
        },
    )
    assert is_released is is_free(key, books, Limits(10, reserve_percent=5), CDN, NOW)


@pytest.mark.parametrize(
    ("key", "limits"),
    [(held(minute_of_domain("url", A)), Limits(1)), (held(quota_of("url")), Limits(reserve_percent=100))],
)
def test_what_nothing_was_spent_of_is_free(key: NoteKey, limits: Limits) -> None:
    """A minute that nobody has used takes its first target; of an unknown total nothing can be reserved."""
    assert is_free(key, Books(remaining={"url": 1}), limits, CDN, NOW)


def test_books_of_nothing_say_nothing() -> None:
    """No reading, no minute, no day, no hold: the first drain begins with these."""
    assert (0.0, {}, {}, 0, {}, 0, {}, {}, {}, False, 0, {}, 0.0, 0, {}, {}) == tuple(
        getattr(Books(), field) for field in Books.__struct_fields__
    )
    assert (0, "", "", False, False) == tuple(getattr(Hold(NOW, NOW), field) for field in Hold.__struct_fields__[2:])
    assert ("service", "account", "flow") == (SERVICE, ACCOUNT, FLOW)


def test_what_is_promised_is_kept_in_numbers() -> None:
    """How long a reading is trusted, a probe waited for and an origin remembered; how many of each are."""
    assert (600.0, 50.0) == (QUOTA_READING_SECONDS_MAX, HELD_READING_SECONDS_MAX)
    assert (885.0, 21_600.0) == (PROBE_ENDS_SECONDS, ORIGIN_FORGOTTEN_SECONDS)
    assert (200, 500) == (DOMAINS_REMEMBERED_MAX, HOLDS_MAX)


def test_books_are_written_small() -> None:
    """They go with every lease, so what says nothing is left out."""
    assert b"{}" == msgspec.json.encode(Books())
    assert {"due", "since"} == set(msgspec.to_builtins(Hold(NOW, NOW)))
