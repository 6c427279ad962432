"""The protocols between web workers, supervisor and replicas, and the connections that speak them."""
