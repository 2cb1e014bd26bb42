"""Measurements, as ratios to the raw read of the same columns in the same run. Nothing here is a test."""
