"""Work done later: enqueued with the data, at least once, by a worker of its own."""
