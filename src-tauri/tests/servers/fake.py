"""What the servers on aiohttp share: they listen on loopback, say what happens on stdout and do what they are told on stdin,
both in JSON objects, one a line."""

import asyncio
import json
import sys

from aiohttp import web


def argument(place, usual):
    """That of the command line, or the usual one, whose type it has."""
    return type(usual)(sys.argv[place]) if len(sys.argv) > place else usual


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


async def listen(app, port):
    """Serves from now on, and says so. Gives the port, which is a free one for 0."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    port = runner.addresses[0][1]
    say("listening", port=port)
    return port


async def take_orders(obey):
    """One after the other, and says `done` after each, with what `obey` gives. When nobody gives orders any more, the sockets
    go with the process."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        told = await obey(order)
        say("done", do=order["do"], **(told or {}))
