"""Routes: their keys, the options of these, and the checks of all routes together."""
