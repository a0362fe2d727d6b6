"""What a token's process and its parent say to each other; both sides import this, and nothing else of each other."""
