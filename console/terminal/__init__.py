"""The terminal's two ends: bytes that come in are guarded, bytes that go out never hold up the loop."""
