"""The one screen: what is listed, what a key does, what is painted, and when the engine is asked."""
