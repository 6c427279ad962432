"""A web worker's side of the replicas: who is ready, and who answers a call."""
