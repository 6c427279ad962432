"""The repository of jobs in SQLite: a file that the processes of one machine share, or one's memory."""
