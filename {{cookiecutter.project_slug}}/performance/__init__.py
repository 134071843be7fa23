"""How fast the service is and how much it bears: `make bench`, `make load`. No part of the service nor of its image."""
