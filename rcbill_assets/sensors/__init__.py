"""Sensors: what the house reacts to."""
