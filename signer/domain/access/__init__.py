"""Who may do what: identities ask, rules answer, each decision names its rule, and silence is no."""
