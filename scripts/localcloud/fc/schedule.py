"""A timer trigger's expression goes in; a schedule that tells when it rings next comes out.

Six fields, `second minute hour day-of-month month day-of-week`, in UTC unless `CRON_TZ=Zone` stands
before them; or `@every 4m`. `L`, `W` and `#` are not understood.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

DAYS_SEARCHED_MAX = 366 * 5
SECONDS_OF_UNIT = {"h": 3600, "m": 60, "s": 1}
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class Schedule(Protocol):
    """When a timer rings."""

    def next_after(self, after: float, since: float) -> float:
        """Tell the first ring later than `after`; `since` is when the trigger was made; in epoch seconds."""


@dataclass(frozen=True, slots=True)
class Every:
    """`@every 4m`: at equal distances from when the trigger was made."""

    seconds: int

    def next_after(self, after: float, since: float) -> float:
        """Tell the first ring later than `after`."""
        return since + (math.floor((after - since) / self.seconds) + 1) * self.seconds


@dataclass(frozen=True, slots=True)
class Cron:
    """Six sets of numbers and the zone whose wall clock they are read on."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    zone: tzinfo
    either_day: bool
    """Both day fields are restricted: a day matches when one of them does, as in every cron."""

    def next_after(self, after: float, since: float) -> float:  # noqa: ARG002 - only intervals need it
        """Tell the first ring later than `after`; ValueError where there is none for five years."""
        local = datetime.fromtimestamp(math.floor(after), timezone.utc).astimezone(self.zone)
        for ahead in range(DAYS_SEARCHED_MAX):
            day = local.replace(hour=0, minute=0, second=0, fold=0) + timedelta(days=ahead)
            if self._rings_on(day):
                for moment in self._moments(day, local if ahead == 0 else day):
                    if moment > after:
                        return moment
        raise ValueError("the expression names no day of the next five years")

    def _rings_on(self, day: datetime) -> bool:
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        matches = (by_date or by_weekday) if self.either_day else (by_date and by_weekday)
        return matches and day.month in self.months

    def _moments(self, day: datetime, start: datetime) -> Iterator[float]:
        """List one day's rings in order, from `start` on; a time that the zone skips that day is left out."""
        hours = [hour for hour in self.hours if hour >= start.hour]
        minutes = [minute for minute in self.minutes if minute >= start.minute]
        first = itertools.product([start.hour] if start.hour in hours else [], minutes, self.seconds)
        later = itertools.product([hour for hour in hours if hour > start.hour], self.minutes, self.seconds)
        for hour, minute, second in itertools.chain(first, later):
            wall = day.replace(hour=hour, minute=minute, second=second)
            moment = wall.timestamp()
            if datetime.fromtimestamp(moment, self.zone).hour == hour:
                yield moment


def parse_schedule(text: str) -> Schedule:
    """Read an expression; ValueError says what is wrong with it."""
    zone: tzinfo = timezone.utc
    words = text.split()
    if words and words[0] == "@every":
        return Every(_duration("".join(words[1:])))
    if words and words[0].startswith("CRON_TZ="):
        zone = _zone(words.pop(0).partition("=")[2])
    if len(words) != 6:
        raise ValueError(f"{text!r} is neither six fields nor `@every` with a duration")
    return Cron(
        seconds=_numbers(words[0], 0, 59),
        minutes=_numbers(words[1], 0, 59),
        hours=_numbers(words[2], 0, 23),
        days=_numbers(words[3], 1, 31),
        months=_numbers(words[4], 1, 12, MONTHS),
        weekdays=_numbers(words[5], 0, 6, WEEKDAYS),
        zone=zone,
        either_day=words[3] not in ("*", "?") and words[5] not in ("*", "?"),
    )


def _duration(text: str) -> int:
    parts = re.findall(r"(\d+)([hms])", text)
    seconds = sum(int(count) * SECONDS_OF_UNIT[unit] for count, unit in parts)
    if "".join(count + unit for count, unit in parts) != text or not seconds:
        raise ValueError(f"{text!r} is no duration such as 4m or 1h30m")
    return seconds


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone") from error


def _numbers(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> tuple[int, ...]:
    """Read one field, a list of `*`, `a`, `a-b`, each with an optional `/step`."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if span in ("*", "?") else _number(first, low, names)
        end = high if span in ("*", "?") or (step and not last) else _number(last or first, low, names)
        if not low <= start <= end <= high or step == "0":
            raise ValueError(f"{field!r} is not within {low}-{high}")
        found.update(range(start, end + 1, _number(step or "1", low, ())))
    return tuple(sorted(found))


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + low
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is no number")
    return int(text)
