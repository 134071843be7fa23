"""What several tests of the template share."""
