// What TypeScript makes of the package by `require`.
import client = require('usage-billing-client');

const usage: client.UsageClient = new client.UsageClient('http://payment-service:5003', { mode: 'memory' });
usage.record('user123', 'sub456', 'report');
const sent: client.UsageEvent | undefined = usage.recorded[0];
console.log(sent?.quantity);
