"""Tasks that run once an answer has been sent, and the threads that run them."""
