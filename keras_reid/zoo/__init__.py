"""Published models by name, and sharing of one's own."""
