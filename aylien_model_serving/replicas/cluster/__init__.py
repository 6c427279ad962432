"""Replicas on the machines of a Ray cluster: what is deployed there, under which name, and what runs in it.

Ray is imported where it is used alone, and never in a web worker.
"""
