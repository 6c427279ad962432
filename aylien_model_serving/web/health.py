"""The paths that load balancers and orchestrators ask whether a process is well, in every service."""

#: The first two say that the process answers, the last whether it is ready.
HEALTH_PATHS = ("/__ping", "/livez", "/readyz")
