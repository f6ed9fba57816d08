"""Home Assistant's WebSocket API with its persistent notifications, on aiohttp as there. Knows nothing of Heartwire.

Built from home-assistant/core and compared, frame by frame, with a core of 2024.3.3 that runs http, websocket_api and
persistent_notification; auth.py also with that of 2026:
    components/websocket_api/http.py, auth.py     the login and its texts; 10 s for it; no close frame but the library's
                                                  own; an RFC ping every 55 s; a wrong token is a notification itself
    components/websocket_api/connection.py        ids that have to rise, and the errors
    components/websocket_api/commands.py, messages.py   ping and pong, results and events
    components/persistent_notification/__init__.py      the subscription: result, then `current`, then every change; one
                                                  that is made again is `added`; all are lost with the process
Left out: other commands, lists of messages, which only clients get who ask for them, users, the ban after wrong logins.

Started as `home_assistant.py [PORT [TOKEN]]`; the token is `access-token` if none is given. Says what happens on stdout,
one JSON object a line:
    {"event": "listening", "port": 1234}
    {"event": "opened", "client": 1}
    {"event": "received", "client": 1, "text": "{…}"}      a token is shown as "…"
    {"event": "closed", "client": 1}
    {"event": "done", "do": "create"}                      for each order
and does what it is told on stdin, likewise:
    {"do": "create", "id": "door", "message": "open", "title": null}
    {"do": "dismiss", "id": "door"}      {"do": "dismiss"} dismisses all
    {"do": "restart"}                    all sockets end and all notifications are lost
    {"do": "cut"}                        all sockets end without a closing handshake
    {"do": "token", "token": "new"}      the old one is revoked
    {"do": "quiet"}                      no command is answered from now on
    {"do": "speechless"}                 from now on no event can be put into JSON; once more: they can again
"""

import asyncio
import json
from datetime import datetime, timezone

from aiohttp import WSMsgType, web

from fake import argument, listen, say, take_orders

VERSION = "2024.3.3"


class Client:
    def __init__(self, number, socket, transport):
        self.number, self.socket, self.transport = number, socket, transport
        self.last_id = 0
        self.subscriptions = []


class Server:
    def __init__(self, token):
        self.token = token
        self.clients = {}
        self.count = 0
        self.notifications = {}
        self.quiet = False
        self.speechless = False

    async def api(self, request):
        socket = web.WebSocketResponse(heartbeat=55)
        try:
            await socket.prepare(request)
        except ConnectionError:
            return web.Response()
        self.count += 1
        client = Client(self.count, socket, request.transport)
        say("opened", client=client.number)
        try:
            await socket.send_str(compact({"type": "auth_required", "ha_version": VERSION}))
            if await self.log_in(client):
                self.clients[client.number] = client
                await self.commands(client)
        except (ConnectionError, asyncio.TimeoutError, ValueError):
            pass
        finally:
            self.clients.pop(client.number, None)
            await socket.close()
            say("closed", client=client.number)
        return socket

    async def log_in(self, client):
        frame = await client.socket.receive(10)
        if frame.type != WSMsgType.TEXT:
            return False
        login = json.loads(frame.data)
        why = None
        if not isinstance(login, dict) or login.get("type") != "auth":
            why = "not a valid value for dictionary value @ data['type']"
        elif more := login.keys() - {"type", "access_token", "api_password"}:
            why = f"extra keys not allowed @ data['{min(more)}']"
        if why is not None:
            why = "Auth message incorrectly formatted: " + why
            await client.socket.send_str(compact({"type": "auth_invalid", "message": why}))
            return False
        say("received", client=client.number, text=compact({**login, "access_token": "…"}))
        if login.get("access_token") != self.token:
            why = "Invalid access token or password"
            await client.socket.send_str(compact({"type": "auth_invalid", "message": why}))
            words = "Login attempt or request with invalid authentication from localhost (127.0.0.1)."
            await self.create("http-login", words + " See the log for details.", "Login attempt failed")
            return False
        await client.socket.send_str(compact({"type": "auth_ok", "ha_version": VERSION}))
        return True

    async def commands(self, client):
        async for frame in client.socket:
            if frame.type != WSMsgType.TEXT:
                continue
            say("received", client=client.number, text=frame.data)
            given = json.loads(frame.data)
            for command in given if isinstance(given, list) else [given]:
                await self.command(client, command)

    async def command(self, client, command):
        if self.quiet:
            return
        id, kind = command.get("id"), command.get("type")
        if not isinstance(id, int) or not id or not isinstance(kind, str):
            return await self.fail(client, id, "invalid_format", "Message incorrectly formatted.")
        if id <= client.last_id:
            return await self.fail(client, id, "id_reuse", "Identifier values have to increase.")
        if kind == "ping":
            await self.send(client, {"id": id, "type": "pong"})
        elif kind == "persistent_notification/subscribe":
            client.subscriptions.append(id)
            await self.send(client, success(id, None))
            await self.tell(client, id, "current", self.notifications)
        elif kind == "persistent_notification/get":
            await self.send(client, success(id, list(self.notifications.values())))
        else:
            # The number is free again.
            return await self.fail(client, id, "unknown_command", "Unknown command.")
        client.last_id = id

    async def fail(self, client, id, code, message):
        error = {"code": code, "message": message}
        await self.send(client, {"id": id, "type": "result", "success": False, "error": error})

    async def tell(self, client, id, kind, notifications):
        if self.speechless:
            return await self.fail(client, id, "unknown_error", "Invalid JSON in response")
        event = {"type": kind, "notifications": notifications}
        await self.send(client, {"id": id, "type": "event", "event": event})

    async def send(self, client, message):
        try:
            await client.socket.send_str(compact(message))
        except ConnectionError:
            pass

    async def tell_all(self, kind, notifications):
        for client in list(self.clients.values()):
            for id in client.subscriptions:
                await self.tell(client, id, kind, notifications)

    async def create(self, id, message, title):
        one = {"message": message, "notification_id": id, "title": title}
        # Its place in the snapshot stays when it is made again.
        self.notifications[id] = {**one, "created_at": datetime.now(timezone.utc).isoformat()}
        await self.tell_all("added", {id: self.notifications[id]})

    async def obey(self, order):
        do, id = order["do"], order.get("id")
        if do == "create":
            await self.create(id, order["message"], order.get("title"))
        elif do == "dismiss" and id is not None:
            if (one := self.notifications.pop(id, None)) is not None:
                await self.tell_all("removed", {id: one})
        elif do == "dismiss":
            gone, self.notifications = self.notifications, {}
            await self.tell_all("removed", gone)
        elif do == "restart":
            self.notifications = {}
            self.cut()
        elif do == "cut":
            self.cut()
        elif do == "token":
            self.token = order["token"]
            self.cut()
        elif do == "quiet":
            self.quiet = True
        elif do == "speechless":
            self.speechless = not self.speechless

    def cut(self):
        for client in self.clients.values():
            if client.transport is not None:
                client.transport.abort()
        self.clients = {}


def success(id, result):
    return {"id": id, "type": "result", "success": True, "result": result}


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


async def main(port, token):
    server = Server(token)
    app = web.Application()
    app.router.add_get("/api/websocket", server.api)
    await listen(app, port)
    await take_orders(server.obey)


asyncio.run(main(argument(1, 0), argument(2, "access-token")))
