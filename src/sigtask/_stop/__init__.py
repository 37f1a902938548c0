"""Ladders at work on tasks: `stop()`, what it asks of the clock, and where tasks stand."""
