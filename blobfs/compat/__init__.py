"""What exists only for the spellings of the systems that blobfs takes over from."""
