"""Manifests of deployments: the files by which Kubernetes or Compose runs a service.

Pure, but for `files`, which writes them. Knows a service by its `Workload` alone, and no secret's value.
"""
