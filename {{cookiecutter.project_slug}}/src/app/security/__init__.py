"""Who may do what: callers, their keys and their scopes."""
