"""The web worker's side of the replicas: the supervisor's client, the replica pool, the remote executor."""
