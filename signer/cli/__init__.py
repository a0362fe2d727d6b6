"""The commands: they ask the service over its API, or look after a local installation."""
