"""Fries, which take longer than a request: a job with progress."""
