"""Services to start from: each one is a program, with a test that starts it and sends it real requests."""
