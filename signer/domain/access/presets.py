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
