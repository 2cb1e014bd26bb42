"""What is written to people: templates and their rendering. Pure; sending is `resources/mailer.py`'s."""
