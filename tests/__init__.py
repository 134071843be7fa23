"""What must hold for the template and for every service generated from it."""
