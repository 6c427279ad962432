"""Flask's request, whose query and Host header may hold any bytes."""

from __future__ import annotations

from functools import cached_property

from flask import Request
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.sansio.http import parse_cookie
from werkzeug.sansio.utils import get_host


class ServingRequest(Request):
    """A request that is refused where Werkzeug would fail on its bytes."""

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """The parameters of the query."""
        try:
            return super().args
        except UnicodeDecodeError:
            raise BadRequest("The query is not UTF-8") from None

    @cached_property
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies, for which Werkzeug would read all headers: a cache is to know which was read."""
        return ImmutableMultiDict(parse_cookie(self.environ.get("HTTP_COOKIE", "")))

    @property
    def host(self) -> str:
        """The host of all URLs; Flask sets it where it is about to match the path."""
        if "host" not in self.__dict__:
            self.host = get_host(self.scheme, self.headers.get("host"), self.server, self.trusted_hosts)
        found: str = self.__dict__["host"]
        return found

    @host.setter
    def host(self, host: str) -> None:
        try:
            if host.isascii():
                host.encode().decode("idna")  # as Werkzeug does for every URL
        except UnicodeError:
            raise BadRequest("The Host header names no host") from None
        self.__dict__["host"] = host
