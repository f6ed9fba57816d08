// The server side of the classic heartbeat recipe, on npm's `ws`. Knows nothing of Heartwire. Arguments, what it says on
// stdout and what it is told on stdin are those of recipe.py. Only the heartbeat's answers look different, as they do
// from one server to the next.

const { WebSocketServer } = require('ws');

const { say, takeOrders } = require('./orders.cjs');

const recipes = {
  'heartbeat-echo': { heartbeat: '检测', answer: '检测' },
  'crm-heartbeat': { heartbeat: 'HeartBeat', answer: '{"type":"heartbeat"}' },
  'json-heart': { heartbeat: '{"heart":1}', answer: '{"heart":1}' },
};

const [, , name, port] = process.argv;
const recipe = recipes[name];
const clients = new Set();
let count = 0;
let quiet = false;

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(port ?? 0), perMessageDeflate: false });
server.on('listening', () => say('listening', { port: server.address().port }));
server.on('connection', (socket, request) => {
  const client = ++count;
  clients.add(socket);
  say('opened', { client, path: request.url });
  socket.on('message', (data, isBinary) => {
    if (isBinary) return say('received', { client, bytes: data.length });
    const text = data.toString();
    say('received', { client, text });
    if (text === recipe.heartbeat && !quiet) socket.send(recipe.answer);
  });
  socket.on('error', () => {});
  socket.on('close', (code, reason) => {
    clients.delete(socket);
    say('closed', { client, code, reason: reason.toString() });
  });
});

const orders = {
  send: (socket, { text }) => socket.send(text),
  'send-binary': (socket, { bytes }) => socket.send(Buffer.alloc(bytes, 1)),
  close: (socket, { code }) => socket.close(code),
  abort: (socket) => socket.terminate(),
  quiet: () => {
    quiet = true;
  },
};

takeOrders((order) => {
  if (order.do === 'quiet') quiet = true;
  for (const socket of clients) orders[order.do](socket, order);
});
