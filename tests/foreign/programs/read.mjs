// OpenMeter's and Lago's npm clients read back what was sent. Arguments: address, key. Prints a line of JSON for each.
import { OpenMeter } from '@openmeter/sdk'
import { Client as Lago, getLagoError } from 'lago-javascript-client'

const [address, key] = process.argv.slice(2)
const span = { from: new Date('2026-11-01T00:00:00Z'), to: new Date('2026-11-02T00:00:00Z') }

async function openmeter() {
  const client = new OpenMeter({ baseUrl: `${address}/openmeter`, apiKey: key })
  const told = {
    meters: (await client.meters.list()).map((one) => one.slug),
    total: values(await client.meters.query('tiny', { ...span, subject: ['user123', 'nobody'] })),
    seven: values(await client.meters.query('tiny', { ...span, filterGroupBy: { text: '7' } })),
    eight: values(await client.meters.query('tiny', { ...span, filterGroupBy: { text: '8' } })),
    access: Object.keys((await client.customers.getAccess('user123')).entitlements),
    values: [
      await client.customers.entitlementsV1.value('user123', 'tokens'),
      await client.customers.entitlements.value('user123', 'tokens'),
      await client.entitlementsV1.value('user123', 'tokens'),
    ],
    customers: (await client.customers.list()).items.map((one) => one.key),
    subjects: (await client.subjects.list()).map((one) => one.key),
  }
  told.minutes = values(await client.meters.query('tiny', { ...span, windowSize: 'MINUTE' }))
  told.events = (await client.events.list({ from: span.from })).map((one) => [one.event.id, one.validationError ?? null])
  told.made = [
    (await client.customers.create({ key: 'fresh', name: 'Fresh' })).key,
    (await client.subjects.upsert({ key: 'fresher', displayName: 'Fresher' }))[0].displayName,
  ]
  try {
    await client.meters.query('tiny', { filterGroupBy: { colour: 'red' } })
  } catch (error) {
    told.refused = [error.status, error.title]
  }
  console.log(JSON.stringify(told))
}

function values(found) {
  return found.data.map((row) => [row.value, row.windowStart])
}

async function lago() {
  const client = Lago(key, { baseUrl: `${address}/lago/api/v1` })
  const usage = await client.customers.findCustomerCurrentUsage('user123', { external_subscription_id: 'sub456' })
  const invoices = await client.invoices.findAllInvoices({ page: 1, per_page: 10, external_customer_id: 'user123' })
  const told = {
    usage: usage.data.customer_usage.charges_usage.map((one) => [one.billable_metric.code, one.units, one.amount_cents]),
    invoices: invoices.data.invoices.map((one) => [one.lago_id, one.total_due_amount_cents]),
    wallets: (await client.wallets.findAllWallets({ external_customer_id: 'user123' })).data.wallets.length,
  }
  try {
    await client.customers.findCustomer('nobody')
  } catch (error) {
    told.missing = (await getLagoError(error)).code
  }
  console.log(JSON.stringify(told))
}

await openmeter()
await lago()
