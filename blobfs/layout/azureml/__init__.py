"""AzureML's way to name an upload, and to choose and name what it consists of."""
