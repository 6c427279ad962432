"""What Gunicorn does otherwise under this library's hooks, because its own way fails under fire.

Floor 4. One module for each fault; `gunicorn_hooks` puts them in place.
"""
