"""Text that a recurrent network writes character by character, for many clients in each step."""
