"""The answer to one call in; what becomes of its tasks, and which parts of it go next, out.

Rules:

1. What the CDN refused of several domains is split by domain once, unless it is known to be the account's.
2. A call in which something can never go is searched for it in halves: where one half is accepted, the other holds it.
3. A call that a minute or a day does not leave is made smaller until it fits.
4. What a code says of the account, or of a domain, is not taken for that where smaller calls are accepted meanwhile:
   the call is tried in parts, and what fails alone beside others of its domain is tried later, and not for ever.
5. What does not tell the outcome moves nothing: the call's tasks are unknown until the task list has been asked.
"""

from __future__ import annotations

import msgspec

from shared.core.decide.moves import Alarm, Decision, Facts
from shared.core.errors import (
    AccountRefused,
    BadDomain,
    CdnError,
    MinuteSpent,
    OutcomeUnknown,
    QuotaSpent,
    Refused,
    Rejected,
    Throttled,
    TooLarge,
    Unsent,
)
from shared.core.plan.books import ACCOUNT, FLOW, SERVICE, per_minute
from shared.core.plan.planning import Call, Shrunk
from shared.core.plan.retry import (
    BLAMED_TRIES_MAX,
    MEANWHILE_SECONDS,
    REFUSED_PAUSE_SECONDS,
    backoff,
    blamed_pause,
    trouble_pause,
)
from shared.core.plan.split import by_domain, by_target, first_targets, in_parts
from shared.core.task.model import Batch, Result, Step, Target, Task, outcome
from shared.core.task.notes import Place
from shared.core.task.rows import Accepted
from shared.core.task.stored import CallKey
from shared.core.task.waits import Wait, Why, minute_of_domain, quota_of, trouble_of

SERVICE_PAUSE_SECONDS = REFUSED_PAUSE_SECONDS - 5.0
"""How often one call is tried while the CDN is in trouble or refuses the account: no minute's ring is to be missed."""
THROTTLED_IN_A_ROW_MAX = 2
"""After so many throttled calls, and none accepted, all calls pause."""
REFUSED_IN_A_ROW_MAX = 8
"""After so many refused calls, and none accepted, it is the domain or the account that is refused."""
AFTER_SECONDS = 0.001
"""How much later than an answer the next one is at least."""
ASIDE_UNTIL_FOUND = 2
"""After so many bad targets in one call, halves are sent as they come: laying them aside pays for a few only."""


class Reply(msgspec.Struct, frozen=True):
    """One call that was made: its intent's key, when it was answered, and either its acceptance or the error."""

    call: Call
    batch: Batch
    key: CallKey
    at: float
    accepted: Accepted | None = None
    error: CdnError | None = None
    was_refused_before: bool = False
    """Whether the day's quota has refused a call of this unit before, though a reading since said otherwise."""
    refusals: int = 0
    """How many calls before this one were refused for their domain or as everything's, with none accepted since."""
    is_last: bool = True
    """Whether no other call is to be made in this round."""


def of_reply(reply: Reply, facts: Facts, decision: Decision) -> None:
    """Decide what follows an answer."""
    error = reply.error
    if reply.accepted is not None:
        _accepted(reply, reply.accepted, facts, decision)
        return
    if isinstance(error, OutcomeUnknown):
        _unknown(reply, error, facts, decision)
        return
    decision.served.append(reply.key)  # nothing was carried out: there is nothing to find out of it
    if not isinstance(error, Unsent | Throttled | AccountRefused):
        decision.books = decision.books.lift(SERVICE, ACCOUNT)  # the CDN is there, and knows who calls
    if isinstance(error, Rejected):
        _rejected(reply, error, decision)
    elif isinstance(error, MinuteSpent):
        _minute_spent(reply, facts, decision)
    elif isinstance(error, QuotaSpent):
        _quota_spent(reply, facts, decision)
    elif isinstance(error, AccountRefused | Throttled):
        _maybe_everything(reply, error, facts, decision)
    elif isinstance(error, Unsent):
        _everything_waits(reply, error, facts, decision)
    elif isinstance(error, Refused):
        _refused(reply, error, facts, decision)
    else:
        raise TypeError(f"no rule says what follows a {type(error).__name__}")


def _accepted(reply: Reply, accepted: Accepted, facts: Facts, decision: Decision) -> None:
    decision.met("reply: accepted")
    decision.accepted(reply.batch, accepted, reply.at)
    decision.served.append(reply.key)
    books = decision.books.after(reply.batch, reply.at, facts.provider)
    decision.books = books.with_success(reply.batch, reply.at, facts.provider)
    call = reply.call
    if call.other:
        decision.met("reply: accepted, so the other half is bad")
        _search(msgspec.structs.replace(call, tasks=call.other, other=()), None, decision)
    elif call.aside:
        decision.met("reply: accepted, so what was laid aside goes")
        decision.calls.append(Call(call.aside, call.replaces, found=call.found))
    if call.shrunk and call.shrunk.behind:
        _smaller(reply, call.shrunk.behind, call.shrunk.wait, facts, decision)


def _unknown(reply: Reply, error: CdnError, facts: Facts, decision: Decision) -> None:
    """Book the call as spent; its intent stays, so its tasks are held back until the task list has been asked."""
    decision.met("reply: unknown")
    batch = reply.batch
    decision.books = decision.books.after(batch, reply.at, facts.provider)
    _hold_again(reply, error, facts, decision)
    words = {"code": error.code, "message": error.message, "request_id": error.request_id}
    decision.outcomes += [outcome(task, Result.UNCERTAIN, reply.at, call=batch.id, **words) for task in batch.tasks]
    call = reply.call
    _rest_goes(call, call.replaces, decision)


def _hold_again(reply: Reply, error: CdnError, facts: Facts, decision: Decision) -> None:
    """Where calls are known to fail, let nothing follow a probe before its outcome is known."""
    books, at, unit = decision.books, reply.at, facts.provider.unit(reply.batch.target)
    slots = [SERVICE, *(trouble_of(unit, domain).slot for domain in reply.batch.domains)]
    for slot in slots:
        if slot in books.holds and not books.is_held(slot, at):
            pause = SERVICE_PAUSE_SECONDS if slot == SERVICE else trouble_pause(books.holds[slot].tries + 1)
            books = books.hold(slot, at + pause, at, error.code, error.message, failed=True)
    decision.books = books


def _rejected(reply: Reply, error: CdnError, decision: Decision) -> None:
    call, batch = reply.call, reply.batch
    domains = by_domain(call.tasks)
    if len(domains) > 1:
        decision.met("reply: rejected, split by domain")
        decision.calls += [Call(part, replaces=batch.id) for part in domains]
    elif isinstance(error, TooLarge) and len(by_target(call.tasks)) > 1:
        decision.met("reply: too large, halved")
        decision.calls += [Call(part, replaces=batch.id) for part in in_parts(call.tasks, 2)]
    elif isinstance(error, BadDomain):
        decision.met("reply: a domain that is not the account's")
        decision.buried(call.tasks, error.code, error.message, error.request_id)
        _alarm_of_domain(error, call.target.domain, decision)
    else:
        _search(msgspec.structs.replace(call, replaces=batch.id), error, decision)
        return
    _rest_goes(call, batch.id, decision)


def _rest_goes(call: Call, replaces: str, decision: Decision) -> None:
    """Let what a search has laid aside go, where the call that it waited for ends otherwise."""
    for left in (call.other, call.aside):
        if left:
            decision.calls.append(Call(left, replaces, found=call.found))


def _search(call: Call, error: CdnError | None, decision: Decision) -> None:
    """Go on with the search in a part that is known to hold something bad; `error` is the CDN's word where it was sent.

    A target is given up with the CDN's own words about it, so the last one is always sent alone.
    """
    parts = in_parts(call.tasks, 2)
    if len(parts) > 1:
        decision.met("reply: rejected, halved")
        first, second = parts
        aside = call.aside
        if call.found < ASIDE_UNTIL_FOUND:
            aside = (*call.other, *aside)
        elif call.other:
            decision.calls.append(Call(call.other, call.replaces, found=call.found))
        decision.calls.append(Call(first, call.replaces, other=second, aside=aside, found=call.found))
        return
    if error is None:
        decision.met("reply: the bad one is sent alone")
        decision.calls.append(Call(call.tasks, call.replaces, aside=call.aside, found=call.found))
        return
    decision.met("reply: rejected alone, given up")
    decision.buried(call.tasks, error.code, error.message, error.request_id)
    is_rare = call.found < ASIDE_UNTIL_FOUND
    for left in ((*call.other, *call.aside),) if is_rare else (call.other, call.aside):
        if left:
            decision.calls.append(Call(left, call.replaces, found=call.found + 1))


def _minute_spent(reply: Reply, facts: Facts, decision: Decision) -> None:
    domains = by_domain(reply.call.tasks)
    if len(domains) > 1:
        decision.met("reply: a minute is spent, split by domain")
        decision.calls += [Call(part, replaces=reply.batch.id) for part in domains]
        return
    decision.met("reply: a minute is spent")
    _rest_goes(reply.call, reply.batch.id, decision)
    target = reply.call.target
    wait = minute_of_domain(facts.provider.unit(target), target.domain)
    _smaller(reply, (*reply.call.tasks, *_behind(reply.call)), wait, facts, decision)


def _quota_spent(reply: Reply, facts: Facts, decision: Decision) -> None:
    """Read the quota anew and plan by it; where that has been done before, make the call smaller until it fits."""
    if not reply.was_refused_before and not reply.call.shrunk:
        decision.met("reply: the day is spent, read again")
        decision.books = msgspec.structs.replace(decision.books, read_at=0.0)
        return
    decision.met("reply: the day is spent")
    wait = quota_of(facts.provider.unit(reply.call.target))
    _smaller(reply, (*reply.call.tasks, *_behind(reply.call)), wait, facts, decision)


def _behind(call: Call) -> tuple[Task, ...]:
    return call.shrunk.behind if call.shrunk else ()


def _smaller(reply: Reply, left: tuple[Task, ...], wait: Wait, facts: Facts, decision: Decision) -> None:
    """Try half as many targets of what is left; when not even one goes, they wait for the next minute or day."""
    shrunk, whole = reply.call.shrunk, len(by_target(left))
    step = min(shrunk.step if shrunk else whole, whole) // 2
    if step:
        decision.met("reply: tried with fewer targets")
        tasks, behind = first_targets(left, step)
        decision.calls.append(Call(tasks, reply.call.replaces, shrunk=Shrunk(step, wait, behind)))
        return
    now, books = reply.at, decision.books
    if wait.why is Why.QUOTA:
        decision.met("reply: nothing is left of the day")
        decision.books = books.without(wait.unit, now, facts.provider)
    else:
        decision.met("reply: nothing is left of the minute")
        limit = per_minute(wait.unit, facts.limits, facts.provider)
        words = (reply.error.code, reply.error.message) if reply.error else ()
        decision.books = books.minute_full(wait.unit, wait.domain, limit, now, facts.provider, *words)
    for task in left:
        decision.waits(task, Place(wait))


def _maybe_everything(reply: Reply, error: CdnError, facts: Facts, decision: Decision) -> None:
    """Let others go, and then the parts of this call, where it may not be everything that is refused."""
    call, books = reply.call, decision.books
    if call.since and books.went_well_since(call.since):
        decision.met("reply: refused as everything's, while others are accepted")
        _refused(reply, error, facts, decision)
        return
    domains = by_domain(call.tasks)
    parts = domains if len(domains) > 1 else in_parts(call.tasks, 2)
    is_throttled = isinstance(error, Throttled)
    most = THROTTLED_IN_A_ROW_MAX if is_throttled else REFUSED_IN_A_ROW_MAX
    is_doubtful = is_throttled or books.went_well_since(reply.at - MEANWHILE_SECONDS)
    if is_doubtful and reply.refusals < most and not (reply.is_last and len(parts) == 1):
        decision.met("reply: refused as everything's, tried in parts")
        left = [part for part in (call.other, call.aside, _behind(call)) if part]
        since = call.since or reply.at + AFTER_SECONDS
        decision.calls += [Call(part, reply.batch.id, since=since) for part in (*parts, *left)]
        return
    unit, domain = facts.provider.unit(call.target), call.target.domain
    is_alone = len(by_target(call.tasks)) == 1 and not is_throttled
    if is_alone and books.went_well_since(reply.at - MEANWHILE_SECONDS, unit, domain):
        blame(call.tasks, error.code, error.message, decision)
    _everything_waits(reply, error, facts, decision)


def _everything_waits(reply: Reply, error: CdnError, facts: Facts, decision: Decision) -> None:
    """Hold back all calls; the tasks stay where they are, so nothing is written for them."""
    now, books = reply.at, decision.books
    if isinstance(error, Throttled):
        decision.met("reply: throttled")
        pause = max(error.wait_seconds, backoff(3, facts.chance))
        decision.books = books.hold(FLOW, now + pause, now, error.code, error.message)
        return
    decision.met("reply: unsent" if isinstance(error, Unsent) else "reply: the account is refused")
    slot = SERVICE if isinstance(error, Unsent) else ACCOUNT
    decision.books = books.hold(slot, now + SERVICE_PAUSE_SECONDS, now, error.code, error.message, failed=True)
    if not decision.books.holds[slot].told:
        decision.books = decision.books.told([slot])
        decision.alarms.append(_alarm_of_account(error))


def _refused(reply: Reply, error: CdnError, facts: Facts, decision: Decision) -> None:
    call, target = reply.call, reply.call.target
    domains = by_domain(call.tasks)
    if len(domains) > 1:
        decision.met("reply: refused, split by domain")
        decision.calls += [Call(part, reply.batch.id, since=call.since) for part in domains]
        _rest_goes(call, reply.batch.id, decision)
        return
    unit = facts.provider.unit(target)
    begun = max(call.since, reply.at - MEANWHILE_SECONDS)
    goes_well = decision.books.went_well_since(begun, unit, target.domain)
    is_search, is_alone = reply.refusals < REFUSED_IN_A_ROW_MAX, len(by_target(call.tasks)) == 1
    if not is_alone and (goes_well or call.halved) and is_search:
        decision.met("reply: refused while its domain is accepted, halved")
        since = call.since or reply.at + AFTER_SECONDS
        decision.calls += [Call(part, reply.batch.id, since=since, halved=True) for part in in_parts(call.tasks, 2)]
        _rest_goes(call, reply.batch.id, decision)
    elif goes_well and is_alone:
        decision.met("reply: refused alone while its domain is accepted")
        blame(call.tasks, error.code, error.message, decision)
        _rest_goes(call, reply.batch.id, decision)
    elif call.since and is_alone and not reply.is_last and is_search:
        decision.met("reply: refused alone, tried again after the others")
        decision.calls.append(call)
    else:
        _domain_refused(reply, error, facts, decision)


def _domain_refused(reply: Reply, error: CdnError, facts: Facts, decision: Decision) -> None:
    decision.met("reply: a domain is refused")
    call = reply.call
    hold_domain(call.tasks, error.code, error.message, facts, decision, decision.now)
    slot = trouble_of(facts.provider.unit(call.target), call.target.domain).slot
    if not decision.books.holds[slot].told and not isinstance(error, Throttled):
        decision.books = decision.books.told([slot])
        _alarm_of_domain(error, call.target.domain, decision)
    left = (*call.other, *call.aside, *_behind(call))
    for task in left:
        decision.waits(task, Place(trouble_of(facts.provider.unit(task.target), task.domain)))


def blame(tasks: tuple[Task, ...], code: str, message: str, decision: Decision) -> None:
    """The call of one target came to nothing while others of its domain went."""
    decision.superseded([task for task in tasks if task.is_control], "it went only to tell whether the CDN works")
    for task in tasks:
        if task.is_control:
            continue
        blamed = task.blamed + 1
        after = msgspec.structs.replace(
            task, calls_tried=task.calls_tried + 1, unknowns=task.unknowns + 1, blamed=blamed
        )
        if blamed >= BLAMED_TRIES_MAX:
            decision.met("blamed, given up")
            why = f"{blamed} calls for it alone came to nothing while others of its domain were accepted"
            decision.gives_up(task, after, code, f"{why}: {message}" if message else why)
        else:
            decision.met("blamed, goes again later")
            told = message or "others of its domain were accepted meanwhile"
            decision.again(task, after, Step(decision.now, Result.UNCERTAIN, code, told), blamed_pause(blamed))


def hold_domain(
    tasks: tuple[Task, ...], code: str, message: str, facts: Facts, decision: Decision, begun: float
) -> None:
    """Let the tasks of a domain in trouble wait apart from all others."""
    trouble = hold_target(tasks[0].target, code, message, facts, decision, begun)
    for task in tasks:
        decision.waits(task, Place(trouble), why=f"{code}: {message}" if message else code)


def hold_target(target: Target, code: str, message: str, facts: Facts, decision: Decision, begun: float) -> Wait:
    """Hold back the domain of a target, ever longer; a call that was begun before the last hold's end is no try more.

    Either it was lost together with others, or it was a probe and has been counted when it was lost: where each counts
    twice, only every other target is ever chosen to go.
    """
    trouble = trouble_of(facts.provider.unit(target), target.domain)
    slot, now = trouble.slot, decision.now
    if not decision.books.is_held(slot, begun):
        books = decision.books.hold(slot, now, now, code, message, failed=True)
        decision.books = books.hold(slot, now + trouble_pause(books.holds[slot].tries), now)
    return trouble


def _alarm_of_account(error: CdnError) -> Alarm:
    if isinstance(error, Unsent):
        return Alarm(
            "the CDN's endpoint cannot be reached; tasks wait",
            "give the functions a way to the internet (internetAccess: true, or a NAT gateway or PROXY inside a VPC), "
            "and see that CDN_ENDPOINT is right",
            error.code,
            error.message,
        )
    return Alarm(
        "the CDN refuses this account's calls; tasks wait, and one call a minute is tried",
        "see that the functions' role is valid and may use the CDN, and that the account is not overdue or suspended",
        error.code,
        error.message,
        error.request_id,
    )


def _alarm_of_domain(error: CdnError, domain: str, decision: Decision) -> None:
    decision.alarms.append(
        Alarm(
            f"the CDN refuses calls for {domain}",
            "see that the domain is the account's, online and fully configured, and that the role's policy names it",
            error.code,
            error.message,
            error.request_id,
        )
    )
