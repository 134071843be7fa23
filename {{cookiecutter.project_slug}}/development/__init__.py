"""What only development needs: set-up, embedded servers, the supervisor behind `make run`, the lock."""
