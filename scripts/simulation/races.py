"""The races: small scenarios in which two to four invocations run at the same time, and those of one alone."""

from __future__ import annotations

from scripts.localcloud.cdn.limits import Limits
from scripts.simulation.actions import Action
from scripts.simulation.boundaries import FOLLOWED, SITE, TWICE
from scripts.simulation.hardships import HARDSHIPS
from scripts.simulation.race import (
    EARLIER,
    EVERYTHING_LATER_SECONDS,
    GATHER_SECONDS,
    LATE,
    MOMENT,
    PICTURES,
    Race,
    fail_first_task,
    lose_reply,
    put,
    scenario_of,
)

RACES = (
    Race("two receivers", 2, scenario_of(SITE, [put(0), put(1)])),
    Race(
        "two receivers of one key",
        2,
        scenario_of(SITE, [Action(MOMENT + number * 0.01, "put", "www/hot.html") for number in range(2)]),
        weight=1,
    ),
    Race("a receiver and the timer", 2, scenario_of(SITE, [put(0)]), rings=True),
    Race("a receiver and a settler of one key", 2, scenario_of(FOLLOWED, [put(0, EARLIER), put(0)]), weight=1),
    Race(
        "a receiver and a settler of what failed",
        2,
        scenario_of(SITE, [put(0, EARLIER), put(0)]),
        fail_first_task,
        is_faultless=False,
        weight=1,
    ),
    Race(
        "a receiver and the timer, beside a call whose reply was lost",
        2,
        scenario_of(SITE, [put(0, MOMENT - 6.0), put(0)]),
        lose_reply,
        rings=True,
        hold=MOMENT - 1.0,
        is_faultless=False,
        weight=2,
    ),
    Race(
        "a receiver and a taker-down of one key",
        2,
        scenario_of(FOLLOWED, [put(0), Action(MOMENT + 0.01, "remove", "www/0.html")]),
        weight=1,
    ),
    Race("two receivers with a domain that is rejected", 2, scenario_of(TWICE, [put(0), put(1)]), weight=2),
    Race(
        "two receivers and the day's last unit",
        2,
        scenario_of(SITE, [put(0, LATE), put(1, LATE)], Limits(url_refreshes_per_day=1)),
        hold=LATE - 0.2,
        start=LATE + GATHER_SECONDS,
        needs_lease=True,  # the books of the day go from holder to holder
    ),
    Race(
        "two receivers while the log service is down",
        2,
        scenario_of(
            PICTURES,
            [put(0), Action(MOMENT, "put", "www/draft.tmp")],
            outages=((MOMENT - 1.0, MOMENT + EVERYTHING_LATER_SECONDS),),
        ),
    ),
    Race("two receivers and the timer", 3, scenario_of(SITE, [put(0), put(1)]), rings=True, weight=2),
    Race(
        "a receiver, a settler and the timer",
        3,
        scenario_of(FOLLOWED, [put(0, EARLIER), put(0)]),
        rings=True,
        weight=3,
    ),
    Race("three receivers", 3, scenario_of(SITE, [put(0), put(1), put(1)]), weight=3),
    Race(
        "two receivers, a settler and the timer",
        4,
        scenario_of(FOLLOWED, [put(0, EARLIER), put(0), put(1)]),
        rings=True,
        weight=4,
    ),
    Race("three receivers and the timer", 4, scenario_of(SITE, [put(0), put(1), put(1)]), rings=True, weight=4),
    *HARDSHIPS,
)
