"""The server side of the recipe `heartbeat-echo`, on aiohttp, which also pings its clients. Knows nothing of Heartwire.

Started as `echo.py [PORT]`. Says what happens on stdout, one JSON object a line:
    {"event": "listening", "port": 1234}
    {"event": "received", "text": "检测"}       and is sent back
    {"event": "done", "do": "send"}             for each order
and does what it is told on stdin, likewise:
    {"do": "send", "text": "hello"}             to every open client
"""

import asyncio

from aiohttp import WSMsgType, web

from fake import argument, listen, say, take_orders

# Clients that do not answer a ping within half of these seconds are cut off.
PING = 1

clients = set()


async def client(request):
    socket = web.WebSocketResponse(heartbeat=PING)
    await socket.prepare(request)
    clients.add(socket)
    try:
        async for frame in socket:
            if frame.type == WSMsgType.TEXT:
                await socket.send_str(frame.data)
                say("received", text=frame.data)
    finally:
        clients.remove(socket)
    return socket


async def send(order):
    for socket in list(clients):
        await socket.send_str(order["text"])


async def main(port):
    app = web.Application()
    app.router.add_get("/", client)
    await listen(app, port)
    await take_orders(send)


asyncio.run(main(argument(1, 0)))
