// `node matrix.mjs BOOTSTRAP`: one JSON line per case on stdout.
import assert from 'node:assert/strict'
import kafkajsModule from 'kafkajs'
import { bootstrap, createWithKafkajs, kafkajs, runCase } from './cases.mjs'

const { CompressionTypes, ConfigResourceTypes } = kafkajsModule
const { Admin, Consumer, Producer, ListOffsetTimestamps } = await import('@platformatic/kafka')

const records = Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: `value ${i} ${'x'.repeat(i * 10)}` }))

// Both libraries consume only in groups; what they wrote is read back through Fetch by the newer one's low-level call.
async function platformaticRead(topic, partition = 0) {
  return (await platformaticRecords(topic, partition)).map((r) => ({ key: r.key?.toString(), value: r.value?.toString() }))
}

async function platformaticRecords(topic, partition = 0) {
  const consumer = new Consumer({ clientId: 'g7', groupId: 'unused', bootstrapBrokers: [bootstrap] })
  try {
    const metadata = await consumer.metadata({ topics: [topic] })
    const { id, partitions } = metadata.topics.get(topic)
    const answer = await consumer.fetch({
      node: partitions[partition].leader, minBytes: 1, maxBytes: 10_000_000, maxWaitTime: 5000,
      topics: [{ topicId: id, partitions: [{ partition, fetchOffset: 0n, partitionMaxBytes: 10_000_000, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }] }]
    })
    const [found] = answer.responses[0].partitions
    assert.equal(found.errorCode, 0)
    return (found.records ?? []).flatMap((batch) => batch.records)
  } finally {
    await consumer.close(true)
  }
}

await runCase('kafkajs creates, lists and deletes a topic', async () => {
  const admin = kafkajs.admin()
  await admin.connect()
  assert.equal(await admin.createTopics({ topics: [{ topic: 'js-admin', numPartitions: 3, replicationFactor: 1 }] }), true)
  assert.equal(await admin.createTopics({ topics: [{ topic: 'js-admin' }] }), false)
  assert.ok((await admin.listTopics()).includes('js-admin'))
  const { topics } = await admin.fetchTopicMetadata({ topics: ['js-admin'] })
  assert.equal(topics[0].partitions.length, 3)
  await admin.deleteTopics({ topics: ['js-admin'] })
  assert.ok(!(await admin.listTopics()).includes('js-admin'))
  await admin.disconnect()
})

for (const [name, compression] of [['none', CompressionTypes.None], ['gzip', CompressionTypes.GZIP]]) {
  await runCase(`kafkajs writes ${name}`, async () => {
    const topic = `js-kafkajs-${name}`
    await createWithKafkajs(topic)
    const producer = kafkajs.producer()
    await producer.connect()
    const [written] = await producer.send({ topic, compression, messages: records.map((r) => ({ ...r, partition: 0 })) })
    assert.equal(written.baseOffset, '0')
    await producer.disconnect()
    assert.deepEqual(await platformaticRead(topic), records)
  })
}

await runCase('kafkajs idempotent', async () => {
  await createWithKafkajs('js-idempotent')
  const producer = kafkajs.producer({ idempotent: true })
  await producer.connect()
  for (let i = 0; i < 5; i++) await producer.send({ topic: 'js-idempotent', acks: -1, messages: [{ key: 'k', value: `${i}`, partition: 0 }] })
  await producer.disconnect()
  assert.deepEqual((await platformaticRead('js-idempotent')).map((r) => r.value), ['0', '1', '2', '3', '4'])
})

await runCase('kafkajs offsets by topic and by time', async () => {
  const admin = kafkajs.admin()
  await admin.connect()
  const [offsets] = await admin.fetchTopicOffsets('js-kafkajs-none')
  assert.deepEqual([offsets.low, offsets.high], ['0', '100'])
  const [first] = await admin.fetchTopicOffsetsByTimestamp('js-kafkajs-none', 1)
  assert.equal(first.offset, '0')
  await admin.disconnect()
})

await runCase('kafkajs configs', async () => {
  const admin = kafkajs.admin()
  await admin.connect()
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js-kafkajs-none' }] })
  assert.equal(resources[0].configEntries.find((e) => e.configName === 'cleanup.policy').configValue, 'delete')
  await admin.alterConfigs({ validateOnly: false, resources: [
    { type: ConfigResourceTypes.TOPIC, name: 'js-kafkajs-none', configEntries: [{ name: 'retention.ms', value: '7200000' }] }] })
  const after = await admin.describeConfigs({ includeSynonyms: false, resources: [
    { type: ConfigResourceTypes.TOPIC, name: 'js-kafkajs-none', configNames: ['retention.ms'] }] })
  assert.equal(after.resources[0].configEntries[0].configValue, '7200000')
  await admin.disconnect()
})

await runCase('kafkajs describes the cluster', async () => {
  const admin = kafkajs.admin()
  await admin.connect()
  const cluster = await admin.describeCluster()
  assert.equal(cluster.brokers.length, 1)
  assert.ok(cluster.clusterId)
  await admin.disconnect()
})

await runCase('kafkajs deletes records', async () => {
  const admin = kafkajs.admin()
  await admin.connect()
  await admin.fetchTopicOffsets('js-kafkajs-none') // kafkajs deletes only in topics whose metadata it has
  await admin.deleteTopicRecords({ topic: 'js-kafkajs-none', partitions: [{ partition: 0, offset: '10' }] })
  const [offsets] = await admin.fetchTopicOffsets('js-kafkajs-none')
  assert.equal(offsets.low, '10')
  await admin.disconnect()
})

await runCase('kafkajs adds partitions, refuses what is refused', async () => {
  await createWithKafkajs('js-growing', 2)
  const admin = kafkajs.admin()
  await admin.connect()
  await admin.createPartitions({ topicPartitions: [{ topic: 'js-growing', count: 4 }] })
  const { topics } = await admin.fetchTopicMetadata({ topics: ['js-growing'] })
  assert.equal(topics[0].partitions.length, 4)
  await assert.rejects(admin.createPartitions({ topicPartitions: [{ topic: 'js-growing', count: 3 }] }))
  await assert.rejects(admin.createTopics({ topics: [{ topic: 'js bad name', numPartitions: 1, replicationFactor: 1 }] }))
  await assert.rejects(admin.deleteTopics({ topics: ['js-nobody'] }))
  await admin.disconnect()
})

await runCase('kafkajs headers, tombstones and timestamps', async () => {
  await createWithKafkajs('js-details')
  const producer = kafkajs.producer()
  await producer.connect()
  await producer.send({ topic: 'js-details', messages: [
    { key: 'k', value: null, partition: 0, timestamp: '1760000000000', headers: { a: 'one', b: ['two', 'three'] } }] })
  await producer.disconnect()
  const [record] = await platformaticRecords('js-details')
  assert.equal(record.value, null)
  assert.deepEqual(record.headers.map(([key, value]) => `${key}=${value}`).sort(), ['a=one', 'b=three', 'b=two'])
  const admin = kafkajs.admin()
  await admin.connect()
  const [found] = await admin.fetchTopicOffsetsByTimestamp('js-details', 1760000000000)
  assert.equal(found.offset, '0')
  await admin.disconnect()
})

await runCase('platformatic headers and tombstones', async () => {
  await createWithKafkajs('js-platformatic-details')
  const producer = new Producer({ clientId: 'g7', bootstrapBrokers: [bootstrap] })
  try {
    await producer.send({ messages: [{ topic: 'js-platformatic-details', partition: 0, key: Buffer.from('k'),
      headers: new Map([[Buffer.from('h'), Buffer.from('v')]]) }] })
  } finally {
    await producer.close()
  }
  const [record] = await platformaticRecords('js-platformatic-details')
  assert.ok(!record.value?.length)
  assert.deepEqual(record.headers.map(([key, value]) => `${key}=${value}`), ['h=v'])
})

await runCase('platformatic adds partitions, describes and alters configs', async () => {
  await createWithKafkajs('js-platformatic-configs')
  const admin = new Admin({ clientId: 'g7', bootstrapBrokers: [bootstrap] })
  try {
    await admin.createPartitions({ topics: [{ name: 'js-platformatic-configs', count: 3, assignments: null }] })
    await admin.incrementalAlterConfigs({ resources: [{ resourceType: 2, resourceName: 'js-platformatic-configs',
      configs: [{ name: 'retention.ms', configOperation: 0, value: '60000' }] }] })
    const [described] = await admin.describeConfigs({ resources: [{ resourceType: 2, resourceName: 'js-platformatic-configs' }] })
    assert.equal(described.configs.find((c) => c.name === 'retention.ms').value, '60000')
  } finally {
    await admin.close()
  }
})

// zstd: the client needs a newer Node.js than 20 for it.
for (const compression of ['none', 'gzip', 'snappy', 'lz4']) {
  await runCase(`platformatic writes ${compression}`, async () => {
    const topic = `js-platformatic-${compression}`
    await createWithKafkajs(topic)
    const producer = new Producer({ clientId: 'g7', bootstrapBrokers: [bootstrap] })
    try {
      await producer.send({ compression, messages: records.map((r) => ({
        topic, partition: 0, key: Buffer.from(r.key), value: Buffer.from(r.value) })) })
    } finally {
      await producer.close()
    }
    assert.deepEqual(await platformaticRead(topic), records)
  })
}

await runCase('platformatic idempotent', async () => {
  await createWithKafkajs('js-platformatic-idempotent')
  const producer = new Producer({ clientId: 'g7', bootstrapBrokers: [bootstrap], idempotent: true })
  try {
    for (let i = 0; i < 3; i++) {
      await producer.send({ messages: [{ topic: 'js-platformatic-idempotent', partition: 0, value: Buffer.from(`${i}`) }] })
    }
  } finally {
    await producer.close()
  }
  assert.deepEqual((await platformaticRead('js-platformatic-idempotent')).map((r) => r.value), ['0', '1', '2'])
})

await runCase('platformatic administers topics', async () => {
  const admin = new Admin({ clientId: 'g7', bootstrapBrokers: [bootstrap] })
  try {
    await admin.createTopics({ topics: ['js-by-platformatic'], partitions: 2, replicas: 1 })
    assert.ok((await admin.listTopics()).includes('js-by-platformatic'))
    await admin.deleteTopics({ topics: ['js-by-platformatic'] })
    assert.ok(!(await admin.listTopics()).includes('js-by-platformatic'))
  } finally {
    await admin.close()
  }
})

await runCase('platformatic lists offsets', async () => {
  const consumer = new Consumer({ clientId: 'g7', groupId: 'unused', bootstrapBrokers: [bootstrap] })
  try {
    const latest = await consumer.listOffsets({ topics: ['js-platformatic-none'], timestamp: ListOffsetTimestamps.LATEST })
    assert.deepEqual(latest.get('js-platformatic-none'), [100n])
  } finally {
    await consumer.close(true)
  }
})
process.exit(0)
