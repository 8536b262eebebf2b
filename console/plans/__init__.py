"""Plans: what a verb would do, and the typing that makes it true."""
