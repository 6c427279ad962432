"""Compares compiled predicates with `ParseDict`; run as a program, for a long time: `--cases`, `--seed`.

A predicate that accepts what `ParseDict` refuses is wrong. One that does not accept what `MessageToDict`
writes is too slow, unless the type is one of those that are left to `ParseDict`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict, SerializeToJsonError
from google.protobuf.message import Message

from aylien_model_serving.schemas.compiled import compile_accepts
from tests.schemas.proto_files import descriptor_of
from tests.schemas.proto_strategies import random_type
from tests.schemas.proto_values import Values

VALUES_PER_TYPE = 25


class Difference(AssertionError):
    """A predicate and `ParseDict` disagree."""


class Trial:
    """A compiled type beside `ParseDict`.

    Args:
        text: what declares the type, for reports.
        message: the type.
    """

    def __init__(self, text: str, message: type[Message]) -> None:
        """Compile the type."""
        self._text = text
        self._message = message
        self._accepts = compile_accepts(message.DESCRIPTOR)
        self._is_left_alone = is_left_alone(descriptor_of(message), set())

    def judge(self, value: object) -> Counter[str]:
        """Compare the verdicts on a value, and on the JSON forms of the message that it makes.

        Raises:
            Difference: they disagree.
        """
        verdicts: Counter[str] = Counter()
        message = self._parse(value)
        accepted = self._accepts(value)
        if accepted and message is None:
            raise Difference(f"{self._text}\n{value!a} is refused by ParseDict, and accepted here")
        verdicts["accepted" if accepted else "refused" if message is None else "left to ParseDict"] += 1
        for form in _forms(message) if message is not None and not self._is_left_alone else ():
            if self._parse(form) is not None and not self._accepts(form):
                raise Difference(
                    f"{self._text}\n{form!a} is what MessageToDict writes, and not accepted here"
                )
            verdicts["written and accepted"] += 1
        return verdicts

    def _parse(self, value: object) -> Message | None:
        try:
            return ParseDict(cast("dict[str, object]", value), self._message())
        except Exception:
            # ParseDict lets other errors through than its own, as of numbers beyond all doubles.
            return None


def _forms(message: Message) -> Iterator[object]:
    for names in (False, True):
        for numbers in (False, True):
            try:
                yield MessageToDict(
                    message,
                    preserving_proto_field_name=names,
                    use_integers_for_enums=numbers,
                    always_print_fields_with_no_presence=numbers,
                    unquote_int64_if_possible=numbers,
                )
            except (ValueError, SerializeToJsonError):
                # A NaN in a Value, or a name in a FieldMask, has no JSON form.
                return


def is_left_alone(descriptor: Descriptor, seen: set[str]) -> bool:
    """Tell whether a predicate may leave good values of a type to `ParseDict`."""
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    oneofs = {oneof.name for oneof in descriptor.oneofs}
    json_names = {field.json_name: field.name for field in descriptor.fields}
    return descriptor.full_name == "google.protobuf.Any" or any(
        field.is_required
        or hasattr(Empty, field.name)
        or bool({field.name, field.json_name} & oneofs)
        or json_names.get(field.name, field.name) != field.name
        or (field.message_type is not None and is_left_alone(field.message_type, seen))
        for field in descriptor.fields
    )


def run(cases: int, seed: int) -> Counter[str]:
    """Judge random values of random types.

    Args:
        cases: how many values, at least.
        seed: of all chance.

    Raises:
        Difference: a predicate and `ParseDict` disagree.
    """
    random = Random(seed)
    verdicts: Counter[str] = Counter()
    while verdicts["accepted"] + verdicts["left to ParseDict"] + verdicts["refused"] < cases:
        text, message = random_type(random)
        trial = Trial(text, message)
        verdicts["types"] += 1
        for _ in range(VALUES_PER_TYPE):
            verdicts += trial.judge(Values(random).message(descriptor_of(message)))
    return verdicts


def main(words: Sequence[str] | None = None) -> int:
    """Run as a program; the exit status is 1 where a difference is found."""
    parser = argparse.ArgumentParser(prog="tests.fuzz schemas", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="values to judge, at least")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats a run")
    options = parser.parse_args(words)
    sys.stdout.write(f"seed {options.seed}\n")
    sys.stdout.flush()
    started = time.monotonic()
    try:
        verdicts = run(options.cases, options.seed)
    except Difference as difference:
        sys.stdout.write(f"A difference:\n{difference}\n")
        return 1
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.most_common())
    sys.stdout.write(f"No difference: {counts}; {time.monotonic() - started:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
