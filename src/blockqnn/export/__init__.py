"""A trained model in and out of files: its directory, and forms that run without this package."""
