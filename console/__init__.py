"""The console: what an operator sees and does, on a screen or on a command line."""
