"""Real servers for tests, each installed on first use and started on loopback."""
