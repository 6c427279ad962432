"""What Gunicorn does otherwise under this library's hooks: its own way fails under fire, or takes long.

One module for each matter; `gunicorn_hooks` puts them in place.
"""
