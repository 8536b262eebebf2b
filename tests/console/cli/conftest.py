from __future__ import annotations

from pathlib import Path

import pytest
from store_maker import Deck


@pytest.fixture
def deck(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Deck:
    place = tmp_path / "store"
    place.mkdir(mode=0o700)
    return Deck(place, capsys, monkeypatch)
