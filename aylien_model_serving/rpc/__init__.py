"""The protocol between web workers, supervisor and replicas, and the connections that speak it."""
