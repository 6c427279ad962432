"""The only rooms that know Flask: front doors, and the endpoints of the library's own."""
