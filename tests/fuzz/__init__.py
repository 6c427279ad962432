"""The fuzz run: mutated requests to a service with every kind of route, which has to stay what it was.

`python -m tests.fuzz` says how long it goes on, and how a finding is repeated.
"""
