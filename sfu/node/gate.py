"""Who may try to join here: nobody on the blocklist, and nobody too often."""

from sfu.cluster.blocklist import Blocklist
from sfu.cluster.grants import Grant
from sfu.cluster.limits import JoinLimits
from sfu.cluster.store import Store
from sfu.config import Config


class Gate:
    """Follows the cluster's blocklist and counts joins at this Node."""

    def __init__(self, config: Config, store: Store) -> None:
        self._limits = JoinLimits(config)
        self._blocks = Blocklist(store)

    async def start(self) -> None:
        """Returns when the whole blocklist is known."""
        await self._blocks.start()

    async def stop(self) -> None:
        """Stops following it."""
        await self._blocks.stop()

    def check(self, grant: Grant, room: str, *, address: str, now_s: float) -> None:
        """RejectedError 403 for the blocked, 429 for the hasty."""
        self._blocks.check(identity=grant.identity, address=address, token_id=grant.token_id, now_s=now_s)
        self._limits.check(address=address, room=room, identity=grant.identity, key=grant.key, now_s=now_s)
