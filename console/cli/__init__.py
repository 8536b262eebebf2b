"""The same verbs without a screen. Nothing in here imports Textual."""
