"""Route dicts, what each key may hold, and every mistake that can be made in them."""
