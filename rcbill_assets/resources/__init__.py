"""What reaches outside: databases, mail, files, the clock. Nothing here decides."""
