"""What is done to projects and their owners: facts gathered, rules asked, changes written, people told."""
