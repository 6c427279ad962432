"""A speech whose words arrive as they are spoken."""
