"""Patches of Gunicorn under this library's hooks, for what fails under load or takes long.

One module for each matter; `patches` applies them.
"""
