"""What every table looks like: each column once, with its meaning and unit. Pure."""
