"""From a listening socket to a request: accepting, TLS, deadlines, bounds, and an end that reaches the client."""
