"""The demo: a service process with a real engine under load, and a console attached to its store."""
