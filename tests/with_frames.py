"""pandas, polars and pyarrow for the tests that need them: a run without says so, and CI's run fails."""

from tests.with_packages import need

PACKAGES = ("pandas", "polars", "pyarrow")


def need_frames() -> None:
    for package in PACKAGES:
        need(package)
