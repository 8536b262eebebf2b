"""Rules: pure functions of values and of a given time; no clock, no store, no file."""
