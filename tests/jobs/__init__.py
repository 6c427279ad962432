"""Jobs, and where they are kept."""
