"""The least that can be done with `websockets`, in a process of its own: a frame is sent to everybody, and nothing is stored."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main() -> None:
    """Print the port, then serve until the process is ended."""
    everybody: set[ServerConnection] = set()

    async def hear(socket: ServerConnection) -> None:
        everybody.add(socket)
        await socket.send("welcome")
        try:
            async for text in socket:
                broadcast(everybody, text)
        finally:
            everybody.discard(socket)

    async with serve(hear, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
