// A server at /wsCrm, on npm's `sockjs` and `ws`. Knows nothing of Heartwire. SockJS is at /wsCrm/sockJs; the raw WebSocket
// at /wsCrm is refused with an HTTP status, or served where that is 101. What it says on stdout and what it is told on
// stdin are those of recipe.py.
//   node sockjs.cjs STATUS HEARTBEAT_MS [frames]
// `sockjs` proves its own links with pings; with `frames` as if its WebSocket library had none, by the frame `h`.

const { createServer, STATUS_CODES } = require('node:http');
const Faye = require('faye-websocket');
const sockjs = require('sockjs');
const { WebSocketServer } = require('ws');

const { say, takeOrders } = require('./orders.cjs');

const [, , status, heartbeat, how] = process.argv;
const heartbeatAnswer = '{"type":"heartbeat"}';
const clients = new Set();
const links = new Set();
let count = 0;
let quiet = false;

if (how === 'frames') Faye.prototype.ping = () => false;

function welcome(path, connection) {
  const client = { number: ++count, ...connection };
  clients.add(client);
  say('opened', { client: client.number, path });
  return {
    data: (text) => {
      say('received', { client: client.number, text });
      if (text === 'HeartBeat' && !quiet) client.send(heartbeatAnswer);
    },
    close: () => {
      clients.delete(client);
      say('closed', { client: client.number });
    },
  };
}

const server = createServer((request, response) => response.writeHead(404).end());
server.on('connection', (link) => {
  links.add(link);
  link.on('error', () => {});
  link.on('close', () => links.delete(link));
});

const raw = new WebSocketServer({ noServer: true, perMessageDeflate: false });
server.on('upgrade', (request, socket, head) => {
  if (status !== '101') {
    say('refused', { path: request.url });
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    return;
  }
  raw.handleUpgrade(request, socket, head, (ws) => {
    const on = welcome(request.url, { send: (text) => ws.send(text), close: (code) => ws.close(code) });
    ws.on('message', (data) => on.data(data.toString()));
    ws.on('error', () => {});
    ws.on('close', on.close);
  });
});

const framed = sockjs.createServer({ prefix: '/wsCrm/sockJs', heartbeat_delay: Number(heartbeat), log: () => {} });
framed.on('connection', (connection) => {
  const on = welcome(connection.url, {
    send: (text) => connection.write(text),
    close: (code) => connection.close(code, 'Go away!'),
  });
  connection.on('data', on.data);
  connection.on('close', on.close);
});
framed.installHandlers(server);
server.listen(0, '127.0.0.1', () => say('listening', { port: server.address().port }));

const orders = {
  send: ({ text }) => clients.forEach((client) => client.send(text)),
  close: ({ code }) => clients.forEach((client) => client.close(code)),
  abort: () => links.forEach((link) => link.destroy()),
  quiet: () => {
    quiet = true;
  },
};

takeOrders((order) => orders[order.do](order));
