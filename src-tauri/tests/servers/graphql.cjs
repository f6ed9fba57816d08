// A server of npm's `graphql-ws`. Knows nothing of Heartwire. It says `{"event":"listening","port":…}` first, then what
// happens, as lines of JSON on stdout. Orders are lines of JSON on stdin: {"do":"publish","data":…} gives a result to every
// subscription to `alert`; {"do":"fail"} and {"do":"finish"} end them, {"do":"close","code":…,"reason":…} the sockets, and
// {"do":"refuse"} refuses every client from then on, until {"do":"accept"}.

const { buildSchema } = require('graphql');
const { useServer } = require('graphql-ws/use/ws');
const { WebSocketServer } = require('ws');

const { say, takeOrders } = require('./orders.cjs');

const schema = buildSchema(`
  type Query { nothing: Int }
  type Alert { id: ID, title: String, text: String }
  type Subscription { alert: Alert, never: Int, forbidden: Int }
`);

/** Those who wait for the next result of their subscription. */
const waiting = new Set();
const [, , port] = process.argv;
let refuse = false;

async function* alerts() {
  for (;;) {
    const alert = await new Promise((resolve, reject) => {
      waiting.add({ resolve, reject });
      say('waiting');
    });
    if (alert === undefined) return;
    yield { alert };
  }
}

function each(tell) {
  const all = [...waiting];
  waiting.clear();
  all.forEach(tell);
}

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(port ?? 0) });
server.on('listening', () => say('listening', { port: server.address().port }));
useServer(
  {
    schema,
    roots: {
      subscription: {
        alert: alerts,
        async *never() {
          await new Promise(() => {});
        },
        forbidden() {
          throw new Error('not for you');
        },
      },
    },
    onConnect: (context) => {
      say('connect', { payload: context.connectionParams });
      return !refuse;
    },
    onPing: () => say('ping'),
  },
  server,
);

const orders = {
  publish: ({ data }) => each(({ resolve }) => resolve(data)),
  finish: () => each(({ resolve }) => resolve(undefined)),
  fail: () => each(({ reject }) => reject(new Error('the feed broke'))),
  close: ({ code, reason }) => server.clients.forEach((client) => client.close(code, reason)),
  refuse: () => {
    refuse = true;
  },
  accept: () => {
    refuse = false;
  },
};

takeOrders((order) => orders[order.do](order));
