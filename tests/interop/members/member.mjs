// A group member on kafkajs or @platformatic/kafka; the contract is in README.md beside this file.
import readline from 'node:readline'
import kafkajsModule from 'kafkajs'

const { AssignerProtocol, Kafka, PartitionAssigners, logLevel } = kafkajsModule

const options = JSON.parse(process.argv[2])
const { topic } = options
const every = options.commit ?? 200

function say(kind, ...rest) {
  const now = Math.floor((performance.timeOrigin + performance.now()) * 1000)
  process.stdout.write([now, kind, ...rest].join(' ') + '\n')
}

function sayPartitions(kind, partitions) {
  if (partitions.length > 0) say(kind, ...[...partitions].sort((a, b) => a - b))
}

const oneLine = (error) => `${error.name}: ${error.message} ${(error.errors ?? []).map((e) => e.message)}`.replaceAll('\n', ' ')
process.on('unhandledRejection', (error) => say('!', 'unhandled:', oneLine(error)))
// node exits by itself when nothing is pending; a member waits for its orders
const input = readline.createInterface({ input: process.stdin })
const stopped = new Promise((resolve) => {
  input.on('line', (line) => { if (line.trim() === 'stop') resolve() })
  input.on('close', resolve)
})

async function kafkajs() {
  const kafka = new Kafka({ clientId: 'member', brokers: [options.bootstrap], logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 1000 } })
  let over = false
  stopped.then(() => { over = true })
  while (!over) {
    const consumer = kafka.consumer({ groupId: options.group, sessionTimeout: options.session,
      heartbeatInterval: Math.floor(options.session / 4), maxWaitTimeInMs: 100,
      partitionAssigners: [options.assignor ? javaAssigner(options.assignor) : PartitionAssigners.roundRobin] })
    let ours = []
    const lose = () => { sayPartitions('-', ours); ours = [] }
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      lose()
      ours = payload.memberAssignment[topic] ?? []
      sayPartitions('+', ours)
    })
    consumer.on(consumer.events.REBALANCING, lose)
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => {
      const offsets = payload.topics.flatMap((t) => t.partitions)
      if (offsets.length > 0) say('C', ...offsets.map((p) => `${p.partition}:${p.offset}`))
    })
    const crashed = new Promise((resolve) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        lose()
        say('!', 'crash:', oneLine(payload.error))
        if (!payload.restart) resolve()
      })
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommitInterval: every,
      eachBatch: async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, isRunning, isStale }) => {
        for (const message of batch.messages) {
          if (!isRunning() || isStale()) break
          say('R', batch.partition, message.offset, message.value.toString())
          resolveOffset(message.offset)
        }
        await commitOffsetsIfNecessary()
        await heartbeat()
      }
    })
    await Promise.race([stopped, crashed])
    await consumer.disconnect()
    lose()
  }
}

// kafkajs has an assigner under a name of its own only; these two do what Java's of that name do, so that the groups can mix.
function javaAssigner(name) {
  return ({ cluster }) => ({
    name,
    version: 0,
    protocol: ({ topics }) => ({ name, metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }) }),
    assign: async ({ members, topics }) => {
      const ids = members.map((m) => m.memberId).sort()
      return ids.map((memberId, at) => {
        const assignment = {}
        for (const topic of topics) {
          const partitions = cluster.findTopicPartitionMetadata(topic).map((p) => p.partitionId).sort((a, b) => a - b)
          const size = Math.floor(partitions.length / ids.length)
          const more = partitions.length % ids.length
          const start = at * size + Math.min(at, more)
          assignment[topic] = name === 'range'
            ? partitions.slice(start, start + size + (at < more ? 1 : 0))
            : partitions.filter((_, i) => i % ids.length === at)
        }
        return { memberId, memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) }) }
      })
    }
  })
}

async function platformatic() {
  // Node 20 lacks what the newer client takes for granted; the client itself stays as published.
  Promise.withResolvers ??= function () {
    let resolve, reject
    const promise = new Promise((a, b) => { resolve = a; reject = b })
    return { promise, resolve, reject }
  }
  const { Consumer } = await import('@platformatic/kafka')
  let over = false
  stopped.then(() => { over = true })
  while (!over) {
    const group = options.protocol === 'consumer'
      ? { groupProtocol: 'consumer' }
      : { sessionTimeout: options.session, heartbeatInterval: Math.floor(options.session / 4), rebalanceTimeout: 10_000 }
    if (options.instance) group.groupInstanceId = options.instance
    const consumer = new Consumer({ clientId: 'member', groupId: options.group, bootstrapBrokers: [options.bootstrap],
      retries: 100, retryDelay: 200, ...group })
    consumer.on('error', (error) => say('!', 'error:', oneLine(error)))
    let ours = []
    const look = () => {
      const now = (consumer.assignments ?? []).filter((a) => a.topic === topic).flatMap((a) => a.partitions)
      sayPartitions('-', ours.filter((p) => !now.includes(p)))
      sayPartitions('+', now.filter((p) => !ours.includes(p)))
      ours = now
    }
    const lose = () => { sayPartitions('-', ours); ours = [] }
    if (options.protocol === 'classic') {
      consumer.on('consumer:group:rebalance', lose)
      consumer.on('consumer:group:join', look)
    }
    const latest = new Map()
    let clock
    try {
      const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false,
        maxWaitTime: 100 })
      if (options.protocol === 'consumer') clock = setInterval(look, 20) // no event tells of a new assignment
      let committing = false
      const commit = async () => {
        if (committing || latest.size === 0) return
        committing = true
        const taken = [...latest.values()].filter((m) => ours.includes(m.partition))
        latest.clear()
        try {
          // message.commit() sends the leader epoch of the client's metadata, not the one of the record: after a failover it is an
          // older one, behind whose end the offset lies, and the next owner would take the log for truncated and go back
          await consumer.commit({ offsets: taken.map((m) => ({ topic, partition: m.partition, offset: m.offset + 1n, leaderEpoch: -1 })) })
          if (taken.length > 0) say('C', ...taken.map((m) => `${m.partition}:${m.offset + 1n}`))
        } catch (error) {
          say('!', 'commit:', oneLine(error))
        }
        committing = false
      }
      const timer = setInterval(commit, every)
      const ended = new Promise((resolve) => {
        stream.on('data', (message) => {
          if (options.protocol === 'consumer') look()
          say('R', message.partition, message.offset, message.value.toString())
          latest.set(message.partition, message)
        })
        stream.on('error', (error) => { say('!', 'stream:', oneLine(error)); resolve() })
        stream.on('close', resolve)
      })
      await Promise.race([stopped, ended])
      clearInterval(timer)
      if (over) await commit()
    } catch (error) {
      say('!', 'consume:', oneLine(error))
    }
    clearInterval(clock)
    lose()
    await consumer.close(true).catch((error) => say('!', 'close:', oneLine(error)))
    if (!over) await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

await { kafkajs, '@platformatic/kafka': platformatic }[options.library]()
say('.')
process.exit(0)
