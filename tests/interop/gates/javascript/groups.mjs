// Groups and their offsets, beyond what every library does: `node groups.mjs BOOTSTRAP PROTOCOLS`, one JSON line per case on stdout.
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { bootstrap, createWithKafkajs, kafkajs, runCase as runAnyCase } from './cases.mjs'

const { Admin, Consumer } = await import('@platformatic/kafka')

// The protocols of groups that the broker advertises.
const served = (process.argv[3] ?? '').split(',')

async function runCase(name, body) {
  const needs = name.endsWith(', consumer') ? 'consumer' : 'classic'
  if (served.includes(needs)) await runAnyCase(name, body)
  else console.log(JSON.stringify({ case: name, waits: `${needs} groups` }))
}

async function withAdmin(body) {
  const admin = kafkajs.admin()
  await admin.connect()
  try {
    return await body(admin)
  } finally {
    await admin.disconnect()
  }
}

async function fill(topic, count = 10, partitions = 1) {
  await createWithKafkajs(topic, partitions)
  const producer = kafkajs.producer()
  await producer.connect()
  await producer.send({ topic, messages: Array.from({ length: count }, (_, i) => ({ value: `${i}`, partition: i % partitions })) })
  await producer.disconnect()
}

async function until(what, condition, limit = 30_000) {
  const end = Date.now() + limit
  for (;;) {
    const answer = await condition()
    if (answer) return answer
    assert.ok(Date.now() < end, `not in time: ${what}`)
    await wait(50)
  }
}

// Runs a kafkajs consumer while `body` does something with it and the offsets that it got.
async function consuming(group, topic, options, body) {
  const consumer = kafkajs.consumer({ groupId: group, maxWaitTimeInMs: 100, ...options })
  const got = []
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => { got.push(Number(message.offset)) }, ...options?.run })
  try {
    await body(consumer, got)
  } finally {
    await consumer.disconnect()
  }
}

await runCase('kafkajs reads message by message, commits by itself', async () => {
  await fill('js-each')
  await consuming('js-each', 'js-each', {}, (_, got) => until('ten records', () => got.length === 10))
  await withAdmin(async (admin) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: 'js-each', topics: ['js-each'] })
    assert.equal(partitions[0].offset, '10')
  })
})

await runCase('kafkajs seeks, pauses and resumes', async () => {
  await fill('js-seek')
  await consuming('js-seek', 'js-seek', {}, async (consumer, got) => {
    await until('ten records', () => got.length === 10)
    consumer.seek({ topic: 'js-seek', partition: 0, offset: '7' })
    await until('three more', () => got.length === 13)
    assert.deepEqual(got.slice(10), [7, 8, 9])
    consumer.pause([{ topic: 'js-seek' }])
    const producer = kafkajs.producer()
    await producer.connect()
    await producer.send({ topic: 'js-seek', messages: [{ value: 'late' }] })
    await producer.disconnect()
    await wait(1500)
    assert.equal(got.length, 13)
    consumer.resume([{ topic: 'js-seek' }])
    await until('the late one', () => got.length === 14)
  })
})

await runCase('kafkajs sets and resets offsets of an empty group', async () => {
  await fill('js-offsets')
  await withAdmin(async (admin) => {
    await until('the topic is known', async () => admin.setOffsets({ groupId: 'js-offsets', topic: 'js-offsets',
      partitions: [{ partition: 0, offset: '4' }] }).then(() => true, () => false))
    const offset = async () => (await admin.fetchOffsets({ groupId: 'js-offsets', topics: ['js-offsets'] }))[0].partitions[0].offset
    assert.equal(await offset(), '4')
    // the library commits the special times themselves, and looks them up when it reads on
    await admin.resetOffsets({ groupId: 'js-offsets', topic: 'js-offsets', earliest: true })
    assert.equal(await offset(), '-2')
    await admin.resetOffsets({ groupId: 'js-offsets', topic: 'js-offsets', earliest: false })
    assert.equal(await offset(), '-1')
  })
})

await runCase('kafkajs lists, describes and deletes groups', async () => {
  await fill('js-groups')
  await withAdmin(async (admin) => {
    await consuming('js-groups', 'js-groups', {}, async (_, got) => {
      await until('ten records', () => got.length === 10)
      assert.ok((await admin.listGroups()).groups.some((g) => g.groupId === 'js-groups' && g.protocolType === 'consumer'))
      const { groups: [group] } = await admin.describeGroups(['js-groups'])
      assert.deepEqual([group.state, group.members.length, group.protocol], ['Stable', 1, 'RoundRobinAssigner'])
      await assert.rejects(admin.deleteGroups(['js-groups']), (e) => e.groups[0].error.type === 'NON_EMPTY_GROUP')
    })
    await admin.deleteGroups(['js-groups'])
    assert.ok(!(await admin.listGroups()).groups.some((g) => g.groupId === 'js-groups'))
  })
})

await runCase('kafkajs keeps three members of three groups apart', async () => {
  await Promise.all(['a', 'b', 'c'].map(async (name) => {
    const topic = `js-crowd-${name}`
    await fill(topic, 30, 6)
    const got = []
    const members = await Promise.all([1, 2, 3].map(async () => {
      const consumer = kafkajs.consumer({ groupId: topic, maxWaitTimeInMs: 100 })
      await consumer.connect()
      await consumer.subscribe({ topics: [topic], fromBeginning: true })
      await consumer.run({ autoCommitThreshold: 1, eachMessage: async ({ partition, message }) => { got.push(`${partition}:${message.offset}`) } })
      return consumer
    }))
    await until('thirty records', () => new Set(got).size === 30)
    const described = await withAdmin((admin) => until('three members', async () => {
      const { groups: [group] } = await admin.describeGroups([topic])
      return group.state === 'Stable' && group.members.length === 3 && group
    }))
    assert.ok(described)
    await Promise.all(members.map((m) => m.disconnect()))
  }))
})

for (const groupProtocol of ['classic', 'consumer']) {
  await runCase(`platformatic commits and goes on, ${groupProtocol}`, async () => {
    const name = `js-platformatic-${groupProtocol}`
    await fill(name)
    const options = { clientId: 'g7', groupId: name, bootstrapBrokers: [bootstrap], groupProtocol }
    const read = async (wanted, mode) => {
      const consumer = new Consumer(options)
      try {
        const stream = await consumer.consume({ topics: [name], mode, fallbackMode: 'earliest', autocommit: false, maxWaitTime: 100 })
        const got = []
        for await (const message of stream) {
          got.push(Number(message.offset))
          if (got.length === 5) await message.commit()
          if (got.length === wanted) break
        }
        return got
      } finally {
        await consumer.close(true)
      }
    }
    assert.deepEqual(await read(6, 'committed'), [0, 1, 2, 3, 4, 5])
    assert.deepEqual(await read(5, 'committed'), [5, 6, 7, 8, 9])
  })
}

await runCase('platformatic lists, describes and deletes groups, alters and deletes offsets', async () => {
  await fill('js-administered')
  const admin = new Admin({ clientId: 'g7', bootstrapBrokers: [bootstrap] })
  const consumer = new Consumer({ clientId: 'g7', groupId: 'js-administered', bootstrapBrokers: [bootstrap] })
  try {
    const stream = await consumer.consume({ topics: ['js-administered'], mode: 'earliest', autocommit: false, maxWaitTime: 100 })
    for await (const message of stream) {
      if (message.offset === 9n) { await message.commit(); break }
    }
    const second = await consumer.consume({ topics: ['js-administered'], mode: 'committed', autocommit: false, maxWaitTime: 100 })
    second.on('data', () => {})
    assert.ok((await admin.listGroups({ states: ['STABLE'] })).has('js-administered'))
    const group = (await admin.describeGroups({ groups: ['js-administered'] })).get('js-administered')
    assert.deepEqual([group.state.toUpperCase(), group.members.size], ['STABLE', 1])
    await assert.rejects(admin.deleteGroups({ groups: ['js-administered'] }))
    await consumer.close(true)
    const offset = async () => (await admin.listConsumerGroupOffsets({ groups: ['js-administered'] }))[0]?.topics[0]?.partitions[0]?.committedOffset
    assert.equal(await offset(), 10n)
    await admin.alterConsumerGroupOffsets({ groupId: 'js-administered', topics: [{ name: 'js-administered', partitionOffsets: [{ partition: 0, offset: 3n }] }] })
    assert.equal(await offset(), 3n)
    await admin.deleteConsumerGroupOffsets({ groupId: 'js-administered', topics: [{ name: 'js-administered', partitionIndexes: [0] }] })
    assert.equal(await offset(), undefined)
  } finally {
    await consumer.close(true).catch(() => {})
    await admin.close()
  }
})
process.exit(0)
