"""A server with a fault for each path, on the `websockets` library. Knows nothing of Heartwire.

Started as `faults.py [PORT [HOST]]`; says `{"event": "listening", "port": 1234}` on stdout. Then

    ws://127.0.0.1:1234/http/404        answers the upgrade with this HTTP status
    ws://127.0.0.1:1234/elsewhere       redirects to another host
    ws://127.0.0.1:1234/no-websocket    answers the upgrade with a page
    ws://127.0.0.1:1234/no-answer       does not answer the upgrade at all
    ws://127.0.0.1:1234/close/1012      closes with this code at once; 1005: with none
    ws://127.0.0.1:1234/abort           drops the connection at once
    ws://127.0.0.1:1234/large           sends a message of 2 MiB
    ws://127.0.0.1:1234/bad-text        sends a text that is not UTF-8
    ws://127.0.0.1:1234/deaf            is up, and neither reads nor says anything again
    ws://127.0.0.1:1234/                stays, and answers pings
"""

import asyncio
import http
import json
import sys

from websockets.asyncio.server import serve


def answer(connection, request):
    """The answer to the upgrade, where that is the fault."""
    what, _, more = request.path.strip("/").partition("/")
    if what == "http":
        return connection.respond(http.HTTPStatus(int(more)), "as the address says\n")
    if what == "elsewhere":
        response = connection.respond(http.HTTPStatus.FOUND, "")
        response.headers["Location"] = "ws://elsewhere.example/"
        return response
    if what == "no-websocket":
        return connection.respond(http.HTTPStatus.OK, "a page\n")
    if what == "no-answer":
        # Whoever waits for a coroutine that never ends never answers.
        return asyncio.get_running_loop().create_future()
    return None


async def client(connection):
    what, _, more = connection.request.path.strip("/").partition("/")
    if what == "close" and more == "1005":
        connection.protocol.send_close()
        connection.transport.writelines(connection.protocol.data_to_send())
    elif what == "close":
        await connection.close(int(more))
    elif what == "abort":
        connection.transport.abort()
    elif what == "large":
        await connection.send("x" * (2 << 20))
    elif what == "bad-text":
        await connection.send([b"\xff"], text=True)
    elif what == "deaf":
        connection.transport.pause_reading()
        await asyncio.Event().wait()
    await connection.wait_closed()


async def main(port, host):
    async with serve(
        client, host, port, process_request=answer, ping_interval=None, compression=None, open_timeout=None
    ) as listening:
        print(json.dumps({"event": "listening", "port": listening.sockets[0].getsockname()[1]}), flush=True)
        await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0, sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"))
