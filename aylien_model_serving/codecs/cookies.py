"""The header Cookie: its names and values.

Pure.
"""

from __future__ import annotations

from werkzeug.sansio.http import parse_cookie


def parse(header: str) -> dict[str, str]:
    """Return the first value of each cookie, by name.

    Args:
        header: its value, a letter for each byte.
    """
    return parse_cookie(header).to_dict()
