"""The channels of a Phoenix application, on aiohttp. Knows nothing of Heartwire.

What it does was read in the sources of Phoenix (github.com/phoenixframework/phoenix at 167c46950cf5, of August 2026):
    lib/phoenix/transports/websocket.ex   403 for a `connect` that is refused or a version that is not known; 60 s of
                                          silence; the origin is looked at only if there is one (lib/phoenix/socket/transport.ex)
    lib/phoenix/socket.ex                 heartbeats, joins, their refusals, a second join of a topic, phx_leave, frames for
                                          topics that are not joined, the close codes 1001 (disconnect) and 1012 (drain)
    lib/phoenix/channel/server.ex         "join crashed", replies, the end of a channel
    lib/phoenix/socket/serializers/v2_json_serializer.ex   the frames, of text and of bytes
and of its usual web server (github.com/mtrudel/bandit at e022cd33672): lib/bandit/websocket/connection.ex, whose close codes
are 1002 after too long a silence and 1011 when a frame makes the application fail. Both were seen at Phoenix 1.7.24 with
Bandit 1.5.7, to which the tests were pointed once; a disconnect closes with 1011 there.
The application: topics `room:*` and `news`; a join of `room:crash` fails. It speaks version 2 of the messages only.

Started as `phoenix.py [PORT [SILENCE]]`: how many seconds it bears to hear nothing, 60 unless told. Says what happens on
stdout, one JSON object a line:
    {"event": "listening", "port": 1234}
    {"event": "refused", "path": "/socket/websocket", "why": "version"}
    {"event": "opened", "client": 1, "path": "/socket/websocket?vsn=2.0.0", "protocol": null}
    {"event": "received", "client": 1, "text": "[\\"1\\",\\"1\\",\\"room:1\\",\\"phx_join\\",{}]"}
    {"event": "joined", "client": 1, "topic": "room:1", "params": {}}
    {"event": "closed", "client": 1, "code": 1001}                   (1006: without a close frame)
    {"event": "done", "do": "crash"}                                 for each order
and does what it is told on stdin, likewise:
    {"do": "broadcast", "topic": "news", "name": "new_msg", "payload": {}}      to all who joined the topic
    {"do": "push", "topic": "news", "name": "new_msg", "payload": {}}           by the channel of each
    {"do": "broadcast-binary", "topic": "news", "name": "pic", "bytes": 3}      {"do": "push-binary", …}
    {"do": "crash", "topic": "news"}     {"do": "stop", "topic": "news"}        the channels of a topic
    {"do": "refuse", "response": {"reason": "unauthorized"}}     every join from now on; null: none any more
    {"do": "refuse-connect", "refuse": true}                     every upgrade from now on
    {"do": "token", "token": "secret"}                           joins without it are refused
    {"do": "disconnect"}     {"do": "drain"}     {"do": "abort"}
    {"do": "quiet"}                              answer no heartbeat from now on
"""

import asyncio
import json

from aiohttp import WSMsgType, web

from fake import argument, listen, say, take_orders

CHANNELS_MAX = 100


class Client:
    """One socket: the process of lib/phoenix/socket.ex."""

    def __init__(self, number, request, socket):
        self.number = number
        self.request = request
        self.socket = socket
        # The reference of the join of each topic.
        self.channels = {}
        self.closing = None

    def close_soon(self, code):
        """Closes; the orders do not wait for the client's answer."""
        self.closing = asyncio.ensure_future(self.socket.close(code=code))

    async def reply(self, join_ref, ref, topic, status, response):
        await self.send([join_ref, ref, topic, "phx_reply", {"status": status, "response": response}])

    async def send(self, message):
        await self.socket.send_str(json.dumps(message, ensure_ascii=False))

    async def end_channel(self, topic, event, payload):
        ref = self.channels.pop(topic)
        await self.send([ref, ref, topic, event, payload])


class Server:
    def __init__(self, silence):
        self.silence = silence
        self.clients = {}
        self.count = 0
        self.quiet = False
        self.refuse_connect = False
        self.refusal = None
        self.token = None

    async def handle(self, request):
        origin = request.headers.get("Origin")
        if origin is not None and origin.split("//")[-1].split(":")[0] != request.url.host:
            return self.refuse(request, "origin")
        if request.query.get("vsn", "1.0.0").split(".")[0] != "2":
            return self.refuse(request, "version")
        if self.refuse_connect:
            return self.refuse(request, "connect")
        socket = web.WebSocketResponse(autoclose=True, autoping=True, compress=False)
        await socket.prepare(request)
        self.count += 1
        client = self.clients[self.count] = Client(self.count, request, socket)
        say("opened", client=client.number, path=request.path_qs, protocol=request.headers.get("Sec-WebSocket-Protocol"))
        try:
            await self.converse(client)
        finally:
            del self.clients[client.number]
            say("closed", client=client.number, code=socket.close_code or 1006)
        return socket

    def refuse(self, request, why):
        say("refused", path=request.path_qs, why=why)
        return web.Response(status=403)

    async def converse(self, client):
        while True:
            try:
                frame = await client.socket.receive(timeout=self.silence)
            except asyncio.TimeoutError:
                await client.socket.close(code=1002)
                return
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            said = {"text": frame.data} if frame.type == WSMsgType.TEXT else {"bytes": len(frame.data)}
            say("received", client=client.number, **said)
            try:
                join_ref, ref, topic, event, payload = json.loads(frame.data)[:5]
            except (ValueError, TypeError, KeyError):
                await client.socket.close(code=1011)
                return
            await self.handle_in(client, join_ref, ref, topic, event, payload)

    async def handle_in(self, client, join_ref, ref, topic, event, payload):
        if (topic, event) == ("phoenix", "heartbeat"):
            if not self.quiet:
                await client.reply(None, ref, topic, "ok", {})
        elif event == "phx_join":
            if topic in client.channels:
                await client.end_channel(topic, "phx_close", {})
            await self.join(client, join_ref, ref, topic, payload)
        elif topic not in client.channels:
            if event == "phx_leave":
                await client.reply(join_ref, ref, topic, "ok", {})
            else:
                await client.reply(None, ref, topic, "error", {"reason": "unmatched topic"})
        elif join_ref not in (None, client.channels[topic]):
            pass  # Of an earlier join.
        elif event == "phx_leave":
            await client.reply(client.channels[topic], ref, topic, "ok", {})
            await client.end_channel(topic, "phx_close", {})
        else:
            # This application answers everything with what came.
            await client.reply(client.channels[topic], ref, topic, "ok", payload)

    async def join(self, client, join_ref, ref, topic, params):
        if not topic.startswith("room:") and topic != "news":
            return await client.reply(None, ref, topic, "error", {"reason": "unmatched topic"})
        if len(client.channels) >= CHANNELS_MAX:
            return await client.reply(join_ref, ref, topic, "error", {"reason": "too many channels joined"})
        if topic == "room:crash":
            return await client.reply(join_ref, ref, topic, "error", {"reason": "join crashed"})
        if self.token is not None and params.get("token") != self.token:
            return await client.reply(join_ref, ref, topic, "error", {"reason": "unauthorized"})
        if self.refusal is not None:
            return await client.reply(join_ref, ref, topic, "error", self.refusal)
        client.channels[topic] = join_ref
        say("joined", client=client.number, topic=topic, params=params)
        await client.reply(join_ref, ref, topic, "ok", {})

    async def obey(self, order):
        do = order["do"]
        if do == "refuse":
            self.refusal = order["response"]
        elif do == "refuse-connect":
            self.refuse_connect = order["refuse"]
        elif do == "token":
            self.token = order["token"]
        elif do == "quiet":
            self.quiet = True
        for client in list(self.clients.values()):
            try:
                await self.obey_for(client, order)
            except ConnectionError:
                pass

    async def obey_for(self, client, order):
        do, topic, name = order["do"], order.get("topic"), order.get("name")
        if do == "disconnect":
            client.close_soon(1001)
        elif do == "drain":
            client.close_soon(1012)
        elif do == "abort":
            client.request.transport.abort()
        elif topic not in client.channels:
            pass
        elif do == "broadcast":
            await client.send([None, None, topic, name, order["payload"]])
        elif do == "push":
            await client.send([client.channels[topic], None, topic, name, order["payload"]])
        elif do == "broadcast-binary":
            await client.socket.send_bytes(binary(2, [topic, name], order["bytes"]))
        elif do == "push-binary":
            await client.socket.send_bytes(binary(0, [client.channels[topic], topic, name], order["bytes"]))
        elif do == "crash":
            await client.end_channel(topic, "phx_error", {"reason": "channel_crash"})
        elif do == "stop":
            await client.end_channel(topic, "phx_close", {})


def binary(kind, texts, size):
    """A frame of bytes: its kind, the length of each text, the texts, the payload."""
    texts = [text.encode() for text in texts]
    return bytes([kind, *map(len, texts)]) + b"".join(texts) + b"\xff" * size


async def main(port, silence):
    server = Server(silence)
    application = web.Application()
    application.router.add_get("/socket/websocket", server.handle)
    await listen(application, port)
    await take_orders(server.obey)


asyncio.run(main(argument(1, 0), argument(2, 60.0)))
