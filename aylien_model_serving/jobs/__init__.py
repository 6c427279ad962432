"""Jobs: calls that are kept until they are done, whatever happens to the processes that work on them.

A job's state is decided by pure functions (`states`, `transitions`); a `Store` runs each of them as one short
transaction on a repository: SQLite, in a file or in this process's memory. No clocks: times are passed in,
in seconds since the epoch. No pickle: a call and its reply are kept as the wire encodes them.
"""
