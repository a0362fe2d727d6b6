"""Tests of the recorder: its protocol, its loop, a worker's way to it, and its supervision."""
