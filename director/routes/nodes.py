"""Nodes: list, drain, take back."""

from __future__ import annotations

from director.director import Director
from director.messages import Drain, NodeAnswer, NodeList
from director.routing import ApiAnswer, ApiRequest, Route, administers_nodes
from sfu.cluster.records import NodeRecord


class NodeRoutes:
    """What can be asked about Nodes."""

    def __init__(self, director: Director) -> None:
        self._director = director

    async def list_nodes(self, request: ApiRequest) -> ApiAnswer:
        """Every live Node."""
        return ApiAnswer(200, NodeList(nodes=[_answer(node) for node in self._director.cluster.nodes()]))

    async def drain_node(self, request: ApiRequest) -> ApiAnswer:
        """Accepted: the Node takes nothing new and ends what is left at the deadline."""
        drain: Drain = request.body or Drain()
        node = self._director.cluster.node(request.parameters["node"])
        await self._director.cluster.control(node.id).drain(drain.deadline_s)
        await self._director.cluster.expect_draining(node, draining=True)
        return ApiAnswer(202)

    async def undrain_node(self, request: ApiRequest) -> ApiAnswer:
        """The Node takes new Participants again."""
        node = self._director.cluster.node(request.parameters["node"])
        await self._director.cluster.control(node.id).undrain()
        await self._director.cluster.expect_draining(node, draining=False)
        return ApiAnswer(204)


def routes(director: Director) -> list[Route]:
    """The Routes of this module."""
    nodes = NodeRoutes(director)
    tag = "nodes"
    return [
        Route(
            "GET",
            "/v1/nodes",
            nodes.list_nodes,
            "List live Nodes",
            {200: NodeList},
            tag,
            needs="nodeAdmin",
            allows=administers_nodes,
        ),
        Route(
            "POST",
            "/v1/nodes/{node}/drain",
            nodes.drain_node,
            "Send nothing new to a Node and end what is left at a deadline",
            {202: None},
            tag,
            needs="nodeAdmin",
            allows=administers_nodes,
            body=Drain,
            body_optional=True,
            problems=(404, 503),
        ),
        Route(
            "DELETE",
            "/v1/nodes/{node}/drain",
            nodes.undrain_node,
            "Take a Node back",
            {204: None},
            tag,
            needs="nodeAdmin",
            allows=administers_nodes,
            problems=(404, 503),
        ),
    ]


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
