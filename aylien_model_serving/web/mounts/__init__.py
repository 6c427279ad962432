"""Other applications below paths of a service, as they are.

`app` takes them in, `table` says which answers a path, `wsgi` and `asgi` how it is asked. Where the server
speaks WSGI, an ASGI application runs on the process's loop (`loops`) and is asked through `beside`; `lifespan` is
its lifespan.
"""
