"""A Socket.IO server on `python-socketio` and aiohttp, with the namespaces / and /news. Knows nothing of Heartwire.

Started as `python_socketio.py [OPTIONS [PORT]]`. OPTIONS is JSON: `token`, which clients must show; `hello`, to greet them
before they are told that they are connected; everything else goes to python-socketio. Says what happens on stdout, one JSON
object a line:
    {"event": "listening", "port": 1234}
    {"event": "opened", "space": "/", "path": "/socket.io/?EIO=4&transport=websocket"}
    {"event": "received", "space": "/", "name": "message", "args": ["hello"]}
    {"event": "acknowledged", "name": "order", "answer": []}
    {"event": "closed", "space": "/", "reason": "transport close"}
    {"event": "done", "do": "emit"}                        for each order
and does what it is told on stdin, likewise; with "then", an order, before anybody can come back:
    {"do": "emit", "space": "/news", "name": "news", "args": ["hello", {"bytes": 3}]}
    {"do": "ask", "name": "order", "args": ["hello"]}      the same to each client, which is to acknowledge it
    {"do": "disconnect"}                 throws all clients out of /
    {"do": "close"}                      ends all sessions
    {"do": "abort"}                      all sockets end without a closing handshake
"""

import asyncio
import json

import socketio
from aiohttp import web

from fake import argument, listen, say, take_orders

SPACES = ["/", "/news"]


class Server:
    def __init__(self, token=None, hello=False, **options):
        self.token, self.hello = token, hello
        self.io = socketio.AsyncServer(async_mode="aiohttp", **options)
        self.transports = {}
        for space in SPACES:
            self.serve(space)

    def serve(self, space):
        async def connect(client, environ, auth):
            if self.token is not None and (auth or {}).get("token") != self.token:
                raise socketio.exceptions.ConnectionRefusedError("bad token")
            request = environ["aiohttp.request"]
            self.transports[client] = request.transport
            say("opened", space=space, path=request.path_qs)
            if self.hello:
                await self.io.emit("hello", to=client, namespace=space)

        async def disconnect(client, reason):
            self.transports.pop(client, None)
            say("closed", space=space, reason=reason)

        async def received(name, client, *args):
            say("received", space=space, name=name, args=args)

        for name, handler in (("connect", connect), ("disconnect", disconnect), ("*", received)):
            self.io.on(name, handler, namespace=space)

    def clients(self):
        return [client for client, _ in self.io.manager.get_participants("/", None)]

    async def obey(self, order):
        do, name = order["do"], order.get("name")
        args = tuple(bytes(arg["bytes"]) if is_binary(arg) else arg for arg in order.get("args", ()))
        if do == "emit":
            await self.io.emit(name, args, namespace=order.get("space", "/"))
        elif do == "ask":
            for client in self.clients():
                await self.io.emit(name, args, to=client, callback=lambda *answer: acknowledged(name, answer))
        elif do == "disconnect":
            for client in self.clients():
                await self.io.disconnect(client)
        elif do == "close":
            await self.io.eio.disconnect()
        elif do == "abort":
            for transport in self.transports.values():
                transport.abort()
        if "then" in order:
            await self.obey(order["then"])


def is_binary(arg):
    return isinstance(arg, dict) and "bytes" in arg


def acknowledged(name, answer):
    say("acknowledged", name=name, answer=answer)


async def main(options, port):
    server = Server(**options)
    app = web.Application()
    server.io.attach(app)
    await listen(app, port)
    await take_orders(server.obey)


asyncio.run(main(json.loads(argument(1, "{}")), argument(2, 0)))
