"""Whether the service can do its work, and why not."""
