// OpenMeter's, Lago's, Stripe's and CloudEvents' npm clients as their users write them. Arguments: address, key.
import { OpenMeter } from '@openmeter/sdk'
import { Client as Lago, getLagoError } from 'lago-javascript-client'
import Stripe from 'stripe'
import { CloudEvent, HTTP } from 'cloudevents'

const [address, key] = process.argv.slice(2)
const data = { tokens: 15, cost: 0.1, tiny: 1e-7 }

async function openmeter() {
  const client = new OpenMeter({ baseUrl: `${address}/openmeter`, apiKey: key })
  const time = new Date('2026-11-01T12:00:00Z')
  const event = { id: 'om-1', type: 'tokens', subject: 'user123', source: 'svc', time, data }
  await client.events.ingest(event)
  await client.events.ingest([event, { ...event, id: 'om-2', time: undefined }])
  try {
    await new OpenMeter({ baseUrl: `${address}/openmeter`, apiKey: 'wrong' }).events.ingest(event)
  } catch (error) {
    console.log('openmeter', error.status, error.title)
  }
}

async function lago() {
  const client = Lago(key, { baseUrl: `${address}/lago/api/v1` })
  const event = { transaction_id: 'la-1', external_subscription_id: 'sub456', code: 'tokens', properties: data, timestamp: 1793534400.25 }
  const told = await client.events.createEvent({ event })
  console.log('lago', told.data.event.transaction_id)
  await client.events.createBatchEvents({ events: [event, { ...event, transaction_id: 'la-2' }] })
  try {
    await Lago('wrong', { baseUrl: `${address}/lago/api/v1` }).events.createEvent({ event })
  } catch (error) {
    const said = await getLagoError(error)
    console.log('lago', said.status, said.error)
  }
}

async function stripe() {
  const at = new URL(address)
  const options = { host: at.hostname, port: at.port, protocol: 'http', maxNetworkRetries: 0 }
  const event = { event_name: 'calls', payload: { value: '25', stripe_customer_id: 'user123' } }
  const client = new Stripe(key, options)
  const told = await client.billing.meterEvents.create({ ...event, identifier: 'st-1', timestamp: 1793534400 })
  console.log('stripe', told.object, told.identifier)
  await client.v2.billing.meterEvents.create({ ...event, identifier: 'st-2', timestamp: '2026-11-01T12:00:00.000Z' })
  const session = await client.v2.billing.meterEventSession.create()
  const stream = new Stripe(session.authentication_token, options)
  const streamed = { ...event, identifier: 'st-3', timestamp: '2026-11-01T12:00:00.000Z' }
  await stream.v2.billing.meterEventStream.create({ events: [streamed, streamed] })
  try {
    await new Stripe('wrong', options).billing.meterEvents.create(event)
  } catch (error) {
    console.log('stripe', error.type, error.statusCode)
  }
}

async function cloudevents() {
  const event = { id: 'ce-1', type: 'tokens', source: 'svc', subject: 'user123', time: '2026-11-01T12:00:00Z', data }
  for (const message of [HTTP.structured(new CloudEvent(event)), HTTP.binary(new CloudEvent({ ...event, id: 'ce-2' }))]) {
    const headers = { ...message.headers, authorization: `Bearer ${key}` }
    const answer = await fetch(`${address}/api/ingest/cloudevents`, { method: 'POST', headers, body: message.body })
    console.log('cloudevents', answer.status)
  }
}

await openmeter()
await lago()
await stripe()
await cloudevents()
