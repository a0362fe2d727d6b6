"""``artifact-device``."""
