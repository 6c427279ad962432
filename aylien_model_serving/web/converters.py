"""The converters of numbers in paths, which read what JSON would call a number and nothing else."""

from __future__ import annotations

import math

from werkzeug.routing import FloatConverter, IntegerConverter, Map, ValidationError


class ASCIIIntegerConverter(IntegerConverter):
    """Reads decimal digits of ASCII: a digit of another script is a different path with the same value."""

    regex = r"[0-9]+"


class FiniteFloatConverter(FloatConverter):
    """Reads decimals that fit a float: one of four hundred digits is infinity to Python."""

    regex = r"[0-9]+\.[0-9]+"

    def to_python(self, value: str) -> float:
        number: float = super().to_python(value)
        if not math.isfinite(number):
            raise ValidationError
        return number


def use(rules: Map) -> None:
    """Have the rules that are added to a map from here on read numbers by these converters."""
    rules.converters |= {"int": ASCIIIntegerConverter, "float": FiniteFloatConverter}
