"""Handwritten digits, read by a convolutional network in a process of its own."""
