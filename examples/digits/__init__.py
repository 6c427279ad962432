"""Handwritten digits, classified by a convolutional network in a process of its own."""
