"""SQL that belongs to the pipeline: sources (one SELECT per table), later marts and checks."""
