from collections.abc import AsyncIterator

import pytest

from tests.unit.director.stage import Stage, stage


@pytest.fixture
async def scene() -> AsyncIterator[Stage]:
    async with stage() as found:
        yield found
