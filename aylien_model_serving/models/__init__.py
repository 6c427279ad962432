"""Models as functions: handles of hosted models, for handlers, views, jobs, scripts and other models."""
