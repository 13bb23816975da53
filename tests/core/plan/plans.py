"""Tasks, books and limits in, plans of the one provider out: what the tests of plans share."""

from __future__ import annotations

from collections import Counter

from hypothesis import given

from shared.cloud.provider.facts import ALIBABA_CDN as CDN
from shared.core.plan.books import Books
from shared.core.plan.limits import Limits
from shared.core.plan.planning import Call, Plan
from shared.core.plan.planning import plan as plan_for
from shared.core.task.model import Target, Task
from shared.core.task.notes import Place
from tests import strategies
from tests.strategies import NOW, make_task

HOST = "https://a.example.com"
A, B = "a.example.com", "b.example.com"
FREE = Limits(urls_per_minute_per_domain=1_000_000, reserve_percent=0)
ANY_BOOKS = strategies.books() | strategies.troubled_books()

planning = given(strategies.task_lists(), ANY_BOOKS, strategies.limits())


def plan(
    tasks: list[Task],
    books: Books | None = None,
    limits: Limits = FREE,
    refreshes: tuple[Task, ...] | list[Task] = (),
    now: float = NOW,
) -> Plan:
    """Plan for the one provider that there is, at one moment."""
    return plan_for(tasks, books or Books(), limits, CDN, now, refreshes)


def urls(call: Call) -> list[str]:
    """List the URLs of a call, each once."""
    return list(dict.fromkeys(task.url for task in call.tasks))


def targets(call: Call) -> list[Target]:
    """List the targets of a call, each once."""
    return list(dict.fromkeys(task.target for task in call.tasks))


def files(count: int, host: str = HOST, **fields: float) -> list[Task]:
    """Make refreshes of files, the first one oldest."""
    age = fields.get("age", 0.0)
    return [make_task(f"{host}/{number}.css", time=NOW - age + number / 1000) for number in range(count)]


def spent(calls: tuple[Call, ...]) -> Counter[str]:
    """Count the units of each quota that calls spend."""
    units: Counter[str] = Counter()
    for call in calls:
        units[CDN.unit(call.target)] += len(urls(call))
    return units


def reasons(made: Plan) -> dict[str, Place]:
    """Tell by URL for what each task waits."""
    return {task.url: place for task, place in made.waits}


def today(books: Books) -> Books:
    """The books as a decision sees them."""
    return books.at(NOW, CDN)
