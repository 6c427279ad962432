"""The gRPC server of a service: its RPCs become requests to the app, as an ASGI server makes them.

Loaded in a process of its own, which the supervisor hosts, and nowhere else.
"""
