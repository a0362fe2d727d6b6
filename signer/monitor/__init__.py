"""Follows a log from outside: that it is one log for ever, and that nothing is in it that nobody expects."""
