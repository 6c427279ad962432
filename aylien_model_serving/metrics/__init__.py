"""Prometheus instruments of a service, and the files in which its processes add up."""
