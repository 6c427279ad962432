"""Services to start from: each file is a program, with a test that starts it and asks it real questions."""
