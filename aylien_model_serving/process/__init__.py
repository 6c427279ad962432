"""What a service does with the process it runs in: who owns it, its threads, its memory, its way out."""
