"""A fake of the ntfy server, on aiohttp: what its clients can see of publishing, subscribing and its cache. Knows nothing of
Heartwire.

Built from the server's sources: server/server.go, message/cache_sqlite.go and model/model.go of 2026 (with sequences and
withdrawals, which came with 2.16, and the limit of an answer, which came later), server/config.go, server/errors.go,
server/topic.go. What both can do was compared with a real server 2.13 in July 2025's state, request by request: `open`, fields
and their order, live and polled; `since` with a known id, an unknown id and a time; a scheduled message before and after its
delivery, which `since` with an id leaves out; base64, attachments by address, `Cache: no`, poll requests, an empty body; text of 64 and
65 bytes (close code 1009); 400, 401, 403 and 404, at the upgrade too. Withdrawals, sequences, the limit and the order of
delivery are from the sources alone.
Not here: limits of visitors, filters, files, e-mail, templates, publishing as JSON or by GET.

    ntfy.py [PORT] [--cache S] [--manager S] [--keepalive S] [--delayed S] [--min-delay S] [--poll-size BYTES]
        [--user NAME:PASSWORD] [--token T]

The times are the server's `cache-duration`, `manager-interval`, `keepalive-interval`, and those of scheduled messages. An answer
has at most so many bytes of a topic, by default 10 MB, and else leaves out the oldest, as newer servers do. With a user or a
token nobody else may read or write. Says what happens on stdout, one JSON object a line:
    {"event": "listening", "port": 1234}
    {"event": "subscribed", "client": 1, "path": "/a,b/ws"}      {"event": "closed", "client": 1}
    {"event": "received", "client": 1, "bytes": 9}               a text or binary frame of a client
    {"event": "polled", "since": "1700000000", "status": 200, "given": 3}
    {"event": "delivered", "id": "…"}  {"event": "pruned", "count": 1}     a scheduled message; expired ones
    {"event": "done", "do": "publish"}                           for each order; "request" with "status" and "body"
and does what it is told on stdin, likewise:
    {"do": "request", "method": "PUT", "path": "/a", "body": "hello", "headers": {"Title": "t"}}     to itself, over HTTP
    {"do": "publish", "topic": "a", "from": 1, "count": 1000}    so many messages "1", "2", …, without HTTP
    {"do": "abort"}                                              every socket breaks
    {"do": "deaf"}  {"do": "hear"}                               upgrades are answered with 503 from now on, or no more
    {"do": "fail", "status": 500, "times": 2}                    the next polls are answered so
    {"do": "break", "after": 1}                                  the next poll breaks off after so many lines
    {"do": "hold"}  {"do": "release"}                            polls wait from now on, or no more
    {"do": "keep-late"}  {"do": "keep"}                          what is published is kept no sooner than now
    {"do": "forget"}                                             the cache is lost, as that in memory after a restart
"""

import argparse
import asyncio
import base64
import binascii
import json
import re
import secrets
import string
import time

from aiohttp import ClientSession, WSMsgType, web

from fake import listen, say, take_orders

TOPIC = "[-_A-Za-z0-9]{1,64}"
TOPICS = rf"{TOPIC}(?:,{TOPIC})*"
ID = re.compile("[A-Za-z0-9]{12}")
SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
# A longer frame ends the socket; aiohttp refuses those that are as long as its limit.
READ_LIMIT = 64
WRITE_WAIT = 2
PONG_WAIT = 15
MESSAGE_LIMIT = 4096


class Refused(Exception):
    def __init__(self, status, code, error):
        self.status, self.body = status, {"code": code, "http": status, "error": error}


class Subscriber:
    """One socket: what is published goes through a queue, so that a slow client holds up nobody."""

    def __init__(self, socket, transport):
        self.socket, self.transport = socket, transport
        self.waiting = asyncio.Queue()

    async def write(self):
        while True:
            event = await self.waiting.get()
            await asyncio.wait_for(self.socket.send_str(json.dumps(event, separators=(",", ":")) + "\n"), WRITE_WAIT)


class Ntfy:
    def __init__(self, options):
        self.options = options
        # Rows in the order of publishing: (event, whether it was delivered).
        self.rows = []
        # Those that are published but not yet kept.
        self.late = None
        self.subscribers = {}
        self.clients = 0
        self.deaf = False
        self.fails = []
        self.break_after = None
        self.held = asyncio.Event()
        self.held.set()

    # What it keeps.

    def event(self, kind, topic, **fields):
        new = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))
        return {"id": new, "sequence_id": new, "time": int(time.time()), "event": kind, "topic": topic, **fields}

    def keep(self, event):
        """Once the subscribers have it; on a busy server, or one with `cache-batch-timeout`, a good while later."""
        if self.options.cache > 0:
            (self.rows if self.late is None else self.late).append([event, event["time"] <= time.time()])

    def prune(self):
        now, before = time.time(), len(self.rows)
        self.rows = [row for row in self.rows if not row[1] or row[0]["expires"] > now]
        if count := before - len(self.rows):
            say("pruned", count=count)

    def drop_scheduled(self, topic, sequence):
        self.rows = [
            [event, done] for event, done in self.rows if done or (event["topic"], event["sequence_id"]) != (topic, sequence)
        ]

    def selected(self, topics, since, scheduled):
        """What a poll gives, in its order."""
        if since in ("", "all"):
            chosen = self.rows
        elif since == "none":
            chosen = []
        elif since == "latest":
            chosen = [newest for topic in topics if (newest := self.newest(topic))]
        elif ID.fullmatch(since):
            known = [at for at, (event, _) in enumerate(self.rows) if event["id"] == since]
            after = known[0] + 1 if known else 0
            chosen = [row for at, row in enumerate(self.rows) if at >= after or (scheduled and not row[1])]
        else:
            begin = since_time(since)
            chosen = [row for row in self.rows if row[0]["time"] >= begin]
        of_topics = [event for topic in topics for event, done in chosen if event["topic"] == topic and (done or scheduled)]
        return sorted(of_topics, key=lambda event: event["time"])

    def fitting(self, events):
        """Of each topic the newest for which there is room in an answer, at least one."""
        used, full, fitting = {}, set(), []
        for event in reversed(events):
            topic, size = event["topic"], len(line(in_answer(event)))
            if topic in used and used[topic] + size > self.options.poll_size:
                full.add(topic)
            if topic not in full:
                used[topic] = used.get(topic, 0) + size
                fitting.append(event)
        return fitting[::-1]

    def newest(self, topic):
        rows = [row for row in self.rows if row[0]["topic"] == topic and row[1]]
        return max(enumerate(rows), key=lambda row: (row[1][0]["time"], row[0]))[1] if rows else None

    def deliver(self, event):
        for topics, subscriber in list(self.subscribers.values()):
            if event["topic"] in topics:
                subscriber.waiting.put_nowait(on_socket(event))

    # What it answers.

    async def publish(self, request):
        topic, sequence = request.match_info["topic"], request.match_info.get("sequence")
        self.authorize(request)
        body = await request.read()
        given = lambda *names: parameter(request, names)
        event = self.event("message", topic)
        sequence = sequence or given("x-sequence-id", "sequence-id", "sid") or event["id"]
        if not re.fullmatch(TOPIC, sequence):
            raise Refused(400, 40049, "invalid request: sequence ID invalid")
        event["sequence_id"] = sequence
        kept = given("x-cache", "cache") not in ("no", "0", "false")
        if delay := given("x-delay", "delay", "x-at", "at", "x-in", "in"):
            event["time"] += span(delay)
            if event["time"] < time.time() + self.options.min_delay - 1:
                raise Refused(400, 40005, "invalid delay parameter: too small, please refer to the docs")
        if poll_id := given("x-poll-id", "poll-id"):
            kept = False
            event = self.event("poll_request", topic, message="New message", poll_id=poll_id, sequence_id="")
        else:
            self.fill(event, body, given)
        if kept:
            event["expires"] = event["time"] + self.options.cache
        if event["time"] <= time.time():
            self.deliver(event)
        if kept:
            self.drop_scheduled(topic, event["sequence_id"])
            self.keep(event)
        return answer(event)

    def fill(self, event, body, given):
        """The fields that a person sees."""
        if title := given("x-title", "title", "t"):
            event["title"] = title
        event["message"] = given("x-message", "message", "m")
        if priority := given("x-priority", "priority", "prio", "p"):
            event["priority"] = int(priority)
        if tags := given("x-tags", "tags", "tag", "ta"):
            event["tags"] = [tag.strip() for tag in tags.split(",")]
        if click := given("x-click", "click"):
            event["click"] = click
        if url := given("x-attach", "attach", "a"):
            name = given("x-filename", "filename", "file", "f") or url.rsplit("/", 1)[-1] or "attachment"
            event["attachment"] = {"name": name, "url": url}
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = None
        unified = given("x-unifiedpush", "unifiedpush", "up") in ("1", "yes", "true")
        if unified and text is None:
            event.update(message=base64.b64encode(body).decode(), encoding="base64")
        elif text is None or len(body) > MESSAGE_LIMIT:
            raise Refused(400, 40014, "invalid request: attachments not allowed")
        elif text:
            event["message"] = text if unified else text.strip()
        if not event["message"]:
            event["message"] = f"You received a file: {event['attachment']['name']}" if "attachment" in event else "triggered"

    async def withdraw(self, request):
        topic, sequence = request.match_info["topic"], request.match_info["sequence"]
        self.authorize(request)
        kind = "message_delete" if request.method == "DELETE" else "message_clear"
        event = self.event(kind, topic, sequence_id=sequence)
        event["expires"] = event["time"] + self.options.cache
        self.deliver(event)
        if kind == "message_delete":
            self.drop_scheduled(topic, sequence)
        self.keep(event)
        return answer(event)

    async def poll(self, request):
        self.authorize(request)
        if self.fails:
            status = self.fails.pop()
            say("polled", since=request.query.get("since"), status=status, given=0)
            raise Refused(status, status * 100 + 1, "told to fail")
        await self.held.wait()
        since, scheduled = parameter(request, ["x-since", "since", "si"]), parameter(request, ["x-scheduled", "scheduled", "sched"])
        if parameter(request, ["x-poll", "poll", "po"]) != "1":
            raise Refused(400, 40000, "this fake streams only over WebSockets")
        selected = self.selected(topics_of(request), since, scheduled == "1")
        events = self.fitting(selected)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
        if len(events) < len(selected):
            response.headers["X-Messages-Truncated"] = "1"
        await response.prepare(request)
        broken, self.break_after = self.break_after, None
        for event in events[:broken]:
            await response.write(line(in_answer(event)))
        say("polled", since=since, status=200, given=len(events[:broken]))
        if broken is not None:
            request.transport.close()
            return response
        await response.write_eof()
        return response

    async def subscribe(self, request):
        self.authorize(request)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refused(400, 40016, "invalid request: client not using the websocket protocol")
        if self.deaf:
            raise Refused(503, 50301, "told to be deaf")
        topics = topics_of(request)
        since = parameter(request, ["x-since", "since", "si"]) or "none"
        old = self.selected(topics, since, False)
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=READ_LIMIT + 1, timeout=0.1)
        await socket.prepare(request)
        subscriber = Subscriber(socket, request.transport)
        self.clients += 1
        number = self.clients
        self.subscribers[number] = (topics, subscriber)
        say("subscribed", client=number, path=request.path_qs)
        for event in [without_sequence(self.event("open", request.match_info["topics"])), *map(on_socket, old)]:
            subscriber.waiting.put_nowait(event)
        tasks = [asyncio.ensure_future(task) for task in (subscriber.write(), self.ping(socket), self.read(number, socket))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        del self.subscribers[number]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not socket.closed and request.transport is not None:
            request.transport.abort()
        say("closed", client=number)
        return socket

    async def ping(self, socket):
        while True:
            await asyncio.sleep(self.options.keepalive)
            await socket.ping()

    async def read(self, number, socket):
        """Ends with the socket, or when no pong has come for too long: nothing else of a client's is life."""
        deadline = time.monotonic() + self.options.keepalive + PONG_WAIT
        while True:
            frame = await socket.receive(timeout=max(deadline - time.monotonic(), 0.001))
            if frame.type == WSMsgType.PING:
                await socket.pong(frame.data)
            elif frame.type == WSMsgType.PONG:
                deadline = time.monotonic() + self.options.keepalive + PONG_WAIT
            elif frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                say("received", client=number, bytes=len(frame.data))
            else:
                return

    def authorize(self, request):
        """Anybody where there are no users; 401 for wrong credentials, 403 without any."""
        if not (self.options.user or self.options.token):
            return
        value = request.headers.get("Authorization", "").strip()
        if packed := request.query.get("authorization") or request.query.get("auth"):
            value = unpacked(packed.encode(), base64.urlsafe_b64decode).strip()
        kind, _, secret = value.partition(" ")
        if kind.lower() not in ("basic", "bearer"):
            raise Refused(403, 40301, "forbidden")
        if kind.lower() == "basic":
            secret = unpacked(secret.encode(), base64.b64decode)
            # A token may stand in the place of the password.
            secret = secret.removeprefix(":")
        if not secret or secret not in (self.options.user, self.options.token):
            raise Refused(401, 40101, "unauthorized")

    # What it does by itself.

    async def send_scheduled(self):
        while True:
            await asyncio.sleep(self.options.delayed)
            for row in sorted(self.rows, key=lambda row: row[0]["time"]):
                if not row[1] and row[0]["time"] <= time.time():
                    row[1] = True
                    self.deliver(row[0])
                    say("delivered", id=row[0]["id"])

    async def manage(self):
        while True:
            await asyncio.sleep(self.options.manager)
            self.prune()

    async def obey(self, order, session):
        match order["do"]:
            case "request":
                method, path, headers = order["method"], order["path"], order.get("headers", {})
                async with session.request(method, path, data=order.get("body", "").encode(), headers=headers) as said:
                    return {"status": said.status, "body": await said.text()}
            case "publish":
                for number in range(order["from"], order["from"] + order["count"]):
                    event = self.event("message", order["topic"], message=str(number))
                    event["expires"] = event["time"] + self.options.cache
                    self.deliver(event)
                    self.keep(event)
                    # Others get their turn.
                    await asyncio.sleep(0)
            case "abort":
                for _, subscriber in self.subscribers.values():
                    subscriber.transport.abort()
            case "deaf" | "hear":
                self.deaf = order["do"] == "deaf"
            case "fail":
                self.fails = [order["status"]] * order["times"]
            case "break":
                self.break_after = order["after"]
            case "hold":
                self.held.clear()
            case "release":
                self.held.set()
            case "keep-late":
                self.late = []
            case "keep":
                self.rows, self.late = self.rows + self.late, None
            case "forget":
                self.rows = []


def parameter(request, names):
    for name in names:
        if value := request.headers.get(name, "").strip() or request.query.get(name, "").strip():
            return value
    return ""


def topics_of(request):
    return request.match_info["topics"].split(",")


def since_time(since):
    if re.fullmatch(r"-?\d+", since):
        return int(since)
    try:
        return int(time.time()) - span(since)
    except Refused:
        raise Refused(400, 40008, "invalid since parameter") from None


def span(text):
    found = SPAN.fullmatch(text)
    if not text or not found:
        raise Refused(400, 40004, "invalid delay parameter: unable to parse delay")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def unpacked(text, decode):
    try:
        return decode(text + b"=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(401, 40101, "unauthorized") from None


ORDER = [
    "id", "sequence_id", "time", "expires", "event", "topic", "title", "message", "priority", "tags", "click", "attachment",
    "poll_id", "encoding",
]  # fmt: skip


def on_socket(event):
    """A socket is told the sequence of every message, also where it is the message's id."""
    return {key: event[key] for key in ORDER if event.get(key) not in (None, "", 0)}


def without_sequence(event):
    return on_socket({**event, "sequence_id": ""})


def in_answer(event):
    return without_sequence(event) if event["sequence_id"] == event["id"] else on_socket(event)


def line(event):
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def answer(event):
    return web.Response(body=line(in_answer(event)), content_type="application/json")


@web.middleware
async def refuse(request, handler):
    try:
        return await handler(request)
    except Refused as refused:
        if "Upgrade" in request.headers:
            return web.Response(status=refused.status)
        return web.Response(status=refused.status, body=line(refused.body), content_type="application/json")
    except ConnectionError:
        # The client is gone, and reads no answer.
        return web.Response(status=500)
    except web.HTTPException as missing:
        body = line({"code": 40401, "http": 404, "error": "page not found"})
        return web.Response(status=404 if missing.status == 405 else missing.status, body=body)


async def main(options):
    server = Ntfy(options)
    app = web.Application(middlewares=[refuse], client_max_size=2**20)
    topic, sequence = f"{{topic:{TOPIC}}}", f"{{sequence:{TOPIC}}}"
    app.router.add_get(f"/{{topics:{TOPICS}}}/ws", server.subscribe)
    app.router.add_get(f"/{{topics:{TOPICS}}}/json", server.poll)
    app.router.add_put(f"/{topic}/{sequence}/{{how:read|clear}}", server.withdraw)
    app.router.add_delete(f"/{topic}/{sequence}", server.withdraw)
    for path in (f"/{topic}", f"/{topic}/{sequence}"):
        app.router.add_put(path, server.publish)
        app.router.add_post(path, server.publish)
    port = await listen(app, options.port)
    own = [asyncio.ensure_future(task) for task in (server.send_scheduled(), server.manage())]
    async with ClientSession(f"http://127.0.0.1:{port}") as session:
        await take_orders(lambda order: server.obey(order, session))
    for task in own:
        task.cancel()


arguments = argparse.ArgumentParser()
arguments.add_argument("port", nargs="?", type=int, default=0)
usual = {"cache": 12 * 60 * 60, "manager": 60, "keepalive": 45, "delayed": 10, "min-delay": 10, "poll-size": 10_000_000}
for name, value in usual.items():
    arguments.add_argument(f"--{name}", type=int, default=value)
arguments.add_argument("--user")
arguments.add_argument("--token")
asyncio.run(main(arguments.parse_args()))
