"""The words of a speech, as a stream."""
