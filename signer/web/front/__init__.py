"""The event-driven front: signing and health on the loop, everything else handed to Flask in a few threads."""
