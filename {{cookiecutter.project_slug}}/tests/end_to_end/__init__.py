"""The commands of this service as real processes."""
