"""Who makes a request: the name of the API key's owner.

Standard library only. Adapters set the caller of a request; log lines and handlers read it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from aylien_model_serving.core import reads


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request.

    Args:
        name: of the API key's owner; "" where the service has no keys.
        is_admin: whether the caller may see what others have made.
    """

    name: str
    is_admin: bool = False

    @property
    def scope(self) -> str | None:
        """The name whose jobs the caller sees; None for all."""
        return None if self.is_admin else self.name


#: Whoever calls a service without keys: all that is there is everybody's.
NOBODY = Caller("", is_admin=True)

#: Those whose calls are in one batch, in which nobody is known by name.
SEVERAL = Caller("")

#: The caller of the request that is being handled.
current: ContextVar[Caller] = ContextVar("model_serving_caller", default=NOBODY)


#: Gets the caller of the request that is being answered; None where no server's log is to name it afterwards.
noted: ContextVar[list[Caller] | None] = ContextVar("model_serving_noted_caller", default=None)


def named(name: str) -> Caller:
    """Return the caller of a call that another process has authenticated; it sees nothing of others there."""
    return Caller(name) if name else NOBODY


def current_caller() -> str:
    """Return the name of the API key's owner whose request is being handled; "" where there is none."""
    caller = current.get()
    if caller is not NOBODY:
        reads.note(reads.CALLER)
    return caller.name
