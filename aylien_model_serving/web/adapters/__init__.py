"""One adapter for each protocol: its request becomes a `Call`, and a `Reply` its response."""
