"""Unary calls by gRPC, side by side with other systems' servers: `python -m bench.rpc`."""
