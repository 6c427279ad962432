"""Outgoing HTTP: the one client that fetches files from URLs and sends webhooks, and its guard of addresses.

Knows the standard library alone, and neither files nor jobs: what a URL may look like, and what an answer
means, its callers decide.
"""
