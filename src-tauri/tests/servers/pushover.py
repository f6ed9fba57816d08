"""Pushover's servers for Open Clients, on aiohttp: that of the sockets and that of the messages at one port. Knows nothing of
Heartwire.

Pushover's servers are not open. What this does was read in the document https://pushover.net/api/client (a stored copy: the
login, the first download, what the five signs mean), in its transcription as AsyncAPI (api-evangelist/pushover,
openapi/pushover-asyncapi.yml: the login line, paths, forms, the fields of a message) and in open clients that live with the
real servers: python-pushover-open-client and py_pushover (the signs are bytes objects there, so frames are binary; ids that
are not deleted are downloaded again), BlahGeek's pullover (waits 60 s for a sign of life) and a client in Go that reads
nothing but binary frames. What they do not say: how often the sign of life comes (here every 30 s, and once after the
login), and the status of a refused secret (here 400 with `status` 0, as in all of Pushover's interfaces).

Started as `pushover.py [PORT [SIGN]]`: seconds between signs of life, 30 unless told. The device is `dev`, its secret
`secret`. Says what happens on stdout, one JSON object a line:
    {"event": "listening", "port": 1234}
    {"event": "login", "client": 1}                      {"event": "refused", "client": 1, "line": "login:dev:x\\n"}
    {"event": "downloaded", "ids": [4, 5]}               {"event": "failed", "path": "/1/messages.json"}
    {"event": "deleted", "highest": 5, "left": []}
    {"event": "closed", "client": 1, "code": 1001}       (1006: without a close frame)
    {"event": "done", "do": "post"}                      for each order
and does what it is told on stdin, likewise:
    {"do": "post", "message": {"message": "hi", "priority": 1}}      a message is sent to the device
    {"do": "post-many", "count": 100}                                messages "1" to "100" after those before them
    {"do": "post", "message": {…}, "silent": true}                   … and no sign comes
    {"do": "sign", "sign": "R"}                                      any sign to every client
    {"do": "fail", "messages": true, "deletes": false}               which of the two requests is answered 503 from now on
    {"do": "slow", "seconds": 1}                                     how long the answer with messages takes from now on
    {"do": "secret", "secret": "other"}                              the secret is another one from now on
    {"do": "abort"}
"""

import asyncio
import uuid

from aiohttp import WSMsgType, web

from fake import argument, listen, say, take_orders

DEVICE = "dev"


class Server:
    def __init__(self, every):
        self.every = every
        self.secret = "secret"
        self.count = 0
        # The sockets that are logged in, and their requests.
        self.clients = {}
        self.messages = []
        self.newest = 0
        self.fail_messages = False
        self.fail_deletes = False
        self.slow = 0
        self.downloads = 0

    async def push(self, request):
        self.count += 1
        number = self.count
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        try:
            await self.converse(number, request, socket)
        finally:
            self.clients.pop(number, None)
            say("closed", client=number, code=socket.close_code or 1006)
        return socket

    async def converse(self, number, request, socket):
        first = await socket.receive()
        if first.type != WSMsgType.TEXT or first.data != f"login:{DEVICE}:{self.secret}\n":
            say("refused", client=number, line=str(first.data))
            await socket.send_bytes(b"E")
            await socket.close()
            return
        # One session for a device.
        for other, _ in list(self.clients.values()):
            await other.send_bytes(b"A")
            asyncio.ensure_future(other.close())
        self.clients[number] = (socket, request)
        say("login", client=number)
        living = asyncio.ensure_future(self.live(socket))
        try:
            async for _ in socket:
                pass
        finally:
            living.cancel()

    async def live(self, socket):
        while True:
            await socket.send_bytes(b"#")
            await asyncio.sleep(self.every)

    async def download(self, request):
        if self.fail_messages:
            return failed(request)
        if request.query.get("secret") != self.secret or request.query.get("device_id") != DEVICE:
            return refused("secret is not valid")
        self.downloads += 1
        assert self.downloads == 1, "one download at a time"
        try:
            # What comes after this is in the next answer.
            messages = list(self.messages)
            await asyncio.sleep(self.slow)
        finally:
            self.downloads -= 1
        say("downloaded", ids=[message["id"] for message in messages])
        return answer(messages=messages, user={"quiet_hours": False}, device={"name": "test"})

    async def delete(self, request):
        if self.fail_deletes:
            return failed(request)
        form = await request.post()
        if form.get("secret") != self.secret or request.match_info["device"] != DEVICE:
            return refused("secret is not valid")
        if not form.get("message", "").isdigit():
            return refused("message is not valid")
        highest = int(form["message"])
        self.messages = [message for message in self.messages if message["id"] > highest]
        say("deleted", highest=highest, left=[message["id"] for message in self.messages])
        return answer()

    async def obey(self, order):
        do = order["do"]
        if do == "post":
            self.keep(order["message"])
            if not order.get("silent"):
                await self.sign(b"!")
        elif do == "post-many":
            for _ in range(order["count"]):
                self.keep({"message": str(self.newest + 1)})
                await self.sign(b"!")
                await asyncio.sleep(0)
        elif do == "sign":
            await self.sign(order["sign"].encode())
        elif do == "fail":
            self.fail_messages, self.fail_deletes = order["messages"], order["deletes"]
        elif do == "slow":
            self.slow = order["seconds"]
        elif do == "secret":
            self.secret = order["secret"]
        elif do == "abort":
            for _, request in self.clients.values():
                if request.transport is not None:
                    request.transport.abort()

    def keep(self, message):
        self.newest += 1
        head = {
            "id": self.newest, "id_str": str(self.newest), "umid": 7_000_000_000 + self.newest,
            "umid_str": str(7_000_000_000 + self.newest), "aid": 1, "aid_str": "1", "app": "Nagios", "icon": "nagios",
            "date": 1763640000 + self.newest, "queued_date": 1763640000, "dispatched_date": 1763640000, "acked": 0,
            "priority": 0, "html": 0,
        }
        self.messages.append({**head, **message})

    async def sign(self, sign):
        for socket, _ in list(self.clients.values()):
            try:
                await socket.send_bytes(sign)
            except ConnectionError:
                pass  # It is just leaving.


def answer(status=200, **more):
    return web.json_response({**more, "status": 1 if status == 200 else 0, "request": str(uuid.uuid4())}, status=status)


def refused(error):
    return answer(400, errors=[error])


def failed(request):
    say("failed", path=request.path)
    return web.Response(status=503)


async def main(port, every):
    server = Server(every)
    application = web.Application()
    application.router.add_get("/push", server.push)
    application.router.add_get("/1/messages.json", server.download)
    application.router.add_post("/1/devices/{device}/update_highest_message.json", server.delete)
    await listen(application, port)
    await take_orders(server.obey)


asyncio.run(main(argument(1, 0), argument(2, 30.0)))
