"""What every other room may know: messages, settings, log lines, suggestions."""
