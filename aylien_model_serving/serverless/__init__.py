"""The service as a function of a serverless platform: jobs and events become requests to the app (ASGI).

Nothing of it is imported by a service that listens at a port.
"""
