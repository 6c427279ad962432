"""The callables that routes name: their kind, their fields, what they say of themselves, what they share."""
