"""When calls arrive: Poisson arrivals whose rate changes from second to second."""

import math
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

#: The calls per second at a second of the simulation, relative to the mean of a steady load.
Shape = Callable[[int], float]

#: Bursts: how many times the quiet rate, how long one is on average, and how long it is quiet between two.
_BURST, _BURST_S, _QUIET_S = 5.0, 60, 540

#: A step: the share of the time before it, and the rates before and after.
_STEP_AT, _BEFORE, _AFTER = 1 / 6, 0.25, 1.15

#: A day that is as long as the simulation: the rate at night and at noon.
_NIGHT, _NOON = 0.1, 1.9


class Load(NamedTuple):
    """A load.

    Args:
        name: of its shape.
        rates: calls per second, in each second.
    """

    name: str
    rates: list[float]

    @property
    def peak(self) -> float:
        """The highest rate that lasts for a minute, in calls per second."""
        minutes = [self.rates[at : at + 60] for at in range(0, len(self.rates), 60)]
        return max(sum(minute) / len(minute) for minute in minutes)

    @property
    def mean(self) -> float:
        return sum(self.rates) / len(self.rates)

    def arrivals(self, source: random.Random) -> Iterator[float]:
        """Yield the times of the arrivals, in seconds.

        Within a second the rate is constant, and Poisson arrivals have no memory: the gap that a second's
        end cuts is drawn anew at the rate of the next.
        """
        for second, rate in enumerate(self.rates):
            if rate <= 0:
                continue
            at = second + source.expovariate(rate)
            while at < second + 1:
                yield at
                at += source.expovariate(rate)


def steady(seconds: int, rate: float, source: random.Random) -> Load:
    """Return a load of one rate."""
    return Load("steady", [rate] * seconds)


def diurnal(seconds: int, rate: float, source: random.Random) -> Load:
    """Return a day in the time of the simulation: from night to noon to night."""
    middle, swing = (_NOON + _NIGHT) / 2, (_NOON - _NIGHT) / 2
    return Load(
        "diurnal",
        [rate * (middle - swing * math.cos(2 * math.pi * at / seconds)) for at in range(seconds)],
    )


def step(seconds: int, rate: float, source: random.Random) -> Load:
    """Return a load that becomes more than four times as high at once, and stays so."""
    return Load("step", [rate * (_BEFORE if at < seconds * _STEP_AT else _AFTER) for at in range(seconds)])


def bursts(seconds: int, rate: float, source: random.Random) -> Load:
    """Return a load with bursts of a minute or so, at any time: a Markov process of two states."""
    share = _BURST_S / (_BURST_S + _QUIET_S)
    quiet = rate / (1 - share + share * _BURST)
    rates, is_burst = [], False
    for _ in range(seconds):
        is_burst = source.random() >= 1 / _BURST_S if is_burst else source.random() < 1 / _QUIET_S
        rates.append(quiet * (_BURST if is_burst else 1.0))
    return Load("bursts", rates)


#: Each kind of load: its seconds, its mean rate, and where its chances come from → the load.
LOADS: dict[str, Callable[[int, float, random.Random], Load]] = {
    "steady": steady,
    "diurnal": diurnal,
    "step": step,
    "bursts": bursts,
}
