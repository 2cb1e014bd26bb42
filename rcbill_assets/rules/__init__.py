"""What is decided: frames and values in, frames out. No database, clock, environment, network or Dagster. Pure."""
