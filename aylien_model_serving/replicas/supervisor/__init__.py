"""The supervisor: the process that starts, watches and drains replicas. It knows no handler."""
