"""Live delivery by the process that holds the sockets: sessions, subscriptions and watches in memory, no rows for them."""
