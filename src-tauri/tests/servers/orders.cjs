// What the servers on Node.js share: they say what happens on stdout and do what they are told on stdin, both in JSON objects,
// one a line, and end when nobody gives orders any more.

const { createInterface } = require('node:readline');

function say(event, more) {
  process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
}

function takeOrders(obey) {
  createInterface({ input: process.stdin })
    .on('line', (line) => obey(JSON.parse(line)))
    .on('close', () => process.exit(0));
}

module.exports = { say, takeOrders };
