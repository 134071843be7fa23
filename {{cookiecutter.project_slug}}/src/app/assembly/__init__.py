"""How the service is put together: lists, and little else."""
