"""One part of the system against a real database or mail server."""
