"""Widgets of lines of cells; they draw values and know nothing of the engine."""
