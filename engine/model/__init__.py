"""Values: nothing in here reads a clock, a store or a file."""
