"""The command ``artifact-verify``, which sits on top of the package: nothing below it imports it."""
