"""Models that call each other in a circle."""

from aylien_model_serving import Model


def one(number: int) -> int:
    return two_model(number=number)


def two(number: int) -> int:
    return helped(number)


def helped(number: int) -> int:
    return three_model(number=number)


class Three:
    def __init__(self) -> None:
        self.next = one_model

    def __call__(self, number: int) -> int:
        return self.next(number=number)


one_model = Model(one)
two_model = Model(two)
three_model = Model(Three, name="three")
