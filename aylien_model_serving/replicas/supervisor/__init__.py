"""The process that starts, watches and ends replicas."""
