"""One module per migration, in order. A migration that has landed is never edited."""
