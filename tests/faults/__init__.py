"""Real services whose processes are killed and whose disk is filled: what clients see of it."""
