"""The repository of jobs in PostgreSQL, which the processes of many machines share."""
