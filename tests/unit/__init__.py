"""Pure code, in milliseconds. Mirrors the package."""
