"""The version, alone so that everything may read it."""

VERSION = "0.1.0"
