"""Nodes: list, drain, take back."""

from __future__ import annotations

from director.director import Director
from director.messages import Drain, NodeAnswer, NodeList
from director.routing import NODE_ADMIN, ApiAnswer, ApiRequest, Terms, call
from sfu.cluster.records import NodeRecord


class NodeRoutes:
    """What can be asked about Nodes."""

    def __init__(self, director: Director) -> None:
        self._director = director

    @call(Terms("GET", "/v1/nodes", {200: NodeList}, NODE_ADMIN))
    async def list_nodes(self, request: ApiRequest) -> ApiAnswer:
        """List live Nodes."""
        return ApiAnswer(200, NodeList(nodes=[_answer(node) for node in self._director.cluster.nodes()]))

    @call(
        Terms(
            "POST",
            "/v1/nodes/{node}/drain",
            {202: None},
            NODE_ADMIN,
            body=Drain,
            body_optional=True,
            problems=(404, 503),
        )
    )
    async def drain_node(self, request: ApiRequest) -> ApiAnswer:
        """Send nothing new to a Node and end what is left at a deadline.

        Accepted: the Node takes nothing new and ends what is left at the deadline.
        """
        drain: Drain = request.body or Drain()
        node = self._director.cluster.node(request.parameters["node"])
        await self._director.cluster.control(node.id).drain(drain.deadline_s)
        await self._director.cluster.expect_draining(node, draining=True)
        return ApiAnswer(202)

    @call(Terms("DELETE", "/v1/nodes/{node}/drain", {204: None}, NODE_ADMIN, problems=(404, 503)))
    async def undrain_node(self, request: ApiRequest) -> ApiAnswer:
        """Take a Node back."""
        node = self._director.cluster.node(request.parameters["node"])
        await self._director.cluster.control(node.id).undrain()
        await self._director.cluster.expect_draining(node, draining=False)
        return ApiAnswer(204)


def _answer(node: NodeRecord) -> NodeAnswer:
    return NodeAnswer(
        id=node.id,
        url=node.url,
        region=node.region,
        draining=node.draining,
        started_at_s=node.started_at_s,
        heartbeat_at_s=node.heartbeat_at_s,
        workers=node.workers,
        load=node.load,
        num_participants=node.participants,
        num_subscriptions=node.subscriptions,
    )
