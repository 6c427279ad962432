"""The core, which every other room may import: messages, settings, log lines, suggestions."""
