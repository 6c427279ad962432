"""The process that holds one copy of a model."""
