"""Photographs converted to pencil drawings, as jobs."""
