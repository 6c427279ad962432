"""Routes → the gRPC service that they are: its methods, and its definition in protobuf's language. Pure.

Knows protobuf's descriptors, and nothing of gRPC's library and of servers.
"""
