// The npm client that the last argument names, through the same cases as cases.py.
// Arguments: the address, an address that loses its first answer, the key, a key for one request a minute, the client.
import { OpenMeter } from '@openmeter/sdk'
import { Client as Lago } from 'lago-javascript-client'
import Stripe from 'stripe'
import { CloudEvent, HTTP, emitterFor } from 'cloudevents'

const [address, losing, key, slow, name] = process.argv.slice(2)
const HELD_BACK = 3
const time = '2026-11-01T12:00:00Z' // else two of these clients fill in the present, and a repeat differs

function openmeter(at, credential) {
  const client = new OpenMeter({ baseUrl: `${at}/openmeter`, apiKey: credential })
  const event = (id, bad) => ({
    id, source: 'svc', type: bad ? 'has blanks' : 'tokens', subject: 'user123', time: new Date(time), data: { case: id },
  })
  return {
    send: (id, bad) => client.events.ingest(event(id, bad)),
    batch: (ids) => client.events.ingest(ids.map((id) => event(id, id === 'bad'))),
  }
}

function lago(at, credential) {
  const client = Lago(credential, { baseUrl: `${at}/lago/api/v1`, rateLimitRetry: {} })
  const event = (id, bad) => ({
    transaction_id: id, external_subscription_id: 'sub456', code: bad ? 'has blanks' : 'tokens', properties: { case: id },
  })
  return {
    send: (id, bad) => client.events.createEvent({ event: event(id, bad) }),
    batch: (ids) => client.events.createBatchEvents({ events: ids.map((id) => event(id, id === 'bad')) }),
  }
}

function stripe(at, credential) {
  const { hostname: host, port } = new URL(at)
  const client = new Stripe(credential, { host, port, protocol: 'http' })
  const event = (id, bad) => ({
    event_name: 'calls', payload: { value: bad ? 'many' : '25', stripe_customer_id: 'user123', case: id },
    ...(id === 'lost' ? {} : { identifier: id }),
  })
  const batch = async (ids) => {
    const session = await client.v2.billing.meterEventSession.create()
    const streaming = new Stripe(session.authentication_token, { host, port, protocol: 'http' })
    await streaming.v2.billing.meterEventStream.create({ events: ids.map((id) => event(id, id === 'bad')) })
  }
  return { send: (id, bad) => client.billing.meterEvents.create(event(id, bad)), batch }
}

function cloudevents(at, credential) {
  const emit = emitterFor(async (message) => {
    const headers = { ...message.headers, authorization: `Bearer ${credential}` }
    const answer = await fetch(`${at}/api/ingest/cloudevents`, { method: 'POST', headers, body: message.body })
    if (!answer.ok) throw Object.assign(new Error('refused'), { status: answer.status })
  }, { binding: HTTP })
  const event = (id, bad) => ({
    id, source: 'svc', type: bad ? 'has blanks' : 'tokens', subject: 'user123', time, data: { case: id },
  })
  return { send: (id, bad) => emit(new CloudEvent(event(id, bad))) }
}

async function attempt(call) {
  try {
    await call()
    return null
  } catch (error) {
    return [error.constructor.name, error.status ?? error.statusCode ?? null]
  }
}

async function throttled(client) { // what it waits for is not waited for
  const sleep = globalThis.setTimeout
  globalThis.setTimeout = (call, milliseconds, ...more) => sleep(call, Math.min(milliseconds, 10), ...more)
  try {
    for (let sent = 0; sent < HELD_BACK; sent += 1) {
      const told = await attempt(() => client.send('throttled'))
      if (told) return told
    }
    return null
  } finally {
    globalThis.setTimeout = sleep
  }
}

const make = { openmeter, lago, stripe, cloudevents }[name]
const client = make(address, key)
const told = { repeat: (await attempt(() => client.send('repeat'))) ?? (await attempt(() => client.send('repeat'))) }
told.lost = await attempt(() => make(losing, key).send('lost'))
if (told.lost) await make(losing, key).send('lost') // as its caller has to
told.wrong = await attempt(() => make(address, 'wrong').send('wrong'))
told.throttled = await throttled(make(address, slow))
if (told.throttled) await client.send('throttled')
told.bad = await attempt(() => client.send('bad', true))
if (client.batch) told.batch = await attempt(() => client.batch(['first', 'bad', 'last']))
console.log(JSON.stringify(told))
process.exit() // one of them keeps its connections for more than a minute
