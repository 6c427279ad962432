"""The worker of jobs: it claims them, runs them, and keeps their leases meanwhile."""
