"""What devices send, and what is decided about them."""
