"""Configurations of the gateway that stands before the service and a Mender server: written, never read."""
