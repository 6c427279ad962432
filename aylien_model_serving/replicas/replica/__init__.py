"""The replica: the process that holds one copy of a model, and answers calls and runs jobs for it."""
