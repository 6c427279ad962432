"""WSGI and ASGI applications mounted below paths of a service.

`app` is the Flask app that takes mounts, `table` matches paths, `wsgi` and `asgi` call a mounted application.
Under a WSGI server, an ASGI application runs on the process's loop (`loop_thread`) and is called through
`asgi_under_wsgi`; `app_lifespan` starts and stops it.
"""
