"""What a request costs, side by side with other ways to build a service."""
