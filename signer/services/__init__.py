"""What the service does, in the words of the domain, through ports only."""
