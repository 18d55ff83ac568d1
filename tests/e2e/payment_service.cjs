// Stands in for the name service: in the founding document's network `payment-service:5003` is the API, here the
// API listens on a port of this machine. Nothing else of a request is touched.
'use strict';

const http = require('http');

const connect = http.Agent.prototype.createConnection;
http.Agent.prototype.createConnection = function createConnection(options, callback) {
  const moved =
    options.host === 'payment-service' && Number(options.port) === 5003
      ? { ...options, host: '127.0.0.1', port: Number(process.env.PAYMENT_SERVICE_PORT) }
      : options;
  return connect.call(this, moved, callback);
};
