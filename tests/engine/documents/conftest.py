"""A store directory for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from document_place import Place


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    opened = await Place.open(tmp_path)
    yield opened
    await opened.close()
