"""The process that a service runs in: its owner, its threads, its memory, its lifecycle. Knows no handler."""
