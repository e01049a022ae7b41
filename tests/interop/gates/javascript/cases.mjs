// What the JavaScript programs share: the broker, one JSON line per case on stdout, topics.
import assert from 'node:assert/strict'
import kafkajsModule from 'kafkajs'

const { Kafka, logLevel } = kafkajsModule
// Node 20 lacks what the newer client takes for granted; the client itself stays as published.
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new Promise((a, b) => { resolve = a; reject = b })
  return { promise, resolve, reject }
}
export const bootstrap = process.argv[2]
export const kafkajs = new Kafka({ clientId: 'g7', brokers: [bootstrap], logLevel: logLevel.NOTHING })

export async function runCase(name, body) {
  let ok = true
  let detail = ''
  const limit = new Promise((_, refuse) => setTimeout(() => refuse(new Error('no end within 60 s')), 60_000).unref())
  try {
    await Promise.race([body(), limit])
  } catch (error) {
    ok = false
    detail = `${error.name}: ${error.message} ${(error.errors ?? []).map((e) => e.message)}`.slice(0, 1000)
  }
  console.log(JSON.stringify({ case: name, ok, detail }))
}

export async function createWithKafkajs(topic, numPartitions = 1) {
  const admin = kafkajs.admin()
  await admin.connect()
  try {
    assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }] }), true)
  } finally {
    await admin.disconnect()
  }
}
