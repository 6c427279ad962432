"""Rates in words, e.g. "100/minute", and what a route limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from aylien_model_serving.errors import ConfigurationError

#: Seconds of the longest window: that of a month as the package `limits` has it.
_LONGEST_WINDOW = 366 * 86400

#: Calls of a window at most: as many as fit a counter, and half a counter is kept free.
_MOST_CALLS = 2**31

#: Calls of one client that may run at once, at most.
MOST_CONCURRENT = 4096

#: Rates of one route at most: each is counted by itself.
_MOST_RATES = 4


class Rate(NamedTuple):
    """Calls within a window of time.

    Args:
        amount: how many.
        seconds: length of the window.
        name: of the window, e.g. "minute" or "5-minute"; unique among the rates of a route.
    """

    amount: int
    seconds: int
    name: str

    def __str__(self) -> str:
        multiples, _, unit = self.name.rpartition("-")
        window = f"{multiples} {unit}s" if multiples else unit
        return f"{self.amount:,} {'call' if self.amount == 1 else 'calls'} per {window}"


@dataclass(frozen=True)
class LimitOptions:
    """What a client may do on a route; each field is the key of the same name in `limit`.

    Args:
        rate: how many calls it may begin within a window of time, or several.
        concurrent: how many of its calls may run at once; None for any number.
        per: who counts as one client: the owner of an API key, or an address.
    """

    rate: tuple[Rate, ...] = ()
    concurrent: int | None = None
    per: Literal["key", "address"] = "key"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The limits that there are, as the metric of refused calls has them."""
        return ("rate",) * bool(self.rate) + ("concurrent",) * (self.concurrent is not None)


def parse(text: object) -> tuple[Rate, ...]:
    """Return the rates of a text, the one with the shortest window first.

    Args:
        text: in the notation of the package `limits`: "100/minute", "10 per 5 minutes", or several, separated
            by ";".

    Raises:
        ConfigurationError: it is none; the message says what is expected instead.
    """
    import limits

    try:
        items = limits.parse_many(str(text).lower()) if isinstance(text, str) else []
    except ValueError:
        items = []
    if not items:
        raise ConfigurationError(
            f"a rate like '100/minute' or '5/second;100 per 2 hours' is expected; this is {text!r}"
        )
    rates = [Rate(item.amount, item.get_expiry(), _name(item)) for item in items]
    _check(rates)
    return tuple(sorted(rates, key=lambda rate: rate.seconds))


def _name(item: object) -> str:
    multiples, name = getattr(item, "multiples", 1), type(item).GRANULARITY.name  # type: ignore[attr-defined]
    return str(name) if multiples == 1 else f"{multiples}-{name}"


def _check(rates: list[Rate]) -> None:
    if len(rates) > _MOST_RATES:
        raise ConfigurationError(f"at most {_MOST_RATES} rates are expected, and these are {len(rates)}")
    if len({rate.seconds for rate in rates}) < len(rates):
        raise ConfigurationError("two of the rates are of the same window")
    for rate in rates:
        if not 1 <= rate.amount <= _MOST_CALLS:
            raise ConfigurationError(f"1 to {_MOST_CALLS:,} calls are expected; these are {rate.amount:,}")
        if not 1 <= rate.seconds <= _LONGEST_WINDOW:
            raise ConfigurationError("a window of a second to a year is expected")


def parse_setting(words: Iterable[str], routes: Iterable[str]) -> Mapping[str, tuple[Rate, ...]]:
    """Return the rates that an operator sets, by the name of the route, and of "" for all that have none.

    Args:
        words: each a rate, or a route's name, "=" and a rate; the rate "off" is none.
        routes: the names of the service's routes.

    Raises:
        ConfigurationError: a word is neither, or names no route.
    """
    found: dict[str, tuple[Rate, ...]] = {}
    known = set(routes)
    for word in words:
        name, _, text = word.rpartition("=")
        name, text = name.strip(), text.strip()
        if name and name not in known:
            raise ConfigurationError(
                f"no route is named {name!r}; there are {', '.join(sorted(known)) or 'none'}"
            )
        if name in found:
            raise ConfigurationError(f"two rates are set for {name or 'all routes'}: join them by ';'")
        found[name] = () if text == "off" else parse(text)
    return found
