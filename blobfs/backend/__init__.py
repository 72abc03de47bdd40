"""What the engine needs of a storage, and its implementations."""
