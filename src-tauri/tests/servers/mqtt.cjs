// An MQTT broker over WebSocket: npm's aedes, its sessions in memory. Knows nothing of Heartwire. Tells
//   {"event":"listening","port":…} and {"event":"opened","client":"…"} for each accepted CONNECT.
// Takes {"do":"publish","topic":"…","text":"…" or "bytes":n,"qos":0,"retain":false} and {"do":"cut"}, which drops every
// socket. The user "wrong" is refused for the password, "nobody" for not being allowed; the topic "forbidden" is nobody's.

const { createServer } = require('node:http');
const { Aedes } = require('aedes');
const { WebSocketServer, createWebSocketStream } = require('ws');

const { say, takeOrders } = require('./orders.cjs');

function refusal(returnCode) {
  return Object.assign(new Error('refused'), { returnCode });
}

async function main() {
  const broker = await Aedes.createBroker({
    authenticate: (client, user, password, done) => {
      const code = { wrong: 4, nobody: 5 }[user];
      done(code ? refusal(code) : null, !code);
    },
    authorizeSubscribe: (client, subscription, done) => {
      done(null, subscription.topic === 'forbidden' ? null : subscription);
    },
  });
  broker.on('clientReady', (client) => say('opened', { client: client.id }));
  const server = createServer();
  const sockets = new WebSocketServer({
    server,
    handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false),
  });
  sockets.on('connection', (socket, request) => broker.handle(createWebSocketStream(socket), request));
  const orders = {
    publish: ({ topic, text, bytes, qos, retain }) => {
      const payload = bytes ? Buffer.alloc(bytes, 0xff) : Buffer.from(text);
      broker.publish({ cmd: 'publish', topic, payload, qos: qos ?? 0, retain: retain ?? false, dup: false }, () => {});
    },
    cut: () => {
      for (const socket of sockets.clients) socket.terminate();
    },
  };
  takeOrders((order) => orders[order.do](order));
  server.listen(0, '127.0.0.1', () => say('listening', { port: server.address().port }));
}

main();
