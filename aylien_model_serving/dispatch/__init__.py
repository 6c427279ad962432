"""Dispatch: from a `Call` to a `Reply`."""
