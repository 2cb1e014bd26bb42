"""Assets: read, call a rule or a service, hand over. What is decided is decided elsewhere."""
