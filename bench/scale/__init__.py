"""A simulation of pods behind a balancer: how calls wait, what is refused, and what it costs.

Pure and seeded, but for `measure`: no cluster, no clock. Times are seconds.
"""
