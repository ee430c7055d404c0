"""When people talk: conversations spread over days and hours as lives are."""

import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

# Between two conversations of a chat; edits and deletions of the first fall into it.
PAUSE = timedelta(minutes=4)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How much is said in each hour (UTC) of a working day and of a day at the weekend."""

    working_day: Sequence[float]
    weekend: Sequence[float]

    def weight(self, moment: datetime) -> float:
        """Return how likely a conversation is to begin in this hour."""
        hours = self.weekend if moment.weekday() >= 5 else self.working_day
        return hours[moment.hour]


def _day(spans: str) -> list[float]:
    """Return 24 weights from spans such as `7-9:2 9-17:5`; a little is said at any hour."""
    hours = [0.02] * 24
    for span in spans.split():
        times, weight = span.split(":")
        first, last = times.split("-")
        hours[int(first) : int(last)] = [float(weight)] * (int(last) - int(first))
    return hours


WORK = Rhythm(_day("7-8:1 8-12:5 12-13:2 13-17:4 17-19:1"), _day("10-20:0.1"))
NOON = Rhythm(_day("9-10:1 10-12:6 12-13:2 14-16:0.5"), _day(""))
EVENINGS = Rhythm(_day("6-8:2 8-16:1 16-18:3 18-22:6 22-23:2"), _day("8-10:2 10-18:4 18-23:4"))
FAMILY = Rhythm(_day("5-8:4 8-12:1 12-14:2 14-17:1 17-21:5"), _day("7-10:4 10-14:5 14-20:3"))
LEISURE = Rhythm(_day("7-16:0.6 16-18:2 18-22:4"), _day("7-13:7 13-17:5 17-22:4"))
ALWAYS = Rhythm(_day("0-6:1.5 6-9:2 9-18:3 18-24:2"), _day("0-24:1.6"))


def beginnings(
    rng: random.Random,
    rhythm: Rhythm,
    lengths: Sequence[timedelta],
    *,
    start: datetime,
    end: datetime,
) -> list[datetime]:
    """Return when each of a chat's conversations begins; the last one is over at `end`.

    They never overlap. Where too many fall together they move back in time, at worst to before
    `start`.
    """
    hours = [start + HOUR * number for number in range(max(1, (end - start) // HOUR))]
    reached = list(accumulate(rhythm.weight(hour) for hour in hours))
    drawn = sorted(
        hours[min(bisect(reached, rng.random() * reached[-1]), len(hours) - 1)]
        + HOUR * rng.random()
        for _ in lengths
    )
    result: list[datetime] = []
    latest_end = end
    for position, (moment, length) in enumerate(
        zip(reversed(drawn), reversed(lengths), strict=True)
    ):
        # The most recent conversation stands where it was put: the story ends there.
        begins = latest_end - length if position == 0 else min(moment, latest_end - length)
        result.append(begins)
        latest_end = begins - PAUSE
    result.reverse()
    return result
