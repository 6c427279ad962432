"""Rate limits: how often, and how many at once, a client may call a route.

Knows routes by name alone, and nothing of HTTP servers or Flask. Counts are kept in a file that the processes
of a service share, or in a Redis that several machines share.
"""
