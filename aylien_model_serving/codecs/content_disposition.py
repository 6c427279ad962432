"""Names of files in the header Content-Disposition (RFC 6266).

Pure.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote

#: Letters that every client reads alike within quotes: no quote, no backslash, no percent sign.
_UNSAFE = re.compile(r"[^A-Za-z0-9 !#$&'()+,;=@^_`{}~.\[\]-]")

#: Letters besides those of URLs that an extended value may hold as they are (RFC 8187, section 3.2.1).
_EXTENDED = "!#$&+^`|"


def header(kind: Literal["inline", "attachment"], file_name: str | None) -> tuple[str, str]:
    """Return the header of a file: in plain letters for every client, and as it is for those that know how.

    Args:
        kind: whether browsers show the file or save it.
        file_name: the name, of any letters; None for none.
    """
    if file_name is None:
        return _NAME, kind
    plain = _UNSAFE.sub("_", file_name)
    value = f'{kind}; filename="{plain}"'
    if plain != file_name:
        value += f"; filename*=UTF-8''{quote(file_name.encode(errors='replace'), safe=_EXTENDED)}"
    return _NAME, value


_NAME = "Content-Disposition"
