"""The Flask application: adapters, mounts and the library's own endpoints."""
