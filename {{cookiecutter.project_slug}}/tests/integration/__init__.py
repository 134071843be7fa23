"""Parts of ours with real servers and real processes."""
