"""Small scenarios of what the CDN, people and versions put calls through, so that each branch of a decision is met.

In each a single process runs under the eyes of the director: it is ended once at each of its calls.
"""

from __future__ import annotations

from collections.abc import Callable

from scripts.localcloud.answers import Answer
from scripts.localcloud.cdn.answers import CdnCall, rule
from scripts.localcloud.cdn.limits import Limits
from scripts.simulation.actions import Action
from scripts.simulation.boundaries import FOLLOWED, SITE, TWICE
from scripts.simulation.features import DROPPED, FOREVER, MALFORMED, Features, Trouble
from scripts.simulation.race import EARLIER, GATHER_SECONDS, LATE, MOMENT, TASK_SECONDS, Race, put, scenario_of
from scripts.simulation.scenario import IMAGES, STATIC
from scripts.simulation.sites import BOTH, PREFETCH, KeyRule, Site
from scripts.simulation.world import World
from shared.core.task.model import Cause, Form, Kind, Lane, Target, Task, TaskId
from shared.core.task.notes import Place, notes_of
from shared.core.task.waits import READY

REFRESHES = "RefreshObjectCaches"
DAYS_SECONDS = 3.1 * 86_400
"""Longer ago than the task list tells of."""
LONG_SECONDS = 300.0
"""How long what persists for a while does, and a task that is not done at the first look."""
AT_ONCE = MOMENT - 1.0
"""What begins from here on races, where what comes before has its own invocations later than elsewhere."""
NEVER_MADE = "cdn.refused"
"""The connection ends before a call takes effect."""
CROWD = LATE - 100.0
"""When an object begins to be written many times, on a day that leaves one refresh of it."""
MANY_EVENTS = 14
"""More notes than a round reads for those that ask for the same."""
VARIANTS_MANY = tuple(f"v={number:03}" for number in range(30))
"""So many URLs of an object that its note does not fit into a key."""
FOURTHS = Site("main", "www/", "/www/", (STATIC,), queries=("w=1", "w=2", "w=3"))
THIRDS = Site("main", "www/", "/www/", (STATIC,), queries=("w=1", "w=2"))
FOURTHS_OF_TWO = Site("main", "www/", "/www/", (STATIC, IMAGES), queries=("w=1", "w=2", "w=3"))
PAIRED = Site("main", "www/", "/www/", (STATIC,), queries=("w=1",))
DOUBLE = Site("main", "www/", "/www/", (STATIC, IMAGES))
FETCHED = Site("main", "www/", "/www/", (STATIC,), queries=("w=1", "w=2"), created=PREFETCH)
QUERIED = Site("main", "www/", "/www/", (STATIC,), rules=(KeyRule(every_query=("{url}",)),), when_spent="directory")
CROWDED = Site("main", "www/", "/www/", (STATIC,), queries=VARIANTS_MANY, created=BOTH)
"""Rules by which one write asks for several URLs, so that one process has them all in a call."""
REFUSED = ("InvalidAccessKeyId.Inactive", 403)
SIGNATURE = ("SignatureDoesNotMatch", 400)
BROKEN, DOWN = ("Whatever.Broken", 502), ("ServiceUnavailable", 503)
PAGE, OTHER = f"https://{STATIC}/www/0.html", f"https://{STATIC}/www/1.html"


def _trouble(
    kind: str, answer: tuple[str, int], until: float = FOREVER, *, since: float = 0.0, url: str = "", domain: str = ""
) -> Features:
    """Let something persist from the beginning, or a moment, to some moment."""
    urls = frozenset({url} if url else ())
    return Features(troubles=(Trouble(kind, *answer, since, until, urls=urls, domain=domain),))


def _answer(code: str, times: int, when: Callable[[CdnCall], bool] | None = None) -> Callable[[World], None]:
    """Let the CDN refuse some refreshes so."""

    def prepare(world: World) -> None:
        world.cloud.cdn.answers.append(rule(Answer(code=code), operations=[REFRESHES], times=times, when=when))

    return prepare


def _befall(kind: str, times: int = 1) -> Callable[[World], None]:
    """Let the first refreshes meet a fault."""

    def prepare(world: World) -> None:
        world.befall_first(REFRESHES, kind, times)

    return prepare


def _several(call: CdnCall) -> bool:
    return len(call.urls) > 1


def _fail(reason: str, *urls: str, since: float = 0.0) -> Callable[[World], None]:
    """Let all tasks fail, or those of some URLs, from a moment until people have gone."""

    def prepare(world: World) -> None:
        def failure(url: str) -> str | None:
            return reason if url in (urls or (url,)) and world.clock.now() >= since else None

        world.cloud.cdn.fail = failure

    return prepare


def _leave_notes(world: World) -> None:
    """Leave tasks in the spool that a newer version knew, or a former site file asked for."""
    targets = [
        Target(Kind.REFRESH, Form.FILE, "https://newer.example.com/www/0.html", provider="another-cdn"),
        Target(Kind.REFRESH, Form.FILE, "https://former.example.com/www/0.html"),
    ]
    cause = Cause("left behind", "left behind", EARLIER)
    tasks = [Task(TaskId(f"left-{place}"), each, "main", Lane.MANUAL, cause) for place, each in enumerate(targets)]
    notes = list(notes_of([(task, Place(READY)) for task in tasks]))
    spool = world.maker.make().parts.spool

    def leave() -> None:
        world.hub.spawn(lambda: spool.put(notes))

    world.clock.call_at(MOMENT - 0.9, leave)


LAST_LOOK = Action(MOMENT + 10.0, "read", "www/0.html")
"""Until people have gone tasks may fail."""
HARDSHIPS = (
    Race(
        "one bad URL of three",
        1,
        scenario_of(THIRDS, [put(0)], features=_trouble("url.bad", (MALFORMED, 400), url=f"{PAGE}?w=2")),
    ),
    Race(
        "a URL of four that seems bad twice",
        1,
        scenario_of(
            FOURTHS, [put(0)], features=_trouble("url.bad", (MALFORMED, 400), MOMENT + GATHER_SECONDS + 0.04, url=PAGE)
        ),
        is_faultless=False,
    ),
    Race("a domain that is not the account's", 1, scenario_of(TWICE, [put(0)])),
    Race(
        "a call that is too large",
        1,
        scenario_of(THIRDS, [put(0)]),
        _answer("InvalidObjectPath.Size.Malformed", 2, _several),
        is_faultless=False,
    ),
    Race(
        "a minute of which others have spent most",
        1,
        scenario_of(
            FOURTHS_OF_TWO,
            [*(Action(MOMENT - number / 10, "refresh") for number in (3, 2, 1)), put(0)],
            Limits(urls_per_minute_per_domain=5),
            {"URLS_PER_MINUTE_PER_DOMAIN": "5"},
        ),
        is_faultless=False,
    ),
    Race(
        "a minute that is spent as told",
        1,
        scenario_of(THIRDS, [put(0)], Limits(urls_per_minute_per_domain=2), {"URLS_PER_MINUTE_PER_DOMAIN": "2"}),
        is_faultless=False,
    ),
    Race(
        "a day that others have spent",
        1,
        scenario_of(
            THIRDS,
            [put(0, LATE - 60.0), Action(LATE - 1.0, "spend", units=4), put(0, LATE)],
            Limits(url_refreshes_per_day=7),
        ),
        hold=LATE - 0.2,
        start=LATE + GATHER_SECONDS,
        is_faultless=False,
    ),
    Race(
        "a day that is spent though a reading says otherwise",
        1,
        scenario_of(
            THIRDS,
            [put(0, LATE - 60.0), Action(LATE - 1.0, "spend", units=4), put(0, LATE)],
            Limits(url_refreshes_per_day=7),
            features=Features(quota_cached_seconds=240.0),
        ),
        hold=LATE - 0.2,
        start=LATE + GATHER_SECONDS,
        is_faultless=False,
    ),
    Race("throttled", 1, scenario_of(SITE, [put(0)]), _befall("cdn.throttle", 3), is_faultless=False),
    Race(
        "a URL of three that is refused as if the account were",
        1,
        scenario_of(THIRDS, [put(1, EARLIER), put(0)], features=_trouble("url.bad", SIGNATURE, url=f"{PAGE}?w=2")),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "a URL of eight on two domains that is refused as if the account were",
        1,
        scenario_of(
            FOURTHS_OF_TWO, [put(1, EARLIER), put(0)], features=_trouble("url.bad", SIGNATURE, url=PAGE), timers=True
        ),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "a URL of four that is refused as if the account were",
        1,
        scenario_of(FOURTHS, [put(1, EARLIER), put(0)], features=_trouble("url.bad", SIGNATURE, url=f"{PAGE}?w=3")),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "an object that is written again before its prefetch, twice",
        1,
        scenario_of(FOLLOWED, [put(0, MOMENT - 70.0), put(0, MOMENT - 40.0), put(0, MOMENT - 5.0)], timers=True),
        hold=MOMENT + 12.0,
        start=MOMENT + 12.0 + GATHER_SECONDS,
        rings=True,
        is_faultless=False,
    ),
    Race("no connection", 1, scenario_of(SITE, [put(0)]), _befall("cdn.unsent"), is_faultless=False),
    Race(
        "an account that is refused",
        1,
        scenario_of(SITE, [put(0)], features=_trouble("account.refused", REFUSED, MOMENT + LONG_SECONDS)),
        is_faultless=False,
    ),
    Race(
        "a domain that is refused",
        1,
        scenario_of(
            DOUBLE,
            [put(0, EARLIER), put(0)],
            features=_trouble("domain.trouble", ("ServiceBusy", 403), MOMENT + LONG_SECONDS, domain=STATIC),
            timers=True,
        ),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "a call of two domains that came to nothing",
        1,
        scenario_of(DOUBLE, [put(0)]),
        _befall(NEVER_MADE),
        is_faultless=False,
    ),
    Race(
        "a URL of three that makes calls come to nothing",
        1,
        scenario_of(
            THIRDS,
            [put(1, EARLIER), put(0), Action(MOMENT + LONG_SECONDS, "read", "www/0.html")],
            features=_trouble("url.bad", DROPPED, url=f"{PAGE}?w=2"),
            timers=True,
        ),
        _fail("Internal Error", OTHER, f"{OTHER}?w=1", f"{OTHER}?w=2", since=MOMENT),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "a domain of two whose calls come to nothing",
        1,
        scenario_of(
            DOUBLE,
            [put(1, EARLIER), put(0)],
            features=_trouble("domain.trouble", BROKEN, MOMENT + LONG_SECONDS, since=MOMENT, domain=STATIC),
            timers=True,
        ),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "a service that is down",
        1,
        scenario_of(
            SITE,
            [put(1, EARLIER), put(0)],
            features=_trouble("service.down", DOWN, MOMENT + LONG_SECONDS, since=MOMENT),
            timers=True,
        ),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "a call that came to nothing, and a later one",
        1,
        scenario_of(SITE, [put(0, MOMENT - 6.0), put(0)]),
        _befall(NEVER_MADE),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "a call of which a person has made a part",
        1,
        scenario_of(PAIRED, [Action(MOMENT - 6.0, "put", "www/index.html"), Action(MOMENT - 5.0, "refresh"), put(0)]),
        _befall("kill.before"),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "a call that the task list has forgotten",
        1,
        scenario_of(SITE, [put(0, MOMENT - DAYS_SECONDS), put(1)]),
        _befall("kill.before"),
        hold=AT_ONCE,
        is_faultless=False,
    ),
    Race(
        "a task that runs longer than the first look at it",
        1,
        scenario_of(SITE, [put(0, MOMENT - 70.0)], seconds=LONG_SECONDS),
        rings=True,
        is_faultless=False,
    ),
    Race(
        "an object that the origin lacks",
        1,
        scenario_of(SITE, [put(0, EARLIER), LAST_LOOK]),
        _fail("StatusCode404"),
        is_faultless=False,
    ),
    Race(
        "an origin that fails",
        1,
        scenario_of(FETCHED, [put(0, EARLIER), LAST_LOOK], is_seeded=False),
        _fail("Internal Error"),
        is_faultless=False,
    ),
    Race(
        "notes of a newer version and of a former site",
        1,
        scenario_of(SITE, [put(0)]),
        _leave_notes,
        hold=MOMENT - 0.2,
        is_faultless=False,
    ),
    Race(
        "every query of a URL, once its units are spent",
        1,
        scenario_of(
            QUERIED, [put(0, EARLIER), put(1)], Limits(ignore_params_refreshes_per_day=1), seconds=LONG_SECONDS
        ),
    ),
    Race(
        "more refreshes elsewhere than a round reads",
        1,
        scenario_of(
            CROWDED,
            [put(0, CROWD), *(put(0, CROWD + 10.0 + number) for number in range(MANY_EVENTS))],
            Limits(url_refreshes_per_day=1 + len(VARIANTS_MANY)),
        ),
        hold=CROWD + 40.0,
        start=CROWD + TASK_SECONDS + 5.0,
        is_faultless=False,  # the timer has to come back to them
    ),
)
