"""Fries, whose making takes its time: a job with progress."""
