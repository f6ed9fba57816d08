// A Socket.IO server on npm's `socket.io`, with the namespaces / and /news. Knows nothing of Heartwire. It says what it
// does on stdout and is told what to do on stdin, in lines of JSON.
//   node socketio.cjs OPTIONS [PORT]
// OPTIONS is JSON: `token`, which clients must show; `hello`, to greet them; everything else goes to socket.io.

const { createServer } = require('node:http');
const { Server } = require('socket.io');

const { say, takeOrders } = require('./orders.cjs');

const { token, hello, ...options } = JSON.parse(process.argv[2]);
const port = Number(process.argv[3] ?? 0);
const links = new Set();

const server = createServer();
server.on('connection', (link) => {
  links.add(link);
  link.on('error', () => {});
  link.on('close', () => links.delete(link));
});

const io = new Server(server, { perMessageDeflate: false, ...options });
for (const space of ['/', '/news']) {
  const clients = io.of(space);
  clients.use((socket, next) => {
    next(token === undefined || socket.handshake.auth.token === token ? undefined : new Error('bad token'));
  });
  clients.on('connection', (socket) => {
    say('opened', { space, path: socket.request.url, recovered: socket.recovered });
    socket.onAny((name, ...args) => say('received', { space, name, args }));
    if (hello) socket.emit('hello');
    socket.on('disconnect', (reason) => say('closed', { space, reason }));
  });
}

// Numbers, a few in each round, every so many milliseconds; links are cut before every `cut`th of them.
function count({ to, round, every, cut }) {
  let next = 0;
  const timer = setInterval(() => {
    for (const end = Math.min(to, next + round); next < end; next++) {
      if (next % cut === cut - 1) orders.abort();
      io.emit('number', next);
    }
    if (next === to) clearInterval(timer);
  }, every ?? 1);
}

const buffers = (args) => args.map((arg) => (arg?.bytes === undefined ? arg : Buffer.alloc(arg.bytes, 1)));

const orders = {
  emit: ({ space, name, args, volatile }) => {
    const clients = io.of(space ?? '/');
    (volatile ? clients.volatile : clients).emit(name, ...buffers(args));
  },
  ask: ({ name, args }) => {
    for (const socket of io.of('/').sockets.values()) {
      socket.emit(name, ...args, (...answer) => say('acknowledged', { name, answer }));
    }
  },
  count,
  numbers: ({ from, count }) => {
    for (let number = from; number < from + count; number++) io.emit('number', number);
  },
  disconnect: () => io.of('/').disconnectSockets(),
  close: () => Object.values(io.engine.clients).forEach((client) => client.close()),
  abort: () => links.forEach((link) => link.destroy()),
  // No more pings from links that are up.
  quiet: () => Object.values(io.engine.clients).forEach((client) => clearTimeout(client.pingIntervalTimer)),
};

server.listen(port, '127.0.0.1', () => say('listening', { port: server.address().port }));
takeOrders((given) => {
  for (const order of [given].flat()) orders[order.do](order);
});
