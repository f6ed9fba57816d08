"""The server side of the classic heartbeat recipe, on the `websockets` library. Knows nothing of Heartwire.

Started as `recipe.py RECIPE [PORT]`. Says what happens on stdout, one JSON object a line:
    {"event": "listening", "port": 1234}
    {"event": "opened", "client": 1, "path": "/wsCrm?jspCode=42"}
    {"event": "received", "client": 1, "text": "HeartBeat"}          ({"bytes": 3} for a binary frame)
    {"event": "closed", "client": 1, "code": 1001, "reason": ""}     (1006: without a close frame)
and does what it is told on stdin, likewise, to every open client:
    {"do": "send", "text": "hello"}      {"do": "send-binary", "bytes": 3}
    {"do": "close", "code": 1011}        {"do": "abort"}
    {"do": "quiet"}                      answer no heartbeat from now on
"""

import asyncio
import json
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

# What a heartbeat is to each recipe's server, and its answer.
RECIPES = {
    "heartbeat-echo": (lambda text: text == "检测", lambda text: text),
    "crm-heartbeat": (lambda text: text == "HeartBeat", lambda text: "HeartBeat"),
    "json-heart": (lambda text: text == '{"heart":1}', lambda text: '{"type":"pong"}'),
}


class Server:
    def __init__(self, recipe):
        self.is_heartbeat, self.answer = RECIPES[recipe]
        self.clients = {}
        self.count = 0
        self.quiet = False

    async def client(self, connection):
        self.count += 1
        number = self.count
        self.clients[number] = connection
        say("opened", client=number, path=connection.request.path)
        try:
            async for frame in connection:
                if isinstance(frame, bytes):
                    say("received", client=number, bytes=len(frame))
                    continue
                say("received", client=number, text=frame)
                if self.is_heartbeat(frame) and not self.quiet:
                    await connection.send(self.answer(frame))
        except ConnectionClosed:
            pass
        finally:
            del self.clients[number]
            await connection.wait_closed()
            say("closed", client=number, code=connection.close_code, reason=connection.close_reason)

    async def obey(self, order):
        if order["do"] == "quiet":
            self.quiet = True
        for connection in list(self.clients.values()):
            try:
                await self.obey_for(connection, order)
            except ConnectionClosed:
                pass

    async def obey_for(self, connection, order):
        if order["do"] == "send":
            await connection.send(order["text"])
        elif order["do"] == "send-binary":
            await connection.send(b"\x01" * order["bytes"])
        elif order["do"] == "close":
            await connection.close(order["code"])
        elif order["do"] == "abort":
            connection.transport.abort()


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


async def main(recipe, port):
    server = Server(recipe)
    # The recipe's servers send no pings of their own.
    async with serve(server.client, "127.0.0.1", port, ping_interval=None, compression=None) as listening:
        say("listening", port=listening.sockets[0].getsockname()[1])
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            await server.obey(json.loads(line))


asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
