'use strict';

// Records usage with the usage-billing service: in the background, safe to retry, kept when it is away.
//
//     const { UsageClient } = require('usage-billing-client');
//     const usage = new UsageClient('http://payment-service:5003', { apiKey: process.env.INTERNAL_API_KEY });
//     usage.record('user123', 'sub456', 'report', 1, { reportId: 'abc123' });

const { UsageClient } = require('./client.js');
const { NotAllowed, Refused, Undelivered, UsageClientError } = require('./errors.js');

module.exports = { NotAllowed, Refused, Undelivered, UsageClient, UsageClientError };
