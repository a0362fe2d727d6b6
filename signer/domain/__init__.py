"""Values and decisions of the service: no input or output, no clock, no library of ours but standard words."""
