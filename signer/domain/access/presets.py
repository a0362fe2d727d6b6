"""Policies that the program itself writes, as texts: people read them, and change them, like any other."""

from __future__ import annotations

ROLES_TEXT = """\
version = 1

# What the roles of API tokens allowed before there were rules. It is broad: whoever holds a signer's token signs
# anything with every key. Write rules for names, keys and contents, and apply them in the place of these.

[[rules]]
name = "role-administrator"
effect = "allow"
principals = ["role:administrator"]
actions = [
  "sign", "sign-blind", "read", "manage", "approve", "read-log", "manage-devices", "manage-users", "administer",
]
keys = ["*"]

[[rules]]
name = "role-operator"
effect = "allow"
principals = ["role:operator"]
actions = ["read", "manage"]
keys = ["*"]

[[rules]]
name = "role-signer"
effect = "allow"
principals = ["role:signer"]
actions = ["sign", "read"]
keys = ["*"]

[[rules]]
name = "role-auditor"
effect = "allow"
principals = ["role:auditor"]
actions = ["read", "read-log"]
keys = ["*"]

[[rules]]
name = "role-reader"
effect = "allow"
principals = ["role:reader"]
actions = ["read"]
keys = ["*"]
"""

_INIT_TEXT = """\
version = 1

# What is not allowed here is denied. `artifact-signer policy show` writes this text; change it, try it with
# `artifact-signer policy apply FILE --dry-run`, and apply it. docs/operations/policy.md says more.

# Written by `artifact-signer init`: the API token that it made may do everything, so that you can do the rest. Whoever
# steals it may, too: give people and pipelines rules of their own, and narrow this one.
[[rules]]
name = "init"
effect = "allow"
principals = ["api-token:{admin}"]
actions = [
  "sign", "sign-blind", "read", "manage", "approve", "read-log", "manage-devices", "manage-users", "administer",
]
keys = ["*"]

# People who log in (`artifact-signer users create EMAIL --password-file FILE`) look after devices unless they get other
# roles, and see the public keys that devices trust.
[[rules]]
name = "users"
effect = "allow"
principals = ["role:device-manager"]
actions = ["manage-devices", "read"]
keys = ["*"]

# To be tried with `artifact-signer api-tokens create build --role build`: a pipeline signs releases for one board with
# one key, after the service has seen what they are, without state scripts, and never an older one than before.
[[rules]]
name = "demo-build"
effect = "allow"
principals = ["role:build"]
actions = ["sign"]
keys = ["firmware"]
when = {{ checked = "head", artifact_name = ["release-*"], device_types = ["demo-board"], payload_types = ["single-file"], scripts = false, version = {{ from = "artifact_name", prefix = "release-", order = "numeric" }} }}
"""  # noqa: E501  (a table of TOML stands on one line)


def init_text(admin: str) -> str:
    """The policy of a new installation; ``admin``: the name of the API token that it begins with."""
    return _INIT_TEXT.format(admin=admin)
