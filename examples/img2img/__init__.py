"""Photographs that become pencil drawings, one after the other."""
