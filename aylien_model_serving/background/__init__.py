"""Tasks that run once a response has been sent, and the threads that run them."""
