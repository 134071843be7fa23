"""What goes wrong goes wrong here on purpose, at random, again and again."""
