"""The names of a test's parameters: the same in every process, for those who run the tests in several."""

import re

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def shown(value: object) -> str:
    """Return a value as Python shows it, in ASCII and without its address in memory."""
    return _ADDRESS.sub("", ascii(value))
