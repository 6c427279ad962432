"""One adapter for each protocol: it makes a `Call` of a request, and a response of a `Reply`."""
