"""The OpenAPI document of a service, made of its routes."""
