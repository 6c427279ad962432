"""Handlers: the callables that routes name, their signatures and docstrings, and the context they share."""
