"""The way of a request, from a `Call` to a `Reply`."""
