"""Services under mixed load for minutes: at the end they hold what they held once they were warm.

    make soak ARGS='--seconds 300 asgi gevent'

`load` sends exchanges of any kind to any service, and `holdings` says what a service's processes hold.
"""
