"""A Gotify server with one user, on aiohttp: what Heartwire needs of it, and no more. Knows nothing of Heartwire.

Checked against gotify/server 3.0.0 itself and, for older ones, its source:
    api/message.go, database/message.go, model/*.go   the list: ids below `since`, newest first, one more is looked for to
                                                      know whether there are any below; the errors of a wrong `limit`;
                                                      ids are never used twice; the shape and order of the fields
    api/stream/*.go                                   frames, the limit of 64 bytes, the ping every 45 s, the deadline of
                                                      60 s that only a pong moves, 2 s for a write, no close frame when
                                                      a token is revoked
    auth/authentication.go                            where a token may be, and the answer 401
Left out: everything but messages, applications of their own, TLS, plugins.

Started as `gotify.py [PORT [TOKEN]]`. The token, of a client and for posting alike, is `client-token` if none is given;
everything is also there below /sub. Says what happens on stdout, one JSON object a line:
    {"event": "listening", "port": 1234}
    {"event": "opened", "client": 1, "path": "/stream"}
    {"event": "received", "client": 1, "text": "x"}
    {"event": "closed", "client": 1, "texts": 0}           after so many texts
    {"event": "asked", "path": "/message?limit=200", "status": 200, "size": 3}     for each GET /message
    {"event": "done", "do": "post"}                                                for each order
and does what it is told on stdin, likewise:
    {"do": "post", "count": 3, "title": "t", "message": "m", "priority": 5}        "m 1" to "m 3" if there are several
    {"do": "post", "count": 3, "from": 7}          7, 8 and 9
    {"do": "post", "pushed": false}      into the list only, as between the answer to the upgrade and the registration
    {"do": "delete", "id": 7}            {"do": "delete"} deletes all
    {"do": "reset"}                      the database is lost, and with it all sockets
    {"do": "cut"}                        all sockets end without a closing handshake
    {"do": "answer", "status": 503, "times": 2}    that many lists are answered so
    {"do": "hold"}                       no list is answered before {"do": "release"}
    {"do": "later", "seconds": 60}       so much time has passed
    {"do": "token", "token": "new"}      the old one is revoked
"""

import asyncio
import base64
import bisect
import json
import time

from aiohttp import WSMsgType, web

from fake import argument, listen, say, take_orders

PING = 45
DEADLINE = PING + 15
READ_LIMIT = 64
WRITE = 2


class Server:
    def __init__(self, token):
        self.token = token
        self.sockets = {}
        self.count = 0
        self.lose_everything()
        self.answers = []
        self.held = asyncio.Event()
        self.held.set()
        self.later_ns = 0

    def lose_everything(self):
        self.newest = 0
        self.ids = []
        self.messages = {}

    # What is asked of it

    async def stream(self, request):
        if (refused := self.refuse(request)) is not None:
            return refused
        if request.headers.get("Origin", f"http://{request.host}").split("//", 1)[-1] != request.host:
            return web.Response(status=403)
        # The library's limit is one that is already too much.
        socket = web.WebSocketResponse(autoping=False, max_msg_size=READ_LIMIT + 1, compress=False)
        try:
            await socket.prepare(request)
        except ConnectionError:
            return web.Response()
        self.count += 1
        number = self.count
        self.sockets[number] = (socket, request.transport)
        say("opened", client=number, path=request.path_qs)
        pings = asyncio.ensure_future(self.ping(socket))
        texts = 0
        try:
            async for text in self.texts(socket):
                texts += 1
                say("received", client=number, text=text)
        finally:
            pings.cancel()
            self.sockets.pop(number, None)
            say("closed", client=number, texts=texts)
        return socket

    async def ping(self, socket):
        while True:
            await asyncio.sleep(PING)
            await socket.ping()

    async def texts(self, socket):
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                frame = await asyncio.wait_for(socket.receive(), deadline - time.monotonic())
            except asyncio.TimeoutError:
                return
            if frame.type == WSMsgType.PONG:
                deadline = time.monotonic() + DEADLINE
            elif frame.type == WSMsgType.PING:
                await socket.pong(frame.data)
            elif frame.type == WSMsgType.TEXT:
                yield frame.data
            elif frame.type != WSMsgType.BINARY:
                return

    async def list(self, request):
        answer = self.refuse(request)
        await self.held.wait()
        if answer is None and self.answers:
            answer = error(self.answers.pop(), "as ordered")
        size = None
        if answer is None:
            answer, size = self.page(request.query)
        say("asked", path=request.path_qs, status=answer.status, size=size)
        return answer

    def page(self, query):
        try:
            limit, since = int(query.get("limit", 100)), int(query.get("since", 0))
        except ValueError:
            return error(400, "strconv"), None
        for wrong, how in ((limit > 200, "less or equal to 200"), (limit < 1, "more or equal to 1")):
            if wrong:
                return error(400, f"Field 'limit' must be {how}"), None
        end = bisect.bisect_left(self.ids, since) if since else len(self.ids)
        page = self.ids[max(0, end - limit) : end][::-1]
        paging = {"size": len(page), "since": page[-1] if end > limit else 0, "limit": limit}
        if paging["since"]:
            paging = {"next": f"/message?limit={limit}&since={paging['since']}", **paging}
        return reply({"paging": paging, "messages": [self.messages[id] for id in page]}), len(page)

    async def create(self, request):
        if (refused := self.refuse(request)) is not None:
            return refused
        return reply(await self.post(await request.json(), True))

    def refuse(self, request):
        header = request.headers.get("Authorization", "")
        bearer = header[7:] if header[:7].lower() == "bearer " else ""
        given = request.query.get("token") or request.headers.get("X-Gotify-Key") or bearer
        basic = "Basic " + base64.b64encode(f"admin:{self.token}".encode()).decode()
        if given == self.token or (not given and header == basic):
            return None
        return error(401, "you need to provide a valid access token or user credentials to access this api")

    # What it is told

    async def obey(self, order):
        do = order["do"]
        if do == "post":
            count = order.get("count", 1)
            for at in range(order.get("from", 1), order.get("from", 1) + count):
                text = str(at) if "from" in order else order.get("message", "m") + (f" {at}" if count > 1 else "")
                await self.post({**order, "message": text}, order.get("pushed", True))
        elif do == "delete":
            for id in [order["id"]] if "id" in order else list(self.ids):
                self.ids.remove(id)
                del self.messages[id]
        elif do == "reset":
            self.lose_everything()
            self.cut()
        elif do == "cut":
            self.cut()
        elif do == "answer":
            self.answers = [order["status"]] * order.get("times", 1)
        elif do == "hold":
            self.held.clear()
        elif do == "release":
            self.held.set()
        elif do == "later":
            self.later_ns += order["seconds"] * 10**9
        elif do == "token":
            self.token = order["token"]
            self.cut()

    async def post(self, given, pushed):
        self.newest += 1
        message = {"id": self.newest, "appid": 1, "message": given["message"]}
        message["title"] = given.get("title", "").strip() and given["title"] or "app"
        message["priority"] = given.get("priority", 0)
        if given.get("extras"):
            message["extras"] = given["extras"]
        message["date"] = date(time.time_ns() + self.later_ns)
        self.ids.append(self.newest)
        self.messages[self.newest] = message
        if pushed:
            for number, (socket, transport) in list(self.sockets.items()):
                try:
                    await asyncio.wait_for(socket.send_str(compact(message) + "\n"), WRITE)
                except (ConnectionError, asyncio.TimeoutError):
                    self.sockets.pop(number, None)
                    if transport is not None:
                        transport.abort()
        return message

    def cut(self):
        for _, transport in self.sockets.values():
            if transport is not None:
                transport.abort()
        self.sockets = {}


def date(nanos):
    seconds, nanos = divmod(nanos, 10**9)
    fraction = f".{nanos:09}".rstrip("0").rstrip(".")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"


def reply(value, status=200):
    return web.Response(status=status, text=compact(value), content_type="application/json")


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def error(status, why):
    reason = web.Response(status=status).reason
    return reply({"error": reason, "errorCode": status, "errorDescription": why}, status)


async def main(port, token):
    server = Server(token)
    app = web.Application()
    for base in ("", "/sub"):
        app.router.add_get(base + "/stream", server.stream)
        app.router.add_get(base + "/message", server.list)
        app.router.add_post(base + "/message", server.create)
    await listen(app, port)
    await take_orders(server.obey)


asyncio.run(main(argument(1, 0), argument(2, "client-token")))
