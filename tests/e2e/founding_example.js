// In a service that needs to record usage
const axios = require('axios');

async function recordUsage(userId, subscriptionId, usageType, quantity, metadata = {}) {
  try {
    await axios.post(
      'http://payment-service:5003/api/usage/record',
      {
        userId,
        subscriptionId,
        usageType,
        quantity,
        metadata
      },
      {
        headers: {
          'x-api-key': process.env.INTERNAL_API_KEY,
          'Content-Type': 'application/json'
        }
      }
    );
    return true;
  } catch (error) {
    console.error('Failed to record usage:', error);
    return false;
  }
}

// Example usage
// recordUsage('user123', 'sub456', 'report', 1, { reportId: 'abc123' });
