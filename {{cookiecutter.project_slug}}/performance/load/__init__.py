"""What the service bears: scenarios with thresholds, against a set-up like production's."""
