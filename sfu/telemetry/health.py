"""Two questions, two answers: is the process alive, and may it take new Calls?"""

from collections.abc import Callable

from aiohttp import web


def health_routes(ready: Callable[[], str]) -> list[web.RouteDef]:
    """`/healthz` says that the event loop turns; `/readyz` is 503 with what `ready` complains of ("":
    nothing).
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        complaint = ready()
        if complaint:
            return web.json_response(
                {"status": "not ready", "reason": complaint}, status=503, headers={"Retry-After": "1"}
            )
        return web.json_response({"status": "ready"})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]
