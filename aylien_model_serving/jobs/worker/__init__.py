"""Works on jobs: claims them, runs them, and keeps the lease meanwhile."""
