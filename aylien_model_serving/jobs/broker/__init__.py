"""Messages by which Celery's workers learn that jobs wait in the store."""
