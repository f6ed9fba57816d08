"""Action Cable of a Rails application, on aiohttp. Knows nothing of Heartwire.

What it does was read in the sources of Rails (github.com/rails/rails at 2a2db1e8d6d1, of August 2026), below actioncable/lib:
    action_cable/server/base.rb          `allow_request_origin?`: only the server's own address, unless told otherwise
    action_cable/server/socket.rb        404 for any other origin; what cannot be read is logged and nobody is told
    action_cable/server/connections.rb   a ping every 3 s, to all at once
    action_cable/connection/base.rb      welcome, ping, disconnect (then close code 1000), unauthorized connections
    action_cable/connection/subscriptions.rb   subscribe, unsubscribe, message; a second subscription, or one to a channel
                                               that there is not, is an error that is logged and nobody is told of
    action_cable/channel/base.rb         confirm_subscription, reject_subscription, what a channel transmits
    action_cable/connection/internal_channel.rb   disconnecting from afar
and its subprotocols in action_cable.rb; and seen at version 6.1.7 of Debian 12 (ruby-actioncable, behind puma), to which the
tests were pointed once: there disconnecting from afar sends no frame before the close. The application: `NewsChannel`, `RoomChannel` (with a parameter `room`) and
`SecretChannel`, which rejects everybody.

Started as `action_cable.py [PORT [BEAT]]`: seconds between pings, 3 unless told. Says what happens on stdout, one JSON
object a line:
    {"event": "listening", "port": 1234}
    {"event": "refused", "path": "/cable", "origin": null}
    {"event": "opened", "client": 1, "path": "/cable", "protocol": "actioncable-v1-json"}
    {"event": "received", "client": 1, "text": "{…}"}
    {"event": "subscribed", "client": 1, "identifier": "{…}"}       (also "unsubscribed", "rejected")
    {"event": "performed", "client": 1, "identifier": "{…}", "data": {}}
    {"event": "logged", "client": 1, "error": "Already subscribed to {…}"}
    {"event": "closed", "client": 1, "code": 1001}                  (1006: without a close frame)
    {"event": "done", "do": "restart"}                              for each order
and does what it is told on stdin, likewise:
    {"do": "broadcast", "channel": "NewsChannel", "message": {}}    to all who subscribed to it
    {"do": "authorization", "expected": "Bearer right"}             other connections are unauthorized
    {"do": "restart"}     {"do": "remote", "reconnect": false}      {"do": "abort"}
    {"do": "still"}                                                 no ping from now on
"""

import asyncio
import json

from aiohttp import WSMsgType, web

from fake import argument, listen, say, take_orders

CHANNELS = {"NewsChannel", "RoomChannel", "SecretChannel"}


class Client:
    """One connection: action_cable/connection/base.rb."""

    def __init__(self, number, request, socket):
        self.number = number
        self.request = request
        self.socket = socket
        # The channel of each identifier.
        self.subscriptions = {}
        self.closing = None

    async def transmit(self, **message):
        await self.socket.send_str(json.dumps(message))

    async def close(self, reason, reconnect):
        await self.transmit(type="disconnect", reason=reason, reconnect=reconnect)
        # The client's answer is not waited for.
        self.closing = asyncio.ensure_future(self.socket.close(code=1000))

    async def execute(self, data):
        command, identifier = data["command"], data.get("identifier")
        if command == "subscribe":
            await self.subscribe(identifier)
        elif command == "unsubscribe":
            if self.subscriptions.pop(identifier, None):
                say("unsubscribed", client=self.number, identifier=identifier)
        elif command == "message":
            if identifier not in self.subscriptions:
                raise ValueError(f"Unable to find subscription with identifier: {identifier}")
            say("performed", client=self.number, identifier=identifier, data=json.loads(data["data"]))
        else:
            raise ValueError(f"Received unrecognized command: {command}")

    async def subscribe(self, identifier):
        if not identifier:
            raise ValueError("Malformed command")
        if identifier in self.subscriptions:
            raise ValueError(f"Already subscribed to {identifier}")
        channel = json.loads(identifier).get("channel")
        if channel not in CHANNELS:
            raise ValueError(f"Channel not found: {channel}")
        if channel == "SecretChannel":
            say("rejected", client=self.number, identifier=identifier)
            await self.transmit(identifier=identifier, type="reject_subscription")
            return
        self.subscriptions[identifier] = channel
        say("subscribed", client=self.number, identifier=identifier)
        await self.transmit(identifier=identifier, type="confirm_subscription")


class Server:
    def __init__(self):
        self.clients = {}
        self.count = 0
        self.still = False
        self.authorization = None

    async def handle(self, request):
        origin = request.headers.get("Origin")
        if origin != f"http://{request.host}":
            say("refused", path=request.path_qs, origin=origin)
            return web.Response(status=404, text="Page not found")
        protocols = ["actioncable-v1-json", "actioncable-unsupported"]
        socket = web.WebSocketResponse(protocols=protocols, compress=False)
        await socket.prepare(request)
        self.count += 1
        client = Client(self.count, request, socket)
        say("opened", client=client.number, path=request.path_qs, protocol=socket.ws_protocol)
        try:
            await self.converse(client)
        finally:
            self.clients.pop(client.number, None)
            say("closed", client=client.number, code=socket.close_code or 1006)
        return socket

    async def converse(self, client):
        if self.authorization not in (None, client.request.headers.get("Authorization")):
            await client.close("unauthorized", False)
        else:
            await client.transmit(type="welcome")
            self.clients[client.number] = client
        async for frame in client.socket:
            if frame.type == WSMsgType.TEXT:
                say("received", client=client.number, text=frame.data)
            try:
                await client.execute(json.loads(frame.data))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                say("logged", client=client.number, error=str(error))

    async def beat(self, every):
        while True:
            await asyncio.sleep(every)
            for client in list(self.clients.values()):
                if not self.still:
                    await self.try_for(client, client.transmit(type="ping", message=1763640000))

    async def obey(self, order):
        do = order["do"]
        if do == "authorization":
            self.authorization = order["expected"]
        elif do == "still":
            self.still = True
        for client in list(self.clients.values()):
            await self.try_for(client, self.obey_for(client, order))

    async def obey_for(self, client, order):
        do = order["do"]
        if do == "broadcast":
            for identifier, channel in client.subscriptions.items():
                if channel == order["channel"]:
                    await client.transmit(identifier=identifier, message=order["message"])
        elif do == "restart":
            await client.close("server_restart", True)
        elif do == "remote":
            await client.close("remote", order["reconnect"])
        elif do == "abort":
            client.request.transport.abort()

    async def try_for(self, client, doing):
        try:
            await doing
        except ConnectionError as error:
            say("logged", client=client.number, error=str(error))


async def main(port, beat):
    server = Server()
    application = web.Application()
    application.router.add_get("/cable", server.handle)
    await listen(application, port)
    beating = asyncio.ensure_future(server.beat(beat))
    await take_orders(server.obey)
    beating.cancel()


asyncio.run(main(argument(1, 0), argument(2, 3.0)))
